"""Whether the nearest track is by the same artist: bundles beside bliss-audio, on the same tracks and queries.

    python -m benchmarks.same_artist MANIFEST --model BUNDLE... --bliss PYTHON --features bliss.npz

PYTHON is an interpreter that has the package bliss-audio (GPL: in an environment of its own). Its features are kept in
the file of `--features`; its distance is the Euclidean one, as its documentation says. A file on which it crashes or
hangs is left out of everything, and counted.
"""

import argparse
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.made_up import machine
from index.decoder import Decoder
from index.model import ModelBundle
from training.datasets.labels import Labels
from training.datasets.manifest import Manifest
from training.evaluation.artists import OTHER_ALBUMS, SAME_ALBUM, ArtistQueries, artist_queries, finds
from training.evaluation.bootstrap import Bootstrap, Interval
from training.evaluation.embedding_store import default_work, embed_tracks
from training.evaluation.evaluation import Similarity
from training.evaluation.measured_data import SIDES, read_data, vocabulary_of
from training.evaluation.points import Complete, Points, track_points

BLISS = "import json, sys; from bliss_audio import Song; print(json.dumps(list(Song(sys.argv[1]).analysis)))"

# Songs of half an hour take it some ten seconds.
TIMEOUT_SECONDS = 120

GALLERIES = {None: "all tracks", SAME_ALBUM: SAME_ALBUM, OTHER_ALBUMS: OTHER_ALBUMS}


@dataclass(frozen=True, eq=False)
class System:
    """What is asked: a point for every track of the manifest, in its order; NaN where it has none."""

    name: str
    vectors: NDArray[np.float32]
    similarity: Similarity

    @property
    def has_point(self) -> NDArray[np.bool_]:
        """Which tracks it can be asked about, `(n,)`."""
        return np.asarray(np.isfinite(self.vectors).all(axis=1))

    def points(self, kept: NDArray[np.int64]) -> Points:
        """Of some tracks."""
        return Points(vectors=self.vectors[kept], similarity=self.similarity)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--side", choices=SIDES)
    parser.add_argument("--model", type=Path, action="append", required=True, help="a bundle; the first is compared")
    parser.add_argument("--bliss", type=Path, help="an interpreter that has bliss-audio")
    parser.add_argument("--features", type=Path, help="where bliss-audio's features are kept, .npz")
    parser.add_argument("--work", type=Path, default=default_work())
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--resamples", type=int, default=10_000)
    arguments = parser.parse_args()
    systems: list[System] = []
    for folder in arguments.model:
        bundle = ModelBundle.open(folder)
        # Tags do not matter here.
        data = read_data(arguments.manifest, vocabulary_of(bundle), side=arguments.side)
        systems += of_bundle(bundle, data.asked, data.labels, arguments.work, arguments.threads)
    manifest = data.asked
    if arguments.bliss or arguments.features:
        systems.append(of_bliss(manifest, arguments.bliss, arguments.features))
    kept = np.flatnonzero(np.logical_and.reduce([system.has_point for system in systems]))
    print(f"{machine()}; {len(kept)} tracks of {len(manifest)}\n")
    for system in systems:
        if not system.has_point.all():
            print(f"{system.name} has no features of {(~system.has_point).sum()} tracks, which are left out of all\n")
    artists, albums = ([column[row] for row in kept.tolist()] for column in (manifest.artist, manifest.album))
    settings = Bootstrap(resamples=arguments.resamples)
    for asked in artist_queries(artists, albums):
        print(f"\nGallery: {GALLERIES[asked.variant]}; {len(asked)} queries\n")
        print("| | R@1, per cent | 95 % interval | the first, less this | 95 % interval |\n|-|-:|-:|-:|-:|")
        for line in lines(systems, kept, asked, settings):
            print(line)


def lines(systems: list[System], kept: NDArray[np.int64], asked: ArtistQueries, settings: Bootstrap) -> list[str]:
    """A row of the table for every system, and one for chance; differences are of the same queries."""
    rows = []
    right = [finds(system.points(kept), asked).astype(np.float64) for system in systems]
    for system, each in zip(systems, right, strict=True):
        own, less = (settings.mean(values, asked.queries) for values in (each, right[0] - each))
        difference = ("", "") if system is systems[0] else per_cent(less, sign="+")
        rows.append(f"| {' | '.join((system.name, *per_cent(own), *difference))} |")
    return [*rows, f"| chance | {100 * asked.chance:.1f} | | | |"]


def per_cent(interval: Interval, *, sign: str = "") -> tuple[str, str]:
    """A value, and its interval."""
    value, low, high = (f"{100 * number:{sign}.1f}" for number in (interval.value, interval.low, interval.high))
    return value, f"{low} to {high}"


def of_bundle(bundle: ModelBundle, manifest: Manifest, labels: Labels, work: Path, threads: int) -> list[System]:
    """The complete space of a bundle, and each of its sub-spaces."""
    with Decoder(processes=threads) as decoder:
        tracks = embed_tracks(bundle, decoder, manifest, labels, folder=work, threads=threads).tracks
    systems = []
    place = {track_id: row for row, track_id in enumerate(manifest.track_id)}
    rows = [place[track_id] for track_id in tracks.track_ids]
    for subspace in (None, *(bundle.subspaces.names if len(bundle.subspaces) > 1 else ())):
        points = track_points(tracks, subspace=subspace, similarity=Similarity.COSINE, complete=Complete.SLICES)
        vectors = np.full((len(manifest), points.vectors.shape[1]), np.nan, dtype=np.float32)
        vectors[rows] = points.vectors
        systems.append(System(bundle.name + (f", {subspace}" if subspace else ""), vectors, points.similarity))
    return systems


def of_bliss(manifest: Manifest, python: Path | None, features: Path | None) -> System:
    """What bliss-audio says of each track; what is kept already is not asked again."""
    known: dict[str, tuple[list[float] | None, str]] = {}
    if features is not None and features.is_file():
        with np.load(features, allow_pickle=False) as file:
            for path, vector, failure in zip(file["paths"], file["vectors"], file["failures"], strict=True):
                known[str(path)] = (None if failure else vector.tolist(), str(failure))
    paths = list(manifest.path)
    for row, path in enumerate(paths):
        if path not in known:
            if python is None:
                raise SystemExit(f"{features} does not know {path}; name an interpreter with --bliss")
            known[path] = hear(python, manifest.audio(row))
            if known[path][1]:
                print(f"bliss-audio: {path}: {known[path][1]}")
            if features is not None:
                failures = np.array([failure for _, failure in known.values()])
                np.savez(features, paths=np.array(list(known)), vectors=_table(known, list(known)), failures=failures)
    vectors = _table(known, paths)
    return System("bliss-audio", vectors, Similarity.EUCLIDEAN)


def _table(known: dict[str, tuple[list[float] | None, str]], paths: list[str]) -> NDArray[np.float32]:
    """Features of some tracks, a row each; a track that has none has no numbers."""
    width = max((len(vector) for vector, _ in known.values() if vector), default=1)
    return np.array([known[path][0] or [np.nan] * width for path in paths], dtype=np.float32)


def hear(python: Path, path: Path) -> tuple[list[float] | None, str]:
    """Its features of one file, or why there are none: in a process of its own, which may crash or hang."""
    try:
        done = subprocess.run(
            [python, "-c", BLISS, path], check=False, capture_output=True, text=True, timeout=TIMEOUT_SECONDS
        )
    except subprocess.TimeoutExpired:
        return None, f"no answer in {TIMEOUT_SECONDS} s"
    if done.returncode:
        return None, f"exit status {done.returncode}: {' '.join(done.stderr.split())[-150:]}"
    return json.loads(done.stdout), ""


if __name__ == "__main__":
    main()
