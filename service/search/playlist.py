"""Any answer as a playlist: the tracks at the addresses where this service plays them.

Which form is wanted is said in the header Accept, since it is the same answer in another form: every call keeps the
parameters it has. The addresses are of `/tracks/{id}/audio`, not paths: where a file lies stays inside, and the
playlist plays wherever the service can be reached.
"""

from collections.abc import Sequence
from typing import Any

from fastapi import Request
from starlette.responses import Response

from service.tracks.schemas import TrackSummary

MEDIA_TYPE = "audio/x-mpegurl"
# Registered for the same format, or in use for it.
OTHER_MEDIA_TYPES = ("audio/mpegurl", "application/x-mpegurl", "application/vnd.apple.mpegurl")
CURSOR_HEADER = "Facet-Next-Cursor"
# For the OpenAPI document.
AS_PLAYLIST: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {MEDIA_TYPE: {"schema": {"type": "string"}}},
        "headers": {
            CURSOR_HEADER: {
                "description": "Of a playlist: what `next_cursor` is otherwise.",
                "schema": {"type": "string"},
            }
        },
    }
}


def is_playlist_wanted(accept: str) -> bool:
    """Whether a header Accept prefers a playlist to JSON; where it prefers neither, JSON it is."""
    preferences = [_preference(part) for part in accept.split(",")]
    as_playlist = max((q for kind, q in preferences if kind in (MEDIA_TYPE, *OTHER_MEDIA_TYPES)), default=0.0)
    as_json = max((q for kind, q in preferences if kind == "application/json"), default=0.0)
    return as_playlist > as_json


def playlist_response(request: Request, tracks: Sequence[TrackSummary], *, next_cursor: str | None = None) -> Response:
    """Tracks as extended M3U, in UTF-8.

    Args:
        request: What was asked; the tracks' addresses are of the host that it was asked of.
        tracks: In the order in which they are to be played.
        next_cursor: Of the next part, if there is one.
    """
    lines = ["#EXTM3U"]
    for track in tracks:
        title = track.title if track.artist is None else f"{track.artist} - {track.title}"
        lines.append(f"#EXTINF:{round(track.duration_seconds)},{_in_a_line(title)}")
        lines.append(str(request.url_for("get_audio", track_id=track.id)))
    headers = {} if next_cursor is None else {CURSOR_HEADER: next_cursor}
    return Response("\n".join(lines) + "\n", media_type=MEDIA_TYPE, headers=headers)


def _preference(part: str) -> tuple[str, float]:
    """A media type and its weight, 1 if none is given; one that cannot be read counts as none."""
    kind, *parameters = (piece.strip() for piece in part.split(";"))
    weight = 1.0
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "q":
            try:
                weight = float(value)
            except ValueError:
                weight = 0.0
    return kind.lower(), weight


def _in_a_line(text: str) -> str:
    return " ".join(text.split())
