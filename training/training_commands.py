"""`facet train`: a recipe, a manifest and a vocabulary become a run. `facet.py` hands the verb over."""

from contextlib import ExitStack
from pathlib import Path

import click


@click.command()
@click.argument("recipe")
@click.option(
    "--manifest",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The tracks: CSV or Parquet, as `facet dataset` writes it.",
)
@click.option(
    "--vocabulary",
    default="lastfm50",
    show_default=True,
    help="The tags and their dimensions: a TOML file, or the name of one that ships.",
)
@click.option(
    "--run",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the run; one that was killed goes on from there. Without it: runs/ and the recipe's name.",
)
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Another value for a setting; repeatable.")
@click.option(
    "--cache",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for log-mel frames. Without it: the user's cache folder.",
)
@click.option("--ignore-case", is_flag=True, help="Capitals do not tell the manifest's tags apart.")
def train(
    recipe: str,
    *,
    manifest: Path,
    vocabulary: str,
    run: Path | None,
    overrides: tuple[str, ...],
    cache: Path | None,
    ignore_case: bool,
) -> None:
    """Train RECIPE: a TOML file, or the name of a recipe that ships.

    Several processes: `torchrun --nproc-per-node 4 --no-python -- facet train ...`
    """
    from rich.console import Console

    from training.backbones.musicnn import PretrainedWeightsError
    from training.checkpoint import BEST, LATEST, CheckpointError, read_checkpoint
    from training.datasets.labels import TagCase
    from training.datasets.manifest import ManifestError
    from training.datasets.manifest_files import read_manifest
    from training.device import TrainingDeviceError, choose_compute
    from training.mel_cache import MelCacheError, default_cache
    from training.processes import Processes
    from training.progress import BarAndCurves, FramesBar, Report, Silence
    from training.recipe import RecipeError
    from training.recipe_files import read_recipe
    from training.sampling.batch import SamplingError
    from training.train import TrainingDivergedError
    from training.train import train as train_model
    from training.training_data import TrainingDataError, prepare_data
    from training.vocabulary import VocabularyError, find_vocabulary

    processes = Processes.of_environment()
    console = Console(quiet=not processes.is_first, soft_wrap=True)
    try:
        settings = read_recipe(recipe, overrides=overrides)
        folder = run or Path("runs") / settings.name
        compute = choose_compute(settings.machine, local_rank=processes.local_rank)
        console.print(f"{settings.name} on {compute}, {processes.count} process(es), in {folder}", highlight=False)
        tags = find_vocabulary(vocabulary)
        with FramesBar(console) as bar:
            data = prepare_data(
                settings,
                read_manifest(manifest),
                tags,
                cache=cache or default_cache(),
                case=TagCase.IGNORE if ignore_case else TagCase.EXACT,
                threads=compute.threads,
                watch=bar.watch,
            )
        for note in data.notes:
            console.print(f"note: {note}", highlight=False)
        console.print(
            f"{data.train.n_tracks} training tracks, {data.valid.n_tracks} validation tracks, {len(tags.tags)} tags in "
            f"{len(tags.dimensions)} dimensions",
            highlight=False,
        )
        first_step = read_checkpoint(folder / LATEST).standing.step if (folder / LATEST).exists() else 0
        if first_step:
            console.print(f"going on after step {first_step}", highlight=False)
        with ExitStack() as stack:
            stack.enter_context(processes.joined(compute.device))
            report: Report = Silence()
            if processes.is_first:
                report = stack.enter_context(BarAndCurves(folder, first_step=first_step, console=console))
            last = train_model(
                settings,
                data,
                run=folder,
                compute=compute,
                manifest=str(manifest.absolute()),
                processes=processes,
                report=report,
            )
    except (
        CheckpointError,
        ManifestError,
        MelCacheError,
        PretrainedWeightsError,
        RecipeError,
        SamplingError,
        TrainingDataError,
        TrainingDeviceError,
        TrainingDivergedError,
        VocabularyError,
    ) as error:
        raise click.ClickException(str(error)) from error
    lowest = last.standing.plateaus.lowest_loss
    console.print(
        f"{len(last.standing.history)} epochs, lowest validation loss {lowest:.4f}: {folder / BEST}", highlight=False
    )
