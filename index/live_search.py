"""Searching one moment of the live index: candidates from the engines or by brute force, then an exact order.

`live` gives the moment, the service a mask of what its filters let through. An answer is ordered by similarity,
rounded, and equal similarity by id: pages of one answer agree on the order whatever their size.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from index.exact import ExactIndex
from index.live_state import LiveState
from index.query import Query
from index.snapshot import Snapshot
from index.subspaces import Vectors
from index.vector_index import Mask, Positions, VectorIndex

# Candidates taken from approximate engines, times what is asked for: the exact re-rank then repairs their order.
OVERFETCH = 4
# Similarity is ordered to this many decimals: the last bits of a float32 product depend on the rows beside it, and
# pages of one answer must agree on the order.
SIMILARITY_DECIMALS = 6
# Half a unit of the last decimal on either side, and as much again for the arithmetic of float32.
ROUNDING = 4 * 10.0**-SIMILARITY_DECIMALS
# With no more than this to choose from, brute force is as quick as inverted lists, and misses nothing: 20,000 rows of
# 1 kB are gathered and multiplied in about 10 ms.
BRUTE_FORCE_UP_TO = 20_000
# A filter that leaves less than this share is answered by brute force over what it leaves: engines would find fewer and
# fewer of it. What leaves more (one track, one artist) is to engines as if there were no filter.
FILTERED_BELOW = 0.9
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
    """A place in the order of an answer: that of the hit with this similarity and id."""

    similarity: float
    track_id: str

    @classmethod
    def of(cls, hit: Hit) -> "Place":
        """Where a hit stands."""
        return cls(similarity=hit.similarity, track_id=hit.track_id)

    def is_before(self, hit: Hit) -> bool:
        """Whether a hit comes after this place."""
        return _order(hit) > (-self.similarity, self.track_id)


def find(
    state: LiveState,
    query: Query,
    *,
    limit: int,
    allowed: Mask | None = None,
    after: Place | None = None,
    skip: int = 0,
) -> list[Hit]:
    """The tracks most similar to `query`, most similar first, equal similarity in the order of ids.

    Ceilings of the query are not looked at: `below_ceilings` gives the mask for them.

    Args:
        state: The moment that is searched.
        query: What is searched for.
        limit: How many, at least 1.
        allowed: `(state.rows,)`; only rows that are True may come back. All, if left out. Under a mask that leaves
            less than `FILTERED_BELOW` of the rows, the answer is that of brute force.
        after: Only tracks that come after this place in the order: the next page of an answer.
        skip: About how many tracks come before that place; how deep to look.

    Returns:
        At most `limit` hits.
    """
    allowed = state.present if allowed is None else state.present & allowed
    remaining = int(np.count_nonzero(allowed))
    wanted = limit + skip
    while True:
        hits = _first(state, query, wanted, allowed)
        if after is not None:
            hits = [hit for hit in hits if after.is_before(hit)]
        if len(hits) >= limit or wanted >= remaining:
            return hits[:limit]
        # More came before that place since it was reached than `skip` says.
        wanted *= 2


def _first(state: LiveState, query: Query, wanted: int, allowed: Mask) -> list[Hit]:
    """The first `wanted` hits in their order."""
    stored = len(state.kept)
    parts: list[tuple[Iterable[str], Vectors]] = []
    if state.snapshot is not None and stored:
        positions = _candidates(state.snapshot, query, wanted, allowed[:stored])
        ids = (track_id.decode() for track_id in state.snapshot.track_ids[positions])
        parts.append((ids, state.snapshot.vectors[positions]))
    if state.added_ids:
        rows = _nearest(state.added_vectors, query, wanted, allowed[stored:])
        parts.append(((state.added_ids[row] for row in rows), state.added_vectors[rows]))
    hits = [hit for ids, vectors in parts for hit in hits_of(query, ids, vectors)]
    hits.sort(key=_order)
    # What comes behind is not all that does.
    return hits[:wanted]


def below_ceilings(state: LiveState, query: Query) -> Mapping[str, Mask]:
    """For every dimension with a ceiling, which rows are not above it: `(state.rows,)` each."""
    masks = {}
    for name, ceiling in query.ceilings.items():
        columns = query.subspaces[name].slice
        parts = [state.added_vectors] if state.snapshot is None else [state.snapshot.vectors, state.added_vectors]
        cosines = np.concatenate([part[:, columns] @ query.direction[columns] for part in parts])
        masks[name] = np.round(cosines, SIMILARITY_DECIMALS) <= ceiling
    return masks


def _candidates(snapshot: Snapshot, query: Query, wanted: int, allowed: Mask) -> Positions:
    """Rows worth an exact look: those of the sub-spaces with weight, and for a mixed query those of the joint space."""
    k = wanted + TIES
    remaining = int(np.count_nonzero(allowed))
    if remaining <= k:
        return np.flatnonzero(allowed)
    engines: list[tuple[VectorIndex, slice]] = [
        (index, subspace.slice)
        for index, subspace, weight in zip(snapshot.subspace_indices, query.subspaces, query.weights, strict=True)
        if weight > 0
    ]
    if len(engines) > 1:
        joint = (snapshot.joint_index, slice(0, query.subspaces.width))
        engines = [joint] if snapshot.joint_index.is_exact else [*engines, joint]
    is_small = remaining <= BRUTE_FORCE_UP_TO and not all(index.is_exact for index, _ in engines)
    if is_small or remaining < FILTERED_BELOW * len(snapshot):
        return _nearest(snapshot.vectors, query, wanted, allowed)
    filtering = None if remaining == len(snapshot) else allowed
    found = [
        index.search(query.scaled[columns], k=k if index.is_exact else OVERFETCH * k, allowed=filtering).positions
        for index, columns in engines
    ]
    positions = np.unique(np.concatenate(found))
    if len(positions) < wanted:
        # The lists that were visited held too few of what the filter lets through.
        return _nearest(snapshot.vectors, query, wanted, allowed)
    return positions


def _nearest(vectors: Vectors, query: Query, wanted: int, allowed: Mask) -> Positions:
    """By brute force, every row that may be among the first `wanted` once similarity is rounded."""
    # Columns without weight are not read: of four dimensions in memory-mapped rows, one is a quarter of the work.
    return (
        ExactIndex(vectors[:, query.columns])
        .contenders(query.scaled[query.columns], k=wanted, allowed=allowed, margin=ROUNDING)
        .positions
    )


def hits_of(query: Query, track_ids: Iterable[str], vectors: Vectors) -> list[Hit]:
    """Exact similarity and cosines of some vectors, in the order given.

    Args:
        query: What is searched for.
        track_ids: Whose vectors they are.
        vectors: `(n, width)` with unit or zero slices.
    """
    cosines = query.subspaces.cosines(query.direction, vectors)
    similarity = np.round(cosines @ query.weights, SIMILARITY_DECIMALS)
    return [
        Hit(track_id, float(value), tuple(map(float, row)))
        for track_id, value, row in zip(track_ids, similarity, cosines, strict=True)
    ]


def _order(hit: Hit) -> tuple[float, str]:
    return (-hit.similarity, hit.track_id)
