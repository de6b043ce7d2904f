"""Backup and restore of a large catalogue, with embeddings as large as the paper's: time, size, and flat memory."""

import re
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.migrations import fill
from proofs.processes import ROOT, facet_environment
from proofs.proving import check, tell
from service.catalogue.database import Database
from service.catalogue.migrating import upgrade
from tests.service.catalogue_content import rows_in

MEMORY_BYTES = 300 * 10**6
# Not `ru_maxrss`: a child that is started by a large process begins with that one's peak. The kernel's own count, in
# kB, begins anew with the program.
MEASURED = (
    "import pathlib, re, sys, facet\n"
    "try:\n    facet.main(sys.argv[1:], standalone_mode=False)\n"
    "finally:\n"
    "    status = pathlib.Path('/proc/self/status').read_text()\n"
    "    print('peak', int(re.search(r'VmHWM:\\s+(\\d+)', status)[1]) * 1024)"
)


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
    file = folder / "kept.facet"
    seconds, peak = _run("backup", file, url=source)
    tell(
        "backup", f"{seconds:.1f} s, at most {peak / 1e6:.0f} MB of memory, {file.stat().st_size / 1e6:.0f} MB of file"
    )
    check(peak < MEMORY_BYTES, "a backup takes too much memory")
    seconds, peak = _run("restore", file, url=target)
    tell("restore", f"{seconds:.1f} s, at most {peak / 1e6:.0f} MB of memory")
    check(peak < MEMORY_BYTES, "a restore takes too much memory")
    check(rows_in(source) == rows_in(target), "what was restored is not what there was")


def _run(verb: str, file: Path, *, url: str) -> tuple[float, int]:
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, verb, file],
        cwd=ROOT,
        env=facet_environment({"FACET_DATABASE_URL": url, "FACET_DATA_DIR": str(file.parent)}),
        capture_output=True,
        text=True,
        check=False,
    )
    check(done.returncode == 0, done.stdout + done.stderr)
    found = re.search(r"peak (\d+)", done.stdout)
    check(found, "its memory was not told")
    return time.monotonic() - began, int(found[1]) if found else 0
