"""What the calls about tracks answer."""

from typing import Self

from pydantic import BaseModel, Field

from service.catalogue.records import Track
from service.vocabulary.schemas import HeardTag

# Milliseconds: what lies below is noise of the arithmetic.
SECONDS_DECIMALS = 3


class TrackSummary(BaseModel):
    """A track of the catalogue, as any answer shows it."""

    id: str = Field(description="Never changes, wherever the file moves.")
    title: str
    artist: str | None
    album: str | None
    year: int | None
    duration_seconds: float

    @classmethod
    def of(cls, track: Track) -> Self:
        """Of the catalogue's record; its path stays inside."""
        return cls(
            id=track.id,
            title=track.title,
            artist=track.artist,
            album=track.album,
            year=track.year,
            duration_seconds=round(track.duration_seconds, SECONDS_DECIMALS),
        )


class TrackDetail(TrackSummary):
    """A track with its tags."""

    tags: list[HeardTag] = Field(
        description="Every tag of the model, most probable first; empty if this model has not analysed the track yet."
    )


class TrackList(BaseModel):
    """A part of the catalogue."""

    items: list[TrackSummary]
    next_cursor: str | None = Field(description="Give it as `cursor` for the next part; null at the end.")
