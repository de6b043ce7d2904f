"""A large catalogue is brought from the first step to the newest by `facet db upgrade`: in flat memory, killed or not.

The steps that there are make tables and touch no track. `benchmarks.migrations` measures the hardest that a step may
have to do, on SQLite and PostgreSQL: every row of both large tables made anew.
"""

import random
import time
from pathlib import Path

from benchmarks.migrations import MEMORY_LIMIT_BYTES, fill
from proofs.killing import Command, check_database
from proofs.processes import run_measured
from proofs.proving import check, tell
from service.catalogue.database import Database
from service.catalogue.migrating import upgrade
from service.catalogue.tables import SCHEMA_REVISION
from tests.service.rehearsing import rehearse, shape_of, what_is_in

FIRST = "0001"
KILLS = 20


def prove(size: int, folder: Path) -> None:
    """Migrate a catalogue of `size` tracks.

    Raises:
        NotProvenError: If it takes too much memory, or anything is lost or left half-done.
    """
    file = folder / "catalogue.db"
    database = Database(f"sqlite:///{file}")
    upgrade(database)
    fill(database, size)
    newest = shape_of(database)
    rehearse(database, FIRST)
    first, before = shape_of(database), what_is_in(database)
    environment = {"FACET_DATABASE_URL": str(database.url), "FACET_DATA_DIR": str(folder)}
    seconds, peak = run_measured("db", "upgrade", environment=environment)
    check(database.step() == SCHEMA_REVISION and shape_of(database) == newest, "the steps were not taken")
    tell(f"from {FIRST} to {SCHEMA_REVISION}", f"{seconds:.1f} s, at most {peak / 1e6:.0f} MB of memory")
    check(peak < MEMORY_LIMIT_BYTES, "a migration takes too much memory")

    rng = random.Random(12)
    command = Command(["facet.py", "db", "upgrade"], environment, seconds)
    left: list[str | None] = []
    for _ in range(KILLS):
        rehearse(database, FIRST)
        command.kill(rng)
        left.append(database.step())
        check((left[-1], shape_of(database)) in ((FIRST, first), (SCHEMA_REVISION, newest)), "a step is half taken")
    check_database(file)
    began = time.monotonic()
    command.run()
    check(database.step() == SCHEMA_REVISION, "after the kills the steps cannot be taken")
    again = time.monotonic() - began
    rehearse(database, FIRST)
    check(what_is_in(database) == before, "a row is not what it was")
    database.close()
    tell("killed", f"{KILLS} times, {left.count(FIRST)} of them before it was kept; the next one took {again:.1f} s")
