"""A tagger's logits become probabilities a person can trust: Platt scaling of each tag, on music held out.

The logits are of music that the tagger was not fitted to; `fit_platt` gives each tag a scale and an offset, which an
export folds into the encoder's last layer, and says how well probabilities hold on tunes that scale and offset were
not fitted to either.

What the service tells of a track is the mean of its excerpts' probabilities. The mean of probabilities that hold for
excerpts is too timid for tracks (Ranjan and Gneiting, Combining probability forecasts, JRSS B 72, 2010), so that with
the tracks told, it is the mean that is fitted and measured. The less excerpts of a track agree, the bolder each becomes
by it: a single one is then no forecast of the track.

Sources: Platt, Probabilistic outputs for support vector machines, 1999; Lin, Lin and Weng, A note on Platt's
probabilistic outputs for support vector machines, Machine Learning 68, 2007.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index.bundle_manifest import CalibrationEntry
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
from training.excerpts_of_tracks import ExcerptsOfTracks, TracksError

FOLDS = 5
# Of the figures in a bundle: what lies below is noise.
_DECIMALS = 4


class CalibrationError(ValueError):
    """Logits, labels, groups and tracks do not belong together, or are none to calibrate by."""


@dataclass(frozen=True, eq=False, kw_only=True)
class PlattScaling:
    """What makes probabilities of logits, tag by tag: sigmoid(scale * logit + offset), mean over a track's excerpts.

    All but the counts is NaN for a tag that is refused: it has no probability that could be trusted. Held-out figures
    are of tracks whose group had no part in the scale and offset they are seen through, all folds together.

    Attributes:
        scale: `(tags,)`, above 0: the order of excerpts stays as the tagger had it.
        offset: `(tags,)`.
        refused: Why, by column, for each tag that has no scale.
        tracks: How many tracks it was fitted to.
        groups: How many groups they are of.
        positives: `(tags,)` int64: tracks that have the tag.
        positive_groups: `(tags,)` int64: groups with such tracks. The figures are hardly worth more than their number.
        held_out: `(tracks, tags)` float64: held-out probabilities, in the order of `ExcerptsOfTracks`.
        expected_calibration_error: `(tags,)`, of the held-out probabilities.
        expected_by_chance: `(tags,)`: that error if the probabilities were exactly right.
        brier: `(tags,)`, of the held-out probabilities.
        constant_brier: `(tags,)`: of always giving the share of positives.
        roc_auc: `(tags,)`, of the tracks by scale and offset; where tracks have one excerpt, no scale changes it.
    """

    scale: Numbers
    offset: Numbers
    refused: Mapping[int, str]
    tracks: int
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
        """Of other music: `(n, tags)`, excerpt by excerpt; NaN for a tag that is refused."""
        return as_probabilities(logits * self.scale + self.offset)

    def entries(self, on: str) -> tuple[CalibrationEntry | None, ...]:
        """What a bundle says of each tag; None for one that is refused.

        Args:
            on: What music, in words.
        """
        return tuple(
            None
            if tag in self.refused
            else CalibrationEntry(
                on=on,
                tracks=self.tracks,
                positives=int(self.positives[tag]),
                expected_calibration_error=round(float(self.expected_calibration_error[tag]), _DECIMALS),
                roc_auc=round(float(self.roc_auc[tag]), _DECIMALS),
            )
            for tag in range(len(self.scale))
        )


def fit_platt(
    logits: Vectors | Numbers,
    labels: NDArray[np.bool_],
    groups: NDArray[Any],
    *,
    tracks: NDArray[Any] | None = None,
    folds: int = FOLDS,
    seed: int = 0,
) -> PlattScaling:
    """Fit scale and offset of every tag, and measure them on groups left out.

    A probability will hold where a tag is as frequent as here, and logits err as they do here.

    A tag is refused if its logits do not rise with it, in all tracks or in those that a fold leaves; or if fewer than
    two groups have the tag, or have not: nothing could then be said of another tune.

    Args:
        logits: `(n, tags)`, finite: of excerpts, as the encoder gives them.
        labels: `(n, tags)`: those of the track.
        groups: `(n,)`: what must not be on both sides, such as a rendered piece's tune.
        tracks: `(n,)`: the track that each excerpt is of; None: each row is a track.
        folds: How many parts groups are dealt into, at least 2.
        seed: Of the dealing.

    Raises:
        CalibrationError: If shapes differ, there is no row, a logit is not finite, a track has several labels or
            groups, or folds are less than 2.
    """
    _check(logits, labels, groups, folds)
    _, group = np.unique(groups, return_inverse=True)
    try:
        excerpts = ExcerptsOfTracks.of(np.arange(len(logits)) if tracks is None else tracks)
        labels, group = excerpts.of_track(labels, "labels"), excerpts.of_track(group, "groups")
    except TracksError as error:
        raise CalibrationError(str(error)) from error
    n, tags = labels.shape
    n_groups = int(group.max()) + 1
    held = np.bincount(group)
    carriers = np.stack([np.bincount(group, weights=labels[:, tag], minlength=n_groups) for tag in range(tags)])
    figures = np.full((7, tags), np.nan)
    held_out = np.full((n, tags), np.nan)
    refused: dict[int, str] = {}
    for tag in range(tags):
        found = labels[:, tag]
        scores = np.asarray(logits[excerpts.order, tag], dtype=np.float64)
        try:
            fold = _folds(carriers[tag], held, folds, np.random.default_rng(seed))[group]
            scale, offset = _scaling(scores, excerpts, found)
            probability = _cross_fitted(scores, excerpts, found, fold)
        except _RefusedError as error:
            refused[tag] = str(error)
            continue
        held_out[:, tag] = probability
        share = float(found.mean())
        ranking = Ranking.of(excerpts.mean(as_probabilities(scale * scores + offset)), found)
        figures[:, tag] = (
            scale,
            offset,
            calibration_error(probability, found)[0],
            calibration_error_by_chance(probability),
            brier_score(probability, found)[0],
            share * (1 - share),
            ranking.areas(np.ones((n, 1)))[0, 0],
        )
    scales, offsets, errors, by_chance, brier, constant_brier, roc_auc = figures
    return PlattScaling(
        scale=scales,
        offset=offsets,
        refused=refused,
        tracks=n,
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
        raise CalibrationError(f"folds is {folds}, expected 2 or more: tracks would be seen through their own scale")


def _folds(carriers: Numbers, held: NDArray[np.int64], folds: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """The fold of each group, dealt so that groups with carriers, and groups with others, are not all in one.

    Raises:
        _RefusedError: If fewer than two groups have carriers, or have others.
    """
    with_carriers, with_others = int((carriers > 0).sum()), int((carriers < held).sum())
    if with_carriers < 2 or with_others < 2:
        raise _RefusedError(
            f"{with_carriers} groups have it and {with_others} have tracks without it; expected two of each at least"
        )
    shuffled = rng.permutation(len(carriers))
    # Groups with nothing but carriers, then with both kinds, then with none: either kind lies in one piece.
    kind = np.where(carriers == held, 0, np.where(carriers > 0, 1, 2))[shuffled]
    dealt = shuffled[np.argsort(kind, kind="stable")]
    fold = np.empty(len(carriers), dtype=np.int64)
    fold[dealt] = np.arange(len(dealt)) % folds
    return fold


def _scaling(scores: Numbers, excerpts: ExcerptsOfTracks, found: NDArray[np.bool_]) -> tuple[float, float]:
    """Scale and offset with which the mean over a track's excerpts is likeliest.

    Raises:
        _RefusedError: If there are not both kinds of tracks, or the scale is not above 0.
    """
    centre, spread = float(scores.mean()), float(scores.std())
    if found.all() or not found.any():
        raise _RefusedError("a fold leaves no track, or no other, to fit to")
    # Logits of one value differ by rounding alone.
    if spread <= 1e-9 * max(1.0, abs(centre)):
        raise _RefusedError("its logits are all the same")
    features = np.stack([(scores - centre) / spread, np.ones(len(scores))], axis=1)
    target = smoothed_targets(found)
    weights = logistic_weights(features, np.repeat(target, excerpts.lengths))
    if excerpts.are_several:
        weights = excerpts.likeliest_mean(features, target, weights)
    slope, level = weights.tolist()
    if slope <= 0:
        raise _RefusedError("its logits do not rise with it")
    return slope / spread, level - slope * centre / spread


def _cross_fitted(
    scores: Numbers, excerpts: ExcerptsOfTracks, found: NDArray[np.bool_], fold: NDArray[np.int64]
) -> Numbers:
    """The probability of each track by the scale and offset of the other folds."""
    probability = np.empty(len(found))
    for each in np.unique(fold):
        inside = fold == each
        of_others = np.repeat(~inside, excerpts.lengths)
        scale, offset = _scaling(scores[of_others], excerpts.part(~inside), found[~inside])
        probability[inside] = excerpts.part(inside).mean(as_probabilities(scale * scores[~of_others] + offset))
    return probability
