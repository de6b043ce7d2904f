"""Real processes: who is let in where, what is logged of it, and that a flood drowns nobody else."""

import os
import re
import signal
import sqlite3
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import pytest

from service.safety.api_keys import new_key
from service.settings import Settings
from tests.service.http.running import encoded, ingested, tune
from tests.service.http.tiny_bundle import write_tiny_bundle

ROOT = Path(__file__).parents[2]
FACET = (sys.executable, str(ROOT / "facet.py"))
EVERY_ADDRESS = "0.0.0.0"  # noqa: S104


@pytest.fixture
def tiny(tmp_path: Path) -> Settings:
    """A small catalogue in the space of a tiny bundle."""
    music = tmp_path / "music"
    music.mkdir()
    rng = np.random.default_rng(8)
    for number in range(5):
        (music / f"{number}.wav").write_bytes(encoded(tune(rng)))
    settings = Settings(data_dir=tmp_path / "data", model=write_tiny_bundle(tmp_path / "model"))
    assert len(ingested(settings, music)) == 5
    return settings


def environment(settings: Settings, **further: str) -> dict[str, str]:
    where = {"FACET_DATA_DIR": str(settings.data_dir), "FACET_MODEL": str(settings.model), "FACET_THREADS": "1"}
    return {**os.environ, **where, **further}


def run(settings: Settings, *arguments: str, **further: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*FACET, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=environment(settings, **further),
    )


@dataclass(frozen=True)
class Running:
    """A service in a process of its own; all that it says is kept."""

    address: str
    output: Path


@contextmanager
def serving(settings: Settings, *arguments: str, **further: str) -> Iterator[Running]:
    output = settings.data_dir.parent / f"output-{time.monotonic_ns()}"
    with (
        output.open("w") as kept,
        subprocess.Popen(
            [*FACET, "serve", "--port", "0", *arguments],
            stdout=kept,
            stderr=subprocess.STDOUT,
            env=environment(settings, PYTHONUNBUFFERED="1", **further),
        ) as process,
    ):
        try:
            deadline = time.monotonic() + 60
            while (found := re.search(r"answers at http://\S+:(\d+)", output.read_text())) is None:
                assert process.poll() is None, output.read_text()
                assert time.monotonic() < deadline
                time.sleep(0.05)
            yield Running(f"http://127.0.0.1:{found[1]}", output)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(15)


def made_key(settings: Settings, name: str, *arguments: str, scope: str = "read") -> str:
    done = run(settings, "keys", "create", name, "--scope", scope, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


@pytest.mark.parametrize("host", [EVERY_ADDRESS, "::"])
def test_where_others_reach_it_a_service_refuses_to_start_without_a_key(tiny: Settings, host: str) -> None:
    began = time.monotonic()
    done = run(tiny, "serve", "--host", host, "--port", "0")
    assert done.returncode == 1
    assert f"{host} can be reached from other machines, and there is no API key" in done.stderr
    assert "facet keys create" in done.stderr
    assert "Traceback" not in done.stderr
    assert "answers at" not in done.stdout
    assert time.monotonic() - began < 30


def test_a_key_that_opens_nothing_is_no_reason_to_start(tiny: Settings) -> None:
    made_key(tiny, "gone")
    assert run(tiny, "keys", "revoke", "gone").returncode == 0
    done = run(tiny, "serve", "--host", EVERY_ADDRESS, "--port", "0")
    assert done.returncode == 1
    assert "there is no API key" in done.stderr


@pytest.mark.parametrize("word", ["yes", "true", "1", "read", "anyone"])
def test_a_word_that_says_nothing_opens_nothing(tiny: Settings, word: str) -> None:
    done = run(tiny, "serve", "--host", EVERY_ADDRESS, "--port", "0", FACET_ALLOW_ANONYMOUS=word)
    assert done.returncode == 1
    assert "FACET_ALLOW_ANONYMOUS" in done.stderr


def test_told_so_in_words_it_starts_and_says_what_that_means(tiny: Settings) -> None:
    with serving(tiny, "--host", EVERY_ADDRESS, FACET_ALLOW_ANONYMOUS="anyone-may-read") as running:
        assert httpx.get(f"{running.address}/tracks").status_code == 200
        assert "Warning: FACET_ALLOW_ANONYMOUS is anyone-may-read" in running.output.read_text()


def test_with_a_key_it_starts_and_a_revoked_one_is_worth_nothing_two_seconds_later(tiny: Settings) -> None:
    key = made_key(tiny, "laptop")
    with serving(tiny, "--host", EVERY_ADDRESS) as running:
        tracks = f"{running.address}/tracks"
        assert httpx.get(tracks).status_code == 401
        assert httpx.get(tracks, headers=bearer(key)).status_code == 200
        assert run(tiny, "keys", "revoke", "laptop").returncode == 0
        revoked_at = time.monotonic()
        while httpx.get(tracks, headers=bearer(key)).status_code != 401:
            assert time.monotonic() - revoked_at < 2
        assert httpx.get(tracks).status_code == 401
        assert httpx.get(f"{running.address}/readyz").status_code == 200


def test_an_address_that_a_client_makes_up_is_not_believed(tiny: Settings) -> None:
    with serving(tiny, FACET_REQUESTS_PER_SECOND="1", FACET_ALLOW_ANONYMOUS="anyone-may-read") as running:
        statuses = [
            httpx.get(f"{running.address}/dimensions", headers={"x-forwarded-for": f"10.0.0.{n}"}).status_code
            for n in range(20)
        ]
        assert 429 in statuses
    trusting = {"FACET_TRUSTED_PROXIES": "127.0.0.0/8", "FACET_ALLOW_ANONYMOUS": "anyone-may-read"}
    with serving(tiny, FACET_REQUESTS_PER_SECOND="1", **trusting) as running:
        statuses = [
            httpx.get(f"{running.address}/dimensions", headers={"x-forwarded-for": f"10.0.0.{n}"}).status_code
            for n in range(20)
        ]
        assert set(statuses) == {200}


def test_no_key_is_ever_logged(tiny: Settings) -> None:
    good, strange = made_key(tiny, "laptop", scope="write"), new_key()
    mistyped = strange[:-1] + ("a" if strange[-1] != "a" else "b")
    with serving(tiny, FACET_REQUESTS_PER_SECOND="20") as running, httpx.Client(base_url=running.address) as client:
        for key in (good, strange, mistyped):
            for headers in (bearer(key), {"x-api-key": key}, {"authorization": key}, {"cookie": f"key={key}"}):
                client.get("/tracks", headers=headers)
                client.get(f"/search?tag=rock&key={key}", headers=headers)
                client.post("/query", headers=headers, content=b"{")
                client.post("/similar", headers=headers, files={"file": b"no audio"})
            client.get(f"/{key}")
            client.get("/tracks", headers={**bearer(key), "host": "evil.example"})
        for _ in range(150):
            client.get("/tracks", headers=bearer(good))
        # What the server itself complains of: a head that is none.
        with pytest.raises(httpx.HTTPError):
            httpx.get(running.address, headers={"x-api-key": good, "x": "y" * 100_000}).raise_for_status()
        # A defect: what is logged of it is a traceback.
        assert run(tiny, "list").returncode == 0
        with sqlite3.connect(tiny.data_dir / "catalogue.db") as database:
            database.execute("UPDATE tracks SET added_at = 'no moment'")
        time.sleep(5)
        assert client.get("/tracks", headers=bearer(good)).status_code == 500
    said = running.output.read_text()
    assert "Traceback" in said
    assert "key_refused" in said
    for key in (good, strange, mistyped):
        assert key[10:40] not in said
    content = b"".join(file.read_bytes() for file in tiny.data_dir.rglob("*") if file.is_file())
    assert good.encode()[10:] not in content


# Run by Python at its start, in the service and in its children: says what they would connect to or look up.
WATCHED = """
import os, sys

def hook(event, arguments):
    if event == "socket.connect" and not isinstance(arguments[1], (str, bytes)):
        said = ("connect", arguments[1])
    elif event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"):
        said = (event, arguments)
    else:
        return
    with open(os.environ["WATCHED_FILE"], "a") as file:
        print(*said, file=file)

open(os.environ["WATCHED_FILE"], "a").close()
sys.addaudithook(hook)
"""


def test_the_service_calls_nobody(tiny: Settings, tmp_path: Path) -> None:
    watching = tmp_path / "watching"
    watching.mkdir()
    (watching / "sitecustomize.py").write_text(WATCHED)
    file = tmp_path / "watched"
    where = {"PYTHONPATH": str(watching), "WATCHED_FILE": str(file)}
    with serving(tiny, **where) as running, httpx.Client(base_url=running.address) as client:
        assert client.get("/search?tag=rock").status_code == 200
        assert client.post("/similar", files={"file": encoded(tune(np.random.default_rng(1)))}).status_code == 200
        # A playlist that would have a player fetch something.
        remote = b"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n"
        assert client.post("/tags", files={"file": remote}).json()["code"] == "not_audio"
        for address in ("/docs", "/openapi.json", "/tracks", "/readyz"):
            assert client.get(address).status_code == 200
    assert file.read_text() == ""
    # The watch works.
    code = "import socket; socket.socket().connect_ex(('127.0.0.1', 9))"
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | where)
    assert file.read_text() == "connect ('127.0.0.1', 9)\n"


@pytest.mark.timeout(180)
def test_a_flood_is_turned_away_and_those_being_served_stay_quick(tiny: Settings) -> None:
    flooding, polite = made_key(tiny, "flooding"), made_key(tiny, "polite")
    rng = np.random.default_rng(4)
    clips = [encoded(tune(rng, seconds=20)) for _ in range(12)]
    stop = threading.Event()
    turned_away: list[httpx.Response] = []
    statuses: set[int] = set()

    def flood(number: int) -> None:
        with httpx.Client(base_url=running.address, headers=bearer(flooding), timeout=60) as client:
            while not stop.is_set():
                if number % 2:
                    answer = client.get("/search?tag=rock&limit=100")
                else:
                    answer = client.post("/tags", files={"file": clips[number]})
                statuses.add(answer.status_code)
                if answer.status_code == 429:
                    turned_away.append(answer)
                    # As impatient as a browser's reload key: the flood must not take the cores from the service.
                    time.sleep(0.02)

    def asked_politely(times: int) -> list[float]:
        waits = []
        with httpx.Client(base_url=running.address, headers=bearer(polite), timeout=60) as client:
            for _ in range(times):
                began = time.monotonic()
                assert client.get("/search?tag=rock").status_code == 200
                waits.append(time.monotonic() - began)
                time.sleep(0.05)
        return waits

    limits = {"FACET_REQUESTS_AT_ONCE": "4", "FACET_REQUESTS_PER_SECOND": "30"}
    with serving(tiny, **limits) as running, ThreadPoolExecutor(12) as executor:
        quiet = asked_politely(10)
        floods = [executor.submit(flood, number) for number in range(12)]
        try:
            time.sleep(1)
            waits = asked_politely(40)
        finally:
            stop.set()
        for each in floods:
            each.result(60)
    assert statuses <= {200, 429}
    assert 200 in statuses
    assert len(turned_away) > 50
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in turned_away)
    assert {answer.json()["code"] for answer in turned_away} <= {"too_many_requests", "too_busy"}
    # The machine is busy with sending the flood, too, and with whatever else is run on it.
    assert statistics.median(waits) < max(0.5, 40 * statistics.median(quiet))
