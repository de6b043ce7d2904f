"""The poster's figure: all tracks in the complete space beside one sub-space, the same tracks highlighted in both.

The picture is t-SNE's: who is near whom is kept, distances between groups and the axes mean nothing. `report` calls it.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Page
from numpy.typing import NDArray
from sklearn.manifold import TSNE  # type: ignore[import-untyped]

from index.subspaces import Vectors
from training.evaluation.drawing import FONT_SIZE, INK, MARKERS, PALE, PALETTE, legible, write_png
from training.evaluation.embedded import EmbeddedTracks
from training.evaluation.evaluation import Similarity
from training.evaluation.points import Complete, track_points
from training.evaluation.tables import title

POSTERS_DIMENSION = "instrument"
MOST_TRACKS = 2000

# t-SNE weighs about so many neighbours of each track; 30 is what its authors use for such numbers.
PERPLEXITY = 30.0

# Fewer have no neighbourhoods to speak of.
FEWEST_TRACKS = 4

# Of tracks that are not highlighted.
_PALE = "#CFCFCF"


@dataclass(frozen=True)
class Highlight:
    """Tracks with a tag of the dimension, and with no other highlighted one.

    Attributes:
        tag: Its name.
        positions: Among the tracks drawn.
    """

    tag: str
    positions: NDArray[np.int64]


def draw_projection(
    tracks: EmbeddedTracks,
    path: Path,
    *,
    dimension: str | None = None,
    seed: int = 0,
    most_tracks: int = MOST_TRACKS,
) -> Path:
    """Write the figure.

    Args:
        tracks: All tracks; a sample of them is drawn if they are more than `most_tracks`.
        path: Of the PNG; what is there is replaced.
        dimension: The sub-space, and whose tags are highlighted; None: see `default_dimension`.
        seed: Of sample and projection: the same seed gives the same picture.
        most_tracks: At most so many are drawn.

    Returns:
        `path`. A bundle with one dimension gets the complete space alone; data with fewer than four tracks get a
        page that says so.

    Raises:
        UnknownDimensionError: If the bundle has no sub-space `dimension`.
    """
    rng = np.random.default_rng(seed)
    chosen = default_dimension(tracks) if dimension is None else tracks.subspaces[dimension].name
    drawn = np.sort(rng.permutation(len(tracks))[:most_tracks])
    highlights = highlights_of(tracks, drawn, notion=chosen)
    spaces: list[tuple[str, str | None]] = [("All dimensions", None)]
    if len(tracks.subspaces) > 1:
        spaces.append((f"{title(chosen)} sub-space", chosen))
    page = Page(figsize=(4.6 * len(spaces), 5.2), layout="constrained")
    if len(drawn) < FEWEST_TRACKS:
        page.text(0.5, 0.5, f"{len(drawn)} tracks are too few for a picture of a space.", ha="center", color=INK)
        return write_png(page, path)
    for place, (name, subspace) in enumerate(spaces):
        axes = page.add_subplot(1, len(spaces), place + 1)
        vectors = track_points(
            tracks, subspace=subspace, similarity=Similarity.COSINE, complete=Complete.SLICES
        ).vectors[drawn]
        _draw_space(axes, projected(vectors, seed=seed), highlights)
        axes.set_title(legible(f"({'ab'[place]}) {name}"), fontsize=FONT_SIZE + 2, color=INK)
    if highlights:
        handles, labels = page.axes[0].get_legend_handles_labels()
        page.legend(
            handles,
            labels,
            title=legible(f"{title(chosen)} of the highlighted tracks. {len(drawn):,} tracks, t-SNE of their cosines."),
            title_fontsize=FONT_SIZE - 1,
            loc="outside lower center",
            ncols=min(len(labels), 4),
            frameon=False,
            fontsize=FONT_SIZE,
            scatterpoints=1,
            labelcolor=INK,
        )
    return write_png(page, path)


def default_dimension(tracks: EmbeddedTracks) -> str:
    """The poster's, if the bundle has it and there are tags of it; else the first such; else the bundle's first.

    A bundle with one dimension has all its tags there: any notion will do.
    """
    has_subspaces = len(tracks.subspaces) > 1
    with_tags = [name for name in tracks.dimensions if name in tracks.subspaces.names or not has_subspaces]
    return POSTERS_DIMENSION if POSTERS_DIMENSION in with_tags else (*with_tags, *tracks.subspaces.names)[0]


def highlights_of(tracks: EmbeddedTracks, drawn: NDArray[np.int64], *, notion: str) -> list[Highlight]:
    """The commonest tags of a dimension among the tracks drawn, as many as there are colours, commonest first.

    A track that has two of them is highlighted by neither: one mark cannot say both.
    """
    columns = tracks.tags_of(notion if notion in tracks.notions else None)
    labels = tracks.labels[np.ix_(drawn, columns)]
    counts = labels.sum(axis=0)
    commonest = [place for place in np.argsort(-counts, kind="stable")[: len(PALETTE)] if counts[place]]
    is_single = labels[:, commonest].sum(axis=1) == 1
    found = [
        Highlight(tracks.tags[columns[place]], np.flatnonzero(labels[:, place] & is_single)) for place in commonest
    ]
    return [highlight for highlight in found if len(highlight.positions)]


def projected(vectors: Vectors, *, seed: int) -> NDArray[np.float64]:
    """Two coordinates for each vector, by t-SNE on cosines.

    Args:
        vectors: `(n, width)`, n >= 4; a vector of zeros is as far from all others as a right angle.
        seed: The same seed gives the same coordinates.

    Returns:
        `(n, 2)`.

    Source: van der Maaten and Hinton, "Visualizing data using t-SNE", 2008.
    """
    perplexity = min(PERPLEXITY, (len(vectors) - 1) / 3)
    method = TSNE(n_components=2, metric="cosine", init="random", perplexity=perplexity, random_state=seed, n_jobs=1)
    return np.asarray(method.fit_transform(np.asarray(vectors, dtype=np.float64)), dtype=np.float64)


def _draw_space(axes: Axes, places: NDArray[np.float64], highlights: list[Highlight]) -> None:
    # Smaller marks where there are more of them, so that they do not cover each other.
    size = float(np.clip(12_000 / len(places), 8, 40))
    axes.scatter(places[:, 0], places[:, 1], s=size * 0.6, color=_PALE, linewidths=0, rasterized=True)
    for place, highlight in enumerate(highlights):
        axes.scatter(
            places[highlight.positions, 0],
            places[highlight.positions, 1],
            s=size,
            color=PALETTE[place % len(PALETTE)],
            marker=MARKERS[place % len(MARKERS)],
            edgecolors="white",
            linewidths=0.4,
            label=legible(highlight.tag),
            zorder=3,
        )
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_color(PALE)
    axes.set_aspect("equal", adjustable="datalim")
