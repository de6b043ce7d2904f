"""The newest snapshot + what was added since - what was deleted: neighbours of a query, as of this moment.

The service applies the catalogue's changes as they come and searches; `compact` folds them into a new snapshot while
searches go on. A search sees one consistent state from beginning to end and takes no lock (`live_search`).
"""

import threading
from collections.abc import Callable, Collection
from pathlib import Path

from index.faiss_index import Sizes
from index.live_search import Hit, Place, find
from index.live_state import Change, LiveState
from index.query import Query
from index.snapshot import Snapshot, open_snapshot, prune_snapshots, publish_snapshot
from index.subspaces import Subspaces, Vectors


class LiveIndex:
    """All tracks of one bundle, searchable at once after every change."""

    def __init__(self, root: Path, *, encoder_id: str, subspaces: Subspaces, sizes: Sizes | None = None) -> None:
        """Start empty; `open` and `apply` fill it.

        Args:
            root: Folder of this bundle's snapshots.
            encoder_id: The embedding space.
            subspaces: Names and slices of the vectors.
            sizes: Which kind of index for how many tracks; the measured default, if left out.
        """
        self.root = root
        self.encoder_id = encoder_id
        self.subspaces = subspaces
        self._sizes = sizes or Sizes()
        self._state = LiveState.on(None, width=subspaces.width)
        self._changing = threading.Lock()

    def __len__(self) -> int:
        return self._state.tracks

    @property
    def revision(self) -> int:
        """The catalogue's revision up to which changes are in."""
        return self._state.revision

    @property
    def moment(self) -> LiveState:
        """All of it as of now; it does not change any more, so several looks at it agree."""
        return self._state

    @property
    def snapshot(self) -> Snapshot | None:
        """The snapshot underneath, if any."""
        return self._state.snapshot

    @property
    def uncompacted(self) -> int:
        """Tracks added to or gone from the snapshot underneath since it was published."""
        return self._state.uncompacted

    def open(self, path: Path) -> None:
        """Stand on this snapshot, and put the changes it does not hold yet on top again.

        On a snapshot older than the one underneath, nothing is put on top: `revision` says from where to catch up.

        Raises:
            SnapshotError: If it is corrupted or of another bundle; the index then stays as it was.
        """
        snapshot = open_snapshot(path, encoder_id=self.encoder_id, subspaces=self.subspaces)
        with self._changing:
            before = self._state.snapshot
            state = LiveState.on(snapshot, width=self.subspaces.width)
            if before is None or before.manifest.revision <= snapshot.manifest.revision:
                for change in self._state.changes:
                    if change.revision > snapshot.manifest.revision:
                        state = state.following(change)
            self._state = state

    def apply(self, change: Change) -> None:
        """Make a change visible to every search that starts from now on.

        Raises:
            ValueError: If the vectors' shape disagrees with the ids or the sub-spaces.
        """
        if change.put_vectors.shape != (len(change.put_ids), self.subspaces.width):
            raise ValueError(
                f"vectors have shape {change.put_vectors.shape}, "
                f"expected ({len(change.put_ids)}, {self.subspaces.width})"
            )
        with self._changing:
            self._state = self._state.following(change)

    def compact(self, *, between_steps: Callable[[], None] = lambda: None) -> Path:
        """Publish everything as a new snapshot and stand on it. Changes that come meanwhile stay on top.

        Args:
            between_steps: As of `publish_snapshot`.

        Returns:
            The snapshot's folder.

        Raises:
            OSError: If it cannot be written; the index then stays as it was.
        """
        state = self._state
        ids, vectors = state.content()
        path = publish_snapshot(
            self.root,
            encoder_id=self.encoder_id,
            subspaces=self.subspaces,
            revision=state.revision,
            track_ids=ids,
            vectors=vectors,
            sizes=self._sizes,
            between_steps=between_steps,
        )
        self.open(path)
        prune_snapshots(self.root)
        return path

    def vector(self, track_id: str) -> Vectors | None:
        """A track's vector `(width,)`, or None if the index does not hold the track."""
        return self._state.vector(track_id)

    def search(
        self, query: Query, *, limit: int, excluded: Collection[str] = (), after: Place | None = None, skip: int = 0
    ) -> list[Hit]:
        """The tracks most similar to `query` at this moment; see `live_search.find`.

        Args:
            query: As for `find`.
            limit: As for `find`.
            excluded: Tracks that may not come back.
            after: As for `find`.
            skip: As for `find`.
        """
        state = self._state
        allowed = ~state.mask_of(excluded) if excluded else None
        return find(state, query, limit=limit, allowed=allowed, after=after, skip=skip)
