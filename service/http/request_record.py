"""What is noted of a request while it is answered: `recording` begins it, whoever finds something out notes it here."""

import re
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from uuid import uuid4

REQUEST_ID_HEADER = "X-Request-ID"
# An id of somebody else's is taken over if it cannot be mistaken for anything but an id.
SANE_REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:+/=-]{0,127}")

# What a question in several dimensions, or in all, is counted under.
SEVERAL_DIMENSIONS = "(several)"


@dataclass
class RequestRecord:
    """What is known of a request so far.

    Attributes:
        request_id: The client's own if it sent a sane one, else minted here.
        dimension: The one it asks in, or "(several)"; "" if it does not search.
        problem: The code of the problem it was answered with.
    """

    request_id: str = field(default_factory=lambda: uuid4().hex)
    dimension: str = ""
    problem: str | None = None


# A worker thread gets a copy of the context, in which the record is the same one.
_current: ContextVar[RequestRecord | None] = ContextVar("facet_request_record", default=None)


def begin_record(sent_id: str | None) -> RequestRecord:
    """The record of a request that begins.

    Args:
        sent_id: What the client calls it.
    """
    record = RequestRecord()
    if sent_id is not None and SANE_REQUEST_ID.fullmatch(sent_id):
        record.request_id = sent_id
    _current.set(record)
    return record


def current_record() -> RequestRecord | None:
    """The record of the request that is being answered; None outside of one."""
    return _current.get()


def note_dimensions(weights: Mapping[str, float] | None) -> None:
    """Note which dimensions a question asks in.

    Args:
        weights: By dimension, as of a question; None: all count alike.
    """
    record = current_record()
    if record is None:
        return
    asked = [name for name, weight in (weights or {}).items() if weight > 0]
    record.dimension = asked[0] if len(asked) == 1 else SEVERAL_DIMENSIONS
