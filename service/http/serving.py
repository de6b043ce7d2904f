"""Runs the service in this process until it is told to stop. `serve_commands` calls it.

uvicorn answers; this says when questions can be asked, which is when the index has caught up.
"""

import asyncio
import socket
import time
from collections.abc import Callable

import uvicorn
from fastapi import FastAPI

from service.http.app import create_app
from service.http.connections import PatientConnection
from service.http.resources import Resources
from service.operations.logs import get_logger
from service.settings import Settings

# How often it is looked whether the index has caught up.
GLANCE_SECONDS = 0.02
# Who comes when so many connections are open is answered with 503: each costs a descriptor and some kilobytes.
CONNECTIONS = 1000

log = get_logger(__name__)


class ListenError(Exception):
    """The address cannot be listened on."""


def serve_forever(settings: Settings, *, ready: Callable[[str, Resources], None]) -> None:
    """Listen and answer until SIGINT or SIGTERM.

    Args:
        settings: The catalogue and the model they name must be there.
        ready: Called once, with the address and what is open, when questions can be asked.

    Raises:
        ListenError: If the address is taken or is not this machine's.
    """
    listening = _listen(settings.host, settings.port)
    app = create_app(settings)
    config = uvicorn.Config(
        app,
        # The commands set up logging, and every request is told of by `recording`.
        log_config=None,
        access_log=False,
        http=PatientConnection,
        lifespan="on",
        server_header=False,
        ws="none",
        limit_concurrency=CONNECTIONS,
        # By default it would believe whoever asks on this machine.
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
        # Calls that are still answered after this long, once the service is told to stop, are cut off.
        timeout_graceful_shutdown=settings.stop_seconds,
    )
    with listening:
        _Server(config, app, lambda resources: ready(_address(listening), resources)).run(sockets=[listening])


class _Server(uvicorn.Server):
    """Says when it is ready, and when it stops.

    Told to stop, it lets no one in any more and answers who is in; `timeout_graceful_shutdown` says for how long. Then
    the lifespan ends: what is done in the background is finished or given up, and all is closed.
    """

    def __init__(self, config: uvicorn.Config, app: FastAPI, ready: Callable[[Resources], None]) -> None:
        super().__init__(config)
        self._app = app
        self._ready = ready
        self._announcing: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._announcing = asyncio.create_task(self._announce())

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._announcing is not None:
            self._announcing.cancel()
        began = time.monotonic()
        log.info("service_stopping", requests_in_flight=len(self.server_state.tasks))
        await super().shutdown(sockets)
        log.info("service_stopped", seconds=round(time.monotonic() - began, 2))

    async def _announce(self) -> None:
        # Looked up each time: another bundle may take over meanwhile.
        while not self._app.state.resources.follower.caught_up.is_set():
            await asyncio.sleep(GLANCE_SECONDS)
        resources: Resources = self._app.state.resources
        log.info("service_ready", tracks=len(resources.follower.index))
        self._ready(resources)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        reason = str(error.strerror or error).partition(" (while")[0]
        raise ListenError(f"cannot listen on {host}, port {port}: {reason}; try another --port") from error


def _address(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
