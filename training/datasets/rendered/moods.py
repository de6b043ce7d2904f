"""What a mood changes: mode, pace, register, touch, and how much the rhythm section does.

Read by `composition`, `arrangement`, `performance` and `production`. Two axes lie beneath the four: how bright (mode,
register, plain or added tones) and how awake (tempo, loudness, density). Happy and party are awake, party more; sad is
dark and still, chillout bright and still.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Mood:
    """One mood.

    Attributes:
        scale: Mode, a key of `harmony.SCALES`.
        tempo: Quarter notes per minute in a genre of pace 1.
        transposed: Semitones the key is moved.
        added_tones: Thirds stacked upon the genre's usual chord.
        is_lively: Which of the genre's two grooves is played.
        velocity: MIDI velocity of an unaccented lead note.
        touch: Sounding part of a lead note's notated length; above 1 notes run into each other.
        chord_touch: The same for the accompaniment.
        doubling: A second lead line: "none", "octave" (above, or below where that were too high) or "thirds" below.
        laid_back: Seconds the lead comes late.
        slowing: Share of the tempo lost by the end.
        room: Reverberation against the era's usual, in dB.
        drum_level: Drum kit in the mix against the genre's usual, in dB.
        percussion: Hand percussion that comes with the mood, 16 steps to the bar.
        left_out: Drum sounds this mood leaves out of any groove.
    """

    scale: str
    tempo: float
    transposed: int
    added_tones: int
    is_lively: bool
    velocity: int
    touch: float
    chord_touch: float
    doubling: str = "none"
    laid_back: float = 0.0
    slowing: float = 0.0
    room: float = 0.0
    drum_level: float = 0.0
    percussion: dict[str, str] = field(default_factory=dict)
    left_out: frozenset[str] = frozenset()


MOODS: dict[str, Mood] = {
    "happy": Mood(
        scale="major",
        tempo=121,
        transposed=0,
        added_tones=0,
        is_lively=True,
        velocity=90,
        touch=0.70,
        chord_touch=0.72,
        doubling="thirds",
        percussion={"tambourine": "....x.......x..."},
    ),
    "sad": Mood(
        scale="minor",
        tempo=82,
        transposed=-3,
        added_tones=0,
        is_lively=False,
        velocity=70,
        touch=1.02,
        chord_touch=0.99,
        laid_back=0.012,
        slowing=0.12,
        room=4.0,
        drum_level=-3.0,
        left_out=frozenset({"open_hat", "shaker", "clap"}),
    ),
    "party": Mood(
        scale="mixolydian",
        tempo=134,
        transposed=2,
        added_tones=0,
        is_lively=True,
        velocity=112,
        touch=0.60,
        chord_touch=0.62,
        doubling="octave",
        room=-2.0,
        drum_level=1.5,
        percussion={"clap": "....X.......X...", "cowbell": "x...x...x...x.x.", "shaker": "x.oxx.oxx.oxx.ox"},
    ),
    "chillout": Mood(
        scale="major",
        tempo=94,
        transposed=-1,
        added_tones=1,
        is_lively=False,
        velocity=76,
        touch=0.95,
        chord_touch=0.98,
        laid_back=0.022,
        slowing=0.05,
        room=3.0,
        drum_level=-1.5,
        percussion={"shaker": "x.o.x.o.x.o.x.o.", "conga": "......o...o.x..."},
    ),
}
