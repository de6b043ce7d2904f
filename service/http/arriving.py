"""A body arrives piece by piece, and not too slowly: a client that trickles it holds a connection for sport.

`uploads` and `json_body` read what comes from here.
"""

import time
from collections.abc import AsyncIterator

import anyio
from fastapi import Request

from service.http.refusals import RefusalError

# A client that sends nothing for this long has gone.
STALLED_AFTER_SECONDS = 30.0
# Beyond the first half a minute, a body must have come at this rate on the whole. A telephone on a bad day is quicker.
GRACE_SECONDS = 30.0
SLOWEST_BYTES_PER_SECOND = 8 * 1024


class UploadStalledError(RefusalError):
    """The client stopped sending, or sends too slowly."""

    code = "upload_stalled"


async def arriving(request: Request) -> AsyncIterator[bytes]:
    """The pieces of a body, as they come. Only the time that is waited for them counts.

    Args:
        request: Its body must not have been read yet.

    Raises:
        UploadStalledError: If nothing comes for long, or too little for longer.
        ClientDisconnect: If the client went away.
    """
    stream = request.stream()
    received, waited = 0, 0.0
    while True:
        left = GRACE_SECONDS + received / SLOWEST_BYTES_PER_SECOND - waited
        began = time.monotonic()
        try:
            with anyio.fail_after(min(STALLED_AFTER_SECONDS, left)):
                piece = await anext(stream, None)
        except TimeoutError as error:
            if left > STALLED_AFTER_SECONDS:
                raise UploadStalledError(f"nothing came for {STALLED_AFTER_SECONDS:g} s; send it again") from error
            raise UploadStalledError(
                f"{received} bytes came in {waited + time.monotonic() - began:.0f} s, at least "
                f"{SLOWEST_BYTES_PER_SECOND} a second are waited for; send it again over a better line"
            ) from error
        waited += time.monotonic() - began
        if piece is None:
            return
        received += len(piece)
        yield piece
