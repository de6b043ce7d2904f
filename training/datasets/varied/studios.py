"""The studios of a decade, as ranges of figures to draw from. `studio` applies what was drawn.

The ranges follow what the machines of the time could do, and overlap: narrow-band tape, springs and discs; dry rooms
and warm tape; digital halls, gates and chorus; clean desks; at last masters as loud as they would go.
"""

from dataclasses import dataclass, fields

import numpy as np

Range = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Studio:
    """A production chain as it was drawn, in the order in which sound passes it.

    Attributes:
        room_seconds: Time in which the reverberation falls by 60 dB.
        room_before: Seconds until it sets in.
        room_low: Lower edge of its band in Hz.
        room_high: Upper edge.
        room_level: In the mix, in dB against the dry sound.
        gate: Level in dB of a gated burst behind the snare; -60 is none.
        chorus: Depth in milliseconds of the modulated delay on chords; 0 is none.
        drive: How hard tape or desk is driven; 0 is clean.
        wow: Peak change of speed, as a share.
        threshold: Of the compressor, in dB against the mean level.
        ratio: Of the compressor.
        low_shelf: At 130 Hz, in dB.
        high_shelf: At 4 kHz, in dB.
        presence: Peak at 2.2 kHz, in dB.
        low_cut: Lower edge of the band in Hz.
        high_cut: Upper edge.
        slope: Order of the upper edge's filter, rounded.
        hiss: Level of tape hiss in dB against the music; -90 is none.
        crackle: Clicks of a disc per second.
        crest: How far peaks may stand above the mean level, in dB.
    """

    room_seconds: float
    room_before: float
    room_low: float
    room_high: float
    room_level: float
    gate: float
    chorus: float
    drive: float
    wow: float
    threshold: float
    ratio: float
    low_shelf: float
    high_shelf: float
    presence: float
    low_cut: float
    high_cut: float
    slope: float
    hiss: float
    crackle: float
    crest: float


@dataclass(frozen=True, kw_only=True)
class Decade:
    """What is drawn from.

    Attributes:
        years: First and last.
        kits: Programs of acoustic drum kits, in bank 128.
        machines: Programs of drum machines.
        ranges: Of each figure of a `Studio`, from its least to its most.
    """

    years: tuple[int, int]
    kits: tuple[int, ...]
    machines: tuple[int, ...]
    ranges: dict[str, Range]


STANDARD, ROOM, POWER, ELECTRONIC, TR_808, JAZZ, BRUSH = 0, 8, 16, 24, 25, 32, 40
_CLEAN: dict[str, Range] = {
    "gate": (-60, -60),
    "chorus": (0, 0),
    "wow": (0, 0),
    "hiss": (-90, -70),
    "crackle": (0, 0),
    "slope": (1, 3),
    "presence": (-2, 2),
}

DECADES: dict[str, Decade] = {
    "60s": Decade(
        years=(1960, 1969),
        kits=(JAZZ, STANDARD, JAZZ),
        machines=(TR_808,),
        ranges=_CLEAN
        | {
            "room_seconds": (0.8, 2.2),
            "room_before": (0.005, 0.03),
            "room_low": (180, 350),
            "room_high": (2500, 5000),
            "room_level": (-16, -9),
            "drive": (0.8, 2.4),
            "wow": (0.0004, 0.0022),
            "threshold": (-3, 1),
            "ratio": (1.6, 3),
            "low_shelf": (-4, 1),
            "high_shelf": (-4, 0),
            "presence": (0, 4),
            "low_cut": (70, 150),
            "high_cut": (3600, 6800),
            "slope": (2, 4),
            "hiss": (-48, -36),
            "crackle": (-6, 12),
            "crest": (12, 15),
        },
    ),
    "70s": Decade(
        years=(1970, 1979),
        kits=(STANDARD, STANDARD, ROOM),
        machines=(TR_808,),
        ranges=_CLEAN
        | {
            "room_seconds": (0.3, 1.1),
            "room_before": (0.0, 0.012),
            "room_low": (150, 300),
            "room_high": (4500, 7500),
            "room_level": (-24, -15),
            "drive": (0.5, 1.4),
            "wow": (0.0, 0.0009),
            "threshold": (-2, 1),
            "ratio": (2, 3.5),
            "low_shelf": (1, 4.5),
            "high_shelf": (-6, -0.5),
            "low_cut": (40, 65),
            "high_cut": (6500, 10200),
            "slope": (1, 2.4),
            "hiss": (-58, -45),
            "crackle": (-6, 2),
            "crest": (11.5, 14),
        },
    ),
    "80s": Decade(
        years=(1980, 1989),
        kits=(POWER, POWER, ELECTRONIC),
        machines=(ELECTRONIC, TR_808),
        ranges=_CLEAN
        | {
            "room_seconds": (1.8, 3.4),
            "room_before": (0.02, 0.055),
            "room_low": (250, 450),
            "room_high": (8000, 10400),
            "room_level": (-12.5, -7),
            "gate": (-14, -1),
            "chorus": (0.8, 3.4),
            "drive": (0, 0.15),
            "threshold": (0, 2),
            "ratio": (1.3, 2.3),
            "low_shelf": (-5, -1),
            "high_shelf": (3, 7),
            "low_cut": (50, 90),
            "high_cut": (10200, 10400),
            "crest": (12.5, 15),
        },
    ),
    "90s": Decade(
        years=(1990, 1999),
        kits=(ROOM, STANDARD, ROOM),
        machines=(TR_808, ELECTRONIC),
        ranges=_CLEAN
        | {
            "room_seconds": (0.7, 1.5),
            "room_before": (0.008, 0.025),
            "room_low": (200, 350),
            "room_high": (6500, 9500),
            "room_level": (-17, -12),
            "drive": (0, 0.4),
            "threshold": (-2, 1),
            "ratio": (2, 3.4),
            "low_shelf": (0, 2.5),
            "high_shelf": (0.5, 3.5),
            "low_cut": (28, 45),
            "high_cut": (10200, 10400),
            "crest": (10.5, 13.5),
        },
    ),
    "00s": Decade(
        years=(2000, 2009),
        kits=(ROOM, STANDARD, POWER),
        machines=(TR_808, ELECTRONIC),
        ranges=_CLEAN
        | {
            "room_seconds": (0.2, 0.6),
            "room_before": (0.0, 0.008),
            "room_low": (200, 400),
            "room_high": (7000, 10000),
            "room_level": (-26, -18),
            "drive": (0.1, 0.6),
            "threshold": (-9, -5),
            "ratio": (4, 9),
            "low_shelf": (3, 6.5),
            "high_shelf": (1.5, 4.5),
            "low_cut": (20, 34),
            "high_cut": (10200, 10400),
            "crest": (6.5, 9),
        },
    ),
}


def draw_studio(era: str, *, rng: np.random.Generator) -> Studio:
    """Every figure evenly from its decade's range."""
    ranges = DECADES[era].ranges
    return Studio(**{field.name: float(rng.uniform(*ranges[field.name])) for field in fields(Studio)})
