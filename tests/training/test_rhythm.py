"""Rhythm features against slow sums over the onset curve, and against music whose pace is known."""

import numpy as np
import pytest
import torch

from training.backbones.rhythm import LAGS_SECONDS, N_BANDS, N_LAGS, N_RATES, RATES_HZ, STILL, RhythmFeatures
from training.log_mel import MUSICNN_LOG_MEL, LogMel

FRAMES_PER_SECOND = MUSICNN_LOG_MEL.sample_rate / MUSICNN_LOG_MEL.hop_samples
LAGS = np.geomspace(*LAGS_SECONDS, N_LAGS)
RATES = np.geomspace(*RATES_HZ, N_RATES)
CHANNELS = N_BANDS + 1


@pytest.fixture(scope="module")
def module() -> RhythmFeatures:
    return RhythmFeatures(n_frames=MUSICNN_LOG_MEL.n_frames, frames_per_second=FRAMES_PER_SECOND)


def clicks(period_seconds: float, *, loudness: float = 1.0) -> torch.Tensor:
    """`(1, frames, mels)`: noise bursts of 40 ms at a steady pace."""
    rate, samples = MUSICNN_LOG_MEL.sample_rate, MUSICNN_LOG_MEL.excerpt_samples
    seconds = np.arange(samples) / rate
    noise = np.random.default_rng(0).standard_normal(samples) * (seconds % period_seconds < 0.04)
    return LogMel(MUSICNN_LOG_MEL)(torch.from_numpy((loudness * 0.1 * noise).astype(np.float32))[None])


def parts(module: RhythmFeatures, log_mel: torch.Tensor) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Of one excerpt, by channel: autocorrelation at lags, strength at rates, mean, deviation."""
    found = module(log_mel)[0].numpy()
    assert len(found) == module.width
    lags, rates, rest = np.split(found, [CHANNELS * N_LAGS, CHANNELS * (N_LAGS + N_RATES)])
    return lags.reshape(CHANNELS, -1), rates.reshape(CHANNELS, -1), rest[:CHANNELS], rest[CHANNELS:]


def test_the_autocorrelation_is_the_mean_product_of_onsets_a_lag_apart(module: RhythmFeatures) -> None:
    log_mel = torch.from_numpy(np.random.default_rng(1).random((1, MUSICNN_LOG_MEL.n_frames, 96), dtype=np.float32))
    found, _, mean, deviation = parts(module, log_mel)
    rise = np.maximum(np.diff(log_mel[0].numpy().astype(np.float64), axis=0), 0).mean(axis=1)
    # Beyond the ends lies silence for the first smoothing and for the second.
    inner = np.pad(np.convolve(rise, np.ones(3) / 3, "same"), 1)
    smooth = (inner[:-2] + inner[1:-1] + inner[2:]) / 3
    assert mean[-1] == pytest.approx(smooth.mean(), abs=1e-6)
    assert deviation[-1] == pytest.approx(smooth.std(), abs=1e-6)
    swaying = smooth - smooth.mean()
    for place in (10, 30, N_LAGS - 1):
        frames = LAGS[place] * FRAMES_PER_SECOND
        step = np.log(LAGS[1] / LAGS[0])
        weights = np.array(
            [max(0.0, 1 - abs(np.log(lag / frames)) / step) if lag else 0.0 for lag in range(len(swaying))]
        )
        if not weights.any():
            weights[round(frames)] = 1
        products = [np.dot(swaying[: len(swaying) - lag], swaying[lag:]) / (len(swaying) - lag) for lag in range(150)]
        expected = np.dot(weights[:150], products) / weights.sum() / (swaying.var() + STILL)
        assert found[-1, place] == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("period", [0.3, 0.5, 0.75])
def test_a_steady_pace_stands_at_its_lag_and_its_rate(module: RhythmFeatures, period: float) -> None:
    lags, rates, _, _ = parts(module, clicks(period))
    # Its multiples stand as high.
    near = (0.55 * period < LAGS) & (1.8 * period > LAGS)
    assert LAGS[near][lags[-1][near].argmax()] == pytest.approx(period, rel=0.05)
    below = 1.5 / period > RATES
    assert RATES[below][rates[-1][below].argmax()] == pytest.approx(1 / period, rel=0.12)


def test_loudness_hardly_matters(module: RhythmFeatures) -> None:
    soft, loud = (parts(module, clicks(0.5, loudness=loudness))[0] for loudness in (0.3, 1.0))
    assert np.abs(soft - loud).max() < 0.1


def test_silence_has_no_rhythm(module: RhythmFeatures) -> None:
    assert not module(torch.zeros(2, MUSICNN_LOG_MEL.n_frames, 96)).any()
