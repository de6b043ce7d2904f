"""The smallest cosine over the dimensions, against slow loops."""

import numpy as np
import pytest

from index.near_duplicates import least_cosines
from tests.index.vectors import ODD, gathered_vectors


def test_it_is_the_smallest_cosine_over_all_dimensions(rng):
    vectors, others = gathered_vectors(7, ODD, rng), gathered_vectors(5, ODD, rng)
    least = least_cosines(ODD, vectors, others)
    for i, one in enumerate(vectors):
        for j, other in enumerate(others):
            expected = min(
                sum(float(a) * float(b) for a, b in zip(one[s.slice], other[s.slice], strict=True)) for s in ODD
            )
            assert least[i, j] == pytest.approx(expected, abs=1e-6)


def test_a_copy_is_alike_in_every_dimension_even_where_it_has_no_direction(rng):
    vectors = gathered_vectors(3, ODD, rng)
    vectors[1, ODD["é/.."].slice] = 0
    least = least_cosines(ODD, vectors, vectors.copy())
    np.testing.assert_allclose(np.diag(least), 1, atol=1e-6)
    # Where only one has no direction, they are not alike.
    assert least[0, 1] <= 1e-6


def test_of_nothing_there_is_nothing(rng):
    vectors = gathered_vectors(3, ODD, rng)
    assert least_cosines(ODD, vectors, vectors[:0]).shape == (3, 0)
