"""A track's id as it comes in an address: a UUID, or there is no such track."""

import uuid
from typing import Annotated

from fastapi import Depends, Path

from service.catalogue.errors import TrackNotFoundError


def is_track_id(text: str) -> bool:
    """Whether a track could have this id: a UUID as the catalogue writes it."""
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False


async def read_track_id(track_id: Annotated[str, Path(description="A track's id.")]) -> str:
    """The id in the address. What is no id never comes near the database.

    Raises:
        TrackNotFoundError: If no track can have it.
    """
    if not is_track_id(track_id):
        raise TrackNotFoundError(track_id)
    return track_id


TrackId = Annotated[str, Depends(read_track_id)]
