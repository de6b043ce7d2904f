"""Snapshots are published while questions are asked: no request fails, and each answer is whole.

Tracks are put into the catalogue in thousands, so that the service folds them into one snapshot after the other; a
second process publishes snapshots of its own by `facet index rebuild`.
"""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np

from index.model import ModelBundle
from proofs.processes import run_facet, serving
from proofs.proving import check, tell
from proofs.small_catalogue import add_made_up_tracks, small_catalogue
from service.catalogue.repository import Catalogue
from service.indexing.compacting import worthwhile

ASKERS = 4
PUBLISHED_SECONDS = 900.0
QUESTIONS = ("/search?tag=rock&limit=50", "/search?tag=electronic&limit=50", "/tracks?limit=50")


def prove(size: int, folder: Path) -> None:
    """Publish `size` snapshots.

    Raises:
        NotProvenError: If a request fails, or an answer is not whole.
    """
    small = small_catalogue(folder, files=60)
    check(run_facet("ingest", small.music, environment=small.environment).returncode == 0, "nothing was ingested")
    bundle = ModelBundle.open(small.model)
    stop = threading.Event()
    rng = np.random.default_rng(5)
    with serving(folder, small.environment) as served, ThreadPoolExecutor(ASKERS) as executor:
        asking = [executor.submit(_ask_on, served.address, stop) for _ in range(ASKERS)]
        try:
            rebuilt = 0
            with Catalogue.open(small.url) as catalogue:
                for number in range(size):
                    tracks = int(worthwhile(catalogue.count_tracks())) + 100
                    add_made_up_tracks(catalogue, bundle, tracks, rng=rng)
                    _wait_until_published(served.address, catalogue.count_tracks())
                    if number % 3 == 2:
                        check(run_facet("index", "rebuild", environment=small.environment).returncode == 0, "rebuild")
                        rebuilt += 1
                total = catalogue.count_tracks()
        finally:
            stop.set()
        waits = np.concatenate([np.array(each.result()) for each in asking])
        check(served.process.poll() is None, "the service ended")
        log = served.log.read_text()
    compactions = log.count('"index_compacted"') + log.count('"snapshot_adopted"')
    check(compactions >= size, f"only {compactions} snapshots were taken up")
    check("compaction_failed" not in log, "a snapshot could not be published")
    tell(
        "snapshots", f"{compactions} published or taken up by the service, {rebuilt} by another process; {total} tracks"
    )
    tell("requests", f"{len(waits)}, none failed")
    shares = ", ".join(f"p{share} {np.percentile(waits, share) * 1000:.0f} ms" for share in (50, 99, 100))
    tell(f"{ASKERS} asking at once", shares)


def _ask_on(address: str, stop: threading.Event) -> list[float]:
    """Ask until it is enough; how long each answer took."""
    waits: list[float] = []
    with httpx.Client(base_url=address, timeout=300) as client:
        while not stop.is_set():
            question = QUESTIONS[len(waits) % len(QUESTIONS)]
            began = time.monotonic()
            try:
                answer = client.get(question)
            except httpx.HTTPError as error:
                check(False, f"{question}: {error!r}")
            waits.append(time.monotonic() - began)
            check(answer.status_code == 200, f"{question}: {answer.status_code} {answer.text}")
            ids = [item.get("track", item)["id"] for item in answer.json()["items"]]
            check(len(ids) == len(set(ids)) == 50, f"{question}: {len(ids)} items, {len(set(ids))} of them different")
    return waits


def _wait_until_published(address: str, tracks: int) -> None:
    """Until the index holds all, most of it in a snapshot."""
    give_up = time.monotonic() + PUBLISHED_SECONDS
    while True:
        lines = httpx.get(f"{address}/metrics", timeout=30).text.splitlines()
        told = {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if line[0] != "#")}
        is_there = told["facet_index_tracks"] == tracks
        if is_there and told["facet_index_uncompacted_tracks"] <= worthwhile(tracks):
            return
        check(time.monotonic() < give_up, f"no snapshot was published within {PUBLISHED_SECONDS:.0f} s")
        time.sleep(0.05)
