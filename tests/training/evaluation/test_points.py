"""Points, against plain arithmetic on single vectors, and against the vectors that are served."""

from dataclasses import replace

import numpy as np
import pytest

from index.subspaces import UnknownDimensionError
from tests.training.evaluation.made_up_tracks import NOTIONS, somewhat_good, subspaces_of_widths, without_meaning
from training.evaluation.evaluation import EvaluationError, Similarity
from training.evaluation.points import Complete, excerpt_points, points_of, spaces_of, track_points

SPACES = (None, *NOTIONS)


@pytest.mark.parametrize("subspace", SPACES)
def test_a_cosine_is_the_mean_of_the_cosines_of_the_served_vectors(subspace: str | None) -> None:
    tracks = somewhat_good(40)
    served = np.stack(
        [
            tracks.subspaces.mean(tracks.subspaces.unit(tracks.excerpts[tracks.track == position]))
            for position in range(len(tracks))
        ]
    )
    points = track_points(tracks, subspace=subspace, similarity=Similarity.COSINE, complete=Complete.SLICES)
    for row in (0, 7):
        cosines = tracks.subspaces.cosines(served[row], served)
        expected = cosines.mean(axis=1) if subspace is None else cosines[:, NOTIONS.index(subspace)]
        np.testing.assert_allclose(points.similarities(slice(row, row + 1))[0], expected, atol=2e-6)


def test_the_whole_is_one_normalisation_before_and_after_the_mean() -> None:
    tracks = somewhat_good(30)
    means = []
    for position in range(len(tracks)):
        own = tracks.excerpts[tracks.track == position].astype(np.float64)
        mean = (own / np.linalg.norm(own, axis=1, keepdims=True)).mean(axis=0)
        means.append(mean / np.linalg.norm(mean))
    points = track_points(tracks, subspace=None, similarity=Similarity.COSINE, complete=Complete.WHOLE)
    np.testing.assert_allclose(points.similarities(slice(None)), np.array(means) @ np.array(means).T, atol=2e-6)


@pytest.mark.parametrize("subspace", SPACES)
def test_dot_and_euclidean_compare_plain_means(subspace: str | None) -> None:
    tracks = somewhat_good(30)
    means = np.array([tracks.excerpts[tracks.track == at].mean(axis=0, dtype=np.float64) for at in range(len(tracks))])
    if subspace is not None:
        means = means[:, tracks.subspaces[subspace].slice]
    distances = ((means[:, None] - means[None]) ** 2).sum(axis=2)
    for similarity, expected in ((Similarity.DOT, means @ means.T), (Similarity.EUCLIDEAN, -distances)):
        points = track_points(tracks, subspace=subspace, similarity=similarity, complete=Complete.SLICES)
        np.testing.assert_allclose(points.similarities(slice(None)), expected, atol=1e-4)


@pytest.mark.parametrize("similarity", Similarity)
@pytest.mark.parametrize("complete", Complete)
@pytest.mark.parametrize("subspace", SPACES)
def test_pairs_are_entries_of_the_matrix(similarity: Similarity, complete: Complete, subspace: str | None) -> None:
    tracks = without_meaning(50)
    points = excerpt_points(tracks, subspace=subspace, similarity=similarity, complete=complete)
    rng = np.random.default_rng(1)
    first, second = rng.integers(len(points), size=(2, 200))
    matrix = points.similarities(np.arange(len(points)))
    assert matrix.shape == (len(tracks.track),) * 2
    np.testing.assert_allclose(points.pairs(first, second), matrix[first, second], atol=2e-5)


def test_euclidean_similarity_is_exact_far_from_the_origin() -> None:
    tracks = without_meaning(50)
    far = replace(tracks, excerpts=tracks.excerpts + np.float32(1000))
    # Adding 1000 rounds the numbers themselves to 6e-5; squares of a million would be off by 0.1.
    here, there = (
        track_points(each, subspace=None, similarity=Similarity.EUCLIDEAN, complete=Complete.SLICES)
        for each in (tracks, far)
    )
    np.testing.assert_allclose(there.similarities(slice(None)), here.similarities(slice(None)), atol=5e-3)


def test_more_pairs_than_are_taken_at_a_time_are_all_there() -> None:
    points = track_points(without_meaning(20), subspace=None, similarity=Similarity.COSINE, complete=Complete.SLICES)
    first = np.arange(150_000) % 20
    found = points.pairs(first, first[::-1])
    assert (found[:20] == found[20:40]).all()
    np.testing.assert_array_equal(found[-20:], points.pairs(first[-20:], first[::-1][-20:]))


def test_blocks_are_all_rows_once() -> None:
    tracks = without_meaning(700)
    points = track_points(tracks, subspace=None, similarity=Similarity.COSINE, complete=Complete.SLICES)
    assert [row for block in points.blocks() for row in range(700)[block]] == list(range(700))


def test_a_slice_without_direction_is_similar_to_nothing() -> None:
    tracks = without_meaning(10)
    excerpts = tracks.excerpts.copy()
    excerpts[tracks.track == 3, tracks.subspaces[NOTIONS[1]].slice] = 0.0
    points = track_points(
        replace(tracks, excerpts=excerpts), subspace=NOTIONS[1], similarity=Similarity.COSINE, complete=Complete.SLICES
    )
    assert not points.similarities(slice(3, 4)).any()


def test_a_bundle_of_one_dimension_has_no_subspaces_to_measure() -> None:
    assert spaces_of(subspaces_of_widths((3,))) == (None,)
    assert spaces_of(subspaces_of_widths((3, 4))) == (None, *NOTIONS[:2])


@pytest.mark.parametrize("similarity", Similarity)
def test_numbers_that_are_not_finite_are_refused(similarity: Similarity) -> None:
    vectors = np.array([[1, 2, np.nan]], dtype=np.float32)
    with pytest.raises(EvaluationError, match="not finite"):
        points_of(vectors, subspaces_of_widths((1, 2)), subspace=None, similarity=similarity, complete=Complete.SLICES)


def test_a_dimension_that_is_not_there_is_refused() -> None:
    with pytest.raises(UnknownDimensionError, match="tempo"):
        track_points(without_meaning(5), subspace="tempo", similarity=Similarity.COSINE, complete=Complete.SLICES)
