"""Which General-MIDI programs play lead and accompaniment for each value of the instrument factor.

A genre may choose within the family (rock's guitar is overdriven, country's has steel strings); lead and chords never
leave it. Read by `performance`.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Voice:
    """One sound: its program, and the time it takes to speak, by which its player comes early."""

    program: int
    speaks: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Ensemble:
    """The sounds of one instrument family.

    Attributes:
        lead: Plays the tune.
        chords: Accompanies.
        lead_in_genre: Other leads for single genres.
        chords_in_genre: Other accompaniments for single genres.
        strum: Seconds from one voice of a struck chord to the next.
        level: The accompaniment in the mix against the genre's usual, in dB.
    """

    lead: Voice
    chords: Voice
    lead_in_genre: dict[str, Voice] = field(default_factory=dict)
    chords_in_genre: dict[str, Voice] = field(default_factory=dict)
    strum: float = 0.0
    level: float = 0.0

    def lead_for(self, genre: str) -> Voice:
        """The lead sound in this genre."""
        return self.lead_in_genre.get(genre, self.lead)

    def chords_for(self, genre: str) -> Voice:
        """The accompanying sound in this genre."""
        return self.chords_in_genre.get(genre, self.chords)


NYLON, STEEL, JAZZ_GUITAR = Voice(program=24), Voice(program=25), Voice(program=26)
CLEAN, OVERDRIVE, DISTORTION = Voice(program=27), Voice(program=29, speaks=0.008), Voice(program=30)
GRAND, BRIGHT_GRAND = Voice(program=0), Voice(program=1)
# Time from the key to the bow's sound, measured as the time to 6 dB below the steady level.
VIOLIN, FIDDLE = Voice(program=40, speaks=0.055), Voice(program=110, speaks=0.055)
STRING_SECTION = Voice(program=48, speaks=0.045)
TRUMPET, BRASS_SECTION = Voice(program=56, speaks=0.006), Voice(program=61, speaks=0.012)
SAW, SQUARE, POLYSYNTH = Voice(program=81), Voice(program=80), Voice(program=90, speaks=0.025)

ENSEMBLES: dict[str, Ensemble] = {
    "guitar": Ensemble(
        lead=CLEAN,
        chords=STEEL,
        lead_in_genre={"rock": OVERDRIVE, "jazz": JAZZ_GUITAR, "country": STEEL, "blues": OVERDRIVE},
        chords_in_genre={"rock": DISTORTION, "jazz": JAZZ_GUITAR, "electronic": CLEAN, "funk": CLEAN, "blues": CLEAN},
        strum=0.009,
    ),
    "piano": Ensemble(lead=BRIGHT_GRAND, chords=GRAND, chords_in_genre={"electronic": BRIGHT_GRAND}),
    "strings": Ensemble(
        lead=VIOLIN,
        chords=STRING_SECTION,
        lead_in_genre={"country": FIDDLE, "electronic": STRING_SECTION},
        level=-1.0,
    ),
    "brass": Ensemble(lead=TRUMPET, chords=BRASS_SECTION, level=-2.0),
    "synth": Ensemble(lead=SAW, chords=POLYSYNTH, lead_in_genre={"jazz": SQUARE, "country": SQUARE}, level=-1.0),
}
