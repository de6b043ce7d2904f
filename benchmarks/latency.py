"""How long an answer takes: through HTTP, in process, and a bare FAISS call, at several sizes of catalogue.

    python -m benchmarks.latency --sizes 1000 100000 1000000

The catalogue is a real SQLite file, the service a real process with one client on one connection; vectors are made up.
The bare call is what one cannot be faster than: the sub-space's flat float32 index, no catalogue, no explanation.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import faiss
import httpx
import numpy as np
from sqlalchemy import insert, update

from benchmarks.made_up import machine, made_up_vectors
from index.live import LiveIndex
from index.model import ModelBundle
from index.query import Query
from index.snapshot import list_snapshots
from index.subspaces import Vectors
from service.catalogue.database import Database
from service.catalogue.repository import Catalogue
from service.catalogue.tables import EmbeddingRow, SpaceRow, StateRow, TrackRow
from service.settings import Settings

LIMIT = 10


def main() -> None:
    """Print a table per size."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 100_000, 1_000_000])
    parser.add_argument("--questions", type=int, default=300)
    arguments = parser.parse_args()
    settings = Settings()
    print(f"{machine()}; FAISS {faiss.__version__}, {settings.threads} threads, limit {LIMIT}\n")
    print(
        "| tracks | question | bare FAISS p50 / p99 ms | in process p50 / p99 ms | HTTP p50 / p99 ms | HTTP over bare |"
    )
    print("|-:|-|-:|-:|-:|-:|", flush=True)
    notes = [measure(size, arguments.questions, settings) for size in arguments.sizes]
    print("\n" + "\n".join(notes))


def measure(size: int, questions: int, settings: Settings) -> str:
    """Print the rows of one size; say how the service started."""
    bundle = ModelBundle.open(settings.model)
    folder = Path(tempfile.mkdtemp(prefix="facet-latency-"))
    try:
        vectors = made_up_vectors(size, bundle.subspaces, seed=1)
        ids = fill_catalogue(folder, bundle, vectors)
        faiss.omp_set_num_threads(settings.threads)
        with Served(folder) as served:
            snapshots = list_snapshots(next((folder / "snapshots").rglob("snapshot-*")).parent) if size > 2000 else []
            live = LiveIndex(folder, encoder_id=bundle.encoder_id, subspaces=bundle.subspaces)
            if snapshots:
                live.open(snapshots[0])
            else:
                live.apply(Catalogue.open(f"sqlite:///{folder / 'catalogue.db'}").changes_since(bundle.encoder_id, 0))
            rng = np.random.default_rng(3)
            asked = rng.choice(size, size=questions)
            for name, weights in (("instrument", {"instrument": 1.0}), ("all four", None)):
                queries = [Query.by_example(bundle.subspaces, vectors[[row]], weights=weights) for row in asked]
                columns = bundle.subspaces["instrument"].slice if weights else slice(0, bundle.subspaces.width)
                flat = faiss.IndexFlatIP(columns.stop - columns.start)
                flat.add(np.ascontiguousarray(vectors[:, columns]))
                parameters: dict[str, str | int] = {"limit": LIMIT} | ({"dimension": name} if weights else {})
                paths = [f"/tracks/{ids[row]}/similar" for row in asked]
                rows = (
                    timed(partial(flat.search, k=LIMIT), [query.scaled[None, columns] for query in queries]),
                    timed(partial(live.search, limit=LIMIT), queries),
                    timed(partial(served.get, parameters=parameters), paths),
                )
                p50 = [np.percentile(times, 50) for times in rows]
                p99 = [np.percentile(times, 99) for times in rows]
                figures = " | ".join(f"{a:.2f} / {b:.2f}" for a, b in zip(p50, p99, strict=True))
                print(f"| {size:,} | {name} | {figures} | {p50[2] / p50[0]:.1f} |", flush=True)
            return (
                f"{size:,} tracks: first ready after {served.first_seconds:.1f} s, "
                f"again after {served.again_seconds:.1f} s; {served.memory_mb():.0f} MB in all (PSS) afterwards; "
                f"snapshot {sum(f.stat().st_size for p in snapshots for f in p.iterdir()) / 1e6:,.0f} MB, "
                f"catalogue {(folder / 'catalogue.db').stat().st_size / 1e6:,.0f} MB."
            )
    finally:
        shutil.rmtree(folder)


def fill_catalogue(folder: Path, bundle: ModelBundle, vectors: Vectors) -> list[str]:
    """A catalogue of made-up tracks with one excerpt each, written in bulk."""
    url = f"sqlite:///{folder / 'catalogue.db'}"
    Catalogue.open(url, create=True).close()
    ids = [str(uuid.UUID(int=number)) for number in np.random.default_rng(2).permutation(len(vectors)).tolist()]
    tags = np.full(len(bundle.tags), 0.1, np.float32)
    database = Database(url)
    with database.writing() as session:
        session.execute(insert(SpaceRow), [{"encoder_id": bundle.encoder_id, "width": bundle.subspaces.width}])
        for start in range(0, len(ids), 10_000):
            rows = range(start, min(start + 10_000, len(ids)))
            session.execute(
                insert(TrackRow),
                [
                    {
                        "id": ids[row],
                        "path": Path(f"/music/{row}.flac"),
                        "content_hash": f"{row:064x}",
                        "size_bytes": 1,
                        "modified_ns": 1,
                        "title": f"Track {row}",
                        "artist": f"Artist {row // 12}",
                        "artist_folded": f"artist {row // 12}",
                        "duration_seconds": 180.0,
                        "skipped_packets": 0,
                        "added_at": datetime.now(UTC),
                    }
                    for row in rows
                ],
            )
            session.execute(
                insert(EmbeddingRow),
                [
                    {
                        "track_id": ids[row],
                        "encoder_id": bundle.encoder_id,
                        "revision": row + 1,
                        "vector": vectors[row],
                        "tag_probabilities": tags,
                        "excerpt_starts": np.zeros(1, np.float32),
                        "excerpt_vectors": vectors[row],
                    }
                    for row in rows
                ],
            )
        session.execute(update(StateRow).values(revision=len(ids)))
    database.close()
    return ids


class Served:
    """The service as a user starts it, twice: once to make the snapshot, once to stand on it."""

    def __init__(self, folder: Path) -> None:
        self._environment = {**os.environ, "FACET_DATA_DIR": str(folder)}
        self.first_seconds, self.again_seconds = 0.0, 0.0

    def __enter__(self) -> "Served":
        self.first_seconds = self._start()
        self._stop()
        self.again_seconds = self._start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def get(self, path: str, parameters: dict[str, str | int]) -> None:
        """Ask, and insist on an answer."""
        answer = self._client.get(path, params=parameters)
        answer.raise_for_status()

    def memory_mb(self) -> float:
        """Of the service and its children."""
        return family_memory_mb(self._process.pid)

    def _start(self) -> float:
        began = time.perf_counter()
        command = [sys.executable, "-m", "facet", "serve", "--port", "8765"]
        self._process = subprocess.Popen(command, env=self._environment, stdout=subprocess.DEVNULL)
        self._client = httpx.Client(base_url="http://127.0.0.1:8765", timeout=60)
        while time.perf_counter() - began < 600:
            try:
                if self._client.get("/readyz").status_code == 200:
                    return time.perf_counter() - began
            except httpx.TransportError:
                pass
            time.sleep(0.05)
        raise TimeoutError("the service did not become ready within 10 minutes")

    def _stop(self) -> None:
        self._client.close()
        self._process.terminate()
        self._process.wait()


def family_memory_mb(process_id: int) -> float:
    """Memory of a process and its children: pages that several share count once (PSS)."""
    total = 0.0
    for line in Path(f"/proc/{process_id}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            total += int(line.split()[1]) / 1000
    children = Path(f"/proc/{process_id}/task/{process_id}/children").read_text().split()
    return total + sum(family_memory_mb(int(child)) for child in children)


def timed(ask: Callable[[Any], object], questions: Sequence[Any]) -> list[float]:
    """Milliseconds of every question, but for the first few, which warm up."""
    times = []
    for question in questions:
        start = time.perf_counter()
        ask(question)
        times.append(1000 * (time.perf_counter() - start))
    return times[10:]


if __name__ == "__main__":
    main()
