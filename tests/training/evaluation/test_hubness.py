"""Hubness, against scipy's skewness and a slow count."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from tests.training.evaluation.made_up_tracks import NOTIONS, somewhat_good, subspaces_of_widths, without_meaning
from training.evaluation.bootstrap import Bootstrap, draws
from training.evaluation.evaluation import EvaluationError, Similarity
from training.evaluation.hubness import hubness_figures, occurrences, skewness
from training.evaluation.points import Complete, track_points

SETTINGS = Bootstrap(resamples=200)


def test_skewness_is_scipys_in_every_resample() -> None:
    values = np.random.default_rng(0).poisson(10, size=50)
    weights = np.concatenate(list(draws(50, resamples=20, rng=np.random.default_rng(1))))
    expected = [stats.skew(np.repeat(values, row.astype(int))) for row in weights]
    np.testing.assert_allclose(skewness(values, weights), expected, rtol=1e-9)


def test_values_that_are_all_equal_are_not_skewed() -> None:
    assert skewness(np.full(7, 10), np.ones((1, 7))).tolist() == [0.0]


def test_figures_are_skewness_and_antihubs_of_a_slow_count() -> None:
    tracks = somewhat_good(60)
    for figure in hubness_figures(tracks, settings=SETTINGS):
        points = track_points(tracks, subspace=figure.subspace, similarity=Similarity.COSINE, complete=Complete.SLICES)
        matrix = points.similarities(slice(None))
        counts = [0] * len(tracks)
        for query, row in enumerate(matrix):
            others = [other for other in range(len(tracks)) if other != query]
            for other in sorted(others, key=lambda other: (-row[other], other))[:10]:
                counts[other] += 1
        expected = stats.skew(counts) if figure.metric == "skewness" else np.mean([count == 0 for count in counts])
        assert figure.value == pytest.approx(expected), figure.name
        assert figure.low <= figure.high  # type: ignore[operator]


def test_a_track_is_found_k_times_on_average() -> None:
    points = track_points(somewhat_good(50), subspace=None, similarity=Similarity.COSINE, complete=Complete.SLICES)
    assert occurrences(points, k=7).mean() == 7.0


def test_every_space_has_both_figures_and_its_chance() -> None:
    figures = hubness_figures(without_meaning(100), settings=SETTINGS)
    assert [(each.subspace, each.metric) for each in figures] == [
        (space, metric) for space in (None, *NOTIONS) for metric in ("skewness", "antihubs")
    ]
    # Four dimensions have hubs of their own.
    assert len({each.chance for each in figures if each.metric == "skewness"}) == 4


def test_random_embeddings_have_the_hubness_of_chance_and_a_hub_has_more() -> None:
    tracks = without_meaning(400)
    skews = [each for each in hubness_figures(tracks, settings=SETTINGS) if each.metric == "skewness"]
    for each in skews:
        assert each.value == pytest.approx(each.chance, abs=0.35), each.name
    # Ten tracks in the middle of all others are everybody's neighbours.
    excerpts = tracks.excerpts.copy()
    excerpts[tracks.track < 10] = 0.0
    middle = replace(tracks, excerpts=excerpts, subspaces=subspaces_of_widths((17,)))
    figures = hubness_figures(middle, similarity=Similarity.EUCLIDEAN, settings=SETTINGS)
    by_metric = {each.metric: each for each in figures}
    assert by_metric["skewness"].low > by_metric["skewness"].chance + 1  # type: ignore[operator]
    assert by_metric["antihubs"].low > by_metric["antihubs"].chance  # type: ignore[operator]


def test_fewer_tracks_than_neighbours_are_refused() -> None:
    with pytest.raises(EvaluationError, match="of 10 tracks, 10 neighbours"):
        hubness_figures(without_meaning(10), settings=SETTINGS)
