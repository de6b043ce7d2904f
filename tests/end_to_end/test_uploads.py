"""Uploads to real services, of which several share a catalogue and any may be killed."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from service.catalogue.records import JobState
from service.catalogue.repository import Catalogue
from tests.end_to_end.test_service import Running, facet
from tests.service.http.running import encoded, tune
from tests.service.http.tiny_bundle import write_tiny_bundle


@pytest.fixture
def environment(catalogue_url: str, tmp_path: Path) -> dict[str, str]:
    """Of services on one catalogue."""
    return {
        "FACET_DATA_DIR": str(tmp_path / "data"),
        "FACET_DATABASE_URL": catalogue_url,
        "FACET_MODEL": str(write_tiny_bundle(tmp_path / "model")),
        "FACET_EXCERPTS_PER_TRACK": "all",
    }


def upload(running: Running, clip: bytes) -> dict[str, Any]:
    answer = httpx.post(f"{running.address}/tracks", files={"file": ("a.wav", clip)}, timeout=30)
    assert answer.status_code == 202, answer.text
    job: dict[str, Any] = answer.json()
    return job


def until(holds: Callable[[], bool], *, seconds: float) -> float:
    began = time.monotonic()
    while not holds():
        assert time.monotonic() < began + seconds
        time.sleep(0.02)
    return time.monotonic() - began


def job(running: Running, job_id: str) -> dict[str, Any]:
    told: dict[str, Any] = httpx.get(f"{running.address}/jobs/{job_id}").json()
    return told


def found(running: Running, **filters: Any) -> set[str]:
    question = {"tags": {"rock": 1}, "filters": filters}
    items = httpx.post(f"{running.address}/query?limit=100", json=question).json()["items"]
    return {item["track"]["id"] for item in items}


def test_two_services_see_each_other_s_changes_within_two_seconds(environment: dict[str, str]) -> None:
    with (
        facet("serve", "--port", "0", **environment) as one,
        facet("serve", "--port", "0", **environment) as other,
    ):
        for number, (here, there) in enumerate([(one, other), (other, one)]):
            clip = encoded(tune(np.random.default_rng(number)))
            posted = upload(here, clip)
            until(lambda: job(here, posted["id"])["state"] == "done", seconds=20)  # noqa: B023
            track_id = job(here, posted["id"])["track_id"]
            assert track_id in found(here)
            until(lambda: track_id in found(there), seconds=2)  # noqa: B023
            assert job(there, posted["id"])["state"] == "done"
            content = httpx.get(f"{there.address}/tracks/{track_id}/audio").content
            assert content == clip
            httpx.patch(f"{there.address}/tracks/{track_id}", json={"labels": [f"label {number}"]}).raise_for_status()
            until(lambda: found(here, labels={"all_of": [f"label {number}"]}) == {track_id}, seconds=2)  # noqa: B023
            httpx.delete(f"{there.address}/tracks/{track_id}").raise_for_status()
            until(lambda: track_id not in found(here), seconds=2)  # noqa: B023
            assert httpx.get(f"{here.address}/tracks/{track_id}").status_code == 404


@pytest.mark.timeout(400)
def test_jobs_of_a_service_that_is_killed_amid_one_are_done_by_the_next(
    environment: dict[str, str], catalogue_url: str
) -> None:
    jobs: list[str] = []
    was_running = 0
    for kill in range(3):
        # Each takes a moment to decode: the kill comes amid the first of them, or between two.
        clips = [encoded(tune(np.random.default_rng(100 * kill + number), seconds=300)) for number in range(3)]
        with facet("serve", "--port", "0", **environment) as running:
            jobs += [upload(running, clip)["id"] for clip in clips]
            running.process.kill()
            running.process.wait(10)
        with Catalogue.open(catalogue_url) as catalogue:
            was_running += len(catalogue.jobs.latest(limit=100, state=JobState.RUNNING))
    assert was_running > 0
    with facet("serve", "--port", "0", **environment) as running:
        # A job that was under way is taken up once its lease has run out.
        until(lambda: all(job(running, job_id)["state"] == "done" for job_id in jobs), seconds=200)
        tracks = {job(running, job_id)["track_id"] for job_id in jobs}
        assert len(tracks) == len(jobs)
        assert found(running) == tracks
        assert {job(running, job_id)["outcome"] for job_id in jobs} == {"added"}
