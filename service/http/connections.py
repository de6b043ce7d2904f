"""Connections whose request never comes to its head's end: closed after a while, or after too many bytes.

uvicorn waits for a request's head for as long as the client likes, and keeps all of it that came. `serving` has it use
this protocol instead of its own.
"""

import asyncio

from service.http.malformed_requests import AnsweringConnection

# From the first byte, or from the connection's beginning, to the empty line.
HEAD_SECONDS = 15.0
# Request line and headers: a question of a hundred tags in a query string is some 3 kB.
HEAD_BYTES = 64 * 1024


class HeadTooLargeError(Exception):
    """Request line and headers are larger than is read."""


class PatientConnection(AnsweringConnection):
    """A connection with an end to its patience."""

    _timer: asyncio.TimerHandle | None = None
    _is_in_head = False
    _head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes in."""
        is_idle = self.cycle is None or self.cycle.response_complete
        if is_idle and not self._is_in_head:
            # The next request, or empty lines before one, for which the server stops counting idle time.
            self._wait()
        super().data_received(data)
        if not self._is_in_head or self.transport.is_closing():
            return
        self._head_bytes += len(data)
        if self._head_bytes > HEAD_BYTES:
            self.send_400_response("The head of the request is too large.")

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._is_in_head = True
        self._head_bytes = 0
        self._wait()

    def on_headers_complete(self) -> None:
        """A request's head is there.

        Raises:
            HeadTooLargeError: If it came at once but is too large; the parser answers with 400.
        """
        self._stop_waiting()
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > HEAD_BYTES:
            raise HeadTooLargeError
        self._is_in_head = False
        super().on_headers_complete()

    def _wait(self) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self) -> None:
        self._timer = None
        if self.cycle is not None and not self.cycle.response_complete:
            self._wait()  # the answer before is still being sent
        else:
            self.transport.close()
