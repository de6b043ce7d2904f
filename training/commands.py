"""The offline verbs of the `facet` command. `facet.py` hands them over.

A verb imports what it needs when it is called: torch takes seconds to come up.
"""

from pathlib import Path

import click

from index.bundle_manifest import BundleError


@click.command()
@click.argument("model")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--mean",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Of musicnn-msd: mean of the network's features over music (safetensors). Without it: the one that ships.",
)
@click.option(
    "--manifest",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Of triplet and contrastive models: the training's manifest, if it is not where it was.",
)
@click.option(
    "--cache",
    type=click.Path(file_okay=False, path_type=Path),
    help="Of those models: the training's folder for log-mel frames, if it had one of its own.",
)
@click.option("--ignore-case", is_flag=True, help="Of those models: as at the training.")
@click.option("--data-source", help="What the model was trained on, for the bundle's card.")
@click.option("--data-licence", help="Of audio and tags, for the bundle's card.")
def export(
    model: str,
    folder: Path,
    *,
    mean: Path | None,
    manifest: Path | None,
    cache: Path | None,
    ignore_case: bool,
    data_source: str | None,
    data_licence: str | None,
) -> None:
    """Write MODEL as a model bundle to FOLDER.

    MODEL is a checkpoint, the folder of a run of `facet train` (its best checkpoint), or musicnn-msd, the tagger whose
    weights ship. A bundle that is already there is replaced, once the new one has been checked.
    """
    from training.backbones.musicnn import PretrainedWeightsError
    from training.checkpoint import CheckpointError
    from training.checkpoint_export import NOT_STATED, Terms, export_checkpoint
    from training.closed_form import FeatureMeanError
    from training.datasets.labels import TagCase
    from training.datasets.manifest import ManifestError
    from training.device import choose_compute
    from training.encoder_graph import PARITY_TOLERANCE, ParityError
    from training.export import MUSICNN_MEAN, ExportError, export_musicnn_msd
    from training.mel_cache import MelCacheError, default_cache
    from training.prototypes import TrainingAudio
    from training.recipe import Machine, RecipeError
    from training.trained_encoder import UntaggedTagError
    from training.training_data import TrainingDataError

    if model != "musicnn-msd" and not Path(model).exists():
        raise click.UsageError(f"{model} does not exist: name a checkpoint, the folder of a run, or musicnn-msd")
    try:
        if model == "musicnn-msd":
            differences = export_musicnn_msd(folder, mean=mean or MUSICNN_MEAN)
        else:
            differences = export_checkpoint(
                Path(model),
                folder,
                compute=choose_compute(Machine(precision="float32")),
                audio=TrainingAudio(
                    manifest=manifest,
                    cache=cache or default_cache(),
                    case=TagCase.IGNORE if ignore_case else TagCase.EXACT,
                ),
                terms=Terms(source=data_source or NOT_STATED, licence=data_licence or NOT_STATED),
            )
    except (
        BundleError,
        CheckpointError,
        ExportError,
        FeatureMeanError,
        ManifestError,
        MelCacheError,
        ParityError,
        PretrainedWeightsError,
        RecipeError,
        TrainingDataError,
        UntaggedTagError,
    ) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{model} stands in {folder}")
    for output, difference in differences.items():
        click.echo(f"{output}: at most {difference:.1g} from torch (allowed: {PARITY_TOLERANCE:g})")
