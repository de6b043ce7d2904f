"""Backup and restore of a large catalogue, with embeddings as large as the paper's: time, size, and flat memory."""

from pathlib import Path

from benchmarks.migrations import fill
from proofs.processes import run_measured
from proofs.proving import check, tell
from service.catalogue.database import Database
from service.catalogue.migrating import upgrade
from tests.service.catalogue_content import rows_in

MEMORY_BYTES = 300 * 10**6


def prove(size: int, folder: Path) -> None:
    """Back up and restore `size` tracks.

    Raises:
        NotProvenError: If something is lost, or it takes more memory than it may.
    """
    source, target = (f"sqlite:///{folder / name}.db" for name in ("source", "target"))
    database = Database(source)
    upgrade(database)
    fill(database, size)
    database.close()
    file, data = folder / "kept.facet", {"FACET_DATA_DIR": str(folder)}
    seconds, peak = run_measured("backup", file, environment={"FACET_DATABASE_URL": source, **data})
    tell(
        "backup", f"{seconds:.1f} s, at most {peak / 1e6:.0f} MB of memory, {file.stat().st_size / 1e6:.0f} MB of file"
    )
    check(peak < MEMORY_BYTES, "a backup takes too much memory")
    seconds, peak = run_measured("restore", file, environment={"FACET_DATABASE_URL": target, **data})
    tell("restore", f"{seconds:.1f} s, at most {peak / 1e6:.0f} MB of memory")
    check(peak < MEMORY_BYTES, "a restore takes too much memory")
    check(rows_in(source) == rows_in(target), "what was restored is not what there was")
