"""A score: which sound plays which note when. Made by `performance`, sounded by `synthesis`, mixed by `production`."""

import hashlib
from dataclasses import dataclass

from training.datasets.rendered.factors import Factors

# What a part does in the ensemble. The mix and the studio treat each role in its own way.
ROLES = ("lead", "chords", "bass", "kick", "snare", "cymbals", "crash", "percussion", "colour", "sequence")
DRUM_ROLES = ("kick", "snare", "cymbals", "crash", "percussion")

# Two notes of one pitch in one part may not touch: the synthesiser's note-off would silence both.
RETRIGGER_GAP = 0.004


@dataclass(frozen=True, order=True)
class Note:
    """One note: start and length in seconds from the beginning of the piece, MIDI pitch and velocity (1 to 127)."""

    start: float
    seconds: float
    pitch: int
    velocity: int


@dataclass(frozen=True)
class Part:
    """All notes of one role, played by one General-MIDI program. Bank 128 holds the drum kits."""

    role: str
    program: int
    notes: tuple[Note, ...]
    bank: int = 0

    def events(self, *, per_second: int) -> list[tuple[int, int, int, int]]:
        """What a synthesiser is told, in order: when, 1 if a note begins or 0 if it ends, pitch, and velocity.

        At one instant, notes end before others begin.

        Args:
            per_second: Units of time to a second.
        """
        return sorted(
            [(round(note.start * per_second), 1, note.pitch, note.velocity) for note in self.notes]
            + [(round((note.start + note.seconds) * per_second), 0, note.pitch, 0) for note in self.notes]
        )


@dataclass(frozen=True)
class Score:
    """A piece before it sounds.

    Attributes:
        factors: What it was written to be.
        tempo: Quarter notes per minute.
        seconds: Length of the finished piece, its fade included.
        parts: At most one per role, in the order of `ROLES`.
    """

    factors: Factors
    tempo: float
    seconds: float
    parts: tuple[Part, ...]

    def part(self, role: str) -> Part:
        """The part with this role.

        Raises:
            KeyError: If nobody plays it.
        """
        for part in self.parts:
            if part.role == role:
                return part
        raise KeyError(role)

    def fingerprint(self) -> str:
        """SHA-256 of all notes, times rounded to a tenth of a millisecond: equal for equal music on any machine."""
        digest = hashlib.sha256(f"{self.tempo:.3f} {self.seconds:.4f}\n".encode())
        for part in self.parts:
            digest.update(f"{part.role} {part.bank} {part.program}\n".encode())
            for note in part.notes:
                digest.update(f"{note.start:.4f} {note.seconds:.4f} {note.pitch} {note.velocity}\n".encode())
        return digest.hexdigest()


def without_overlaps(notes: list[Note]) -> tuple[Note, ...]:
    """The notes in time order; a note still sounding when its own pitch is struck again ends just before.

    A note struck within `RETRIGGER_GAP` of the same pitch's last strike is left out: it could not be heard apart.
    """
    kept: list[Note] = []
    sounding: dict[int, int] = {}
    for note in sorted(notes):
        at = sounding.get(note.pitch)
        if at is not None:
            before = kept[at]
            free = note.start - before.start - RETRIGGER_GAP
            if free <= RETRIGGER_GAP:
                continue
            if before.seconds > free:
                kept[at] = Note(before.start, free, before.pitch, before.velocity)
        sounding[note.pitch] = len(kept)
        kept.append(note)
    return tuple(kept)
