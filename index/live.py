"""The newest snapshot + what was added since - what was deleted: neighbours of a query, as of this moment.

The service applies the catalogue's changes as they come and searches; `compact` folds them into a new snapshot while
searches go on. A search sees one consistent state from beginning to end and takes no lock.
"""

import threading
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from index.exact import ExactIndex
from index.faiss_index import Sizes
from index.live_state import Change, LiveState
from index.query import Query
from index.snapshot import Snapshot, open_snapshot, prune_snapshots, publish_snapshot
from index.subspaces import Subspaces, Vectors
from index.vector_index import Mask, Positions, VectorIndex

# Candidates taken from approximate engines, times what is asked for: the exact re-rank then repairs their order.
OVERFETCH = 4
# Similarity is ordered to this many decimals: the last bits of a float32 product depend on the rows beside it, and
# pages of one answer must agree on the order.
SIMILARITY_DECIMALS = 6
# Under a filter that leaves no more than this, brute force is as quick as inverted lists, and misses nothing: 20,000
# rows of 1 kB are gathered and multiplied in about 10 ms.
BRUTE_FORCE_UP_TO = 20_000
# Candidates past what is asked for: engines order equal similarity by position, answers order it by id.
TIES = 32


@dataclass(frozen=True)
class Hit:
    """A track that was found.

    Attributes:
        track_id: The catalogue's key.
        similarity: Weighted mean of the cosines, in [-1, 1].
        dimensions: Cosine in every sub-space, in column order: the explanation.
    """

    track_id: str
    similarity: float
    dimensions: tuple[float, ...]


@dataclass(frozen=True)
class Place:
    """Where an earlier page of an answer ended: its last hit's similarity and id."""

    similarity: float
    track_id: str


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
        """The tracks most similar to `query`, most similar first, equal similarity in the order of ids.

        Args:
            query: What is searched for.
            limit: How many, at least 1.
            excluded: Tracks that may not come back.
            after: Only tracks that come after this place in the order: the next page of an answer.
            skip: About how many tracks come before that place; how deep to look.

        Returns:
            At most `limit` hits.
        """
        state = self._state
        wanted = limit + skip
        parts: list[tuple[Iterable[str], Vectors]] = []
        if state.snapshot is not None and len(state.snapshot):
            allowed = state.kept
            if excluded:
                allowed = allowed.copy()
                allowed[state.snapshot.positions(list(excluded))] = False
            positions = _candidates(state.snapshot, query, wanted, allowed)
            ids = (track_id.decode() for track_id in state.snapshot.track_ids[positions])
            parts.append((ids, state.snapshot.vectors[positions]))
        if state.added_ids:
            allowed = np.ones(len(state.added_ids), np.bool_)
            allowed[[state.added[track_id] for track_id in excluded if track_id in state.added]] = False
            rows = ExactIndex(state.added_vectors).search(query.scaled, k=wanted + TIES, allowed=allowed).positions
            parts.append(((state.added_ids[row] for row in rows), state.added_vectors[rows]))
        hits = [hit for ids, vectors in parts for hit in _hits(query, ids, vectors)]
        hits.sort(key=_order)
        if after is not None:
            end = (-after.similarity, after.track_id)
            hits = [hit for hit in hits if _order(hit) > end]
        return hits[:limit]


def _candidates(snapshot: Snapshot, query: Query, wanted: int, allowed: Mask) -> Positions:
    """Rows worth an exact look: those of the sub-spaces with weight, and for a mixed query those of the joint space."""
    k = wanted + TIES
    remaining = int(np.count_nonzero(allowed))
    if remaining <= k:
        return np.flatnonzero(allowed)
    filtering = None if remaining == len(snapshot) else allowed
    engines: list[tuple[VectorIndex, slice]] = [
        (index, subspace.slice)
        for index, subspace, weight in zip(snapshot.subspace_indices, query.subspaces, query.weights, strict=True)
        if weight > 0
    ]
    if len(engines) > 1:
        joint = (snapshot.joint_index, slice(0, query.subspaces.width))
        engines = [joint] if snapshot.joint_index.is_exact else [*engines, joint]
    brute_force = ExactIndex(snapshot.vectors)
    if remaining <= BRUTE_FORCE_UP_TO and not all(index.is_exact for index, _ in engines):
        return brute_force.search(query.scaled, k=k, allowed=allowed).positions
    found = [
        index.search(query.scaled[columns], k=k if index.is_exact else OVERFETCH * k, allowed=filtering).positions
        for index, columns in engines
    ]
    positions = np.unique(np.concatenate(found))
    if len(positions) < wanted:
        # The lists that were visited held too few of what the filter lets through.
        return brute_force.search(query.scaled, k=k, allowed=allowed).positions
    return positions


def _hits(query: Query, track_ids: Iterable[str], vectors: Vectors) -> list[Hit]:
    """Exact similarity and cosines of candidates."""
    cosines = query.subspaces.cosines(query.direction, vectors)
    similarity = np.round(cosines @ query.weights, SIMILARITY_DECIMALS)
    return [
        Hit(track_id, float(value), tuple(map(float, row)))
        for track_id, value, row in zip(track_ids, similarity, cosines, strict=True)
    ]


def _order(hit: Hit) -> tuple[float, str]:
    return (-hit.similarity, hit.track_id)
