"""Platt scaling against scikit-learn's and a plain optimiser; its held-out figures against loops and made-up tunes."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import minimize
from sklearn.calibration import _sigmoid_calibration  # type: ignore[import-untyped]
from sklearn.metrics import brier_score_loss, roc_auc_score  # type: ignore[import-untyped]

from training.calibration import logistic_weights
from training.evaluation.reliability import calibration_error
from training.excerpts_of_tracks import ExcerptsOfTracks
from training.platt import CalibrationError, fit_platt


def _sigmoid(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1 / (1 + np.exp(-logits))


def _made_up(n: int = 3000, *, seed: int = 0) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.int64]]:
    """Logits of four tags, each too bold or too timid in its own way, of 60 tunes."""
    rng = np.random.default_rng(seed)
    right = rng.normal([0.0, -2.0, 1.0, -4.0], 2.0, size=(n, 4))
    labels = rng.uniform(size=right.shape) < _sigmoid(right)
    return (right - [0.0, 1.0, -3.0, 2.0]) / [1.0, 0.2, 3.0, 0.5], labels, rng.integers(60, size=n)


def test_scales_are_those_of_scikit_learn_and_of_a_plain_optimiser() -> None:
    logits, labels, groups = _made_up(500)
    found = fit_platt(logits, labels, groups)
    for tag in range(4):
        slope, intercept = _sigmoid_calibration(logits[:, tag], labels[:, tag])
        assert (found.scale[tag], found.offset[tag]) == pytest.approx((-slope, -intercept), abs=2e-3, rel=2e-3)
        p, q = labels[:, tag].sum(), (~labels[:, tag]).sum()
        target = np.where(labels[:, tag], (p + 1) / (p + 2), 1 / (q + 2))

        def loss(weights: NDArray[np.float64], tag: int = tag, target: NDArray[np.float64] = target) -> float:
            logit = weights[0] * logits[:, tag] + weights[1]
            return float(np.sum(np.log1p(np.exp(-logit)) + (1 - target) * logit))

        best = minimize(loss, [1.0, 0.0], method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-10}).x
        assert (found.scale[tag], found.offset[tag]) == pytest.approx(tuple(best), abs=1e-4)


def test_scales_that_were_made_are_found_and_held_out_probabilities_hold() -> None:
    logits, labels, groups = _made_up(20_000)
    found = fit_platt(logits, labels, groups)
    np.testing.assert_allclose(found.scale, [1.0, 0.2, 3.0, 0.5], rtol=0.08)
    np.testing.assert_allclose(found.offset, [0.0, 1.0, -3.0, 2.0], atol=0.15)
    assert not found.refused
    assert (found.expected_calibration_error < 0.015).all()
    assert (found.expected_by_chance < 0.01).all()
    # As they came, they did not hold.
    raw = _sigmoid(logits)
    for tag in (1, 2, 3):
        assert brier_score_loss(labels[:, tag], raw[:, tag]) > found.brier[tag] + 0.002
        assert found.brier[tag] == pytest.approx(brier_score_loss(labels[:, tag], found.held_out[:, tag]))
        assert found.roc_auc[tag] == pytest.approx(roc_auc_score(labels[:, tag], logits[:, tag]))
        share = labels[:, tag].mean()
        assert found.constant_brier[tag] == pytest.approx(share * (1 - share))
    np.testing.assert_allclose(found.probabilities(logits)[0], _sigmoid(logits[0] * found.scale + found.offset))


def test_no_row_is_seen_through_a_scale_that_its_own_group_had_a_part_in() -> None:
    logits, labels, groups = _made_up(400)
    before = fit_platt(logits, labels, groups).held_out
    # Whatever the labels of a tune, its own held-out probabilities stay; those of others do not.
    own = groups == 7
    others = labels.copy()
    others[own] = ~others[own]
    changed = fit_platt(logits, others, groups)
    assert not changed.refused
    for tag in range(4):
        if (labels[own, tag].any(), labels[own, tag].all()) == (others[own, tag].any(), others[own, tag].all()):
            np.testing.assert_array_equal(changed.held_out[own, tag], before[own, tag])
    assert (changed.held_out[~own] != before[~own]).any()


def test_tunes_that_a_tagger_knows_by_heart_do_not_make_it_look_calibrated() -> None:
    """Each tune's logits are off by its own amount: rows of other tunes say less than those of its own."""
    rng = np.random.default_rng(1)
    groups = np.repeat(np.arange(12), 100)
    has = rng.uniform(size=1200) < 0.5
    logits = (has * 2.0 - 1.0 + rng.normal(0, 3, 12)[groups] + rng.normal(0, 0.3, 1200))[:, None]
    by_tune = fit_platt(logits, has[:, None], groups)
    by_row = fit_platt(logits, has[:, None], np.arange(1200))
    assert by_tune.scale == pytest.approx(by_row.scale)
    assert by_tune.brier[0] > by_row.brier[0]


def test_tags_without_a_probability_are_refused_with_the_reason() -> None:
    logits, labels, groups = _made_up(600)
    logits = np.concatenate([logits, -logits[:, :1], np.full((600, 1), 3.7), logits[:, :3]], axis=1)
    labels = np.concatenate([labels, labels[:, :2], np.zeros((600, 1), bool), np.ones((600, 1), bool)], axis=1)
    one_tune = (groups == 3)[:, None]
    found = fit_platt(logits, np.concatenate([labels, one_tune], axis=1), groups)
    assert found.refused == {
        4: "its logits do not rise with it",
        5: "its logits are all the same",
        6: "0 groups have it and 60 have tracks without it; expected two of each at least",
        7: "60 groups have it and 0 have tracks without it; expected two of each at least",
        8: "1 groups have it and 59 have tracks without it; expected two of each at least",
    }
    for numbers in (found.scale, found.offset, found.expected_calibration_error, found.brier, found.roc_auc):
        assert np.flatnonzero(np.isnan(numbers)).tolist() == [4, 5, 6, 7, 8]
    assert found.positives[6:].tolist() == [0, 600, int(one_tune.sum())]
    assert found.positive_groups[6:].tolist() == [0, 60, 1]


@pytest.mark.parametrize("rows_of_the_second", [1, 10])
@pytest.mark.parametrize("seed", range(10))
def test_a_tag_of_two_tunes_alone_never_has_both_in_one_fold(rows_of_the_second: int, seed: int) -> None:
    rng = np.random.default_rng(2)
    groups = np.repeat(np.arange(21), 10)
    labels = (np.arange(210) < 10 + rows_of_the_second)[:, None]
    found = fit_platt(labels * 4.0 + rng.normal(size=(210, 1)), labels, groups, seed=seed)
    assert not found.refused
    assert np.isfinite(found.held_out).all()


def test_logits_that_lie_apart_have_a_finite_scale() -> None:
    labels = (np.arange(100) < 30)[:, None]
    found = fit_platt(np.where(labels, 50.0, -50.0), labels, np.arange(100))
    assert found.probabilities(np.array([[50.0], [-50.0]])) == pytest.approx(np.array([[31 / 32], [1 / 72]]), abs=1e-6)


def _excerpts(
    n: int = 1500, *, most: int = 6, seed: int = 3
) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.int64], NDArray[np.int64]]:
    """Excerpts of tracks that sound of their tag here and there, in no order: logits, labels, tunes and tracks."""
    rng = np.random.default_rng(seed)
    track = np.repeat(np.arange(n), rng.integers(1, most + 1, size=n))
    labels = rng.uniform(size=(n, 2)) < [0.4, 0.1]
    logits = (2.0 * labels - 1.5)[track] + rng.normal(0, 2.0, size=(len(track), 2))
    order = rng.permutation(len(track))
    return logits[order], labels[track][order], (track % 40)[order], track[order]


def test_the_mean_over_a_track_s_excerpts_is_fitted_as_a_plain_optimiser_fits_it() -> None:
    logits, labels, groups, tracks = _excerpts(300)
    found = fit_platt(logits, labels, groups, tracks=tracks)
    assert (found.tracks, found.groups) == (300, 40)
    for tag in range(2):
        has = np.array([labels[tracks == track, tag][0] for track in range(300)])
        target = np.where(has, (has.sum() + 1) / (has.sum() + 2), 1 / ((~has).sum() + 2))

        def loss(weights: NDArray[np.float64], tag: int = tag, target: NDArray[np.float64] = target) -> float:
            each = _sigmoid(weights[0] * logits[:, tag] + weights[1])
            mean = np.array([each[tracks == track].mean() for track in range(300)])
            return -float(np.sum(target * np.log(mean) + (1 - target) * np.log(1 - mean)))

        best = minimize(loss, [1.0, 0.0], method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-9}).x
        assert (found.scale[tag], found.offset[tag]) == pytest.approx(tuple(best), abs=1e-4)
        probability = _sigmoid(found.scale[tag] * logits[:, tag] + found.offset[tag])
        mean = np.array([probability[tracks == track].mean() for track in range(300)])
        assert found.roc_auc[tag] == pytest.approx(roc_auc_score(has, mean))
        assert found.brier[tag] == pytest.approx(brier_score_loss(has, found.held_out[:, tag]))


def test_the_mean_of_probabilities_that_hold_for_excerpts_is_too_timid_for_tracks_and_the_fitted_one_is_not() -> None:
    logits, labels, groups, tracks = _excerpts(6000)
    by_excerpt, by_track = fit_platt(logits, labels, groups), fit_platt(logits, labels, groups, tracks=tracks)
    has = np.zeros((6000, 2), dtype=bool)
    has[tracks] = labels
    counts = np.bincount(tracks)
    timid = np.stack([np.bincount(tracks, by_excerpt.probabilities(logits)[:, tag]) / counts for tag in (0, 1)], axis=1)
    for tag in (0, 1):
        assert by_excerpt.expected_calibration_error[tag] < 0.02
        assert by_track.expected_calibration_error[tag] < 0.65 * calibration_error(timid[:, tag], has[:, tag])[0]
        assert by_track.brier[tag] < brier_score_loss(has[:, tag], timid[:, tag])
    assert (by_track.scale > 1.2 * by_excerpt.scale).all()


def test_tracks_of_one_excerpt_are_rows() -> None:
    logits, labels, groups = _made_up(300)
    plain = fit_platt(logits, labels, groups)
    # The same tracks under names in another order: other rows of `held_out`, the same scales.
    named = fit_platt(logits, labels, groups, tracks=np.array([f"track {300 - row:03d}" for row in range(300)]))
    np.testing.assert_allclose(named.scale, plain.scale, rtol=1e-6)
    np.testing.assert_allclose(named.held_out[::-1], plain.held_out, rtol=1e-6)
    features = np.stack([logits[:, 0], np.ones(300)], axis=1)
    target = np.where(labels[:, 0], 0.9, 0.2)
    start = np.array([0.3, 0.0])
    # Fisher's scoring of one excerpt each is the logistic regression itself.
    mean = ExcerptsOfTracks.of(np.arange(300)).likeliest_mean(features, target, start)
    np.testing.assert_allclose(mean, logistic_weights(features, target), atol=1e-6)


def test_a_bundle_s_entries_say_what_was_measured_and_are_none_where_a_tag_was_refused() -> None:
    logits, labels, groups = _made_up(600)
    logits[:, 2] *= -1
    found = fit_platt(logits, labels, groups)
    entries = found.entries("made-up tunes")
    assert [entry is None for entry in entries] == [False, False, True, False]
    entry = entries[1]
    assert entry is not None
    assert (entry.on, entry.tracks, entry.positives) == ("made-up tunes", 600, int(labels[:, 1].sum()))
    assert entry.expected_calibration_error == pytest.approx(found.expected_calibration_error[1], abs=1e-4)
    assert entry.roc_auc == pytest.approx(found.roc_auc[1], abs=1e-4)


def test_what_does_not_belong_together_is_refused() -> None:
    logits, labels, groups = _made_up(50)
    with pytest.raises(CalibrationError, match=r"labels \(50, 3\)"):
        fit_platt(logits, labels[:, :3], groups)
    with pytest.raises(CalibrationError, match="expected bool"):
        fit_platt(logits, labels.astype(int), groups)
    with pytest.raises(CalibrationError, match="no row"):
        fit_platt(logits[:0], labels[:0], groups[:0])
    with pytest.raises(CalibrationError, match="1 of 200 logits"):
        fit_platt(np.where(np.arange(200).reshape(50, 4) == 5, np.inf, logits), labels, groups)
    tracks = np.arange(50) // 2
    with pytest.raises(CalibrationError, match="has other labels than another row of its track"):
        fit_platt(logits, labels, groups, tracks=tracks)
    with pytest.raises(CalibrationError, match="has other groups than"):
        fit_platt(logits, labels[2 * tracks], groups, tracks=tracks)
    with pytest.raises(CalibrationError, match="tracks are of 49 excerpts, labels of 50"):
        fit_platt(logits, labels, groups, tracks=tracks[1:])
    with pytest.raises(CalibrationError, match="folds is 1"):
        fit_platt(logits, labels, groups, folds=1)
