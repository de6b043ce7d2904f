"""Similarity retrieval: how much of what is known of a track its nearest tracks bring back.

Takes `EmbeddedTracks`, gives figures R@1, R@2, R@4 and R@8; `nearest` also serves `hubness`.

Source: Lee et al., ISMIR 2020, Eq. 12. The paper does not say so, but a track does not find itself here.
"""

import numpy as np
from numpy.typing import NDArray

from index.vector_index import Positions
from training.evaluation.bootstrap import Bootstrap, Numbers
from training.evaluation.embedded import EmbeddedTracks
from training.evaluation.evaluation import EvaluationError, Figure, Similarity, Task
from training.evaluation.points import Complete, Points, spaces_of, track_points

DEPTHS = (1, 2, 4, 8)


def retrieval_figures(
    tracks: EmbeddedTracks,
    *,
    similarity: Similarity = Similarity.COSINE,
    complete: Complete = Complete.SLICES,
    settings: Bootstrap,
) -> list[Figure]:
    """R@K in the complete space and in each sub-space, with intervals over the queries.

    In the complete space of all tags and of each notion's; in a sub-space of all tags, and of its own notion's. A depth
    that is more than the other tracks is left out, and so is a notion of which no track has a tag.

    Raises:
        EvaluationError: If there are fewer than two tracks, or none has a tag.
    """
    if not tracks.labels.any():
        raise EvaluationError("no track has a tag of the vocabulary; name another vocabulary, or rename the tags")
    depths = [depth for depth in DEPTHS if depth < len(tracks)]
    figures = []
    for subspace in spaces_of(tracks.subspaces):
        points = track_points(tracks, subspace=subspace, similarity=similarity, complete=complete)
        neighbours = nearest(points, k=max(depths, default=1))
        notions = tracks.dimensions if subspace is None else [each for each in tracks.dimensions if each == subspace]
        for notion in (None, *notions):
            labels = tracks.labels[:, tracks.tags_of(notion)]
            queries = np.flatnonzero(labels.any(axis=1))
            if len(queries) == 0:
                continue
            for depth, found, chance in zip(
                depths, recalls(labels, neighbours, depths=depths).T, chance_recalls(labels, depths=depths), strict=True
            ):
                interval = settings.mean(found[queries], queries)
                figures.append(
                    Figure(
                        task=Task.RETRIEVAL,
                        metric=f"R@{depth}",
                        subspace=subspace,
                        notion=notion,
                        similarity=similarity,
                        value=interval.value,
                        low=interval.low,
                        high=interval.high,
                        chance=chance,
                        n=len(queries),
                    )
                )
    return figures


def nearest(points: Points, *, k: int) -> Positions:
    """The k nearest other points of every point, nearest first, by exact search.

    Equal similarity is in the order of positions. Some n * 1 kB are held at a time.

    Args:
        points: n of them.
        k: 1 to n - 1.

    Returns:
        `(n, k)`.

    Raises:
        EvaluationError: If k is out of range.
    """
    n = len(points)
    if not 1 <= k < n:
        raise EvaluationError(f"of {n} tracks, {k} neighbours of each were asked for; there are {max(n - 1, 0)}")
    found = np.empty((n, k), dtype=np.int64)
    for block in points.blocks():
        similarity = points.similarities(block)
        own = np.arange(block.start, block.stop)
        similarity[own - block.start, own] = -np.inf
        kth = np.partition(similarity, n - k, axis=1)[:, n - k]
        # All that are as similar as the k-th, so that of equals at the edge the first are taken.
        query, position = np.nonzero(similarity >= kth[:, None])
        order = np.lexsort((position, -similarity[query, position], query))
        first_of_query = np.searchsorted(query, np.arange(len(own)))
        found[block] = position[order][first_of_query[:, None] + np.arange(k)]
    return found


def recalls(labels: NDArray[np.bool_], neighbours: Positions, *, depths: list[int]) -> Numbers:
    """Share of every query's tags that its first K neighbours have between them.

    A tag counts once, however many neighbours have it.

    Args:
        labels: `(n, tags)`.
        neighbours: `(n, at least the largest depth)`.
        depths: The Ks.

    Returns:
        `(n, depths)` in [0, 1]; NaN for a query without tags.
    """
    wanted = labels.sum(axis=1)
    shares = np.full((len(labels), len(depths)), np.nan)
    covered = np.zeros_like(labels)
    for rank in range(max(depths, default=0)):
        covered |= labels[neighbours[:, rank]]
        if rank + 1 in depths:
            hits = (covered & labels).sum(axis=1)
            np.divide(hits, wanted, out=shares[:, depths.index(rank + 1)], where=wanted > 0)
    return shares


def chance_recalls(labels: NDArray[np.bool_], *, depths: list[int]) -> list[float]:
    """R@K to be expected of a random ranking, exactly.

    Of the n - 1 other tracks, c have a tag that the query has. K of them drawn at random all miss it with probability
    C(n-1-c, K) / C(n-1, K), a product of K fractions. The mean over the query's tags, then over the queries, is R@K:
    it grows with how common tags are, so R@K of two data sets cannot be compared.

    Args:
        labels: `(n, tags)`, some of them true.
        depths: The Ks, each below n.
    """
    n = len(labels)
    without = n - labels.sum(axis=0)
    weights = labels / np.maximum(labels.sum(axis=1, keepdims=True), 1)
    share_of_tag = weights.sum(axis=0) / labels.any(axis=1).sum()
    drawn = np.arange(max(depths, default=0))
    missed = np.cumprod(np.maximum(without[:, None] - drawn, 0) / (n - 1 - drawn), axis=1)
    return [float(share_of_tag @ (1 - missed[:, depth - 1])) for depth in depths]
