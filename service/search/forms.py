"""The form in which an answer is wanted, as the header Accept says: JSON, a playlist, a Parquet file.

It is the same answer in another form, so every call that searches keeps the parameters it has.
"""

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any

from fastapi import Request
from starlette.responses import Response

from service.search import parquet, playlist
from service.search.schemas import SearchItem

CURSOR_HEADER = "Facet-Next-Cursor"


class Form(Enum):
    """A form, by its media types; the first is the one that is sent."""

    JSON = ("application/json",)
    # Registered for the same format, or in use for it.
    PLAYLIST = (
        *(playlist.MEDIA_TYPE, "audio/mpegurl", "application/x-mpegurl"),
        "application/vnd.apple.mpegurl",
    )
    PARQUET = (parquet.MEDIA_TYPE, "application/x-parquet")


# For the OpenAPI document.
AS_OTHER_FORMS: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {
            playlist.MEDIA_TYPE: {"schema": {"type": "string"}},
            parquet.MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}},
        },
        "headers": {
            CURSOR_HEADER: {
                "description": "Of a playlist or a Parquet file: what `next_cursor` is otherwise.",
                "schema": {"type": "string"},
            }
        },
    }
}


def wanted_form(accept: str) -> Form:
    """The form that a header Accept prefers; where it prefers none, JSON it is."""
    preferences = [_preference(part) for part in accept.split(",")]
    weights = {form: max((q for kind, q in preferences if kind in form.value), default=0.0) for form in Form}
    return max(Form, key=lambda form: weights[form])


def in_another_form(
    request: Request,
    items: Sequence[SearchItem],
    *,
    dimensions: Sequence[str],
    secret: bytes | None,
    next_cursor: str | None = None,
) -> Response | None:
    """An answer in the form that a request prefers; None if that is JSON.

    Args:
        request: What was asked.
        items: In the order of the answer.
        dimensions: All that the bundle has.
        secret: As `playlist.as_playlist` takes it.
        next_cursor: Of the next part, if there is one.

    Raises:
        ParquetUnavailableError: If that is wanted and what writes it is not installed.
    """
    headers: Mapping[str, str] = {} if next_cursor is None else {CURSOR_HEADER: next_cursor}
    match wanted_form(request.headers.get("accept", "")):
        case Form.PLAYLIST:
            text = playlist.as_playlist(request, [item.track for item in items], secret=secret)
            return Response(text, media_type=playlist.MEDIA_TYPE, headers=headers)
        case Form.PARQUET:
            content = parquet.as_parquet(items, dimensions=dimensions)
            return Response(content, media_type=parquet.MEDIA_TYPE, headers=headers)
    return None


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
