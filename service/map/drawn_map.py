"""A drawn map as a file: written whole or not at all, the newest opened. `drawing` makes it, `keeping` stands on it.

It is a cache of the catalogue: deleting every one of them loses nothing that `facet map` does not make again.
"""

import os
import secrets
import zipfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from index.projection import Points
from index.subspaces import Vectors

_PREFIX = "map-"
_SUFFIX = ".npz"
KEPT = 2


@dataclass(frozen=True, eq=False)
class DrawnMap:
    """Where every track stands, in the whole space and in every dimension.

    Attributes:
        revision: The catalogue's, up to which its tracks are drawn.
        track_ids: `(n,)` text.
        points: `(1 + dimensions, n, 2)` in [-1, 1]: of the whole space, then of each dimension.
        tag_means: `(tags,)`: the mean cosine of these tracks with each tag's vector in the tag's own dimension.
        fingerprints: `(n,)`: of the tracks' vectors, to tell which have changed since.
    """

    revision: int
    track_ids: Sequence[str]
    points: Points
    tag_means: Vectors
    fingerprints: NDArray[np.uint32]


def fingerprints_of(vectors: Vectors) -> NDArray[np.uint32]:
    """A number `(n,)` for each vector `(n, width)`: another vector has another one, as good as always.

    It is the sum of the bits of its numbers, each times an odd factor, modulo 2^32.
    """
    factors = np.random.default_rng(0).integers(2**31, size=vectors.shape[1], dtype=np.uint32) * 2 + 1
    bits = np.ascontiguousarray(vectors, dtype="<f4").view("<u4")
    sums: NDArray[np.uint32] = (bits * factors).sum(axis=1, dtype=np.uint32)
    return sums


def publish_map(folder: Path, drawn: DrawnMap) -> Path:
    """Write a map and make it the newest; older ones but one are deleted.

    Raises:
        OSError: If it cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f".partial-{secrets.token_hex(4)}"
    try:
        with partial.open("wb") as file:
            np.savez(
                file,
                revision=np.int64(drawn.revision),
                track_ids=np.array(drawn.track_ids, dtype=np.bytes_),
                points=drawn.points.astype("<f4"),
                tag_means=drawn.tag_means.astype("<f4"),
                fingerprints=drawn.fingerprints.astype("<u4"),
            )
            file.flush()
            os.fsync(file.fileno())
        published = folder / f"{_PREFIX}{drawn.revision:012d}-{secrets.token_hex(4)}{_SUFFIX}"
        partial.rename(published)
    finally:
        partial.unlink(missing_ok=True)
    for old in list_maps(folder)[KEPT:]:
        old.unlink(missing_ok=True)
    return published


def list_maps(folder: Path) -> list[Path]:
    """Published maps, newest first; equal revisions by the time they were written."""
    ages: dict[Path, tuple[str, int]] = {}
    for path in folder.glob(f"{_PREFIX}*{_SUFFIX}"):
        with suppress(FileNotFoundError):
            ages[path] = (path.name.split("-")[1], path.stat().st_mtime_ns)
    return sorted(ages, key=ages.__getitem__, reverse=True)


def open_map(path: Path, *, dimensions: int, tags: int) -> DrawnMap | None:
    """Read a map, checked by the checksums of its parts.

    Returns:
        The map; None if it is gone, damaged, or of a bundle with other dimensions or tags.
    """
    try:
        with path.open("rb") as file, np.load(file) as parts:
            ids: NDArray[np.bytes_] = parts["track_ids"]
            drawn = DrawnMap(
                revision=int(parts["revision"]),
                track_ids=[track_id.decode("ascii") for track_id in ids],
                points=parts["points"],
                tag_means=parts["tag_means"],
                fingerprints=parts["fingerprints"],
            )
    # An empty file raises EOFError.
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile):
        return None
    fits = drawn.points.shape == (1 + dimensions, len(drawn.track_ids), 2) and len(drawn.tag_means) == tags
    return drawn if fits else None
