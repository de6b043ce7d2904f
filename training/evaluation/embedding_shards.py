"""Files with the embeddings of a few rows each, written whole or not at all. `embedding_store` has folders of them."""

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from index.subspaces import Vectors

# A stamp is a file's size and time; this is one of a file that is not there.
_ABSENT = (-1, -1)


@dataclass(frozen=True, eq=False)
class Shard:
    """Some rows, side by side: what one file holds.

    Attributes:
        counts: `(rows,)` int64, excerpts of each.
        starts_seconds: `(m,)` float64, of the excerpts of all rows.
        excerpts: `(m, width)` float32.
        tag_probabilities: `(m, tags)` float32.
        failures: Code and message by row of the manifest.
    """

    counts: NDArray[np.int64]
    starts_seconds: NDArray[np.float64]
    excerpts: Vectors
    tag_probabilities: Vectors
    failures: dict[int, tuple[str, str]]


@dataclass(frozen=True, eq=False)
class EmbeddedRow:
    """What one row gives: as `Shard`, of a single row."""

    starts_seconds: NDArray[np.float64]
    excerpts: Vectors
    tag_probabilities: Vectors
    failure: tuple[str, str] | None = None


def stamp_of(path: Path) -> tuple[int, int]:
    """What tells a file from a later one in its place."""
    try:
        status = path.stat()
    except OSError:
        return _ABSENT
    return status.st_size, status.st_mtime_ns


def join_rows(rows: range, made: list[EmbeddedRow]) -> Shard:
    """Rows of the manifest, side by side."""
    return Shard(
        np.array([len(row.excerpts) for row in made], dtype=np.int64),
        np.concatenate([row.starts_seconds for row in made]),
        np.concatenate([row.excerpts for row in made]),
        np.concatenate([row.tag_probabilities for row in made]),
        {position: row.failure for position, row in zip(rows, made, strict=True) if row.failure is not None},
    )


def write_shard(path: Path, shard: Shard, stamps: NDArray[np.int64]) -> None:
    """Write a shard with the stamps `(rows, 2)` of the files it was made from.

    Raises:
        OSError: If it cannot be written.
    """
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        np.savez(
            file,
            stamps=stamps,
            counts=shard.counts,
            starts_seconds=shard.starts_seconds,
            excerpts=shard.excerpts,
            tag_probabilities=shard.tag_probabilities,
            failures=np.array(json.dumps(list(shard.failures.items()))),
        )
    partial.replace(path)


def read_shard(path: Path, stamps: NDArray[np.int64]) -> Shard | None:
    """A shard, or None if it is not there, is torn (the power failed), or its audio has changed."""
    try:
        # Opened here, as numpy leaves a file open that it finds torn.
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            if not np.array_equal(file["stamps"], stamps):
                return None
            failures = json.loads(str(file["failures"]))
            return Shard(
                file["counts"],
                file["starts_seconds"],
                file["excerpts"],
                file["tag_probabilities"],
                {int(row): (str(code), str(message)) for row, (code, message) in failures},
            )
    except (FileNotFoundError, zipfile.BadZipFile, EOFError, ValueError, KeyError):
        return None
