"""What was measured of every tag becomes figures: of each, and macro over the tags of a notion and over all.

`tagging` and `tag_calibration` measure; here is what their figures have in common.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from index.subspaces import Vectors
from training.evaluation.bootstrap import Numbers, interval_of
from training.evaluation.embedded import EmbeddedTracks
from training.evaluation.evaluation import Figure, Similarity, Task


def measured_columns(tracks: EmbeddedTracks, scores: Vectors) -> NDArray[np.int64]:
    """The tags there is something to ask about: scored, on some tracks and not on all."""
    carriers = tracks.labels.sum(axis=0)
    return np.flatnonzero(scored_tags(scores) & (carriers > 0) & (carriers < len(tracks)))


def scored_tags(scores: Vectors) -> NDArray[np.bool_]:
    """`(tags,)`: whether a tag has a score on every track."""
    return np.asarray(~np.isnan(scores).any(axis=0))


@dataclass(frozen=True, eq=False, kw_only=True)
class ByTag:
    """m measures of t tags: of the tracks, of every resample of them, and by chance.

    Attributes:
        tracks: That were asked about.
        task: What was asked.
        metrics: m names.
        similarity: By which scores came about; None for a bundle's own.
        columns: `(t,)` of the labels.
        values: `(m, t)`.
        resampled: `(m, t, resamples)`, NaN where a resample lacks carriers or others.
        chances: `(m, t)`.
    """

    tracks: EmbeddedTracks
    task: Task
    metrics: tuple[str, ...]
    similarity: Similarity | None
    columns: NDArray[np.int64]
    values: Numbers
    resampled: Numbers
    chances: Numbers

    def per_tag(self, variant: str | None = None, *, in_own_subspace: bool = False) -> list[Figure]:
        """Of each tag."""
        figures = []
        for place, column in enumerate(self.columns.tolist()):
            notion = self.tracks.notions[column]
            figures += self._figures(
                [place],
                len(self.tracks),
                variant,
                tag=self.tracks.tags[column],
                notion=notion,
                subspace=notion if in_own_subspace else None,
            )
        return figures

    def per_notion(self, variant: str | None = None, *, in_own_subspace: bool = False) -> list[Figure]:
        """Macro over the tags of each notion."""
        figures = []
        for notion in self.tracks.dimensions:
            places = np.flatnonzero(np.isin(self.columns, self.tracks.tags_of(notion))).tolist()
            if places:
                figures += self._figures(
                    places, len(places), variant, notion=notion, subspace=notion if in_own_subspace else None
                )
        return figures

    def over_all(self, variant: str | None = None) -> list[Figure]:
        """Macro over all tags; none if there is no tag."""
        places = list(range(len(self.columns)))
        return self._figures(places, len(places), variant) if places else []

    def _figures(
        self,
        places: Sequence[int],
        n: int,
        variant: str | None,
        *,
        tag: str | None = None,
        notion: str | None = None,
        subspace: str | None = None,
    ) -> list[Figure]:
        """The mean over some tags; in a resample, over those of them that it has."""
        figures = []
        for row, metric in enumerate(self.metrics):
            of_tags = self.resampled[row, places]
            defined = np.isfinite(of_tags)
            counts = defined.sum(axis=0)
            means = np.divide(
                np.where(defined, of_tags, 0.0).sum(axis=0), counts, out=np.full(len(counts), np.nan), where=counts > 0
            )
            interval = interval_of(float(self.values[row, places].mean()), means)
            figures.append(
                Figure(
                    task=self.task,
                    metric=metric,
                    subspace=subspace,
                    notion=notion,
                    tag=tag,
                    similarity=self.similarity,
                    variant=variant,
                    value=interval.value,
                    low=interval.low,
                    high=interval.high,
                    chance=float(self.chances[row, places].mean()),
                    n=n,
                )
            )
        return figures
