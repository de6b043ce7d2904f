"""A service that is told to stop answers who is in and waits for nobody for ever; who ends a call is told apart."""

import json
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

from proofs.processes import Serving, serving
from service.settings import Settings
from tests.service.http.running import encoded, ingested, tune
from tests.service.http.tiny_bundle import write_tiny_bundle

SOUND = encoded(tune(np.random.default_rng(3)))
PART = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
BODY = PART + SOUND + b"\r\n--b--\r\n"
HEAD = (
    "POST /similar HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=b\r\n"
    f"Content-Length: {len(BODY)}\r\n\r\n"
).encode()
STOP_SECONDS = 3


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Serving]:
    music = tmp_path / "music"
    music.mkdir()
    rng = np.random.default_rng(8)
    for number in range(3):
        (music / f"{number}.wav").write_bytes(encoded(tune(rng)))
    settings = Settings(data_dir=tmp_path / "data", model=write_tiny_bundle(tmp_path / "model"))
    ingested(settings, music)
    environment = {
        "FACET_DATA_DIR": str(settings.data_dir),
        "FACET_MODEL": str(settings.model),
        "FACET_STOP_SECONDS": str(STOP_SECONDS),
    }
    with serving(tmp_path, environment) as running:
        yield running


def half_sent(served: Serving) -> socket.socket:
    """A connection whose clip is under way."""
    connection = socket.create_connection(served.host_and_port, timeout=20)
    connection.sendall(HEAD + BODY[: len(BODY) // 2])
    time.sleep(0.3)  # until the service is in the middle of it
    return connection


def events(log: Path) -> dict[str, dict[str, object]]:
    return {event["event"]: event for event in map(json.loads, log.read_text().splitlines())}


def test_who_is_in_is_answered_and_nobody_is_let_in_any_more(served: Serving) -> None:
    with half_sent(served) as connection:
        served.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(served.host_and_port).close()
        connection.sendall(BODY[len(BODY) // 2 :])
        answer = bytearray()
        while chunk := connection.recv(65_536):
            answer += chunk
    served.process.wait(10)
    head, _, body = bytes(answer).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert b"connection: close" in head.lower()
    assert len(json.loads(body)["items"]) == 3
    told = events(served.log)
    assert told["service_stopping"]["requests_in_flight"] == 1
    assert "service_stopped" in told


def test_who_does_not_get_on_is_cut_off_after_the_time_that_is_set(served: Serving) -> None:
    with half_sent(served) as connection:
        began = time.monotonic()
        served.process.send_signal(signal.SIGTERM)
        served.process.wait(STOP_SECONDS + 10)
        assert STOP_SECONDS <= time.monotonic() - began < STOP_SECONDS + 5
        connection.settimeout(5)
        assert not connection.recv(10).startswith(b"HTTP/1.1 2")
    told = events(served.log)
    assert (told["request_cut_off"]["route"], told["request_cut_off"]["status"]) == ("/similar", 500)
    assert "request_broken_off" not in told


def test_a_client_that_goes_away_amid_its_upload_is_told_of_as_that(served: Serving) -> None:
    half_sent(served).close()
    gone = 'facet_requests_total{method="POST",route="/similar",status="499"} 1.0'
    deadline = time.monotonic() + 10
    while gone not in (metrics := httpx.get(f"{served.address}/metrics").text):
        assert time.monotonic() < deadline, metrics
        time.sleep(0.05)
    assert "malformed_upload" not in metrics
    assert 'route="/similar",status="400"' not in metrics
    told = events(served.log)["request_broken_off"]
    assert (told["route"], told["status"], told.get("problem")) == ("/similar", 499, None)


def test_what_is_no_http_is_counted_as_a_problem(served: Serving) -> None:
    with socket.create_connection(served.host_and_port, timeout=10) as connection:
        connection.sendall(b"Thirty spokes share one hub.\r\n\r\n")
        assert b'"malformed_request"' in connection.recv(65_536)
    assert 'facet_problems_total{code="malformed_request"} 1.0' in httpx.get(f"{served.address}/metrics").text
