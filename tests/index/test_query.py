import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.query import Query, QueryError, Term
from index.subspaces import UnknownDimensionError
from tests.index.vectors import FOUR, ODD, gathered_vectors

weightings = st.lists(st.floats(0, 1e6), min_size=len(FOUR), max_size=len(FOUR)).filter(lambda w: max(w) > 1e-3)


@given(weightings)
def test_one_inner_product_is_the_weighted_mean_of_the_cosines(weights):
    rng = np.random.default_rng(1)
    example, *tracks = gathered_vectors(9, FOUR, rng)
    query = Query.by_example(FOUR, example[None], weights=dict(zip(FOUR.names, weights, strict=True)))
    for track in tracks:
        cosines = [float(example[s.slice].astype(float) @ track[s.slice]) for s in FOUR]
        expected = sum(w * c for w, c in zip(weights, cosines, strict=True)) / sum(weights)
        assert float(query.scaled @ track) == pytest.approx(expected, abs=1e-5)


@given(weightings, st.floats(1e-3, 1e3))
def test_scaling_all_weights_keeps_the_query(weights, factor):
    example = gathered_vectors(1, FOUR, np.random.default_rng(2))
    once, scaled = (
        Query.by_example(FOUR, example, weights={n: f * w for n, w in zip(FOUR.names, weights, strict=True)})
        for f in (1.0, factor)
    )
    np.testing.assert_allclose(once.scaled, scaled.scaled, atol=1e-6)


def test_without_weights_all_dimensions_count_the_same(rng):
    example = gathered_vectors(1, ODD, rng)
    equal = Query.by_example(ODD, example, weights=dict.fromkeys(ODD.names, 3.0))
    np.testing.assert_allclose(Query.by_example(ODD, example).scaled, equal.scaled, atol=1e-7)
    assert Query.by_example(ODD, example).weighted == list(ODD.names)


def test_similarity_to_itself_is_one(rng):
    example = gathered_vectors(1, FOUR, rng)
    for weights in (None, {"mood": 1.0}, {"mood": 2.0, "era": 0.1}):
        assert Query.by_example(FOUR, example, weights=weights).scaled @ example[0] == pytest.approx(1, abs=1e-6)


def test_a_dimension_left_out_has_no_say(rng):
    example, other = gathered_vectors(2, FOUR, rng)
    query = Query.by_example(FOUR, example[None], weights={"instrument": 1.0})
    changed = other.copy()
    changed[:128] = example[:128]
    assert query.scaled @ changed == pytest.approx(query.scaled @ other, abs=1e-7)
    assert query.weighted == ["instrument"]


def test_a_tag_points_into_its_own_dimension_only(rng):
    proxy = np.zeros(FOUR.width, np.float32)
    proxy[FOUR["mood"].slice] = 5 * rng.standard_normal(64)
    query = Query.of(FOUR, [Term(FOUR.unit(proxy))], weights={"mood": 1.0})
    assert query.weighted == ["mood"]
    assert query.columns == FOUR["mood"].slice
    assert np.linalg.norm(query.scaled) == pytest.approx(1, abs=1e-6)
    outside = np.delete(query.scaled, np.arange(64, 128))
    assert not outside.any()


def test_terms_of_one_dimension_meet_halfway_and_those_of_two_do_not_meet():
    proxies = np.zeros((3, FOUR.width), np.float32)
    proxies[0, 0], proxies[1, 1], proxies[2, 64] = 2, 7, 1
    query = Query.of(FOUR, [Term(proxy) for proxy in FOUR.unit(proxies)], weights={"genre": 1.0, "mood": 1.0})
    assert query.direction[[0, 1, 64]].tolist() == pytest.approx([2**-0.5, 2**-0.5, 1])
    assert query.weights.tolist() == [0.5, 0.5, 0, 0]


strengths = st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=5).filter(lambda w: max(map(abs, w)) > 1e-3)


@given(strengths, st.floats(1e-3, 1e3))
def test_terms_are_added_up_dimension_by_dimension(weights, factor):
    rng = np.random.default_rng(4)
    vectors = gathered_vectors(len(weights), ODD, rng)
    vectors[0, ODD["é/.."].slice] = 0
    query = Query.of(ODD, [Term(vector, weight) for vector, weight in zip(vectors, weights, strict=True)])
    largest = max(map(abs, weights))
    for subspace in ODD:
        total = [0.0] * subspace.width
        for vector, weight in zip(vectors, weights, strict=True):
            for column in range(subspace.width):
                total[column] += weight / largest * float(vector[subspace.start + column])
        length = sum(number**2 for number in total) ** 0.5
        if length > 1e-3:
            expected = [number / length for number in total]
            assert query.direction[subspace.slice].tolist() == pytest.approx(expected, abs=1e-5)
            again = Query.of(ODD, [Term(v, factor * w) for v, w in zip(vectors, weights, strict=True)])
            assert again.direction[subspace.slice].tolist() == pytest.approx(expected, abs=1e-5)


def test_away_from_an_example_is_its_opposite(rng):
    example = gathered_vectors(1, FOUR, rng)[0]
    np.testing.assert_allclose(
        Query.of(FOUR, [Term(example, -0.5)]).scaled, -Query.by_example(FOUR, example[None]).scaled
    )


def test_an_example_and_its_opposite_have_no_direction(rng):
    example = gathered_vectors(1, FOUR, rng)[0]
    assert not Query.of(FOUR, [Term(example), Term(example, -1.0)]).scaled.any()


@pytest.mark.parametrize("ceilings", [{"mood": 1.1}, {"mood": -1.1}, {"mood": float("nan")}, {"era": 0.5}])
def test_a_ceiling_that_means_nothing_is_refused(rng, ceilings):
    example = gathered_vectors(1, FOUR, rng)[0]
    example[FOUR["era"].slice] = 0
    with pytest.raises(QueryError, match="ceiling"):
        Query.of(FOUR, [Term(example)], ceilings=ceilings)


@pytest.mark.parametrize("weight", [float("nan"), float("inf")])
def test_a_term_s_weight_that_means_nothing_is_refused(rng, weight):
    with pytest.raises(QueryError, match="weight"):
        Query.of(FOUR, [Term(gathered_vectors(1, FOUR, rng)[0], weight)])


def test_a_query_of_nothing_is_refused():
    with pytest.raises(QueryError, match="an example or a tag"):
        Query.of(FOUR, [])


@pytest.mark.parametrize("weights", [{"mood": -1.0}, {"mood": float("nan")}, {"mood": float("inf")}, {"mood": 0.0}, {}])
def test_weights_that_mean_nothing_are_refused(rng, weights):
    with pytest.raises(QueryError, match="weight"):
        Query.by_example(FOUR, gathered_vectors(1, FOUR, rng), weights=weights)


def test_an_unknown_dimension_is_refused(rng):
    with pytest.raises(UnknownDimensionError, match="tempo"):
        Query.by_example(FOUR, gathered_vectors(1, FOUR, rng), weights={"tempo": 1.0})


def test_the_best_excerpt_is_the_most_similar_in_the_weighted_dimensions(rng):
    excerpts = gathered_vectors(8, FOUR, rng)
    wanted = excerpts[5].copy()
    wanted[FOUR["genre"].slice] = excerpts[2, FOUR["genre"].slice]
    assert Query.by_example(FOUR, wanted[None], weights={"genre": 1.0}).best_excerpt(excerpts) == 2
    assert Query.by_example(FOUR, wanted[None]).best_excerpt(excerpts) == 5
