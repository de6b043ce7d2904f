"""What a mood asks of composer and band: pace, mode, register, touch, dynamics and how much is going on.

Read by `solo`, `band` and `accompanied_set`. The four lie on two axes: bright or dark, awake or still.
"""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Mood:
    """One mood.

    Attributes:
        mode: `major` or `minor`.
        tempo: Slowest and fastest quarter notes per minute.
        enrichment: Thirds stacked upon the genre's usual chords.
        middle: MIDI pitch about which the solo turns.
        reach: Semitones it goes up and down from there.
        onsets: Fewest and most notes in a bar of solo.
        velocity: MIDI velocity of an unaccented note.
        touch: Sounding part of a note's length.
        is_lively: Which of the genre's grooves are played.
        dynamic: MMA's volume of the whole band.
        drums: MIDI volume of the drum kit, 0 to 127.
        claps: Whether people clap along, with a shaker.
    """

    mode: str
    tempo: tuple[float, float]
    enrichment: int
    middle: int
    reach: int
    onsets: tuple[int, int]
    velocity: int
    touch: float
    is_lively: bool
    dynamic: str
    drums: int
    claps: bool = False


MOODS: dict[str, Mood] = {
    "happy": Mood(
        mode="major",
        tempo=(108, 122),
        enrichment=0,
        middle=77,
        reach=6,
        onsets=(5, 6),
        velocity=92,
        touch=0.55,
        is_lively=True,
        dynamic="mf",
        drums=104,
    ),
    "sad": Mood(
        mode="minor",
        tempo=(62, 75),
        enrichment=0,
        middle=63,
        reach=5,
        onsets=(2, 4),
        velocity=58,
        touch=1.0,
        is_lively=False,
        dynamic="mp",
        drums=90,
    ),
    "party": Mood(
        mode="major",
        tempo=(130, 144),
        enrichment=0,
        middle=74,
        reach=9,
        onsets=(6, 7),
        velocity=118,
        touch=0.75,
        is_lively=True,
        dynamic="ff",
        drums=116,
        claps=True,
    ),
    "chillout": Mood(
        mode="major",
        tempo=(80, 94),
        enrichment=1,
        middle=67,
        reach=4,
        onsets=(2, 4),
        velocity=66,
        touch=0.95,
        is_lively=False,
        dynamic="m",
        drums=92,
    ),
}
