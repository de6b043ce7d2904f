"""One piece from end to end: factors and a seed in, a score or its sound out. The front door of this package.

Two pieces from generators of the same seed share their tune, their variants and their players' unevenness, so what
differs between them is what their factors change.
"""

import numpy as np

from training.datasets.rendered.arrangement import arrange
from training.datasets.rendered.composition import compose
from training.datasets.rendered.factors import Factors
from training.datasets.rendered.genres import GENRES
from training.datasets.rendered.moods import MOODS
from training.datasets.rendered.performance import perform
from training.datasets.rendered.score import Score
from training.datasets.rendered.tune import draw_tune


def write_score(factors: Factors, *, rng: np.random.Generator) -> Score:
    """Draws a tune and dresses it in the factors.

    Args:
        factors: Genre, mood, instrument and era of the piece.
        rng: Decides all else. It must come from `np.random.default_rng` or another seeded source that can spawn.

    Returns:
        A score of 12 to 16 seconds.
    """
    genre, mood = GENRES[factors.genre], MOODS[factors.mood]
    tune = draw_tune(rng)
    arranger, players = rng.spawn(2)
    composition = compose(tune, mood=mood, genre=genre)
    strokes = arrange(composition, genre=genre, mood=mood, rng=arranger)
    return perform(strokes, composition, factors=factors, rng=players)
