"""A tag's scale and bias are those that made its tags, and stay finite where the data would have them run away."""

import numpy as np
import pytest

from training.calibration import LARGEST_SCALE, SMALLEST_SCALE, calibrated


def test_calibration_finds_the_scale_and_bias_that_made_the_tags() -> None:
    rng = np.random.default_rng(0)
    cosines = rng.uniform(0, 1, 20_000)
    has_tag = rng.uniform(size=20_000) < 1 / (1 + np.exp(-(6 * cosines - 4)))
    scale, bias = calibrated(cosines, has_tag)
    assert scale == pytest.approx(6, abs=0.3)
    assert bias == pytest.approx(-4, abs=0.2)


def test_calibration_of_tracks_that_lie_apart_is_finite_and_of_useless_cosines_is_the_share() -> None:
    apart = np.r_[np.full(30, 0.9), np.full(70, 0.1)]
    has_tag = np.arange(100) < 30
    scale, bias = calibrated(apart, has_tag)
    assert SMALLEST_SCALE < scale < LARGEST_SCALE
    assert 1 / (1 + np.exp(-(scale * 0.9 + bias))) == pytest.approx(31 / 32, abs=1e-3)
    # Cosines that point the wrong way: only the share of the tag is left.
    scale, bias = calibrated(1 - apart, has_tag)
    assert scale == SMALLEST_SCALE
    assert 1 / (1 + np.exp(-(scale * 0.5 + bias))) == pytest.approx(0.31, abs=0.02)
    with pytest.raises(ValueError, match="takes both"):
        calibrated(apart, np.ones(100, dtype=bool))
