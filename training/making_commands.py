"""The verbs of `facet dataset` that make music: `rendered`, `accompanied`, `varied`. `dataset_commands` takes them in.

What a verb needs it imports when it is called.
"""

import sys
from pathlib import Path

import click

from training.dataset_options import FILE, manifest_verb
from training.datasets.gathering import Gathered

music_seed = click.option(
    "--music-seed", type=click.IntRange(0), default=0, show_default=True, help="Another one: other music."
)
processes = click.option(
    "--processes", type=click.IntRange(1), default=1, show_default=True, help="How many render at once."
)
any_soundfont = click.option("--any-soundfont", is_flag=True, help="Take another soundfont, which sounds otherwise.")
mma = click.option("--mma", type=FILE, help="MMA's command, if it is not on the path.")


@manifest_verb("rendered", split_by=("artist",))
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--soundfont", type=FILE, required=True, help="FluidR3_GM.sf2.")
@click.option("--pieces", type=click.IntRange(1), default=600, show_default=True, help="How many.")
@click.option("--tunes", type=click.IntRange(1), default=60, show_default=True, help="How many tunes they are made of.")
@music_seed
@processes
@any_soundfont
def rendered(
    folder: Path, *, soundfont: Path, pieces: int, tunes: int, music_seed: int, processes: int, any_soundfont: bool
) -> Gathered:
    """Render music into FOLDER, with labels true by construction. What is there already is kept."""
    from training.datasets.rendered.synthesis import FLUID_R3_SHA256, SoundfontMismatchError
    from training.datasets.rendered_set import render_set

    with click.progressbar(length=pieces, label="pieces", file=sys.stderr) as progress:
        try:
            return render_set(
                folder,
                soundfont,
                pieces=pieces,
                tunes=tunes,
                seed=music_seed,
                processes=processes,
                expected_sha256=None if any_soundfont else FLUID_R3_SHA256,
                on_piece=lambda: progress.update(1),
            )
        except SoundfontMismatchError as error:
            raise click.ClickException(f"{error}; --any-soundfont takes it all the same") from error


@manifest_verb("accompanied")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--soundfont", type=FILE, required=True, help="TimGM6mb.sf2.")
@mma
@click.option("--fluidsynth", type=FILE, help="fluidsynth's command, if it is not on the path.")
@click.option("--pieces", type=click.IntRange(1), default=240, show_default=True, help="How many.")
@click.option(
    "--sheets", type=click.IntRange(1), default=60, show_default=True, help="How many chord sheets they have."
)
@music_seed
@processes
@any_soundfont
def accompanied(
    folder: Path,
    *,
    soundfont: Path,
    mma: Path | None,
    fluidsynth: Path | None,
    pieces: int,
    sheets: int,
    music_seed: int,
    processes: int,
    any_soundfont: bool,
) -> Gathered:
    """Render music accompanied by MMA into FOLDER, to test what was trained on `rendered`. What is there is kept."""
    from training.datasets.accompanied.band import TIM_GM_SHA256, BandMissingError, PlayingError, find_tools
    from training.datasets.accompanied_set import accompany_set

    try:
        tools = find_tools(
            mma=mma,
            fluidsynth=fluidsynth,
            soundfont=soundfont,
            expected_sha256=None if any_soundfont else TIM_GM_SHA256,
        )
        with click.progressbar(length=pieces, label="pieces", file=sys.stderr) as progress:
            return accompany_set(
                folder,
                tools,
                pieces=pieces,
                sheets=sheets,
                seed=music_seed,
                processes=processes,
                on_piece=lambda: progress.update(1),
            )
    except (BandMissingError, PlayingError) as error:
        raise click.ClickException(str(error)) from error


@manifest_verb("varied", split_by=("artist",))
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--soundfont", "soundfonts", type=FILE, multiple=True, help="An .sf2 or .sf3 file; repeatable.")
@click.option(
    "--patches", type=FILE, multiple=True, help="TiMidity's configuration of a set of GUS patches; repeatable."
)
@mma
@click.option("--timidity", type=FILE, help="TiMidity's command, if it is not on the path.")
@click.option("--pieces", type=click.IntRange(1), default=600, show_default=True, help="How many.")
@click.option(
    "--tunes", type=click.IntRange(1), default=200, show_default=True, help="How many tunes they are made of."
)
@click.option("--borrowing", is_flag=True, help="Harmony, pace, bass and drum kit may be another genre's.")
@music_seed
@processes
def varied(
    folder: Path,
    *,
    soundfonts: tuple[Path, ...],
    patches: tuple[Path, ...],
    mma: Path | None,
    timidity: Path | None,
    pieces: int,
    tunes: int,
    borrowing: bool,
    music_seed: int,
    processes: int,
) -> Gathered:
    """Render music by many bands in many studios into FOLDER, to learn from. What is there already is kept."""
    from training.datasets.accompanied.band import BandMissingError, PlayingError, find_mma
    from training.datasets.varied_set import VariedTools, vary_set

    try:
        with click.progressbar(length=pieces, label="pieces", file=sys.stderr) as progress:
            return vary_set(
                folder,
                VariedTools(soundfonts=soundfonts, patches=patches, mma=find_mma(mma), timidity=timidity),
                pieces=pieces,
                tunes=tunes,
                seed=music_seed,
                borrowing=borrowing,
                processes=processes,
                on_piece=lambda: progress.update(1),
            )
    except (BandMissingError, PlayingError) as error:
        raise click.ClickException(str(error)) from error
