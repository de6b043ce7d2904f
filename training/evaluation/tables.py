"""Figures as cells of Markdown tables, with their interval and chance. `report`, `comparison` and `card` use them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import JsonValue

from training.evaluation.evaluation import AS_RECORDED, OWN_SUBSPACES, Evaluation, Figure, Task

DASH = "—"
YES = "✓"
NO = "✗"
COMPLETE = "complete space"
OVERALL = "overall"

# What a reader of any of these tables must know.
HOW_TO_READ = (
    "A cell is the value, [its 95 % bootstrap interval], and (what chance gives). R@K is in per cent, all else a share "
    f"of one unless it says otherwise; {DASH} was not measured."
)


@dataclass(frozen=True)
class Table:
    """A Markdown table: a header and rows of as many cells, the first columns of text, the rest of numbers.

    Attributes:
        header: Titles.
        rows: Cells.
        text_columns: So many columns from the left are text, and stand at the left.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    text_columns: int = 1

    @property
    def markdown(self) -> str:
        """With a line feed at the end."""
        rule = [":--" if column < self.text_columns else "--:" for column in range(len(self.header))]
        lines = [_line(self.header), "|".join(["", *rule, ""]), *map(_line, self.rows)]
        return "\n".join(lines) + "\n"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in cells) + " |"


def number(metric: str, value: float) -> str:
    """As the paper prints it: R@K in per cent with one decimal, skewness with two decimals, all else with three."""
    if metric.startswith("R@"):
        return f"{100 * value:.1f}"
    if metric == "skewness" or metric.endswith("_ratio"):
        return f"{value:.2f}"
    if metric.endswith("seconds") or metric == "epochs":
        return f"{value:,.0f}"
    return f"{value:.3f}"


def interval(figure: Figure) -> str:
    """`[low, high]`, or a dash."""
    if figure.low is None or figure.high is None:
        return DASH
    return f"[{number(figure.metric, figure.low)}, {number(figure.metric, figure.high)}]"


def cell(figures: Figure | Sequence[Figure] | None) -> str:
    """One figure, or the same figure of several seeds.

    Returns:
        `value [low, high] (chance)` for one, without what it lacks; `mean ± standard deviation (chance)` for several,
        the deviation with n - 1 below; a dash for none.
    """
    each = [figures] if isinstance(figures, Figure) else list(figures or ())
    if not each:
        return DASH
    metric = each[0].metric
    words = [number(metric, float(np.mean([figure.value for figure in each])))]
    if len(each) > 1:
        words.append(f"± {number(metric, float(np.std([figure.value for figure in each], ddof=1)))}")
    elif interval(each[0]) != DASH:
        words.append(interval(each[0]))
    chances = [figure.chance for figure in each if figure.chance is not None]
    if chances:
        words.append(f"({number(metric, float(np.mean(chances)))})")
    return " ".join(words)


# Of `Evaluation.data`.
_NOTES = "notes"

_MEASURES = {
    "roc_auc": "ROC-AUC",
    "pr_auc": "PR-AUC",
    "share_closer": "share closer",
    "calibration_error": "calibration error",
    "brier_score": "Brier score",
    "least_roc_auc": "least ROC-AUC",
    "rank_correlation": "rank correlation",
    "least_rank_correlation": "least rank correlation",
}

# Tasks about what a bundle itself says of a tag.
_OWN_SCORES = frozenset({Task.TAGGING, Task.AGREEMENT, Task.CALIBRATION})

# Attributes that tell figures of one task apart, and the titles of their columns.
_TITLES = {
    "tag": "Tag",
    "subspace": "Embedding space",
    "notion": "Tags of",
    "variant": "Variant",
    "similarity": "Similarity",
    "metric": "Measure",
    "condition": "Audio",
}


def pivot(
    figures: Iterable[Figure], column: str, *, first: str = "subspace", columns: Sequence[str] = ()
) -> Table | None:
    """A table with a column for every value of one attribute, and a row for every combination of the others.

    Args:
        figures: Of one task.
        column: The attribute whose values are columns.
        first: The attribute the rows begin with. Of the others, those that tell rows apart follow.
        columns: The columns' order, as far as they are there; others follow.

    Returns:
        None where there is no figure.
    """
    others = [first, *(attribute for attribute in _TITLES if attribute not in (first, column))]
    cells: dict[tuple[str, ...], dict[str, Figure]] = {}
    for figure in figures:
        key = tuple(told(figure, attribute) for attribute in others)
        cells.setdefault(key, {})[told(figure, column)] = figure
    if not cells:
        return None
    found = dict.fromkeys(name for row in cells.values() for name in row)
    order = [name for name in columns if name in found] + [name for name in found if name not in columns]
    # No similarity (of a model's own tag scores) beside one is no choice between two.
    values = [{key[place] for key in cells} for place in range(len(others))]
    telling = [
        place
        for place, attribute in enumerate(others)
        if place == 0 or len(values[place] - ({DASH} if attribute == "similarity" else set())) > 1
    ]
    return Table(
        header=(*(_TITLES[others[place]] for place in telling), *order),
        rows=tuple(
            (*(key[place] for place in telling), *(cell(row.get(name)) for name in order))
            for key, row in sorted(cells.items(), key=lambda item: _order(item[0], cells))
        ),
        text_columns=len(telling),
    )


def _order(key: tuple[str, ...], keys: Iterable[tuple[str, ...]]) -> tuple[int, ...]:
    """So that rows with the same beginning stand together, otherwise as they came."""
    columns = [list(dict.fromkeys(values)) for values in zip(*keys, strict=True)]
    return tuple(values.index(value) for value, values in zip(key, columns, strict=True))


def told(figure: Figure, attribute: str) -> str:
    """An attribute in words; a mean over the dimensions' own sub-spaces is told by its variant, and is a space."""
    variant = figure.variant or ""
    if variant.endswith(OWN_SUBSPACES) and attribute == "subspace":
        return OWN_SUBSPACES
    if variant.endswith(OWN_SUBSPACES) and attribute == "variant":
        return described("variant", variant.removesuffix(OWN_SUBSPACES).removesuffix(", ") or None)
    if attribute == "subspace" and figure.task in _OWN_SCORES and figure.similarity is None:
        return DASH  # A model's own scores compare nothing in a space.
    return described(attribute, getattr(figure, attribute))


def described(attribute: str, value: object) -> str:
    """An attribute's value in words: what None means depends on the attribute."""
    if value is None:
        return {"subspace": COMPLETE, "notion": OVERALL}.get(attribute, DASH)
    return _MEASURES.get(str(value), str(value)) if attribute == "metric" else str(value)


def data_of(evaluation: Evaluation) -> str:
    """What was measured on, a line each, without the notes."""
    return facts({name: value for name, value in evaluation.data.items() if name != _NOTES})


def notes_of(evaluation: Evaluation) -> list[str]:
    """What could not be asked, and why: a sentence each."""
    notes = evaluation.data.get(_NOTES)
    return [f"{title(str(note)).removesuffix('.')}." for note in notes] if isinstance(notes, list) else []


def notions_of(evaluations: Iterable[Evaluation]) -> tuple[str, ...]:
    """Dimensions there are figures about, each once: the bundle's first and in its order."""
    names: dict[str, None] = {}
    for evaluation in evaluations:
        found = dict.fromkeys(figure.notion for figure in evaluation.figures if figure.notion is not None)
        names |= {name: None for name in evaluation.dimensions if name in found} | found
    return tuple(names)


def at_condition(evaluation: Evaluation, condition: str) -> Evaluation:
    """The figures after one change of the audio alone, as if the audio had been recorded so."""
    figures = tuple(
        figure.model_copy(update={"condition": AS_RECORDED})
        for figure in evaluation.figures
        if figure.condition == condition
    )
    return evaluation.model_copy(update={"figures": figures})


def conditions_of(evaluation: Evaluation) -> tuple[str, ...]:
    """As recorded, then every change of the audio there are figures of."""
    return tuple(dict.fromkeys((AS_RECORDED, *(figure.condition for figure in evaluation.figures))))


def spaces_of(evaluation: Evaluation) -> tuple[str | None, ...]:
    """None for the complete space, then every sub-space of the bundle there are figures of, in its order."""
    found = {figure.subspace for figure in evaluation.figures}
    return (None, *(name for name in evaluation.dimensions if name in found))


def title(name: str) -> str:
    """A dimension's name as a heading: its first letter a capital, the rest as it is."""
    return name[:1].upper() + name[1:]


def facts(values: Mapping[str, JsonValue]) -> str:
    """What is known of data or settings, a line each, names in words; nested ones in brackets."""
    lines = [f"- {title(name.replace('_', ' '))}: {_in_words(value)}" for name, value in values.items()]
    return "\n".join(lines) + "\n"


def _in_words(value: JsonValue) -> str:
    if isinstance(value, Mapping):
        return "; ".join(f"{name.replace('_', ' ')} {_in_words(inner)}" for name, inner in value.items()) or "none"
    if isinstance(value, list):
        return "; ".join(map(_in_words, value)) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else str(value)
