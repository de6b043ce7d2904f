"""The real application in this process: its own event loop in a thread, its lifespan, and a client that waits."""

import io
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import soundfile
from anyio.from_thread import BlockingPortal, start_blocking_portal

from index.analysis import Analyser
from index.decoder import Decoder
from index.model import ModelBundle
from service.catalogue.records import IngestResult
from service.catalogue.repository import Catalogue
from service.http.app import create_app
from service.ingest.run import Ingest
from service.settings import Settings

RATE = 8000


class Service:
    """Sends requests to the application, from any thread."""

    def __init__(self, portal: BlockingPortal, client: httpx.AsyncClient, settings: Settings) -> None:
        self._portal = portal
        self._client = client
        self.settings = settings

    def request(self, method: str, address: str, **options: Any) -> httpx.Response:
        return self._portal.call(partial(self._client.request, method, address, **options))

    def get(self, address: str, **options: Any) -> httpx.Response:
        return self.request("GET", address, **options)

    def post_clip(self, address: str, clip: bytes | Path, **options: Any) -> httpx.Response:
        content = clip.read_bytes() if isinstance(clip, Path) else clip
        return self.request("POST", address, files={"file": ("clip", content)}, **options)

    def wait_until_ready(self, *, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while (answer := self.get("/readyz")).status_code != 200:
            assert time.monotonic() < deadline, answer.text
            time.sleep(0.01)

    def wait_for(self, *track_ids: str) -> None:
        """Until the index holds these tracks."""
        deadline = time.monotonic() + 5
        while not set(track_ids) <= {item["track"]["id"] for item in self.every_item("/search?tag=rock", limit=100)}:
            assert time.monotonic() < deadline, "the tracks never became searchable"
            time.sleep(0.02)

    def forget_cookies(self) -> None:
        """Be another client."""
        self._client.cookies.clear()

    def until(self, holds: Callable[[], bool], *, seconds: float = 20) -> None:
        """Wait for something to be so."""
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def finished(self, job_id: str, *, seconds: float = 90) -> dict[str, Any]:
        """A job, once it is done or has failed."""
        deadline = time.monotonic() + seconds
        while (now := self.get(f"/jobs/{job_id}").json())["state"] not in ("done", "failed"):
            assert time.monotonic() < deadline, now
            time.sleep(0.01)
        told: dict[str, Any] = now
        return told

    def every_item(self, address: str, *, limit: int, clip: bytes | None = None) -> list[dict[str, Any]]:
        """All items of all pages."""
        items: list[dict[str, Any]] = []
        cursor: dict[str, str] = {}
        while True:
            address_with_limit = f"{address}{'&' if '?' in address else '?'}limit={limit}"
            page = httpx.URL(address_with_limit).copy_merge_params(cursor)
            answer = self.get(str(page)) if clip is None else self.post_clip(str(page), clip)
            assert answer.status_code == 200, answer.text
            items += answer.json()["items"]
            if answer.json()["next_cursor"] is None:
                return items
            cursor = {"cursor": answer.json()["next_cursor"]}


@contextmanager
def running_service(settings: Settings, *, patience_seconds: float | None = 10.0) -> Iterator[Service]:
    app = create_app(settings)
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(app.router.lifespan_context(app)):
        client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app, raise_app_exceptions=False), base_url="http://localhost"
        )
        service = Service(portal, client, settings)
        if patience_seconds is not None:
            service.wait_until_ready(seconds=patience_seconds)
        yield service
        portal.call(client.aclose)


def ingested(settings: Settings, *paths: Path) -> list[IngestResult]:
    """Bring files into the catalogue, as `facet ingest` does; makes it if there is none. Results by path."""
    bundle = ModelBundle.open(settings.model)
    with (
        Catalogue.open(settings.catalogue_url, create=True) as catalogue,
        Decoder(processes=1) as decoder,
        ThreadPoolExecutor(1) as executor,
    ):
        analyser = Analyser(bundle, decoder, excerpts_per_track=settings.planned_excerpts)
        ingest = Ingest(catalogue, analyser, encoder_id=bundle.encoder_id, executor=executor, workers=1)
        results = ingest.run(paths, stop=threading.Event(), ignored=lambda _: None)
        return sorted(results, key=lambda result: result.path)


def tune(rng: np.random.Generator, *, seconds: float = 3.0) -> np.ndarray:
    """Notes of random pitch, each a second long: excerpts of one tune differ."""
    time_axis = np.arange(RATE) / RATE
    notes = [
        sum(
            np.sin(2 * np.pi * frequency * time_axis) * strength
            for frequency, strength in zip(rng.uniform(100, 3500, 5), rng.uniform(0.01, 0.15, 5), strict=True)
        )
        for _ in range(int(np.ceil(seconds)))
    ]
    return np.concatenate(notes)[: int(seconds * RATE)].astype(np.float32)


def encoded(samples: np.ndarray, *, kind: str = "WAV") -> bytes:
    """A file's bytes."""
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, RATE, format=kind)
    return buffer.getvalue()
