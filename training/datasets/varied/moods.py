"""A mood as this band plays it today: what `rendered` says of it, each part moved a little. Output goes to `band`.

What makes the mood stays: which of the four it is can still be told by mode, pace and touch together. What only came
along is thrown dice for.
"""

from dataclasses import replace

import numpy as np

from training.datasets.rendered.moods import MOODS, Mood

# How often a mood keeps what only came along with it in `rendered`.
KEEPS = 0.55
DOUBLINGS = ("none", "octave", "thirds")
SHAKER = {"shaker": "x.o.x.o.x.o.x.o."}

# Modes of each mood, the first of them as often as all others together.
SCALES = {
    "happy": ("major", "mixolydian"),
    "sad": ("minor",),
    "party": ("mixolydian", "major"),
    "chillout": ("major", "mixolydian"),
}


def vary_mood(name: str, *, rng: np.random.Generator) -> Mood:
    """Draw one way to play a mood; see the module's docstring."""
    mood = MOODS[name]
    scales = SCALES[name]
    scale = scales[0] if len(scales) == 1 or rng.random() < 0.6 else scales[1]
    percussion = mood.percussion if rng.random() < KEEPS else {}
    if not percussion and rng.random() < 0.15:
        percussion = SHAKER
    return replace(
        mood,
        scale=scale,
        tempo=mood.tempo * float(rng.uniform(0.85, 1.12)),
        transposed=mood.transposed + int(rng.integers(-4, 5)),
        added_tones=mood.added_tones if rng.random() < 0.8 else 1 - mood.added_tones,
        velocity=int(np.clip(mood.velocity + rng.normal(0, 6), 30, 120)),
        touch=mood.touch * float(rng.uniform(0.82, 1.15)),
        chord_touch=mood.chord_touch * float(rng.uniform(0.85, 1.12)),
        doubling=mood.doubling if rng.random() < KEEPS else str(rng.choice(DOUBLINGS)),
        laid_back=mood.laid_back * float(rng.uniform(0, 1.5)),
        slowing=mood.slowing * float(rng.uniform(0, 1.5)),
        room=mood.room * float(rng.uniform(0, 1.2)),
        drum_level=mood.drum_level + float(rng.normal(0, 1.5)),
        percussion=percussion,
    )
