"""The bootstrap, against a slow loop, the textbook's standard error and scipy's percentile bootstrap."""

import numpy as np
import pytest
from scipy import stats

from training.evaluation.bootstrap import Bootstrap, draws, interval_of, mean_interval, shared_interval
from training.evaluation.evaluation import EvaluationError


def test_every_resample_is_the_mean_of_the_drawn_groups() -> None:
    rng = np.random.default_rng(0)
    values, groups = rng.random(40), rng.integers(9, size=40)
    weights = np.concatenate(list(draws(len(np.unique(groups)), resamples=150, rng=np.random.default_rng(5))))
    assert weights.shape == (150, 9)
    assert (weights.sum(axis=1) == 9).all()
    means = []
    for row in weights:
        drawn = [
            values[groups == each]
            for each, count in zip(np.unique(groups), row, strict=True)
            for _ in range(int(count))
        ]
        means.append(np.concatenate(drawn).mean())
    found = mean_interval(values, groups, resamples=150, rng=np.random.default_rng(5))
    assert found.value == pytest.approx(values.mean())
    assert (found.low, found.high) == pytest.approx(tuple(np.percentile(means, (2.5, 97.5))))


def test_an_interval_of_independent_values_is_scipys() -> None:
    values = np.random.default_rng(0).exponential(size=400)
    found = mean_interval(values, np.arange(400), resamples=4000, rng=np.random.default_rng(1))
    other = stats.bootstrap(
        (values,), np.mean, n_resamples=4000, method="percentile", rng=np.random.default_rng(2)
    ).confidence_interval
    width = other.high - other.low
    assert (found.low, found.high) == pytest.approx((other.low, other.high), abs=0.06 * width)
    assert found.high - found.low == pytest.approx(2 * 1.96 * values.std() / np.sqrt(400), rel=0.08)


def test_values_of_one_group_are_no_evidence_for_each_other() -> None:
    per_track = np.random.default_rng(0).random(50)
    alone = mean_interval(per_track, np.arange(50), resamples=500, rng=np.random.default_rng(1))
    repeated = mean_interval(
        np.repeat(per_track, 20), np.repeat(np.arange(50), 20), resamples=500, rng=np.random.default_rng(1)
    )
    assert (repeated.value, repeated.low, repeated.high) == pytest.approx((alone.value, alone.low, alone.high))


def test_nineteen_of_twenty_intervals_hold_the_truth() -> None:
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(300):
        found = mean_interval(rng.random(100) < 0.3, np.arange(100), resamples=300, rng=rng)
        held += found.low <= 0.3 <= found.high
    # Binomial(300, 0.95) is within 272 and 296 with probability 0.998; percentile intervals of 100 are a little short.
    assert 265 <= held <= 297


def test_every_part_counts_alike() -> None:
    values, groups = np.array([1.0, 1, 1, 1, 0]), np.array([0, 1, 2, 3, 4])
    parts = np.array(["many", "many", "many", "many", "one"])
    found = mean_interval(values, groups, parts=parts, resamples=200, rng=np.random.default_rng(0))
    assert found.value == 0.5
    # A resample without the fifth group has the mean of the first part alone.
    assert found.high == 1.0


def test_of_values_about_one_group_each_the_interval_is_that_of_their_mean() -> None:
    rng = np.random.default_rng(0)
    values, groups, parts = rng.random(2000) < 0.4, np.repeat(np.arange(400), 5), np.tile(np.arange(2), 1000)
    found = shared_interval(values, groups[None], parts=parts, settings=Bootstrap(resamples=2000))
    other = Bootstrap(resamples=2000).mean(values, groups, parts=parts)
    assert (found.value, found.low, found.high) == pytest.approx((other.value, other.low, other.high), abs=2e-3)
    twice = shared_interval(values, np.stack([groups, groups]), parts=parts, settings=Bootstrap(resamples=2000))
    assert twice == found


def test_the_same_seed_gives_the_same_interval_and_another_gives_another() -> None:
    values = np.random.default_rng(0).random(30)
    first, again = (Bootstrap(resamples=100, seed=4).mean(values, np.arange(30)) for _ in range(2))
    assert first == again
    assert Bootstrap(resamples=100, seed=5).mean(values, np.arange(30)) != first


def test_one_group_has_an_interval_without_width() -> None:
    found = Bootstrap(resamples=10).mean(np.array([0.0, 1.0]), np.array([7, 7]))
    assert (found.value, found.low, found.high) == (0.5, 0.5, 0.5)


def test_no_values_and_values_that_are_not_finite_are_refused() -> None:
    with pytest.raises(EvaluationError, match="no values"):
        Bootstrap().mean(np.array([]), np.array([]))
    with pytest.raises(EvaluationError, match="1 of 3 values are not finite"):
        Bootstrap().mean(np.array([1, np.nan, 2]), np.arange(3))


def test_resamples_without_the_figure_are_left_out_and_none_with_it_is_refused() -> None:
    found = interval_of(1.0, np.array([np.nan, 1.0, 1.0, np.nan]))
    assert (found.low, found.high) == (1.0, 1.0)
    with pytest.raises(EvaluationError, match="no resample"):
        interval_of(1.0, np.array([np.nan]))
