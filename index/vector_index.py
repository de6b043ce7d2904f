"""The protocol every search engine obeys, and THE similarity convention.

Similarity is the inner product of a query with a stored vector: larger is closer. Stored slices have unit length and
`query` scales the query's slices by their weights, so the inner product is a weighted mean of cosines in [-1, 1].
There is no distance and no bare score anywhere in the project.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from index.subspaces import Vectors

Positions = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Neighbours:
    """What an engine found, most similar first; equal similarity in the order of positions.

    Attributes:
        positions: `(n,)` row numbers of the stored vectors.
        similarity: `(n,)` inner products, descending.
    """

    positions: Positions
    similarity: Vectors

    def __len__(self) -> int:
        return len(self.positions)


class VectorIndex(Protocol):
    """Finds the stored vectors with the largest inner product."""

    @property
    def is_exact(self) -> bool:
        """Whether every answer equals brute force."""
        ...

    @property
    def width(self) -> int:
        """Numbers in one stored vector."""
        ...

    def __len__(self) -> int:
        """Number of stored vectors."""
        ...

    def search(self, query: Vectors, *, k: int, allowed: Mask | None = None) -> Neighbours:
        """The `k` stored vectors most similar to `query`.

        Args:
            query: `(width,)`; its length scales every similarity and so never changes the ranking.
            k: How many, at least 1. Fewer come back if fewer are stored or allowed.
            allowed: `(len(self),)`; only positions that are True may come back. All, if left out.

        Raises:
            ValueError: If a shape is wrong, `k` is below 1, or the query holds a number that is not finite.
        """
        ...


def check_search(index: VectorIndex, query: Vectors, k: int, allowed: Mask | None) -> None:
    """Refuse a search whose arguments break the protocol, the same way in every engine.

    Raises:
        ValueError: As `VectorIndex.search` says.
    """
    if query.shape != (index.width,):
        raise ValueError(f"the query has shape {query.shape}, the index holds vectors of shape ({index.width},)")
    if not np.isfinite(query).all():
        raise ValueError("the query holds numbers that are not finite")
    if k < 1:
        raise ValueError(f"k is {k}, it must be at least 1")
    if allowed is not None and allowed.shape != (len(index),):
        raise ValueError(f"allowed has shape {allowed.shape}, expected ({len(index)},)")


def ranked(positions: Positions, similarity: Vectors) -> Neighbours:
    """Neighbours in the protocol's order, from any order."""
    order = np.lexsort((positions, -similarity))
    return Neighbours(positions=positions[order], similarity=similarity[order])
