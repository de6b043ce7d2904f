"""A real server on a real socket, with little patience: what never comes to the end of its head is closed."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest
import uvicorn

from service.http import connections
from service.http.connections import PatientConnection
from service.operations.metrics import Metrics

HEAD = b"GET / HTTP/1.1\r\nHost: localhost\r\n"


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Answers after the time in its query string, and waits for the body."""
    import asyncio

    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
    await send({"type": "http.response.body", "body": b"so", "more_body": True})
    await asyncio.sleep(float(scope["query_string"] or b"0"))
    await send({"type": "http.response.body", "body": b"me"})


application.state = SimpleNamespace(metrics=Metrics())  # type: ignore[attr-defined]  # as FastAPI's


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        config = uvicorn.Config(application, http=PatientConnection, ws="none", lifespan="off", log_config=None)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        yield listening.getsockname()[1]
        server.should_exit = True
        thread.join(10)


def until_closed(connection: socket.socket) -> tuple[bytes, float]:
    """All that comes, and how long it took until the end."""
    began = time.monotonic()
    connection.settimeout(10)
    received = b""
    with suppress(ConnectionResetError):
        while chunk := connection.recv(65_536):
            received += chunk
    return received, time.monotonic() - began


@pytest.mark.parametrize("sent", [b"", b"G", b"GET / HT", HEAD, HEAD + b"X-A: b", b"\r\n"])
def test_who_never_ends_the_head_is_given_up(port: int, sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(sent)
        received, seconds = until_closed(connection)
    assert received == b""
    assert 0.3 < seconds < 3


def test_who_trickles_the_head_is_given_up_all_the_same(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        began = time.monotonic()
        connection.sendall(HEAD)
        with suppress(ConnectionError):
            for _ in range(200):
                connection.sendall(b"X-A: b\r\n")
                time.sleep(0.02)
        assert time.monotonic() - began < 3


def test_who_trickles_the_next_head_is_given_up_after_an_answer(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(HEAD + b"\r\n")
        connection.settimeout(5)
        received = b""
        while not received.endswith(b"some"):
            received += connection.recv(1000)
        connection.sendall(b"\r\n")
        assert until_closed(connection)[1] < 3


def test_a_connection_is_kept_for_several_requests_and_for_a_long_answer(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        for seconds in (b"0", b"1.2", b"0"):
            connection.sendall(HEAD.replace(b"/ ", b"/?" + seconds + b" ") + b"\r\n")
            connection.settimeout(5)
            received = b""
            while not received.endswith(b"some"):
                chunk = connection.recv(1000)
                assert chunk
                received += chunk
            time.sleep(0.2)


def test_a_body_may_take_longer_than_a_head(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nConnection: close\r\n\r\n")
        for _ in range(4):
            time.sleep(0.3)
            connection.sendall(b"x")
        received, _ = until_closed(connection)
    assert received.endswith(b"some")


@pytest.mark.parametrize("pieces", [1, 40])
@pytest.mark.parametrize("part", ["path", "header", "headers"])
def test_a_head_too_large_is_refused(port: int, pieces: int, part: str) -> None:
    filler = b"x" * connections.HEAD_BYTES
    head = {
        "path": b"GET /" + filler + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "header": HEAD + b"X-A: " + filler + b"\r\n\r\n",
        "headers": HEAD + b"X-Aaaaaaa: bbbbbb\r\n" * (connections.HEAD_BYTES // 14) + b"\r\n",
    }[part]
    with socket.create_connection(("127.0.0.1", port)) as connection:
        size = -(-len(head) // pieces)
        with suppress(ConnectionError):
            for start in range(0, len(head), size):
                connection.sendall(head[start : start + size])
                time.sleep(0.005)
        received, _ = until_closed(connection)
    # Closed while it was still sent, the answer may be lost on the way.
    assert received == b"" or received.startswith(b"HTTP/1.1 400 ")
    assert pieces > 1 or received


def test_a_head_as_large_as_may_be_is_read(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        head = HEAD + b"Connection: close\r\nX-A: " + b"x" * (connections.HEAD_BYTES - 200) + b"\r\n\r\n"
        connection.sendall(head)
        received, _ = until_closed(connection)
    assert received.endswith(b"some")
