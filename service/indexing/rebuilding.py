"""A snapshot of the index made from the catalogue alone. The follower and `facet index rebuild` use it."""

import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from index.snapshot import delete_snapshot, publish_snapshot
from index.subspaces import Subspaces
from service.catalogue.repository import Catalogue
from service.operations.logs import get_logger

log = get_logger(__name__)


def snapshots_root(snapshots_dir: Path, *, catalogue: Catalogue, encoder_id: str) -> Path:
    """Folder of the snapshots of one catalogue in one embedding space: revisions mean something only there."""
    return snapshots_dir / catalogue.identity / encoder_id


def publish_from_catalogue(
    catalogue: Catalogue,
    root: Path,
    *,
    encoder_id: str,
    subspaces: Subspaces,
    between_steps: Callable[[], None] = lambda: None,
) -> Path:
    """Write every vector that the catalogue holds of an embedding space into a new snapshot.

    Memory stays flat: vectors go through a temporary file beside the snapshots.

    Args:
        catalogue: What is read.
        root: Folder of the snapshots.
        encoder_id: The embedding space.
        subspaces: Names and slices of the vectors.
        between_steps: Called every few seconds of a large snapshot; what it raises gives the work up.

    Returns:
        The snapshot's folder.

    Raises:
        CatalogueUnavailableError: If the catalogue cannot be read.
        OSError: If the snapshot cannot be written.
    """
    began = time.monotonic()
    # What changes from now on may be in the snapshot or not; following from this revision puts it right.
    revision = catalogue.revision()
    root.mkdir(parents=True, exist_ok=True)
    track_ids: list[str] = []
    with tempfile.TemporaryFile(dir=root) as file:
        for batch_ids, vectors in catalogue.all_embeddings(encoder_id):
            between_steps()
            track_ids.extend(batch_ids)
            file.write(np.ascontiguousarray(vectors, dtype=np.float32).tobytes())
        file.flush()
        shape = (len(track_ids), subspaces.width)
        # An empty file cannot be mapped.
        stored = np.memmap(file, np.float32, mode="r", shape=shape) if track_ids else np.empty(shape, np.float32)
        published = publish_snapshot(
            root,
            encoder_id=encoder_id,
            subspaces=subspaces,
            revision=revision,
            track_ids=track_ids,
            vectors=stored,
            between_steps=between_steps,
        )
    log.info(
        "snapshot_rebuilt",
        snapshot=published.name,
        tracks=len(track_ids),
        seconds=round(time.monotonic() - began, 2),
    )
    return published


def drop_snapshots(paths: Iterable[Path], *, after_revision: int) -> None:
    """Delete those of a later revision, which a restored backup undid: they would pass for the newest.

    Args:
        paths: Snapshots, listed before the catalogue was asked for its revision: one published since is not meant.
        after_revision: The catalogue's.
    """
    for path in paths:
        _, revision, _ = path.name.split("-")
        if int(revision) > after_revision:
            delete_snapshot(path)
            log.warning("snapshot_dropped", snapshot=path.name, catalogue_revision=after_revision)
