"""One page of plots of an evaluation, as PNG: only what was measured is drawn, for any number of dimensions.

`report` calls it; how things are drawn stands in `drawing`.
"""

import math
from collections.abc import Callable
from itertools import cycle
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Page
from matplotlib.layout_engine import ConstrainedLayoutEngine

from training.evaluation.disentanglement import SHARE_CLOSER
from training.evaluation.drawing import (
    CHANCE,
    GREY,
    INK,
    MARKERS,
    PALE,
    PALETTE,
    draw_matrix,
    draw_side_by_side,
    legend_below,
    legible,
    plain_axes,
    write_png,
)
from training.evaluation.evaluation import AS_RECORDED, OWN_SUBSPACES, Evaluation, Figure, Task
from training.evaluation.key_figures import KEY_FIGURES, own_subspaces
from training.evaluation.tables import COMPLETE, OVERALL, at_condition, conditions_of, notions_of, spaces_of

PANEL_INCHES = (4.8, 3.9)

# A page of more panels than these is three wide.
_TWO_WIDE = 4

# Points of a line of the reliability panel.
_RELIABILITY_PARTS = 5

# Draws a panel and returns True, or returns False where there is nothing to draw.
Panel = Callable[[Axes, Evaluation], bool]


def draw_plots(evaluation: Evaluation, path: Path) -> Path:
    """Write the page.

    An evaluation without any figure that has a plot gives a page that says so.

    Args:
        evaluation: What was found.
        path: Of the PNG; what is there is replaced.

    Returns:
        `path`.
    """
    shown = [panel for panel in _PANELS if panel(Page().add_subplot(), evaluation)]
    columns = min(max(1, len(shown)), 2 if len(shown) <= _TWO_WIDE else 3)
    rows = max(1, math.ceil(len(shown) / columns))
    page = Page(
        figsize=(PANEL_INCHES[0] * columns, PANEL_INCHES[1] * rows + 0.4),
        layout=ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.12),
    )
    page.suptitle(
        legible(f"{evaluation.bundle} on {evaluation.data.get('name', 'unnamed data')}"), color=INK, fontsize=12
    )
    for place, panel in enumerate(shown):
        axes = page.add_subplot(rows, columns, place + 1)
        panel(axes, evaluation)
        plain_axes(axes)
    if not shown:
        page.text(0.5, 0.5, "No figure of this evaluation has a plot.", ha="center", color=INK)
    return write_png(page, path)


def _draw_retrieval(axes: Axes, evaluation: Evaluation) -> bool:
    axes.set_title("Similarity-based retrieval, all tags")
    ticks: set[int] = set()
    chance: dict[int, float] = {}
    for space, colour, marker in zip(spaces_of(evaluation), cycle((INK, *PALETTE)), cycle(("o", *MARKERS))):
        found = _recalls(evaluation, space)
        if not found:
            continue
        ks = [k for k, _ in found]
        ticks.update(ks)
        axes.plot(
            ks,
            [100 * figure.value for _, figure in found],
            color=colour,
            marker=marker,
            markersize=4.5,
            linewidth=2 if space is None else 1.2,
            label=legible(space or COMPLETE),
        )
        intervals = [(figure.low, figure.high) for _, figure in found]
        low, high = ([100 * end for end in ends if end is not None] for ends in zip(*intervals, strict=True))
        if len(low) == len(high) == len(ks):
            axes.fill_between(ks, low, high, color=colour, alpha=0.12, linewidth=0)
        chance |= {k: 100 * figure.chance for k, figure in found if figure.chance is not None}
    if chance:
        ks = sorted(chance)
        axes.plot(ks, [chance[k] for k in ks], color=GREY, linestyle="--", linewidth=1.3, label=CHANCE)
    axes.set_xscale("log", base=2)
    axes.set_xticks(sorted(ticks), labels=[str(k) for k in sorted(ticks)])
    axes.minorticks_off()
    axes.set_xlabel("K")
    axes.set_ylabel("R@K, per cent")
    axes.set_ylim(bottom=0)
    axes.grid(axis="y", color=PALE, linewidth=0.7)
    if ticks:
        legend_below(axes, columns=3, gap=0.18)
    return bool(ticks)


def _recalls(evaluation: Evaluation, subspace: str | None) -> list[tuple[int, Figure]]:
    """R@K over all tags in one space, by K."""
    metrics = {figure.metric for figure in evaluation.figures if figure.task is Task.RETRIEVAL}
    ks = sorted(int(name[2:]) for name in metrics if name.startswith("R@") and name[2:].isdecimal())
    found = [(k, evaluation.find(Task.RETRIEVAL, f"R@{k}", subspace=subspace)) for k in ks]
    return [(k, figure) for k, figure in found if figure is not None]


def _draw_tagging(axes: Axes, evaluation: Evaluation) -> bool:
    axes.set_title("Auto-tagging, mean over tags")
    notions = notions_of([evaluation])

    def found(variant: str, overall: str, *, is_own: bool = False) -> list[Figure | None]:
        each = [
            evaluation.find(
                Task.TAGGING, "roc_auc", variant=variant, notion=notion, subspace=notion if is_own else None
            )
            for notion in notions
        ]
        return [*each, evaluation.find(Task.TAGGING, "roc_auc", variant=overall)]

    series = [
        ("the bundle's own scores", found("model", "model")),
        ("prototypes, complete space", found("prototypes", "prototypes")),
        ("prototypes, own sub-space", found("prototypes", f"prototypes, {OWN_SUBSPACES}", is_own=True)),
    ]
    return _draw_series(axes, (*notions, OVERALL), series, ylabel="ROC-AUC")


def _draw_reliability(axes: Axes, evaluation: Evaluation) -> bool:
    """Every tag's bins as dots, and of each dimension the mean of a fifth of them at a time."""
    axes.set_title("What tag probabilities say, and what is so")
    notion_of = {figure.tag: figure.notion for figure in evaluation.figures if figure.task is Task.CALIBRATION}
    if not notion_of or not evaluation.reliability:
        return False
    for notion, colour, marker in zip(notions_of([evaluation]), cycle(PALETTE), cycle(MARKERS)):
        bins = [each for tag, found in evaluation.reliability.items() if notion_of.get(tag) == notion for each in found]
        if not bins:
            continue
        said, share, n = (
            np.array([getattr(each, name) for each in bins]) for name in ("mean_probability", "share", "n")
        )
        axes.plot(said, share, color=colour, marker=".", markersize=3, linestyle="none", alpha=0.25)
        parts = [each for each in np.array_split(np.argsort(said), _RELIABILITY_PARTS) if len(each)]
        axes.plot(
            [np.average(said[each], weights=n[each]) for each in parts],
            [np.average(share[each], weights=n[each]) for each in parts],
            color=colour,
            marker=marker,
            markersize=4.5,
            linewidth=1.2,
            label=legible(notion),
        )
    axes.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1.3, label="exactly right")
    axes.set_xlabel("probability of a tag")
    axes.set_ylabel("share of tracks that have it")
    axes.grid(color=PALE, linewidth=0.7)
    legend_below(axes, columns=3, gap=0.18)
    return True


def _draw_triplets(axes: Axes, evaluation: Evaluation) -> bool:
    axes.set_title("Tag triplets by dimension")
    notions = notions_of([evaluation])
    task, metric = Task.TAG_TRIPLETS, "accuracy"
    complete = [evaluation.find(task, metric, notion=notion) for notion in (*notions, None)]
    own = [evaluation.find(task, metric, notion=notion, subspace=notion) for notion in notions]
    series = [(COMPLETE, complete), ("own sub-space", [*own, own_subspaces(evaluation)])]
    return _draw_series(axes, (*notions, OVERALL), series, ylabel="share predicted right")


def _draw_tracks(axes: Axes, evaluation: Evaluation) -> bool:
    axes.set_title("Triplets that know no tags")
    spaces = spaces_of(evaluation)
    series = [
        ("track triplets", [evaluation.find(Task.TRACK_TRIPLETS, "accuracy", subspace=space) for space in spaces]),
        (
            "listeners (Dim-Sim clean)",
            [evaluation.find(Task.DIM_SIM, "accuracy", subspace=space, variant="clean") for space in spaces],
        ),
    ]
    return _draw_series(axes, [space or "complete" for space in spaces], series, ylabel="share predicted right")


def _draw_series(
    axes: Axes, groups: tuple[str, ...] | list[str], series: list[tuple[str, list[Figure | None]]], *, ylabel: str
) -> bool:
    """Those of the series that were measured, side by side; False if none was."""
    measured = [(name, figures) for name, figures in series if any(figures)]
    if measured:
        draw_side_by_side(axes, groups, measured, ylabel=ylabel)
    return bool(measured)


def _matrix_of(task: Task, heading: str, *, metric: str = "accuracy", variant: str | None = None) -> Panel:
    """A panel of sub-spaces x notions; False where nothing was asked in a sub-space."""

    def draw(axes: Axes, evaluation: Evaluation) -> bool:
        axes.set_title(heading)
        spaces, notions = spaces_of(evaluation), notions_of([evaluation])
        found = [
            [evaluation.find(task, metric, subspace=space, notion=notion, variant=variant) for notion in notions]
            for space in spaces
        ]
        if not any(figure is not None for row in found[1:] for figure in row):
            return False
        draw_matrix(axes, [space or COMPLETE for space in spaces], notions, found)
        chances = {figure.chance for row in found for figure in row if figure is not None}
        known = f" (chance {chances.pop():.2f})" if len(chances) == 1 and None not in chances else ""
        axes.set_xlabel(f"dimension asked about{known}")
        axes.set_ylabel("space it is asked in")
        return True

    return draw


def _draw_robustness(axes: Axes, evaluation: Evaluation) -> bool:
    axes.set_title("What a change of the audio changes")
    recorded, *changes = conditions_of(evaluation)
    plain = at_condition(evaluation, recorded)
    each = [at_condition(evaluation, condition) for condition in changes]
    series = [
        (name, [(found.value - before.value) if (found := column(after)) else None for after in each])
        for name, column in KEY_FIGURES
        if (before := column(plain)) is not None and any(column(after) for after in each)
    ]
    if not series:
        return False
    for place, (name, differences) in enumerate(series):
        offset = (place - (len(series) - 1) / 2) * 0.7 / len(series)
        marks = [(100 * value, row + offset) for row, value in enumerate(differences) if value is not None]
        axes.plot(
            [x for x, _ in marks],
            [y for _, y in marks],
            color=PALETTE[place % len(PALETTE)],
            marker=MARKERS[place % len(MARKERS)],
            markersize=5,
            linestyle="none",
            label=legible(name),
        )
    axes.axvline(0, color=GREY, linestyle="--", linewidth=1.3)
    axes.set_yticks(range(len(changes)), labels=[legible(change) for change in changes])
    axes.set_ylim(len(changes) - 0.5, -0.5)
    axes.set_xlabel(f"points of a hundred, against the audio {AS_RECORDED}")
    axes.grid(axis="x", color=PALE, linewidth=0.7)
    legend_below(axes, columns=2, gap=0.18)
    return True


_PANELS: tuple[Panel, ...] = (
    _draw_retrieval,
    _draw_tagging,
    _draw_reliability,
    _draw_triplets,
    _matrix_of(Task.TAG_TRIPLETS, "Leakage: tag triplets in every space"),
    _matrix_of(Task.FACTOR_TRIPLETS, "Leakage: hard factor triplets", variant="hard"),
    _matrix_of(Task.FACTOR_PAIRS, "Pairs of a piece that differ in one dimension", metric=SHARE_CLOSER),
    _draw_tracks,
    _draw_robustness,
)
