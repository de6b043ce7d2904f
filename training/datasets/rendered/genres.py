"""What a genre is made of: feel, harmony and grooves, written as rhythm strings.

Read by `composition`, `arrangement`, `performance` and `production`. One string is one bar; its length says the grid
(8 = eighths, 16 = sixteenths). Bars of a tuple take turns. Everywhere - holds, also over the bar line, and . rests.

Drums: X accent, x stroke, o ghost. Bass: R root, T third, F fifth, S sixth or seventh, O octave, C chord tone on the
way, A approach to the next root. Chords: X x o strokes, 0-3 one voice of the chord counted from below.
"""

from dataclasses import dataclass, field

Bars = tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Groove:
    """One way to play a genre: who strikes when.

    Attributes:
        drums: Bars for each drum sound, by its name in `arrangement.DRUM_PITCHES`.
        bass: Bars of the bass line.
        chords: Bars of the accompaniment; of several tuples each tune chooses one.
        fill: Drum sounds of the bar before the last chord, in place of the same sounds' groove.
        sequence: Bars of a synthesiser's arpeggio, if the genre has one.
    """

    drums: dict[str, Bars]
    bass: tuple[Bars, ...]
    chords: tuple[Bars, ...]
    fill: dict[str, str]
    sequence: Bars = ()


@dataclass(frozen=True, kw_only=True)
class Genre:
    """One genre.

    Attributes:
        pace: Tempo against the mood's own.
        swing: Where the second of two swung notes falls, as part of their length; 0.5 is straight.
        swung: The swung pair's length in beats: 1 for eighths, 0.5 for sixteenths.
        looseness: Standard deviation of the players' timing, in seconds.
        push: Share of the melody's long strong notes that come an eighth early.
        chord_size: Tones in a chord: 3 triads, 4 sevenths, 5 ninths.
        voicing: "close", "open" (second voice from the top an octave down) or "power" (root, fifth, octave).
        is_bluesy: Chords on 1 and 4 carry a minor seventh in major keys.
        drum_kit: "acoustic" or "machine"; `production` knows which kit that is in each era.
        calm_kit: The kit of the still grooves.
        bass_sound: "electric", "upright" or "synth"; the era chooses the program.
        levels: The mix, in dB against the lead.
        pump: How far chords and bass duck under each kick, in dB.
        lively: The groove of happy and party.
        calm: The groove of sad and chillout.
        dressing: How plans are re-harmonised: "plain", "ii-V", "vamp" or "blues".
    """

    pace: float
    swing: float = 0.5
    swung: float = 1.0
    looseness: float = 0.006
    push: float = 0.2
    chord_size: int = 3
    voicing: str = "close"
    is_bluesy: bool = False
    drum_kit: str = "acoustic"
    calm_kit: str = "acoustic"
    bass_sound: str = "electric"
    levels: dict[str, float] = field(default_factory=dict)
    pump: float = 0.0
    lively: Groove
    calm: Groove
    dressing: str = "plain"

    def dress(self, plan: str, scale: str) -> list[list[str]]:
        """A plan's chord symbols, bar by bar, in this genre's harmony."""
        bars = [bar.split() for bar in plan.split("|")]
        if self.dressing == "vamp":
            return [["1"], ["4"], ["1"], ["4", "5"]]
        if self.dressing == "blues":
            return [["1"], ["4"], ["1"], ["5", "4"] if scale != "minor" else ["4", "5"]]
        if self.dressing == "ii-V":
            return [_two_five(bar, following) for bar, following in zip(bars, [*bars[1:], ["1"]], strict=True)]
        return bars


def _two_five(bar: list[str], following: list[str]) -> list[str]:
    """Two chords to the bar: cadences as 2-5, and on the way elsewhere the dominant of what comes next."""
    if bar[-1] == "5":
        return ["2", "5"]
    if len(bar) == 1 and following[0] in {"2", "3", "4", "6"} and following[0] != bar[0]:
        return [bar[0], f"d{following[0]}"]
    return bar


ROCK = Genre(
    pace=1.0,
    push=0.25,
    voicing="power",
    levels={"chords": -5.0, "bass": -5.0, "kick": -1.0, "snare": -1.0, "cymbals": -11.0},
    lively=Groove(
        drums={
            "kick": ("x.....x.x.......", "x.....x.x.x....."),
            "snare": ("....X.......X...",),
            "hat": ("X.x.X.x.X.x.X.x.",),
        },
        bass=(("R-R-R-R-R-R-R-A-",), ("R-.RR-R-R-.RR-A-", "R-.RR-R-F-.RR-A-")),
        chords=(("X-x-x-x-X-x-x-x-",), ("X--x--x-x-x-x-x-", "X--x--x-x--xx-x-")),
        fill={
            "snare": "....X...X.xxX.X.",
            "tom_high": "..........x.....",
            "tom_low": ".............x.x",
            "kick": "x.....x.........",
        },
    ),
    calm=Groove(
        drums={"kick": ("x.........x.....",), "snare": ("........x.......",), "hat": ("x.o.x.o.x.o.x.o.",)},
        bass=(("R-------R-----A-",), ("R-----R-F-----A-",)),
        chords=(("0-1-2-3-2-1-2-1-",), ("0-2-1-2-3-2-1-2-",)),
        fill={"snare": "........x.....x.", "tom_low": "..........x.x...", "kick": "x..............."},
    ),
)

ELECTRONIC = Genre(
    pace=1.0,
    swing=0.53,
    swung=0.5,
    looseness=0.0008,
    push=0.6,
    chord_size=4,
    drum_kit="machine",
    calm_kit="machine",
    bass_sound="synth",
    levels={"chords": -6.0, "bass": -4.5, "kick": 1.0, "snare": -4.0, "cymbals": -11.0, "sequence": -13.0},
    pump=7.0,
    lively=Groove(
        drums={
            "kick": ("X...X...X...X...",),
            "clap": ("....x.......x...",),
            "open_hat": ("..x...x...x...x.",),
            "hat": ("x..ox..ox..ox..o",),
        },
        bass=(("..R-..R-..R-..O-",), ("..RR..R-..RO..R-",)),
        chords=(("X--x--x---x--x--",), ("..x-..xx..x-..x-",), ("X-.x-.x-.x-.x-x-",)),
        fill={"snare": "........x.x.xxxx", "kick": "X...X...X......."},
        sequence=("0120312002130123",),
    ),
    calm=Groove(
        drums={
            "kick": ("x...x...x...x...",),
            "rim": ("....x.......x..o",),
            "hat": ("..x...x...x...x.",),
            "shaker": ("x.ox..ox..ox..ox",),
        },
        bass=(("R-----..R-..F-..",), ("R--R------R-A-..",)),
        chords=(("x---------------",), ("x-----x---------",)),
        fill={"rim": "....x.....x.x...", "kick": "x...x...x......."},
        sequence=("0.1.2.3.2.1.2.1.", "0.1.2.3.2.3.1.2."),
    ),
)

JAZZ = Genre(
    pace=1.12,
    swing=0.64,
    looseness=0.009,
    push=0.55,
    chord_size=4,
    voicing="open",
    calm_kit="brushes",
    bass_sound="upright",
    levels={"chords": -7.0, "bass": -4.0, "kick": -10.0, "snare": -7.0, "cymbals": -6.0},
    dressing="ii-V",
    lively=Groove(
        drums={
            "ride": ("x.Xxx.Xx",),
            "pedal_hat": ("..x...x.",),
            "kick": ("o.o.o.o.", "o.o.o.ox"),
            "snare": ("...o....", ".....o.o", "...x....", "o....x.."),
        },
        bass=(("R-C-C-A-",),),
        chords=(("x--x----", "...x--.x", "---x..x."), ("x--x--.x", "-..x----"), (".x.x--.x", "---x..x.")),
        fill={"snare": "...xxx.x", "tom_high": "..x.....", "ride": "x.......", "kick": "x.....x."},
    ),
    calm=Groove(
        drums={
            "ride": ("x...x...", "x...x..o"),
            "pedal_hat": ("..x...x.",),
            "swirl": ("x...x...",),
            "snare": ("..o...o.",),
        },
        bass=(("R---C---", "R---C-A-"), ("R---C-A-",)),
        chords=(("x---x---", "x-------"), ("x------x", "----x---"), ("x-----x-", "x---x--x", "----x---")),
        fill={"snare": "..o.o.oo"},
    ),
)

COUNTRY = Genre(
    pace=0.96,
    looseness=0.007,
    push=0.0,
    calm_kit="brushes",
    bass_sound="upright",
    levels={"chords": -5.0, "bass": -4.0, "kick": -6.0, "snare": -5.0, "cymbals": -12.0},
    lively=Groove(
        drums={
            "kick": ("x.......x.......",),
            "snare": ("o.o.X.o.o.ooX.oo", "o.ooX.o.o.ooX.oo"),
            "pedal_hat": ("....x.......x...",),
        },
        bass=(("R-----..F-----..", "R-----..F---A---"),),
        chords=(("....X-x.....X-x.",), ("....X-xo....X-xo",)),
        fill={"snare": "o.o.X.o.ooxxXxxx"},
    ),
    calm=Groove(
        drums={"kick": ("x.......x.......",), "rim": ("....x.......x...",), "hat": ("..o...o...o...o.",)},
        bass=(("R-------F-------", "R-------F---A---"),),
        chords=(("0-2-1-3-0-2-1-3-",), ("0-3-1-2-0-3-1-2-",)),
        fill={"rim": "....x.......x.x."},
    ),
)

BLUES = Genre(
    pace=0.92,
    swing=0.66,
    looseness=0.010,
    push=0.15,
    chord_size=4,
    is_bluesy=True,
    levels={"chords": -5.0, "bass": -3.0, "kick": -3.0, "snare": -2.0, "cymbals": -11.0},
    dressing="blues",
    lively=Groove(
        drums={"kick": ("x...x...", "x...x..x"), "snare": ("..X...X.",), "ride": ("X.xxX.xx",)},
        bass=(("RRTTFFSS", "OOSSFFTT"), ("R-T-F-S-", "O-S-F-T-")),
        chords=(("X.xxX.xx",), ("..X-..X-", "..X-..Xx")),
        fill={"snare": "..X.xxXx", "tom_low": "....x.x."},
    ),
    calm=Groove(
        drums={"kick": ("x...x...",), "snare": ("..o...o.",), "hat": ("x.xxx.xx",)},
        bass=(("R---F---", "R---F-A-"),),
        chords=(("x--x----", "x-----x-"), ("0-1-2-1-",)),
        fill={"snare": "..o..oxx"},
    ),
)

FUNK = Genre(
    pace=0.86,
    swing=0.55,
    swung=0.5,
    looseness=0.005,
    push=0.5,
    chord_size=5,
    is_bluesy=True,
    levels={"chords": -5.0, "bass": -3.0, "kick": -1.0, "snare": -1.0, "cymbals": -11.0},
    dressing="vamp",
    lively=Groove(
        drums={
            "kick": ("X..x..x...x..x..", "X..x..x..x....x."),
            "snare": ("....X..o.o..X..o",),
            "hat": ("X.xxX.xxX.xxX.xx",),
        },
        bass=(("R-.R..O.-R.FS.A.", "R-.R..O.R..RS.A."), ("R..RO..S.R.RF.A.",)),
        chords=(("..x.xo.x..xo.x.x",), ("x..xo.x.oox.o.x.",)),
        fill={"snare": "....X.xoX.xoXxXx", "kick": "X..x..x........."},
    ),
    calm=Groove(
        drums={"kick": ("x......x..x.....",), "rim": ("....x.......x...",), "hat": ("x.oxx.oxx.oxx.ox",)},
        bass=(("R-----.RR---F-A-", "R-----.R..S-F-A-"),),
        chords=(("x-----.x--......",), ("x--x------x-....",)),
        fill={"rim": "....x.....x.x..."},
    ),
)

GENRES: dict[str, Genre] = {
    "rock": ROCK,
    "electronic": ELECTRONIC,
    "jazz": JAZZ,
    "country": COUNTRY,
    "blues": BLUES,
    "funk": FUNK,
}
