"""What the page's own calls answer."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from service.http.paging import LONGEST_TEXT
from service.tracks.schemas import TrackSummary

LONGEST_PLAYLIST = 1000


class NamedTracks(BaseModel):
    """Tracks by name, in the order in which they were added."""

    items: list[TrackSummary]


class WantedPlaylist(BaseModel):
    """Which tracks are to be in a playlist."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    track_ids: list[Annotated[str, Field(max_length=LONGEST_TEXT)]] = Field(max_length=LONGEST_PLAYLIST)


class Failures(BaseModel):
    """Files that an ingest could not bring in, for one reason."""

    code: str = Field(description="Stable, for programs.")
    files: int
    advice: str = Field(description="What to do about it.")


class CatalogueState(BaseModel):
    """The catalogue as of now."""

    tracks: int = Field(description="In the catalogue.")
    searchable: int = Field(description="Analysed with the model that answers, and in the index.")
    failures: list[Failures] = Field(description="By code; `facet list --failed` names the files.")
    likeness: dict[str, list[float]] = Field(
        description="By dimension, the cosines of two tracks chosen at random, at every twentieth of them from the "
        "least to the most alike: 21 numbers. They say what a cosine means in this catalogue. Empty without tracks."
    )
