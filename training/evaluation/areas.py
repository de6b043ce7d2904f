"""Areas under the ROC and the precision-recall curve, exactly, for every resample at once. `tagging` asks for them.

ROC-AUC is the share of pairs of a carrier and another track that are in the right order, a tie counting half. PR-AUC is
average precision: of the carriers' precision at their own score, the mean.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index.vector_index import Positions
from training.evaluation.bootstrap import Numbers


@dataclass(frozen=True, eq=False, kw_only=True)
class Ranking:
    """n tracks in the order of their scores for a tag, highest first, as far as the areas depend on it.

    Tracks of equal score are a level. Of levels without a carrier nothing need be known but how many tracks they hold.

    Attributes:
        order: `(n,)` positions of the tracks.
        carriers: `(p,)` positions of the tracks that have the tag, in that order; p >= 1.
        first_carrier: `(levels,)`: where in `carriers` each level with a carrier begins.
        start: `(levels,)`: where in `order` it begins,
        stop: and where it ends.
    """

    order: Positions
    carriers: Positions
    first_carrier: Positions
    start: Positions
    stop: Positions

    @classmethod
    def of(cls, scores: NDArray[np.floating[Any]], has_tag: NDArray[np.bool_]) -> "Ranking":
        """Rank tracks.

        Args:
            scores: `(n,)`, larger for more likely; none NaN.
            has_tag: `(n,)`, some of them true.
        """
        order = np.argsort(-scores, kind="stable")
        starts = np.flatnonzero(np.diff(scores[order], prepend=np.inf))
        places = np.flatnonzero(has_tag[order])
        level, first_carrier = np.unique(np.searchsorted(starts, places, side="right") - 1, return_index=True)
        return cls(
            order=order,
            carriers=order[places],
            first_carrier=first_carrier,
            start=starts[level],
            stop=np.append(starts, len(order))[level + 1],
        )

    def areas(self, weights: Numbers) -> Numbers:
        """Both areas, for several weightings of the tracks.

        Args:
            weights: `(n, r)`, 0 or more: how often each track comes in each of r resamples.

        Returns:
            `(2, r)`: ROC-AUC and average precision; NaN where there is no carrier, or nothing but carriers.
        """
        tracks = np.zeros((len(self.order) + 1, weights.shape[1]))
        np.cumsum(weights[self.order], axis=0, out=tracks[1:])
        carriers_here = np.add.reduceat(weights[self.carriers], self.first_carrier, axis=0)
        carriers_so_far = np.cumsum(carriers_here, axis=0)
        carriers = carriers_so_far[-1]
        others = tracks[-1] - carriers
        # Others above a level, and half of those on it.
        others_above = (tracks[self.start] + tracks[self.stop] - 2 * carriers_so_far + carriers_here) / 2
        right_pairs = (carriers_here * (others - others_above)).sum(axis=0)
        found = tracks[self.stop]
        precision = np.divide(carriers_so_far, found, out=np.zeros_like(found), where=found > 0)
        precisions = (carriers_here * precision).sum(axis=0)
        result = np.full((2, weights.shape[1]), np.nan)
        is_defined = (carriers > 0) & (others > 0)
        np.divide(right_pairs, carriers * others, out=result[0], where=is_defined)
        np.divide(precisions, carriers, out=result[1], where=is_defined)
        return result


def chance_average_precision(carriers: int, n: int) -> float:
    """Average precision to be expected of a random order of n tracks, exactly.

    A carrier at rank k has each of the k - 1 before it a carrier with probability q = (p - 1) / (n - 1), so its
    precision is (1 + (k - 1) q) / k; it stands at every rank alike. The mean over k is ((1 - q) H_n + n q) / n, with
    the harmonic number H_n. It tends to the share of carriers, but for few tracks lies well above it.
    """
    others = (carriers - 1) / (n - 1)
    harmonic = float((1.0 / np.arange(1, n + 1)).sum())
    return ((1 - others) * harmonic + n * others) / n
