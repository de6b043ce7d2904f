"""Production: a dry performance through an era's studio, to the finished stereo sound. The last step of a piece.

Every stage takes and gives a sound of shape (2, samples). Two things are made alike or random on purpose, so that they
tell nothing: the mean level, and how exactly each figure of the era is met.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import fft, linalg, signal

from training.datasets.accompanied.band import SAMPLE_RATE
from training.datasets.accompanied.studios import Era, Hall

Sound = NDArray[np.float64]

CURVE_TAPS = 2047
WAYS = 8  # of the reverberation
QUIETEST, LOUDEST = -24.0, -19.0  # mean level of a finished piece, drawn at random
CEILING = 0.97
ATTACK_SECONDS = 0.02


def decibels(sound: Sound) -> float:
    """Root mean square over channels and time, in dB; -200 for silence."""
    return float(10 * np.log10(np.mean(sound**2) + 1e-20))


def produce(sound: Sound, era: Era, *, rng: np.random.Generator) -> Sound:
    """Through the whole studio.

    Args:
        sound: Dry, shape (2, samples).
        era: Whose studio.
        rng: Draws how exactly its figures are met, its noises, and the mean level.

    Returns:
        The same shape, no sample above `CEILING`.
    """
    sound = sound * 10 ** ((-20 - decibels(sound)) / 20)
    if era.ensemble:
        sound = ensemble(sound, milliseconds=era.ensemble * rng.uniform(0.8, 1.2), rng=rng)
    sound = sound + 10 ** ((era.hall.level + rng.uniform(-2, 2)) / 20) * reverberate(sound, era.hall)
    sound = widen(sound, era.width * rng.uniform(0.85, 1.1))
    if era.warmth:
        sound = warm(sound, era.warmth * rng.uniform(0.8, 1.2))
    sound = squeeze(sound, ratio=era.squeeze, release_seconds=float(rng.uniform(0.12, 0.25)))
    if era.flutter:
        sound = waver(sound, depth=era.flutter * rng.uniform(0.7, 1.3), rng=rng)
    if era.hiss is not None:
        noise = hiss(sound.shape[1], rng=rng)
        # The noise of one track of tape is as mono as the music.
        sound = sound + widen(noise, min(era.width * 2, 1.0)) * 10 ** (
            (decibels(sound) + era.hiss + rng.uniform(-2, 2)) / 20
        )
    sound = equalise(sound, era.curve, tilt=float(rng.uniform(-1.5, 1.5)))
    sound = round_off(sound, crest=era.crest + rng.uniform(-1, 1))
    level = 10 ** ((rng.uniform(QUIETEST, LOUDEST) - decibels(sound)) / 20)
    return sound * min(level, CEILING / float(np.abs(sound).max()))


def equalise(sound: Sound, curve: tuple[tuple[float, float], ...], *, tilt: float) -> Sound:
    """A frequency response drawn by hand, straight on a scale of octaves, without shifting phases.

    Args:
        sound: Shape (2, samples).
        curve: (Hz, dB) from low to high; beyond the ends it goes on level.
        tilt: Decibels that are added over the five octaves above 1 kHz, and taken away over those below.
    """
    hz, gains = (np.array(column, dtype=np.float64) for column in zip(*curve, strict=True))
    gains = gains + tilt * (np.log2(hz / 1000) / 5)
    half = SAMPLE_RATE / 2
    # Points between, so that the response is straight on a scale of octaves.
    dense = np.geomspace(20.0, half, 200)
    response = 10 ** (np.interp(np.log(dense), np.log(hz), gains) / 20)
    taps = signal.firwin2(CURVE_TAPS, [0.0, *dense[:-1], half], [response[0], *response], fs=SAMPLE_RATE)
    return np.asarray(signal.fftconvolve(sound, taps[None, :], mode="same", axes=1))


def widen(sound: Sound, width: float) -> Sound:
    """Scales what the channels differ in."""
    middle, side = (sound[0] + sound[1]) / 2, width * (sound[0] - sound[1]) / 2
    return np.stack([middle + side, middle - side])


def warm(sound: Sound, drive: float) -> Sound:
    """Valves: bends the two half-waves unequally, which adds even and odd harmonics; the mean level stays."""
    before = decibels(sound)
    hot = sound * drive / (2.5 * 10 ** (before / 20))
    bent = (hot + 0.25) / np.sqrt(1 + (hot + 0.25) ** 2)
    bent -= bent.mean(axis=1, keepdims=True)
    return np.asarray(bent * 10 ** ((before - decibels(bent)) / 20))


def squeeze(sound: Sound, *, ratio: float, release_seconds: float) -> Sound:
    """A compressor that looks at the mean power of the last moments and starts 6 dB below the mean level."""
    pole = np.exp(-1 / (ATTACK_SECONDS * SAMPLE_RATE))
    power = signal.lfilter([1 - pole], [1, -pole], (sound**2).mean(axis=0))
    excess = np.maximum(10 * np.log10(power + 1e-12) - (decibels(sound) - 6), 0.0)
    reduction = excess * (1 - 1 / ratio)
    pole = np.exp(-1 / (release_seconds * SAMPLE_RATE))
    slow = signal.lfilter([1 - pole], [1, -pole], reduction)
    return np.asarray(sound * 10 ** (-(0.5 * reduction + 0.5 * slow) / 20))


def round_off(sound: Sound, *, crest: float) -> Sound:
    """Bends peaks so that none stands further than `crest` dB above the mean level before; the rest hardly changes."""
    top = 10 ** ((decibels(sound) + crest) / 20)
    return np.asarray(top * (sound / top) / (1 + np.abs(sound / top) ** 6) ** (1 / 6))


def reverberate(sound: Sound, hall: Hall) -> Sound:
    """What comes back from a hall: eight delay lines that feed each other, each way round duller and softer.

    Source: Jot and Chaigne, Digital delay networks for designing artificial reverberators, 1991.
    """
    # Lengths without common factors: powers of the golden mean, spread over an octave and a half.
    spread = np.mod(np.arange(WAYS) * 0.6180339887, 1.0)
    lengths = np.round(hall.size * SAMPLE_RATE * 2 ** (-1.5 * spread)).astype(int) | 1
    block = int(lengths.min())
    count = sound.shape[1]
    gains = 10 ** (-3 * lengths / SAMPLE_RATE / hall.seconds)
    mixing = linalg.hadamard(WAYS) / np.sqrt(WAYS)
    fed = np.zeros((WAYS, 2))
    fed[::2, 0] = fed[1::2, 1] = 0.5
    wait = round(hall.pre_delay * SAMPLE_RATE)
    delayed = np.pad(sound, ((0, 0), (wait, 0)))[:, :count]
    incoming = fed @ delayed
    longest = int(lengths.max())
    # Row w holds what line w was given, `longest` samples of silence before it.
    lines = np.zeros((WAYS, count + longest + block))
    back = np.zeros((WAYS, count + block))
    memory = np.zeros((WAYS, 1))
    for begin in range(0, count, block):
        end = min(begin + block, count)
        out = np.stack(
            [lines[way, begin + longest - length : end + longest - length] for way, length in enumerate(lengths)]
        )
        out, memory = signal.lfilter([1 - hall.damping], [1, -hall.damping], out, axis=1, zi=memory)
        out = out * gains[:, None]
        back[:, begin:end] = out
        lines[:, begin + longest : end + longest] = incoming[:, begin:end] + mixing @ out
    wet = np.stack([back[::2].sum(axis=0), back[1::2].sum(axis=0)])[:, :count]
    return np.asarray(wet * 10 ** ((decibels(sound) - decibels(wet)) / 20))


def ensemble(sound: Sound, *, milliseconds: float, rng: np.random.Generator) -> Sound:
    """A chorus: each channel once more, late by a slowly changing moment of its own."""
    late = np.stack(
        [
            _read_late(channel, 0.012 + milliseconds / 2000 * (1 + _wave(channel.size, hz=hz, rng=rng)))
            for channel, hz in zip(sound, (0.55, 0.72), strict=True)
        ]
    )
    return np.asarray((sound + 0.8 * late) / np.sqrt(1.64))


def waver(sound: Sound, *, depth: float, rng: np.random.Generator) -> Sound:
    """Tape that runs now faster, now slower, by at most about `depth`."""
    count = sound.shape[1]
    # A delay of depth / (2 pi hz) seconds, swung at hz, changes the speed by depth.
    delay = sum(
        share * depth / (2 * np.pi * hz) * (1 + _wave(count, hz=hz, rng=rng)) for share, hz in ((0.7, 0.9), (0.3, 7.0))
    )
    return np.stack([_read_late(channel, np.asarray(delay)) for channel in sound])


def hiss(samples: int, *, rng: np.random.Generator) -> Sound:
    """Noise that falls by 3 dB an octave above 1 kHz, of mean level 0 dB, two channels unlike."""
    length = fft.next_fast_len(samples, real=True)
    spectrum = fft.rfft(rng.standard_normal((2, length)), axis=1)
    hz = fft.rfftfreq(length, 1 / SAMPLE_RATE)
    noise = fft.irfft(spectrum / np.sqrt(np.maximum(hz, 1000.0)), length, axis=1)[:, :samples]
    return np.asarray(noise * 10 ** (-decibels(noise) / 20))


def _wave(samples: int, *, hz: float, rng: np.random.Generator) -> Sound:
    return np.asarray(np.sin(2 * np.pi * (hz * np.arange(samples) / SAMPLE_RATE + rng.random())))


def _read_late(channel: Sound, seconds: Sound) -> Sound:
    at = np.arange(channel.size, dtype=np.float64)
    return np.interp(at - seconds * SAMPLE_RATE, at, channel)
