"""Points on the way from one vector to another, for playlists that lead somewhere. The service searches at each."""

import numpy as np
from numpy.typing import NDArray

from index.subspaces import Subspaces, Vectors

# Below this angle in radians a straight line and an arc are the same in float32.
_NO_ANGLE = 1e-4


def points_between(subspaces: Subspaces, start: Vectors, end: Vectors, *, points: int) -> Vectors:
    """Points that lead evenly from `start` to `end`: in every sub-space along the shortest arc of the unit sphere.

    Where only one end has a direction, that one holds all the way.

    Args:
        subspaces: Of both ends.
        start: `(width,)` with unit or zero slices.
        end: `(width,)` likewise.
        points: How many, both ends among them, at least 2.

    Returns:
        `(points, width)` with unit or zero slices.

    Source: Shoemake, "Animating rotation with quaternion curves", SIGGRAPH 1985 (spherical linear interpolation).
    """
    if points < 2:
        raise ValueError(f"a way has two ends, {points} points are asked for")
    shares = np.linspace(0.0, 1.0, points)[:, np.newaxis]
    way = np.empty((points, subspaces.width))
    for subspace in subspaces:
        columns = subspace.slice
        way[:, columns] = _arc(start[columns].astype(np.float64), end[columns].astype(np.float64), shares)
    return subspaces.unit(way)


def _arc(start: NDArray[np.float64], end: NDArray[np.float64], shares: NDArray[np.float64]) -> NDArray[np.float64]:
    if not start.any() or not end.any():
        return np.repeat((start + end)[np.newaxis], len(shares), axis=0)
    angle = float(np.arccos(np.clip(start @ end, -1.0, 1.0)))
    if angle < _NO_ANGLE:
        return (1 - shares) * start + shares * end
    return np.sin((1 - shares) * angle) * start + np.sin(shares * angle) * end
