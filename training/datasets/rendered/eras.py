"""What an era sounds like: its drum kits, basses and keyboards, and its studio.

`performance` reads the sounds, `production` the studio. The figures follow what the machines of the time could do:
tape and disc lost the top and added noise, the eighties had digital halls, gates and chorus, the new century had loud,
wide and clean masters.
"""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Room:
    """A reverberation.

    Attributes:
        seconds: Time to fall by 60 dB.
        before: Seconds until the first reflection.
        low: Lower edge of its band in Hz.
        high: Upper edge of its band in Hz.
        level: In the mix, in dB against the dry sound.
        is_spring: Whether it flutters like a spring tank.
    """

    seconds: float
    before: float
    low: float
    high: float
    level: float
    is_spring: bool = False


@dataclass(frozen=True, kw_only=True)
class Studio:
    """A production chain, in the order in which sound passes it.

    Attributes:
        room: The reverberation everything shares.
        gate: Level in dB of a gated burst behind the snare; None for none.
        chorus: Depth in seconds of the modulated delay on chords and colour.
        width: Stereo width; 0 is mono, 1 the mixing desk's own panorama.
        low_cut: Lower edge of the band in Hz.
        high_cut: Upper edge of the band in Hz.
        shelves: Low shelf at 120 Hz and high shelf at 5 kHz, in dB.
        drive: How hard tape or desk is driven; 0 is clean.
        wow: Peak change of speed, as a share.
        threshold: Of the compressor, in dB against the mean level.
        ratio: Of the compressor.
        hiss: Level of tape hiss in dB against the music; None for none.
        crackle: Clicks of a disc per second.
        ceiling: How far above the mean level peaks may stand, in dB.
    """

    room: Room
    gate: float | None = None
    chorus: float = 0.0
    width: float
    low_cut: float
    high_cut: float
    shelves: tuple[float, float] = (0.0, 0.0)
    drive: float = 0.0
    wow: float = 0.0
    threshold: float
    ratio: float
    hiss: float | None = None
    crackle: float = 0.0
    ceiling: float


@dataclass(frozen=True, kw_only=True)
class Era:
    """A decade.

    Attributes:
        years: First and last year.
        kits: Drum kit (program of bank 128) for each kind a genre may ask for.
        basses: Bass program for each kind a genre may ask for.
        colour: Program of the keyboard that holds long chords in the background.
        colour_level: Its level in dB against the lead.
        sequence: Program of the synthesiser that plays arpeggios.
        studio: The production chain.
    """

    years: tuple[int, int]
    kits: dict[str, int]
    basses: dict[str, int]
    colour: int
    colour_level: float
    sequence: int
    studio: Studio


ERAS: dict[str, Era] = {
    "60s": Era(
        years=(1962, 1969),
        kits={"acoustic": 32, "machine": 25, "brushes": 40},
        basses={"electric": 33, "upright": 32, "synth": 33},
        colour=16,  # drawbar organ
        colour_level=-13.0,
        sequence=80,
        studio=Studio(
            room=Room(seconds=1.3, before=0.012, low=250.0, high=3800.0, level=-13.0, is_spring=True),
            width=0.12,
            low_cut=95.0,
            high_cut=5200.0,
            shelves=(-1.0, 0.0),
            drive=1.5,
            wow=0.0016,
            threshold=-2.0,
            ratio=2.5,
            hiss=-43.0,
            crackle=9.0,
            ceiling=13.0,
        ),
    ),
    "70s": Era(
        years=(1971, 1979),
        kits={"acoustic": 0, "machine": 25, "brushes": 40},
        basses={"electric": 33, "upright": 32, "synth": 39},
        colour=4,  # Rhodes
        colour_level=-12.0,
        sequence=81,
        studio=Studio(
            room=Room(seconds=0.9, before=0.008, low=200.0, high=6500.0, level=-17.0),
            width=0.6,
            low_cut=50.0,
            high_cut=10500.0,
            shelves=(2.0, -1.5),
            drive=0.9,
            wow=0.0004,
            threshold=-1.0,
            ratio=2.5,
            hiss=-54.0,
            ceiling=12.5,
        ),
    ),
    "80s": Era(
        years=(1981, 1989),
        kits={"acoustic": 16, "machine": 24, "brushes": 40},
        basses={"electric": 34, "upright": 35, "synth": 38},
        colour=90,  # polysynth
        colour_level=-11.0,
        sequence=81,
        studio=Studio(
            room=Room(seconds=2.6, before=0.035, low=350.0, high=12000.0, level=-9.5),
            gate=-3.0,
            chorus=0.0028,
            width=1.1,
            low_cut=70.0,
            high_cut=15500.0,
            shelves=(-3.0, 4.5),
            threshold=1.0,
            ratio=2.0,
            ceiling=13.0,
        ),
    ),
    "90s": Era(
        years=(1991, 1999),
        kits={"acoustic": 8, "machine": 25, "brushes": 41},
        basses={"electric": 34, "upright": 32, "synth": 39},
        colour=89,  # warm pad
        colour_level=-13.0,
        sequence=81,
        studio=Studio(
            room=Room(seconds=0.8, before=0.015, low=250.0, high=9000.0, level=-15.0),
            width=0.9,
            low_cut=38.0,
            high_cut=16000.0,
            shelves=(1.5, 1.5),
            drive=0.3,
            threshold=0.0,
            ratio=3.0,
            ceiling=11.0,
        ),
    ),
    "00s": Era(
        years=(2000, 2009),
        kits={"acoustic": 8, "machine": 25, "brushes": 41},
        basses={"electric": 34, "upright": 32, "synth": 39},
        colour=95,  # sweep pad
        colour_level=-15.0,
        sequence=62,
        studio=Studio(
            room=Room(seconds=0.4, before=0.004, low=300.0, high=11000.0, level=-19.0),
            width=0.95,
            low_cut=28.0,
            high_cut=18000.0,
            shelves=(4.5, 2.5),
            drive=0.35,
            threshold=-6.0,
            ratio=4.0,
            ceiling=8.0,
        ),
    ),
}
