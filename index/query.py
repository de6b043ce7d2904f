"""Examples, tags and weights become one query vector. `live` searches with it, the service explains with it.

A query is a direction (unit slices, like a stored vector) and a weight for each dimension. Its similarity to a track is
`sum_d w_d cos_d / sum_d w_d`, one inner product of the track's vector with the scaled query.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from index.subspaces import Subspaces, Vectors


class QueryError(ValueError):
    """A query that means nothing, such as weights that are all zero."""


@dataclass(frozen=True, eq=False)
class Query:
    """A direction in every sub-space and how much each counts.

    Attributes:
        subspaces: Of the bundle whose embeddings are searched.
        direction: `(width,)` with unit or zero slices.
        weights: `(dimensions,)`, none negative, summing to 1.
    """

    subspaces: Subspaces
    direction: Vectors
    weights: NDArray[np.float64]

    @classmethod
    def by_example(
        cls, subspaces: Subspaces, examples: Vectors, *, weights: Mapping[str, float] | None = None
    ) -> "Query":
        """Tracks like these.

        Args:
            subspaces: Of the bundle that embedded the examples.
            examples: `(n, width)` with unit slices, n >= 1: they are averaged.
            weights: Weight by dimension; a dimension left out counts nothing. None: all count the same.

        Raises:
            UnknownDimensionError: If a weight names a dimension the bundle lacks.
            QueryError: If a weight is negative or not finite, or all are zero.
        """
        return cls(subspaces, subspaces.mean(examples), _normalised(subspaces, weights))

    @classmethod
    def by_tags(cls, subspaces: Subspaces, proxies: Vectors, *, weights: Mapping[str, float] | None = None) -> "Query":
        """Tracks that carry these tags: a tag is a point, its proxy, in its own dimension.

        Args:
            subspaces: Of the bundle the tags belong to.
            proxies: `(n, width)`: each zero outside its tag's dimension, n >= 1.
            weights: Weight by dimension; None: every dimension that has one of the tags counts the same.

        Raises:
            UnknownDimensionError: If a weight names a dimension the bundle lacks.
            QueryError: As for `by_example`, or if no tag lies in a dimension with weight.
        """
        unit = subspaces.unit(proxies)
        direction = subspaces.unit(unit.sum(axis=0))
        if weights is None:
            weights = {s.name: 1.0 for s in subspaces if direction[s.slice].any()}
        query = cls(subspaces, direction, _normalised(subspaces, weights))
        if not query.scaled.any():
            raise QueryError("none of the tags lies in a dimension with weight")
        return query

    @cached_property
    def scaled(self) -> Vectors:
        """`(width,)`: the direction with every slice times its dimension's weight."""
        # Scale the query, not the references: same ranking, one index for every weighting.
        widths = [subspace.width for subspace in self.subspaces]
        return (self.direction * np.repeat(self.weights, widths)).astype(np.float32)

    @property
    def weighted(self) -> Sequence[str]:
        """The dimensions that count."""
        return [s.name for s, weight in zip(self.subspaces, self.weights, strict=True) if weight > 0]

    def best_excerpt(self, excerpts: Vectors) -> int:
        """Position of the excerpt most similar to the query, the first of equals.

        Args:
            excerpts: `(n, width)` with unit slices, n >= 1: one track's excerpts.
        """
        return int(np.argmax(excerpts @ self.scaled))


def _normalised(subspaces: Subspaces, weights: Mapping[str, float] | None) -> NDArray[np.float64]:
    """Weights as `(dimensions,)` that sum to 1: scaling all of them keeps every answer the same."""
    if weights is None:
        return np.full(len(subspaces), 1 / len(subspaces))
    for name, weight in weights.items():
        _ = subspaces[name]
        if not np.isfinite(weight) or weight < 0:
            raise QueryError(f"the weight of {name!r} is {weight}, it must be zero or a positive number")
    values = np.array([weights.get(name, 0.0) for name in subspaces.names], dtype=np.float64)
    if values.max() == 0:
        raise QueryError("every weight is zero: give at least one dimension a weight above zero")
    values /= values.max()  # first, so that the sum of the largest floats stays finite
    normalised: NDArray[np.float64] = values / values.sum()
    return normalised
