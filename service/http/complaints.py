"""What pydantic says of a value, in the words of whoever sent it. `json_body` and `problem_handlers` ask here.

What was sent is quoted up to a length: it may be as long as a body, and the answer goes to logs and terminals.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

# Enough to see which value it was.
LONGEST_QUOTE = 100
MOST_COMPLAINTS = 5
LONGEST_DETAIL = 1000

_AN_OBJECT = "input should be an object"
_PLAIN: Mapping[str, str] = {
    "model_type": _AN_OBJECT,
    "model_attributes_type": _AN_OBJECT,
    "dict_type": _AN_OBJECT,
    "list_type": "input should be a list",
    "string_type": "input should be a text",
}


def quoted(value: object) -> str:
    """A value as it is shown in a message: no longer than `LONGEST_QUOTE`, and an ellipsis where it was cut."""
    # JSON's own words for these three, not Python's.
    text = json.dumps(value) if value is None or isinstance(value, bool) else repr(value)
    return text if len(text) <= LONGEST_QUOTE else f"{text[:LONGEST_QUOTE]}…"


def in_plain_words(error: Mapping[str, Any]) -> str:
    """What is wrong with a value, as one of pydantic's errors has it, beginning with a small letter."""
    message = _PLAIN.get(error["type"])
    if message is None:
        message = str(error["msg"]).removeprefix("Value error, ").replace(" after validation", "")
        message = message.replace("Dictionary should", "object should")
    return f"{message[:1].lower()}{message[1:]}"


def place_of(parts: Iterable[int | str]) -> str:
    """Where in what was sent a value stands, with dots between; a name that is long is cut."""
    return ".".join(_cut_name(str(part)) for part in parts if part != "[key]")


def joined(complaints: Iterable[str]) -> str:
    """Some complaints in a line: the first few, and how many more there are."""
    every = list(complaints)
    shown = "; ".join(every[:MOST_COMPLAINTS])
    more = len(every) - MOST_COMPLAINTS
    return f"{shown}; and {more} more" if more > 0 else shown


def within_bounds(detail: str) -> str:
    """A message no longer than `LONGEST_DETAIL`: what was too much went from its middle, where values are quoted."""
    if len(detail) <= LONGEST_DETAIL:
        return detail
    end = LONGEST_DETAIL // 4
    return f"{detail[: LONGEST_DETAIL - end - 3]} … {detail[-end:]}"


def _cut_name(name: str) -> str:
    return name if len(name) <= LONGEST_QUOTE else f"{name[:LONGEST_QUOTE]}…"
