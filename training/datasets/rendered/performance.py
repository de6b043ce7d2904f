"""Strokes played by people: swing, touch, dynamics, small unevenness, and the programs.

Input from `arrangement`, output a `score`. Every player's unevenness is drawn from an own generator, so that one part's
notes never shift another's, and none of it depends on instrument or era.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from training.datasets.rendered.arrangement import Stroke
from training.datasets.rendered.composition import BEATS, Composition
from training.datasets.rendered.eras import ERAS
from training.datasets.rendered.factors import Factors
from training.datasets.rendered.genres import GENRES, Genre
from training.datasets.rendered.instruments import ENSEMBLES
from training.datasets.rendered.moods import MOODS, Mood
from training.datasets.rendered.score import DRUM_ROLES, ROLES, Note, Part, Score, without_overlaps

SHORTEST_NOTE = 0.05
LONGEST_SLIP = 2.5  # standard deviations; a larger slip would be a wrong note
VELOCITY_SPREAD = 2.5  # standard deviation of MIDI velocity
SOFTEST, LOUDEST = 12, 127
FADE = 0.25  # silence-bound rest after the last chord, in which its ring dies

# Loudness of each role's playing against the lead's.
ROLE_VELOCITY = {"lead": 1.0, "chords": 0.86, "bass": 0.98, "colour": 0.8, "sequence": 0.8}
DRUM_BANK = 128


@dataclass(frozen=True)
class Sound:
    """What a player plays on.

    Attributes:
        program: General MIDI.
        bank: 0, or 128 for drum kits.
        early: Seconds it takes to speak, by which its player comes early.
        strum: Seconds from one voice of a struck chord to the next.
    """

    program: int
    bank: int = 0
    early: float = 0.0
    strum: float = 0.0


def swung(beat: float, genre: Genre) -> float:
    """Where a notated beat falls in this genre's feel: pair ends stay, what lies between moves late."""
    place = beat / genre.swung
    whole = math.floor(place + 1e-9)
    part = max(place - whole, 0.0)
    bent = part * 2 * genre.swing if part < 0.5 else genre.swing + (part - 0.5) * 2 * (1 - genre.swing)
    return (whole + bent) * genre.swung


def seconds_at(beat: float, composition: Composition, mood: Mood) -> float:
    """Seconds from the beginning of the piece to a beat; the bar before the last chord slows down by `mood.slowing`."""
    begins = composition.last_beat - BEATS
    late = min(max(beat - begins, 0.0), float(BEATS))
    # The extra length of a beat grows evenly over the bar, so the delay grows with its square.
    delay = mood.slowing * late * late / (2 * BEATS)
    return (composition.lead_in + beat + delay) * 60.0 / composition.tempo


def perform(
    strokes: dict[str, tuple[Stroke, ...]], composition: Composition, *, factors: Factors, rng: np.random.Generator
) -> Score:
    """Gives every role to a player, on the sounds that instrument and era have for it."""
    genre, mood = GENRES[factors.genre], MOODS[factors.mood]
    sounds = {role: _sound(role, factors, genre, mood) for role in ROLES}
    parts = play(strokes, composition, genre=genre, mood=mood, sounds=sounds, rng=rng)
    end = seconds_at(composition.last_beat, composition, mood) + composition.last_beats * 60.0 / composition.tempo
    return Score(factors=factors, tempo=composition.tempo, seconds=end + FADE, parts=parts)


def play(
    strokes: Mapping[str, Iterable[Stroke]],
    composition: Composition,
    *,
    genre: Genre,
    mood: Mood,
    sounds: Mapping[str, Sound],
    rng: np.random.Generator,
) -> tuple[Part, ...]:
    """Strokes of any roles to parts, in the order of `ROLES`.

    Args:
        strokes: Of each role that is heard.
        composition: What they belong to.
        genre: Its feel.
        mood: Its touch.
        sounds: Of each role that is heard, at least.
        rng: Of the players' unevenness.
    """
    players = dict(zip(ROLES, rng.spawn(len(ROLES)), strict=True))
    parts = []
    for role in ROLES:
        if role in strokes:
            sound = sounds[role]
            notes = _play(strokes[role], composition, genre, mood, role=role, rng=players[role])
            notes = _strummed(notes, sound.strum) if sound.strum else notes
            heard = [Note(max(n.start - sound.early, 0.0), n.seconds, n.pitch, n.velocity) for n in notes]
            parts.append(Part(role, sound.program, without_overlaps(heard), sound.bank))
    return tuple(parts)


def _sound(role: str, factors: Factors, genre: Genre, mood: Mood) -> Sound:
    ensemble, era = ENSEMBLES[factors.instrument], ERAS[factors.era]
    if role == "lead":
        voice = ensemble.lead_for(factors.genre)
        return Sound(voice.program, early=voice.speaks)
    if role == "chords":
        voice = ensemble.chords_for(factors.genre)
        return Sound(voice.program, early=voice.speaks, strum=ensemble.strum)
    if role == "bass":
        return Sound(era.basses[genre.bass_sound])
    if role in DRUM_ROLES:
        return Sound(era.kits[genre.drum_kit if mood.is_lively else genre.calm_kit], DRUM_BANK)
    return Sound(era.colour if role == "colour" else era.sequence)


def _play(
    strokes: Iterable[Stroke],
    composition: Composition,
    genre: Genre,
    mood: Mood,
    *,
    role: str,
    rng: np.random.Generator,
) -> list[Note]:
    notes = []
    slips: dict[float, float] = {}
    for stroke in strokes:
        # One player's hands fall together: a slip belongs to the beat, not to the single note.
        if stroke.beat not in slips:
            slip = _bounded(rng.standard_normal(), LONGEST_SLIP) * genre.looseness
            slips[stroke.beat] = slip + (mood.laid_back if role == "lead" else 0.0)
        start = seconds_at(swung(stroke.beat, genre), composition, mood)
        length = seconds_at(swung(stroke.beat + stroke.beats, genre), composition, mood) - start
        is_long = stroke.beat == composition.last_beat or stroke.beats >= BEATS
        touch = 0.97 if is_long else {"lead": mood.touch, "chords": mood.chord_touch}.get(role, 0.97)
        unevenness = _bounded(rng.standard_normal(), LONGEST_SLIP) * VELOCITY_SPREAD
        velocity = mood.velocity * ROLE_VELOCITY.get(role, 1.0) * stroke.force + unevenness
        notes.append(
            Note(
                start=max(start + slips[stroke.beat], 0.0),
                seconds=max(length * touch, SHORTEST_NOTE),
                pitch=stroke.pitch,
                velocity=min(max(round(velocity), SOFTEST), LOUDEST),
            )
        )
    return notes


def _bounded(draw: float, limit: float) -> float:
    return min(max(draw, -limit), limit)


def _strummed(notes: list[Note], gap: float) -> list[Note]:
    """Chords struck together are spread from the lowest string up."""
    spread: list[Note] = []
    begins: dict[float, int] = {}
    for note in sorted(notes):
        place = begins.get(note.start, 0)
        begins[note.start] = place + 1
        length = max(note.seconds - place * gap, SHORTEST_NOTE)
        spread.append(Note(note.start + place * gap, length, note.pitch, note.velocity))
    return spread
