"""Calibration measures against loops over bins and tracks, scikit-learn, and probabilities that are right by making."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as law
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import brier_score_loss

from tests.training.evaluation.made_up_tracks import NOTIONS, somewhat_good
from training.evaluation.bootstrap import Bootstrap, draws
from training.evaluation.embedded import EmbeddedTracks
from training.evaluation.evaluation import EvaluationError, Task
from training.evaluation.reliability import (
    as_probabilities,
    bins_of_equal_mass,
    brier_score,
    calibration_error,
    calibration_error_by_chance,
    reliability_table,
)
from training.evaluation.tag_calibration import BRIER_SCORE, CALIBRATION_ERROR, own_calibration

SETTINGS = Bootstrap(resamples=200)


def right_probabilities(n: int, *, seed: int = 0) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Tracks that have a tag exactly as often as their probabilities say."""
    rng = np.random.default_rng(seed)
    probabilities = rng.beta(0.6, 1.4, n)
    return probabilities, rng.random(n) < probabilities


def slow_bins(probabilities: NDArray[np.float64], bins: int) -> list[list[int]]:
    """Tracks one by one into the bin where the middle of all those of the same probability stands in the order."""
    inside: list[list[int]] = [[] for _ in range(bins)]
    for track, own in enumerate(probabilities):
        below = sum(other < own for other in probabilities)
        same = sum(other == own for other in probabilities)
        inside[int((below + same / 2) / len(probabilities) * bins)].append(track)
    return inside


def slow_error(probabilities: NDArray[np.float64], has_tag: NDArray[np.bool_], bins: int, times: list[int]) -> float:
    """Every track as often as it was drawn, bin by bin."""
    apart = 0.0
    for inside in slow_bins(probabilities, bins):
        drawn = [track for track in inside for _ in range(times[track])]
        if drawn:
            said = sum(probabilities[track] for track in drawn) / len(drawn)
            share = sum(bool(has_tag[track]) for track in drawn) / len(drawn)
            apart += len(drawn) / sum(times) * abs(said - share)
    return apart


@law(max_examples=60, deadline=None)
@given(
    tracks=st.lists(st.tuples(st.integers(0, 20), st.booleans(), st.integers(0, 3)), min_size=1, max_size=40),
    bins=st.integers(1, 12),
)
def test_errors_with_ties_and_weights_are_those_of_slow_loops(tracks: list[tuple[int, bool, int]], bins: int) -> None:
    probabilities = np.array([value for value, _, _ in tracks]) / 20
    has_tag = np.array([has for _, has, _ in tracks])
    times = [count for _, _, count in tracks]
    weights = np.array([times, [1] * len(tracks)], dtype=np.float64).T
    found = calibration_error(probabilities, has_tag, weights=weights, bins=bins)
    assert found[1] == pytest.approx(slow_error(probabilities, has_tag, bins, [1] * len(tracks)))
    assert found[1] == pytest.approx(calibration_error(probabilities, has_tag, bins=bins)[0])
    brier = brier_score(probabilities, has_tag, weights=weights)
    if sum(times) == 0:
        assert np.isnan([found[0], brier[0]]).all()
    else:
        assert found[0] == pytest.approx(slow_error(probabilities, has_tag, bins, times))
        squares = [
            (p - y) ** 2 for p, y, count in zip(probabilities, has_tag, times, strict=True) for _ in range(count)
        ]
        assert brier[0] == pytest.approx(np.mean(squares))


def test_the_order_of_tracks_changes_nothing() -> None:
    probabilities, has_tag = right_probabilities(200)
    # Eighths: sums of them are exact in any order.
    probabilities = (8 * probabilities).round() / 8
    order = np.random.default_rng(1).permutation(200)
    np.testing.assert_array_equal(bins_of_equal_mass(probabilities)[order], bins_of_equal_mass(probabilities[order]))
    assert reliability_table(probabilities, has_tag) == reliability_table(probabilities[order], has_tag[order])


def test_bins_of_probabilities_that_all_differ_are_equally_full() -> None:
    probabilities, _ = right_probabilities(200)
    assert np.bincount(bins_of_equal_mass(probabilities, bins=8)).tolist() == [25] * 8


def test_the_table_is_that_of_slow_loops_and_holds_the_error() -> None:
    probabilities, has_tag = right_probabilities(300)
    probabilities = probabilities.round(2)
    table = reliability_table(probabilities, has_tag)
    expected = [inside for inside in slow_bins(probabilities, 10) if inside]
    assert [each.n for each in table] == [len(inside) for inside in expected]
    for each, inside in zip(table, expected, strict=True):
        assert (each.low, each.high) == (probabilities[inside].min(), probabilities[inside].max())
        assert each.mean_probability == pytest.approx(probabilities[inside].mean())
        assert each.share == pytest.approx(has_tag[inside].mean())
    error = sum(each.n * abs(each.mean_probability - each.share) for each in table) / 300
    assert calibration_error(probabilities, has_tag)[0] == pytest.approx(error)


def test_right_probabilities_have_next_to_no_error_and_shifted_ones_have_their_shift() -> None:
    probabilities, has_tag = right_probabilities(100_000)
    assert calibration_error(probabilities, has_tag)[0] < 0.005
    shifted = np.clip(probabilities + 0.1, 0, 1)
    assert calibration_error(shifted, has_tag)[0] == pytest.approx((shifted - probabilities).mean(), abs=0.005)
    bolder = as_probabilities(2 * np.log(probabilities / (1 - probabilities)))
    assert calibration_error(bolder, has_tag)[0] > 0.05
    # Right, and of no use: what the Brier score is for.
    constant = np.full(100_000, has_tag.mean())
    assert calibration_error(constant, has_tag)[0] == pytest.approx(0, abs=1e-9)
    assert brier_score(constant, has_tag)[0] > brier_score(probabilities, has_tag)[0] + 0.05


@pytest.mark.parametrize("n", [60, 400])
def test_the_error_by_chance_is_the_mean_of_right_probabilities(n: int) -> None:
    probabilities, _ = right_probabilities(n)
    rng = np.random.default_rng(5)
    found = [calibration_error(probabilities, rng.random(n) < probabilities)[0] for _ in range(600)]
    # Bins of six tracks are not quite normal.
    assert calibration_error_by_chance(probabilities) == pytest.approx(np.mean(found), rel=0.05)


def test_probabilities_of_logits_of_any_size_are_probabilities() -> None:
    assert as_probabilities(np.array([-1e9, 0.0, 1e9], np.float32)).tolist() == [0.0, 0.5, 1.0]
    assert as_probabilities(np.array([1.5]))[0] == pytest.approx(1 / (1 + np.exp(-1.5)))


def _tracks(n: int = 240, *, boldness: float = 1.0, seed: int = 0) -> EmbeddedTracks:
    """Tracks that have each tag as often as its probability says, if boldness is 1."""
    tracks = somewhat_good(n, seed=seed)
    rng = np.random.default_rng(seed)
    logits = rng.normal(-0.5, 1.5, tracks.labels.shape)
    labels = rng.random(logits.shape) < as_probabilities(logits)
    return replace(tracks, labels=labels, tag_scores=as_probabilities(boldness * logits).astype(np.float32))


def test_figures_are_scikit_learns_and_those_of_slow_loops() -> None:
    tracks = _tracks(120, boldness=2)
    found = own_calibration(tracks, settings=SETTINGS)
    for figure in found.figures:
        columns = tracks.tags_of(figure.notion) if figure.tag is None else [tracks.tags.index(figure.tag)]
        pairs = [(tracks.tag_scores[:, at].astype(np.float64), tracks.labels[:, at]) for at in columns]
        shares = tracks.labels[:, columns].mean(axis=0)
        if figure.metric == BRIER_SCORE:
            expected = np.mean([brier_score_loss(labels, scores) for scores, labels in pairs])
            assert figure.chance == pytest.approx(np.mean(shares * (1 - shares)))
        else:
            expected = np.mean([slow_error(*pair, 10, [1] * 120) for pair in pairs])
            assert figure.chance == pytest.approx(np.mean([calibration_error_by_chance(each) for each, _ in pairs]))
        assert figure.value == pytest.approx(expected, abs=1e-6), figure.name
        assert figure.low < figure.value < figure.high  # type: ignore[operator]
        assert (figure.task, figure.similarity, figure.subspace, figure.variant) == (Task.CALIBRATION, None, None, None)
    assert len(found.figures) == 2 * (len(tracks.tags) + len(NOTIONS) + 1)
    assert len({figure.name for figure in found.figures}) == len(found.figures)
    assert list(found.reliability) == list(tracks.tags)
    for tag, table in found.reliability.items():
        at = tracks.tags.index(tag)
        assert table == reliability_table(tracks.tag_scores[:, at], tracks.labels[:, at])


def test_the_interval_of_the_brier_score_is_that_of_scikit_learn_on_the_same_resamples() -> None:
    tracks, few = _tracks(60), Bootstrap(resamples=12, seed=1)
    figures = own_calibration(tracks, settings=few).figures
    figure = next(each for each in figures if each.metric == BRIER_SCORE and not (each.tag or each.notion))
    resampled = []
    for row in np.concatenate(list(draws(60, resamples=12, rng=few.rng()))):
        drawn = np.repeat(np.arange(60), row.astype(int))
        labels, scores = tracks.labels[drawn], tracks.tag_scores[drawn]
        resampled.append(np.mean([brier_score_loss(labels[:, at], scores[:, at]) for at in range(len(tracks.tags))]))
    assert (figure.low, figure.high) == pytest.approx(tuple(np.percentile(resampled, (2.5, 97.5))))


def test_errors_of_right_probabilities_are_told_from_chance_as_seldom_as_they_should_be_and_bold_ones_always() -> None:
    def told(boldness: float) -> float:
        found = [
            figure.low > figure.chance  # type: ignore[operator]
            for seed in range(6)
            for figure in own_calibration(_tracks(300, boldness=boldness, seed=seed), settings=SETTINGS).figures
            if figure.metric == CALIBRATION_ERROR and figure.tag is not None
        ]
        return float(np.mean(found))

    assert told(1.0) < 0.05
    assert told(2.5) > 0.95


def test_the_interval_holds_the_error_that_is_to_be_expected() -> None:
    # Boldness of 1.3: an error of much the same size as that by chance, where plain resamples lie too high.
    figures = [
        figure
        for seed in range(12)
        for figure in own_calibration(_tracks(200, boldness=1.3, seed=seed), settings=SETTINGS).figures
        if figure.metric == CALIBRATION_ERROR and figure.tag is not None
    ]
    expected = np.mean([figure.value for figure in figures])
    held = [figure.low <= expected <= figure.high for figure in figures]  # type: ignore[operator]
    assert np.mean(held) > 0.9


def test_tags_without_a_score_or_without_a_carrier_are_left_out() -> None:
    tracks = _tracks(60)
    labels, scores = tracks.labels.copy(), tracks.tag_scores.copy()
    labels[:, 0], labels[:, 1], scores[:, 2] = False, True, np.nan
    found = own_calibration(replace(tracks, labels=labels, tag_scores=scores), settings=SETTINGS)
    assert set(found.reliability) == set(tracks.tags[3:])
    with pytest.raises(EvaluationError, match="knows no tag"):
        own_calibration(replace(tracks, tag_scores=np.full_like(scores, np.nan)), settings=SETTINGS)


def test_scores_that_are_no_probabilities_are_refused() -> None:
    tracks = _tracks(60)
    with pytest.raises(EvaluationError, match=r"tag scores go from 0\.\d+ to 2; probabilities lie in \[0, 1\]"):
        own_calibration(replace(tracks, tag_scores=np.where(tracks.labels, 2.0, 0.5)), settings=SETTINGS)
