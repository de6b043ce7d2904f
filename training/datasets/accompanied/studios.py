"""What an era's records sound like, as figures. `studio` reads them; `score`'s band gets its drum kit from here.

They follow what was to be had: one-track tape, valves and a spring; dry rooms and wide tape; the first digital halls,
and choruses on everything; clean digital desks; at last masters as loud as they would go.
"""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Hall:
    """A reverberation.

    Attributes:
        seconds: Time to fall by 60 dB.
        size: Length of its longest way, in seconds.
        damping: Share of the treble that each way round takes, 0 to 1.
        level: In the mix, in dB against the dry sound.
        pre_delay: Seconds before it sets in.
    """

    seconds: float
    size: float
    damping: float
    level: float
    pre_delay: float


@dataclass(frozen=True, kw_only=True)
class Era:
    """One decade.

    Attributes:
        years: First and last.
        kit: Program of the acoustic drums.
        machine: Program of the drum machine.
        curve: Frequency response, (Hz, dB) from low to high.
        width: Of the stereo picture: 0 mono, 1 as mixed.
        warmth: How hard valves or tape are driven; 0 not at all.
        ensemble: Depth of the chorus in milliseconds; 0 for none.
        hall: The reverberation.
        squeeze: Ratio of the compressor.
        flutter: Share by which the tape's speed wavers.
        hiss: Level of the tape's noise in dB against the music; None for none.
        crest: How far peaks may stand above the mean level, in dB.
    """

    years: tuple[int, int]
    kit: int
    machine: int
    curve: tuple[tuple[float, float], ...]
    width: float
    warmth: float = 0.0
    ensemble: float = 0.0
    hall: Hall
    squeeze: float
    flutter: float = 0.0
    hiss: float | None = None
    crest: float


STANDARD_KIT, ROOM_KIT, POWER_KIT, ELECTRONIC_KIT, TR_808, JAZZ_KIT = 0, 8, 16, 24, 25, 32

ERAS: dict[str, Era] = {
    "60s": Era(
        years=(1960, 1969),
        kit=JAZZ_KIT,
        machine=TR_808,
        curve=((40, -30), (90, -10), (160, 0), (900, 1), (2500, 3), (4200, 0), (6000, -16), (9000, -45)),
        width=0.05,
        warmth=1.6,
        hall=Hall(seconds=1.6, size=0.045, damping=0.6, level=-12, pre_delay=0.02),
        squeeze=2.0,
        flutter=0.0012,
        hiss=-40,
        crest=14,
    ),
    "70s": Era(
        years=(1970, 1979),
        kit=STANDARD_KIT,
        machine=TR_808,
        curve=((25, -20), (50, 0), (110, 3), (350, 3), (2000, 0), (4000, -4), (7500, -12), (11000, -30)),
        width=0.65,
        warmth=0.8,
        hall=Hall(seconds=0.5, size=0.03, damping=0.5, level=-22, pre_delay=0.0),
        squeeze=2.5,
        flutter=0.0006,
        hiss=-48,
        crest=13,
    ),
    "80s": Era(
        years=(1980, 1989),
        kit=POWER_KIT,
        machine=ELECTRONIC_KIT,
        curve=((30, -20), (70, -4), (160, -3), (500, -2), (2500, 1), (6000, 5), (12000, 6), (17000, -10)),
        width=1.25,
        ensemble=2.6,
        hall=Hall(seconds=2.8, size=0.085, damping=0.12, level=-9, pre_delay=0.04),
        squeeze=1.6,
        crest=14,
    ),
    "90s": Era(
        years=(1990, 1999),
        kit=ROOM_KIT,
        machine=ELECTRONIC_KIT,
        curve=((20, -12), (40, 0), (90, 1.5), (400, -1), (3000, 1), (8000, 3), (15500, 1), (18000, -20)),
        width=0.9,
        hall=Hall(seconds=1.2, size=0.05, damping=0.3, level=-13, pre_delay=0.012),
        squeeze=2.2,
        crest=13,
    ),
    "00s": Era(
        years=(2000, 2009),
        kit=ROOM_KIT,
        machine=ELECTRONIC_KIT,
        curve=((20, -6), (35, 4), (80, 5), (300, -1), (1500, -1.5), (4000, 2), (9000, 3.5), (17500, 2), (20000, -20)),
        width=1.0,
        warmth=0.3,
        hall=Hall(seconds=0.35, size=0.02, damping=0.4, level=-24, pre_delay=0.0),
        squeeze=6.0,
        crest=7.5,
    ),
}
