"""`facet reproduce`: the poster's eight models on one data set, with its tables. `facet.py` hands the verb over."""

from pathlib import Path

import click


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--data",
    "manifest",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The tracks, with train, valid and test sides: CSV or Parquet, as `facet dataset` writes it.",
)
@click.option(
    "--vocabulary",
    default="lastfm50",
    show_default=True,
    help="The tags and their dimensions: a TOML file, or the name of one that ships.",
)
@click.option("--recipe", "recipes", multiple=True, help="Only this one; repeatable. Without it: the poster's eight.")
@click.option("--seeds", default=3, show_default=True, type=click.IntRange(min=1), help="Runs of each recipe.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Of every recipe alike; repeatable.")
@click.option(
    "--cache",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for log-mel frames. Without it: the user's cache folder.",
)
@click.option(
    "--dim-sim",
    "dim_sim",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file of Dim-Sim, raw or clean, about these tracks; repeatable.",
)
@click.option("--data-source", default="not stated", help="What the data are, for the bundles' cards.")
@click.option("--processes", default=1, show_default=True, type=click.IntRange(min=1), help="Runs at once.")
def reproduce(
    folder: Path,
    *,
    manifest: Path,
    vocabulary: str,
    recipes: tuple[str, ...],
    seeds: int,
    overrides: tuple[str, ...],
    cache: Path | None,
    dim_sim: tuple[Path, ...],
    data_source: str,
    processes: int,
) -> None:
    """Train and measure the poster's eight models, and print its tables, ours beside theirs.

    Everything goes to FOLDER; the same command goes on with a reproduction that was stopped.
    """
    from rich.console import Console

    from training.checkpoint import CheckpointError
    from training.evaluation.comparison import comparison
    from training.evaluation.evaluation import EvaluationError
    from training.reproduction import POSTER, Reproduction, ReproductionError
    from training.reproduction import reproduce as reproduce_all

    console = Console(soft_wrap=True)
    plan = Reproduction(
        folder=folder,
        manifest=manifest.absolute(),
        vocabulary=vocabulary,
        recipes=recipes or POSTER,
        seeds=range(seeds),
        overrides=overrides,
        cache=cache,
        dim_sim=dim_sim,
        # The paper does not say how its vectors were compared in retrieval, and for some models it matters.
        evaluation_options=("--similarity", "cosine", "--similarity", "dot", "--similarity", "euclidean"),
        data_source=data_source,
        processes=processes,
    )
    try:
        evaluations = reproduce_all(plan, report=lambda line: console.print(line, highlight=False, markup=False))
        tables = comparison(evaluations)
    except (CheckpointError, EvaluationError, ReproductionError) as error:
        raise click.ClickException(str(error)) from error
    path = folder / "tables.md"
    path.write_text(tables, encoding="utf-8")
    console.print(tables, highlight=False, markup=False)
    console.print(f"written to {path}", highlight=False)
