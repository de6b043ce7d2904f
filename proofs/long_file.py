"""A file of many hours: ingested in memory that does not depend on its length, and in bounded time.

It is ingested as FLAC and as WAV, with the excerpts that are taken by default, and with every one there is.
"""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import soundfile

from proofs.processes import ROOT, facet_environment
from proofs.proving import check, tell
from proofs.small_catalogue import SmallCatalogue, small_catalogue
from service.catalogue.repository import Catalogue
from tests.service.http.running import RATE, tune

# What a process that listens may take, its decoder with it: Python, FFmpeg and the runtime take most of it.
MEMORY_BYTES = 400 * 10**6
# A hundred times as quick as it plays, at the very least.
SECONDS_AN_HOUR = 36.0


def prove(size: int, folder: Path) -> None:
    """Ingest a file of `size` hours.

    Raises:
        NotProvenError: If it takes too much memory or time, or comes out as something else.
    """
    small = small_catalogue(folder, files=0)
    hour = tune(np.random.default_rng(4), seconds=3600)
    for suffix in ("flac", "wav"):
        with soundfile.SoundFile(small.music / f"{size} hours.{suffix}", "w", RATE, 1) as file:
            for _ in range(size):
                file.write(hour)
    for excerpts in ("10", "all"):
        seconds, peak = _ingested(small, excerpts, allowed_seconds=2 * SECONDS_AN_HOUR * size + 60)
        tell(f"{size} h, twice, {excerpts} excerpts", f"{seconds:.1f} s, at most {peak / 1e6:.0f} MB in all processes")
        check(peak < MEMORY_BYTES, f"it took {peak / 1e6:.0f} MB")
    with Catalogue.open(small.url) as catalogue:
        tracks = catalogue.list_tracks(limit=10)
        check(len(tracks) == 2, f"there are {len(tracks)} tracks")
        for track in tracks:
            check(abs(track.duration_seconds - 3600 * size) < 1, f"it lasts {track.duration_seconds} s")


def _ingested(small: SmallCatalogue, excerpts: str, *, allowed_seconds: float) -> tuple[float, int]:
    """Ingest, all of it anew, and watch: seconds, and the most that the process and its children took."""
    for file in small.data.glob("catalogue.db*"):
        file.unlink()
    began, peak = time.monotonic(), 0
    with subprocess.Popen(
        [sys.executable, ROOT / "facet.py", "ingest", small.music],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
        env=facet_environment({**small.environment, "FACET_EXCERPTS_PER_TRACK": excerpts}),
    ) as process:
        try:
            while process.poll() is None:
                peak = max(peak, _memory_of_all(process.pid))
                check(time.monotonic() - began < allowed_seconds, f"it takes longer than {allowed_seconds:.0f} s")
                time.sleep(0.1)
            output = process.stdout.read() if process.stdout else ""
        finally:
            process.kill()  # or leaving the block would wait for it; one that has ended is not sent anything
    check(process.returncode == 0, output)
    return time.monotonic() - began, peak


def _memory_of_all(process_id: int) -> int:
    """Proportional set size of a process and its children; what has ended meanwhile counts nothing."""
    total = 0
    try:
        children = Path(f"/proc/{process_id}/task/{process_id}/children").read_text().split()
        for each in (str(process_id), *children):
            for line in Path(f"/proc/{each}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
    except (OSError, ProcessLookupError):
        return total
    return total
