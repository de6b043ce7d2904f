"""Tracks and excerpts as points that can be compared, in the complete space or in one sub-space.

Takes `EmbeddedTracks`; retrieval, triplets, prototypes and hubness ask the points how similar they are.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from index.subspaces import Subspace, Subspaces, Vectors
from index.vector_index import Positions
from training.evaluation.embedded import EmbeddedTracks
from training.evaluation.evaluation import EvaluationError, Similarity

# 65,536 pairs of 256 float32 columns are twice 64 MB.
_PAIRS_AT_A_TIME = 65_536
# 28,435 similarities of 256 rows are 29 MB.
_ROWS_AT_A_TIME = 256


class Complete(StrEnum):
    """What the complete space is under the cosine; the paper leaves it open, and rankings differ."""

    SLICES = "slices"  # Every slice of unit length, side by side: the mean of the dimensions' cosines, as served.
    WHOLE = "whole"  # All columns brought to unit length as one.


@dataclass(frozen=True, eq=False, kw_only=True)
class Points:
    """n points, and how two of them are compared.

    Attributes:
        vectors: `(n, width)` float32. Under the cosine, an inner product of two is their similarity, in [-1, 1].
        similarity: Cosine and dot product are inner products; Euclidean is the squared distance with a minus before it.
    """

    vectors: Vectors
    similarity: Similarity

    def __len__(self) -> int:
        return len(self.vectors)

    def similarities(self, rows: slice | Positions) -> Vectors:
        """Of k of the points with all: `(k, n)` float32, larger is closer."""
        if self.similarity is not Similarity.EUCLIDEAN:
            return self.vectors[rows] @ self.vectors.T
        products: Vectors = self._centred[rows] @ self._centred.T
        products *= 2.0
        products -= self._squares[rows, None]
        products -= self._squares
        return products

    def pairs(self, first: Positions, second: Positions) -> Vectors:
        """Of point `first[i]` with point `second[i]`: `(k,)` float32. Equal points give equal similarities."""
        result = np.empty(len(first), dtype=np.float32)
        for start in range(0, len(first), _PAIRS_AT_A_TIME):
            block = slice(start, start + _PAIRS_AT_A_TIME)
            left, right = self.vectors[first[block]], self.vectors[second[block]]
            if self.similarity is Similarity.EUCLIDEAN:
                left = right = left - right
            result[block] = np.einsum("ij,ij->i", left, right)
        return -result if self.similarity is Similarity.EUCLIDEAN else result

    def blocks(self) -> Iterator[slice]:
        """All rows, as many at a time as `similarities` should be asked for."""
        return row_blocks(len(self))

    @cached_property
    def _centred(self) -> Vectors:
        # No difference changes with the origin, but far from it |a|^2 + |b|^2 - 2ab would be all rounding.
        centred: Vectors = self.vectors - self.vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
        return centred

    @cached_property
    def _squares(self) -> Vectors:
        squares: Vectors = np.einsum("ij,ij->i", self._centred, self._centred)
        return squares


def row_blocks(n: int) -> Iterator[slice]:
    """Rows 0 to n, as many at a time as may be compared with all points."""
    for start in range(0, n, _ROWS_AT_A_TIME):
        yield slice(start, min(start + _ROWS_AT_A_TIME, n))


def spaces_of(subspaces: Subspaces) -> tuple[str | None, ...]:
    """The spaces there are to measure in: the complete one (None), then each sub-space, if there is more than one."""
    return (None, *subspaces.names) if len(subspaces) > 1 else (None,)


def slices_of(subspaces: Subspaces, *, subspace: str | None, complete: Complete) -> Subspaces:
    """What is brought to unit length under the cosine, as slices of the columns of one space.

    Args:
        subspaces: The bundle's.
        subspace: The one whose columns the space has; None: all columns.
        complete: What the complete space is; a sub-space is one slice either way.
    """
    if subspace is not None:
        return Subspaces((Subspace(subspace, 0, subspaces[subspace].width),))
    return subspaces if complete is Complete.SLICES else Subspaces((Subspace("complete", 0, subspaces.width),))


def points_of(
    embeddings: Vectors,
    subspaces: Subspaces,
    *,
    subspace: str | None,
    similarity: Similarity,
    complete: Complete,
    track: NDArray[np.int64] | None = None,
) -> Points:
    """What the encoder gave, as points of a space.

    Args:
        embeddings: `(m, width)` of excerpts, slices of any length.
        subspaces: The bundle's.
        subspace: Whose columns to look at; None: all.
        similarity: Under the cosine, slices of unit length (or none: a slice of zeros is similar to nothing); else
            the embeddings as they are.
        complete: What the complete space is under the cosine.
        track: `(m,)` ascending; the points are then the tracks, each the mean of its excerpts' points, which the
            cosine brings to unit length again. None: every excerpt is a point.

    Raises:
        EvaluationError: If a number is not finite.
        UnknownDimensionError: If there is no such sub-space.
    """
    if not np.isfinite(embeddings).all():
        raise EvaluationError(
            "the embeddings hold numbers that are not finite; look at the bundle, and export it again"
        )
    vectors = embeddings if subspace is None else embeddings[:, subspaces[subspace].slice]
    if similarity is not Similarity.COSINE:
        return Points(vectors=vectors if track is None else _means(vectors, track), similarity=similarity)
    slices = slices_of(subspaces, subspace=subspace, complete=complete)
    vectors = slices.unit(vectors)
    if track is not None:
        vectors = slices.unit(_means(vectors, track))
    # Each of D slices gives a cosine; scaled so, the inner product is their mean.
    vectors /= np.float32(np.sqrt(len(slices)))
    return Points(vectors=vectors, similarity=similarity)


def track_points(tracks: EmbeddedTracks, *, subspace: str | None, similarity: Similarity, complete: Complete) -> Points:
    """One point for each track; see `points_of`."""
    return points_of(
        tracks.excerpts,
        tracks.subspaces,
        subspace=subspace,
        similarity=similarity,
        complete=complete,
        track=tracks.track,
    )


def excerpt_points(
    tracks: EmbeddedTracks, *, subspace: str | None, similarity: Similarity, complete: Complete
) -> Points:
    """One point for each excerpt; see `points_of`."""
    return points_of(tracks.excerpts, tracks.subspaces, subspace=subspace, similarity=similarity, complete=complete)


def _means(vectors: Vectors, track: NDArray[np.int64]) -> Vectors:
    first = np.flatnonzero(np.diff(track, prepend=-1))
    sums = np.add.reduceat(vectors, first, axis=0, dtype=np.float64)
    counts = np.diff(first, append=len(track))
    means: Vectors = (sums / counts[:, None]).astype(np.float32)
    return means
