"""`facet evaluate`: a bundle and a manifest become figures, tables, pictures, a card. `facet.py` hands the verb over.

It needs no torch, and runs where the service runs.
"""

import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

if TYPE_CHECKING:
    from rich.console import Console

    from training.evaluation.suite import Measured
    from training.evaluation.triplets import Triplets

_FILE = click.Path(dir_okay=False, path_type=Path)
_FOLDER = click.Path(file_okay=False, path_type=Path)

EVALUATION_FILE = "evaluation.json"


@click.command()
@click.option("--model", required=True, type=_FOLDER, help="The bundle: a folder with bundle.json.")
@click.option("--data", required=True, type=_FILE, help="The tracks: CSV or Parquet, as `facet dataset` writes it.")
@click.option(
    "--vocabulary",
    help="Tags and their dimensions: a TOML file, or the name of one that ships. Without it: the bundle's own.",
)
@click.option("--ignore-case", is_flag=True, help="Capitals do not tell the manifest's tags apart.")
@click.option(
    "--side",
    type=click.Choice(["train", "valid", "test", "all"]),
    help="Rows to ask about. Without it: test, or all where the manifest has no sides.",
)
@click.option(
    "--out", type=_FOLDER, help="Folder for what is written. Without it: the bundle's, whose card is kept up."
)
@click.option("--robustness", is_flag=True, help="Measure again after mp3, gain, pitch, tempo and noise.")
@click.option("--dim-sim", "dim_sim", multiple=True, type=_FILE, help="A file of Dim-Sim, raw or clean; repeatable.")
@click.option(
    "--agreement",
    default=0.0,
    show_default=True,
    type=click.FloatRange(0, 1),
    help="Of a Dim-Sim triplet's votes, the least share that the winner must have.",
)
@click.option(
    "--weight", "weights", multiple=True, metavar="DIMENSION=WEIGHT", help="Ask Dim-Sim with weights, too; repeatable."
)
@click.option("--agree-with", type=_FOLDER, help="Another bundle, to compare tag scores with.")
@click.option("--triplets", default=40_000, show_default=True, type=click.IntRange(1), help="Drawn for each dimension.")
@click.option(
    "--triplet-file", "triplet_files", multiple=True, type=_FILE, help="Ask these instead of drawing; repeatable."
)
@click.option("--write-triplets", type=_FOLDER, help="Folder to write the triplets to that were asked.")
@click.option(
    "--similarity",
    "similarities",
    multiple=True,
    type=click.Choice(["cosine", "dot", "euclidean"]),
    default=["cosine"],
    show_default=True,
    help="How vectors are compared; repeatable.",
)
@click.option(
    "--complete",
    type=click.Choice(["slices", "whole"]),
    default="slices",
    show_default=True,
    help="The complete space under the cosine: sub-spaces of length one, as served; or all columns as one.",
)
@click.option("--excerpts-per-track", type=click.IntRange(1), help="Evenly spread. Without it: every one.")
@click.option("--resamples", default=1_000, show_default=True, type=click.IntRange(1), help="Of the bootstrap.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Decides what chance decides.")
@click.option(
    "--at-least",
    type=_FILE,
    help="TOML of thresholds; fail if a figure does not reach its own, or exceeds its own under `at_most`.",
)
@click.option("--work", type=_FOLDER, help="Folder for embeddings, to go on from. Without it: the user's cache folder.")
@click.option("--threads", default=1, show_default=True, type=click.IntRange(1), help="For everything.")
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True, help="Of the encoder.")
def evaluate(
    *,
    model: Path,
    data: Path,
    vocabulary: str | None,
    ignore_case: bool,
    side: str | None,
    out: Path | None,
    robustness: bool,
    dim_sim: tuple[Path, ...],
    agreement: float,
    weights: tuple[str, ...],
    agree_with: Path | None,
    triplets: int,
    triplet_files: tuple[Path, ...],
    write_triplets: Path | None,
    similarities: tuple[str, ...],
    complete: str,
    excerpts_per_track: int | None,
    resamples: int,
    seed: int,
    at_least: Path | None,
    work: Path | None,
    threads: int,
    device: Literal["cpu", "cuda"],
) -> None:
    """Measure a bundle on labelled music: figures, tables, pictures and a card.

    Interrupted, it goes on from the embeddings it has.
    """
    from index.threads import cap_threads

    cap_threads(threads)

    from rich.console import Console

    from index.bundle_manifest import BundleError
    from index.decoder import Decoder
    from index.model import BATCH_SIZE, LARGEST_BATCH_SIZE, DeviceUnavailableError, ModelBundle
    from index.subspaces import UnknownDimensionError
    from training.datasets.labels import TagCase
    from training.datasets.manifest import ManifestError
    from training.evaluation.conditions import CONDITIONS
    from training.evaluation.embedding_store import default_work
    from training.evaluation.evaluation import EvaluationError, Similarity
    from training.evaluation.gate import read_thresholds, shortfalls
    from training.evaluation.measured_data import read_data, vocabulary_of
    from training.evaluation.points import Complete

    # Not used here: what is not installed is told before the work, not after it.
    from training.evaluation.report import write_report  # noqa: F401
    from training.evaluation.suite import evaluate_bundle
    from training.evaluation.suite_settings import SuiteSettings
    from training.vocabulary import VocabularyError, find_vocabulary

    console = Console(soft_wrap=True, highlight=False)
    settings = SuiteSettings(
        similarities=tuple(dict.fromkeys(map(Similarity, similarities))),
        complete=Complete(complete),
        triplets=triplets,
        resamples=resamples,
        seed=seed,
        agreement=agreement,
        weights=_parsed(weights),
        excerpts_per_track=excerpts_per_track,
        conditions=tuple(CONDITIONS.values()) if robustness else (),
    )
    try:
        # What a person may have mistyped is looked at before the work begins.
        thresholds = () if at_least is None else read_thresholds(at_least)
        batch_size = LARGEST_BATCH_SIZE if device == "cuda" else BATCH_SIZE
        opened = partial(ModelBundle.open, threads=1, device=device, batch_size=batch_size)
        bundle, reference = opened(model), None if agree_with is None else opened(agree_with)
        for dimension in settings.weights or ():
            _ = bundle.subspaces[dimension]
        folder = _writable(out or model)
        tags = vocabulary_of(bundle) if vocabulary is None else find_vocabulary(vocabulary)
        asked = read_data(data, tags, side=side, case=TagCase.IGNORE if ignore_case else TagCase.EXACT)
        console.print(
            f"{bundle.name} on {len(asked.asked)} rows of {asked.name} (side {asked.side}), "
            f"{len(tags.tags)} tags of {tags.name}"
        )
        with Decoder(processes=threads) as decoder, _bar(console) as watch:
            measured = evaluate_bundle(
                bundle,
                decoder,
                asked,
                settings=settings,
                work=work or default_work(),
                threads=threads,
                dim_sim=dim_sim,
                triplet_files=triplet_files,
                reference=reference,
                watch=watch,
            )
        _write(measured, folder, write_triplets, console, seed=seed)
        missed = shortfalls(measured.evaluation, thresholds)
    except ModuleNotFoundError as error:
        if error.name != "pyarrow":
            raise
        raise click.ClickException(
            f"{data} is Parquet, which needs the package 'pyarrow' (Facet's extra 'training'); write it as CSV instead"
        ) from error
    except (
        BundleError,
        DeviceUnavailableError,
        EvaluationError,
        ManifestError,
        UnknownDimensionError,
        VocabularyError,
    ) as error:
        raise click.ClickException(str(error)) from error
    if missed:
        raise click.ClickException(
            "\n".join([f"{len(missed)} of {len(thresholds)} thresholds are not reached:", *map(str, missed)])
        )
    if thresholds:
        console.print(f"all {len(thresholds)} thresholds are reached")


def _writable(folder: Path) -> Path:
    """A folder that can be written to, or be made; told before hours of work, not after."""
    nearest = next(each for each in (folder, *folder.absolute().parents) if each.exists())
    if not (nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)):
        raise click.ClickException(f"{folder} cannot be written to; name another folder with --out")
    return folder


def _write(measured: "Measured", folder: Path, triplets: Path | None, console: "Console", *, seed: int) -> None:
    """Write all there is to read, and say what was written and what could not be measured."""
    from training.evaluation.evaluation import write_evaluation
    from training.evaluation.report import write_report
    from training.evaluation.triplet_files import triplet_file_name, write_triplets

    folder.mkdir(parents=True, exist_ok=True)
    written = [folder / EVALUATION_FILE]
    write_evaluation(measured.evaluation, folder / EVALUATION_FILE)
    written += write_report(measured.evaluation, measured.tracks, folder, seed=seed)
    if triplets is not None:
        triplets.mkdir(parents=True, exist_ok=True)
        kinds: dict[str, list[Triplets]] = {}
        for each in measured.triplets:
            name = triplet_file_name(of_excerpts=each.notion is None, variant=each.variant)
            kinds.setdefault(name, []).append(each)
        for name, asked in kinds.items():
            write_triplets(asked, measured.tracks, triplets / name)
            written.append(triplets / name)
    for note in measured.notes:
        console.print(f"note: {note}")
    for path in written:
        console.print(f"written: {path}")


def _parsed(weights: tuple[str, ...]) -> dict[str, float] | None:
    """Of each dimension; None where nobody asked for any."""
    parsed = {}
    for each in weights:
        dimension, _, weight = each.rpartition("=")
        try:
            parsed[dimension] = float(weight)
        except ValueError:
            dimension = ""
        if not dimension or not math.isfinite(parsed[dimension]) or parsed[dimension] < 0:
            raise click.BadParameter(
                f"{each!r}: expected DIMENSION=WEIGHT, such as mood=0.5, no weight below 0", param_hint="--weight"
            )
    if parsed and not any(parsed.values()):
        raise click.BadParameter("every weight is 0; give a dimension one above 0", param_hint="--weight")
    return parsed or None


@contextmanager
def _bar(console: "Console") -> Iterator[Callable[[str, int, int], None]]:
    """A bar for each thing that is embedded, gone when it is done."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("left"),
    )
    tasks: dict[str, TaskID] = {}
    with Progress(*columns, console=console, transient=True) as progress:

        def watch(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = progress.add_task(what, total=total)
            progress.update(tasks[what], completed=done)

        yield watch
