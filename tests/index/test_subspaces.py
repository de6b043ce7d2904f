import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from index.subspaces import Subspace, Subspaces, UnknownDimensionError
from tests.index.vectors import FOUR, ODD, gathered_vectors

some_vectors = arrays(np.float32, (3, ODD.width), elements=st.floats(-100, 100, width=32))


@given(some_vectors)
def test_every_slice_has_length_one_or_is_zero(vectors):
    unit = ODD.unit(vectors)
    for subspace in ODD:
        lengths = np.linalg.norm(unit[:, subspace.slice], axis=1)
        assert all(abs(length - 1) < 1e-5 or length == 0 for length in lengths)


@given(some_vectors)
def test_bringing_to_unit_length_twice_changes_nothing(vectors):
    once = ODD.unit(vectors)
    np.testing.assert_allclose(ODD.unit(once), once, atol=1e-6)


def test_a_slice_of_zeros_stays_zero_and_scores_zero(rng):
    vectors = gathered_vectors(2, FOUR, rng)
    vectors[0, 64:128] = 0
    cosines = FOUR.cosines(vectors[1], FOUR.unit(vectors))
    assert cosines[0, 1] == 0
    np.testing.assert_allclose(cosines[1], 1, atol=1e-6)


def test_cosines_equal_the_textbook_formula(rng):
    raw = rng.standard_normal((5, ODD.width))
    unit = ODD.unit(raw)
    cosines = ODD.cosines(unit[0], unit)
    for row in range(5):
        for column, s in enumerate(ODD):
            a, b = raw[0, s.slice], raw[row, s.slice]
            assert cosines[row, column] == pytest.approx(a @ b / np.linalg.norm(a) / np.linalg.norm(b), abs=1e-6)


def test_the_mean_of_equal_vectors_is_that_vector(rng):
    vector = gathered_vectors(1, FOUR, rng)[0]
    np.testing.assert_allclose(FOUR.mean(np.stack([vector] * 7)), vector, atol=1e-6)


def test_the_mean_of_opposite_slices_has_no_direction():
    vectors = np.stack([np.ones(ODD.width), -np.ones(ODD.width)])
    assert not ODD.mean(ODD.unit(vectors)).any()


def test_the_mean_of_nothing_is_refused():
    with pytest.raises(ValueError, match="no vectors"):
        FOUR.mean(np.empty((0, FOUR.width), np.float32))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_numbers_that_are_not_finite_are_refused(bad):
    with pytest.raises(ValueError, match="finite"):
        ODD.unit(np.full((1, ODD.width), bad))


def test_a_wrong_width_is_refused():
    with pytest.raises(ValueError, match="expected"):
        ODD.unit(np.zeros((2, ODD.width + 1)))


@pytest.mark.parametrize(
    "each",
    [
        (),
        (Subspace("a", 0, 4), Subspace("b", 5, 8)),
        (Subspace("a", 0, 4), Subspace("b", 3, 8)),
        (Subspace("a", 0, 4), Subspace("a", 4, 8)),
        (Subspace("a", 0, 0),),
        (Subspace("a", 1, 2),),
    ],
)
def test_slices_that_do_not_tile_the_embedding_are_refused(each):
    with pytest.raises(ValueError, match="sub-space"):
        Subspaces(each)


def test_an_unknown_dimension_is_named_with_the_known_ones():
    with pytest.raises(UnknownDimensionError, match=r"'tempo'.*genre, mood, instrument, era"):
        FOUR["tempo"]
