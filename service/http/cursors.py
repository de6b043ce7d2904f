"""Opaque cursors: where a page ended, sealed to the question it belongs to.

A cursor is base64url of JSON. It carries a seal over its own fields and the question, so that a damaged one, or one of
another question, is refused instead of answered wrongly. The seal is made with a secret of the catalogue's: a cursor
opens nothing that the question itself does not, but a forged one could have the service look for a page deep in the
ranking that nobody has read up to.
"""

import base64
import hashlib
import hmac
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from index.live_search import Place
from service.http.refusals import InvalidCursorError

# 128 bits.
_SEAL_DIGITS = 32


@dataclass(frozen=True)
class Sealed:
    """What a cursor is sealed to.

    Attributes:
        question: All that decides the order of the answer; JSON values.
        secret: Of the catalogue.
    """

    question: Mapping[str, Any]
    secret: bytes


@dataclass(frozen=True)
class Progress:
    """How far an answer has been read: the last hit's place, and how many hits came up to it."""

    place: Place
    hits: int


@dataclass(frozen=True)
class BlockProgress:
    """How far an answer that is put in order block by block has been read.

    Attributes:
        after: Where the block begins: behind this place, or at the top.
        hits: How many hits came before it.
        until: The place of the block's last hit; None if the block was not looked at yet.
        mark: What was shown of it, in the words of whoever puts it in order; empty for nothing.
    """

    after: Place | None
    hits: int
    until: Place | None
    mark: str


def write_cursor(sealed: Sealed, fields: Mapping[str, Any]) -> str:
    """Seal a place in the answer to a question.

    Args:
        sealed: The question, and what to seal with.
        fields: The place; JSON values.
    """
    with_seal = {**fields, "seal": _seal(sealed, fields)}
    return base64.urlsafe_b64encode(_json(with_seal)).decode("ascii").rstrip("=")


def read_cursor(sealed: Sealed, cursor: str) -> dict[str, Any]:
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
    if not (isinstance(seal, str) and hmac.compare_digest(seal.encode(), _seal(sealed, fields).encode())):
        raise InvalidCursorError(
            "the cursor is damaged or belongs to another question; "
            "give it with the same question that it came from, or begin again without one"
        )
    return dict(fields)


def write_progress(sealed: Sealed, progress: Progress | BlockProgress) -> str:
    """A cursor for the page after `progress`."""
    if isinstance(progress, Progress):
        place = progress.place
        return write_cursor(sealed, {"similarity": place.similarity, "track_id": place.track_id, "hits": progress.hits})
    fields = {"after": _fields(progress.after), "hits": progress.hits}
    return write_cursor(sealed, {**fields, "until": _fields(progress.until), "mark": progress.mark})


def read_progress(sealed: Sealed, cursor: str) -> Progress:
    """What `write_progress` wrote of an answer in the order of similarity.

    Raises:
        InvalidCursorError: As `read_cursor`.
    """
    match read_cursor(sealed, cursor):
        case {"similarity": float(similarity), "track_id": str(track_id), "hits": int(hits)} if (
            math.isfinite(similarity) and hits >= 0
        ):
            return Progress(place=Place(similarity=similarity, track_id=track_id), hits=hits)
    raise InvalidCursorError("the cursor is damaged; begin again without one")


def read_block_progress(sealed: Sealed, cursor: str) -> BlockProgress:
    """What `write_progress` wrote of an answer in blocks.

    Raises:
        InvalidCursorError: As `read_cursor`.
    """
    match read_cursor(sealed, cursor):
        case {"after": after, "hits": int(hits), "until": until, "mark": str(mark)} if hits >= 0:
            return BlockProgress(after=_place(after), hits=hits, until=_place(until), mark=mark)
    raise InvalidCursorError("the cursor is damaged; begin again without one")


def _fields(place: Place | None) -> list[float | str] | None:
    return None if place is None else [place.similarity, place.track_id]


def _place(fields: object) -> Place | None:
    match fields:
        case None:
            return None
        case [float(similarity), str(track_id)] if math.isfinite(similarity):
            return Place(similarity=similarity, track_id=track_id)
    raise InvalidCursorError("the cursor is damaged; begin again without one")


def _seal(sealed: Sealed, fields: Mapping[str, Any]) -> str:
    content = _json([sealed.question, fields])
    return hmac.new(sealed.secret, content, hashlib.sha256).hexdigest()[:_SEAL_DIGITS]


def _json(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode("utf-8")
