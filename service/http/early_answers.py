"""An answer that is ready before the request has arrived whole reaches a client that is still sending.

Left alone, a server either reads the rest of a refused upload to its end, however long, or closes the connection under
the client's hands, whose system then throws the answer away. This ASGI middleware sends the answer, goes on reading for
a moment, and only then closes.
"""

import anyio
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Long enough for a client to see the answer and stop; what it sends meanwhile is thrown away.
LINGER_SECONDS = 2.0


class EarlyAnswers:
    """ASGI middleware: closes gently on a client whose request was answered before it was read."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection; only HTTP requests with a body are touched."""
        if scope["type"] != "http" or not _has_body(Headers(scope=scope)):
            await self._app(scope, receive, send)
            return
        is_read = False

        async def watching_receive() -> Message:
            nonlocal is_read
            message = await receive()
            is_read = is_read or message["type"] != "http.request" or not message.get("more_body", False)
            return message

        async def closing_send(message: Message) -> None:
            if not is_read and message["type"] == "http.response.start":
                MutableHeaders(scope=message)["connection"] = "close"
            if is_read or message["type"] != "http.response.body" or message.get("more_body", False):
                await send(message)
                return
            await send({**message, "more_body": True})
            with anyio.move_on_after(LINGER_SECONDS):
                while not is_read:
                    await watching_receive()
            await send({"type": "http.response.body", "body": b""})

        await self._app(scope, watching_receive, closing_send)


def _has_body(headers: Headers) -> bool:
    return "transfer-encoding" in headers or headers.get("content-length", "0") != "0"
