"""What a search answers."""

from typing import Self

from pydantic import BaseModel, Field

from index.live import SIMILARITY_DECIMALS
from service.search.searcher import Found, Page
from service.tracks.schemas import SECONDS_DECIMALS, TrackSummary


class Excerpt(BaseModel):
    """A part of a track."""

    start_seconds: float
    end_seconds: float


class SearchItem(BaseModel):
    """A track that was found, and why."""

    track: TrackSummary
    similarity: float = Field(description="Weighted mean of `dimensions`, from -1 to 1: larger is closer.")
    dimensions: dict[str, float] = Field(description="Cosine in each dimension that the question points into.")
    excerpt: Excerpt = Field(description="The part of the track that matches best.")

    @classmethod
    def of(cls, found: Found) -> Self:
        """Of what the searcher found."""
        start, end = found.excerpt_seconds
        return cls(
            track=TrackSummary.of(found.track),
            similarity=found.similarity,
            dimensions={name: round(cosine, SIMILARITY_DECIMALS) for name, cosine in found.dimensions.items()},
            excerpt=Excerpt(start_seconds=round(start, SECONDS_DECIMALS), end_seconds=round(end, SECONDS_DECIMALS)),
        )


class SearchAnswer(BaseModel):
    """Tracks, most similar first."""

    items: list[SearchItem]
    next_cursor: str | None = Field(
        description="Give it as `cursor`, with the same question, for the next part; null at the end."
    )

    @classmethod
    def of(cls, page: Page) -> Self:
        """Of a page of the searcher."""
        return cls(items=[SearchItem.of(found) for found in page.found], next_cursor=page.next_cursor)
