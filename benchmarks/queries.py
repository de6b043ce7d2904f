"""How long the answer to a question with filters takes, in process: from the question to what the catalogue tells.

    python -m benchmarks.queries --tracks 100000

The catalogue is a real SQLite file of made-up tracks with artists, albums, years and tags; nothing is kept from one
question to the next but what the service keeps. Beside the clock on the wall stands the processor's, of the one thread
that answers: other work on the machine makes the first longer, hardly the second.
"""

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from sqlalchemy import bindparam, update

from benchmarks.latency import fill_catalogue
from benchmarks.made_up import machine, made_up_vectors
from index.live import LiveIndex
from index.live_state import Change
from index.model import ModelBundle
from index.threads import cap_threads
from service.catalogue.database import Database
from service.catalogue.repository import Catalogue
from service.catalogue.tables import EmbeddingRow, TrackRow
from service.http.paging import PageRequest
from service.search.facts_keeper import FactsKeeper
from service.search.question import Question
from service.search.searcher import Page, Searcher
from service.search.way import tracks_between
from service.settings import Settings

LIMIT = 10


def main() -> None:
    """Print a row for every kind of question."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tracks", type=int, default=100_000)
    parser.add_argument("--questions", type=int, default=60)
    arguments = parser.parse_args()
    cap_threads(1)
    faiss.omp_set_num_threads(1)
    folder = Path(tempfile.mkdtemp(prefix="facet-queries-"))
    try:
        searcher, ids, began = opened(folder, arguments.tracks)
        with searcher.catalogue:
            print(f"{machine()}; {arguments.tracks:,} made-up tracks, one thread, limit {LIMIT}\n")
            print("| question | left by filters | wall p50 / p99 ms | processor p50 / p99 ms |\n|-|-:|-:|-:|")
            rng = np.random.default_rng(3)
            for name, clauses in kinds():
                asked = rng.choice(ids, size=arguments.questions)
                questions = [Question.model_validate({"positive": [{"track": each}], **clauses}) for each in asked]
                left = measure(name, [asking(searcher, question) for question in questions])
                print(left, flush=True)
            pairs = rng.choice(ids, size=(arguments.questions, 2), replace=False)
            ways = [way(searcher, str(start), str(end)) for start, end in pairs]
            print(measure("a way of 10 tracks, all dimensions", ways), flush=True)
            print(f"\n{began}")
    finally:
        shutil.rmtree(folder)


def kinds() -> Iterator[tuple[str, dict[str, Any]]]:
    """Questions by what they ask for."""
    yield "one dimension, no filter", {"weights": {"mood": 1}}
    yield "all dimensions, no filter", {}
    yield "all dimensions, year range (half of all)", {"filters": {"year": {"at_least": 1990}}}
    yield "one dimension, year range (half of all)", {"weights": {"mood": 1}, "filters": {"year": {"at_least": 1990}}}
    yield (
        "all dimensions, year and duration (a tenth)",
        {"filters": {"year": {"at_least": 2008}, "duration_seconds": {"at_least": 120, "at_most": 240}}},
    )
    yield "all dimensions, five artists", {"filters": {"artists": [f"artist {number}" for number in range(5)]}}
    yield "all dimensions, tag probability (a tenth)", {"filters": {"tags": {"jazz": {"at_least": 0.9}}}}
    yield "all dimensions, path prefix (all)", {"filters": {"path_prefix": "/music"}}
    yield (
        "all dimensions, the same artist and album left out",
        {"exclude_same_artist": True, "exclude_same_album": True},
    )
    yield "same mood, another genre (ceiling)", {"weights": {"mood": 1}, "ceilings": {"genre": 0.3}}
    yield "near-duplicates folded, 2 per artist", {"duplicates_from": 0.99, "most_per_artist": 2}
    yield "diversity", {"diversity": 0.3}
    yield "excerpts", {"group_by": "excerpt"}
    yield (
        "everything at once",
        {
            "tags": {"jazz": -0.5},
            "weights": {"mood": 1, "instrument": 0.5},
            "ceilings": {"genre": 0.5},
            "filters": {"year": {"at_least": 1970}, "tags": {"rock": {"at_most": 0.8}}},
            "exclude_same_artist": True,
            "duplicates_from": 0.99,
            "most_per_artist": 2,
            "diversity": 0.3,
        },
    )


def asking(searcher: Searcher, question: Question) -> Callable[[], Page]:
    """Ask it."""
    return lambda: searcher.answer(question, page=PageRequest(limit=LIMIT))


def way(searcher: Searcher, start: str, end: str) -> Callable[[], object]:
    """Walk it."""
    return lambda: tracks_between(searcher, start, end, steps=10, weights=None)


def measure(name: str, asks: list[Callable[[], Any]]) -> str:
    """A row of the table; the first few questions warm up."""
    wall, processor = [], []
    for ask in asks:
        began, began_processor = time.perf_counter(), time.thread_time()
        answer = ask()
        wall.append(1000 * (time.perf_counter() - began))
        processor.append(1000 * (time.thread_time() - began_processor))
    left = f"{answer.filtered.tracks - sum(answer.filtered.dropped.values()):,}" if isinstance(answer, Page) else ""
    figures = [f"{np.percentile(each[5:], 50):.1f} / {np.percentile(each[5:], 99):.1f}" for each in (wall, processor)]
    return f"| {name} | {left} | {' | '.join(figures)} |"


def opened(folder: Path, tracks: int) -> tuple[Searcher, list[str], str]:
    """A searcher over made-up tracks, their ids, and how long reading what can be filtered by took."""
    bundle = ModelBundle.open(Settings().model)
    vectors = made_up_vectors(tracks, bundle.subspaces, seed=1)
    ids = fill_catalogue(folder, bundle, vectors)
    url = f"sqlite:///{folder / 'catalogue.db'}"
    describe(url, ids, tags=len(bundle.tags))
    live = LiveIndex(folder / "snapshots", encoder_id=bundle.encoder_id, subspaces=bundle.subspaces)
    none = np.empty((0, bundle.subspaces.width), np.float32)
    live.apply(Change(revision=len(ids), put_ids=tuple(ids), put_vectors=vectors, deleted_ids=()))
    live.compact()
    live.apply(Change(revision=len(ids), put_ids=(), put_vectors=none, deleted_ids=()))
    catalogue = Catalogue.open(url)
    keeper = FactsKeeper(catalogue, encoder_id=bundle.encoder_id)
    seconds = []
    for with_tags in (False, True):
        began, began_processor = time.perf_counter(), time.thread_time()
        keeper.beside(live.moment, with_tags=with_tags)
        seconds.append(
            f"{time.perf_counter() - began:.1f} s ({time.thread_time() - began_processor:.1f} s of processor)"
        )
    return (
        Searcher(catalogue, bundle, live, keeper),
        ids,
        f"Reading what can be filtered by, once after a start: {seconds[0]}; once a tag's probability is asked "
        f"for, again with those: {seconds[1]}.",
    )


def describe(url: str, ids: list[str], *, tags: int) -> None:
    """Give every track an album, a year, a length and probabilities of its own."""
    rng = np.random.default_rng(4)
    database = Database(url)
    with database.writing() as session:
        for start in range(0, len(ids), 10_000):
            rows = range(start, min(start + 10_000, len(ids)))
            session.connection().execute(
                update(TrackRow).where(TrackRow.id == bindparam("row")),
                [
                    {
                        "row": ids[row],
                        "album": f"Album {row // 10}",
                        "year": int(rng.integers(1960, 2020)),
                        "duration_seconds": float(rng.uniform(60, 360)),
                    }
                    for row in rows
                ],
            )
            session.connection().execute(
                update(EmbeddingRow).where(EmbeddingRow.track_id == bindparam("row")),
                [{"row": ids[row], "tag_probabilities": rng.random(tags, np.float32)} for row in rows],
            )
    database.close()


if __name__ == "__main__":
    main()
