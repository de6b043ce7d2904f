"""Vectors to points on a plane whose neighbours are neighbours there too. Vectors come from the catalogue, `map` draws.

Begins with the two principal components, then pulls each point towards its nearest neighbours and pushes it away from
points chosen at random, as UMAP does (McInnes, Healy and Melville, arXiv:1802.03426): the weight of a distance is
1 / (1 + d^2), as in t-SNE. All points move at once, by the mean of what pulls and pushes them, so it is plain numpy,
and the same seed gives the same map. benchmarks/projection.py tells what is gained over the components alone.
"""

import faiss
import numpy as np
from numpy.typing import NDArray

from index.subspaces import Vectors

Points = NDArray[np.float32]

NEIGHBOURS = 15
ROUNDS = 300
# Points that push each point away, a round; and what a push counts beside a pull. UMAP draws five pushes a pull.
PUSHES = 8
PUSH_WEIGHT = 5.0
# The components are spread this far at first, so that clouds that belong apart begin apart.
SPREAD = 10.0
FIRST_STEP = 1.0
LONGEST_MOVE = 2.0
# Exact search takes 25 s for 50,000 vectors of 64 and four times that for twice as many; lists take a sixteenth.
LISTS_FROM = 30_000
PROBED_SHARE = 1 / 16
# Points outside are the few that lie far from all others: they stand on the edge of the map.
EDGE_QUANTILE = 0.998


def projected(vectors: Vectors, *, rng: np.random.Generator, rounds: int = ROUNDS) -> Points:
    """Points whose neighbours are those of the vectors, as far as a plane lets them be.

    Args:
        vectors: `(n, width)`; unit length or zero, so that the inner product says what is near.
        rng: Of the pushes; the same state gives the same points.
        rounds: How often every point is moved.

    Returns:
        `(n, 2)` in [-1, 1], centred. Fewer than four vectors are told apart no better than by `principal_points`.
    """
    points = principal_points(vectors)
    if len(vectors) < 4:
        return points
    near = nearest(vectors, k=min(NEIGHBOURS, len(vectors) - 1))
    # Both ways: a track that is nobody's neighbour is still held by its own.
    ends = np.repeat(np.arange(len(vectors)), near.shape[1])
    pulled, pulling = np.concatenate([ends, near.ravel()]), np.concatenate([near.ravel(), ends])
    order = np.argsort(pulled, kind="stable")
    pulled, pulling = pulled[order], pulling[order]
    starts = np.searchsorted(pulled, np.arange(len(vectors)))
    counts = np.diff(np.append(starts, len(pulled)))[:, None].astype(np.float32)
    points = (points * SPREAD).astype(np.float32)
    for number in range(rounds):
        step = np.float32(FIRST_STEP * (1 - number / rounds))
        move = _pulls(points, pulled, pulling, starts) / counts + PUSH_WEIGHT * _pushes(points, rng)
        length = np.linalg.norm(move, axis=1, keepdims=True)
        points += step * move * np.minimum(1, LONGEST_MOVE / np.maximum(length, 1e-9))
    return _framed(points)


def principal_points(vectors: Vectors) -> Points:
    """The two principal components `(n, 2)` in [-1, 1], centred; zeros where there is nothing to tell apart."""
    if len(vectors) == 0:
        return np.empty((0, 2), np.float32)
    centred = vectors - vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
    _, axes = np.linalg.eigh((centred.T @ centred).astype(np.float64))
    axes = axes[:, ::-1][:, :2]
    # An axis has no sign of its own: the largest of its numbers is positive.
    axes *= np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])
    points = np.zeros((len(vectors), 2), np.float32)
    points[:, : axes.shape[1]] = centred @ axes.astype(np.float32)
    return _framed(points)


def turned_towards(points: Points, model: Points) -> Points:
    """The points, turned or mirrored so that they lie as near as may be to those of another map of the same tracks.

    Source: the orthogonal Procrustes problem, Schoenemann 1966.
    """
    left, _, right = np.linalg.svd(points.T.astype(np.float64) @ model.astype(np.float64))
    turned: Points = np.clip(points @ (left @ right).astype(np.float32), -1, 1)
    return turned


def nearest(vectors: Vectors, *, k: int) -> NDArray[np.int64]:
    """Each vector's `k` nearest others `(n, k)` by inner product; of very many, nearly always the nearest."""
    vectors = np.ascontiguousarray(vectors, np.float32)
    n, width = vectors.shape
    if n < LISTS_FROM:
        index: faiss.Index = faiss.IndexFlatIP(width)
    else:
        lists = int(np.sqrt(n))
        index = faiss.IndexIVFFlat(faiss.IndexFlatIP(width), width, lists, faiss.METRIC_INNER_PRODUCT)
        index.train(vectors[:: max(1, n // (40 * lists))])
        index.nprobe = max(1, round(lists * PROBED_SHARE))
    index.add(vectors)
    _, found = index.search(vectors, k + 1)
    own = np.arange(n)[:, None]
    # A twin may stand before the vector itself, and lists may hold too few: what is missing is the next in the row.
    order = np.argsort((found == own) | (found < 0), axis=1, kind="stable")[:, :k]
    kept: NDArray[np.int64] = np.take_along_axis(found, order, axis=1)
    return np.where((kept < 0) | (kept == own), (own + 1) % n, kept)


def placed_among(vectors: Vectors, *, known: Vectors, points: Points, k: int = 5) -> Points:
    """Where new tracks stand on a map that is drawn: in the middle of their nearest neighbours, nearer ones more.

    Args:
        vectors: `(m, width)` of the new tracks.
        known: `(n, width)` of the tracks on the map, n >= 1.
        points: `(n, 2)`, theirs.
        k: How many neighbours count.

    Returns:
        `(m, 2)`.
    """
    k = min(k, len(known))
    index = faiss.IndexFlatIP(known.shape[1])
    index.add(np.ascontiguousarray(known, np.float32))
    similarity, found = index.search(np.ascontiguousarray(vectors, np.float32), k)
    # From the farthest of them: the nearest counts most, and equal ones count alike.
    weights = np.square(1e-3 + similarity - similarity[:, -1:])
    weights /= weights.sum(axis=1, keepdims=True)
    placed: Points = (points[found] * weights[..., None]).sum(axis=1, dtype=np.float32)
    return placed


def _pulls(points: Points, pulled: NDArray[np.int64], pulling: NDArray[np.int64], starts: NDArray[np.int64]) -> Points:
    gap = points[pulling] - points[pulled]
    squared = (gap * gap).sum(axis=1, keepdims=True)
    total: Points = np.add.reduceat(gap / (1 + squared), starts, axis=0)
    return total


def _pushes(points: Points, rng: np.random.Generator) -> Points:
    others = rng.integers(len(points), size=(PUSHES, len(points)))
    total = np.zeros_like(points)
    for other in others:
        gap = points - points[other]
        squared = (gap * gap).sum(axis=1, keepdims=True)
        total += gap / ((0.01 + squared) * (1 + squared))
    return total / np.float32(PUSHES)


def _framed(points: Points) -> Points:
    centred = points - points.mean(axis=0, dtype=np.float64).astype(np.float32)
    size = float(np.quantile(np.abs(centred), EDGE_QUANTILE)) if centred.size else 0.0
    framed: Points = np.clip(centred / np.float32(max(size, 1e-9)), -1, 1)
    return framed
