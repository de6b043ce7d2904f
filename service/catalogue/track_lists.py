"""Tracks by the page, by name and by artist, always in the order they were added. `Catalogue` asks."""

from collections.abc import Sequence

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from service.catalogue.records import Track
from service.catalogue.tables import TrackRow
from service.catalogue.writing import folded_name


def tracks_after(session: Session, track_id: str, *, limit: int) -> list[Track]:
    """The tracks whose ids follow this one, which need not be there; all follow the empty one."""
    question = select(TrackRow).where(TrackRow.id > track_id).order_by(TrackRow.id).limit(limit)
    return [row.as_track() for row in session.scalars(question)]


def tracks_named(session: Session, words: Sequence[str], *, limit: int) -> list[Track]:
    """The tracks whose title or artist holds each of these words, in whatever case."""
    question = select(TrackRow).order_by(TrackRow.id).limit(limit)
    for word in words:
        question = question.where(
            or_(
                func.lower(TrackRow.title).contains(word.lower(), autoescape=True),
                TrackRow.artist_folded.contains(folded_name(word), autoescape=True),
            )
        )
    return [row.as_track() for row in session.scalars(question)]


def track_ids_by_artist(session: Session, artist: str) -> list[str]:
    """The tracks of this artist, in whatever case and with whatever space around it."""
    question = select(TrackRow.id).where(TrackRow.artist_folded == folded_name(artist)).order_by(TrackRow.id)
    return list(session.scalars(question))
