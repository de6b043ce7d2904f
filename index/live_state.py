"""One moment of the live index: a snapshot, what came since, what went since. `live` replaces it at every change."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from index.snapshot import Snapshot
from index.subspaces import Vectors
from index.vector_index import Mask, Positions


@dataclass(frozen=True)
class Change:
    """What happened to the catalogue up to `revision`: vectors put (new or replaced), then tracks deleted."""

    revision: int
    put_ids: tuple[str, ...]
    put_vectors: Vectors
    deleted_ids: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class LiveState:
    """One moment of the index; never changed, only replaced.

    Attributes:
        snapshot: The snapshot underneath, if any.
        changes: What came since it was opened, oldest first.
        revision: The catalogue's revision up to which changes are in.
        added_ids: Tracks put since, each once.
        added_vectors: `(n, width)`, theirs.
        kept: `(len(snapshot),)`: True for its tracks that were neither deleted nor replaced since.
    """

    snapshot: Snapshot | None
    changes: tuple[Change, ...]
    revision: int
    added_ids: tuple[str, ...]
    added_vectors: Vectors
    kept: Mask

    @classmethod
    def on(cls, snapshot: Snapshot | None, *, width: int) -> "LiveState":
        """The moment a snapshot was opened: nothing came since."""
        return cls(
            snapshot=snapshot,
            changes=(),
            revision=0 if snapshot is None else snapshot.manifest.revision,
            added_ids=(),
            added_vectors=np.empty((0, width), np.float32),
            kept=np.ones(0 if snapshot is None else len(snapshot), np.bool_),
        )

    @cached_property
    def added(self) -> dict[str, int]:
        """Row in `added_vectors` of every added track."""
        return {track_id: row for row, track_id in enumerate(self.added_ids)}

    @cached_property
    def tracks(self) -> int:
        """Number of tracks."""
        return int(self.kept.sum()) + len(self.added_ids)

    @property
    def rows(self) -> int:
        """Number of rows: those of the snapshot, then those added. A mask over a moment has as many entries."""
        return len(self.kept) + len(self.added_ids)

    @cached_property
    def present(self) -> Mask:
        """`(rows,)`: True for the rows that are tracks, False for what is gone from the snapshot."""
        return np.concatenate([self.kept, np.ones(len(self.added_ids), np.bool_)])

    def rows_of(self, track_ids: Collection[str]) -> Positions:
        """Rows of the tracks among `track_ids` that are there, in no particular order."""
        added = [len(self.kept) + self.added[track_id] for track_id in track_ids if track_id in self.added]
        if self.snapshot is None:
            return np.array(added, np.int64)
        positions = self.snapshot.positions(list(track_ids))
        return np.concatenate([positions[self.kept[positions]], np.array(added, np.int64)])

    def mask_of(self, track_ids: Collection[str]) -> Mask:
        """`(rows,)`: True for the tracks among `track_ids` that are there."""
        mask = np.zeros(self.rows, np.bool_)
        mask[self.rows_of(track_ids)] = True
        return mask

    @property
    def uncompacted(self) -> int:
        """Tracks added to or gone from the snapshot underneath since it was published."""
        return len(self.added_ids) + int((~self.kept).sum())

    def following(self, change: Change) -> "LiveState":
        """The state after one more change."""
        gone = set(change.put_ids) | set(change.deleted_ids)
        kept = self.kept
        if self.snapshot is not None and gone:
            kept = kept.copy()
            kept[self.snapshot.positions(list(gone))] = False
        deleted = set(change.deleted_ids)
        stays = [row for row, track_id in enumerate(self.added_ids) if track_id not in gone]
        # Within one change the last vector of a track counts.
        new = {track_id: row for row, track_id in enumerate(change.put_ids) if track_id not in deleted}
        return LiveState(
            snapshot=self.snapshot,
            changes=(*self.changes, change),
            revision=max(self.revision, change.revision),
            added_ids=(*(self.added_ids[row] for row in stays), *new),
            added_vectors=np.concatenate([self.added_vectors[stays], change.put_vectors[list(new.values())]]),
            kept=kept,
        )

    def vector(self, track_id: str) -> Vectors | None:
        """A track's vector `(width,)`, or None if there is no such track."""
        if (row := self.added.get(track_id)) is not None:
            added: Vectors = self.added_vectors[row]
            return added
        if self.snapshot is not None:
            for position in self.snapshot.positions([track_id]):
                if self.kept[position]:
                    return np.array(self.snapshot.vectors[position], dtype=np.float32)
        return None

    def vectors(self, track_ids: Sequence[str]) -> Vectors:
        """Vectors `(n, width)` of tracks that are all there, row by row.

        Raises:
            KeyError: If one is not.
        """
        found = np.empty((len(track_ids), self.added_vectors.shape[1]), np.float32)
        is_added = np.array([track_id in self.added for track_id in track_ids], np.bool_)
        stored = [track_id for track_id in track_ids if track_id not in self.added]
        found[is_added] = self.added_vectors[[self.added[track_id] for track_id in track_ids if track_id in self.added]]
        if stored:
            positions = np.empty(0, np.int64) if self.snapshot is None else self.snapshot.positions(stored)
            if self.snapshot is None or len(positions) < len(stored) or not self.kept[positions].all():
                raise KeyError(next(track_id for track_id in stored if self.vector(track_id) is None))
            found[~is_added] = self.snapshot.vectors[positions]
        return found

    def rows_vectors(self, rows: Positions) -> Vectors:
        """Vectors `(n, width)` of rows, in their order; those of rows that are gone are there as well."""
        found = np.empty((len(rows), self.added_vectors.shape[1]), np.float32)
        is_added = rows >= len(self.kept)
        found[is_added] = self.added_vectors[rows[is_added] - len(self.kept)]
        if self.snapshot is not None:
            found[~is_added] = self.snapshot.vectors[rows[~is_added]]
        return found

    def content(self) -> tuple[Sequence[str], Vectors]:
        """Every track and its vector, row by row."""
        if self.snapshot is None:
            return self.added_ids, self.added_vectors
        rows = np.flatnonzero(self.kept)
        ids = [track_id.decode() for track_id in self.snapshot.track_ids[rows]]
        return [*ids, *self.added_ids], np.concatenate([self.snapshot.vectors[rows], self.added_vectors])
