"""How pictures of evaluations look: colours, marks, axes, and the PNG they become. `plots`, `projection` use it.

Everything is drawn on matplotlib's own canvas, without its global state: no display and no settings are touched.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Page

from training.evaluation.evaluation import Figure

INK = "#222222"
GREY = "#767676"
PALE = "#E5E5E5"

# Okabe and Ito's palette, which colour-blind readers tell apart; its yellow is too pale on white. Marks differ too.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")

# The dashes' entry in legends.
CHANCE = "chance"

DOTS_PER_INCH = 200
FONT_SIZE = 9

# Names of more groups than these overlap if written level.
_LEVEL_NAMES = 6


def write_png(page: Page, path: Path) -> Path:
    """Write a page, or nothing. The same page gives the same bytes with the same matplotlib."""
    FigureCanvasAgg(page)
    partial = path.with_name(f"{path.name}.partial")
    page.savefig(partial, format="png", dpi=DOTS_PER_INCH, facecolor="white", metadata={"Software": None})
    partial.replace(path)
    return path


def legible(name: str) -> str:
    """A name as matplotlib draws it unchanged: no formulas between dollars, no label hidden for its underscore."""
    escaped = name.replace("$", r"\$")
    return f" {escaped}" if escaped.startswith("_") else escaped


def plain_axes(axes: Axes) -> None:
    """Leave only what helps to read values; called when all is drawn."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GREY)
    axes.tick_params(colors=INK, labelsize=FONT_SIZE - 1)
    axes.set_axisbelow(True)
    axes.title.set_fontsize(FONT_SIZE + 1)
    for label in (axes.title, axes.xaxis.label, axes.yaxis.label):
        label.set_color(INK)
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set_fontsize(FONT_SIZE)


def legend_below(axes: Axes, *, columns: int, gap: float = 0.12) -> None:
    """Beneath the axes, where no mark can lie under it."""
    # Lines come before marks with intervals, whatever was drawn first; chance is last.
    found = sorted(zip(*axes.get_legend_handles_labels(), strict=True), key=lambda entry: entry[1] == CHANCE)
    axes.legend(
        *zip(*found, strict=True),
        fontsize=FONT_SIZE - 1.5,
        frameon=False,
        ncols=columns,
        loc="upper center",
        bbox_to_anchor=(0.5, -gap),
        columnspacing=1.2,
        handletextpad=0.5,
    )


def draw_side_by_side(
    axes: Axes, groups: Sequence[str], series: Sequence[tuple[str, Sequence[Figure | None]]], *, ylabel: str
) -> None:
    """For each group the same series beside each other, with intervals, and a dash where chance is."""
    step = 0.7 / max(len(series), 1)
    for place, (name, figures) in enumerate(series):
        offset = (place - (len(series) - 1) / 2) * step
        found = [(x + offset, figure) for x, figure in enumerate(figures) if figure is not None]
        axes.errorbar(
            [x for x, _ in found],
            [figure.value for _, figure in found],
            yerr=np.array([_reach(figure) for _, figure in found]).T,
            fmt=MARKERS[place % len(MARKERS)],
            color=PALETTE[place % len(PALETTE)],
            markersize=5.5,
            elinewidth=1.3,
            capsize=2.5,
            label=legible(name),
        )
    for x in range(len(groups)):
        here = [figure for _, figures in series if (figure := figures[x]) is not None]
        for level in sorted({figure.chance for figure in here if figure.chance is not None}):
            axes.hlines(level, x - 0.42, x + 0.42, color=GREY, linestyle="--", linewidth=1.3)
    # One entry for all the dashes.
    axes.plot([], [], color=GREY, linestyle="--", linewidth=1.3, label=CHANCE)
    is_level = len(groups) <= _LEVEL_NAMES
    axes.set_xlim(-0.6, len(groups) - 0.4)
    axes.set_xticks(
        range(len(groups)),
        labels=[legible(group) for group in groups],
        rotation=0 if is_level else 30,
        ha="center" if is_level else "right",
    )
    axes.set_ylabel(ylabel)
    axes.grid(axis="y", color=PALE, linewidth=0.7)
    legend_below(axes, columns=2)


def _reach(figure: Figure) -> tuple[float, float]:
    """How far the interval goes below and above the value."""
    low = figure.value if figure.low is None else figure.low
    high = figure.value if figure.high is None else figure.high
    return max(0.0, figure.value - low), max(0.0, high - figure.value)


def draw_matrix(
    axes: Axes, rows: Sequence[str], columns: Sequence[str], found: Sequence[Sequence[Figure | None]]
) -> None:
    """Shares of one as colours, violet above a half and orange below, with the numbers written in."""
    values = np.array([[np.nan if figure is None else figure.value for figure in row] for row in found])
    # From nought to one, not to the largest found: colours mean the same in every picture.
    axes.imshow(values, cmap="PuOr", vmin=0.0, vmax=1.0, aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        if not math.isnan(value):
            axes.text(
                column,
                row,
                f"{value:.2f}",
                ha="center",
                va="center",
                fontsize=FONT_SIZE,
                color="white" if abs(value - 0.5) > 0.3 else INK,
                fontweight="bold" if rows[row] == columns[column] else "normal",
            )
    axes.set_xticks(range(len(columns)), labels=[legible(name) for name in columns])
    axes.set_yticks(range(len(rows)), labels=[legible(name) for name in rows])
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
