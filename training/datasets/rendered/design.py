"""Which pieces make up the sample catalogue: 96 of the factors' combinations, balanced and in one-factor steps.

Four genres, moods and instruments stand in two pairs each, so each has a first and a second pair. A tune is given to
every combination of pairs whose number of second pairs is even: an orthogonal array of strength 2 with four rows. Each
row is played in full: 2 genres x 2 moods x 2 instruments x 3 eras = 24 pieces of one tune. Hence

- every value of a factor occurs equally often, and so does every pair of values of two factors (and every triple with
  an era in it);
- every piece has neighbours that change one factor and keep the other three *and the tune*: one in genre, one in mood,
  one in instrument, two in era.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from training.datasets.rendered.factors import Factors

# The partners of a pair are unlike, so that a step between them is heard.
GENRE_PAIRS = (("rock", "jazz"), ("electronic", "country"))
MOOD_PAIRS = (("happy", "sad"), ("party", "chillout"))
INSTRUMENT_PAIRS = (("guitar", "strings"), ("piano", "brass"))
SAMPLE_ERAS = ("60s", "80s", "00s")

# Bits per second where they are heard: the sixties' sound is narrow and ends at 5 kHz. Together some 11 MB.
BIT_RATES = {"60s": 50_000, "80s": 64_000, "00s": 66_000}

# The rows of the array: which pair of genres, moods and instruments a tune is played in.
TUNE_ROWS = ((0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 0))


@dataclass(frozen=True)
class SamplePiece:
    """A place in the design: the number of its tune, its factors, and its place in each of its pairs (0 or 1)."""

    tune: int
    factors: Factors
    turn: tuple[int, int, int]


def sample_pieces() -> Iterator[SamplePiece]:
    """The 96 pieces, tune by tune."""
    for tune, (genres, moods, instruments) in enumerate(TUNE_ROWS):
        for genre, mood, instrument in product(range(2), repeat=3):
            for era in SAMPLE_ERAS:
                factors = Factors(
                    genre=GENRE_PAIRS[genres][genre],
                    mood=MOOD_PAIRS[moods][mood],
                    instrument=INSTRUMENT_PAIRS[instruments][instrument],
                    era=era,
                )
                yield SamplePiece(tune, factors, (genre, mood, instrument))
