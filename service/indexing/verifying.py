"""Compares the newest snapshot with the catalogue it is a cache of. `facet index verify` tells what is found here."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from index.live import LiveIndex
from index.snapshot import SnapshotError, list_snapshots, verify_snapshot
from index.subspaces import Subspaces
from service.catalogue.errors import RevisionAheadError
from service.catalogue.repository import Catalogue


@dataclass(frozen=True)
class Verified:
    """What is true of the snapshots.

    Attributes:
        snapshots: How many there are.
        tracks: In the newest one that is whole, followed to the catalogue's revision.
        unreadable: Why a snapshot cannot be opened, for each that cannot.
        missing: Tracks that the catalogue has and the index lacks.
        surplus: How many tracks the index has and the catalogue lacks.
        different: Tracks whose vectors differ.
        is_ahead: Whether the newest snapshot is of a later revision than the catalogue's.
    """

    snapshots: int
    tracks: int
    unreadable: tuple[str, ...]
    missing: tuple[str, ...]
    surplus: int
    different: tuple[str, ...]
    is_ahead: bool

    @property
    def is_sound(self) -> bool:
        """Whether every snapshot is whole and the newest one says what the catalogue says."""
        return not (self.unreadable or self.missing or self.surplus or self.different or self.is_ahead)


def verify_index(catalogue: Catalogue, root: Path, *, encoder_id: str, subspaces: Subspaces) -> Verified:
    """Check every snapshot's checksums, and the newest one's content against the catalogue.

    What came since the snapshot was published is taken in first, as the service does. Nothing should be ingested
    meanwhile, or it may count as a difference.

    Raises:
        CatalogueUnavailableError: If the catalogue cannot be read.
    """
    paths = list_snapshots(root)
    index = LiveIndex(root, encoder_id=encoder_id, subspaces=subspaces)
    unreadable = []
    is_open = False
    for path in paths:
        try:
            if is_open:
                verify_snapshot(path)
            else:
                index.open(path)
                is_open = True
        except SnapshotError as error:
            unreadable.append(str(error))
    missing: list[str] = []
    different: list[str] = []
    same = 0
    is_ahead = False
    if is_open:
        try:
            while (change := catalogue.changes_since(encoder_id, index.revision)) is not None:
                index.apply(change)
        except RevisionAheadError:
            is_ahead = True
        for track_ids, vectors in catalogue.all_embeddings(encoder_id):
            for track_id, vector in zip(track_ids, vectors, strict=True):
                found = index.vector(track_id)
                if found is None:
                    missing.append(track_id)
                elif np.array_equal(found, vector):
                    same += 1
                else:
                    different.append(track_id)
    return Verified(
        snapshots=len(paths),
        tracks=len(index),
        unreadable=tuple(unreadable),
        missing=tuple(missing),
        surplus=len(index) - same - len(different),
        different=tuple(different),
        is_ahead=is_ahead,
    )
