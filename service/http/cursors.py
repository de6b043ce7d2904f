"""Opaque cursors: where a page ended, sealed to the question it belongs to.

A cursor is base64url of JSON. It carries a seal over its own fields and the question, so that a damaged one, or one of
another question, is refused instead of answered wrongly. The seal is no secret: a cursor opens nothing that the
question itself does not.
"""

import base64
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from index.live import Place
from service.http.refusals import InvalidCursorError

_SEAL_DIGITS = 16


@dataclass(frozen=True)
class Progress:
    """How far an answer has been read: the last hit's place, and how many hits came up to it."""

    place: Place
    hits: int


def write_cursor(question: Mapping[str, Any], fields: Mapping[str, Any]) -> str:
    """Seal a place in the answer to a question.

    Args:
        question: All that decides the order of the answer; JSON values.
        fields: The place; JSON values.
    """
    sealed = {**fields, "seal": _seal(question, fields)}
    return base64.urlsafe_b64encode(_json(sealed)).decode("ascii").rstrip("=")


def read_cursor(question: Mapping[str, Any], cursor: str) -> dict[str, Any]:
    """The fields of a cursor that `write_cursor` made for the same question.

    Raises:
        InvalidCursorError: If it is damaged, or belongs to another question.
    """
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        fields = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        seal = fields.pop("seal")
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
        raise InvalidCursorError("the cursor is damaged; begin again without one") from error
    if seal != _seal(question, fields):
        raise InvalidCursorError(
            "the cursor is damaged or belongs to another question; "
            "give it with the same question that it came from, or begin again without one"
        )
    return dict(fields)


def write_progress(question: Mapping[str, Any], progress: Progress) -> str:
    """A cursor for the page after `progress`."""
    place = progress.place
    return write_cursor(question, {"similarity": place.similarity, "track_id": place.track_id, "hits": progress.hits})


def read_progress(question: Mapping[str, Any], cursor: str) -> Progress:
    """What `write_progress` wrote.

    Raises:
        InvalidCursorError: As `read_cursor`.
    """
    match read_cursor(question, cursor):
        case {"similarity": float(similarity), "track_id": str(track_id), "hits": int(hits)} if (
            math.isfinite(similarity) and hits >= 0
        ):
            return Progress(place=Place(similarity=similarity, track_id=track_id), hits=hits)
    raise InvalidCursorError("the cursor is damaged; begin again without one")


def _seal(question: Mapping[str, Any], fields: Mapping[str, Any]) -> str:
    return hashlib.sha256(_json([question, fields])).hexdigest()[:_SEAL_DIGITS]


def _json(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode("utf-8")
