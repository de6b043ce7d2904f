"""A chord sheet: what the band reads. The first step of a piece; `solo` writes a melody over it, `score` spells it out.

Chords are not picked from a list of songs but grown: a phrase walks between rest, departure and tension, and a genre
says with which degrees it rests, departs and strains. A sheet is kept as a seed, so one sheet can be had in every genre
and mode.
"""

from dataclasses import dataclass

import numpy as np

NOTES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")

# Semitones above the tonic, and the triad that stands there.
DEGREES: dict[str, dict[str, tuple[int, str]]] = {
    "major": {
        "1": (0, ""),
        "2": (2, "m"),
        "3": (4, "m"),
        "4": (5, ""),
        "5": (7, ""),
        "6": (9, "m"),
        "b7": (10, ""),
    },
    "minor": {
        "1": (0, "m"),
        "2": (2, "m7b5"),
        "3": (3, ""),
        "4": (5, "m"),
        "5": (7, "m"),
        "6": (8, ""),
        "b7": (10, ""),
    },
}

# Where a phrase may go from rest (T), departure (S) and tension (D).
WALK = {"T": "TSSD", "S": "SDDT", "D": "TTTS"}

# Each genre's bars for the three, in both modes: one chord, or two that share the bar.
BARS: dict[str, dict[str, tuple[tuple[str, ...], ...]]] = {
    "rock": {"T": (("1",), ("1",), ("6",)), "S": (("4",), ("b7",), ("b7", "4")), "D": (("5",), ("b7",))},
    "electronic": {"T": (("1",), ("6",)), "S": (("4",), ("6",), ("3",)), "D": (("b7",), ("5",))},
    "jazz": {"T": (("1", "6"), ("1",), ("3", "6")), "S": (("2", "5"), ("4", "b7")), "D": (("2", "5"), ("5",))},
    "country": {"T": (("1",),), "S": (("4",), ("4", "1")), "D": (("5",), ("1", "5"))},
    "blues": {"T": (("1",),), "S": (("4",),), "D": (("5", "4"), ("5",))},
    "funk": {"T": (("1",), ("1", "4")), "S": (("1", "4"), ("1",)), "D": (("1", "b7"), ("4",))},
}

# How richly a genre's chords are stacked: 0 triads, 1 sevenths, 2 ninths.
RICHNESS = {"rock": 0, "electronic": 0, "jazz": 1, "country": 0, "blues": 1, "funk": 2}
# Genres whose major chords are all of the dominant kind.
DOMINANT = frozenset({"blues", "funk"})
TRIADS = {"": (0, 4, 7), "m": (0, 3, 7), "m7b5": (0, 3, 6)}


@dataclass(frozen=True)
class Chord:
    """One chord of a bar.

    Attributes:
        root: Pitch class, 0 for C.
        symbol: As MMA spells it, such as `Ebm7`.
        tones: Pitch classes of its triad, the root first.
    """

    root: int
    symbol: str
    tones: tuple[int, ...]


@dataclass(frozen=True)
class Sheet:
    """What the band reads.

    Attributes:
        tonic: Pitch class of the key.
        mode: `major` or `minor`.
        bars: One or two chords to each bar of four beats; the last bar rests on the tonic.
    """

    tonic: int
    mode: str
    bars: tuple[tuple[Chord, ...], ...]


def write_sheet(genre: str, mode: str, *, bars: int, enrichment: int, rng: np.random.Generator) -> Sheet:
    """Grow a sheet.

    Args:
        genre: A key of `BARS`.
        mode: `major` or `minor`.
        bars: How many, 2 at least.
        enrichment: Thirds stacked upon the genre's usual chords.
        rng: The same state gives the same key and the same walk in every genre and mode.
    """
    tonic = int(rng.integers(12))
    walk, choices = "T", rng.random(bars)
    for _ in range(bars - 1):
        walk += WALK[walk[-1]][int(rng.integers(4))]
    # The bar before the last leads home.
    walk = walk[: bars - 2] + "DT"
    written = []
    for number, place in enumerate(walk):
        options = BARS[genre][place]
        degrees = options[int(choices[number] * len(options))]
        if number in {0, bars - 1}:
            degrees = ("1",)
        written.append(tuple(_chord(degree, tonic, genre, mode, RICHNESS[genre] + enrichment) for degree in degrees))
    return Sheet(tonic, mode, tuple(written))


def _chord(degree: str, tonic: int, genre: str, mode: str, richness: int) -> Chord:
    above, triad = DEGREES[mode][degree]
    root = (tonic + above) % 12
    is_dominant = triad == "" and (genre in DOMINANT or degree in {"5", "b7"})
    # Sixths and ninths of chords that are borrowed would clash with the melody: these stop at the seventh.
    stacked = min(richness, 1) if degree == "b7" else min(richness, 2)
    if triad == "m7b5" or stacked == 0:
        suffix = triad
    elif is_dominant:
        suffix = "79"[stacked - 1]
    else:
        suffix = ("m" if triad == "m" else "M") + "79"[stacked - 1]
    return Chord(root, NOTES[root] + suffix, tuple((root + tone) % 12 for tone in TRIADS[triad]))
