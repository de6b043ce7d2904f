"""Tagging, against scikit-learn, slow loops over pairs, and closed forms."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as law
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score  # type: ignore[import-untyped]

from index.subspaces import Vectors
from tests.training.evaluation.made_up_tracks import (
    NOTIONS,
    part,
    perfect,
    somewhat_good,
    subspaces_of_widths,
    without_meaning,
)
from training.evaluation.areas import Ranking, chance_average_precision
from training.evaluation.bootstrap import Bootstrap, draws
from training.evaluation.embedded import EmbeddedTracks
from training.evaluation.evaluation import OWN_SUBSPACES, EvaluationError, Figure, Similarity
from training.evaluation.points import Complete
from training.evaluation.tagging import own_tagging, prototype_scores, prototype_tagging

SETTINGS = Bootstrap(resamples=200)


def _sides(tracks: EmbeddedTracks) -> tuple[EmbeddedTracks, EmbeddedTracks]:
    """Every third track, and the others."""
    is_test = np.arange(len(tracks)) % 3 == 0
    return part(tracks, np.flatnonzero(is_test)), part(tracks, np.flatnonzero(~is_test))


@law(max_examples=30, deadline=None)
@given(
    tracks=st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=40),
    seed=st.integers(0, 2**32 - 1),
)
def test_areas_with_ties_and_weights_are_scikit_learns(tracks: list[tuple[int, bool]], seed: int) -> None:
    scores = np.array([score for score, _ in tracks]) / np.float32(3)
    has_tag = np.array([has for _, has in tracks])
    if not 0 < has_tag.sum() < len(has_tag):
        return
    weights = np.random.default_rng(seed).integers(0, 4, size=(len(tracks), 5)).astype(np.float64)
    weights[:, 0] = 1.0
    roc, precision = Ranking.of(scores, has_tag).areas(weights)
    for column, weight in enumerate(weights.T):
        if weight[has_tag].sum() == 0 or weight[~has_tag].sum() == 0:
            assert np.isnan(roc[column])
            assert np.isnan(precision[column])
        else:
            drawn = weight > 0
            expected = (
                roc_auc_score(has_tag[drawn], scores[drawn], sample_weight=weight[drawn]),
                average_precision_score(has_tag[drawn], scores[drawn], sample_weight=weight[drawn]),
            )
            assert (roc[column], precision[column]) == pytest.approx(expected)


def test_figures_are_scikit_learns() -> None:
    tracks = somewhat_good()
    found = own_tagging(tracks, settings=SETTINGS)
    assert not found.left_out
    for figure in found.figures:
        columns = tracks.tags_of(figure.notion) if figure.tag is None else [tracks.tags.index(figure.tag)]
        measure = roc_auc_score if figure.metric == "roc_auc" else average_precision_score
        expected = np.mean([measure(tracks.labels[:, at], tracks.tag_scores[:, at]) for at in columns])
        assert figure.value == pytest.approx(expected), figure.name
        assert figure.n == (len(columns) if figure.tag is None else len(tracks))
        assert figure.low < figure.value < figure.high  # type: ignore[operator]
    assert len(found.figures) == 2 * (len(tracks.tags) + len(NOTIONS) + 1)


def test_intervals_are_those_of_scikit_learn_on_the_same_resamples() -> None:
    tracks = somewhat_good(60)
    few = Bootstrap(resamples=12, seed=1)
    figure = next(each for each in own_tagging(tracks, settings=few).figures if not (each.tag or each.notion))
    resampled = []
    for row in np.concatenate(list(draws(60, resamples=12, rng=few.rng()))):
        drawn = np.repeat(np.arange(60), row.astype(int))
        labels, scores = tracks.labels[drawn], tracks.tag_scores[drawn]
        resampled.append(np.mean([roc_auc_score(labels[:, at], scores[:, at]) for at in range(len(tracks.tags))]))
    assert (figure.low, figure.high) == pytest.approx(tuple(np.percentile(resampled, (2.5, 97.5))))


def _served(tracks: EmbeddedTracks) -> Vectors:
    subspaces = tracks.subspaces
    slices = subspaces.unit(tracks.excerpts)
    return np.stack([subspaces.mean(slices[tracks.track == position]) for position in range(len(tracks))])


def test_prototypes_are_means_of_the_training_tracks_with_the_tag() -> None:
    test, training = _sides(somewhat_good(90))
    served, known = _served(test), _served(training)
    for subspace in (None, *NOTIONS):
        found = prototype_scores(test, training, subspace=subspace)
        for tag in range(len(test.tags)):
            cosines = []
            for name in NOTIONS if subspace is None else (subspace,):
                columns = test.subspaces[name].slice
                mean = known[training.labels[:, tag]][:, columns].mean(axis=0)
                cosines.append(served[:, columns] @ mean / np.linalg.norm(mean))
            np.testing.assert_allclose(found[:, tag], np.mean(cosines, axis=0), atol=2e-6)


def test_prototypes_of_the_whole_are_normalised_as_one() -> None:
    test, training = _sides(somewhat_good(90))
    found = prototype_scores(test, training, subspace=None, complete=Complete.WHOLE)
    one = [replace(side, subspaces=subspaces_of_widths((14,))) for side in (test, training)]
    np.testing.assert_allclose(found, prototype_scores(*one, subspace=None), atol=1e-6)


def test_where_prototypes_are_asked() -> None:
    found = prototype_tagging(*_sides(somewhat_good(120)), settings=SETTINGS).figures
    macro = Counter((each.variant, each.subspace, each.notion) for each in found if each.tag is None)
    expected: set[tuple[str, str | None, str | None]]
    expected = {("prototypes", None, notion) for notion in (None, *NOTIONS)}
    expected |= {("prototypes", notion, notion) for notion in NOTIONS}
    expected |= {(f"prototypes, {OWN_SUBSPACES}", None, None)}
    assert macro == Counter(dict.fromkeys(expected, 2))
    assert {each.similarity for each in found} == {Similarity.COSINE}
    assert all(each.subspace in (None, each.notion) for each in found if each.tag is not None)
    assert len({each.name for each in found}) == len(found)


def test_perfect_embeddings_score_1() -> None:
    tracks = perfect(copies=3)
    # Whole tunes on either side: all combinations are on both.
    tune = np.array([int(each.removeprefix("tune ")) for each in tracks.artists])
    test, training = (part(tracks, np.flatnonzero(side)) for side in (tune == 0, tune > 0))
    figures = [
        *own_tagging(test, settings=SETTINGS).figures,
        *prototype_tagging(test, training, settings=SETTINGS).figures,
    ]
    assert {(each.value, each.low, each.high) for each in figures} == {(1.0, 1.0, 1.0)}
    assert len(figures) == 2 * (3 * 10 + 3 * 3 + 3)


def test_random_scores_and_random_embeddings_score_chance() -> None:
    figures: list[Figure] = []
    for seed in range(4):
        tracks = without_meaning(400, seed=seed)
        figures += own_tagging(tracks, settings=SETTINGS).figures
        figures += prototype_tagging(*_sides(tracks), settings=SETTINGS).figures
    macro = [each for each in figures if each.tag is None]
    held = [each.low <= each.chance <= each.high for each in macro]  # type: ignore[operator]
    assert np.mean(held) > 0.85


@pytest.mark.parametrize(("carriers", "n"), [(1, 2), (1, 40), (5, 40), (39, 40)])
def test_chance_of_average_precision_is_the_mean_of_random_orders(carriers: int, n: int) -> None:
    rng = np.random.default_rng(0)
    has_tag = np.arange(n) < carriers
    found = [Ranking.of(rng.random(n), has_tag).areas(np.ones((n, 1)))[1, 0] for _ in range(500)]
    assert abs(np.mean(found) - chance_average_precision(carriers, n)) < 3.5 * np.std(found) / np.sqrt(500)


def test_scores_without_any_difference_are_half_right_and_as_precise_as_the_tag_is_frequent() -> None:
    tracks = somewhat_good(100)
    figures = own_tagging(replace(tracks, tag_scores=np.zeros_like(tracks.tag_scores)), settings=SETTINGS).figures
    for figure in figures:
        if figure.tag is not None:
            share = tracks.labels[:, tracks.tags.index(figure.tag)].mean()
            assert figure.value == pytest.approx(0.5 if figure.metric == "roc_auc" else share)


def test_tags_that_cannot_be_measured_are_named_with_the_reason() -> None:
    tracks = somewhat_good(60)
    labels, scores = tracks.labels.copy(), tracks.tag_scores.copy()
    labels[:, 0], labels[:, 1], scores[:, 2] = False, True, np.nan
    found = own_tagging(replace(tracks, labels=labels, tag_scores=scores), settings=SETTINGS)
    reasons = ("no track has it", "every track has it", "the bundle does not know it")
    assert found.left_out == dict(zip(tracks.tags[:3], reasons, strict=True))
    assert not {each.tag for each in found.figures} & set(tracks.tags[:3])
    assert [each.n for each in found.figures if each.tag is None and each.notion is None] == [7, 7]


def test_a_tag_without_training_tracks_has_no_prototype() -> None:
    test, training = _sides(somewhat_good(90))
    labels = training.labels.copy()
    labels[:, 5] = False
    found = prototype_tagging(test, replace(training, labels=labels), settings=SETTINGS)
    assert found.left_out == {test.tags[5]: "no training track has it"}
    assert test.tags[5] not in {each.tag for each in found.figures}


def test_a_bundle_that_knows_no_tag_of_the_vocabulary_has_no_figures_of_its_own() -> None:
    tracks = somewhat_good(30)
    found = own_tagging(replace(tracks, tag_scores=np.full_like(tracks.tag_scores, np.nan)), settings=SETTINGS)
    assert found.figures == []
    assert set(found.left_out) == set(tracks.tags)


def test_a_bundle_without_dimensions_has_prototypes_in_the_complete_space_alone() -> None:
    sides = [replace(side, subspaces=subspaces_of_widths((14,))) for side in _sides(somewhat_good(90))]
    figures = prototype_tagging(sides[0], sides[1], settings=SETTINGS).figures
    assert {each.subspace for each in figures} == {None}
    assert {each.variant for each in figures} == {"prototypes"}


def test_prototypes_of_the_tracks_that_are_tagged_are_refused() -> None:
    tracks = somewhat_good(30)
    with pytest.raises(EvaluationError, match="30 tracks, such as 'track 0', would be tagged by prototypes made from"):
        prototype_scores(tracks, tracks, subspace=None)
    other = replace(tracks, track_ids=tuple(f"other {at}" for at in range(30)), tags=tracks.tags[::-1])
    with pytest.raises(EvaluationError, match="the same vocabulary"):
        prototype_scores(tracks, other, subspace=None)
