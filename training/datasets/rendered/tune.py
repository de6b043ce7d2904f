"""A tune before anything is decided about its clothing: rhythm, contour and chord plan, drawn from one generator.

The same tune is played happy or sad, by a guitar or by strings, as rock or as jazz: `composition` turns it into pitches
once mood and genre are known. So a tune holds no pitches and no tempo, only what survives a change of clothes.
"""

from dataclasses import dataclass

import numpy as np

# A bar in eighths: x strikes, - holds, . rests. Calls ask, answers come to rest, cadences lead into the last bar.
CALLS = ("x--xx-x-", "x-xxx--x", ".xxxx-xx", "xxx-xxx-", "x--x--x-", "x-x-x-xx", "x--xx-xx", ".xx-x-xx")
ANSWERS = ("x-x-x--.", "xxxx---.", "x--x--..", "x-xxx-..", ".xx-x--.", "x-xx----", "xx-x---.")
CADENCES = ("x-xxx-x-", "x--xx-x-", "x-x-xxx-", "xx-xx--.", "x-xxx--.")

# Four bars of degrees in each mode; two degrees share a bar. Every plan leaves home and ends on the dominant side.
PLANS: tuple[dict[str, str], ...] = (
    {"major": "1|6|4|5", "mixolydian": "1|7|4|4 5", "minor": "1|6|4|5"},
    {"major": "1|5|6|4 5", "mixolydian": "1|4|7|5", "minor": "1|7|6|5"},
    {"major": "1|4|2|5", "mixolydian": "1|7 4|1|4 5", "minor": "1|4|6|5"},
    {"major": "1|3|4|2 5", "mixolydian": "1|4|1|7 5", "minor": "1|3|6|4 5"},
    {"major": "1|6|2|5", "mixolydian": "1|7|1|4 5", "minor": "1|6|3|7 5"},
)

# Where the bars of the phrase stand, in scale steps above the tonic: a rise to the third bar, then home.
ARCHES = ((0, 2, 4, 1), (2, 1, 4, 2), (2, 4, 5, 2), (4, 2, 5, 2), (0, 1, 3, 1), (4, 3, 6, 2))

# Ways to come to rest, for cadences of four, five and six notes: the line turns and steps down towards home.
CLOSES: dict[int, tuple[tuple[int, ...], ...]] = {
    4: ((2, 1, 2, 0), (1, 3, 2, 0), (0, 2, 1, 0), (2, 3, 1, 0)),
    5: ((2, 1, 0, 1, -1), (1, 2, 3, 1, 0), (3, 2, 1, 2, 0), (0, 1, 3, 2, 0)),
    6: ((2, 1, 0, 1, 2, 0), (3, 2, 1, 2, 1, 0), (0, 1, 2, 3, 1, 0), (1, 2, 3, 2, 1, -1)),
}

STEPS = (-2, -1, -1, -1, 1, 1, 1, 2, 3, -3)
# Melodies lie about here: above the chords, within reach of guitar, violin and trumpet.
LOWEST_MIDDLE, HIGHEST_MIDDLE = 70, 75
WIDEST = 4
LEAP = 2


@dataclass(frozen=True)
class Tune:
    """What one seed decides about the music, whatever its factors.

    Attributes:
        middle: MIDI pitch near which the melody has its middle; the key follows from it. Moods shift both.
        plan: Which of `PLANS`.
        rhythms: Four bars in eighths, written as in `CALLS`.
        shapes: For each bar, one offset in scale steps per struck note.
        arch: Scale steps above the tonic at which each bar stands.
        pickup: Scale steps of the notes that lead into the first bar, two eighths or one.
        pushes: For each bar, one number in [0, 1) per note: genres below their own threshold play it early.
        pace: Tempo of this tune against its mood's and genre's usual one.
    """

    middle: int
    plan: int
    rhythms: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    arch: tuple[int, ...]
    pickup: tuple[int, ...]
    pushes: tuple[tuple[float, ...], ...]
    pace: float


def draw_tune(rng: np.random.Generator) -> Tune:
    """A new tune. The third bar repeats the first one's rhythm and shape higher up, so that it can be remembered."""
    call = str(rng.choice(CALLS))
    answer = str(rng.choice(ANSWERS))
    cadence = str(rng.choice(CADENCES))
    rhythms = (call, answer, call, cadence)
    call_shape = _walk(call.count("x"), rng)
    shapes = (
        call_shape,
        _walk(answer.count("x"), rng),
        (*call_shape[:-1], call_shape[-1] + int(rng.integers(-1, 2))),
        CLOSES[cadence.count("x")][int(rng.integers(len(CLOSES[cadence.count("x")])))],
    )
    return Tune(
        middle=int(rng.integers(LOWEST_MIDDLE, HIGHEST_MIDDLE + 1)),
        plan=int(rng.integers(len(PLANS))),
        rhythms=rhythms,
        shapes=shapes,
        arch=ARCHES[int(rng.integers(len(ARCHES)))],
        pickup=((-2, -1), (-1,), (1,), (-3, -1))[int(rng.integers(4))],
        pushes=tuple(tuple(float(draw) for draw in rng.random(bar.count("x"))) for bar in rhythms),
        pace=float(rng.uniform(0.97, 1.03)),
    )


def _walk(notes: int, rng: np.random.Generator) -> tuple[int, ...]:
    """Scale steps from note to note: mostly neighbours, and after a leap a step back."""
    heights = [0]
    last = 0
    for _ in range(notes - 1):
        step = int(rng.choice(STEPS))
        if abs(last) >= LEAP:
            step = -1 if last > 0 else 1
        if abs(heights[-1] + step) > WIDEST:
            step = -step
        heights.append(heights[-1] + step)
        last = step
    return tuple(heights)
