"""What the calls about a clip's tags answer: `schemas` has what a track's have in common with them."""

from collections.abc import Sequence
from typing import Self

from pydantic import Field

from index.model import Tag
from service.clips import Heard
from service.tracks.schemas import SECONDS_DECIMALS
from service.vocabulary.schemas import HeardTags, tags_by_dimension
from service.vocabulary.selection import TagSelection

# Of single excerpts, no more is kept.
EXCERPT_PROBABILITY_DECIMALS = 3


class HeardExcerpt(HeardTags):
    """What the model hears in an excerpt."""

    start_seconds: float
    end_seconds: float


class ClipTags(HeardTags):
    """What the model hears in a clip, and in its excerpts."""

    excerpts: list[HeardExcerpt] | None = Field(
        description="Each excerpt for itself, in the order of time, to three decimals; null unless asked for. A "
        "calibration is of whole tracks: how surely a tag is heard in one excerpt says where it is heard, no more."
    )

    @classmethod
    def of(
        cls, heard: Heard, *, tags: Sequence[Tag], selection: TagSelection, excerpt_seconds: float, with_excerpts: bool
    ) -> Self:
        """Of what was heard.

        Args:
            heard: In the clip.
            tags: Of the bundle.
            selection: What is wanted.
            excerpt_seconds: Length of an excerpt; the last one may end with the clip.
            with_excerpts: Whether each excerpt is wanted.
        """
        dimensions = tags_by_dimension(tags, heard.tag_probabilities, selection)
        if not with_excerpts:
            return cls(dimensions=dimensions, excerpts=None)
        excerpts = [
            HeardExcerpt(
                start_seconds=round(start, SECONDS_DECIMALS),
                end_seconds=round(min(start + excerpt_seconds, heard.duration_seconds), SECONDS_DECIMALS),
                dimensions=tags_by_dimension(tags, of_excerpt, selection, decimals=EXCERPT_PROBABILITY_DECIMALS),
            )
            for start, of_excerpt in zip(heard.excerpt_starts.tolist(), heard.excerpt_tag_probabilities, strict=True)
        ]
        return cls(dimensions=dimensions, excerpts=excerpts)
