"""`facet heads`: music and two frozen taggers become a bundle. `facet.py` hands the group over.

A verb imports what it needs when it is called: torch takes seconds to come up.
"""

from pathlib import Path

import click

_FILE = click.Path(dir_okay=False, path_type=Path)
_FOLDER = click.Path(file_okay=False, path_type=Path)


@click.group()
def heads() -> None:
    """Fit sub-space heads to frozen taggers: how the bundle that ships was made."""


@heads.command()
@click.argument("folder", type=_FOLDER)
@click.option(
    "--labelled", "labelled", multiple=True, required=True, type=_FILE, help="Manifest of labelled music; repeatable."
)
@click.option("--real", required=True, type=_FILE, help="Manifest of real music; its training side is heard.")
@click.option("--recipe", type=_FILE, help="A TOML file. Without it: the one that made the bundle that ships.")
@click.option("--work", type=_FOLDER, help="Folder for features, to go on from. Without it: the user's cache folder.")
@click.option("--threads", default=1, show_default=True, type=click.IntRange(1), help="For hearing and fitting.")
def fit(
    folder: Path, *, labelled: tuple[Path, ...], real: Path, recipe: Path | None, work: Path | None, threads: int
) -> None:
    """Fit heads and write the bundle to FOLDER.

    Interrupted, it goes on from the features it has. What to measure it by: `facet evaluate`.
    """
    import platformdirs
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    from index.bundle_manifest import BundleError
    from index.threads import cap_threads
    from training.backbones.kept_filters import KeptFiltersError
    from training.backbones.musicnn import PretrainedWeightsError
    from training.datasets.manifest import ManifestError
    from training.datasets.manifest_files import read_manifest
    from training.encoder_graph import ParityError
    from training.evaluation.evaluation import EvaluationError
    from training.export import ExportError
    from training.heads.bundle import make_bundle
    from training.heads.excerpts import LearntMusicError
    from training.heads.recipe import DEFAULT_RECIPE, HeadRecipeError, read_head_recipe
    from training.heads.words import WordsError
    from training.platt import CalibrationError
    from training.vocabulary import VocabularyError

    console = Console(soft_wrap=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    cap_threads(1)
    try:
        with Progress(*columns, console=console) as progress:
            bars: dict[str, TaskID] = {}

            def watch(stage: str, done: int, all_: int) -> None:
                if stage not in bars:
                    bars[stage] = progress.add_task(stage)
                progress.update(bars[stage], completed=done, total=all_)

            fitted = make_bundle(
                folder,
                labelled=[read_manifest(path) for path in labelled],
                real=read_manifest(real),
                recipe=read_head_recipe(recipe or DEFAULT_RECIPE),
                work=work or Path(platformdirs.user_cache_dir("facet", appauthor=False)) / "heads",
                threads=threads,
                watch=watch,
            )
    except (
        BundleError,
        CalibrationError,
        EvaluationError,
        ExportError,
        HeadRecipeError,
        KeptFiltersError,
        LearntMusicError,
        ManifestError,
        OSError,
        ParityError,
        PretrainedWeightsError,
        VocabularyError,
        WordsError,
    ) as error:
        raise click.ClickException(str(error)) from error
    losses = ", ".join(f"{name} {value:.3f}" for name, value in fitted.losses.items())
    console.print(f"losses at the end: {losses}", highlight=False)
    if fitted.left_out:
        console.print(f"{fitted.left_out} rows gave no audio", highlight=False)
    for why in dict.fromkeys(fitted.uncalibrated.values()):
        words = ", ".join(word for word, of_word in fitted.uncalibrated.items() if of_word == why)
        console.print(f"without a probability, as {why}: {words}", highlight=False)
    for output, difference in fitted.parity.items():
        console.print(f"{output}: at most {difference:.1g} from torch", highlight=False)
    console.print(f"{folder} is ready: facet evaluate --model {folder} --data …", highlight=False)


@heads.command("prune-tagger")
@click.argument("manifests", nargs=-1, required=True, metavar="MANIFEST...", type=_FILE)
@click.option("-o", "--output", required=True, type=_FILE, help="File to write (safetensors).")
@click.option("--weights", type=_FILE, help="Of the tagger. Without it: musicnn-mtt, which ships.")
@click.option(
    "--filters",
    "n_filters",
    type=click.IntRange(16, 528),
    default=112,
    show_default=True,
    help="Front-end filters to keep: a multiple of 16.",
)
@click.option(
    "--excerpts-per-track",
    type=click.IntRange(1),
    default=8,
    show_default=True,
    help="Taken at most, evenly spread over each track.",
)
def prune_tagger(
    manifests: tuple[Path, ...], *, output: Path, weights: Path | None, n_filters: int, excerpts_per_track: int
) -> None:
    """Choose the filters of a musicnn that matter over music, and fit the layers after them to make up for the rest.

    The music is what the MANIFESTs have on the training side; its tags do not matter. A bundle's tagger computes the
    filters of OUTPUT and no others.
    """
    import torch
    from rich.console import Console

    from index.decoder import Decoder
    from training.backbones.filter_importance import BLOCK_FILTERS, choose_filters
    from training.backbones.kept_filters import write_kept_filters
    from training.backbones.musicnn import PretrainedWeightsError, load_musicnn
    from training.datasets.manifest import ManifestError, Split
    from training.datasets.manifest_files import read_manifest
    from training.export import PRETRAINED
    from training.front_end import FRONT_ENDS
    from training.music_frames import NoMusicError, music_frames
    from training.progress import FramesBar

    if n_filters % BLOCK_FILTERS:
        raise click.BadParameter(f"{n_filters} is not a multiple of {BLOCK_FILTERS}", param_hint="--filters")
    console = Console(soft_wrap=True)
    try:
        pretrained = load_musicnn(weights or PRETRAINED / "musicnn-mtt.safetensors")
        sides = [read_manifest(path) for path in manifests]
        sides = [manifest.take(manifest.on(Split.TRAIN)) for manifest in sides]
        music = []
        for manifest in sides:
            with Decoder(processes=1) as decoder, FramesBar(console) as bar:
                music.append(
                    music_frames(
                        manifest,
                        decoder,
                        front_end=FRONT_ENDS["musicnn"],
                        excerpts_per_track=excerpts_per_track,
                        watch=bar.watch,
                    )
                )
        log_mel = torch.cat([each.log_mel for each in music])
        kept = choose_filters(pretrained.network, log_mel, n_filters=n_filters)
        taken = " and ".join(
            f"{len(each.log_mel)} excerpts of {path.name}" for path, each in zip(manifests, music, strict=True)
        )
        write_kept_filters(output, kept, weights_sha256=pretrained.sha256, music=taken)
    except (ManifestError, NoMusicError, OSError, PretrainedWeightsError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    for each in music:
        for path, reason in each.left_out:
            click.echo(f"left out: {path}: {reason}")
    click.echo(f"{int(kept.is_kept.sum())} filters, chosen by {taken}, stand in {output}")
