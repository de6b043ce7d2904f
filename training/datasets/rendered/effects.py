"""The machines of a studio: filters, saturation, compression, reverberation, noise. `production` chains them.

Every function takes a sound of shape (channels, samples), full scale 1, and returns a new one of the same shape. Those
that `varied` calls too, which is mono and of half the rate, take the rate as an argument.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, signal

from training.datasets.rendered.eras import Room
from training.datasets.rendered.synthesis import SAMPLE_RATE

Sound = NDArray[np.float64]

BLOCK_SECONDS = 128 / 44_100  # between two readings of the compressor's level
ATTACK_SECONDS, RELEASE_SECONDS = 0.008, 0.160
LOOKAHEAD_SECONDS = 220 / 44_100
HIGHEST_CUT = 0.475  # of the rate: a filter's edge must lie below half of it
WOW_HZ, FLUTTER_HZ = 0.6, 6.3


def decibels(level: float) -> float:
    """The factor by which a sound of `level` dB is multiplied."""
    return float(10 ** (level / 20))


def mean_level(sound: Sound) -> float:
    """Root mean square over channels and time, in dB; -120 for silence."""
    return float(10 * np.log10(np.mean(sound**2) + 1e-12))


def band(
    sound: Sound, *, low: float, high: float, order: int = 2, high_order: int | None = None, rate: int = SAMPLE_RATE
) -> Sound:
    """Keeps what lies between two frequencies in Hz; the upper edge may be of another order than the lower."""
    low_cut = signal.butter(order, low, "highpass", fs=rate, output="sos")
    high_cut = signal.butter(high_order or order, min(high, HIGHEST_CUT * rate), "lowpass", fs=rate, output="sos")
    return np.asarray(signal.sosfilt(np.vstack([low_cut, high_cut]), sound, axis=1))


def shelf(sound: Sound, *, hz: float, gain: float, is_high: bool, rate: int = SAMPLE_RATE) -> Sound:
    """Raises or lowers all below (or, `is_high`, above) a frequency by `gain` dB.

    Source: R. Bristow-Johnson's cookbook formulae for biquad filters, shelf slope 1.
    """
    amplitude = 10 ** (gain / 40)
    omega = 2 * np.pi * hz / rate
    side = -1.0 if is_high else 1.0
    alpha = np.sin(omega) / 2 * np.sqrt(2.0)
    up, down, cosine = amplitude + 1, amplitude - 1, np.cos(omega)
    root = 2 * np.sqrt(amplitude) * alpha
    numerator = amplitude * np.array(
        [up - side * down * cosine + root, 2 * side * (down - side * up * cosine), up - side * down * cosine - root]
    )
    denominator = np.array(
        [up + side * down * cosine + root, -2 * side * (down + side * up * cosine), up + side * down * cosine - root]
    )
    return np.asarray(signal.lfilter(numerator / denominator[0], denominator / denominator[0], sound, axis=1))


def saturate(sound: Sound, *, drive: float) -> Sound:
    """Tape driven by `drive` against the mean level: rounds peaks, adds odd harmonics, keeps the mean level."""
    before = mean_level(sound)
    scale = drive / (4 * decibels(before))  # music's peaks stand some 12 dB, a factor of 4, above its mean
    driven = np.tanh(scale * sound)
    return np.asarray(driven * decibels(before - mean_level(driven)))


def compress(
    sound: Sound, *, threshold: float, ratio: float, attack: float = ATTACK_SECONDS, rate: int = SAMPLE_RATE
) -> Sound:
    """Lowers what exceeds the threshold (dB against the mean level), both channels alike."""
    block = round(BLOCK_SECONDS * rate)
    power = (sound**2).mean(axis=0)
    blocks = -(-power.size // block)
    padded = np.pad(power, (0, blocks * block - power.size)).reshape(blocks, block)
    excess = np.maximum(10 * np.log10(padded.mean(axis=1) + 1e-12) - mean_level(sound) - threshold, 0.0)
    wished = -(1 - 1 / ratio) * excess
    attack, release = (1 - np.exp(-block / rate / seconds) for seconds in (attack, RELEASE_SECONDS))
    gains = np.empty(blocks)
    gain = 0.0
    for number, wish in enumerate(wished):
        gain += (attack if wish < gain else release) * (wish - gain)
        gains[number] = gain
    curve = np.interp(np.arange(power.size), (np.arange(blocks) + 0.5) * block, gains)
    return np.asarray(sound * 10 ** (curve / 20))


def limit(sound: Sound, *, ceiling: float, rate: int = SAMPLE_RATE) -> Sound:
    """Turns peaks down so that no sample exceeds `ceiling`, looking ahead 5 ms: no clipping, no clicks."""
    lookahead = round(LOOKAHEAD_SECONDS * rate)
    peaks = ndimage.maximum_filter1d(np.abs(sound).max(axis=0), size=2 * lookahead + 1)
    gain = np.minimum(1.0, ceiling / np.maximum(peaks, 1e-9))
    # The mean of gains that each already respect every peak within reach respects it too.
    return np.asarray(sound * ndimage.uniform_filter1d(gain, size=lookahead))


def impulse_response(room: Room, rng: np.random.Generator) -> Sound:
    """A room as two unlike channels of decaying noise, shape (2, samples), of unit energy each."""
    before = round(room.before * SAMPLE_RATE)
    time = np.arange(round(room.seconds * 1.1 * SAMPLE_RATE)) / SAMPLE_RATE
    tail = rng.standard_normal((2, time.size)) * 10 ** (-3 * time / room.seconds)
    if room.is_spring:
        # A spring tank's echoes come back every 37 ms; each smears, so they melt into the tail.
        tail *= 0.55 + 0.45 * np.cos(2 * np.pi * time / 0.037) ** 2
        tail[1] = tail[0]
    tail = band(tail, low=room.low, high=room.high)
    tail /= np.sqrt((tail**2).sum(axis=1, keepdims=True))
    return np.pad(tail, ((0, 0), (before, 0)))


def reverberate(sound: Sound, response: Sound) -> Sound:
    """What comes back from a room into which the sound's middle is sent."""
    middle = sound.mean(axis=0, keepdims=True)
    return np.asarray(signal.fftconvolve(np.repeat(middle, 2, axis=0), response, axes=1)[:, : sound.shape[1]])


def gated_burst(rng: np.random.Generator) -> Sound:
    """The response of a gated reverb: noise that stands for a quarter of a second and breaks off."""
    time = np.arange(round(0.26 * SAMPLE_RATE)) / SAMPLE_RATE
    shape = np.minimum(1.0, time / 0.008) * (1 - 0.35 * time / 0.26) * (time < 0.235)
    burst = band(rng.standard_normal((2, time.size)) * shape, low=300.0, high=7500.0)
    return np.asarray(burst / np.sqrt((burst**2).sum(axis=1, keepdims=True)))


def bend_time(sound: Sound, delays: Sound, *, rate: int = SAMPLE_RATE) -> Sound:
    """Reads each channel late by its own curve of delays in seconds, shape (channels or 1, samples)."""
    samples = np.arange(sound.shape[1], dtype=np.float64)
    late = np.broadcast_to(delays * rate, sound.shape)
    return np.stack([np.interp(samples - shift, samples, channel) for channel, shift in zip(sound, late, strict=True)])


def wow(sound: Sound, *, depth: float, rng: np.random.Generator) -> Sound:
    """A tape or disc that does not run evenly: speed swings by `depth` slowly, and a little quickly."""
    time = np.arange(sound.shape[1]) / SAMPLE_RATE
    phases = rng.uniform(0, 2 * np.pi, size=2)
    # A delay of d / (2 pi f) at f Hz changes the speed by d at most.
    delay = depth / (2 * np.pi * WOW_HZ) * (1 + np.sin(2 * np.pi * WOW_HZ * time + phases[0]))
    delay += 0.3 * depth / (2 * np.pi * FLUTTER_HZ) * (1 + np.sin(2 * np.pi * FLUTTER_HZ * time + phases[1]))
    return bend_time(sound, delay[None, :])


def chorus(sound: Sound, *, depth: float) -> Sound:
    """Each side doubled by a slowly wandering copy of itself, left and right in opposite directions."""
    time = np.arange(sound.shape[1]) / SAMPLE_RATE
    swing = np.sin(2 * np.pi * 0.7 * time)
    copies = bend_time(sound, 0.012 + depth * np.stack([swing, -swing]))
    return np.asarray(0.72 * (sound + copies))


def hiss(samples: int, rng: np.random.Generator) -> Sound:
    """Tape noise of unit mean level: the same in both channels but for a little, and brighter than the music."""
    noise = rng.standard_normal((2, samples)) * 0.5 + rng.standard_normal((1, samples))
    noise = band(noise, low=400.0, high=9000.0, order=1)
    return np.asarray(noise / np.sqrt(np.mean(noise**2)))


def crackle(samples: int, *, per_second: float, rng: np.random.Generator) -> Sound:
    """Clicks of a worn disc, shape (2, samples); the loudest reach 1."""
    clicks = np.zeros((1, samples))
    count = int(rng.poisson(per_second * samples / SAMPLE_RATE))
    places = rng.integers(0, samples, size=count)
    clicks[0, places] = rng.choice((-1.0, 1.0), size=count) * rng.pareto(2.5, size=count).clip(0.05, 3.0)
    clicks = band(clicks, low=700.0, high=6000.0, order=1)
    peak = np.abs(clicks).max()
    return np.repeat(clicks / peak if peak > 0 else clicks, 2, axis=0)
