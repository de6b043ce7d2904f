"""What a search answers."""

from typing import Self

from pydantic import BaseModel, Field

from index.live_search import SIMILARITY_DECIMALS
from service.search.question import Question
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
    ended_at_depth: int | None = Field(
        description="Not null where the answer ends though there are more tracks: no more than so many are looked at."
    )

    @classmethod
    def of(cls, page: Page) -> Self:
        """Of a page of the searcher."""
        return cls(
            items=[SearchItem.of(found) for found in page.found],
            next_cursor=page.next_cursor,
            ended_at_depth=page.ended_at_depth,
        )


class FilteredTracks(BaseModel):
    """What the filters left of the catalogue. The figures add up: `tracks` is `left` and all that was dropped."""

    tracks: int = Field(description="How many this model has analysed.")
    dropped: dict[str, int] = Field(
        description="How many each filter took from what those before it had left, in their order; `examples` are the "
        "tracks that the question itself names."
    )
    left: int = Field(description="How many an answer may hold.")


class Folded(BaseModel):
    """A track that is not shown because it is a near-duplicate."""

    track_id: str
    into: str = Field(description="The track of the answer that it is a near-duplicate of.")


class PassedOver(BaseModel):
    """What is not shown between the part of the answer before and this one."""

    duplicates: list[Folded] = Field(description="With `duplicates_from`: near-duplicates.")
    most_per_artist: int = Field(description="With `most_per_artist`: tracks of artists who have enough in the answer.")


class QueryAnswer(SearchAnswer):
    """What was found, what was understood, and what was left out."""

    question: Question = Field(description="As it was understood, every weight said; asked again, it answers the same.")
    filtered: FilteredTracks
    passed_over: PassedOver

    @classmethod
    def of(cls, page: Page) -> Self:
        """Of a page of the searcher."""
        dropped = page.filtered.dropped
        return cls(
            items=[SearchItem.of(found) for found in page.found],
            next_cursor=page.next_cursor,
            ended_at_depth=page.ended_at_depth,
            question=page.question,
            filtered=FilteredTracks(
                tracks=page.filtered.tracks, dropped=dropped, left=page.filtered.tracks - sum(dropped.values())
            ),
            passed_over=PassedOver(
                duplicates=[
                    Folded(track_id=each.hit.track_id, into=each.into)
                    for each in page.passed_over
                    if each.into is not None
                ],
                most_per_artist=sum(each.into is None for each in page.passed_over),
            ),
        )


class ClipAnswer(BaseModel):
    """An uploaded clip, to be named in questions."""

    id: str = Field(description="Give it as `clip` in an example of POST /query.")
    kept: str = Field(description="For how long, in words.")


class PathAnswer(BaseModel):
    """Tracks that lead from one to another."""

    items: list[SearchItem] = Field(
        description="From the first to the last; `similarity` is to the point of the way that the track stands at."
    )
