"""Two services on one catalogue: what the one changes, or a command does, is seen by the other within two seconds.

Both take turns. A track is uploaded, labelled and deleted with the one, and looked for with the other, by questions
that its index answers; every fifth time a file is ingested by a command, and both must find it.
"""

import time
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path

import httpx
import numpy as np

from proofs.processes import run_facet, serving
from proofs.proving import check, folder_in, tell
from proofs.small_catalogue import small_catalogue
from tests.service.http.running import encoded, tune

PROMISED_SECONDS = 2.0
ANALYSED_SECONDS = 60.0
INGEST_EVERY = 5


def prove(size: int, folder: Path) -> None:
    """Upload, label and delete `size` tracks.

    Raises:
        NotProvenError: If a change is seen late, or never.
    """
    small = small_catalogue(folder, files=3)
    check(run_facet("ingest", small.music, environment=small.environment).returncode == 0, "nothing was ingested")
    rng = np.random.default_rng(11)
    waits: defaultdict[str, list[float]] = defaultdict(list)
    with (
        serving(folder_in(folder, "one"), small.environment) as one,
        serving(folder_in(folder, "other"), small.environment) as other,
        httpx.Client(base_url=one.address, timeout=ANALYSED_SECONDS) as first,
        httpx.Client(base_url=other.address, timeout=ANALYSED_SECONDS) as second,
    ):
        for number in range(size):
            here, there = (first, second) if number % 2 else (second, first)
            track_id = _uploaded(here, encoded(tune(rng)))
            waits["an uploaded track"].append(_seconds_until(partial(_is_searchable, there, track_id)))
            label = f"label {number}"
            check(here.patch(f"/tracks/{track_id}", json={"labels": [label]}).status_code == 200, "no label was set")
            waits["a label"].append(_seconds_until(partial(_is_labelled, there, label, [track_id])))
            check(here.delete(f"/tracks/{track_id}").status_code == 204, "a track was not deleted")
            waits["a deletion"].append(_seconds_until(partial(_is_labelled, there, label, [])))
            if number % INGEST_EVERY == 0:
                file = small.music / f"late {number}.wav"
                file.write_bytes(encoded(tune(rng)))
                check(run_facet("ingest", file, environment=small.environment).returncode == 0, "no file was ingested")
                waits["an ingested file, by both"].append(
                    _seconds_until(partial(_have_found, (first, second), file.stem))
                )
        check(one.process.poll() is None and other.process.poll() is None, "a service ended")
    for what, seconds in waits.items():
        shares = ", ".join(f"p{share} {np.percentile(seconds, share):.2f} s" for share in (50, 100))
        tell(what, f"{len(seconds)} times; seen within {shares}")


def _uploaded(client: httpx.Client, content: bytes) -> str:
    """The track that comes of an upload, as soon as its service says that it is done."""
    answer = client.post("/tracks", files={"file": ("a song.wav", content)})
    check(answer.status_code == 202, f"an upload was refused: {answer.text}")
    job, give_up = answer.json(), time.monotonic() + ANALYSED_SECONDS
    while job["state"] in ("queued", "running"):
        check(time.monotonic() < give_up, f"an upload is never analysed: {job}")
        time.sleep(0.02)
        job = client.get(f"/jobs/{job['id']}").json()
    check(job["state"] == "done", f"an upload failed: {job}")
    track_id: str = job["track_id"]
    check(_is_searchable(client, track_id), "a job is done, and its track is not searchable where it was done")
    return track_id


def _is_searchable(client: httpx.Client, track_id: str) -> bool:
    return client.get(f"/tracks/{track_id}/similar").status_code == 200


def _is_labelled(client: httpx.Client, label: str, track_ids: list[str]) -> bool:
    """Whether these tracks have a label and no others do."""
    answer = client.post("/query", json={"tags": {"rock": 1}, "filters": {"labels": {"all_of": [label]}}})
    check(answer.status_code == 200, f"a question is not answered: {answer.text}")
    return [item["track"]["id"] for item in answer.json()["items"]] == track_ids


def _have_found(clients: tuple[httpx.Client, ...], title: str) -> bool:
    """Whether every one of them finds a track of this title."""
    answers = [client.get("/search?tag=rock&limit=100") for client in clients]
    check(all(answer.status_code == 200 for answer in answers), "a question is not answered")
    return all(title in {item["track"]["title"] for item in answer.json()["items"]} for answer in answers)


def _seconds_until(holds: Callable[[], bool]) -> float:
    """How long it took until something was so.

    Raises:
        NotProvenError: If it took longer than promised.
    """
    began = time.monotonic()
    while not holds():
        check(time.monotonic() - began < PROMISED_SECONDS, f"not seen after {PROMISED_SECONDS:.0f} s")
        time.sleep(0.02)
    return time.monotonic() - began
