"""The way between two vectors: its ends, its evenness, and what happens where an end has no direction."""

import itertools

import numpy as np
import pytest

from index.way import points_between
from tests.index.vectors import FOUR, gathered_vectors


def test_the_way_begins_and_ends_where_it_should_and_is_walked_evenly(rng):
    start, end = gathered_vectors(2, FOUR, rng)
    way = points_between(FOUR, start, end, points=6)
    np.testing.assert_allclose(way[[0, -1]], [start, end], atol=1e-6)
    for subspace in FOUR:
        columns = way[:, subspace.slice].astype(float)
        whole = np.arccos(columns[0] @ columns[-1])
        for before, after in itertools.pairwise(columns):
            assert np.arccos(np.clip(before @ after, -1, 1)) == pytest.approx(whole / 5, abs=1e-3)


def test_every_point_has_unit_slices(rng):
    start, end = gathered_vectors(2, FOUR, rng)
    way = points_between(FOUR, start, end, points=9)
    for subspace in FOUR:
        np.testing.assert_allclose(np.linalg.norm(way[:, subspace.slice], axis=1), 1, atol=1e-5)


def test_between_equal_ends_nothing_changes(rng):
    start = gathered_vectors(1, FOUR, rng)[0]
    np.testing.assert_allclose(points_between(FOUR, start, start, points=4), [start] * 4, atol=1e-6)


def test_where_one_end_has_no_direction_the_other_one_holds(rng):
    start, end = gathered_vectors(2, FOUR, rng)
    start[FOUR["mood"].slice] = 0
    way = points_between(FOUR, start, end, points=3)
    np.testing.assert_allclose(way[:, FOUR["mood"].slice], [end[FOUR["mood"].slice]] * 3, atol=1e-6)


def test_a_way_has_two_ends(rng):
    start, end = gathered_vectors(2, FOUR, rng)
    with pytest.raises(ValueError, match="two ends"):
        points_between(FOUR, start, end, points=1)
