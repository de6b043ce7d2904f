"""Stems mixed, mastered and sent through a codec. Input from `band`, output to `varied_set`.

All sound is mono, `(1, samples)` float64 at `SAMPLE_RATE`. The machines are those of `rendered.effects` where it has
them. Besides the decade's own studio every piece gets what says nothing of its decade: levels, a little of anybody's
equaliser, loudness.
"""

from collections.abc import Mapping
from functools import partial

import numpy as np
from scipy import ndimage, signal

from training.datasets.rendered import effects
from training.datasets.rendered.effects import Sound, decibels, mean_level
from training.datasets.rendered.score import DRUM_ROLES, Note, Part
from training.datasets.varied.studios import Studio

SAMPLE_RATE = 22_050

LEVELS = {
    "lead": 0.0,
    "chords": -5.0,
    "bass": -4.0,
    "kick": -3.0,
    "snare": -4.0,
    "cymbals": -11.0,
    "crash": -10.0,
    "percussion": -12.0,
    "colour": -15.0,
    "sequence": -12.0,
}
LEVEL_SPREAD = 2.0
UNSENT = frozenset({"bass", "kick"})
QUIETEST, LOUDEST = -26.0, -9.0  # mean level of a finished piece, dB of full scale
NO_GATE, NO_HISS = -40.0, -70.0
ATTACK_SECONDS = 0.006

_band = partial(effects.band, rate=SAMPLE_RATE)
_limited = partial(effects.limit, rate=SAMPLE_RATE)
_shelf = partial(effects.shelf, rate=SAMPLE_RATE)


def produce(
    stems: Mapping[str, Sound], parts: Mapping[str, Part], studio: Studio, *, pump: float, rng: np.random.Generator
) -> Sound:
    """Mix and master.

    Args:
        stems: Each role's sound, all of one length.
        parts: Each role's notes.
        studio: Of the decade.
        pump: How far chords and bass duck under each kick, in dB.
        rng: Of levels, rooms and noises.

    Returns:
        No sample above 1.
    """
    samples = next(iter(stems.values())).shape[1]
    dry, sent = np.zeros((1, samples)), np.zeros((1, samples))
    ducking = _ducking(parts["kick"].notes, samples, depth=pump) if pump and "kick" in parts else None
    for role, stem in stems.items():
        sound = _balanced(stem, role, rng)
        if role in {"chords", "lead", "colour"}:
            sound = _peak(sound, hz=float(rng.uniform(300, 4000)), gain=float(rng.normal(0, 2)))
        if ducking is not None and role in {"chords", "bass", "colour", "sequence"}:
            sound = sound * ducking
        if studio.chorus and role in {"chords", "colour"}:
            sound = _chorus(sound, depth=studio.chorus / 1000)
        if role == "snare" and studio.gate > NO_GATE:
            sound = sound + _convolved(sound, _gated_burst(rng)) * decibels(studio.gate)
        dry += sound
        if role not in UNSENT:
            sent += sound
    return _mastered(dry + _convolved(sent, _room(studio, rng)) * decibels(studio.room_level), studio, rng)


def _balanced(stem: Sound, role: str, rng: np.random.Generator) -> Sound:
    """At the role's level by its loud moments, whatever the soundfont's own."""
    power = ndimage.uniform_filter1d(stem[0] ** 2, round(0.05 * SAMPLE_RATE))[:: round(0.025 * SAMPLE_RATE)]
    if role in DRUM_ROLES:
        loud = float(np.percentile(power, 98))
    else:
        audible = power[power > power.max() * 1e-4]
        loud = float(np.percentile(audible, 85)) if audible.size else 0.0
    level = LEVELS[role] + float(rng.normal(0, LEVEL_SPREAD))
    return np.asarray(stem * decibels(level) / np.sqrt(loud + 1e-9))


def _mastered(sound: Sound, studio: Studio, rng: np.random.Generator) -> Sound:
    samples = sound.shape[1]
    sound = effects.compress(
        sound, threshold=studio.threshold, ratio=studio.ratio, attack=ATTACK_SECONDS, rate=SAMPLE_RATE
    )
    if studio.drive > 0.05:
        sound = effects.saturate(sound, drive=studio.drive)
    if studio.wow:
        sound = _wavering(sound, depth=studio.wow, rng=rng)
    sound = _shelf(sound, hz=130.0, gain=studio.low_shelf, is_high=False)
    sound = _shelf(sound, hz=4000.0, gain=studio.high_shelf, is_high=True)
    sound = _peak(sound, hz=2200.0, gain=studio.presence)
    sound = _peak(sound, hz=float(rng.uniform(150, 6000)), gain=float(rng.normal(0, 1.5)))
    sound = _band(sound, low=studio.low_cut, high=studio.high_cut, high_order=max(round(studio.slope), 1))
    level = decibels(mean_level(sound))
    if studio.hiss > NO_HISS:
        sound = sound + _hiss(samples, rng) * level * decibels(studio.hiss)
    if studio.crackle > 0:
        sound = sound + _crackle(samples, per_second=studio.crackle, rng=rng) * level * 0.35
    sound = _limited(sound, ceiling=decibels(mean_level(sound) + studio.crest))
    sound = sound * decibels(float(rng.uniform(QUIETEST, LOUDEST)) - mean_level(sound))
    return _limited(sound, ceiling=0.9)


def _peak(sound: Sound, *, hz: float, gain: float, q: float = 0.9) -> Sound:
    """Source: R. Bristow-Johnson's cookbook formulae for biquad filters."""
    amplitude = 10 ** (gain / 40)
    omega = 2 * np.pi * hz / SAMPLE_RATE
    alpha, cosine = np.sin(omega) / (2 * q), np.cos(omega)
    numerator = np.array([1 + alpha * amplitude, -2 * cosine, 1 - alpha * amplitude])
    denominator = np.array([1 + alpha / amplitude, -2 * cosine, 1 - alpha / amplitude])
    return np.asarray(signal.lfilter(numerator / denominator[0], denominator / denominator[0], sound, axis=1))


def _convolved(sound: Sound, response: Sound) -> Sound:
    return np.asarray(signal.oaconvolve(sound, response, axes=1)[:, : sound.shape[1]])


def _room(studio: Studio, rng: np.random.Generator) -> Sound:
    """Decaying noise of unit energy."""
    time = np.arange(round(studio.room_seconds * 1.1 * SAMPLE_RATE)) / SAMPLE_RATE
    tail = rng.standard_normal((1, time.size)) * 10 ** (-3 * time / studio.room_seconds)
    tail = _band(tail, low=studio.room_low, high=studio.room_high)
    return np.pad(tail / np.sqrt((tail**2).sum()), ((0, 0), (round(studio.room_before * SAMPLE_RATE), 0)))


def _gated_burst(rng: np.random.Generator) -> Sound:
    """Noise that stands for about a quarter of a second and breaks off."""
    seconds = float(rng.uniform(0.16, 0.32))
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    burst = rng.standard_normal((1, time.size)) * np.minimum(1.0, time / 0.008) * (1 - 0.35 * time / seconds)
    burst = _band(burst, low=300.0, high=7500.0)
    return np.asarray(burst / np.sqrt((burst**2).sum()))


def _ducking(kicks: tuple[Note, ...], samples: int, *, depth: float) -> Sound:
    """The gain that makes room for each kick: down at once, back within a quarter of a second."""
    down = np.zeros(samples)
    shape = np.exp(-np.arange(round(0.5 * SAMPLE_RATE)) / SAMPLE_RATE / 0.11)
    for note in kicks:
        begin = round(note.start * SAMPLE_RATE)
        reach = down[begin : begin + shape.size]
        np.maximum(reach, shape[: reach.size], out=reach)
    return np.asarray(10.0 ** (-depth * down / 20))


def _chorus(sound: Sound, *, depth: float) -> Sound:
    time = np.arange(sound.shape[1]) / SAMPLE_RATE
    late = effects.bend_time(sound, 0.012 + depth * np.sin(2 * np.pi * 0.7 * time), rate=SAMPLE_RATE)
    return np.asarray(0.72 * (sound + late))


def _wavering(sound: Sound, *, depth: float, rng: np.random.Generator) -> Sound:
    """Speed swings by `depth` slowly, and a little quickly."""
    time = np.arange(sound.shape[1]) / SAMPLE_RATE
    delays = np.zeros(time.size)
    for hz, share in ((float(rng.uniform(0.4, 1.2)), 1.0), (float(rng.uniform(5, 9)), 0.3)):
        # A delay of d / (2 pi f) at f Hz changes the speed by d at most.
        swing = 1 + np.sin(2 * np.pi * hz * time + rng.uniform(0, 2 * np.pi))
        delays += share * depth / (2 * np.pi * hz) * swing
    return effects.bend_time(sound, delays, rate=SAMPLE_RATE)


def _hiss(samples: int, rng: np.random.Generator) -> Sound:
    noise = _band(rng.standard_normal((1, samples)), low=400.0, high=9000.0, high_order=1)
    return np.asarray(noise / np.sqrt(np.mean(noise**2)))


def _crackle(samples: int, *, per_second: float, rng: np.random.Generator) -> Sound:
    """Clicks of a worn disc; the loudest reach 1."""
    clicks = np.zeros((1, samples))
    count = int(rng.poisson(per_second * samples / SAMPLE_RATE))
    places = rng.integers(0, samples, size=count)
    clicks[0, places] = rng.choice((-1.0, 1.0), size=count) * rng.pareto(2.5, size=count).clip(0.05, 3.0)
    clicks = _band(clicks, low=700.0, high=6000.0, high_order=1)
    peak = np.abs(clicks).max()
    return np.asarray(clicks / peak if peak > 0 else clicks)
