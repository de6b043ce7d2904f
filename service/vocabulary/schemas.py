"""What the calls about dimensions and tags answer."""

from collections.abc import Sequence
from typing import Self

from pydantic import BaseModel, Field

from index.bundle_manifest import CalibrationEntry
from index.model import Tag
from index.subspaces import Vectors
from service.vocabulary.selection import TagSelection

# float32 holds seven digits; the last ones differ from machine to machine.
PROBABILITY_DECIMALS = 6


class DimensionItem(BaseModel):
    """A dimension of the model."""

    name: str
    width: int = Field(description="Numbers in its part of an embedding.")
    tags: int = Field(description="Number of tags that belong to it.")


class DimensionList(BaseModel):
    """All dimensions."""

    items: list[DimensionItem]


class TagItem(BaseModel):
    """A tag of the model, and the dimension it belongs to."""

    name: str
    dimension: str


class Calibration(BaseModel):
    """What a tag's probability was held against, and how well it held."""

    on: str = Field(
        description="What music. Elsewhere the probability may be wrong, though tracks keep their order better."
    )
    tracks: int = Field(description="How many.")
    positives: int = Field(description="How many of them have the tag.")
    expected_calibration_error: float = Field(
        description="How far, on the mean, the probability lies from the share of tracks that have the tag; 0 is best."
    )
    roc_auc: float = Field(
        description="How often a track with the tag has the larger probability of two: 1 is best, 0.5 is chance."
    )

    @classmethod
    def of(cls, entry: CalibrationEntry) -> Self:
        """Of what the bundle says."""
        return cls(**entry.model_dump())


class KnownTag(TagItem):
    """A tag, and what its probability is worth."""

    calibration: Calibration | None = Field(
        description="On what its probability was calibrated. Null: it was not; it puts tracks in an order and means no "
        "more."
    )


class TagList(BaseModel):
    """All tags."""

    items: list[KnownTag]


class HeardTag(TagItem):
    """A tag and how surely it is heard."""

    probability: float = Field(description="From 0 to 1: the mean over the excerpts.")
    calibrated_on: str | None = Field(
        description="Music on which the probability was calibrated; GET /tags says how well it holds there. Null: it "
        "is not calibrated, and only puts tracks in an order."
    )


class DimensionTags(BaseModel):
    """What is heard in one dimension."""

    name: str
    tags: list[HeardTag] = Field(description="Most probable first.")


class HeardTags(BaseModel):
    """What the model hears, dimension by dimension."""

    dimensions: list[DimensionTags]


def heard_tags(tags: Sequence[Tag], probabilities: Vectors, *, decimals: int = PROBABILITY_DECIMALS) -> list[HeardTag]:
    """Tags with their probabilities, most probable first, equal ones by name.

    Args:
        tags: Of the bundle.
        probabilities: `(tags,)`, in the same order.
        decimals: Of the probabilities.
    """
    heard = [
        HeardTag(
            name=tag.name,
            dimension=tag.dimension,
            probability=round(float(probability), decimals),
            calibrated_on=None if tag.calibration is None else tag.calibration.on,
        )
        for tag, probability in zip(tags, probabilities, strict=True)
    ]
    return sorted(heard, key=lambda tag: (-tag.probability, tag.name))


def tags_by_dimension(
    tags: Sequence[Tag], probabilities: Vectors, selection: TagSelection, *, decimals: int = PROBABILITY_DECIMALS
) -> list[DimensionTags]:
    """What is wanted of the tags, every dimension's most probable first; a dimension may have none.

    Args:
        tags: As `heard_tags` takes them, like the two that follow.
        probabilities: `(tags,)`.
        selection: What is wanted.
        decimals: Of the probabilities, which are compared as they are shown.
    """
    heard = heard_tags(tags, probabilities, decimals=decimals)
    return [
        DimensionTags(
            name=name,
            tags=[tag for tag in heard if tag.dimension == name and tag.probability >= selection.at_least][
                : selection.limit
            ],
        )
        for name in selection.dimensions
    ]
