"""Examples, tags and weights become one query vector. `live_search` searches with it, the service explains with it.

A query is a direction (unit slices, like a stored vector) and a weight for each dimension. Its similarity to a track is
`sum_d w_d cos_d / sum_d w_d`, one inner product of the track's vector with the scaled query. Examples and tags, liked
or not, are all terms of the one sum that gives the direction.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from index.subspaces import Subspaces, Vectors


class QueryError(ValueError):
    """A query that means nothing, such as weights that are all zero."""


@dataclass(frozen=True, eq=False)
class Term:
    """A point that a query leads towards, or away from: an example, or a tag's proxy.

    Attributes:
        vector: `(width,)` with unit or zero slices. Where a slice is zero, the term says nothing of its dimension.
        weight: How strongly, beside the other terms; below zero leads away.
    """

    vector: Vectors
    weight: float = 1.0


@dataclass(frozen=True, eq=False)
class Query:
    """A direction in every sub-space, how much each counts, and how much alike a track may be at most.

    Attributes:
        subspaces: Of the bundle whose embeddings are searched.
        direction: `(width,)` with unit or zero slices.
        weights: `(dimensions,)`, none negative, summing to 1.
        ceilings: Cosine by dimension that no answer exceeds: "the same mood, another genre".
    """

    subspaces: Subspaces
    direction: Vectors
    weights: NDArray[np.float64]
    ceilings: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        subspaces: Subspaces,
        terms: Sequence[Term],
        *,
        weights: Mapping[str, float] | None = None,
        ceilings: Mapping[str, float] | None = None,
    ) -> "Query":
        """Towards some points and away from others: in every dimension, `sum_t w_t v_t`, of unit length again.

        Args:
            subspaces: Of the bundle that the terms belong to.
            terms: At least one.
            weights: Weight by dimension; a dimension left out counts nothing. None: all count the same.
            ceilings: Cosine by dimension, in [-1, 1].

        Raises:
            UnknownDimensionError: If a weight or a ceiling names a dimension the bundle lacks.
            QueryError: If there is no term, a weight is not finite, a dimension's is negative, all are zero, or a
                ceiling is out of range or in a dimension that the terms say nothing of.
        """
        if not terms:
            raise QueryError("a query needs an example or a tag")
        strengths = np.array([term.weight for term in terms], dtype=np.float64)
        if not np.isfinite(strengths).all():
            raise QueryError(f"an example or tag has the weight {strengths[~np.isfinite(strengths)][0]}")
        # The largest becomes 1, so that the sum neither overflows nor falls below the shortest direction.
        strengths /= max(np.abs(strengths).max(), np.finfo(np.float64).tiny)
        direction = subspaces.unit(strengths @ np.stack([term.vector for term in terms]).astype(np.float64))
        for name, ceiling in (ceilings or {}).items():
            if not -1 <= ceiling <= 1:
                raise QueryError(f"the ceiling of {name!r} is {ceiling}, a cosine is from -1 to 1")
            if not direction[subspaces[name].slice].any():
                raise QueryError(f"there is a ceiling in {name!r}, but neither example nor tag says anything of it")
        return cls(subspaces, direction, _normalised(subspaces, weights), dict(ceilings or {}))

    @classmethod
    def by_example(
        cls, subspaces: Subspaces, examples: Vectors, *, weights: Mapping[str, float] | None = None
    ) -> "Query":
        """Tracks like these.

        Args:
            subspaces: Of the bundle that embedded the examples.
            examples: `(n, width)` with unit slices, n >= 1: they are averaged.
            weights: As for `of`.

        Raises:
            UnknownDimensionError: As for `of`.
            QueryError: As for `of`.
        """
        return cls.of(subspaces, [Term(example) for example in examples], weights=weights)

    @cached_property
    def scaled(self) -> Vectors:
        """`(width,)`: the direction with every slice times its dimension's weight."""
        # Scale the query, not the references: same ranking, one index for every weighting.
        widths = [subspace.width for subspace in self.subspaces]
        return (self.direction * np.repeat(self.weights, widths)).astype(np.float32)

    @cached_property
    def columns(self) -> slice:
        """The columns between the first and the last that count: outside of them `scaled` is zero."""
        counted = [subspace for subspace, weight in zip(self.subspaces, self.weights, strict=True) if weight > 0]
        return slice(counted[0].start, counted[-1].stop)

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
