"""A catalogue from its first file to its last restart, by the commands a person gives, on either database."""

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import pytest

from tests.end_to_end.test_service import ROOT, Running, facet
from tests.service.http.running import encoded, tune
from tests.service.http.tiny_bundle import write_tiny_bundle

# What any process does is searchable within this time; on a machine with other work, processes wait for their turn.
SECONDS = 10


@dataclass(frozen=True)
class Person:
    """Gives commands, and waits for what they come to.

    Attributes:
        environment: The settings.
    """

    environment: dict[str, str]

    def run(self, *arguments: str | Path, status: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, ROOT / "facet.py", *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env={**os.environ, **self.environment},
        )
        assert done.returncode == status, done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout

    def listed(self) -> dict[str, str]:
        """Ids of tracks by the names of their files."""
        lines = [line.split("\t") for line in self.run("list").splitlines()]
        return {Path(line[-1]).name: line[0] for line in lines}


def found(service: Running) -> set[str]:
    answer = httpx.get(f"{service.address}/search?tag=rock&limit=100")
    return {item["track"]["id"] for item in answer.json()["items"]} if answer.status_code == 200 else set()


def wait_for(service: Running, expected: set[str]) -> None:
    deadline = time.monotonic() + SECONDS
    while (seen := found(service)) != expected:
        assert time.monotonic() < deadline, f"{seen} instead of {expected}"
        time.sleep(0.05)


@pytest.fixture
def person(empty_database_url: str, tmp_path: Path) -> Person:
    return Person(
        {
            "FACET_DATABASE_URL": empty_database_url,
            "FACET_DATA_DIR": str(tmp_path / "data"),
            "FACET_MODEL": str(write_tiny_bundle(tmp_path / "model")),
            "FACET_THREADS": "1",
        }
    )


# Ten processes, one after the other.
@pytest.mark.timeout(300)
def test_a_catalogue_is_filled_served_changed_killed_and_served_again(person: Person, tmp_path: Path) -> None:
    music = tmp_path / "music"
    music.mkdir()
    rng = np.random.default_rng(11)
    sounds = {f"{number}.wav": encoded(tune(rng)) for number in range(4)}
    for name in ("0.wav", "1.wav", "2.wav"):
        (music / name).write_bytes(sounds[name])
    (music / "text.mp3").write_text("This is a text. " * 100)

    person.run("ingest", music, status=1)
    first = person.listed()
    assert first.keys() == {"0.wav", "1.wav", "2.wav"}

    with facet("serve", "--port", "0", **person.environment) as service:
        wait_for(service, set(first.values()))
        similar = httpx.post(f"{service.address}/similar", files={"file": sounds["1.wav"]}, timeout=30).json()
        assert similar["items"][0]["track"]["id"] == first["1.wav"]

        (music / "text.mp3").unlink()
        (music / "3.wav").write_bytes(sounds["3.wav"])
        person.run("forget", music / "0.wav")
        person.run("ingest", music / "3.wav")
        second = person.listed()
        assert second.keys() == {"1.wav", "2.wav", "3.wav"}
        assert second["1.wav"] == first["1.wav"]
        wait_for(service, set(second.values()))
        assert httpx.get(f"{service.address}/tracks/{first['0.wav']}").status_code == 404
        assert httpx.get(f"{service.address}/tracks/{second['3.wav']}/audio").content == sounds["3.wav"]
        service.process.kill()

    person.run("index", "rebuild")
    assert "the index says what the catalogue says" in person.run("index", "verify")
    with facet("serve", "--port", "0", **person.environment) as service:
        wait_for(service, set(second.values()))
        neighbours = httpx.get(f"{service.address}/tracks/{second['3.wav']}/similar").json()["items"]
        assert {item["track"]["id"] for item in neighbours} == set(second.values()) - {second["3.wav"]}
