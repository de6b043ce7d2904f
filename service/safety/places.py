"""A limited number of places for work that fills a core, and a queue before them that does not grow without end.

Past both, a request is sent away at once rather than served late, and those being served stay as quick as they were.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio

from service.http.refusals import TooBusyError


class Places:
    """For use on one event loop."""

    def __init__(self, at_once: int, *, waiting_at_most: int, work: str) -> None:
        """Prepare.

        Args:
            at_once: How many have a place at the same time.
            waiting_at_most: How many may wait for one.
            work: What is done there, in the words of a sentence: "questions wait to be answered".
        """
        self._limiter = anyio.CapacityLimiter(at_once)
        self._waiting_at_most = waiting_at_most
        self._work = work

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """A place for as long as the block lasts; waits for it in the order of arrival.

        Raises:
            TooBusyError: If too many wait.
        """
        waiting = self._limiter.statistics().tasks_waiting
        if waiting >= self._waiting_at_most:
            raise TooBusyError(f"{waiting} {self._work}; try again in a moment")
        async with self._limiter:
            yield
