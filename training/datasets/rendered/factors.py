"""The four factors of a rendered piece and their values. Every other module keys its tables by these names.

The factors are independent: any genre can be had in any mood, on any instrument, from any era. A value that is one of
the fifty Last.fm tags has exactly that tag's spelling, so the value is the tag.
"""

import difflib
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from itertools import product

GENRES = ("rock", "electronic", "jazz", "country", "blues", "funk")
MOODS = ("happy", "sad", "party", "chillout")
INSTRUMENTS = ("guitar", "piano", "strings", "brass", "synth")
ERAS = ("60s", "70s", "80s", "90s", "00s")

VALUES = {"genre": GENRES, "mood": MOODS, "instrument": INSTRUMENTS, "era": ERAS}


class UnknownFactorValueError(ValueError):
    """A factor was given a value it does not have."""

    def __init__(self, factor: str, found: str) -> None:
        known = VALUES[factor]
        near = difflib.get_close_matches(found, known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        super().__init__(f"{factor} {found!r} is not one of {', '.join(known)}{hint}")
        self.factor = factor
        self.found = found


@dataclass(frozen=True, kw_only=True)
class Factors:
    """What a piece is to be: one value per dimension.

    Raises:
        UnknownFactorValueError: If a value is not in `VALUES`.
    """

    genre: str
    mood: str
    instrument: str
    era: str

    def __post_init__(self) -> None:
        for factor, known in VALUES.items():
            if getattr(self, factor) not in known:
                raise UnknownFactorValueError(factor, getattr(self, factor))

    @property
    def tags(self) -> tuple[str, ...]:
        """The four values, in the order genre, mood, instrument, era."""
        return tuple(getattr(self, field.name) for field in fields(self))

    def changed(self, factor: str, value: str) -> "Factors":
        """The same piece in all but one factor.

        Raises:
            UnknownFactorValueError: If the factor does not have that value.
        """
        return replace(self, **{factor: value})

    def differing(self, other: "Factors") -> tuple[str, ...]:
        """Names of the factors in which two pieces differ."""
        return tuple(factor for factor in VALUES if getattr(self, factor) != getattr(other, factor))


def all_factors() -> Iterator[Factors]:
    """Every combination, genre slowest and era fastest."""
    for genre, mood, instrument, era in product(GENRES, MOODS, INSTRUMENTS, ERAS):
        yield Factors(genre=genre, mood=mood, instrument=instrument, era=era)
