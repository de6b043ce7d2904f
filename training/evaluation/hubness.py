"""Hubness: whether a few tracks are among the nearest of very many, and others of none.

Takes `EmbeddedTracks`; `retrieval.nearest` finds who is whose neighbour. A hub is found whatever is asked; a track that
is never found (an antihub) is as good as not in the catalogue.

Source: Radovanovic, Nanopoulos and Ivanovic, Hubs in Space, JMLR 11, 2010: skewness of the k-occurrences.
"""

import numpy as np
from numpy.typing import NDArray

from training.evaluation.bootstrap import Bootstrap, Interval, Numbers, draws, interval_of
from training.evaluation.embedded import EmbeddedTracks
from training.evaluation.evaluation import Figure, Similarity, Task
from training.evaluation.points import Complete, Points, points_of, spaces_of, track_points
from training.evaluation.retrieval import nearest

K = 10
SKEWNESS, ANTIHUBS = "skewness", "antihubs"


def hubness_figures(
    tracks: EmbeddedTracks,
    *,
    similarity: Similarity = Similarity.COSINE,
    complete: Complete = Complete.SLICES,
    settings: Bootstrap,
) -> list[Figure]:
    """Skewness of the k-occurrences (k = 10), and the share of antihubs, in the complete space and each sub-space.

    The chance is that of as many random vectors, normally distributed, in a space of that shape: high dimensions alone
    make hubs. Intervals are over tracks, with the neighbours they have.

    Raises:
        EvaluationError: If there are not more than 10 tracks.
    """
    figures = []
    of_random: dict[tuple[int, bool], dict[str, Interval]] = {}
    for subspace in spaces_of(tracks.subspaces):
        points = track_points(tracks, subspace=subspace, similarity=similarity, complete=complete)
        found = _measured(points, settings)
        shape = (points.vectors.shape[1], subspace is None)
        if shape not in of_random:
            noise = settings.rng().standard_normal((len(tracks), tracks.subspaces.width), dtype=np.float32)
            of_random[shape] = _measured(
                points_of(noise, tracks.subspaces, subspace=subspace, similarity=similarity, complete=complete),
                settings,
            )
        for metric, interval in found.items():
            figures.append(
                Figure(
                    task=Task.HUBNESS,
                    metric=metric,
                    subspace=subspace,
                    similarity=similarity,
                    value=interval.value,
                    low=interval.low,
                    high=interval.high,
                    chance=of_random[shape][metric].value,
                    n=len(tracks),
                )
            )
    return figures


def occurrences(points: Points, *, k: int) -> NDArray[np.int64]:
    """How many of the other points have each among their k nearest: `(n,)`, k on average.

    Raises:
        EvaluationError: If k is not below n.
    """
    return np.bincount(nearest(points, k=k).ravel(), minlength=len(points))


def skewness(values: NDArray[np.int64], weights: Numbers) -> Numbers:
    """Third central moment over the cube of the standard deviation; 0 where all values are equal.

    Args:
        values: `(n,)`.
        weights: `(r, n)`: how often each comes in each of r samples.

    Returns:
        `(r,)`.
    """
    # About the overall mean, so that multiplying out loses no digits.
    deviations = values - values.mean()
    powers = np.stack([deviations, deviations**2, deviations**3], axis=1)
    first, second, third = (weights @ powers / weights.sum(axis=1, keepdims=True)).T
    variance = second - first**2
    moment = third - 3 * first * second + 2 * first**3
    # A variance of whole numbers that is not 0 is more than rounding.
    result: Numbers = np.zeros_like(variance)
    np.divide(moment, np.abs(variance) ** 1.5, out=result, where=variance > 1e-9)
    return result


def _measured(points: Points, settings: Bootstrap) -> dict[str, Interval]:
    counts = occurrences(points, k=K)
    n = len(points)
    resampled = [skewness(counts, drawn) for drawn in draws(n, resamples=settings.resamples, rng=settings.rng())]
    value = float(skewness(counts, np.ones((1, n)))[0])
    return {
        SKEWNESS: interval_of(value, np.concatenate(resampled)),
        ANTIHUBS: settings.mean(counts == 0, np.arange(n)),
    }
