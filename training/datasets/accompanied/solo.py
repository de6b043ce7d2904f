"""The melody over a chord sheet: rhythms spread evenly over the bar, pitches drawn along a wave. Output goes to `band`.

Two rules make it. Onsets are Euclidean rhythms, so many strokes laid as evenly as may be on the grid; two of them take
turns. The pitch that is aimed at goes up and down in a slow wave, and a note on a beat takes the chord tone nearest to
it, any other note the scale tone.
"""

from dataclasses import dataclass

import numpy as np

from training.datasets.accompanied.moods import Mood
from training.datasets.accompanied.sheet import Sheet

BEATS = 4
FORMS = ("ABAB", "AABA", "AABB", "ABBA")
SCALES = {"major": (0, 2, 4, 5, 7, 9, 11), "minor": (0, 2, 3, 5, 7, 8, 10)}
BLUES_SCALES = {"major": (0, 2, 3, 4, 7, 9), "minor": (0, 3, 5, 6, 7, 10)}
# Genres that play the blues scale, and genres whose grid is sixteenths.
BLUE = frozenset({"blues", "funk"})
SIXTEENTHS = frozenset({"funk", "electronic"})


@dataclass(frozen=True)
class Note:
    """One note of the solo.

    Attributes:
        bar: From 0.
        beat: Where in the bar it begins, in quarter notes, 0 to 4.
        beats: How long it sounds.
        pitch: MIDI.
        velocity: MIDI.
    """

    bar: int
    beat: float
    beats: float
    pitch: int
    velocity: int


def euclidean(onsets: int, steps: int, *, turn: int = 0) -> tuple[int, ...]:
    """Places of `onsets` strokes spread as evenly as may be over `steps` places, the whole turned to the right.

    Source: Toussaint, The Euclidean algorithm generates traditional musical rhythms, 2005; here by Bresenham's line,
    which gives the same rhythms up to a turn.

    Raises:
        ValueError: If there are more strokes than places.
    """
    if not 0 <= onsets <= steps:
        raise ValueError(f"{onsets} strokes do not fit on {steps} places")
    return tuple(sorted((place * steps // onsets + turn) % steps for place in range(onsets)))


def write_solo(
    sheet: Sheet, *, genre: str, mood: Mood, swing: float, shift: int, rng: np.random.Generator
) -> list[Note]:
    """Write the melody.

    Args:
        sheet: What it goes over; its last bar gets one long note, the tonic.
        genre: Decides grid and scale.
        mood: Decides register, density, dynamics and touch.
        swing: Where the second eighth of a beat falls: 0.5 is straight, 0.67 a triplet.
        shift: Semitones by which the player's instrument lies higher or lower.
        rng: Decides the rest.

    Returns:
        Notes in the order in which they begin.
    """
    steps = 16 if genre in SIXTEENTHS else 8
    rhythms = {
        name: euclidean(int(rng.integers(mood.onsets[0], mood.onsets[1] + 1)), steps, turn=int(rng.integers(steps)))
        for name in "AB"
    }
    form = str(rng.choice(FORMS))
    phase, pace = rng.random(), rng.uniform(0.25, 0.6)
    scale = (BLUES_SCALES if genre in BLUE else SCALES)[sheet.mode]
    middle = mood.middle + shift
    notes: list[Note] = []
    last = middle
    for bar, chords in enumerate(sheet.bars[:-1]):
        places = rhythms[form[bar % len(form)]]
        for position, place in enumerate(places):
            beat = place * BEATS / steps
            until = (places[position + 1] if position + 1 < len(places) else steps) * BEATS / steps
            aimed = middle + mood.reach * np.sin(2 * np.pi * (phase + pace * (bar + beat / BEATS)))
            chord = chords[int(beat * len(chords) / BEATS)]
            is_on_beat = beat == int(beat)
            classes = chord.tones if is_on_beat else tuple((sheet.tonic + step) % 12 for step in scale)
            last = _nearest(float(aimed), classes, avoided=last)
            begins, ends = _swung(beat, swing), _swung(until, swing)
            velocity = mood.velocity + (8 if beat in {0, 2} else 0) + int(rng.integers(-4, 5))
            notes.append(Note(bar, begins, (ends - begins) * mood.touch, last, min(velocity, 127)))
    home = _nearest(float(middle), (sheet.tonic,), avoided=-1)
    notes.append(Note(len(sheet.bars) - 1, 0.0, 3.6, home, mood.velocity))
    return notes


def _nearest(aimed: float, classes: tuple[int, ...], *, avoided: int) -> int:
    """The pitch nearest to the one aimed at among some pitch classes, but not the one just played."""
    candidates = [pitch for pitch in range(round(aimed) - 12, round(aimed) + 13) if pitch % 12 in classes]
    return min((pitch for pitch in candidates if pitch != avoided), key=lambda pitch: abs(pitch - aimed))


def _swung(beat: float, swing: float) -> float:
    whole, part = divmod(beat, 1.0)
    return whole + (part * 2 * swing if part <= 0.5 else swing + (part - 0.5) * 2 * (1 - swing))
