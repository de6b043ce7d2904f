"""Excerpts side by side, track by track: means over them, and the logistic regression whose mean is likeliest.

`platt` fits with it what the service tells of a track: not the probability of an excerpt, but their mean.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.evaluation.bootstrap import Numbers
from training.evaluation.reliability import as_probabilities

# Fisher's scoring takes some thirty, each a few milliseconds for 10,000 excerpts.
_STEPS = 200
_SMALL_STEP = 1e-6


class TracksError(ValueError):
    """What is said of tracks is not the same for all excerpts of one."""


@dataclass(frozen=True, eq=False)
class ExcerptsOfTracks:
    """Which excerpts belong together.

    Attributes:
        order: `(n,)`: rows in the order of tracks: that of their names, sorted.
        lengths: `(tracks,)` int64: how many excerpts each has, at least one.
    """

    order: NDArray[np.int64]
    lengths: NDArray[np.int64]

    @classmethod
    def of(cls, tracks: NDArray[Any]) -> "ExcerptsOfTracks":
        """By the track of each excerpt, `(n,)`."""
        _, track = np.unique(tracks, return_inverse=True)
        return cls(np.argsort(track, kind="stable"), np.bincount(track))

    @property
    def are_several(self) -> bool:
        """Whether any track has more than one."""
        return bool((self.lengths > 1).any())

    @property
    def starts(self) -> NDArray[np.int64]:
        """`(tracks,)`: where each track's excerpts begin in the order."""
        return np.asarray(np.cumsum(self.lengths) - self.lengths)

    def of_track(self, values: NDArray[Any], what: str) -> NDArray[Any]:
        """What is said of each track, `(tracks, …)`, from what is said of each excerpt, `(n, …)`.

        Raises:
            TracksError: If the excerpts of a track do not agree. `what` says on what.
        """
        if len(values) != len(self.order):
            raise TracksError(f"tracks are of {len(self.order)} excerpts, {what} of {len(values)}")
        ordered = values[self.order]
        first = ordered[self.starts]
        differing = np.flatnonzero((ordered != np.repeat(first, self.lengths, axis=0)).reshape(len(ordered), -1).any(1))
        if len(differing):
            raise TracksError(f"row {self.order[differing[0]]} has other {what} than another row of its track")
        return first

    def part(self, kept: NDArray[np.bool_]) -> "ExcerptsOfTracks":
        """Of some tracks, `(tracks,)`, whose excerpts stand in the order already."""
        lengths = self.lengths[kept]
        return ExcerptsOfTracks(np.arange(int(lengths.sum())), lengths)

    def mean(self, ordered: Numbers) -> Numbers:
        """Over each track's excerpts: `(tracks,)` of `(n,)` in the order of tracks."""
        return np.asarray(np.add.reduceat(ordered, self.starts) / self.lengths)

    def likeliest_mean(self, features: Numbers, target: Numbers, start: Numbers) -> Numbers:
        """The weights with which the mean of sigmoid(features weights) over a track's excerpts is likeliest.

        By Fisher's scoring. With one excerpt to a track, that is Newton's method of the logistic regression.

        Args:
            features: `(n, k)`, of a size of about 1, in the order of tracks.
            target: `(tracks,)` in (0, 1).
            start: `(k,)`: those of the regression of excerpts are near.
        """

        def likelihood(logits: Numbers) -> tuple[float, Numbers, Numbers]:
            chance, other = self._log_means(logits)
            return float(np.sum(target * chance + (1.0 - target) * other)), np.exp(chance), np.exp(other)

        weights, logits = start, features @ start
        before, chance, other = likelihood(logits)
        for _ in range(_STEPS):
            probability = as_probabilities(logits)
            slopes = (probability * (1.0 - probability))[:, None] * features
            of_mean = np.add.reduceat(slopes, self.starts, axis=0) / self.lengths[:, None]
            variance = np.maximum(chance * other, np.finfo(np.float64).tiny)
            gradient = of_mean.T @ ((chance - target) / variance)
            information = of_mean.T @ (of_mean / variance[:, None])
            step = np.linalg.solve(information + 1e-9 * np.eye(len(weights)), gradient)
            while True:
                logits = features @ (weights - step)
                after, chance, other = likelihood(logits)
                if after >= before or np.abs(step).max() < _SMALL_STEP:
                    break
                step = step / 2
            if after < before:
                break
            weights, before = weights - step, after
            if np.abs(step).max() < _SMALL_STEP:
                break
        return weights

    def _log_means(self, logits: Numbers) -> tuple[Numbers, Numbers]:
        """Logarithms of a track's mean probability, and of what it lacks to one: neither is ever rounded to 0."""
        return tuple(  # type: ignore[return-value]
            np.logaddexp.reduceat(-np.logaddexp(0.0, -sign * logits), self.starts) - np.log(self.lengths)
            for sign in (1.0, -1.0)
        )
