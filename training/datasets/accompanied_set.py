"""Accompanied music as a data set, to test on what was trained on `rendered_set`. Output: `manifest_files`.

`accompanied` makes one piece; here is decided which pieces there are. All are on the test side: it is the music that no
model was trained on. Several are made over one chord sheet, which stands in the manifest as the artist.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from training.datasets.accompanied.band import SAMPLE_RATE, Tools
from training.datasets.accompanied.piece import make_piece
from training.datasets.accompanied.studios import ERAS
from training.datasets.gathering import DatasetLayoutError, Gathered
from training.datasets.making import make_set
from training.datasets.manifest import Split
from training.datasets.rendered.factors import VALUES, Factors
from training.datasets.rendered.mp3 import quantised, write_mp3

# The same for every era: what a codec cuts off must not tell one from another.
BIT_RATE = 160_000

# What a seed is used for, so that no two uses draw the same numbers.
_PLAN, _WRITING, _PLAYING = range(100, 103)


@dataclass(frozen=True)
class PlannedAccompaniment:
    """A piece to be.

    Attributes:
        name: Says all that its sound depends on but the tools.
        sheet: Number of its chord sheet.
        factors: What it is to be.
        year: Within its era.
        writing_seed: Of its sheet and melody.
        playing_seed: Of its players and its studio.
    """

    name: str
    sheet: int
    factors: Factors
    year: int
    writing_seed: tuple[int, ...]
    playing_seed: tuple[int, ...]


def plan_accompaniments(pieces: int, *, sheets: int, seed: int) -> Iterator[PlannedAccompaniment]:
    """Which pieces a set has.

    Every value of a factor comes equally often, to within one, and independently of the other factors and of the
    sheet; so does every sheet.

    Args:
        pieces: How many.
        sheets: How many chord sheets they are made over.
        seed: Another seed gives other sheets.

    Raises:
        DatasetLayoutError: If there are fewer pieces than sheets, or less than one sheet.
    """
    if not 1 <= sheets <= pieces:
        raise DatasetLayoutError(f"{pieces} pieces over {sheets} chord sheets cannot be; every sheet needs a piece")
    rng = np.random.default_rng((seed, _PLAN))
    # Whole shuffled rounds of a factor's values; the last one may be cut short. Then all is shuffled once more.
    columns = {
        factor: rng.permutation(
            np.concatenate([rng.permutation(values) for _ in range(-(-pieces // len(values)))])[:pieces]
        )
        for factor, values in VALUES.items()
    }
    for number in range(pieces):
        factors = Factors(**{factor: str(column[number]) for factor, column in columns.items()})
        first_year, last_year = ERAS[factors.era].years
        sheet = number % sheets
        yield PlannedAccompaniment(
            name=f"accompanied{seed}-sheet{sheet:04d}-{number:05d}-{'-'.join(factors.tags)}",
            sheet=sheet,
            factors=factors,
            year=int(rng.integers(first_year, last_year + 1)),
            writing_seed=(seed, _WRITING, sheet),
            playing_seed=(seed, _PLAYING, number),
        )


def accompany_set(
    folder: Path,
    tools: Tools,
    *,
    pieces: int,
    sheets: int,
    seed: int,
    processes: int = 1,
    on_piece: Callable[[], None] = lambda: None,
) -> Gathered:
    """Make a set, or what is missing of one. A piece that is there already is kept, so a killed run goes on.

    Args:
        folder: Gets `audio/*.mp3`.
        tools: What plays.
        pieces: How many.
        sheets: How many chord sheets they are made over.
        seed: Of everything.
        processes: How many pieces are made at once.
        on_piece: Called whenever a piece is there.

    Raises:
        DatasetLayoutError: If the set cannot be.
        PlayingError: If MMA or fluidsynth fails.
    """
    return make_set(
        folder,
        list(plan_accompaniments(pieces, sheets=sheets, seed=seed)),
        make=partial(_write_piece, tools),
        suffix=lambda _: ".mp3",
        artist=lambda piece: f"sheet {piece.sheet}, seed {seed}",
        remark="The artist of a piece is its chord sheet.",
        split=Split.TEST,
        processes=processes,
        on_piece=on_piece,
    )


def _write_piece(tools: Tools, piece: PlannedAccompaniment, path: Path) -> None:
    sound = make_piece(
        piece.factors,
        tools,
        writing=np.random.default_rng(piece.writing_seed),
        playing=np.random.default_rng(piece.playing_seed),
    )
    write_mp3(quantised(sound), path, sample_rate=SAMPLE_RATE, bit_rate=BIT_RATE, tags={"title": piece.name})
