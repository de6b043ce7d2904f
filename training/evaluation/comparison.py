"""The poster's two tables and the paper's table 4: its figures, and ours beneath each. From evaluations to Markdown.

A row is a model; its runs with several seeds are mean and standard deviation. `report` shows the same tables for one
evaluation.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import JsonValue

from training.evaluation.evaluation import Evaluation, EvaluationError, Task
from training.evaluation.key_figures import Column, figure_column, own_subspaces, tagging_overall
from training.evaluation.published import Published, read_published
from training.evaluation.tables import COMPLETE, DASH, HOW_TO_READ, NO, YES, Table, cell, notions_of, title

COMPARISON_FILE = "comparison.md"
PUBLISHED_FIGURES = "published"

# Figure.metric of Task.TRAINING: what a training took, and what that becomes when divided by the fastest model's.
_RATIOS = {"seconds": "time_ratio", "processor seconds": "processor_time_ratio"}

# The runs of each model, one for each seed, under any name.
Runs = Mapping[str, Sequence[Evaluation]]


@dataclass(frozen=True, kw_only=True)
class Row:
    """A model in the tables: as published, or as measured here.

    Attributes:
        family: The paper's name of it, or ours where it has none.
        is_normalised: Whether its loss compares vectors of length one; None where that is not known.
        is_disentangled: Whether it has sub-spaces of its own for the dimensions.
        figures_from: Such as `published` or `ours, 3 seeds`.
        runs: One, or one for each seed, with the ratios of training times among the figures if these were recorded.
    """

    family: str
    is_normalised: bool | None
    is_disentangled: bool | None
    figures_from: str
    runs: tuple[Evaluation, ...]

    @property
    def beginning(self) -> tuple[str, ...]:
        """The columns all three tables begin with."""
        return (self.family, _mark(self.is_normalised), _mark(self.is_disentangled), self.figures_from)

    def cell(self, column: Column) -> str:
        """What stands in a column; a run without the figure does not count towards the mean."""
        found = [column[1](run) for run in self.runs]
        return cell([figure for figure in found if figure is not None])


def comparison(evaluations: Runs, *, published: Published | None = None) -> str:
    """A page of Markdown: three tables, ours beside the paper's figures, and what each row was measured from.

    Args:
        evaluations: At least one, all on the same data; `by_recipe` makes this of a list.
        published: The paper's figures; None: those that ship.

    Raises:
        EvaluationError: If there is none, or they are not on the same data.
    """
    published = published or read_published()
    rows = compared(evaluations, published, only_ours=False)
    ours = [row for row in rows if row.figures_from != PUBLISHED_FIGURES]
    data = ", ".join(f"{key}: {value}" for key, value in _data(ours[0].runs[0]).items())
    behind = "\n".join(
        f"- {row.family} ({_mark(row.is_normalised)}, {_mark(row.is_disentangled)}): "
        + ", ".join(f"{run.bundle} `{run.encoder_id}`" for run in row.runs)
        for row in ours
    )
    return f"""# The paper's tables, ours beneath theirs

Published: {published.source}. Measured on: {published.data}.

Ours: measured on {data}. Other music and other tags: compare the order of the models and their distance from chance,
not a figure with the one above it.

{HOW_TO_READ} Several seeds are their mean ± standard deviation. A training time ratio is epochs x time of an epoch,
over that of the fastest model: ours of ours, theirs of theirs.

## Training time, similarity-based retrieval and auto-tagging

{retrieval_table(rows).markdown}
## Triplet prediction

{triplet_table(rows).markdown}
## Track triplets and listeners (table 4)

{track_table(rows).markdown}
## What stands behind a row of ours

{behind}
"""


def write_comparison(evaluations: Runs, folder: Path) -> Path:
    """Write `comparison` as `comparison.md`.

    Raises:
        EvaluationError: As `comparison` does.
    """
    path = folder / COMPARISON_FILE
    path.write_text(comparison(evaluations), encoding="utf-8")
    return path


def by_recipe(evaluations: Iterable[Evaluation]) -> dict[str, list[Evaluation]]:
    """Runs of one recipe together, if nothing that teaches differs but the seed; otherwise each under its own name."""
    groups: dict[str, list[Evaluation]] = {}
    for evaluation in evaluations:
        groups.setdefault(_all_but_the_seed(evaluation), []).append(evaluation)
    return {f"{recipe_name(runs[0])} {number}": runs for number, runs in enumerate(groups.values())}


def compared(evaluations: Runs, published: Published, *, only_ours: bool) -> list[Row]:
    """The rows of all three tables: in the paper's order, ours beneath theirs; models beyond the paper last.

    Args:
        evaluations: As for `comparison`.
        published: The paper's figures.
        only_ours: Leave out models of the paper that none of the evaluations is of.

    Raises:
        EvaluationError: As `comparison` does.
    """
    groups = [tuple(runs) for runs in evaluations.values() if runs]
    if not groups:
        raise EvaluationError("there is no evaluation to compare; `facet evaluate` writes one for a bundle")
    _check_same_data([run for runs in groups for run in runs])
    ours = [(recipe_name(runs[0]), runs) for runs in _with_time_ratios(groups)]
    rows: list[Row] = []
    for model in published.models:
        own = [_row(model.family, runs) for name, runs in ours if name == model.recipe]
        if own or not only_ours:
            theirs = Row(
                family=model.family,
                is_normalised=model.normalised,
                is_disentangled=model.disentangled,
                figures_from=PUBLISHED_FIGURES,
                runs=(published.evaluation(model),),
            )
            rows.append(theirs)
        rows += own
    in_paper = {model.recipe for model in published.models}
    return rows + [_row(name, runs) for name, runs in ours if name not in in_paper]


def retrieval_table(rows: Sequence[Row]) -> Table:
    """The poster's first: training time, R@K and AUC, all in the complete space.

    AUC is of the bundle's own tag scores, or of prototypes where a bundle has none for these tags.
    """
    recalls = dict.fromkeys(
        figure.metric for row in rows for run in row.runs for figure in run.figures if figure.task is Task.RETRIEVAL
    )
    columns = [
        figure_column("Training time ratio", Task.TRAINING, "time_ratio"),
        figure_column("by processor time", Task.TRAINING, "processor_time_ratio"),
        *(figure_column(metric, Task.RETRIEVAL, metric) for metric in sorted(recalls, key=_k)),
        ("AUC", tagging_overall),
    ]
    if not any(columns[1][1](run) for row in rows for run in row.runs):
        del columns[1]
    return Table(
        header=(*_BEGINNING, *(column[0] for column in columns)),
        rows=tuple((*row.beginning, *map(row.cell, columns)) for row in rows),
        text_columns=len(_BEGINNING),
    )


def triplet_table(rows: Sequence[Row]) -> Table:
    """The poster's second: tag triplets of each dimension in the complete space, and in its own sub-space."""
    # Ours before the paper's: where both have them, they are in the bundle's order.
    runs = [run for row in sorted(rows, key=lambda row: row.figures_from == PUBLISHED_FIGURES) for run in row.runs]
    notions = notions_of(runs)
    complete = [figure_column(title(notion), Task.TAG_TRIPLETS, "accuracy", notion=notion) for notion in notions]
    own = [
        figure_column(title(notion), Task.TAG_TRIPLETS, "accuracy", notion=notion, subspace=notion)
        for notion in notions
    ]
    blocks: list[tuple[str, list[Column]]] = [
        (title(COMPLETE), [*complete, figure_column("Overall", Task.TAG_TRIPLETS, "accuracy")]),
        ("Sub-space", [*own, ("Overall", own_subspaces)]),
    ]
    lines = [
        (name, *row.beginning, *map(row.cell, columns))
        for name, columns in blocks
        for row in rows
        if name != "Sub-space" or any(row.cell(column) != DASH for column in columns)
    ]
    return Table(
        header=("Embedding space", *_BEGINNING, *map(title, notions), "Overall"),
        rows=tuple(lines),
        text_columns=1 + len(_BEGINNING),
    )


def track_table(rows: Sequence[Row]) -> Table:
    """The paper's table 4: track triplets, and listeners' judgements (Dim-Sim, clean), in the complete space."""
    columns = [
        figure_column("Track", Task.TRACK_TRIPLETS, "accuracy"),
        figure_column("Human (Dim-Sim clean)", Task.DIM_SIM, "accuracy", variant="clean"),
    ]
    return Table(
        header=(*_BEGINNING, *(column[0] for column in columns)),
        rows=tuple((*row.beginning, *map(row.cell, columns)) for row in rows),
        text_columns=len(_BEGINNING),
    )


def recipe_name(evaluation: Evaluation) -> str:
    """Of the recipe that trained the bundle; the bundle's where none did."""
    name = _recipe(evaluation).get("name")
    return name if isinstance(name, str) else evaluation.bundle


_BEGINNING = ("Model", "Normalization", "Disentanglement", "Figures")


def _k(metric: str) -> tuple[bool, int, str]:
    """R@2 before R@10, and whatever else retrieval is measured by at the end."""
    name, _, k = metric.partition("@")
    return (not k.isdecimal(), int(k) if k.isdecimal() else 0, name)


def _mark(is_so: bool | None) -> str:
    return DASH if is_so is None else YES if is_so else NO


def _row(family: str, runs: tuple[Evaluation, ...]) -> Row:
    loss = _recipe(runs[0]).get("loss")
    # The contrastive loss has no such setting: it always compares slices of length one.
    normalisation = loss.get("normalisation", "slices") if isinstance(loss, Mapping) else None
    return Row(
        family=family,
        is_normalised=None if normalisation is None else normalisation != "none",
        is_disentangled=len(runs[0].dimensions) > 1 if normalisation is None else normalisation == "slices",
        figures_from="ours" if len(runs) == 1 else f"ours, {len(runs)} seeds",
        runs=runs,
    )


def _recipe(evaluation: Evaluation) -> Mapping[str, JsonValue]:
    recipe = evaluation.recipe.get("recipe")
    return recipe if isinstance(recipe, Mapping) else {}


def _all_but_the_seed(evaluation: Evaluation) -> str:
    """The same text for runs of one recipe that differ in what is random, or in what teaches nothing, alone."""
    recipe = {key: value for key, value in _recipe(evaluation).items() if key not in ("about", "machine")}
    if not recipe:
        return f"bundle {evaluation.bundle} {evaluation.encoder_id}"
    training = recipe.get("training")
    if isinstance(training, Mapping):
        recipe["training"] = {key: value for key, value in training.items() if key != "seed"}
    return json.dumps(recipe, sort_keys=True)


def _with_time_ratios(groups: Sequence[tuple[Evaluation, ...]]) -> list[tuple[Evaluation, ...]]:
    """Every run with its training time over the fastest model's, which is a mean over its seeds."""
    for took, ratio in _RATIOS.items():
        recorded = [[figure for run in runs if (figure := run.find(Task.TRAINING, took))] for runs in groups]
        means = [float(np.mean([figure.value for figure in figures])) for figures in recorded if figures]
        # Of one model, the ratio would be one whatever it took.
        if len(means) > 1 and min(means) > 0:
            groups = [tuple(_with_ratio(run, took, ratio, min(means)) for run in runs) for runs in groups]
    return list(groups)


def _with_ratio(run: Evaluation, took: str, ratio: str, fastest: float) -> Evaluation:
    figure = run.find(Task.TRAINING, took)
    if figure is None:
        return run
    update = {"metric": ratio, "value": figure.value / fastest}
    return run.model_copy(update={"figures": (*run.figures, figure.model_copy(update=update))})


def _data(evaluation: Evaluation) -> dict[str, str]:
    """What tells the data apart: all that is said of it in words (name, sha256, side, vocabulary), no counts."""
    return {key: value for key, value in evaluation.data.items() if isinstance(value, str)}


def _check_same_data(evaluations: Sequence[Evaluation]) -> None:
    first = evaluations[0]
    for other in evaluations[1:]:
        if _data(other) != _data(first):
            raise EvaluationError(
                f"{first.bundle} was measured on {_data(first)}, {other.bundle} on {_data(other)}; "
                "measure both on the same data before comparing them"
            )
