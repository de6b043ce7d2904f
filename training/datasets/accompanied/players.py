"""Who plays: General-MIDI programs of each value of the instrument factor. Read by `band`.

Solo and chords are always of one family, and nothing else but bass and drums is heard. Any player of the family may
turn up in any genre.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Player:
    """One sound.

    Attributes:
        program: General MIDI, from 0.
        shift: Semitones its solos lie higher or lower than a violin's.
    """

    program: int
    shift: int = 0


@dataclass(frozen=True)
class Family:
    """One value of the factor: who can play its solos, and who its chords."""

    solos: tuple[Player, ...]
    chords: tuple[Player, ...]


NYLON, STEEL, JAZZ, CLEAN = Player(24, -5), Player(25, -5), Player(26, -5), Player(27, -5)
OVERDRIVEN = Player(29, -5)

FAMILIES: dict[str, Family] = {
    "guitar": Family((NYLON, STEEL, JAZZ, CLEAN, OVERDRIVEN), (NYLON, STEEL, JAZZ, CLEAN)),
    "piano": Family((Player(0), Player(1), Player(2)), (Player(0), Player(1), Player(2))),
    "strings": Family((Player(40), Player(41, -5), Player(48)), (Player(48), Player(49))),
    "brass": Family((Player(56), Player(57, -12), Player(61, -5)), (Player(61), Player(60))),
    "synth": Family((Player(80), Player(81), Player(87)), (Player(90), Player(81))),
}
