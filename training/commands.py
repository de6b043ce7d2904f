"""The offline verbs of the `facet` command. `facet.py` hands them over.

A verb imports what it needs when it is called: torch takes seconds to come up.
"""

from pathlib import Path

import click

from index.bundle_manifest import BundleError


@click.command()
@click.argument("model", type=click.Choice(["musicnn-msd"]))
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--mean",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Mean of the network's features over music (safetensors). Without it: the one that ships beside the weights.",
)
def export(model: str, folder: Path, mean: Path | None) -> None:
    """Write MODEL as a model bundle to FOLDER.

    A bundle that is already there is replaced, once the new one has been checked.
    """
    from training.backbones.musicnn import PretrainedWeightsError
    from training.closed_form import FeatureMeanError
    from training.encoder_graph import PARITY_TOLERANCE, ParityError
    from training.export import MUSICNN_MEAN, ExportError, export_musicnn_msd

    try:
        differences = export_musicnn_msd(folder, mean=mean or MUSICNN_MEAN)
    except (BundleError, ExportError, FeatureMeanError, ParityError, PretrainedWeightsError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{model} stands in {folder}")
    for output, difference in differences.items():
        click.echo(f"{output}: at most {difference:.1g} from torch (allowed: {PARITY_TOLERANCE:g})")
