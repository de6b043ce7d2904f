"""Renders the sample catalogue anew: 96 MP3 files and `manifest.csv`, beside this script.

    python samples/render.py --soundfont FluidR3_GM.sf2

The soundfont is FluidR3_GM.sf2 of Debian's package fluid-soundfont-gm; any other is refused.
"""

import argparse
import csv
import hashlib
import io
import os
import sys
import time
import tomllib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

# One core at a time. Set before numpy loads its BLAS, which reads it once.
os.environ.setdefault("OMP_NUM_THREADS", "1")

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))  # a checkout need not be installed to render its samples

import numpy as np  # noqa: E402

from training.datasets.rendered.design import (  # noqa: E402
    BIT_RATES,
    GENRE_PAIRS,
    SAMPLE_ERAS,
    SamplePiece,
    sample_pieces,
)
from training.datasets.rendered.eras import ERAS  # noqa: E402
from training.datasets.rendered.mp3 import quantised, write_mp3  # noqa: E402
from training.datasets.rendered.piece import write_score  # noqa: E402
from training.datasets.rendered.production import render  # noqa: E402
from training.datasets.rendered.synthesis import SAMPLE_RATE, Soundfont, SoundfontMismatchError  # noqa: E402

PIECES_OF_A_TUNE = 24


@dataclass(frozen=True)
class Row:
    """One line of the manifest, its columns in order."""

    path: str
    track_id: str
    title: str
    artist: str
    album: str
    year: int
    genre: str
    mood: str
    instrument: str
    era: str
    tags: str
    split: str
    seconds: str
    sha256: str


@dataclass(frozen=True)
class Sample:
    """A piece of the design with its names and the seeds of its music and of its studio."""

    piece: SamplePiece
    track_id: str
    title: str
    artist: str
    album: str
    year: int
    tune_seed: int
    studio_seed: tuple[int, int]


def named_samples(names_path: Path = HERE / "names.toml") -> Iterator[Sample]:
    """Deals out the names. Each ensemble plays four pieces: one genre, one era, every mood and instrument once."""
    names = tomllib.loads(names_path.read_text("utf-8"))
    genres = [genre for pair in GENRE_PAIRS for genre in pair]
    for number, piece in enumerate(sample_pieces()):
        factors, (_, mood, instrument) = piece.factors, piece.turn
        desk = 2 * (genres.index(factors.genre) * len(SAMPLE_ERAS) + SAMPLE_ERAS.index(factors.era))
        ensemble = names["ensembles"][desk + (mood ^ instrument)]
        tune = names["tunes"][piece.tune]
        # Seven is prime to 24, so a tune's titles are all different and their order tells nothing.
        word = names["titles"]["words"][(7 * number + 5 * piece.tune) % PIECES_OF_A_TUNE]
        first_year, last_year = ERAS[factors.era].years
        yield Sample(
            piece=piece,
            track_id="-".join((tune["name"].lower(), *factors.tags)),
            title=f"{word} {tune['name']}",
            artist=ensemble["artist"],
            album=ensemble["album"],
            # An album has one year; the ensembles' own spread over the era.
            year=first_year + (5 * (desk + (mood ^ instrument)) + 2) % (last_year - first_year + 1),
            tune_seed=tune["seed"],
            studio_seed=(tune["seed"], number),
        )


def render_sample(sample: Sample, soundfont: Soundfont, folder: Path) -> Row:
    """Renders one piece into `folder`/audio and returns its line of the manifest."""
    factors = sample.piece.factors
    score = write_score(factors, rng=np.random.default_rng(sample.tune_seed))
    sound = quantised(render(score, soundfont, rng=np.random.default_rng(sample.studio_seed)))
    path = folder / "audio" / f"{sample.track_id}.mp3"
    path.parent.mkdir(exist_ok=True)
    tags = {
        "title": sample.title,
        "artist": sample.artist,
        "album": sample.album,
        "date": str(sample.year),
        "genre": factors.genre,
    }
    write_mp3(sound, path, sample_rate=SAMPLE_RATE, bit_rate=BIT_RATES[factors.era], tags=tags)
    return Row(
        path=path.relative_to(folder).as_posix(),
        track_id=sample.track_id,
        title=sample.title,
        artist=sample.artist,
        album=sample.album,
        year=sample.year,
        genre=factors.genre,
        mood=factors.mood,
        instrument=factors.instrument,
        era=factors.era,
        tags=";".join(factors.tags),
        split="",
        seconds=f"{sound.shape[1] / SAMPLE_RATE:.2f}",
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
    )


def render_catalogue(soundfont: Soundfont, folder: Path) -> None:
    """Renders every piece and, when all are there, writes the manifest."""
    table = io.StringIO()
    writer = csv.DictWriter(table, fieldnames=list(Row.__dataclass_fields__), lineterminator="\n")
    writer.writeheader()
    for sample in named_samples():
        row = render_sample(sample, soundfont, folder)
        writer.writerow(asdict(row))
        print(f"{row.path}  {row.seconds} s  {row.title}, {row.artist}")
    (folder / "manifest.csv").write_text(table.getvalue(), "utf-8", newline="")


def main() -> int:
    """The command: renders the whole catalogue, and says how long it took."""
    parser = argparse.ArgumentParser(description="Render the sample catalogue anew.")
    parser.add_argument("--soundfont", type=Path, required=True, help="FluidR3_GM.sf2 of Debian's fluid-soundfont-gm")
    parser.add_argument("--out", type=Path, default=HERE, help="folder to write into (default: beside this script)")
    arguments = parser.parse_args()
    began = time.monotonic()
    try:
        soundfont = Soundfont(arguments.soundfont)
    except (FileNotFoundError, SoundfontMismatchError) as error:
        print(error, file=sys.stderr)
        return 1
    arguments.out.mkdir(parents=True, exist_ok=True)
    render_catalogue(soundfont, arguments.out)
    total = sum(path.stat().st_size for path in (arguments.out / "audio").glob("*.mp3"))
    print(f"{total / 1e6:.2f} MB in {time.monotonic() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
