"""Rendered music as a data set: as many pieces as you like, each value equally often. Output: `manifest_files`.

`rendered` composes and sounds one piece; here is decided which pieces there are. Several are made of one tune, in other
genres, moods, instruments and eras. What tune a piece is of must not be a way to tell: a tune stands in the manifest as
its artist, so that a split by artist holds whole tunes out.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from training.datasets.gathering import DatasetLayoutError, Gathered
from training.datasets.making import make_set
from training.datasets.rendered.eras import ERAS
from training.datasets.rendered.factors import VALUES, Factors
from training.datasets.rendered.mp3 import quantised, write_mp3
from training.datasets.rendered.piece import write_score
from training.datasets.rendered.production import render
from training.datasets.rendered.synthesis import FLUID_R3_SHA256, SAMPLE_RATE, Soundfont

# The same for every era: what a codec cuts off must not tell one from another.
BIT_RATE = 128_000

# What a seed is used for, so that no two uses draw the same numbers.
_PLAN, _TUNE, _STUDIO = range(3)


@dataclass(frozen=True)
class PlannedPiece:
    """A piece to be.

    Attributes:
        name: Says all that its sound depends on but the soundfont.
        tune: Number of its tune.
        factors: What it is to be.
        year: Within its era.
        tune_seed: Of its music.
        studio_seed: Of its sound.
    """

    name: str
    tune: int
    factors: Factors
    year: int
    tune_seed: tuple[int, ...]
    studio_seed: tuple[int, ...]


def plan_pieces(pieces: int, *, tunes: int, seed: int) -> Iterator[PlannedPiece]:
    """Which pieces a set has.

    Every value of a factor comes equally often, to within one, and independently of the other factors and of the tune;
    so does every tune.

    Args:
        pieces: How many.
        tunes: How many tunes they are made of.
        seed: Another seed gives other tunes.

    Raises:
        DatasetLayoutError: If there are fewer pieces than tunes, or less than one tune.
    """
    if not 1 <= tunes <= pieces:
        raise DatasetLayoutError(f"{pieces} pieces of {tunes} tunes cannot be; every tune needs a piece")
    rng = np.random.default_rng((seed, _PLAN))
    columns = {factor: _evenly(values, pieces, rng) for factor, values in VALUES.items()}
    for number in range(pieces):
        factors = Factors(**{factor: column[number] for factor, column in columns.items()})
        first_year, last_year = ERAS[factors.era].years
        tune = number % tunes
        yield PlannedPiece(
            name=f"seed{seed}-tune{tune:04d}-{number:05d}-{'-'.join(factors.tags)}",
            tune=tune,
            factors=factors,
            year=int(rng.integers(first_year, last_year + 1)),
            tune_seed=(seed, _TUNE, tune),
            studio_seed=(seed, _STUDIO, number),
        )


def render_set(
    folder: Path,
    soundfont: Path,
    *,
    pieces: int,
    tunes: int,
    seed: int,
    processes: int = 1,
    expected_sha256: str | None = FLUID_R3_SHA256,
    on_piece: Callable[[], None] = lambda: None,
) -> Gathered:
    """Render a set, or what is missing of one. A piece that is there already is kept, so a killed run goes on.

    Args:
        folder: Gets `audio/*.mp3`.
        soundfont: With what it is played.
        pieces: How many.
        tunes: How many tunes they are made of.
        seed: Of everything.
        processes: How many render at once; each holds the soundfont in memory.
        expected_sha256: Of the soundfont; None takes any.
        on_piece: Called whenever a piece is there.

    Raises:
        DatasetLayoutError: If the soundfont is not there, or the set cannot be.
        SoundfontMismatchError: If it is another soundfont than expected.
    """
    if not soundfont.is_file():
        raise DatasetLayoutError(
            f"{soundfont} is not there; take FluidR3_GM.sf2 from Debian's package fluid-soundfont-gm"
        )
    return make_set(
        folder,
        list(plan_pieces(pieces, tunes=tunes, seed=seed)),
        make=_write_piece,
        suffix=lambda _: ".mp3",
        artist=lambda piece: f"tune {piece.tune}, seed {seed}",
        remark="The artist of a piece is its tune.",
        prepare=partial(_open_soundfont, soundfont, expected_sha256),
        processes=processes,
        on_piece=on_piece,
    )


def _evenly(values: tuple[str, ...], count: int, rng: np.random.Generator) -> list[str]:
    """Each value equally often, shuffled; which ones come once more than others is drawn too."""
    order = [str(value) for value in rng.permutation(values)]
    column = [order[position % len(order)] for position in range(count)]
    return [column[position] for position in rng.permutation(count)]


# A soundfont takes half a second to load and is not thread-safe: each process has one of its own.
_soundfonts: list[Soundfont] = []


def _open_soundfont(path: Path, expected_sha256: str | None) -> None:
    _soundfonts[:] = [Soundfont(path, expected_sha256=expected_sha256)]


def _write_piece(piece: PlannedPiece, path: Path) -> None:
    score = write_score(piece.factors, rng=np.random.default_rng(piece.tune_seed))
    sound = quantised(render(score, _soundfonts[0], rng=np.random.default_rng(piece.studio_seed)))
    write_mp3(sound, path, sample_rate=SAMPLE_RATE, bit_rate=BIT_RATE, tags={"title": piece.name})
