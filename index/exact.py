"""Brute force in numpy: the oracle of the other engines, and the engine for small or strongly filtered sets."""

import numpy as np

from index.subspaces import Vectors
from index.vector_index import Mask, Neighbours, check_search, ranked

# Copying the allowed rows together costs about as much a row as multiplying ten: with more rows than this share of
# all, it is quicker to multiply every one.
GATHERED_SHARE = 0.1


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
        # Everything at least as similar as the k-th, so that equal similarity at the edge is ordered by position.
        found = self.contenders(query, k=k, allowed=allowed, margin=0.0)
        return Neighbours(positions=found.positions[:k], similarity=found.similarity[:k])

    def contenders(self, query: Vectors, *, k: int, allowed: Mask | None = None, margin: float) -> Neighbours:
        """Every stored vector that is no more than `margin` less similar than the `k`-th: at least `k`, if there are.

        Whoever ranks by a rounded similarity finds all that may be among the first `k`, however many are equal.

        Args:
            query: As for `search`.
            k: As for `search`.
            allowed: As for `search`.
            margin: 0 or more.
        """
        check_search(self, query, k, allowed)
        if allowed is None:
            positions = np.arange(len(self), dtype=np.int64)
            similarity = self._vectors @ query
        else:
            positions = np.flatnonzero(allowed).astype(np.int64)
            if len(positions) > GATHERED_SHARE * len(self):
                similarity = (self._vectors @ query)[positions]
            else:
                similarity = self._vectors[positions] @ query
        if k < len(positions):
            kept = similarity >= np.partition(similarity, -k)[-k] - np.float32(margin)
            positions, similarity = positions[kept], similarity[kept]
        return ranked(positions, similarity)
