"""Auto-tagging: how well a score for a tag tells the tracks that have it from those that have not.

Scores are the bundle's own, or similarities with prototypes, which a triplet model has in place of tag scores.
`areas` has the two measures, `by_tag` makes figures of them.

Source: Lee et al., ISMIR 2020, section 4; macro over tags, as is usual though not said there.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from index.subspaces import Vectors
from training.evaluation.areas import Ranking, chance_average_precision
from training.evaluation.bootstrap import Bootstrap, draws
from training.evaluation.by_tag import ByTag, measured_columns, scored_tags
from training.evaluation.embedded import EmbeddedTracks
from training.evaluation.evaluation import OWN_SUBSPACES, EvaluationError, Figure, Similarity, Task
from training.evaluation.points import Complete, slices_of, spaces_of, track_points

OWN_SCORES = "model"
PROTOTYPES = "prototypes"
METRICS = ("roc_auc", "pr_auc")


@dataclass(frozen=True, kw_only=True)
class Tagging:
    """Figures of each tag, macro over each notion's and over all; and the tags there are none of, with the reason."""

    figures: list[Figure]
    left_out: Mapping[str, str]


def own_tagging(tracks: EmbeddedTracks, *, settings: Bootstrap) -> Tagging:
    """How good the bundle's own tag scores are: variant `model`."""
    areas = _areas(tracks, tracks.tag_scores, similarity=None, settings=settings)
    return Tagging(
        figures=areas.per_tag(OWN_SCORES) + areas.per_notion(OWN_SCORES) + areas.over_all(OWN_SCORES),
        left_out=_left_out(tracks, tracks.tag_scores, unscored="the bundle does not know it"),
    )


def prototype_tagging(
    tracks: EmbeddedTracks, training: EmbeddedTracks, *, complete: Complete = Complete.SLICES, settings: Bootstrap
) -> Tagging:
    """How good cosines with prototypes are: variant `prototypes`.

    In the complete space, and for every tag in the sub-space of its notion, where there is one. If there is one for
    every notion, the mean over all tags has the variant `prototypes, own sub-spaces`.

    Args:
        tracks: What is tagged.
        training: What prototypes are made from: other tracks, embedded by the same bundle, with the same tags.
        complete: What the complete space is.
        settings: Of the bootstrap.

    Raises:
        EvaluationError: If tags or sub-spaces differ, or a track is on both sides.
    """
    scores = prototype_scores(tracks, training, subspace=None, complete=complete)
    left_out = _left_out(tracks, scores, unscored="no training track has it")
    areas = _areas(tracks, scores, similarity=Similarity.COSINE, settings=settings)
    figures = areas.per_tag(PROTOTYPES) + areas.per_notion(PROTOTYPES) + areas.over_all(PROTOTYPES)
    with_subspace = [each for each in tracks.dimensions if each in spaces_of(tracks.subspaces)]
    scores[:] = np.nan
    for notion in with_subspace:
        columns = tracks.tags_of(notion)
        in_own = prototype_scores(tracks, training, subspace=notion, complete=complete)
        scores[:, columns] = in_own[:, columns]
    areas = _areas(tracks, scores, similarity=Similarity.COSINE, settings=settings)
    figures += areas.per_tag(PROTOTYPES, in_own_subspace=True) + areas.per_notion(PROTOTYPES, in_own_subspace=True)
    if len(with_subspace) == len(tracks.dimensions):
        figures += areas.over_all(f"{PROTOTYPES}, {OWN_SUBSPACES}")
    return Tagging(figures=figures, left_out=left_out)


def prototype_scores(
    tracks: EmbeddedTracks, training: EmbeddedTracks, *, subspace: str | None, complete: Complete = Complete.SLICES
) -> Vectors:
    """Cosine of every track with every tag's prototype: the mean of the training tracks that have the tag.

    Returns:
        `(n, tags)` float32; NaN for a tag that no training track has.

    Raises:
        EvaluationError: If tags or sub-spaces differ, or a track is on both sides.
    """
    if training.tags != tracks.tags or training.subspaces != tracks.subspaces:
        raise EvaluationError("prototypes need training tracks of the same bundle, with tags of the same vocabulary")
    both = set(training.track_ids).intersection(tracks.track_ids)
    if both:
        raise EvaluationError(
            f"{len(both)} tracks, such as {min(both)!r}, would be tagged by prototypes made from them; "
            "evaluate a side that is not the training's"
        )
    points, known = (
        track_points(side, subspace=subspace, similarity=Similarity.COSINE, complete=complete)
        for side in (tracks, training)
    )
    slices = slices_of(tracks.subspaces, subspace=subspace, complete=complete)
    # Slices of the sum point where those of the mean do.
    prototypes = slices.unit(training.labels.T.astype(np.float32) @ known.vectors)
    scores: Vectors = points.vectors @ prototypes.T / np.float32(np.sqrt(len(slices)))
    scores[:, ~training.labels.any(axis=0)] = np.nan
    return scores


def _left_out(tracks: EmbeddedTracks, scores: Vectors, *, unscored: str) -> dict[str, str]:
    carriers = tracks.labels.sum(axis=0)
    reasons = {}
    for tag, count, is_scored in zip(tracks.tags, carriers.tolist(), scored_tags(scores).tolist(), strict=True):
        if count == 0:
            reasons[tag] = "no track has it"
        elif count == len(tracks):
            reasons[tag] = "every track has it"
        elif not is_scored:
            reasons[tag] = unscored
    return reasons


def _areas(tracks: EmbeddedTracks, scores: Vectors, *, similarity: Similarity | None, settings: Bootstrap) -> ByTag:
    """Both areas of every tag that has them."""
    n, columns = len(tracks), measured_columns(tracks, scores)
    rankings = [Ranking.of(scores[:, column], tracks.labels[:, column]) for column in columns]
    values = np.empty((2, len(columns)))
    for place, ranking in enumerate(rankings):
        values[:, place] = ranking.areas(np.ones((n, 1)))[:, 0]
    resampled = np.empty((2, len(columns), settings.resamples))
    done = 0
    for block in draws(n, resamples=settings.resamples, rng=settings.rng()):
        # Resamples side by side, so that a track's weights are taken in one piece.
        weights = np.ascontiguousarray(block.T)
        for place, ranking in enumerate(rankings):
            resampled[:, place, done : done + len(block)] = ranking.areas(weights)
        done += len(block)
    by_precision = [chance_average_precision(int(count), n) for count in tracks.labels[:, columns].sum(axis=0)]
    return ByTag(
        tracks=tracks,
        task=Task.TAGGING,
        metrics=METRICS,
        similarity=similarity,
        columns=columns,
        values=values,
        resampled=resampled,
        chances=np.array([[0.5] * len(columns), by_precision]),
    )
