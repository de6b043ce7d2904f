"""Real processes: `facet serve` and `facet demo`, asked over real sockets, ended by real signals."""

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import pytest

from service.settings import SHIPPED, Settings
from tests.service.http.running import encoded, ingested, tune
from tests.service.http.tiny_bundle import write_tiny_bundle

ROOT = Path(__file__).parents[2]
SAMPLES = sorted((SHIPPED / "samples" / "audio").iterdir())
UPLOAD_BYTES = 2**20
SOUND = encoded(tune(np.random.default_rng(3)))
PART = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'


@dataclass(frozen=True)
class Running:
    """A service in a process of its own."""

    process: subprocess.Popen[str]
    address: str
    started_in_seconds: float

    @property
    def host_and_port(self) -> tuple[str, int]:
        url = httpx.URL(self.address)
        assert url.port is not None
        return url.host, url.port

    def children(self) -> list[int]:
        listed = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(child) for child in listed.split()]


@contextmanager
def facet(*arguments: str, **environment: str) -> Iterator[Running]:
    began = time.monotonic()
    with subprocess.Popen(
        [sys.executable, str(ROOT / "facet.py"), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "FACET_THREADS": "1", **environment},
    ) as process:
        try:
            assert process.stdout is not None
            found = None
            while found is None:
                line = process.stdout.readline()
                assert line, f"the service ended with status {process.wait()}"
                found = re.search(r"http://\S+", line) if line.startswith("Facet answers at") else None
            yield Running(process, found[0], time.monotonic() - began)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(15)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A small catalogue in the space of a tiny bundle."""
    folder = tmp_path_factory.mktemp("tiny")
    music = folder / "music"
    music.mkdir()
    rng = np.random.default_rng(8)
    for number in range(5):
        (music / f"{number}.wav").write_bytes(encoded(tune(rng)))
    settings = Settings(data_dir=folder / "data", model=write_tiny_bundle(folder / "model"), upload_bytes=UPLOAD_BYTES)
    assert len(ingested(settings, music)) == 5
    return settings


@pytest.fixture(scope="module")
def spool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the service's temporary files go."""
    return tmp_path_factory.mktemp("spool")


@pytest.fixture(scope="module")
def served(tiny: Settings, spool: Path) -> Iterator[Running]:
    with facet(
        *("serve", "--port", "0"),
        FACET_DATA_DIR=str(tiny.data_dir),
        FACET_MODEL=str(tiny.model),
        FACET_UPLOAD_BYTES=str(UPLOAD_BYTES),
        TMPDIR=str(spool),
    ) as running:
        yield running


def received(connection: socket.socket) -> bytes:
    """All that comes until the service closes the connection."""
    connection.settimeout(10)
    answer = bytearray()
    with suppress(ConnectionResetError):
        while chunk := connection.recv(65_536):
            answer += chunk
    return bytes(answer)


def first_answer(connection: socket.socket) -> bytes:
    """One answer, as soon as it is there; the connection may stay open."""
    connection.settimeout(5)
    answer = bytearray()
    while not answer.endswith(b"}"):
        chunk = connection.recv(65_536)
        assert chunk, answer
        answer += chunk
    return bytes(answer)


def post_head(*headers: str, path: str = "/similar") -> bytes:
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: localhost",
        "Content-Type: multipart/form-data; boundary=b",
        *headers,
        "",
        "",
    ]
    return "\r\n".join(lines).encode()


def test_an_upload_announced_as_too_large_is_refused_before_it_is_sent(served: Running) -> None:
    with socket.create_connection(served.host_and_port) as connection:
        connection.sendall(post_head("Content-Length: 99999999999"))
        began = time.monotonic()
        answer = first_answer(connection)
        assert answer.startswith(b"HTTP/1.1 413 ")
        assert b"upload_too_large" in answer
        assert time.monotonic() - began < 1


def test_a_client_that_waits_to_be_asked_for_its_body_is_never_asked(served: Running) -> None:
    with socket.create_connection(served.host_and_port) as connection:
        connection.sendall(post_head("Content-Length: 99999999999", "Expect: 100-continue"))
        answer = received(connection)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"100 Continue" not in answer


def test_a_body_that_never_ends_is_refused_while_it_arrives(served: Running, spool: Path) -> None:
    sent = 0
    stop = threading.Event()

    def send_for_ever(connection: socket.socket) -> None:
        nonlocal sent
        piece = bytes(65_536)
        with suppress(OSError):
            connection.sendall(post_head("Transfer-Encoding: chunked") + b"%x\r\n" % len(PART) + PART + b"\r\n")
            while not stop.is_set():
                connection.sendall(b"10000\r\n" + piece + b"\r\n")
                sent += len(piece)
                time.sleep(0.001)

    with socket.create_connection(served.host_and_port) as connection, ThreadPoolExecutor(1) as executor:
        sending = executor.submit(send_for_ever, connection)
        answer = received(connection)
        stop.set()
        sending.result(10)
    assert answer.startswith(b"HTTP/1.1 413 ")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"connection: close" in head.lower()
    assert b'"code":"upload_too_large"' in body
    assert body.endswith(b"}")
    assert sent > UPLOAD_BYTES
    assert list(spool.iterdir()) == []


def test_a_slow_upload_is_refused_at_the_first_byte_too_many(served: Running) -> None:
    with socket.create_connection(served.host_and_port) as connection:
        connection.sendall(post_head(f"Content-Length: {UPLOAD_BYTES + 60_000}") + PART + bytes(UPLOAD_BYTES))
        connection.settimeout(0.3)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        # Nearly 60,000 bytes are still to come; one of them decides.
        connection.sendall(bytes(200))
        assert first_answer(connection).startswith(b"HTTP/1.1 413 ")


def test_a_mistake_in_the_question_is_told_before_the_clip_is_sent(served: Running) -> None:
    with socket.create_connection(served.host_and_port) as connection:
        connection.sendall(post_head("Content-Length: 500000", path="/similar?dimension=erra") + PART)
        answer = first_answer(connection)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"unknown_dimension" in answer


def test_an_upload_that_breaks_off_leaves_nothing(served: Running, spool: Path) -> None:
    with socket.create_connection(served.host_and_port) as connection:
        connection.sendall(post_head("Content-Length: 500000") + PART + bytes(100_000))
        _until(lambda: list(spool.iterdir()) != [])
    _until(lambda: list(spool.iterdir()) == [])


def test_a_connection_serves_several_clips(served: Running) -> None:
    with httpx.Client(base_url=served.address) as client:
        for _ in range(3):
            answer = client.post("/tags", files={"file": SOUND})
            assert answer.status_code == 200
            assert "connection" not in answer.headers


def test_calls_are_answered_while_clips_are_analysed(served: Running) -> None:
    rng = np.random.default_rng(2)
    clips = [encoded(tune(rng, seconds=60)) for _ in range(8)]
    waits = []
    with httpx.Client(base_url=served.address) as client, ThreadPoolExecutor(8) as executor:
        posted = [
            executor.submit(httpx.post, f"{served.address}/tags", files={"file": clip}, timeout=60) for clip in clips
        ]
        while not all(each.done() for each in posted):
            began = time.monotonic()
            assert client.get("/livez").status_code == 200
            waits.append(time.monotonic() - began)
    assert all(each.result().status_code == 200 for each in posted)
    # Decoding and embedding them takes far longer than any one call waited.
    assert max(waits) < 1


def test_a_change_by_another_process_is_searchable_within_two_seconds(
    served: Running, tiny: Settings, tmp_path: Path
) -> None:
    file = tmp_path / "new.wav"
    file.write_bytes(encoded(tune(np.random.default_rng(44))))
    track_id = str(ingested(tiny, file)[0].track_id)
    began = time.monotonic()
    _until(lambda: httpx.get(f"{served.address}/tracks/{track_id}/similar").status_code == 200, seconds=2)
    _until(lambda: track_id in httpx.get(f"{served.address}/search?tag=rock&limit=100").text, seconds=2)
    assert time.monotonic() - began < 2


def test_the_documentation_is_served(served: Running) -> None:
    assert "swagger-ui" in httpx.get(f"{served.address}/docs").text
    assert httpx.get(f"{served.address}/openapi.json").json()["info"]["title"] == "Facet"


def test_serve_without_a_catalogue_says_how_to_begin(tmp_path: Path) -> None:
    done = _run("serve", "--port", "0", FACET_DATA_DIR=str(tmp_path))
    assert done.returncode == 1
    assert "facet ingest ~/Music" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_serve_without_a_model_says_so(tiny: Settings, tmp_path: Path) -> None:
    done = _run("serve", FACET_DATA_DIR=str(tiny.data_dir), FACET_MODEL=str(tmp_path / "none"))
    assert done.returncode == 1
    assert str(tmp_path / "none") in done.stderr
    assert "Traceback" not in done.stderr


def test_serve_on_a_port_that_is_taken_says_so(served: Running, tiny: Settings) -> None:
    port = str(served.host_and_port[1])
    done = _run("serve", "--port", port, FACET_DATA_DIR=str(tiny.data_dir), FACET_MODEL=str(tiny.model))
    assert done.returncode == 1
    assert f"cannot listen on 127.0.0.1, port {port}: Address already in use" in done.stderr


def test_the_index_is_verified_rebuilt_and_found_damaged(tiny: Settings, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(tiny.data_dir, data)
    where = {"FACET_DATA_DIR": str(data), "FACET_MODEL": str(tiny.model)}
    assert "there is no snapshot" in _run("index", "verify", **where).stdout
    rebuilt = _run("index", "rebuild", **where)
    assert rebuilt.returncode == 0
    sound = _run("index", "verify", **where)
    assert sound.returncode == 0
    assert "the index says what the catalogue says" in sound.stdout
    damaged = next(data.rglob("vectors.npy"))
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"\xff")
    found = _run("index", "verify", **where)
    assert found.returncode == 1
    assert "facet index rebuild" in found.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_service_ends_gently_and_takes_its_children_along(tiny: Settings) -> None:
    with facet("serve", "--port", "0", FACET_DATA_DIR=str(tiny.data_dir), FACET_MODEL=str(tiny.model)) as running:
        assert httpx.post(f"{running.address}/tags", files={"file": SOUND}).status_code == 200
        children = running.children()
        assert children
        began = time.monotonic()
        running.process.send_signal(signal.SIGTERM)
        running.process.wait(10)
        assert time.monotonic() - began < 5
        _until(lambda: not any(Path(f"/proc/{child}").exists() for child in children))


def test_the_model_that_ships_serves_the_music_that_ships(tmp_path: Path) -> None:
    where = {"FACET_DATA_DIR": str(tmp_path)}
    assert _run("ingest", *map(str, SAMPLES[:6]), **where).returncode == 0
    with facet("serve", "--port", "0", **where) as running, httpx.Client(base_url=running.address) as client:
        with SAMPLES[2].open("rb") as clip:
            first = client.post("/similar?dimension=instrument", files={"file": clip}, timeout=30).json()["items"][0]
        assert first["similarity"] == pytest.approx(1, abs=1e-4)
        assert list(first["dimensions"]) == ["genre", "mood", "instrument", "era"]
        assert len(client.get("/search?tag=Electronic").json()["items"]) == 6
        assert client.get(f"/tracks/{first['track']['id']}/audio").content == SAMPLES[2].read_bytes()
        if sys.platform == "linux":
            assert _memory_bytes(running) < 300 * 2**20


@pytest.mark.timeout(180)
def test_the_demonstration_prints_two_calls_that_work(tmp_path: Path) -> None:
    for _ in range(2):
        with facet("demo", "--port", "0", FACET_DATA_DIR=str(tmp_path), FACET_THREADS="2") as running:
            assert running.process.stdout is not None
            calls = [shlex.split(running.process.stdout.readline()) for _ in range(2)]
            (_, _, field, similar), (_, search) = calls
            assert field.startswith("file=@")
            with Path(field.removeprefix("file=@")).open("rb") as clip:
                answers = [httpx.post(similar, files={"file": clip}, timeout=30), httpx.get(search)]
            assert [len(answer.json()["items"]) for answer in answers] == [10, 10]
    # The second time nothing is listened to again.
    assert running.started_in_seconds < 15


def _run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "facet.py"), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, "FACET_THREADS": "1", **environment},
    )


def _memory_bytes(running: Running) -> int:
    """Proportional set size of the process and its children."""
    total = 0
    for process_id in (running.process.pid, *running.children()):
        rollup = Path(f"/proc/{process_id}/smaps_rollup").read_text()
        found = re.search(r"^Pss:\s+(\d+) kB", rollup, re.MULTILINE)
        assert found is not None
        total += int(found[1]) * 1024
    return total


def _until(holds: Callable[[], bool], *, seconds: float = 5) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)
