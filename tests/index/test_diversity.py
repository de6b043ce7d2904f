"""Maximal marginal relevance, against the definition in slow loops."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.diversity import diverse_order, similarity_among
from index.query import Query
from tests.index.vectors import FOUR, gathered_vectors


def by_definition(relevance, among, diversity, shown):
    chosen = list(np.flatnonzero(shown))
    order = []
    while len(chosen) < len(relevance):
        best, best_score = None, -np.inf
        for candidate in range(len(relevance)):
            if candidate in chosen:
                continue
            score = relevance[candidate]
            if chosen:
                score = (1 - diversity) * score - diversity * max(among[candidate][other] for other in chosen)
            if score > best_score:
                best, best_score = candidate, score
        chosen.append(best)
        order.append(best)
    return order


@given(st.integers(0, 12), st.floats(0, 1), st.integers(0, 2**32 - 1))
def test_the_order_is_that_of_the_definition(n, diversity, seed):
    rng = np.random.default_rng(seed)
    relevance = np.sort(rng.uniform(-1, 1, n))[::-1]
    among = rng.uniform(-1, 1, (n, n))
    shown = rng.random(n) < 0.3
    order = diverse_order(relevance, among, diversity=diversity, shown=shown)
    assert order == by_definition(relevance, among, diversity, shown)
    assert sorted(order) == list(np.flatnonzero(~shown))


@given(st.integers(1, 12), st.floats(0, 1), st.integers(0, 12), st.integers(0, 2**32 - 1))
def test_an_order_that_was_broken_off_is_gone_on_with(n, diversity, cut, seed):
    rng = np.random.default_rng(seed)
    relevance, among = np.sort(rng.uniform(-1, 1, n))[::-1], rng.uniform(-1, 1, (n, n))
    whole = diverse_order(relevance, among, diversity=diversity, shown=np.zeros(n, np.bool_))
    shown = np.zeros(n, np.bool_)
    shown[whole[:cut]] = True
    assert diverse_order(relevance, among, diversity=diversity, shown=shown) == whole[cut:]


def test_without_diversity_the_order_is_that_of_relevance(rng):
    relevance = np.array([0.9, 0.9, 0.5, 0.1])
    among = rng.uniform(-1, 1, (4, 4))
    assert diverse_order(relevance, among, diversity=0.0, shown=np.zeros(4, np.bool_)) == [0, 1, 2, 3]


def test_likeness_among_tracks_weighs_dimensions_as_the_query_does(rng):
    vectors = gathered_vectors(5, FOUR, rng)
    query = Query.by_example(FOUR, vectors[:1], weights={"mood": 3.0, "era": 1.0})
    among = similarity_among(query, vectors)
    for i, one in enumerate(vectors):
        for j, other in enumerate(vectors):
            expected = sum(
                weight * sum(float(a) * float(b) for a, b in zip(one[s.slice], other[s.slice], strict=True))
                for s, weight in zip(FOUR, query.weights, strict=True)
            )
            assert among[i, j] == pytest.approx(expected, abs=1e-6)
