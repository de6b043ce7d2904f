"""What the call for peaks answers."""

from pydantic import BaseModel, Field


class TrackPeaks(BaseModel):
    """A waveform to look at."""

    peaks: list[int] = Field(
        description="The loudest sample in each of as many parts of equal length: 0 for silence, 255 for the loudest "
        "of the track."
    )
    duration_seconds: float
