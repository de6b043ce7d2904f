"""Names and slices of the embedding, and the one vector convention everything else relies on.

Vectors come from `model` and go to `vector_index`, `snapshot` and `live`. A stored vector is the concatenation of its
sub-spaces' slices, each of unit length. Then `sum_d w_d * cos_d(q, x)` is one inner product of `x` with a query whose
slices are scaled by `w_d`: restricting to a dimension, mixing dimensions, several examples and tags are one operation.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]

# Below this length a slice is noise of the float32 arithmetic that made it, and has no direction.
SHORTEST_DIRECTION = 1e-6


class UnknownDimensionError(ValueError):
    """A dimension was named that the bundle does not have."""

    def __init__(self, found: str, known: tuple[str, ...]) -> None:
        super().__init__(f"there is no dimension {found!r}; the bundle has {', '.join(known)}")
        self.found = found
        self.known = known


@dataclass(frozen=True)
class Subspace:
    """The slice `start:stop` of the embedding that stands for one dimension."""

    name: str
    start: int
    stop: int

    @property
    def slice(self) -> slice:
        """Columns of the embedding."""
        return slice(self.start, self.stop)

    @property
    def width(self) -> int:
        """Number of columns."""
        return self.stop - self.start


@dataclass(frozen=True)
class Subspaces:
    """All sub-spaces of a bundle, in the order of their columns. They tile the embedding without gap or overlap.

    Raises:
        ValueError: If there is none, a name comes twice, or the slices leave a gap or overlap.
    """

    each: tuple[Subspace, ...]

    def __post_init__(self) -> None:
        if not self.each:
            raise ValueError("an embedding needs at least one sub-space")
        if len(set(self.names)) != len(self.each):
            raise ValueError(f"sub-space names must differ, found {self.names}")
        expected = 0
        for subspace in self.each:
            if subspace.start != expected or subspace.width < 1:
                raise ValueError(
                    f"sub-space {subspace.name!r} is columns {subspace.start}:{subspace.stop}, "
                    f"it must start at {expected} and have a column"
                )
            expected = subspace.stop

    def __iter__(self) -> Iterator[Subspace]:
        return iter(self.each)

    def __len__(self) -> int:
        return len(self.each)

    def __getitem__(self, name: str) -> Subspace:
        """The sub-space called `name`.

        Raises:
            UnknownDimensionError: If there is none of that name.
        """
        try:
            return self._by_name[name]
        except KeyError:
            raise UnknownDimensionError(name, self.names) from None

    @cached_property
    def _by_name(self) -> Mapping[str, Subspace]:
        return {subspace.name: subspace for subspace in self.each}

    @property
    def names(self) -> tuple[str, ...]:
        """The dimensions' names, in column order."""
        return tuple(subspace.name for subspace in self.each)

    @property
    def width(self) -> int:
        """Numbers in one embedding: 256 for the paper's four sub-spaces of 64."""
        return self.each[-1].stop

    def unit(self, vectors: NDArray[Any]) -> Vectors:
        """Bring every slice of every vector to unit length.

        A slice shorter than `SHORTEST_DIRECTION` (all zero after a ReLU, say) has no direction: it becomes zeros and
        scores 0 in its dimension.

        Args:
            vectors: `(..., width)`.

        Returns:
            `(..., width)` float32, C-contiguous, a copy.

        Raises:
            ValueError: If the last axis is not `width`, or a number is not finite.
        """
        result = np.array(vectors, dtype=np.float32, order="C")
        if result.shape[-1:] != (self.width,):
            raise ValueError(f"vectors have shape {result.shape}, expected (..., {self.width})")
        if not np.isfinite(result).all():
            raise ValueError("vectors hold numbers that are not finite")
        for subspace in self.each:
            columns = result[..., subspace.slice]
            length = np.linalg.norm(columns, axis=-1, keepdims=True)
            columns /= np.where(length < SHORTEST_DIRECTION, np.inf, length)
        return result

    def mean(self, vectors: Vectors) -> Vectors:
        """One vector for a track: the mean of its excerpts' vectors, each slice of unit length again.

        Args:
            vectors: `(n, width)` with unit slices, n >= 1.

        Returns:
            `(width,)` float32.

        Raises:
            ValueError: If there is no vector.
        """
        if len(vectors) == 0:
            raise ValueError("the mean of no vectors is undefined")
        mean: NDArray[np.float64] = np.mean(vectors, axis=0, dtype=np.float64)
        return self.unit(mean)

    def cosines(self, query: Vectors, vectors: Vectors) -> Vectors:
        """Similarity in every dimension.

        Args:
            query: `(width,)` with unit or zero slices.
            vectors: `(n, width)` with unit or zero slices.

        Returns:
            `(n, dimensions)` float32 in [-1, 1], in column order; 0 where either side has no direction.
        """
        per_dimension = np.empty((len(vectors), len(self.each)), dtype=np.float32)
        for column, subspace in enumerate(self.each):
            per_dimension[:, column] = vectors[:, subspace.slice] @ query[subspace.slice]
        return np.clip(per_dimension, -1.0, 1.0)
