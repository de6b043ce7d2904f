"""One model takes over from another while two services are asked: no request fails, and each answer is whole.

One service stays all the time. Another one is started with the other model again and again, which makes that one
wanted: the catalogue is embedded with it, both change over, and what the former one heard is pruned, so that the way
back is as long.
"""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np

from index.model import ModelBundle
from proofs.processes import run_facet, serving
from proofs.proving import check, folder_in, tell
from proofs.small_catalogue import small_catalogue
from tests.service.http.running import encoded, tune
from tests.service.http.tiny_bundle import write_tiny_bundle

TRACKS = 60
ASKED = 50
ASKERS = 2
CHANGED_SECONDS = 300.0
ANSWER_SECONDS = 60.0
SOUND = encoded(tune(np.random.default_rng(900)))
QUERY = {"tags": {"rock": 1}, "filters": {"duration_seconds": {"at_least": 0}}, "diversity": 0.2}


def prove(size: int, folder: Path) -> None:
    """Change the model `size` times.

    Raises:
        NotProvenError: If a request fails, an answer is not whole, or a model does not take over.
    """
    small = small_catalogue(folder, files=TRACKS)
    check(run_facet("ingest", small.music, environment=small.environment).returncode == 0, "nothing was ingested")
    models = small.model, write_tiny_bundle(folder / "other", seed=2)
    waits: list[float] = []
    changes: list[float] = []
    with serving(folder_in(folder, "staying"), small.environment) as staying, _asked(staying.address, waits):
        for number in range(size):
            model = models[(number + 1) % 2]
            environment = {**small.environment, "FACET_MODEL": str(model)}
            began = time.monotonic()
            with (
                serving(folder_in(folder, f"service-{number}"), environment) as other,
                _asked(other.address, waits),
            ):
                _wait_until_answering((staying.address, other.address), ModelBundle.open(model).encoder_id)
                changes.append(time.monotonic() - began)
            pruned = run_facet("db", "prune", environment=environment)
            check(pruned.returncode == 0, f"the former model was not pruned: {pruned.stderr}")
        check(staying.process.poll() is None, "the service ended")
        log = staying.log.read_text()
    check(log.count('"bundle_answers"') == size, "the service did not change as often as it should have")
    tell(
        "changes",
        f"{size}, each of {TRACKS} tracks embedded anew; from the start of the service that wants it until both answer "
        f"with it, median {np.median(changes):.1f} s, longest {max(changes):.1f} s",
    )
    shares = ", ".join(f"p{share} {np.percentile(waits, share) * 1000:.0f} ms" for share in (50, 99, 100))
    tell("requests", f"{len(waits)}, none failed; {ASKERS} asking each service: {shares}")


@contextmanager
def _asked(address: str, waits: list[float]) -> Iterator[None]:
    """A service is asked on and on within the block; how long each answer took is added to `waits`.

    Raises:
        NotProvenError: If a request fails, or an answer is not whole; at the end of the block.
    """
    stop = threading.Event()
    with ThreadPoolExecutor(ASKERS) as executor:
        asking: list[Future[list[float]]] = [executor.submit(_ask_on, address, stop) for _ in range(ASKERS)]
        try:
            yield
        finally:
            stop.set()
        for each in asking:
            waits += each.result()


def _ask_on(address: str, stop: threading.Event) -> list[float]:
    waits: list[float] = []
    with httpx.Client(base_url=address, timeout=ANSWER_SECONDS) as client:
        questions = (
            client.build_request("GET", f"/search?tag=electronic&limit={ASKED}"),
            client.build_request("POST", f"/query?limit={ASKED}", json=QUERY),
            client.build_request("GET", f"/tracks?limit={ASKED}"),
        )
        while not stop.is_set():
            # A request with a file can be sent but once.
            clip = client.build_request("POST", f"/similar?limit={ASKED}", files={"file": ("clip.wav", SOUND)})
            question = (*questions, clip)[len(waits) % 4]
            began = time.monotonic()
            try:
                answer = client.send(question)
            except httpx.HTTPError as error:
                check(False, f"{question.url}: {error!r}")
            waits.append(time.monotonic() - began)
            check(answer.status_code == 200, f"{question.url}: {answer.status_code} {answer.text}")
            ids = {item.get("track", item)["id"] for item in answer.json()["items"]}
            check(len(ids) == len(answer.json()["items"]) == ASKED, f"{question.url}: {len(ids)} different items")
    return waits


def _wait_until_answering(addresses: tuple[str, ...], encoder_id: str) -> None:
    give_up = time.monotonic() + CHANGED_SECONDS
    for address in addresses:
        while (told := httpx.get(f"{address}/model", timeout=30).json())["answering"]["encoder_id"] != encoder_id:
            check(time.monotonic() < give_up, f"the other model does not take over: {told['next']}")
            time.sleep(0.05)
