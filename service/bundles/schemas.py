"""What the call about the model answers."""

from pydantic import BaseModel, Field


class BundleAnswer(BaseModel):
    """A model bundle."""

    name: str
    encoder_id: str = Field(description="Vectors are comparable exactly if they were embedded under the same one.")


class AnsweringBundle(BundleAnswer):
    """The bundle that answers, and what is known of it."""

    card: str | None = Field(
        description="In Markdown: what the model is and is not, and what was measured of it; null if it has no card."
    )


class FailedTrack(BaseModel):
    """A track that could not be analysed with a model."""

    track_id: str
    code: str
    message: str


class NextBundle(BundleAnswer):
    """The bundle that is to take over, and how far the catalogue is analysed with it."""

    tracks: int = Field(description="Of the catalogue.")
    embedded: int = Field(description="Of these, analysed with this model.")
    failed: int = Field(description="Of these, tried in vain; they are tried again every hour.")
    failures: list[FailedTrack] = Field(description="The first hundred of those, and why.")
    needs_decision: bool = Field(
        description="All is tried, but so much failed that it does not take over by itself: mend that, or let "
        "`facet reembed --switch` decide."
    )


class ModelAnswer(BaseModel):
    """Which model answers, and which one is to."""

    answering: AnsweringBundle
    next: NextBundle | None = Field(description="Null if the one that is wanted answers.")
