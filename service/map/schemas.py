"""What the call for the map answers."""

from pydantic import BaseModel, Field


class MapDescription(BaseModel):
    """The map as of now."""

    version: str = Field(description="Of all its parts; each tells it in the header Facet-Map-Version.")
    tracks: int
    newcomers: int = Field(description="Of these, placed among their neighbours since `facet map` drew the others.")
    coloured: dict[str, list[str]] = Field(
        description="By dimension, the tags that most tracks lean to beyond what others do, most frequent first."
    )
