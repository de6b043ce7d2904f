"""A tagger's logits become probabilities a person can trust: Platt scaling of each tag, on music held out.

The logits are of music that the tagger was not fitted to; `fit_platt` gives each tag a scale and an offset, which an
export folds into the encoder's last layer, and says how well probabilities hold on tunes that scale and offset were
not fitted to either.

Sources: Platt, Probabilistic outputs for support vector machines, 1999; Lin, Lin and Weng, A note on Platt's
probabilistic outputs for support vector machines, Machine Learning 68, 2007.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index.subspaces import Vectors
from training.calibration import logistic_weights, smoothed_targets
from training.evaluation.areas import Ranking
from training.evaluation.bootstrap import Numbers
from training.evaluation.reliability import (
    as_probabilities,
    brier_score,
    calibration_error,
    calibration_error_by_chance,
)

FOLDS = 5


class CalibrationError(ValueError):
    """Logits, labels and groups do not belong together, or are none to calibrate by."""


@dataclass(frozen=True, eq=False, kw_only=True)
class PlattScaling:
    """What makes probabilities of logits, tag by tag: sigmoid(scale * logit + offset).

    All but the counts is NaN for a tag that is refused: it has no probability that could be trusted. Held-out figures
    are of rows whose group had no part in the scale and offset they are seen through, all folds together.

    Attributes:
        scale: `(tags,)`, above 0: the order of the rows stays as the tagger had it.
        offset: `(tags,)`.
        refused: Why, by column, for each tag that has no scale.
        rows: How many rows it was fitted to.
        groups: How many groups they are of.
        positives: `(tags,)` int64: rows that have the tag.
        positive_groups: `(tags,)` int64: groups with such rows. The figures are hardly worth more than their number.
        held_out: `(rows, tags)` float64: held-out probabilities.
        expected_calibration_error: `(tags,)`, of the held-out probabilities.
        expected_by_chance: `(tags,)`: that error if the probabilities were exactly right.
        brier: `(tags,)`, of the held-out probabilities.
        constant_brier: `(tags,)`: of always giving the share of positives.
        roc_auc: `(tags,)`, of the logits as they come, which no scale changes.
    """

    scale: Numbers
    offset: Numbers
    refused: Mapping[int, str]
    rows: int
    groups: int
    positives: NDArray[np.int64]
    positive_groups: NDArray[np.int64]
    held_out: Numbers
    expected_calibration_error: Numbers
    expected_by_chance: Numbers
    brier: Numbers
    constant_brier: Numbers
    roc_auc: Numbers

    def probabilities(self, logits: NDArray[np.floating[Any]]) -> Numbers:
        """Of other music: `(n, tags)`; NaN for a tag that is refused."""
        return as_probabilities(logits * self.scale + self.offset)


def fit_platt(
    logits: Vectors | Numbers, labels: NDArray[np.bool_], groups: NDArray[Any], *, folds: int = FOLDS, seed: int = 0
) -> PlattScaling:
    """Fit scale and offset of every tag, and measure them on groups left out.

    A probability will hold where a tag is as frequent as here, and logits err as they do here. Hand in rows of what
    will be asked about: logits of excerpts make probabilities of excerpts.

    A tag is refused if its logits do not rise with it, in all rows or in those of a fold; or if fewer than two groups
    have the tag, or have not: nothing could then be said of another tune.

    Args:
        logits: `(n, tags)`, finite.
        labels: `(n, tags)`.
        groups: `(n,)`: what must not be on both sides, such as a rendered piece's tune.
        folds: How many parts groups are dealt into, at least 2.
        seed: Of the dealing.

    Raises:
        CalibrationError: If shapes differ, there is no row, a logit is not finite, or folds are less than 2.
    """
    _check(logits, labels, groups, folds)
    _, group = np.unique(groups, return_inverse=True)
    n, tags = labels.shape
    n_groups = int(group.max()) + 1
    held = np.bincount(group)
    carriers = np.stack([np.bincount(group, weights=labels[:, tag], minlength=n_groups) for tag in range(tags)])
    figures = np.full((7, tags), np.nan)
    held_out = np.full((n, tags), np.nan)
    refused: dict[int, str] = {}
    for tag in range(tags):
        found = labels[:, tag]
        scores = np.asarray(logits[:, tag], dtype=np.float64)
        try:
            fold = _folds(carriers[tag], held, folds, np.random.default_rng(seed))[group]
            scale, offset = _scaling(scores, found)
            probability = _cross_fitted(scores, found, fold)
        except _RefusedError as error:
            refused[tag] = str(error)
            continue
        held_out[:, tag] = probability
        share = float(found.mean())
        figures[:, tag] = (
            scale,
            offset,
            calibration_error(probability, found)[0],
            calibration_error_by_chance(probability),
            brier_score(probability, found)[0],
            share * (1 - share),
            Ranking.of(scores, found).areas(np.ones((n, 1)))[0, 0],
        )
    scales, offsets, errors, by_chance, brier, constant_brier, roc_auc = figures
    return PlattScaling(
        scale=scales,
        offset=offsets,
        refused=refused,
        rows=n,
        groups=n_groups,
        positives=labels.sum(axis=0, dtype=np.int64),
        positive_groups=(carriers > 0).sum(axis=1, dtype=np.int64),
        held_out=held_out,
        expected_calibration_error=errors,
        expected_by_chance=by_chance,
        brier=brier,
        constant_brier=constant_brier,
        roc_auc=roc_auc,
    )


class _RefusedError(Exception):
    """A tag cannot have a probability; the message says why."""


def _check(logits: Vectors | Numbers, labels: NDArray[np.bool_], groups: NDArray[Any], folds: int) -> None:
    if logits.ndim != 2 or logits.shape != labels.shape or groups.shape != logits.shape[:1]:
        raise CalibrationError(
            f"logits are {logits.shape}, labels {labels.shape} and groups {groups.shape}; "
            "expected (n, tags) twice and (n,)"
        )
    if labels.dtype != np.bool_:
        raise CalibrationError(f"labels are {labels.dtype}, expected bool")
    if len(logits) == 0:
        raise CalibrationError("there is no row to calibrate by")
    if not np.isfinite(logits).all():
        raise CalibrationError(f"{np.count_nonzero(~np.isfinite(logits))} of {logits.size} logits are not finite")
    if folds < 2:
        raise CalibrationError(f"folds is {folds}, expected 2 or more: rows would be seen through their own scale")


def _folds(carriers: Numbers, rows: NDArray[np.int64], folds: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """The fold of each group, dealt so that groups with carriers, and groups with others, are not all in one.

    Raises:
        _RefusedError: If fewer than two groups have carriers, or have others.
    """
    with_carriers, with_others = int((carriers > 0).sum()), int((carriers < rows).sum())
    if with_carriers < 2 or with_others < 2:
        raise _RefusedError(
            f"{with_carriers} groups have it and {with_others} have rows without it; expected two of each at least"
        )
    shuffled = rng.permutation(len(carriers))
    # Groups with nothing but carriers, then with both kinds, then with none: either kind lies in one piece.
    kind = np.where(carriers == rows, 0, np.where(carriers > 0, 1, 2))[shuffled]
    dealt = shuffled[np.argsort(kind, kind="stable")]
    fold = np.empty(len(carriers), dtype=np.int64)
    fold[dealt] = np.arange(len(dealt)) % folds
    return fold


def _scaling(scores: Numbers, found: NDArray[np.bool_]) -> tuple[float, float]:
    """Scale and offset of Platt's regression.

    Raises:
        _RefusedError: If there are not both kinds of rows, or the scale is not above 0.
    """
    centre, spread = float(scores.mean()), float(scores.std())
    if found.all() or not found.any():
        raise _RefusedError("a fold leaves no row, or no other, to fit to")
    # Logits of one value differ by rounding alone.
    if spread <= 1e-9 * max(1.0, abs(centre)):
        raise _RefusedError("its logits are all the same")
    features = np.stack([(scores - centre) / spread, np.ones(len(scores))], axis=1)
    slope, level = logistic_weights(features, smoothed_targets(found)).tolist()
    if slope <= 0:
        raise _RefusedError("its logits do not rise with it")
    return slope / spread, level - slope * centre / spread


def _cross_fitted(scores: Numbers, found: NDArray[np.bool_], fold: NDArray[np.int64]) -> Numbers:
    """The probability of each row by the scale and offset of the other folds."""
    probability = np.empty(len(scores))
    for each in np.unique(fold):
        inside = fold == each
        scale, offset = _scaling(scores[~inside], found[~inside])
        probability[inside] = as_probabilities(scale * scores[inside] + offset)
    return probability
