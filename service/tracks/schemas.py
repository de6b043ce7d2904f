"""What the calls about tracks answer."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from service.catalogue.records import Track
from service.tracks.labels import MOST_LABELS
from service.vocabulary.schemas import HeardTag

# Milliseconds: what lies below is noise of the arithmetic.
SECONDS_DECIMALS = 3

Labels = Annotated[list[str], Field(max_length=MOST_LABELS)]


class TrackSummary(BaseModel):
    """A track of the catalogue, as any answer shows it."""

    id: str = Field(description="Never changes, wherever the file moves.")
    title: str
    artist: str | None
    album: str | None
    year: int | None
    duration_seconds: float
    labels: list[str] = Field(description="Your own; PATCH /tracks/{track_id} changes them.")

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
            labels=list(track.labels),
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


class LabelCount(BaseModel):
    """A label, and how many tracks have it."""

    name: str
    tracks: int


class LabelList(BaseModel):
    """All labels, in the order of the alphabet."""

    items: list[LabelCount]


class TrackChange(BaseModel):
    """What is to become of a track's labels: say all of them, or what to add and to remove."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    labels: Labels | None = Field(default=None, description="These, in place of those it has.", examples=[["party"]])
    add_labels: Labels = Field(default=[], description="These as well.")
    remove_labels: Labels = Field(default=[], description="These no more; one that it does not have is no mistake.")

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        if self.labels is not None and (self.add_labels or self.remove_labels):
            raise ValueError("labels says all of them; it excludes add_labels and remove_labels")
        return self
