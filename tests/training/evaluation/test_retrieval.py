"""R@K, against a slow loop from the formula, random rankings, and the Million Song Dataset's labels."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as law
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.training.evaluation.made_up_tracks import (
    NOTIONS,
    perfect,
    somewhat_good,
    subspaces_of_widths,
    without_meaning,
)
from training.evaluation.bootstrap import Bootstrap
from training.evaluation.evaluation import EvaluationError, Similarity
from training.evaluation.points import Complete, Points, track_points
from training.evaluation.published import read_published
from training.evaluation.retrieval import DEPTHS, chance_recalls, nearest, recalls, retrieval_figures

GOLDEN = Path(__file__).parents[2] / "golden"
SETTINGS = Bootstrap(resamples=200)
COSINE = {"similarity": Similarity.COSINE, "complete": Complete.SLICES}


def _slow_recalls(similarities: NDArray[np.float32], labels: NDArray[np.bool_], depth: int) -> list[float]:
    found = []
    for query, own in enumerate(labels):
        if not own.any():
            continue
        others = [other for other in range(len(labels)) if other != query]
        ranked = sorted(others, key=lambda other: (-similarities[query, other], other))
        union = {tag for other in ranked[:depth] for tag in np.flatnonzero(labels[other])}
        tags = set(np.flatnonzero(own))
        found.append(len(tags & union) / len(tags))
    return found


@pytest.mark.parametrize("similarity", Similarity)
def test_figures_are_those_of_a_slow_loop_over_the_formula(similarity: Similarity) -> None:
    tracks = somewhat_good(80)
    labels = tracks.labels & (np.random.default_rng(0).random(tracks.labels.shape) < 0.5)
    tracks = replace(tracks, labels=labels)
    for figure in retrieval_figures(tracks, similarity=similarity, settings=SETTINGS):
        points = track_points(tracks, subspace=figure.subspace, similarity=similarity, complete=Complete.SLICES)
        of_notion = labels[:, tracks.tags_of(figure.notion)]
        depth = int(figure.metric.removeprefix("R@"))
        each = _slow_recalls(points.similarities(slice(None)), of_notion, depth)
        assert figure.value == pytest.approx(np.mean(each)), figure.name
        assert figure.n == len(each)
        assert figure.low is not None
        assert figure.high is not None
        assert figure.low <= figure.value <= figure.high


def test_subspaces_are_asked_about_all_tags_and_about_their_own() -> None:
    figures = retrieval_figures(somewhat_good(60), settings=SETTINGS)
    asked = {(figure.subspace, figure.notion) for figure in figures}
    assert asked == {(None, None)} | {(None, each) for each in NOTIONS} | {
        (each, notion) for each in NOTIONS for notion in (None, each)
    }
    assert len(figures) == len(asked) * len(DEPTHS)
    assert len({figure.name for figure in figures}) == len(figures)


def test_perfect_embeddings_score_1() -> None:
    figures = retrieval_figures(perfect(), settings=SETTINGS)
    for figure in figures:
        if figure.subspace is None or figure.notion is not None:
            assert (figure.value, figure.low, figure.high) == (1.0, 1.0, 1.0), figure.name
    assert sum(figure.value == 1.0 for figure in figures) >= (1 + 3 + 3) * len(DEPTHS)


def test_random_embeddings_score_chance() -> None:
    figures = [
        figure for seed in range(4) for figure in retrieval_figures(without_meaning(seed=seed), settings=SETTINGS)
    ]
    held = [figure.low <= figure.chance <= figure.high for figure in figures]  # type: ignore[operator]
    assert np.mean(held) > 0.85


@law(max_examples=40, deadline=None)
@given(
    values=st.lists(st.integers(0, 3), min_size=2, max_size=30),
    k=st.integers(1, 12),
)
def test_of_equally_similar_tracks_the_first_are_found_and_never_oneself(values: list[int], k: int) -> None:
    k = min(k, len(values) - 1)
    points = Points(vectors=np.array(values, dtype=np.float32)[:, None], similarity=Similarity.DOT)
    for query, found in enumerate(nearest(points, k=k)):
        others = [other for other in range(len(values)) if other != query]
        expected = sorted(others, key=lambda other: (-values[other] * values[query], other))[:k]
        assert found.tolist() == expected


def test_nearest_is_the_same_in_one_block_and_in_many() -> None:
    points = track_points(somewhat_good(700), subspace=None, **COSINE)  # type: ignore[arg-type]
    similarities = points.similarities(slice(None))
    np.fill_diagonal(similarities, -np.inf)
    found = nearest(points, k=8)
    at_found = np.take_along_axis(similarities, found, axis=1)
    np.testing.assert_allclose(at_found, -np.sort(-similarities, axis=1)[:, :8], atol=1e-6)


def test_a_tag_counts_once_however_many_neighbours_have_it() -> None:
    labels = np.array([[True, True, False], [True, False, True], [True, False, False], [False, True, False]])
    found = recalls(labels, np.array([[1, 2, 3]] * 4), depths=[1, 2, 3])
    assert found[0].tolist() == [0.5, 0.5, 1.0]


def test_queries_without_tags_are_left_out_but_are_found() -> None:
    tracks = perfect(copies=3)
    labels = tracks.labels.copy()
    labels[::5] = False
    figures = retrieval_figures(replace(tracks, labels=labels), settings=SETTINGS)
    assert {figure.n for figure in figures} == {int(labels.any(axis=1).sum())}
    assert figures[0].value < 1.0


def test_a_notion_that_no_track_has_a_tag_of_has_no_figures() -> None:
    tracks = somewhat_good(50)
    labels = tracks.labels.copy()
    labels[:, tracks.tags_of(NOTIONS[1])] = False
    notions = {figure.notion for figure in retrieval_figures(replace(tracks, labels=labels), settings=SETTINGS)}
    assert notions == {None, NOTIONS[0], NOTIONS[2]}


def test_no_tags_at_all_are_refused() -> None:
    tracks = somewhat_good(20)
    with pytest.raises(EvaluationError, match="no track has a tag"):
        retrieval_figures(replace(tracks, labels=np.zeros_like(tracks.labels)), settings=SETTINGS)


def test_a_single_track_cannot_be_asked_about() -> None:
    points = Points(vectors=np.ones((1, 2), dtype=np.float32), similarity=Similarity.COSINE)
    with pytest.raises(EvaluationError, match="of 1 tracks, 1 neighbours"):
        nearest(points, k=1)


def test_depths_beyond_the_other_tracks_are_left_out() -> None:
    figures = retrieval_figures(perfect(values=(2, 1, 1), copies=2), settings=SETTINGS)
    assert {figure.metric for figure in figures} == {"R@1", "R@2"}


def test_a_bundle_of_one_dimension_has_figures_in_the_complete_space_alone() -> None:
    tracks = replace(somewhat_good(40), subspaces=subspaces_of_widths((14,)))
    figures = retrieval_figures(tracks, settings=SETTINGS)
    assert {(figure.subspace, figure.notion) for figure in figures} == {
        (None, None),
        *((None, each) for each in NOTIONS),
    }


def _random_recalls(labels: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.float64]:
    """Of one random ranking: every query's K first are K different other tracks."""
    n = len(labels)
    if n < 1000:
        neighbours = rng.random((n, n - 1)).argsort(axis=1)
        neighbours += neighbours >= np.arange(n)[:, None]
        return np.asarray(np.nanmean(recalls(labels, neighbours, depths=list(DEPTHS)), axis=0))
    neighbours = rng.integers(n - 1, size=(n, max(DEPTHS)))
    while (twice := np.flatnonzero((np.diff(np.sort(neighbours, axis=1), axis=1) == 0).any(axis=1))).size:
        neighbours[twice] = rng.integers(n - 1, size=(twice.size, max(DEPTHS)))
    neighbours += neighbours >= np.arange(n)[:, None]
    return np.asarray(np.nanmean(recalls(labels, neighbours, depths=list(DEPTHS)), axis=0))


@pytest.mark.parametrize("n", [9, 30, 200])
def test_chance_is_what_random_rankings_score(n: int) -> None:
    rng = np.random.default_rng(n)
    labels = rng.random((n, 6)) < np.linspace(0.05, 0.6, 6)
    scores = np.array([_random_recalls(labels, rng) for _ in range(250)])
    error = scores.std(axis=0) / np.sqrt(len(scores))
    assert (np.abs(scores.mean(axis=0) - chance_recalls(labels, depths=list(DEPTHS))) < 3.5 * error + 1e-9).all()


def test_chance_is_certainty_where_every_other_track_is_among_the_k() -> None:
    labels = np.array([[True, False], [True, True], [False, True], [True, True]])
    assert chance_recalls(labels, depths=[3]) == [1.0]


def test_a_random_ranking_of_the_million_song_datasets_test_side() -> None:
    """The expectation is 5.9 / 11.3 / 20.7 / 35.6 %; single drawings spread around it by some 0.1 / 0.1 / 0.2 / 0.2.

    An earlier count gave 5.7 / 11.1 / 20.4 / 35.3 %: as one drawing may come out, but not the expectation.
    """
    with np.load(GOLDEN / "msd-test-tag-sets.npz") as file:
        tag_sets = np.unpackbits(file["tag_sets"], axis=1, count=len(file["tags"])).astype(bool)
        labels = np.repeat(tag_sets, file["tracks"], axis=0)
    assert labels.shape == (28_435, 50)
    assert labels.sum() / len(labels) == pytest.approx(1.66, abs=0.005)
    expected = np.array(chance_recalls(labels, depths=list(DEPTHS)))
    assert (100 * expected).round(1).tolist() == [5.9, 11.3, 20.7, 35.6]
    # What the tables set beside the paper's figures.
    assert (100 * expected).round(1).tolist() == list(read_published().chance.recall)
    rng = np.random.default_rng(0)
    drawn = np.array([_random_recalls(labels, rng) for _ in range(8)])
    spread = drawn.std(axis=0, ddof=1)
    assert (np.abs(drawn.mean(axis=0) - expected) < 3.5 * spread / np.sqrt(len(drawn))).all()
    assert (np.abs(np.array([0.057, 0.111, 0.204, 0.353]) - expected) < 2.5 * spread).all()
