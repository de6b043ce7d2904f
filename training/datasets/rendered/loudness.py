"""Loudness as ITU-R BS.1770-5 measures it, for one or two channels. `production` matches all pieces by it."""

import numpy as np
from numpy.typing import NDArray
from scipy import signal

Sound = NDArray[np.float64]  # (channels, samples)

# The two filters of the standard as analogue prototypes: the head's high shelf, then the low cut of revised weighting.
SHELF_HZ, SHELF_DB, SHELF_Q = 1681.974450955533, 3.999843853973347, 0.7071752369554196
LOW_CUT_HZ, LOW_CUT_Q = 38.13547087602444, 0.5003270373238773
OFFSET = -0.691  # makes a full-scale 997 Hz sine in one channel read -3.01 LKFS
BLOCK_SECONDS, HOP_SECONDS = 0.4, 0.1
SILENCE = -70.0  # absolute gate
RELATIVE_GATE = -10.0


def k_weighting(sample_rate: int) -> Sound:
    """The two second-order sections of K-weighting, as `scipy.signal.sosfilt` takes them, shape (2, 6)."""
    k = np.tan(np.pi * SHELF_HZ / sample_rate)
    high = 10 ** (SHELF_DB / 20)
    band = high**0.4996667741545416
    scale = 1 + k / SHELF_Q + k * k
    shelf = [
        (high + band * k / SHELF_Q + k * k) / scale,
        2 * (k * k - high) / scale,
        (high - band * k / SHELF_Q + k * k) / scale,
        1.0,
        2 * (k * k - 1) / scale,
        (1 - k / SHELF_Q + k * k) / scale,
    ]
    k = np.tan(np.pi * LOW_CUT_HZ / sample_rate)
    scale = 1 + k / LOW_CUT_Q + k * k
    low_cut = [1.0, -2.0, 1.0, 1.0, 2 * (k * k - 1) / scale, (1 - k / LOW_CUT_Q + k * k) / scale]
    return np.array([shelf, low_cut])


def weighted_power(sound: Sound, *, sample_rate: int, window: float, hop: float) -> Sound:
    """Mean square of the K-weighted sound in sliding windows (seconds), summed over channels, shape (windows,)."""
    weighted = signal.sosfilt(k_weighting(sample_rate), sound, axis=1)
    summed = np.concatenate([[0.0], np.cumsum((weighted**2).sum(axis=0))])
    length, step = round(window * sample_rate), round(hop * sample_rate)
    starts = np.arange(0, max(sound.shape[1] - length, 0) + 1, step)
    ends = np.minimum(starts + length, sound.shape[1])
    return np.asarray((summed[ends] - summed[starts]) / length)


def integrated_loudness(sound: Sound, *, sample_rate: int) -> float:
    """Loudness of a whole piece in LUFS, twice gated.

    Args:
        sound: Shape (channels, samples), full scale 1; one or two channels.
        sample_rate: In Hz.

    Returns:
        LUFS; -inf if every block lies below the absolute gate.

    Source: ITU-R BS.1770-5, annex 1.
    """
    power = weighted_power(sound, sample_rate=sample_rate, window=BLOCK_SECONDS, hop=HOP_SECONDS)
    loud = power[power > 10 ** ((SILENCE - OFFSET) / 10)]
    if not loud.size:
        return float("-inf")
    gate = loud.mean() * 10 ** (RELATIVE_GATE / 10)
    return float(OFFSET + 10 * np.log10(loud[loud > gate].mean()))
