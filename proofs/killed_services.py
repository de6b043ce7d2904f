"""What `kills` kills that a service does by itself: jobs of uploaded tracks, and the change to another model."""

import hashlib
import random
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from index.model import ModelBundle
from proofs.killing import Command, check_database
from proofs.processes import Serving, run_facet, serving
from proofs.proving import check
from proofs.small_catalogue import small_catalogue
from service.catalogue.jobs import GIVEN_UP
from service.catalogue.records import Job, JobState
from service.catalogue.repository import Catalogue
from service.jobs.store import UploadStore
from tests.service.http.running import encoded, tune
from tests.service.http.tiny_bundle import write_tiny_bundle

UPLOADERS = 3
# From the moment that the service answers: long enough for dozens of uploads.
UPLOADING_SECONDS = 2.0
# Fewer than a page holds, so that one question shows them all.
TRACKS = 90
ANSWER_SECONDS = 60.0
# Leases of killed workers run out, and the queue is done.
ALL_DONE_SECONDS = 600.0


class Uploads:
    """`POST /tracks` again and again, and the service is killed: what it took in becomes one track, or waits."""

    def __init__(self, folder: Path, rng: random.Random) -> None:
        self._rng = rng
        self._folder = folder
        self._small = small_catalogue(folder, files=1)
        done = run_facet("ingest", self._small.music, environment=self._small.environment)
        check(done.returncode == 0, f"nothing was ingested: {done.stderr}")
        self._encoder_id = ModelBundle.open(self._small.model).encoder_id
        self._store = UploadStore(self._small.data / "uploads")
        self._accepted: dict[str, str] = {}

    def kill_once(self) -> bool:
        """Kill it at a random moment and look at what is left; whether that came amid its work."""
        is_killed = threading.Event()
        with serving(self._folder, self._small.environment) as served, ThreadPoolExecutor(UPLOADERS) as executor:
            seeds = [self._rng.randrange(2**32) for _ in range(UPLOADERS)]
            uploading = [executor.submit(self._upload_on, served.address, seed, is_killed) for seed in seeds]
            time.sleep(self._rng.uniform(0.05, UPLOADING_SECONDS))
            is_killed.set()
            _kill(served)
            for each in uploading:
                each.result()
        return self._check() > 0

    def finish(self) -> None:
        """Do it to its end, and look at all of it."""
        with (
            serving(self._folder, self._small.environment) as served,
            httpx.Client(base_url=served.address, timeout=ANSWER_SECONDS) as client,
        ):
            give_up = time.monotonic() + ALL_DONE_SECONDS
            while any(client.get("/jobs", params={"state": state}).json()["items"] for state in ("queued", "running")):
                check(time.monotonic() < give_up, "the queue is never done")
                time.sleep(0.2)
            check(self._check() == 0, "a job is open though the service says that none is")
            for job_id in self._accepted:
                job = client.get(f"/jobs/{job_id}").json()
                if job["state"] == "done":
                    answer = client.get(f"/tracks/{job['track_id']}/similar")
                    check(answer.status_code == 200, f"a track is not searchable: {answer.text}")

    def _upload_on(self, address: str, seed: int, is_killed: threading.Event) -> None:
        rng = np.random.default_rng(seed)
        with httpx.Client(base_url=address, timeout=ANSWER_SECONDS) as client:
            while True:
                sound = encoded(tune(rng, seconds=rng.uniform(3, 10)))
                try:
                    answer = client.post("/tracks", files={"file": ("a song.wav", sound)})
                except httpx.HTTPError:
                    check(is_killed.is_set(), "an upload was cut off by a service that lives")
                    return
                check(answer.status_code in (202, 429), f"an upload was refused: {answer.text}")
                if answer.status_code == 202:
                    self._accepted[answer.json()["id"]] = hashlib.sha256(sound).hexdigest()

    def _check(self) -> int:
        """Every upload that was answered is what it should be; how many of them wait.

        The other tracks there are, of uploads whose answers the kill cut off, must be as whole as these.
        """
        check_database(self._small.data / "catalogue.db")
        waiting = 0
        with Catalogue.open(self._small.url) as catalogue:
            tracks = catalogue.list_tracks(limit=100_000)
            check(len({track.content_hash for track in tracks}) == len(tracks), "an upload became two tracks")
            check(catalogue.count_embeddings(self._encoder_id) == len(tracks), "a track is half there")
            for track in tracks:
                check(_hash_of(track.path) == track.content_hash, f"the file of {track.id} is not what was uploaded")
            hashes = {track.id: track.content_hash for track in tracks}
            for job_id, content_hash in self._accepted.items():
                waiting += self._check_job(catalogue.jobs.get(job_id), content_hash, hashes)
        return waiting

    def _check_job(self, job: Job, content_hash: str, hashes: dict[str, str]) -> bool:
        check(job.content_hash == content_hash, "a job is about another file")
        if job.state is JobState.DONE:
            check(hashes.get(str(job.track_id)) == content_hash, "a job is done, and its track is not there")
            return False
        if job.state is JobState.FAILED:
            # As promised of one that was under way at three kills.
            check(job.code == GIVEN_UP, f"an upload failed: {job.code}, {job.message}")
            return False
        check(_hash_of(self._store.path_of(content_hash)) == content_hash, "the file of a job that waits is lost")
        return True


class Changeovers:
    """Another model takes over, embedded by a service or by `facet reembed`: one of the two always answers whole."""

    def __init__(self, folder: Path, rng: random.Random) -> None:
        self._rng = rng
        self._folder = folder
        self._small = small_catalogue(folder, files=TRACKS)
        self._old = ModelBundle.open(self._small.model).encoder_id
        done = run_facet("ingest", self._small.music, environment=self._small.environment)
        check(done.returncode == 0, f"nothing was ingested: {done.stderr}")
        with serving(folder, self._small.environment):
            pass  # from now on it is the one that answers
        self._before = folder / "before"
        shutil.copytree(self._small.data, self._before)
        new = write_tiny_bundle(folder / "new", seed=2)
        self._new = ModelBundle.open(new).encoder_id
        self._environment = {**self._small.environment, "FACET_MODEL": str(new)}
        self._command = Command.timed(["facet.py", "reembed"], self._environment)
        self._whole = self._answers()
        self._embedded = TRACKS
        self._is_new = False
        self._begin_anew()

    def kill_once(self) -> bool:
        """Kill it at a random moment and look at what is left; whether that came amid its work."""
        if self._is_new:
            self._is_new = False
            with serving(self._folder, self._environment) as served:
                time.sleep(self._rng.uniform(0, 1) * self._command.seconds)
                _kill(served)
        else:
            self._command.kill(self._rng)
        is_over = self._check()
        is_amid = self._embedded > 0 and not is_over
        if is_over:
            self._begin_anew()
        return is_amid

    def finish(self) -> None:
        """Do it to its end, and look at all of it."""
        self._command.run()
        check(self._check(), "the other model does not answer in the end")
        check(self._answers() == self._whole, "the answers are not those of a change that was never killed")

    def _begin_anew(self) -> None:
        shutil.rmtree(self._small.data)
        shutil.copytree(self._before, self._small.data)
        self._embedded, self._is_new = 0, True

    def _check(self) -> bool:
        """Whether the other model answers now."""
        check_database(self._small.data / "catalogue.db")
        with Catalogue.open(self._small.url) as catalogue:
            answering, embedded = catalogue.bundles.standing().answering, catalogue.count_embeddings(self._new)
            check(catalogue.count_tracks() == catalogue.count_embeddings(self._old) == TRACKS, "a track is lost")
        check(answering in (self._old, self._new), f"{answering} answers")
        check(answering == self._old or embedded == TRACKS, "a model answers that has not heard everything")
        check(self._embedded <= embedded, "what the other model heard is lost")
        self._embedded = embedded
        self._answers()
        return answering == self._new

    def _answers(self) -> list[tuple[str, float]]:
        """What a service answers as soon as it is started: all tracks, by whichever model."""
        with serving(self._folder, self._environment) as served:
            answer = httpx.get(f"{served.address}/search?tag=rock&limit=100", timeout=ANSWER_SECONDS)
        check(answer.status_code == 200, f"a question is not answered: {answer.text}")
        items: list[dict[str, Any]] = answer.json()["items"]
        answers = [(item["track"]["id"], item["similarity"]) for item in items]
        check(len({track_id for track_id, _ in answers}) == len(answers) == TRACKS, f"{len(answers)} tracks are found")
        return answers


def _kill(served: Serving) -> None:
    served.process.kill()
    served.process.wait()


def _hash_of(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
