"""Whether a probability can be taken at its word: calibration error, Brier score, and the table behind them.

Of the tracks that a tag is given 0.7 for, seven in ten should have it. `tag_calibration` asks it of a bundle's own
probabilities, `platt` of those it has fitted.

The calibration error puts tracks of about the same probability into a bin, all bins alike full, and takes from bin to
bin the distance of the mean probability from the share of carriers. A forecast that always gives the share of carriers
has none at all: read it beside the Brier score, which such a forecast does badly in.

Sources: Naeini et al., Obtaining well calibrated probabilities using Bayesian binning, AAAI 2015, for the error; Nguyen
and O'Connor, EMNLP 2015, for bins of equal mass; Brier, Monthly Weather Review 78, 1950.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from index.vector_index import Positions
from training.evaluation.bootstrap import Numbers
from training.evaluation.evaluation import ReliabilityBin

# With 150 tracks, a bin holds 15: the share of carriers in it is known to a tenth. More bins would only measure noise.
BINS = 10

Probabilities = NDArray[np.floating[Any]]


def bins_of_equal_mass(probabilities: Probabilities, *, bins: int = BINS) -> Positions:
    """Which bin each track is in: 0 for the smallest probabilities.

    Tracks of the same probability share a bin, the one their middle rank falls into, so that the order of tracks
    changes nothing. Bins are then only about equally full, and some may be empty.

    Args:
        probabilities: `(n,)`; none NaN.
        bins: At least 1.

    Returns:
        `(n,)` int64 in [0, bins).
    """
    _, level, counts = np.unique(probabilities, return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - counts / 2
    return np.asarray(middle / max(len(probabilities), 1) * bins, dtype=np.int64)[level]


def reliability_table(
    probabilities: Probabilities, has_tag: NDArray[np.bool_], *, bins: int = BINS
) -> tuple[ReliabilityBin, ...]:
    """What the model said and what was so, from the least probable tracks to the most; empty bins are left out.

    Args:
        probabilities: `(n,)` in [0, 1].
        has_tag: `(n,)`.
        bins: At least 1.
    """
    place = bins_of_equal_mass(probabilities, bins=bins)
    table = []
    for each in np.unique(place):
        inside = place == each
        table.append(
            ReliabilityBin(
                low=float(probabilities[inside].min()),
                high=float(probabilities[inside].max()),
                n=int(inside.sum()),
                mean_probability=float(probabilities[inside].mean(dtype=np.float64)),
                share=float(has_tag[inside].mean()),
            )
        )
    return tuple(table)


def calibration_error(
    probabilities: Probabilities,
    has_tag: NDArray[np.bool_],
    *,
    weights: Numbers | None = None,
    bins: int = BINS,
) -> Numbers:
    """Expected calibration error: over all tracks, the mean distance of probability from share, bin by bin.

    It is too large on few tracks, since chance alone keeps shares from probabilities: `calibration_error_by_chance`
    says by how much. It is too small where probabilities in one bin are wrong in both directions.

    Args:
        probabilities: `(n,)` in [0, 1].
        has_tag: `(n,)`.
        weights: `(n, r)`, 0 or more: how often each track comes in each of r resamples; None: once. Bins stay as they
            are without weights.
        bins: At least 1.

    Returns:
        `(r,)` in [0, 1]; NaN where no track has a weight.
    """
    counted = np.ones((len(probabilities), 1)) if weights is None else weights
    place = bins_of_equal_mass(probabilities, bins=bins)
    excess = probabilities.astype(np.float64) - has_tag
    is_in_bin = (place == np.arange(bins)[:, None]).astype(np.float64)
    apart = np.abs((is_in_bin * excess) @ counted).sum(axis=0)
    total = counted.sum(axis=0)
    return np.asarray(np.divide(apart, total, out=np.full(len(total), np.nan), where=total > 0))


def calibration_error_by_chance(probabilities: Probabilities, *, bins: int = BINS) -> float:
    """The calibration error to be expected if every probability were exactly right.

    In a bin, carriers less probabilities then have mean 0 and variance sum p (1 - p): about normal, so that their
    distance from 0 is sqrt(2 / pi) standard deviations in the mean.

    Args:
        probabilities: `(n,)` in [0, 1].
        bins: As for the error it stands beside.
    """
    place = bins_of_equal_mass(probabilities, bins=bins)
    spread = probabilities.astype(np.float64) * (1.0 - probabilities.astype(np.float64))
    variances = np.bincount(place, weights=spread, minlength=bins)
    return float(np.sqrt(2 / np.pi) * np.sqrt(variances).sum() / len(probabilities))


def brier_score(probabilities: Probabilities, has_tag: NDArray[np.bool_], *, weights: Numbers | None = None) -> Numbers:
    """Mean squared distance of the probability from 1 for a carrier and from 0 for any other track.

    Always to give the share of carriers, q, has q (1 - q): a model that is worse knows nothing of use about the tag.

    Args:
        probabilities: `(n,)` in [0, 1].
        has_tag: `(n,)`.
        weights: As for `calibration_error`.

    Returns:
        `(r,)` in [0, 1]; NaN where no track has a weight.
    """
    counted = np.ones((len(probabilities), 1)) if weights is None else weights
    total = counted.sum(axis=0)
    squares = (probabilities.astype(np.float64) - has_tag) ** 2
    return np.asarray(np.divide(squares @ counted, total, out=np.full(len(total), np.nan), where=total > 0))


def as_probabilities(logits: NDArray[np.floating[Any]]) -> Numbers:
    """The logistic function, by tanh: nothing overflows however large the logit."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * np.asarray(logits, dtype=np.float64))))
