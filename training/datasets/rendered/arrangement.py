"""A composition given to a band: drums, bass, accompaniment, colour. Input from `composition`, output to `performance`.

Everything is still in notated beats, and nothing is decided about instrument or era: neighbours in those two factors
share every stroke.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from training.datasets.rendered.composition import BEATS, Bar, Composition
from training.datasets.rendered.genres import Bars, Genre, Groove
from training.datasets.rendered.harmony import OCTAVE, Chord, lead_voices, voiced_tones
from training.datasets.rendered.moods import Mood

# General-MIDI keys of the drum kits, and the role in which each sound is mixed.
DRUM_PITCHES = {
    "kick": 36,
    "rim": 37,
    "snare": 38,
    "clap": 39,
    "swirl": 40,
    "hat": 42,
    "pedal_hat": 44,
    "tom_low": 45,
    "open_hat": 46,
    "tom_mid": 47,
    "crash": 49,
    "tom_high": 50,
    "ride": 51,
    "tambourine": 54,
    "cowbell": 56,
    "conga": 63,
    "shaker": 70,
}
CYMBALS = frozenset({"hat", "pedal_hat", "open_hat", "ride"})
HAND_PERCUSSION = frozenset({"tambourine", "cowbell", "conga", "shaker"})

FORCES = {"X": 1.12, "x": 0.95, "o": 0.62}
SECTION_FORCE = {"intro": 0.9, "tune": 1.0, "tag": 1.05, "last": 1.05}

BASS_LOW, BASS_HIGH = 28, 50
CHORDS_LOW, CHORDS_HIGH = 48, 68
POWER_LOW = 40
SEQUENCE_UP = OCTAVE
HIGHEST_DOUBLE = 88  # a line that would be doubled above this is doubled an octave below


@dataclass(frozen=True, order=True)
class Stroke:
    """One note to be played: notated beat and length, MIDI pitch, and force (1 is the mood's usual velocity)."""

    beat: float
    beats: float
    pitch: int
    force: float


def arrange(
    composition: Composition, *, genre: Genre, mood: Mood, rng: np.random.Generator
) -> dict[str, tuple[Stroke, ...]]:
    """Writes every part but the lead's touch: role to strokes, in time order.

    Args:
        composition: What is played.
        genre: How it is played.
        mood: Which of the genre's grooves, and which hand percussion with it.
        rng: Chooses among a groove's variants.
    """
    groove = genre.lively if mood.is_lively else genre.calm
    bass = groove.bass[int(rng.integers(len(groove.bass)))]
    chords = groove.chords[int(rng.integers(len(groove.chords)))]
    parts = {
        "lead": _lead(composition, mood),
        "chords": _chords(composition, chords, genre, is_lively=mood.is_lively),
        "bass": _bass(composition, bass),
        "colour": _colour(composition),
        **_drums(composition, groove, mood, is_swinging=genre.swing > 0.5 and genre.swung == 1.0),
    }
    if groove.sequence:
        parts["sequence"] = _sequence(composition, groove.sequence)
    return {role: tuple(sorted(strokes)) for role, strokes in parts.items() if strokes}


def _signs(bar: Bar, bars: Bars) -> Iterator[tuple[float, float, str]]:
    """Beat, length in beats and sign of each note of one bar's rhythm string; holds belong to the note before.

    Holds at the beginning of the next bar's string carry the last note over the bar line.
    """
    number = round(bar.beat / BEATS)
    rhythm, following = bars[number % len(bars)], bars[(number + 1) % len(bars)]
    grid = BEATS / len(rhythm)
    for step, sign in enumerate(rhythm):
        if sign not in "-.":
            held = _holds(rhythm[step + 1 :])
            beats = (1 + held) * grid
            if step + 1 + held == len(rhythm):
                beats += _holds(following) * BEATS / len(following)
            yield bar.beat + step * grid, beats, sign


def _holds(rhythm: str) -> int:
    return len(rhythm) - len(rhythm.lstrip("-"))


def _lead(composition: Composition, mood: Mood) -> list[Stroke]:
    strokes = [Stroke(note.beat, note.beats, note.pitch, 0.82 + 0.3 * note.strength) for note in composition.melody]
    second: list[Stroke] = []
    middle = next(bar.beat for bar in composition.bars if bar.section == "tune") + 2 * BEATS
    if mood.doubling == "octave":
        reaches = max(s.pitch for s in strokes) + OCTAVE <= HIGHEST_DOUBLE
        shift = OCTAVE if reaches else -OCTAVE
        second = [Stroke(s.beat, s.beats, s.pitch + shift, s.force * 0.75) for s in strokes]
    elif mood.doubling == "thirds":
        # The second half of the tune is sung in two voices, the lower one in chord tones.
        for s in strokes:
            tones = {(composition.tonic + tone) % OCTAVE for tone in composition.chord_at(s.beat).tones}
            below = [s.pitch - gap for gap in range(3, 10) if (s.pitch - gap) % OCTAVE in tones]
            if s.beat >= middle and below:
                second.append(Stroke(s.beat, s.beats, below[0], s.force * 0.8))
    return strokes + second


def _bass(composition: Composition, bars: Bars) -> list[Stroke]:
    strokes: list[Stroke] = []
    last_pitch = 36
    last_chord: Chord | None = None
    for bar in composition.bars[:-1]:
        for beat, beats, sign in _signs(bar, bars):
            chord = composition.chord_at(beat)
            following = _root(composition, _next_chord(composition, beat), near=last_pitch)
            if sign == "A":
                # A semitone below or above, from the side on which the line already is.
                pitch = following - 1 if last_pitch <= following else following + 1
            elif chord != last_chord or sign == "R":
                pitch = _root(composition, chord, near=last_pitch)
            elif sign == "C":
                pitch = _on_the_way(composition, chord, last_pitch, following)
            else:
                root = _root(composition, chord, near=36)
                sixth_or_seventh = chord.tones[3] if len(chord.tones) > 3 else chord.tones[0] + 9
                tone = {"T": chord.tones[1], "F": chord.tones[2], "S": sixth_or_seventh, "O": chord.tones[0]}[sign]
                above = (tone - chord.tones[0]) % OCTAVE
                pitch = root + (OCTAVE if sign == "O" else above)
            while pitch > BASS_HIGH:
                pitch -= OCTAVE
            strokes.append(Stroke(beat, beats, pitch, SECTION_FORCE[bar.section] * (1.05 if beat % 2 == 0 else 0.95)))
            last_pitch = pitch
            last_chord = chord
    home = _root(composition, composition.bars[-1].chords[0][1], near=last_pitch)
    return [*strokes, Stroke(composition.last_beat, composition.last_beats, home, 1.0)]


def _root(composition: Composition, chord: Chord, *, near: int) -> int:
    """The chord's root in the bass's low register, in the octave nearest to where the line is."""
    root = (composition.tonic + chord.tones[0]) % OCTAVE
    return min((p for p in range(BASS_LOW, BASS_HIGH - 5) if p % OCTAVE == root), key=lambda p: (abs(p - near), p))


def _next_chord(composition: Composition, beat: float) -> Chord:
    changes = [(bar.beat + offset, chord) for bar in composition.bars for offset, chord in bar.chords]
    return next((chord for at, chord in changes if at > beat + 1e-6), changes[-1][1])


def _on_the_way(composition: Composition, chord: Chord, last: int, goal: int) -> int:
    """A chord tone that moves the walking line on towards the next root without repeating a note."""
    tones = {(composition.tonic + tone) % OCTAVE for tone in chord.tones}
    wished = last + (goal - last) / 2 if abs(goal - last) > 2 else last + 4
    reachable = [p for p in range(BASS_LOW, BASS_HIGH + 1) if p % OCTAVE in tones and p != last and abs(p - last) <= 9]
    return min(reachable, key=lambda p: (abs(p - wished), p))


def _voicings(composition: Composition, *, count: int, low: int, high: int) -> dict[float, tuple[int, ...]]:
    """For each chord change, the pitches that continue the previous ones most smoothly."""
    voicings: dict[float, tuple[int, ...]] = {}
    previous: tuple[int, ...] | None = None
    for bar in composition.bars:
        for offset, chord in bar.chords:
            tones = voiced_tones(chord, count=count)
            previous = lead_voices(tones, previous, tonic=composition.tonic, low=low, high=high)
            voicings[bar.beat + offset] = previous
    return voicings


def _spread(position: tuple[int, ...], chord: Chord, composition: Composition, voicing: str) -> tuple[int, ...]:
    if voicing == "power":
        root = POWER_LOW + (composition.tonic + chord.tones[0] - POWER_LOW) % OCTAVE
        fifth, third = ((chord.tones[place] - chord.tones[0]) % OCTAVE for place in (2, 1))
        return (root, root + fifth, root + OCTAVE, root + OCTAVE + third)
    if voicing == "open" and len(position) > 3:
        return tuple(sorted((*position[:-2], position[-2] - OCTAVE, position[-1])))
    return position


def _chords(composition: Composition, bars: Bars, genre: Genre, *, is_lively: bool) -> list[Stroke]:
    voicings = _voicings(composition, count=4, low=CHORDS_LOW, high=CHORDS_HIGH)
    changes = sorted(voicings)
    voicing = genre.voicing if is_lively or genre.voicing != "power" else "close"
    strokes: list[Stroke] = []
    for bar in composition.bars:
        signs = [(composition.last_beat, composition.last_beats, "X")] if bar.section == "last" else _signs(bar, bars)
        for beat, beats, sign in signs:
            # A stroke that is held over the bar line anticipates the next bar's chord.
            meant = min(bar.beat + BEATS, composition.last_beat) if beat + beats > bar.beat + BEATS else beat
            at = max(change for change in changes if change <= meant + 1e-6)
            position = _spread(voicings[at], composition.chord_at(meant), composition, voicing)
            force = FORCES.get(sign, 0.85) * SECTION_FORCE[bar.section]
            if sign.isdigit():
                strokes.append(Stroke(beat, beats, position[int(sign) % len(position)], force))
            else:
                length = beats * 0.5 if sign == "o" else beats
                strokes.extend(Stroke(beat, length, pitch, force) for pitch in position)
    return strokes


def _colour(composition: Composition) -> list[Stroke]:
    """Long chords in the background, for the era's own keyboard."""
    voicings = _voicings(composition, count=3, low=CHORDS_LOW + 5, high=CHORDS_HIGH + 5)
    ends = [*sorted(voicings)[1:], composition.last_beat + composition.last_beats]
    return [
        Stroke(beat, end - beat, pitch, 0.8)
        for (beat, position), end in zip(sorted(voicings.items()), ends, strict=True)
        for pitch in position
    ]


def _sequence(composition: Composition, bars: Bars) -> list[Stroke]:
    voicings = _voicings(composition, count=4, low=CHORDS_LOW, high=CHORDS_HIGH)
    changes = sorted(voicings)
    strokes = []
    for bar in composition.bars[:-1]:
        for beat, beats, sign in _signs(bar, bars):
            position = voicings[max(change for change in changes if change <= beat + 1e-6)]
            force = 1.0 if beat % 1 == 0 else 0.8
            strokes.append(Stroke(beat, beats * 0.7, position[int(sign)] + SEQUENCE_UP, force))
    return strokes


def _drums(composition: Composition, groove: Groove, mood: Mood, *, is_swinging: bool) -> dict[str, list[Stroke]]:
    parts: dict[str, list[Stroke]] = {"kick": [], "snare": [], "cymbals": [], "crash": [], "percussion": []}

    def strike(sound: str, beat: float, force: float) -> None:
        if sound not in mood.left_out:
            parts[_drum_role(sound)].append(Stroke(beat, 0.25, DRUM_PITCHES[sound], force))

    sections = [bar.section for bar in composition.bars]
    for number, bar in enumerate(composition.bars[:-1]):
        is_last_before = number == len(sections) - 2
        leads_on = sections[number + 1] != bar.section  # the last beat of a section is filled, too
        filled_from = bar.beat if is_last_before else bar.beat + BEATS - 1 if leads_on else bar.beat + BEATS
        for sound, rhythm in groove.fill.items():
            for beat, _, sign in _signs(bar, (rhythm,)):
                if beat >= filled_from:
                    strike(sound, beat, FORCES[sign])
        for sound, bars in groove.drums.items():
            for beat, _, sign in _signs(bar, bars):
                if sound not in groove.fill or beat < filled_from:
                    strike(sound, beat, FORCES[sign] * SECTION_FORCE[bar.section])
        for sound, rhythm in mood.percussion.items():
            for beat, _, sign in _signs(bar, (rhythm,)):
                # Sixteenths against swung eighths would trip over each other.
                if bar.section != "intro" and not (is_swinging and beat * 2 % 1):
                    strike(sound, beat, FORCES[sign])
        if mood.is_lively and bar.section != "intro" and (number == 0 or sections[number - 1] != bar.section):
            strike("crash", bar.beat, 0.9)
    if mood.is_lively:
        _count_in(composition, groove, strike=strike)
    strike("kick", composition.last_beat, 1.0)
    strike("crash" if mood.is_lively else "ride", composition.last_beat, 1.0 if mood.is_lively else 0.7)
    return parts


def _drum_role(sound: str) -> str:
    if sound in {"kick", "crash"}:
        return sound
    if sound in CYMBALS:
        return "cymbals"
    return "percussion" if sound in HAND_PERCUSSION else "snare"


def _count_in(composition: Composition, groove: Groove, *, strike: Callable[[str, float, float], None]) -> None:
    """The last beat of the fill stands before the first bar, so that the band enters together."""
    before = Bar(-float(BEATS), "intro", ())
    for sound, rhythm in groove.fill.items():
        for beat, _, sign in _signs(before, (rhythm,)):
            if beat >= -composition.lead_in:
                strike(sound, beat, FORCES[sign] * 0.9)
