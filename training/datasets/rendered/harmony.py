"""Scales, chords and the leading of voices. `composition` writes with these, `arrangement` voices them.

Notes of the scale are counted from 0 (tonic) to 6 (leading note); a chord's tones are counted in semitones above the
tonic, so nothing here knows the key.
"""

from dataclasses import dataclass
from itertools import pairwise

OCTAVE = 12
LETTERS = 7
SEVENTH_CHORD = 4

Scale = tuple[int, ...]

SCALES: dict[str, Scale] = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
    "minor": (0, 2, 3, 5, 7, 8, 10),
}


@dataclass(frozen=True)
class Chord:
    """Stacked thirds: the letter of the root (0 to 6) and the tones from the root up, in semitones above the tonic."""

    root: int
    tones: tuple[int, ...]

    @property
    def letters(self) -> tuple[int, ...]:
        """The scale letters of the tones, root first."""
        return tuple((self.root + 2 * third) % LETTERS for third in range(len(self.tones)))

    def scale_over(self, scale: Scale) -> Scale:
        """The key's scale with the chord's own tones in place of the letters it alters."""
        letters = list(scale)
        for letter, tone in zip(self.letters, self.tones, strict=True):
            letters[letter] = tone
        return tuple(letters)


def diatonic(scale: Scale, root: int, *, size: int) -> Chord:
    """The chord of `size` tones that the scale itself builds on this letter."""
    return Chord(root, tuple(scale[(root + 2 * third) % LETTERS] for third in range(size)))


def dominant(root_tone: int, root: int, *, size: int) -> Chord:
    """A dominant chord on any tone: major third, fifth, minor seventh, ninth. It pulls a fifth down."""
    return Chord(root, tuple((root_tone + step) % OCTAVE for step in (0, 4, 7, 10, 2)[:size]))


def chord_from(symbol: str, scale: Scale, *, size: int, bluesy: bool = False) -> Chord:
    """Reads one chord symbol.

    Args:
        symbol: A degree "1" to "7", or "d" and a degree for that degree's own dominant. "5" is a dominant in every
            mode, so that a minor key has its leading note.
        scale: The key's scale.
        size: Number of tones, 3 to 5.
        bluesy: Chords on 1 and 4 are dominant sevenths in a major key, too.
    """
    degree = int(symbol[-1]) - 1
    if symbol.startswith("d"):
        return dominant((scale[degree] + 7) % OCTAVE, (degree + 4) % LETTERS, size=max(size, SEVENTH_CHORD))
    if symbol == "5":
        return dominant(scale[4], 4, size=size)
    is_major = scale[2] == SCALES["major"][2]
    if bluesy and is_major and symbol in {"1", "4"}:
        return dominant(scale[degree], degree, size=max(size, SEVENTH_CHORD))
    return diatonic(scale, degree, size=size)


def voiced_tones(chord: Chord, *, count: int) -> tuple[int, ...]:
    """Which tones to play when the bass has the root: the third and the colour first, the root only to fill up."""
    root, third, fifth, *colour = chord.tones
    order = [third, *colour, fifth, root] if colour else [root, third, fifth]
    if len(order) < count:
        order = order + [root] * (count - len(order))
    return tuple(order[:count])


def lead_voices(
    tones: tuple[int, ...], previous: tuple[int, ...] | None, *, tonic: int, low: int, high: int
) -> tuple[int, ...]:
    """The position of a chord that moves its voices least from the one before.

    Args:
        tones: Semitones above the tonic, one per voice.
        previous: MIDI pitches of the chord before, lowest first; None at the beginning.
        tonic: Any MIDI pitch of the tonic.
        low: Lowest MIDI pitch allowed.
        high: Highest MIDI pitch allowed.

    Returns:
        MIDI pitches, lowest first.

    Raises:
        ValueError: If no position fits between `low` and `high`.
    """
    centre = (low + high) / 2
    best, least = None, float("inf")
    classes = sorted({(tonic + tone) % OCTAVE for tone in tones})
    for turn in range(len(classes)):
        turned = classes[turn:] + classes[:turn]
        for base in range(low + (turned[0] - low) % OCTAVE, high + 1, OCTAVE):
            position = [base]
            for pitch_class in turned[1:]:
                position.append(position[-1] + (pitch_class - position[-1]) % OCTAVE)
            if len(position) < len(tones):
                position.append(position[0] + OCTAVE)
            if position[-1] > high:
                continue
            # A semitone at the bottom of a chord sounds like a mistake in this register.
            rub = sum(2.0 for a, b in pairwise(position) if b - a == 1)
            strain = abs(sum(position) / len(position) - centre)
            moved = 0.0
            if previous is not None:
                moved = sum(min(abs(p - q) for q in previous) for p in position) + abs(position[-1] - previous[-1])
            cost = moved + 0.35 * strain + rub
            if cost < least:
                best, least = tuple(position), cost
    if best is None:
        raise ValueError(f"no position of {tones} lies between {low} and {high}; give it two octaves")
    return best
