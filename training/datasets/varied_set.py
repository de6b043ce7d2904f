"""Varied music as a data set: to learn from what holds in any band and studio. Output: `manifest_files`.

`varied` makes one piece; here is decided which pieces there are, with which soundfonts and in which codec. A tune
stands in the manifest as the artist, so that a split by artist holds whole tunes out.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import soundfile

from training.datasets.accompanied.band import find_program
from training.datasets.gathering import DatasetLayoutError, Gathered
from training.datasets.making import make_set
from training.datasets.rendered.factors import VALUES
from training.datasets.rendered.synthesis import Soundfont
from training.datasets.varied.band import VariedFactors, make_piece
from training.datasets.varied.families import FAMILIES
from training.datasets.varied.grooves import GROOVES
from training.datasets.varied.patches import PatchSet
from training.datasets.varied.players import Studios
from training.datasets.varied.studio import SAMPLE_RATE
from training.datasets.varied.studios import DECADES

# Share of the pieces that have one of the genres and instruments of `rendered`.
MAIN_GENRES, MAIN_INSTRUMENTS = 0.76, 0.66

# What a seed is used for, so that no two uses draw the same numbers.
_PLAN, _WRITING, _PLAYING = range(200, 203)

# File format, libsndfile's subtype, and least and most of its compression level.
CODECS = (("mp3", "MPEG_LAYER_III", 0.2, 0.9), ("ogg", "VORBIS", 0.3, 0.95), ("flac", "PCM_16", 0.5, 0.5))


@dataclass(frozen=True)
class PlannedVariation:
    """A piece to be.

    Attributes:
        name: Says all that its sound depends on but the tools.
        tune: Number of its tune.
        factors: What it is to be.
        year: Within its era.
        writing_seed: Of its tune.
        playing_seed: Of everything else.
        codec: Position in `CODECS`.
        level: libsndfile's compression level.
    """

    name: str
    tune: int
    factors: VariedFactors
    year: int
    writing_seed: tuple[int, ...]
    playing_seed: tuple[int, ...]
    codec: int
    level: float


@dataclass(frozen=True, kw_only=True)
class VariedTools:
    """What plays a set.

    Attributes:
        soundfonts: Each piece draws one of these and of the patches for its band, and one for its drums.
        patches: Configurations of TiMidity, each of a set of GUS patches.
        mma: MMA's command.
        timidity: TiMidity's command, if it is not on the path.
    """

    soundfonts: tuple[Path, ...]
    patches: tuple[Path, ...]
    mma: Path
    timidity: Path | None = None


def plan_variations(pieces: int, *, tunes: int, seed: int, borrowing: bool = False) -> Iterator[PlannedVariation]:
    """Which pieces a set has: the factors independent of each other and of the tune.

    Args:
        pieces: How many. The first of a longer plan are those of a shorter one.
        tunes: How many tunes they are made of.
        seed: Another seed gives other tunes.
        borrowing: Whether what only comes along with a piece's genre may be another's.

    Raises:
        DatasetLayoutError: If there are fewer pieces than tunes, or less than one tune.
    """
    if not 1 <= tunes <= pieces:
        raise DatasetLayoutError(f"{pieces} pieces of {tunes} tunes cannot be; every tune needs a piece")
    rng = np.random.default_rng((seed, _PLAN))
    kind = "borrowing" if borrowing else "varied"
    others = {
        "genre": [genre for genre in GROOVES if genre not in VALUES["genre"]],
        "instrument": [family for family in FAMILIES if family not in VALUES["instrument"]],
    }
    for number in range(pieces):
        tune = number % tunes
        genre = str(rng.choice(VALUES["genre"] if rng.random() < MAIN_GENRES else others["genre"]))
        instrument = str(rng.choice(VALUES["instrument"] if rng.random() < MAIN_INSTRUMENTS else others["instrument"]))
        mood, era = str(rng.choice(VALUES["mood"])), str(rng.choice(VALUES["era"]))
        factors = VariedFactors(genre, mood, instrument, era, is_borrowing=borrowing)
        first_year, last_year = DECADES[factors.era].years
        codec = int(rng.integers(len(CODECS)))
        yield PlannedVariation(
            name=f"{kind}{seed}-tune{tune:05d}-{number:06d}-{'-'.join(factors.tags).replace(' ', '_')}",
            tune=tune,
            factors=factors,
            year=int(rng.integers(first_year, last_year + 1)),
            writing_seed=(seed, _WRITING, tune),
            playing_seed=(seed, _PLAYING, number),
            codec=codec,
            level=float(rng.uniform(*CODECS[codec][2:])),
        )


def vary_set(
    folder: Path,
    tools: VariedTools,
    *,
    pieces: int,
    tunes: int,
    seed: int,
    borrowing: bool = False,
    processes: int = 1,
    on_piece: Callable[[], None] = lambda: None,
) -> Gathered:
    """Make a set, or what is missing of one. A piece that is there already is kept, so a killed run goes on.

    Args:
        folder: Gets `audio/`.
        tools: What plays.
        pieces: How many.
        tunes: How many tunes they are made of.
        seed: Of everything.
        borrowing: Whether what only comes along with a piece's genre may be another's.
        processes: How many pieces are made at once; each holds the soundfonts in memory.
        on_piece: Called whenever a piece is there.

    Raises:
        BandMissingError: If TiMidity is not there.
        DatasetLayoutError: If a bank is not there, or the set cannot be.
        PlayingError: If MMA or TiMidity fails.
    """
    for bank in (*tools.soundfonts, *tools.patches):
        if not bank.is_file():
            raise DatasetLayoutError(f"{bank} is not there; see the card: `facet dataset cards varied`")
    if not (tools.soundfonts or tools.patches):
        raise DatasetLayoutError("nothing can play: name a soundfont or a set of patches")
    return make_set(
        folder,
        list(plan_variations(pieces, tunes=tunes, seed=seed, borrowing=borrowing)),
        make=_write_piece,
        suffix=lambda piece: f".{CODECS[piece.codec][0]}",
        artist=lambda piece: f"tune {piece.tune}, seed {seed}",
        remark="The artist of a piece is its tune.",
        prepare=partial(_open, tools),
        processes=processes,
        on_piece=on_piece,
    )


# Soundfonts take seconds to load and are not thread-safe: each process has its own.
_opened: list[Studios] = []


def _open(tools: VariedTools) -> None:
    soundfonts = [Soundfont(path, expected_sha256=None, sample_rate=SAMPLE_RATE) for path in tools.soundfonts]
    patches = [PatchSet(path, find_program("timidity", tools.timidity)) for path in tools.patches]
    _opened[:] = [Studios([*soundfonts, *patches], tools.mma)]


def _write_piece(piece: PlannedVariation, path: Path) -> None:
    sound = make_piece(
        piece.factors,
        _opened[0],
        writing=np.random.default_rng(piece.writing_seed),
        playing=np.random.default_rng(piece.playing_seed),
    )
    container, subtype, *_ = CODECS[piece.codec]
    soundfile.write(
        path, sound[0], SAMPLE_RATE, format=container.upper(), subtype=subtype, compression_level=piece.level
    )
