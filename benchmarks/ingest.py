"""Tracks per minute of an ingest, whole and in its parts, beside bliss-audio on the same files.

    python -m benchmarks.ingest FOLDER... --bliss PYTHON

PYTHON is an interpreter that has the package bliss-audio (GPL: in an environment of its own). Runs alternate, so that a
machine that changes speed changes both; the figures are medians, the ratio that of each pair of runs.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

from benchmarks.made_up import machine
from index.analysis import Analyser, Analysis
from index.audio import ExcerptPlan
from index.decoder import Decoder
from index.model import ModelBundle
from service.catalogue.records import TrackEmbedding
from service.catalogue.repository import Catalogue
from service.catalogue.writing import FileState, TrackDetails
from service.settings import Settings

BLISS = """
import sys
from concurrent.futures import ProcessPoolExecutor
from bliss_audio import Song

def is_read(path):
    try:
        Song(path)
    except Exception:
        return False
    return True

if __name__ == "__main__":
    with ProcessPoolExecutor(int(sys.argv[1])) as pool:
        print(sum(pool.map(is_read, sys.argv[2:])))
"""


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--bliss", type=Path, help="an interpreter that has bliss-audio")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--smallest", type=int, default=500_000, help="bytes; shorter files are no whole tracks")
    arguments = parser.parse_args()
    settings = Settings()
    found = [path for folder in arguments.folders for path in sorted(folder.rglob("*"))]
    files = [path for path in found if path.suffix in {".ogg", ".opus", ".mp3", ".flac"}]
    files = [path for path in files if path.is_file() and path.stat().st_size >= arguments.smallest]
    bundle = ModelBundle.open(settings.model)
    analyses = analyse(files, bundle, settings)
    hours = sum(analysis.duration_seconds for analysis in analyses) / 3600
    print(f"{machine()}; {len(files)} tracks, {hours:.1f} hours, {settings.threads} threads\n")
    whole, beside = [], []
    for _ in range(arguments.runs):
        whole.append(seconds(lambda: ingest(files)))
        if arguments.bliss:
            beside.append(seconds(lambda: bliss(arguments.bliss, files, settings.threads)))
    parts = {
        "decode": median(seconds(lambda: decode(files, bundle, settings)) for _ in range(arguments.runs)),
        "decode and embed": median(seconds(lambda: analyse(files, bundle, settings)) for _ in range(arguments.runs)),
        "store": median(seconds(lambda: store(files, bundle, analyses)) for _ in range(arguments.runs)),
        "`facet ingest`, whole, from starting the command to its end": median(whole),
    }
    print("| | seconds | tracks a minute | times real time |\n|-|-:|-:|-:|")
    if beside:
        parts["bliss-audio, the same files, as many processes"] = median(beside)
    for name, taken in parts.items():
        print(f"| {name} | {taken:.1f} | {60 * len(files) / taken:,.0f} | {3600 * hours / taken:,.0f} |")
    if beside:
        ratios = sorted(theirs / ours for theirs, ours in zip(beside, whole, strict=True))
        print(f"\n`facet ingest` over bliss-audio, each pair of runs: {', '.join(f'{ratio:.2f}' for ratio in ratios)}")


def decode(files: list[Path], bundle: ModelBundle, settings: Settings) -> None:
    """Decode and cut, and throw the excerpts away."""
    plan = ExcerptPlan(bundle.sample_rate, bundle.excerpt_samples, settings.planned_excerpts)
    with Decoder(processes=settings.threads) as decoder, ThreadPoolExecutor(settings.threads) as threads:

        def one(path: Path) -> None:
            with decoder.decode(path, plan) as excerpts:
                for _ in excerpts:
                    pass

        list(threads.map(one, files))


def analyse(files: list[Path], bundle: ModelBundle, settings: Settings) -> list[Analysis]:
    """Decode and embed."""
    with Decoder(processes=settings.threads) as decoder, ThreadPoolExecutor(settings.threads) as threads:
        analyser = Analyser(bundle, decoder, excerpts_per_track=settings.planned_excerpts)
        return list(threads.map(analyser.analyse, files))


def store(files: list[Path], bundle: ModelBundle, analyses: list[Analysis]) -> None:
    """Write what was analysed to a new catalogue, a transaction a track."""
    with tempfile.TemporaryDirectory() as folder:
        catalogue = Catalogue.open(f"sqlite:///{folder}/catalogue.db", create=True)
        for path, analysis in zip(files, analyses, strict=True):
            embedding = TrackEmbedding(
                vector=analysis.vector,
                excerpt_vectors=analysis.excerpt_vectors,
                excerpt_starts=analysis.excerpt_starts,
                tag_probabilities=analysis.tag_probabilities,
            )
            status = path.stat()
            state = FileState(path, f"{status.st_ino:064x}", status.st_size, status.st_mtime_ns)
            details = TrackDetails(
                title=path.stem,
                artist=analysis.metadata.artist,
                album=analysis.metadata.album,
                year=analysis.metadata.year,
                duration_seconds=analysis.duration_seconds,
                skipped_packets=analysis.skipped_packets,
            )
            with catalogue.writing() as writing:
                writing.add(state, details, {bundle.encoder_id: embedding})
        catalogue.close()


def ingest(files: list[Path]) -> None:
    """What a user runs, into a new catalogue."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "FACET_DATA_DIR": folder}
        command = [sys.executable, "-m", "facet", "ingest", *map(str, files)]
        subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def bliss(python: Path, files: list[Path], processes: int) -> int:
    """The peer, over the same files; how many it read."""
    with tempfile.NamedTemporaryFile("w", suffix=".py") as script:
        script.write(BLISS)
        script.flush()
        command = [python, script.name, str(processes), *map(str, files)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    count = int(done.stdout.split()[-1])
    if count < len(files):
        print(f"bliss-audio could not read {len(files) - count} of the files\n")
    return count


def seconds(work: Callable[[], object]) -> float:
    """How long it takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
