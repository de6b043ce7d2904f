"""Whether a bundle's own tag probabilities hold on labelled music: figures of the measures in `reliability`.

Every tag that `tagging` can ask about is asked, whether or not the bundle says that it was calibrated.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from training.evaluation.bootstrap import Bootstrap, draws
from training.evaluation.by_tag import ByTag, measured_columns
from training.evaluation.embedded import EmbeddedTracks
from training.evaluation.evaluation import EvaluationError, Figure, ReliabilityBin, Task
from training.evaluation.reliability import (
    brier_score,
    calibration_error,
    calibration_error_by_chance,
    reliability_table,
)

CALIBRATION_ERROR = "calibration_error"
BRIER_SCORE = "brier_score"
METRICS = (CALIBRATION_ERROR, BRIER_SCORE)


@dataclass(frozen=True, kw_only=True)
class TagCalibration:
    """Figures of each tag, macro over each notion's and over all; and of each, what was said and what was so."""

    figures: list[Figure]
    reliability: Mapping[str, tuple[ReliabilityBin, ...]]


def own_calibration(tracks: EmbeddedTracks, *, settings: Bootstrap) -> TagCalibration:
    """How far the bundle's own tag probabilities can be taken at their word.

    Small is good of both measures. Chance is, of the calibration error, what exactly right probabilities would have on
    so few tracks; of the Brier score, what it is to give every track the share of carriers.

    A calibration error is an absolute value, and resampling adds noise to noise: resamples lie above the figure. They
    are moved back so that their mean is the figure. On made data, the interval then held the error that is to be
    expected of so many tracks in 94 to 100 % of cases, where the plain one held it in 86 to 95 %.

    Raises:
        EvaluationError: If the bundle knows no tag that some tracks have and others lack, or a score is no
            probability.
    """
    n, columns = len(tracks), measured_columns(tracks, tracks.tag_scores)
    if len(columns) == 0:
        raise EvaluationError("the bundle knows no tag that some tracks have and others have not")
    probabilities, labels = tracks.tag_scores[:, columns], tracks.labels[:, columns]
    if probabilities.min() < 0 or probabilities.max() > 1:
        raise EvaluationError(
            f"tag scores go from {probabilities.min():g} to {probabilities.max():g}; probabilities lie in [0, 1]"
        )
    pairs = list(zip(probabilities.T, labels.T, strict=True))
    values = np.array([[measure(*pair)[0] for pair in pairs] for measure in (calibration_error, brier_score)])
    resampled = np.empty((2, len(columns), settings.resamples))
    done = 0
    for block in draws(n, resamples=settings.resamples, rng=settings.rng()):
        weights = np.ascontiguousarray(block.T)
        for place, pair in enumerate(pairs):
            for row, measure in enumerate((calibration_error, brier_score)):
                resampled[row, place, done : done + len(block)] = measure(*pair, weights=weights)
        done += len(block)
    # No error is less than none.
    resampled[0] = np.maximum(resampled[0] - resampled[0].mean(axis=1, keepdims=True) + values[0][:, None], 0.0)
    shares = labels.mean(axis=0)
    by_tag = ByTag(
        tracks=tracks,
        task=Task.CALIBRATION,
        metrics=METRICS,
        similarity=None,
        columns=columns,
        values=values,
        resampled=resampled,
        chances=np.array([[calibration_error_by_chance(each) for each in probabilities.T], shares * (1 - shares)]),
    )
    return TagCalibration(
        figures=by_tag.per_tag() + by_tag.per_notion() + by_tag.over_all(),
        reliability={
            tracks.tags[column]: reliability_table(*pair) for column, pair in zip(columns.tolist(), pairs, strict=True)
        },
    )
