"""Runs the service in this process until it is told to stop. `serve_commands` calls it.

uvicorn answers; this says when questions can be asked, which is when the index has caught up.
"""

import asyncio
import socket
from collections.abc import Callable

import uvicorn
from fastapi import FastAPI

from service.http.app import create_app
from service.http.connections import PatientConnection
from service.http.resources import Resources
from service.settings import Settings

# How often it is looked whether the index has caught up.
GLANCE_SECONDS = 0.02
# Calls that are still answered after this long, once the service is told to stop, are cut off.
GRACE_SECONDS = 10
# Who comes when so many connections are open is answered with 503: each costs a descriptor and some kilobytes.
CONNECTIONS = 1000


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
        # The commands set up logging; a line for every call would say little at much length.
        log_config=None,
        access_log=False,
        lifespan="on",
        server_header=False,
        http=PatientConnection,
        ws="none",
        limit_concurrency=CONNECTIONS,
        # By default it would believe whoever asks on this machine.
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    with listening:
        _Server(config, app, lambda resources: ready(_address(listening), resources)).run(sockets=[listening])


class _Server(uvicorn.Server):
    """Says when it is ready."""

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
        await super().shutdown(sockets)

    async def _announce(self) -> None:
        resources: Resources = self._app.state.resources
        while not resources.follower.caught_up.is_set():
            await asyncio.sleep(GLANCE_SECONDS)
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
