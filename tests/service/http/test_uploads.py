"""Clips come and go: nothing of them stays, their names mean nothing, and the same clip is heard once."""

import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import anyio
import numpy as np
import pytest

from service import clips
from service.http import arriving, uploads
from service.settings import Settings
from tests.service.http.running import Service, encoded, running_service, tune

SOUND = encoded(tune(np.random.default_rng(3)))


@pytest.fixture
def spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files go."""
    folder = tmp_path / "spool"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def left(spool: Path) -> list[Path]:
    return list(spool.iterdir())


def test_a_clip_is_deleted_once_it_was_answered(spool: Path, shared: Service) -> None:
    assert shared.post_clip("/similar", SOUND).status_code == 200
    assert left(spool) == []


@pytest.mark.parametrize(
    "files",
    [
        [("file", bytes(2**20 + 1))],
        [("file", b"no audio")],
        [("file", SOUND), ("file", SOUND)],
        [("file", SOUND), ("other", b"")],
        [("file", b"")],
    ],
)
def test_a_clip_is_deleted_once_it_was_refused(spool: Path, shared: Service, files: list[tuple[str, bytes]]) -> None:
    assert shared.request("POST", "/similar", files=files).status_code >= 400
    assert left(spool) == []


def test_a_clip_is_deleted_when_its_request_breaks(spool: Path, shared: Service) -> None:
    seen: list[list[Path]] = []

    async def breaking() -> AsyncIterator[bytes]:
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + SOUND
        seen.append(left(spool))
        raise ConnectionResetError

    headers = {"content-type": "multipart/form-data; boundary=b"}
    assert shared.request("POST", "/similar", content=breaking(), headers=headers).status_code == 500
    assert len(seen[0]) == 1
    assert left(spool) == []


@pytest.mark.parametrize("name", ["../../escape.wav", "/etc/passwd", "a\\b.wav", "con", "x" * 500, "é\u202e.wav", ""])
def test_a_file_s_name_is_never_used(spool: Path, shared: Service, name: str) -> None:
    answer = shared.request("POST", "/tags", files={"file": (name, SOUND)})
    # A part without a file name is a text field.
    assert answer.status_code == (200 if name else 400), answer.text
    assert left(spool) == []
    assert not (spool.parent / "escape.wav").exists()


def test_a_problem_names_the_clip_not_the_temporary_file(shared: Service) -> None:
    detail = shared.post_clip("/tags", b"no audio").json()["detail"]
    assert detail.startswith("the clip ")
    assert "facet-clip" not in detail


def test_the_largest_clip_is_taken_whole(shared: Service) -> None:
    limit = shared.settings.upload_bytes
    # What is cut off are the last samples: a header is 44 bytes long.
    wave = encoded(np.random.default_rng(0).integers(-9000, 9000, limit // 2).astype(np.int16))[:limit]
    assert len(wave) == limit
    assert shared.post_clip("/tags", wave).status_code == 200
    assert shared.post_clip("/tags", wave + b"\0").json()["code"] == "upload_too_large"


def test_a_clip_in_any_number_of_pieces_is_the_same_clip(shared: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "WRITE_BYTES", 1000)
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    body = head + SOUND + b"\r\n--b--\r\n"

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 97):
            yield body[start : start + 97]

    headers = {"content-type": "multipart/form-data; boundary=b"}
    whole = shared.post_clip("/similar", SOUND, params={"limit": 3})
    in_pieces = shared.request("POST", "/similar", params={"limit": 3}, content=pieces(), headers=headers)
    # The cursor holds the clip's content hash.
    assert in_pieces.json() == whole.json()


def test_a_client_that_stops_sending_is_told(shared: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arriving, "STALLED_AFTER_SECONDS", 0.05)

    async def stalled() -> AsyncIterator[bytes]:
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        await anyio.sleep(3600)

    answer = shared.request(
        "POST", "/similar", content=stalled(), headers={"content-type": "multipart/form-data; boundary=b"}
    )
    assert (answer.json()["code"], answer.status_code) == ("upload_stalled", 408)


@pytest.mark.parametrize(
    ("address", "kind", "head"),
    [
        (
            "/similar",
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n',
        ),
        ("/query", "application/json", b"{"),
    ],
)
def test_a_client_that_trickles_a_body_is_given_up(
    shared: Service, monkeypatch: pytest.MonkeyPatch, address: str, kind: str, head: bytes
) -> None:
    monkeypatch.setattr(arriving, "GRACE_SECONDS", 0.2)
    sent = 0

    async def trickling() -> AsyncIterator[bytes]:
        nonlocal sent
        yield head
        for _ in range(1000):
            await anyio.sleep(0.02)
            sent += 1
            yield b" "

    began = time.monotonic()
    answer = shared.request("POST", address, content=trickling(), headers={"content-type": kind})
    assert (answer.json()["code"], answer.status_code) == ("upload_stalled", 408)
    assert "at least 8192 a second" in answer.json()["detail"]
    assert time.monotonic() - began < 5
    assert 0 < sent < 100


def test_a_slow_client_that_keeps_to_the_rate_is_waited_for(shared: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arriving, "GRACE_SECONDS", 0.5)
    monkeypatch.setattr(arriving, "SLOWEST_BYTES_PER_SECOND", 100)
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    body = head + SOUND + b"\r\n--b--\r\n"

    async def slow() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 5000):
            await anyio.sleep(0.1)
            yield body[start : start + 5000]

    began = time.monotonic()
    headers = {"content-type": "multipart/form-data; boundary=b"}
    assert shared.request("POST", "/tags", content=slow(), headers=headers).status_code == 200
    assert time.monotonic() - began > 0.5


@pytest.fixture
def crowded(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """An application in which hardly a clip may wait."""
    monkeypatch.setattr(clips, "WAITING_AT_MOST", 1)
    with running_service(settings) as service:
        yield service


def test_who_would_wait_too_long_is_sent_away(crowded: Service) -> None:
    rng = np.random.default_rng(1)
    distinct = [encoded(tune(rng, seconds=30)) for _ in range(12)]
    with ThreadPoolExecutor(12) as executor:
        answers = list(executor.map(lambda clip: crowded.post_clip("/tags", clip), distinct))
    codes = {answer.status_code: answer for answer in answers}
    assert set(codes) == {200, 429}
    assert codes[429].json()["code"] == "too_busy"
    assert int(codes[429].headers["retry-after"]) > 0
    assert crowded.post_clip("/tags", SOUND).status_code == 200
