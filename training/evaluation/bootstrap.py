"""How sure a mean is: 95 % percentile bootstrap over tracks. Every measure asks it for the ends of its figures.

Questions about one track are not independent, so tracks are drawn again, each with all its questions.

Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.evaluation.evaluation import EvaluationError

Numbers = NDArray[np.float64]

# 95 % lies between.
_LOW, _HIGH = 2.5, 97.5
# 64 resamples of 28,435 tracks as float64 are 15 MB.
_RESAMPLES_AT_A_TIME = 64


@dataclass(frozen=True)
class Interval:
    """A figure, and where 95 % of its resamples lie."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Bootstrap:
    """How often tracks are drawn again.

    Every figure starts from the seed: two bundles measured on the same tracks meet the same resamples.

    Attributes:
        resamples: At least 1.
        seed: Of the draws.
    """

    resamples: int = 1000
    seed: int = 0

    def mean(self, values: NDArray[Any], groups: NDArray[Any], *, parts: NDArray[Any] | None = None) -> Interval:
        """As `mean_interval`."""
        return mean_interval(values, groups, parts=parts, resamples=self.resamples, rng=self.rng())

    def rng(self) -> np.random.Generator:
        """A generator at its beginning."""
        return np.random.default_rng(self.seed)


def mean_interval(
    values: NDArray[Any],
    groups: NDArray[Any],
    *,
    resamples: int,
    rng: np.random.Generator,
    parts: NDArray[Any] | None = None,
) -> Interval:
    """A mean, and its interval if groups of values are drawn again.

    Args:
        values: `(n,)` numbers or bools.
        groups: `(n,)`: what is drawn again, with all its values: the track each value is about. One group alone gives
            an interval without width.
        resamples: How often.
        rng: Of the draws.
        parts: `(n,)`: such as the notion of each value. The figure is then the mean of the parts' means: every part
            counts alike, however many values it has. A resample without a value of a part is the mean of the others.

    Raises:
        EvaluationError: If there is no value, or one is not finite.
    """
    if len(values) == 0:
        raise EvaluationError("the mean of no values is undefined; ask about at least one track")
    if not np.isfinite(values).all():
        raise EvaluationError(f"{np.count_nonzero(~np.isfinite(values))} of {len(values)} values are not finite")
    _, group = np.unique(groups, return_inverse=True)
    _, part = (None, np.zeros(len(values), dtype=np.int64)) if parts is None else np.unique(parts, return_inverse=True)
    n_groups, n_parts = int(group.max()) + 1, int(part.max()) + 1
    cell = group * n_parts + part
    counts = np.bincount(cell, minlength=n_groups * n_parts).reshape(n_groups, n_parts).astype(np.float64)
    sums = np.bincount(cell, weights=values, minlength=n_groups * n_parts).reshape(n_groups, n_parts)
    resampled = [
        _mean_of_parts(drawn @ sums, drawn @ counts) for drawn in draws(n_groups, resamples=resamples, rng=rng)
    ]
    value = _mean_of_parts(sums.sum(axis=0, keepdims=True), counts.sum(axis=0, keepdims=True))
    return interval_of(float(value[0]), np.concatenate(resampled))


def shared_interval(
    values: NDArray[Any],
    groups: NDArray[Any],
    *,
    parts: NDArray[Any],
    settings: Bootstrap,
) -> Interval:
    """A mean, and its interval where every value is about several of the groups that are drawn again.

    A group that is drawn w times would have each of its values w times, as would the others that the value is about.
    To first order in the w, that moves the mean by the sum of (w - 1) times the group's influence: the sum of its
    values' deviations from the mean, over n. Groups of one of the roles alone would give intervals far too narrow.

    Args:
        values: `(n,)` numbers or bools.
        groups: `(roles, n)`: the groups that each value is about; the same one twice is one.
        parts: `(n,)`, as for `mean_interval`.
        settings: Of the draws.

    Raises:
        EvaluationError: If there is no value.

    Source: Owen, The pigeonhole bootstrap, Annals of Applied Statistics 1, 2007, of which this is the linear part.
    """
    if len(values) == 0:
        raise EvaluationError("the mean of no values is undefined; ask about at least one track")
    _, part = np.unique(parts, return_inverse=True)
    counts = np.bincount(part)
    means = np.bincount(part, weights=values) / counts
    deviations = (values - means[part]) / (counts[part] * len(counts))
    _, group = np.unique(groups, return_inverse=True)
    group = group.reshape(groups.shape)
    influence = np.zeros(int(group.max()) + 1)
    for role, of_role in enumerate(group):
        is_first = (group[:role] != of_role).all(axis=0)
        influence += np.bincount(of_role[is_first], weights=deviations[is_first], minlength=len(influence))
    value = float(means.mean())
    moved = [
        (drawn - 1) @ influence for drawn in draws(len(influence), resamples=settings.resamples, rng=settings.rng())
    ]
    return interval_of(value, value + np.concatenate(moved))


def draws(n: int, *, resamples: int, rng: np.random.Generator) -> Iterator[Numbers]:
    """How often each of n groups comes in each resample of n: blocks of `(some resamples, n)` float64."""
    for start in range(0, resamples, _RESAMPLES_AT_A_TIME):
        size = min(_RESAMPLES_AT_A_TIME, resamples - start)
        drawn = rng.integers(n, size=(size, n)) + n * np.arange(size)[:, None]
        yield np.bincount(drawn.ravel(), minlength=size * n).reshape(size, n).astype(np.float64)


def interval_of(value: float, resampled: Numbers) -> Interval:
    """From the same figure of every resample; those in which it is undefined (NaN) are left out.

    Raises:
        EvaluationError: If it is defined in none.
    """
    defined = resampled[np.isfinite(resampled)]
    if len(defined) == 0:
        raise EvaluationError("no resample has what the figure is made of; take more resamples, or more tracks")
    low, high = np.percentile(defined, (_LOW, _HIGH))
    return Interval(value, float(low), float(high))


def _mean_of_parts(sums: Numbers, counts: Numbers) -> Numbers:
    """`(resamples, parts)` each; every resample has a value of some part."""
    held = counts > 0
    means = np.divide(sums, counts, out=np.zeros_like(sums), where=held)
    return np.asarray(means.sum(axis=1) / held.sum(axis=1))
