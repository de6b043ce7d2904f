"""`facet heads`: what is made on the way to a bundle of heads on frozen taggers. `facet.py` hands the group over.

A verb imports what it needs when it is called: torch takes seconds to come up.
"""

from pathlib import Path

import click

FILE = click.Path(dir_okay=False, path_type=Path)


@click.group()
def heads() -> None:
    """Make what heads on frozen taggers need."""


@heads.command("prune-tagger")
@click.argument("manifests", nargs=-1, required=True, metavar="MANIFEST...", type=FILE)
@click.option("-o", "--output", required=True, type=FILE, help="File to write (safetensors).")
@click.option("--weights", type=FILE, help="Of the tagger. Without it: musicnn-mtt, which ships.")
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
