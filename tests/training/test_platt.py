"""Platt scaling against scikit-learn's and a plain optimiser; its held-out figures against loops and made-up tunes."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import minimize
from sklearn.calibration import _sigmoid_calibration  # type: ignore[import-untyped]
from sklearn.metrics import brier_score_loss, roc_auc_score  # type: ignore[import-untyped]

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
        6: "0 groups have it and 60 have rows without it; expected two of each at least",
        7: "60 groups have it and 0 have rows without it; expected two of each at least",
        8: "1 groups have it and 59 have rows without it; expected two of each at least",
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
    with pytest.raises(CalibrationError, match="folds is 1"):
        fit_platt(logits, labels, groups, folds=1)
