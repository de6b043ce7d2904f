"""An answer as a playlist: the tracks at the addresses where this service plays them. `forms` sends it.

The addresses are of `/tracks/{id}/audio`, not paths: where a file lies stays inside, and the playlist plays wherever
the service can be reached.
"""

from collections.abc import Sequence

from fastapi import Request

from service.tracks.schemas import TrackSummary

MEDIA_TYPE = "audio/x-mpegurl"


def as_playlist(request: Request, tracks: Sequence[TrackSummary]) -> str:
    """Tracks as extended M3U, in UTF-8.

    Args:
        request: What was asked; the tracks' addresses are of the host that it was asked of.
        tracks: In the order in which they are to be played.
    """
    lines = ["#EXTM3U"]
    for track in tracks:
        title = track.title if track.artist is None else f"{track.artist} - {track.title}"
        lines.append(f"#EXTINF:{round(track.duration_seconds)},{_in_a_line(title)}")
        lines.append(str(request.url_for("get_audio", track_id=track.id)))
    return "\n".join(lines) + "\n"


def _in_a_line(text: str) -> str:
    return " ".join(text.split())
