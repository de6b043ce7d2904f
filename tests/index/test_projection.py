"""The map's points, checked against scikit-learn's trustworthiness, exact neighbours and laws that any map obeys."""

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.manifold import trustworthiness

from index import projection
from index.projection import nearest, placed_among, principal_points, projected, turned_towards


def clusters(*, each: int, count: int, width: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors around some directions, and which direction each belongs to."""
    rng = np.random.default_rng(seed)
    belongs = np.repeat(np.arange(count), each)
    vectors = rng.standard_normal((count, width))[belongs] + 0.35 * rng.standard_normal((len(belongs), width))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), belongs


def test_neighbours_are_kept_better_than_by_principal_components() -> None:
    vectors, belongs = clusters(each=20, count=30, width=32)
    points = projected(vectors, rng=np.random.default_rng(1))
    kept = trustworthiness(vectors, points, n_neighbors=8)
    assert kept > 0.9
    # Not half of what the components get wrong.
    assert 1 - kept < (1 - trustworthiness(vectors, principal_points(vectors), n_neighbors=8)) / 2
    gaps = np.linalg.norm(points[:, None] - points[None], axis=-1)
    np.fill_diagonal(gaps, np.inf)
    assert (belongs[gaps.argmin(axis=1)] == belongs).mean() > 0.95


def test_principal_points_are_scikit_learns_but_for_sign_and_size() -> None:
    vectors, _ = clusters(each=30, count=5, width=16)
    expected = PCA(2).fit_transform(vectors)
    found = principal_points(vectors)
    for axis in range(2):
        assert abs(np.corrcoef(found[:, axis], expected[:, axis])[0, 1]) > 0.999


@pytest.mark.parametrize("n", [0, 1, 2, 3, 4, 5, 17])
@pytest.mark.parametrize("width", [1, 2, 64])
def test_any_number_of_tracks_has_a_map(n: int, width: int) -> None:
    vectors = np.random.default_rng(n).standard_normal((n, width)).astype(np.float32)
    points = projected(vectors, rng=np.random.default_rng(0))
    assert points.shape == (n, 2)
    assert np.isfinite(points).all()
    assert np.abs(points).max(initial=0) <= 1


def test_tracks_that_are_all_alike_or_have_no_direction_have_a_map() -> None:
    for vectors in (np.ones((20, 8), np.float32), np.zeros((20, 8), np.float32)):
        assert np.isfinite(projected(vectors, rng=np.random.default_rng(0))).all()


def test_the_same_seed_draws_the_same_map() -> None:
    vectors, _ = clusters(each=10, count=4, width=8)
    first, second = (projected(vectors, rng=np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_nearest_are_those_of_brute_force() -> None:
    vectors, _ = clusters(each=15, count=6, width=12)
    similarity = vectors @ vectors.T
    np.fill_diagonal(similarity, -np.inf)
    expected = np.sort(np.argsort(-similarity, axis=1)[:, :7], axis=1)
    np.testing.assert_array_equal(np.sort(nearest(vectors, k=7), axis=1), expected)


def test_of_very_many_tracks_nearly_all_nearest_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, _ = clusters(each=60, count=40, width=16)
    exact = nearest(vectors, k=10)
    monkeypatch.setattr(projection, "LISTS_FROM", 1000)
    found = nearest(vectors, k=10)
    assert (found != np.arange(len(vectors))[:, None]).all()
    shares = [len(set(a) & set(b)) / 10 for a, b in zip(exact, found, strict=True)]
    assert np.mean(shares) > 0.8


def test_a_new_track_stands_among_its_neighbours_and_moves_none() -> None:
    vectors, belongs = clusters(each=20, count=8, width=16)
    is_new = np.arange(len(vectors)) % 10 == 0
    points = projected(vectors[~is_new], rng=np.random.default_rng(0))
    placed = placed_among(vectors[is_new], known=vectors[~is_new], points=points)
    assert placed.shape == (is_new.sum(), 2)
    gaps = np.linalg.norm(placed[:, None] - points[None], axis=-1)
    assert (belongs[~is_new][gaps.argmin(axis=1)] == belongs[is_new]).mean() > 0.9


def test_a_twin_of_a_track_stands_nearest_to_it() -> None:
    vectors, _ = clusters(each=20, count=8, width=16)
    points = projected(vectors, rng=np.random.default_rng(0))
    placed = placed_among(vectors[33:34], known=vectors, points=points)
    others = np.linalg.norm(points - points[33], axis=1).mean()
    assert np.linalg.norm(placed[0] - points[33]) < 0.2 * others


def test_a_turned_map_is_turned_back_and_keeps_its_distances() -> None:
    rng = np.random.default_rng(2)
    model = rng.uniform(-0.6, 0.6, (50, 2)).astype(np.float32)
    mirrored = model @ np.array([[0.6, 0.8], [0.8, -0.6]], np.float32)
    np.testing.assert_allclose(turned_towards(mirrored, model), model, atol=1e-5)
