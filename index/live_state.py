"""One moment of the live index: a snapshot, what came since, what went since. `live` replaces it at every change."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from index.snapshot import Snapshot
from index.subspaces import Vectors
from index.vector_index import Mask


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

    def content(self) -> tuple[Sequence[str], Vectors]:
        """Every track and its vector, row by row."""
        if self.snapshot is None:
            return self.added_ids, self.added_vectors
        rows = np.flatnonzero(self.kept)
        ids = [track_id.decode() for track_id in self.snapshot.track_ids[rows]]
        return [*ids, *self.added_ids], np.concatenate([self.snapshot.vectors[rows], self.added_vectors])
