"""The part of an answer that a call asks for: how many, and after which cursor."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Query

DEFAULT_LIMIT = 10
LARGEST_LIMIT = 100
# Of any text in a query parameter, in characters.
LONGEST_TEXT = 2000


@dataclass(frozen=True)
class PageRequest:
    """The first `limit` items of an answer, or the `limit` that come after a cursor."""

    limit: int
    cursor: str | None = None


async def read_page(
    limit: Annotated[int, Query(ge=1, le=LARGEST_LIMIT, description="How many at most.")] = DEFAULT_LIMIT,
    cursor: Annotated[
        str | None,
        Query(max_length=LONGEST_TEXT, description="`next_cursor` of the answer whose next part is wanted."),
    ] = None,
) -> PageRequest:
    """What the parameters `limit` and `cursor` say."""
    return PageRequest(limit=limit, cursor=cursor)


WantedPage = Annotated[PageRequest, Depends(read_page)]
