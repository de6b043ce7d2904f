"""Agreement with a tagger: whether a bundle ranks excerpts, tag by tag, as another bundle's tag scores do.

Takes the tracks as both bundles hear them. On music without labels it says whether a model kept what it was taught by
that other one; it does not say that either is right.

What the other decides is not read off one threshold, which most tags of most music never reach:

- `top 5 %`: the tag is on the twentieth of all excerpts that the other scores highest, and any that score as high;
- `above 0.5`: it is on those to which the other gives more than 0.5, asked where these are ten at least, and not all.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from index.model import ModelBundle
from index.subspaces import Vectors
from index.vector_index import Positions
from training.evaluation.areas import Ranking
from training.evaluation.bootstrap import Bootstrap, Interval, Numbers, draws, interval_of
from training.evaluation.embedded import EmbeddedTracks
from training.evaluation.evaluation import OWN_SUBSPACES, EvaluationError, Figure, Similarity, Task
from training.evaluation.points import Complete, excerpt_points

TOP, ABOVE = "top 5 %", "above 0.5"
PROBABILITIES, PROXIES = "probabilities", "proxies"
ROC_AUC, RANK_CORRELATION = "roc_auc", "rank_correlation"

_TOP_SHARE = 0.05
_THRESHOLD = 0.5
_LEAST_EXCERPTS = 10


@dataclass(frozen=True, eq=False)
class Agreement:
    """What came of it.

    Attributes:
        figures: Of each tag, the mean over the tags, and the least.
        left_out: Tags there are no figures of, by reason.
        excerpts: How many were compared.
    """

    figures: list[Figure]
    left_out: Mapping[str, tuple[str, ...]]
    excerpts: int


def proxy_scores(tracks: EmbeddedTracks, bundle: ModelBundle) -> Vectors:
    """What `GET /search?tag=` ranks by, for excerpts: cosine with the tag's proxy in the tag's own sub-space.

    Args:
        tracks: As the bundle embedded them.
        bundle: Whose proxies.

    Returns:
        `(m, tags)` float32 in the order of `tracks.tags`; NaN for a tag that the bundle does not know.
    """
    scores = np.full(tracks.excerpt_tag_scores.shape, np.nan, dtype=np.float32)
    proxies = bundle.subspaces.unit(bundle.proxies)
    for subspace in bundle.subspaces:
        known = {
            tag.name: proxies[place, subspace.slice]
            for place, tag in enumerate(bundle.tags)
            if tag.dimension == subspace.name
        }
        columns = [column for column, tag in enumerate(tracks.tags) if tag in known]
        if columns:
            points = excerpt_points(
                tracks, subspace=subspace.name, similarity=Similarity.COSINE, complete=Complete.SLICES
            )
            scores[:, columns] = points.vectors @ np.stack([known[tracks.tags[column]] for column in columns]).T
    return scores


def agreement_figures(
    tracks: EmbeddedTracks, reference: EmbeddedTracks, scores: Vectors, *, variant: str, settings: Bootstrap
) -> Agreement:
    """ROC-AUC against the reference's decisions, and Spearman's rank correlation with its scores, over excerpts.

    Intervals are over tracks, each drawn again with all its excerpts; those of the correlation keep the ranks that
    excerpts have among all. The least has none.

    Args:
        tracks: As the bundle that is asked hears them.
        reference: The same music as the other bundle hears it. Excerpts that only one of them has are left out.
        scores: `(m, tags)` of `tracks`, larger for more likely; NaN for a tag that has none.
        variant: What the scores are: `PROBABILITIES` or `PROXIES`.
        settings: Of the bootstrap.

    Raises:
        EvaluationError: If the vocabularies differ, no excerpt is of both, or both know no tag.
    """
    if tracks.tags != reference.tags:
        raise EvaluationError("both bundles must be asked for the tags of one vocabulary")
    places, others = _in_common(tracks, reference)
    mine, theirs = scores[places], reference.excerpt_tag_scores[others]
    is_known = ~(np.isnan(mine).any(axis=0) | np.isnan(theirs).any(axis=0))
    columns = np.flatnonzero(is_known).tolist()
    if not columns:
        raise EvaluationError("the two bundles know no tag of the vocabulary in common")
    left_out = {"not both bundles know it": tuple(tracks.tags[column] for column in np.flatnonzero(~is_known))}
    asked = _Asked(tracks.tags, tracks.notions, tracks.track[places], variant, settings)
    ranks = {column: (ranks_of(mine[:, column]), ranks_of(theirs[:, column])) for column in columns}
    figures = asked.figures(
        RANK_CORRELATION, None, {column: partial(rank_correlations, *both) for column, both in ranks.items()}
    )
    for decision in (TOP, ABOVE):
        decided = {column: decisions(theirs[:, column], decision) for column in columns}
        rankings = {
            column: Ranking.of(mine[:, column], has_tag) for column, has_tag in decided.items() if has_tag is not None
        }
        left_out[f"the other decides too little {decision}"] = tuple(
            tracks.tags[column] for column in columns if column not in rankings
        )
        figures += asked.figures(
            ROC_AUC, decision, {column: partial(_roc_auc, ranking) for column, ranking in rankings.items()}
        )
    return Agreement(figures, {reason: tags for reason, tags in left_out.items() if tags}, len(places))


def decisions(scores: Vectors, decision: str) -> NDArray[np.bool_] | None:
    """Which excerpts have a tag, `(m,)`; None where that cannot be asked.

    Args:
        scores: `(m,)`, the other's.
        decision: `TOP` or `ABOVE`.
    """
    if decision == TOP:
        count = int(np.ceil(_TOP_SHARE * len(scores)))
        has_tag = scores >= np.partition(scores, -count)[-count]
        return None if has_tag.all() else has_tag
    has_tag = scores > _THRESHOLD
    return has_tag if has_tag.sum() >= _LEAST_EXCERPTS and not has_tag.all() else None


def ranks_of(scores: Vectors) -> Numbers:
    """Ranks `(m,)` about 0, of a variance of 1 if no two scores are equal; equal scores share their mean rank."""
    _, level, counts = np.unique(scores, return_inverse=True, return_counts=True)
    rank = (np.cumsum(counts) - (counts - 1) / 2)[level]
    n = len(scores)
    return np.asarray((rank - (n + 1) / 2) / np.sqrt(max(n * n - 1, 1) / 12))


def rank_correlations(first: Numbers, second: Numbers, weights: Numbers) -> Numbers:
    """Pearson's correlation of two columns of ranks, for several weightings.

    Args:
        first: `(m,)`, as `ranks_of` gives them.
        second: `(m,)`.
        weights: `(m, r)`: how often each comes in each of r samples.

    Returns:
        `(r,)`; NaN where all ranks of a column are equal.
    """
    products = np.stack([first, second, first * first, second * second, first * second])
    a, b, aa, bb, ab = products @ weights / weights.sum(axis=0)
    spread = (aa - a * a) * (bb - b * b)
    result: Numbers = np.full(weights.shape[1], np.nan)
    # Variances are about 1: anything this small is rounding.
    is_defined = spread > 1e-12
    result[is_defined] = (ab - a * b)[is_defined] / np.sqrt(spread[is_defined])
    return result


def _roc_auc(ranking: Ranking, weights: Numbers) -> Numbers:
    return np.asarray(ranking.areas(weights)[0])


def _in_common(tracks: EmbeddedTracks, reference: EmbeddedTracks) -> tuple[Positions, Positions]:
    """Positions of the excerpts that both have, told by track and millisecond."""
    theirs = {place: position for position, place in enumerate(_places_of(reference))}
    pairs = [(position, theirs[place]) for position, place in enumerate(_places_of(tracks)) if place in theirs]
    if not pairs:
        raise EvaluationError(
            "not one excerpt is heard by both bundles; excerpts of both must be of the same length, and begin together"
        )
    first, second = np.array(pairs, dtype=np.int64).T
    return first, second


def _places_of(tracks: EmbeddedTracks) -> Iterator[tuple[str, int]]:
    for track, start in zip(tracks.track.tolist(), tracks.starts_seconds.tolist(), strict=True):
        yield tracks.track_ids[track], round(1000 * start)


# From weights `(m, r)` of the excerpts to a figure of each of r samples.
_Measure = Callable[[Numbers], Numbers]


@dataclass(frozen=True, eq=False)
class _Asked:
    """What all figures have in common."""

    tags: tuple[str, ...]
    notions: tuple[str, ...]
    track: NDArray[np.int64]
    variant: str
    settings: Bootstrap

    def figures(self, metric: str, decision: str | None, measures: Mapping[int, _Measure]) -> list[Figure]:
        """Of each tag, by column; then the mean and the least. None where no tag is asked."""
        if not measures:
            return []
        _, group = np.unique(self.track, return_inverse=True)
        everything = np.ones((len(group), 1))
        values = {column: float(measure(everything)[0]) for column, measure in measures.items()}
        # Scores that are the same throughout rank nothing.
        values = {column: value for column, value in values.items() if np.isfinite(value)}
        if not values:
            return []
        resampled = np.empty((len(values), self.settings.resamples))
        done = 0
        for block in draws(int(group.max()) + 1, resamples=self.settings.resamples, rng=self.settings.rng()):
            weights = np.ascontiguousarray(block.T)[group]
            for place, column in enumerate(values):
                resampled[place, done : done + len(block)] = measures[column](weights)
            done += len(block)
        found = [
            self._figure(
                metric, decision, value, len(group), interval=interval_of(value, resampled[place]), column=column
            )
            for place, (column, value) in enumerate(values.items())
        ]
        held = np.isfinite(resampled)
        means = np.where(held, resampled, 0.0).sum(axis=0) / np.maximum(held.sum(axis=0), 1)
        mean = interval_of(float(np.mean(list(values.values()))), np.where(held.any(axis=0), means, np.nan))
        return [
            *found,
            self._figure(metric, decision, mean.value, len(values), interval=mean),
            self._figure(f"least_{metric}", decision, min(values.values()), len(values)),
        ]

    def _figure(
        self,
        metric: str,
        decision: str | None,
        value: float,
        n: int,
        *,
        interval: Interval | None = None,
        column: int | None = None,
    ) -> Figure:
        words = (self.variant, decision, OWN_SUBSPACES if self.variant == PROXIES else None)
        return Figure(
            task=Task.AGREEMENT,
            metric=metric,
            notion=None if column is None else self.notions[column],
            tag=None if column is None else self.tags[column],
            similarity=Similarity.COSINE if self.variant == PROXIES else None,
            variant=", ".join(word for word in words if word),
            value=value,
            low=interval.low if interval else None,
            high=interval.high if interval else None,
            chance=0.5 if metric.endswith(ROC_AUC) else 0.0,
            n=n,
        )
