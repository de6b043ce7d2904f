"""What the calls about dimensions and tags answer."""

from collections.abc import Sequence

from pydantic import BaseModel, Field

from index.model import Tag
from index.subspaces import Vectors

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


class TagList(BaseModel):
    """All tags."""

    items: list[TagItem]


class HeardTag(TagItem):
    """A tag and how surely it is heard."""

    probability: float = Field(description="From 0 to 1.")


class HeardTagList(BaseModel):
    """Every tag, most probable first."""

    items: list[HeardTag]


def heard_tags(tags: Sequence[Tag], probabilities: Vectors) -> list[HeardTag]:
    """Tags with their probabilities, most probable first, equal ones by name.

    Args:
        tags: Of the bundle.
        probabilities: `(tags,)`, in the same order.
    """
    heard = [
        HeardTag(name=tag.name, dimension=tag.dimension, probability=round(float(probability), PROBABILITY_DECIMALS))
        for tag, probability in zip(tags, probabilities, strict=True)
    ]
    return sorted(heard, key=lambda tag: (-tag.probability, tag.name))
