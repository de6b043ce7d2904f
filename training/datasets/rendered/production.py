"""Stems mixed and mastered as their era would have: stereo sound of matched loudness.

Input from `synthesis`, output to `mp3`.
"""

import numpy as np

from training.datasets.rendered import effects
from training.datasets.rendered.effects import Sound, decibels
from training.datasets.rendered.eras import ERAS, Studio
from training.datasets.rendered.factors import Factors
from training.datasets.rendered.genres import GENRES
from training.datasets.rendered.instruments import ENSEMBLES
from training.datasets.rendered.loudness import integrated_loudness, weighted_power
from training.datasets.rendered.moods import MOODS
from training.datasets.rendered.score import DRUM_ROLES, Part, Score
from training.datasets.rendered.synthesis import SAMPLE_RATE, Soundfont

LOUDNESS = -14.0  # LUFS of every finished piece
CEILING = -1.5  # dB of full scale that no sample exceeds: MP3 adds up to a decibel of overshoot
FADE_SECONDS = 1.4
REFERENCE_VELOCITY = 100

LEVELS = {"lead": 0.0, "chords": -6.0, "bass": -4.0, "kick": -4.0, "snare": -4.0, "cymbals": -12.0, "crash": -9.0}
# Places in the panorama, -1 left to 1 right.
PLACES = {"chords": -0.22, "cymbals": 0.25, "percussion": 0.5, "colour": 0.25, "sequence": 0.4, "snare": 0.05}
# Into the shared room, in dB against the era's own level.
SENDS = {
    "lead": 0.0,
    "chords": -1.0,
    "snare": 0.0,
    "colour": 1.0,
    "percussion": 0.0,
    "sequence": 1.0,
    "cymbals": -6.0,
    "crash": -6.0,
}
NO_SEND = frozenset({"bass", "kick"})
LEVEL_WINDOW, LEVEL_HOP = 0.05, 0.025
LEVEL_REACH = 4  # windows after a stroke in which it is at its loudest


def render(score: Score, soundfont: Soundfont, *, rng: np.random.Generator) -> Sound:
    """Sounds, mixes and masters a score.

    Args:
        score: What is played.
        soundfont: With what it is played.
        rng: Draws rooms, hiss and crackle.

    Returns:
        Shape (2, samples) at 44.1 kHz, of `LOUDNESS` or, where peaks forbid it, a little less; it ends in silence.
    """
    stems = {
        part.role: balanced(soundfont.sound(part, seconds=score.seconds), part, score.factors) for part in score.parts
    }
    return master(mix(stems, score, rng=rng), score, rng=rng)


def balanced(stem: Sound, part: Part, factors: Factors) -> Sound:
    """A part at its level in the mix, whatever the soundfont's own, and however loudly it was played.

    What counts is the sound of a stroke at `REFERENCE_VELOCITY`. Pitched parts are measured in their loud moments,
    drums by their middle stroke, so that neither a ghost note nor an accent sets the level of a whole kit.
    """
    power = weighted_power(stem, sample_rate=SAMPLE_RATE, window=LEVEL_WINDOW, hop=LEVEL_HOP)
    velocities = [note.velocity for note in part.notes]
    if part.role in DRUM_ROLES:
        strikes = [min(round(note.start / LEVEL_HOP), power.size - 1) for note in part.notes]
        loud = float(np.median([power[at : at + LEVEL_REACH].max() for at in strikes]))
        played = float(np.median(velocities))
    else:
        loud = float(np.percentile(power[power > power.max() * 1e-4], 90))
        played = float(np.percentile(velocities, 90))
    genre, mood, era = GENRES[factors.genre], MOODS[factors.mood], ERAS[factors.era]
    level = genre.levels.get(part.role, LEVELS.get(part.role, -12.0))
    if part.role == "colour":
        level = era.colour_level
    elif part.role == "chords":
        level += ENSEMBLES[factors.instrument].level
    elif part.role in DRUM_ROLES:
        level += mood.drum_level
    return np.asarray(stem * decibels(level) * played / REFERENCE_VELOCITY / np.sqrt(loud + 1e-12))


def mix(stems: dict[str, Sound], score: Score, *, rng: np.random.Generator) -> Sound:
    """The desk: places, ducking, chorus, gate and room."""
    genre, mood = GENRES[score.factors.genre], MOODS[score.factors.mood]
    studio = ERAS[score.factors.era].studio
    response = effects.impulse_response(studio.room, rng)
    burst = effects.gated_burst(rng)
    samples = next(iter(stems.values())).shape[1]
    dry, sent = np.zeros((2, samples)), np.zeros((2, samples))
    for role, stem in stems.items():
        sound = stem
        if role in {"chords", "bass", "colour", "sequence"} and genre.pump and "kick" in stems:
            sound = sound * _ducking(score.part("kick"), samples, depth=genre.pump)
        if role in {"chords", "colour"} and studio.chorus:
            sound = effects.chorus(sound, depth=studio.chorus)
        if role == "snare" and studio.gate is not None:
            sound = sound + effects.reverberate(sound, burst) * decibels(studio.gate)
        sound = _placed(sound, PLACES.get(role, 0.0))
        dry += sound
        if role not in NO_SEND:
            sent += sound * decibels(SENDS[role])
    return dry + effects.reverberate(sent, response) * decibels(studio.room.level + mood.room)


def master(sound: Sound, score: Score, *, rng: np.random.Generator) -> Sound:
    """The era's last machines, then loudness and fade, which are the same for all."""
    studio = ERAS[score.factors.era].studio
    sound = _narrowed(sound, studio.width)
    sound = effects.compress(sound, threshold=studio.threshold, ratio=studio.ratio)
    if studio.drive:
        sound = effects.saturate(sound, drive=studio.drive)
    if studio.wow:
        sound = effects.wow(sound, depth=studio.wow, rng=rng)
    low_shelf, high_shelf = studio.shelves
    sound = effects.shelf(sound, hz=120.0, gain=low_shelf, is_high=False)
    sound = effects.shelf(sound, hz=5000.0, gain=high_shelf, is_high=True)
    sound = effects.band(sound, low=studio.low_cut, high=studio.high_cut)
    sound = _noisy(sound, studio, rng)
    level = effects.mean_level(sound)
    sound = effects.limit(sound, ceiling=decibels(level + studio.ceiling))
    sound = _faded(sound)
    sound = sound * decibels(LOUDNESS - integrated_loudness(sound, sample_rate=SAMPLE_RATE))
    return effects.limit(sound, ceiling=decibels(CEILING))


def _placed(sound: Sound, place: float) -> Sound:
    """Turns one channel down: a stereo stem keeps its own width."""
    return np.asarray(sound * np.array([[min(1.0, 1 - place)], [min(1.0, 1 + place)]]))


def _narrowed(sound: Sound, width: float) -> Sound:
    middle, side = (sound[0] + sound[1]) / 2, (sound[0] - sound[1]) / 2 * width
    return np.stack([middle + side, middle - side])


def _ducking(kick: Part, samples: int, *, depth: float) -> Sound:
    """The gain that makes room for each kick: down at once, back within a quarter of a second."""
    time = np.arange(samples) / SAMPLE_RATE
    down = np.zeros(samples)
    for note in kick.notes:
        since = time - note.start
        down = np.maximum(down, np.where(since >= 0, np.exp(-np.maximum(since, 0) / 0.11), 0.0))
    return np.asarray(np.power(10.0, -depth * down / 20))


def _noisy(sound: Sound, studio: Studio, rng: np.random.Generator) -> Sound:
    level = decibels(effects.mean_level(sound))
    if studio.hiss is not None:
        sound = sound + effects.hiss(sound.shape[1], rng) * level * decibels(studio.hiss)
    if studio.crackle:
        sound = sound + effects.crackle(sound.shape[1], per_second=studio.crackle, rng=rng) * level * 0.35
    return sound


def _faded(sound: Sound) -> Sound:
    """Three milliseconds in, and a long cosine out to silence."""
    samples = sound.shape[1]
    fade = np.ones(samples)
    begin, end = round(0.003 * SAMPLE_RATE), round(FADE_SECONDS * SAMPLE_RATE)
    fade[:begin] = np.linspace(0, 1, begin)
    fade[-end:] = 0.5 + 0.5 * np.cos(np.linspace(0, np.pi, end))
    return sound * fade
