"""Brute force in numpy: the oracle of the other engines, and the engine for small or strongly filtered sets."""

import numpy as np

from index.subspaces import Vectors
from index.vector_index import Mask, Neighbours, check_search, ranked


class ExactIndex:
    """One matrix product over all stored vectors. Holds the array it is given, memory-mapped or not, without a copy."""

    is_exact = True

    def __init__(self, vectors: Vectors) -> None:
        if vectors.ndim != 2:
            raise ValueError(f"vectors have shape {vectors.shape}, expected (n, width)")
        self._vectors = vectors

    @property
    def width(self) -> int:
        """Numbers in one stored vector."""
        return int(self._vectors.shape[1])

    def __len__(self) -> int:
        return len(self._vectors)

    def search(self, query: Vectors, *, k: int, allowed: Mask | None = None) -> Neighbours:
        """The `k` stored vectors most similar to `query`; see `VectorIndex.search`."""
        check_search(self, query, k, allowed)
        if allowed is None:
            positions = np.arange(len(self), dtype=np.int64)
            similarity = self._vectors @ query
        else:
            positions = np.flatnonzero(allowed).astype(np.int64)
            similarity = self._vectors[positions] @ query
        if k < len(positions):
            # Everything at least as similar as the k-th, so that equal similarity at the edge is ordered by position.
            kth = np.partition(similarity, -k)[-k]
            kept = similarity >= kth
            positions, similarity = positions[kept], similarity[kept]
        found = ranked(positions, similarity)
        return Neighbours(positions=found.positions[:k], similarity=found.similarity[:k])
