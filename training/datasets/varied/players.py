"""Parts sounded on soundfonts, no two players alike. Input from `band`, output to `studio`.

Free banks of General-MIDI sounds are few, and a model would soon know their samples by heart. So an instrument's body
is made larger or smaller: its notes are played lower or higher and the sound is read faster or slower, which moves its
formants and its attack and leaves the notes where they were. And a part may be doubled by another member of its family.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from training.datasets.rendered.effects import Sound
from training.datasets.rendered.performance import DRUM_BANK
from training.datasets.rendered.score import DRUM_ROLES, Note, Part
from training.datasets.varied.families import FAMILIES
from training.datasets.varied.studio import SAMPLE_RATE
from training.datasets.varied.studios import STANDARD

LOWEST_KEY, HIGHEST_KEY = 12, 115

RESIZED, DOUBLED = 0.7, 0.2  # how often
LARGEST_RESIZING = 5  # semitones
# A drum kit's keys are its drums, so only its sound is read faster or slower.
LARGEST_RETUNING = 3.0
# Of the rational numbers by which sound is read faster: whole semitones are met within three hundredths of one.
LARGEST_DENOMINATOR = 40


class Bank(Protocol):
    """Sounds under General MIDI's numbers: a soundfont, or a set of patches."""

    def has(self, program: int, *, bank: int = 0) -> bool:
        """Whether it has a sound under that number."""

    def sound(self, part: Part, *, seconds: float) -> NDArray[np.float64]:
        """One part alone, `(channels, samples)` at `studio.SAMPLE_RATE`."""


@dataclass(frozen=True)
class Studios:
    """What plays.

    Attributes:
        banks: At `studio.SAMPLE_RATE`; each piece draws one for its band and one for its drums.
        mma: MMA's command.
    """

    banks: Sequence[Bank]
    mma: Path


def sound_parts(
    parts: Mapping[str, Part], instrument: str, studios: Studios, *, seconds: float, rng: np.random.Generator
) -> dict[str, Sound]:
    """Sound every part by itself.

    Args:
        parts: Of each role.
        instrument: The family of lead and chords.
        studios: What plays.
        seconds: Length of every stem.
        rng: Of banks, sizes and doublings.

    Returns:
        Role to stem, `(1, samples)`; a part of which nothing is heard is left out.
    """
    banks = studios.banks
    band, drums = (banks[int(rng.integers(len(banks)))] for _ in range(2))
    tuning = float(rng.uniform(-LARGEST_RETUNING, LARGEST_RETUNING)) if rng.random() < RESIZED else 0.0
    stems = {}
    for role, part in parts.items():
        if role in DRUM_ROLES:
            kit = part if drums.has(part.program, bank=DRUM_BANK) else replace(part, program=STANDARD)
            stem = _resized(kit, drums, tuning, seconds=seconds)
        else:
            stem = _resized(part, _that_has(part.program, band, banks), _size(rng), seconds=seconds)
            if role in {"lead", "chords"} and rng.random() < DOUBLED:
                family = FAMILIES[instrument]
                programs = family.leads if role == "lead" else family.chords
                second = replace(part, program=int(rng.choice(programs)))
                other = _that_has(second.program, banks[int(rng.integers(len(banks)))], banks)
                stem = stem + float(rng.uniform(0.3, 1)) * _resized(second, other, _size(rng), seconds=seconds)
        if stem.any():
            stems[role] = stem
    return stems


def _that_has(program: int, drawn: Bank, banks: Sequence[Bank]) -> Bank:
    """The bank that was drawn or, if it lacks the program, the first that has it."""
    return next((bank for bank in (drawn, *banks) if bank.has(program)), drawn)


def _size(rng: np.random.Generator) -> int:
    return int(rng.integers(-LARGEST_RESIZING, LARGEST_RESIZING + 1)) if rng.random() < RESIZED else 0


def _resized(part: Part, bank: Bank, semitones: float, *, seconds: float) -> Sound:
    """The part as it stands, by an instrument that is smaller by so many semitones (larger if negative)."""
    samples = round(seconds * SAMPLE_RATE)
    if not semitones:
        return np.asarray(bank.sound(part, seconds=seconds).mean(axis=0, keepdims=True)[:, :samples])
    # Read faster by this factor, what is played so many semitones lower and so much slower is in place again.
    ratio = Fraction(2 ** (semitones / 12)).limit_denominator(LARGEST_DENOMINATOR)
    faster = float(ratio)
    lower = 0 if part.bank == DRUM_BANK else round(semitones)
    notes = tuple(
        Note(
            note.start * faster,
            note.seconds * faster,
            min(max(note.pitch - lower, LOWEST_KEY), HIGHEST_KEY),
            note.velocity,
        )
        for note in part.notes
    )
    slow = bank.sound(replace(part, notes=notes), seconds=seconds * faster).mean(axis=0, keepdims=True)
    fast = signal.resample_poly(slow, ratio.denominator, ratio.numerator, axis=1)[:, :samples]
    return np.pad(fast, ((0, 0), (0, samples - fast.shape[1])))
