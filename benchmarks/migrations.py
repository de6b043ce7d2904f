"""A migration of a large catalogue: its memory, its time, and what is left when it is killed.

    python -m benchmarks.migrations sqlite postgresql --tracks 100000 --kills 10

The step is the tests' rehearsed one, which does to both large tables the hardest thing that a step may have to do.
PostgreSQL is the server that FACET_TEST_POSTGRES_URL names, or one that is started for this. Exits with status 1 if the
limit of memory is passed or anything is left half-done.
"""

import argparse
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from sqlalchemy import insert, update

from benchmarks.made_up import PAPER, machine
from service.catalogue.database import Database
from service.catalogue.migrating import upgrade
from service.catalogue.repository import Catalogue
from service.catalogue.tables import SCHEMA_REVISION, EmbeddingRow, SpaceRow, StateRow, TrackRow
from service.catalogue.writing import new_track_id
from tests.postgresql_server import HOW_TO_INSTALL, named_server, postgresql_programs, started_server
from tests.service.rehearsing import REHEARSED, shape_of, what_is_in

MEMORY_LIMIT_BYTES = 300 * 10**6
ENCODER = "made-up"
EXCERPTS = 10
TAGS = 50
ROWS_AT_ONCE = 1000


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("databases", nargs="+", choices=["sqlite", "postgresql"])
    parser.add_argument("--tracks", type=int, default=100_000)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=4)
    arguments = parser.parse_args()
    print(f"{machine()}; {arguments.tracks:,} tracks")
    for name in arguments.databases:
        with empty_database(name) as url:
            prove(name, url, tracks=arguments.tracks, kills=arguments.kills, rng=random.Random(arguments.seed))  # noqa: S311


@contextmanager
def empty_database(name: str) -> Iterator[str]:
    """A database without a table, which is gone afterwards."""
    if name == "sqlite":
        with tempfile.TemporaryDirectory() as folder:
            yield f"sqlite:///{folder}/catalogue.db"
        return
    server = named_server()
    if server is not None:
        with server.database() as url:
            yield url
        return
    programs = postgresql_programs()
    if programs is None:
        raise SystemExit(HOW_TO_INSTALL)
    with started_server(programs, is_large=True) as server, server.database() as url:
        yield url


def prove(name: str, url: str, *, tracks: int, kills: int, rng: random.Random) -> None:
    """Fill a catalogue, migrate it and kill migrations of it.

    Raises:
        SystemExit: If something is not as it should be.
    """
    database = Database(url)
    began = time.monotonic()
    upgrade(database)
    fill(database, tracks)
    before, shape = what_is_in(database), shape_of(database)
    print(f"\n{name}: filled and read in {time.monotonic() - began:.0f} s")
    stream(url)

    seconds, peak = migrate("upgrade", url)
    check(database.step() == REHEARSED, "the step was not taken")
    # Which step it is at is another now; all that was there before is not.
    kept = what_is_in(database, only={table: names for table, names in shape.items() if table != "alembic_version"})
    check(kept.items() <= before.items() and len(kept) == len(before) - 1, "a row is not what it was")
    back_seconds, back_peak = migrate("downgrade", url)
    check(what_is_in(database) == before, "a row is not what it was after going back")
    check(shape_of(database) == shape, "the tables are not what they were after going back")
    print(f"  up {seconds:.1f} s, {peak / 1e6:.0f} MB; down {back_seconds:.1f} s, {back_peak / 1e6:.0f} MB")
    check(max(peak, back_peak) < MEMORY_LIMIT_BYTES, "too much memory")

    waits = []
    came_too_late = 0
    for _ in range(kills):
        process = started("upgrade", url)
        time.sleep(rng.uniform(0, seconds))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        began = time.monotonic()
        # Waits for what the server may still hold of the one that was killed.
        left = what_is_in(database)
        waits.append(time.monotonic() - began)
        if database.step() == REHEARSED:
            came_too_late += 1
            migrate("downgrade", url)
            left = what_is_in(database)
        check(database.step() == SCHEMA_REVISION, "a killed migration left its step")
        check(left == before and shape_of(database) == shape, "a killed migration left something half-done")
    seconds, _ = migrate("upgrade", url)
    check(database.step() == REHEARSED, "after the kills the step cannot be taken")
    print(
        f"  killed {kills} times with SIGKILL, {came_too_late} of them after its end: nothing half-done; every row was "
        f"read again within {max(waits, default=0):.1f} s; the next migration took {seconds:.1f} s"
    )
    database.close()


def fill(database: Database, tracks: int) -> None:
    """Tracks with an embedding each, as large as those of the paper's model."""
    rng = np.random.default_rng(1)
    now = datetime.now(UTC)
    for first in range(0, tracks, ROWS_AT_ONCE):
        numbers = range(first, min(first + ROWS_AT_ONCE, tracks))
        ids = [new_track_id() for _ in numbers]
        excerpts = rng.standard_normal((len(ids), EXCERPTS, PAPER.width), dtype=np.float32)
        with database.writing() as session:
            if first == 0:
                session.add(SpaceRow(encoder_id=ENCODER, width=PAPER.width))
                session.flush()
            session.execute(
                insert(TrackRow),
                [
                    {
                        **{"id": track_id, "path": Path(f"/music/{n // 100}/{n}.flac"), "content_hash": f"{n:064x}"},
                        **{"size_bytes": n, "modified_ns": n, "title": f"Title {n}", "artist": f"Artist {n // 10}"},
                        **{"artist_folded": f"artist {n // 10}", "duration_seconds": 200.0, "skipped_packets": 0},
                        "added_at": now,
                    }
                    for n, track_id in zip(numbers, ids, strict=True)
                ],
            )
            session.execute(
                insert(EmbeddingRow),
                [
                    {
                        **{"track_id": track_id, "encoder_id": ENCODER, "revision": n + 1, "vector": vectors[0]},
                        **{"tag_probabilities": rng.random(TAGS, dtype=np.float32), "excerpt_vectors": vectors},
                        "excerpt_starts": np.arange(EXCERPTS, dtype=np.float32),
                    }
                    for n, track_id, vectors in zip(numbers, ids, excerpts, strict=True)
                ],
            )
            session.execute(update(StateRow).values(revision=numbers[-1] + 1))


def stream(url: str) -> None:
    """Read every vector once, as a snapshot is made, and tell how much memory that takes on top."""
    with Catalogue.open(url) as catalogue:
        before, peak, rows = resident_bytes(), 0, 0
        began = time.monotonic()
        for ids, _ in catalogue.all_embeddings(ENCODER):
            rows += len(ids)
            peak = max(peak, resident_bytes())
        seconds = time.monotonic() - began
    print(f"  {rows:,} vectors read in {seconds:.1f} s, {max(0, peak - before) / 1e6:.0f} MB on top")


def resident_bytes() -> int:
    """Of this process, now."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) * 1024 if found else 0


def started(direction: str, url: str) -> subprocess.Popen[str]:
    """A migration in a process of its own, at its beginning."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.service.rehearsing", direction, url],
        cwd=Path(__file__).parents[1],
        stdout=subprocess.PIPE,
        text=True,
    )
    check(process.stdout is not None and process.stdout.readline() == "begins\n", "a migration did not begin")
    return process


def migrate(direction: str, url: str) -> tuple[float, int]:
    """Migrate to the end. Returns seconds, and the most memory the process took in bytes."""
    output, _ = started(direction, url).communicate()
    check(bool(output), "a migration failed")
    seconds, peak = output.split()
    return float(seconds), int(peak)


def check(holds: bool, otherwise: str) -> None:
    """End the proof if something does not hold."""
    if not holds:
        raise SystemExit(f"NOT PROVEN: {otherwise}")


if __name__ == "__main__":
    main()
