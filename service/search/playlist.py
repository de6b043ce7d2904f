"""An answer as a playlist: the tracks at the addresses where this service plays them. `forms` sends it.

The addresses are of `/tracks/{id}/audio`, not paths: where a file lies stays inside, and the playlist plays wherever
the service can be reached. A player sends no key, so where one is needed each address is sealed instead.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from fastapi import Request

from service.catalogue.repository import Catalogue
from service.safety.callers import NOBODY, Caller
from service.safety.sealing import sealed_query
from service.tracks.schemas import TrackSummary

MEDIA_TYPE = "audio/x-mpegurl"


def as_playlist(request: Request, tracks: Sequence[TrackSummary], *, secret: bytes | None) -> str:
    """Tracks as extended M3U, in UTF-8.

    Args:
        request: What was asked; the tracks' addresses are of the host that it was asked of.
        tracks: In the order in which they are to be played.
        secret: What to seal the addresses with, so that they play without a key for a day; None where none is needed.
    """
    lines = ["#EXTM3U"]
    for track in tracks:
        title = track.title if track.artist is None else f"{track.artist} - {track.title}"
        lines.append(f"#EXTINF:{round(track.duration_seconds)},{_in_a_line(title)}")
        address = request.url_for("get_audio", track_id=track.id)
        if secret is not None:
            address = address.replace(query=sealed_query(track.id, secret=secret, now=datetime.now(UTC)))
        lines.append(str(address))
    return "\n".join(lines) + "\n"


def address_secret(request: Request, catalogue: Catalogue) -> bytes | None:
    """What to seal the addresses of a playlist with, so that a player can play them; None where nobody needs a key."""
    caller: Caller = getattr(request.state, "caller", NOBODY)
    return None if caller.is_anonymous else catalogue.cursor_secret


def _in_a_line(text: str) -> str:
    return " ".join(text.split())
