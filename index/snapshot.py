"""A published index on disk: written whole or not at all, verified by checksum, opened memory-mapped.

`live` writes one when it compacts and opens the newest when it starts. A snapshot is a cache of the catalogue: deleting
every one of them loses nothing.

A snapshot is a folder `snapshot-<revision>-<random>/` with `manifest.json`, `manifest.sha256` (as `sha256sum -c` reads
it), `track_ids.npy` (sorted, so that a track's position is found by bisection), `vectors.npy` (for the exact re-rank)
and one `.faiss` file per sub-space and one for the joint space.
"""

import hashlib
import json
import secrets
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from index.durable import sync
from index.faiss_index import FaissIndex, Sizes
from index.subspaces import Subspaces, Vectors

FORMAT = 1
# A folder half-written, or half-deleted, for this long belongs to a process that died.
ABANDONED_AFTER_SECONDS = 3600.0
_PREFIX = "snapshot-"
_MANIFEST = "manifest.json"
_MANIFEST_SUM = "manifest.sha256"
# What is being written, or deleted.
_PARTIAL_PREFIX = ".partial-"


class SnapshotError(Exception):
    """A snapshot cannot be read; the catalogue still holds everything that was in it."""


class SnapshotCorruptedError(SnapshotError):
    """A file of a snapshot is missing, or its checksum is not the manifest's."""


class SnapshotMismatchError(SnapshotError):
    """A snapshot of another format, or of another bundle's embeddings."""


class SnapshotManifest(BaseModel):
    """What a snapshot says of itself.

    Attributes:
        format: Version of the layout.
        encoder_id: The embedding space the vectors belong to.
        revision: The catalogue's revision up to which every change is included.
        tracks: Number of vectors.
        dimensions: Sub-space names, in column order.
        sha256: Checksum of every file in the folder but the manifest's own two, by name.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int
    encoder_id: str
    revision: int
    tracks: int
    dimensions: tuple[str, ...]
    sha256: dict[str, str]


@dataclass(frozen=True, eq=False)
class Snapshot:
    """An open snapshot.

    Attributes:
        path: Its folder.
        manifest: What it says of itself.
        track_ids: `(n,)` bytes, sorted.
        vectors: `(n, width)` float32, memory-mapped.
        subspace_indices: One engine per sub-space, in column order.
        joint_index: The engine over whole vectors.
    """

    path: Path
    manifest: SnapshotManifest
    track_ids: NDArray[np.bytes_]
    vectors: Vectors
    subspace_indices: tuple[FaissIndex, ...]
    joint_index: FaissIndex

    def __len__(self) -> int:
        return len(self.track_ids)

    def positions(self, track_ids: Sequence[str]) -> NDArray[np.int64]:
        """Row number of every one of `track_ids` that the snapshot holds; the others are left out."""
        wanted = np.array(track_ids, dtype=np.bytes_).reshape(-1)
        if len(self) == 0 or len(wanted) == 0:
            return np.empty(0, np.int64)
        found = np.searchsorted(self.track_ids, wanted)
        found[found == len(self)] = 0
        positions: NDArray[np.int64] = found[self.track_ids[found] == wanted].astype(np.int64)
        return positions


def publish_snapshot(
    root: Path,
    *,
    encoder_id: str,
    subspaces: Subspaces,
    revision: int,
    track_ids: Sequence[str],
    vectors: Vectors,
    sizes: Sizes | None = None,
    between_steps: Callable[[], None] = lambda: None,
) -> Path:
    """Write a snapshot beside the others under `root` and make it visible in one step.

    Until the last rename a reader sees nothing of it; after it, all of it, even if the power fails.

    Args:
        root: Folder of one bundle's snapshots; made if missing.
        encoder_id: The embedding space.
        subspaces: Names and slices of the vectors.
        revision: The catalogue's revision the vectors stand for.
        track_ids: ASCII, each once.
        vectors: `(n, width)` with unit or zero slices, row by row those of `track_ids`.
        sizes: Which kind of index for how many tracks; the measured default, if left out.
        between_steps: Called every few seconds of a large snapshot; what it raises gives the work up.

    Returns:
        The snapshot's folder.

    Raises:
        ValueError: If a track id comes twice, or the shapes disagree.
        OSError: If the disk is full or read-only; nothing is visible then.
    """
    sizes = sizes or Sizes()
    ids = np.array(track_ids, dtype=np.bytes_).reshape(-1)
    if vectors.shape != (len(ids), subspaces.width):
        raise ValueError(f"vectors have shape {vectors.shape}, expected ({len(ids)}, {subspaces.width})")
    order = np.argsort(ids, kind="stable")
    ids = ids[order]
    if (ids[1:] == ids[:-1]).any():
        raise ValueError("a track id comes twice")
    root.mkdir(parents=True, exist_ok=True)
    remove_abandoned(root)
    partial = root / f"{_PARTIAL_PREFIX}{secrets.token_hex(8)}"
    partial.mkdir()
    try:
        np.save(partial / "track_ids.npy", ids)
        with (partial / "vectors.npy").open("wb") as file:
            # Written, not mapped: where the disk is full, writing to a map would end the process.
            header = {"descr": "<f4", "fortran_order": False, "shape": vectors.shape}
            np.lib.format.write_array_header_1_0(file, header)
            for start in range(0, len(ids), 65_536):
                file.write(vectors[order[start : start + 65_536]].astype("<f4").tobytes())
        stored = np.load(partial / "vectors.npy", mmap_mode="r")
        kind = sizes.subspace_kind(len(ids))
        for number, subspace in enumerate(subspaces):
            between_steps()
            FaissIndex.build(stored[:, subspace.slice], kind=kind).save(partial / _subspace_file(number))
        between_steps()
        FaissIndex.build(stored, kind=sizes.joint_kind(len(ids))).save(partial / "joint.faiss")
        del stored
        between_steps()
        manifest = SnapshotManifest(
            format=FORMAT,
            encoder_id=encoder_id,
            revision=revision,
            tracks=len(ids),
            dimensions=subspaces.names,
            sha256={path.name: _sha256(path) for path in sorted(partial.iterdir())},
        )
        (partial / _MANIFEST).write_text(manifest.model_dump_json(indent=2) + "\n")
        (partial / _MANIFEST_SUM).write_text(_sum_line(partial / _MANIFEST))
        for path in partial.iterdir():
            sync(path)
        sync(partial)
        published = root / f"{_PREFIX}{revision:012d}-{secrets.token_hex(4)}"
        partial.rename(published)
        sync(root)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return published


def open_snapshot(path: Path, *, encoder_id: str, subspaces: Subspaces) -> Snapshot:
    """Verify a snapshot and open it.

    Raises:
        SnapshotCorruptedError: If a file is missing or its checksum is wrong.
        SnapshotMismatchError: If it has another format, or belongs to another bundle.
    """
    manifest = verify_snapshot(path)
    if (manifest.encoder_id, manifest.dimensions) != (encoder_id, subspaces.names):
        raise SnapshotMismatchError(
            f"{path}: holds {', '.join(manifest.dimensions)} of encoder {manifest.encoder_id}, "
            f"the bundle has {', '.join(subspaces.names)} of encoder {encoder_id}; run `facet index rebuild`"
        )
    try:
        return Snapshot(
            path=path,
            manifest=manifest,
            track_ids=np.load(path / "track_ids.npy"),
            vectors=np.load(path / "vectors.npy", mmap_mode="r"),
            subspace_indices=tuple(FaissIndex.open(path / _subspace_file(i)) for i in range(len(subspaces))),
            joint_index=FaissIndex.open(path / "joint.faiss"),
        )
    except (OSError, RuntimeError, ValueError) as error:
        raise SnapshotCorruptedError(f"{path}: {error}; run `facet index rebuild`") from error


def verify_snapshot(path: Path) -> SnapshotManifest:
    """Read a snapshot's manifest and check every file against it.

    Raises:
        SnapshotCorruptedError: If a file is missing or its checksum is wrong.
        SnapshotMismatchError: If the format is one this version does not read.
    """
    try:
        text = (path / _MANIFEST).read_text()
        # First of all: a damaged manifest may name another format, bundle or revision, and be taken at its word.
        if (path / _MANIFEST_SUM).read_text() != _sum_line(path / _MANIFEST):
            raise SnapshotCorruptedError(
                f"{path}: {_MANIFEST} is not what {_MANIFEST_SUM} says; run `facet index rebuild`"
            )
        found_format = json.loads(text).get("format")
        if found_format != FORMAT:
            raise SnapshotMismatchError(f"{path}: format {found_format}, this version reads {FORMAT}")
        manifest = SnapshotManifest.model_validate_json(text)
        for name, expected in manifest.sha256.items():
            found = _sha256(path / name)
            if found != expected:
                raise SnapshotCorruptedError(
                    f"{path / name}: sha256 is {found[:12]}, the manifest says {expected[:12]}; "
                    "run `facet index rebuild`"
                )
    except (OSError, AttributeError, UnicodeDecodeError, json.JSONDecodeError, ValidationError) as error:
        raise SnapshotCorruptedError(f"{path}: {error}; run `facet index rebuild`") from error
    return manifest


def list_snapshots(root: Path) -> list[Path]:
    """Published snapshots under `root`, newest first."""
    if not root.is_dir():
        return []
    return sorted((path for path in root.iterdir() if path.name.startswith(_PREFIX)), reverse=True)


def prune_snapshots(root: Path, *, keep: int = 2) -> None:
    """Delete all but the newest `keep` snapshots. A process that has one open keeps it until it closes it."""
    for path in list_snapshots(root)[keep:]:
        delete_snapshot(path)


def delete_snapshot(path: Path) -> None:
    """Delete a snapshot as it was published, in one step: a process that dies amid it leaves nothing half-visible.

    Nothing happens if it is gone already, or cannot be deleted.
    """
    deleted = path.with_name(f"{_PARTIAL_PREFIX}{secrets.token_hex(8)}")
    with suppress(OSError):
        path.rename(deleted)
        shutil.rmtree(deleted, ignore_errors=True)


def remove_abandoned(root: Path) -> None:
    """Delete what processes left that died before they had published a snapshot, or deleted one."""
    for path in root.glob(f"{_PARTIAL_PREFIX}*"):
        with suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime > ABANDONED_AFTER_SECONDS:
                shutil.rmtree(path, ignore_errors=True)


def _subspace_file(number: int) -> str:
    """By number, since a dimension of one's own may have a name that no file can bear."""
    return f"subspace-{number}.faiss"


def _sum_line(path: Path) -> str:
    return f"{_sha256(path)}  {path.name}\n"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
