"""`dimension=` and `weights=`: read as they are meant, whatever dimensions are called, or refused."""

import string
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.subspaces import Subspace, Subspaces, UnknownDimensionError
from service.http.refusals import ConflictingParametersError, InvalidParameterError
from service.search.weights import read_weights


def subspaces(*names: str) -> Subspaces:
    return Subspaces(tuple(Subspace(name, column, column + 1) for column, name in enumerate(names)))


PLAIN = subspaces("genre", "mood", "a:b", "one, two")


@pytest.mark.parametrize(
    ("text", "weights"),
    [
        ("mood:1,genre:0.5", {"mood": 1, "genre": 0.5}),
        (" mood : 1 , genre : 0.5 ", {"mood": 1, "genre": 0.5}),
        ("mood:1,", {"mood": 1}),
        ("mood:1e-3", {"mood": 0.001}),
        ("mood:0,genre:.5", {"mood": 0, "genre": 0.5}),
        ("a:b:2", {"a:b": 2}),
        ("one, two:3,a:b:1", {"one, two": 3, "a:b": 1}),
    ],
)
def test_weights_are_read(text: str, weights: dict[str, float]) -> None:
    assert read_weights(PLAIN, dimensions=(), weights=text) == weights


@given(
    st.dictionaries(
        st.text(string.ascii_letters + " :,é/.", min_size=1).filter(lambda name: name == name.strip()),
        st.floats(0, 1e6),
        min_size=1,
        max_size=5,
    ).filter(lambda weights: any(weights.values()))
)
def test_weights_are_read_as_they_were_written(weights: dict[str, float]) -> None:
    text = ",".join(f"{name}:{weight!r}" for name, weight in weights.items())
    assert read_weights(subspaces(*weights), dimensions=(), weights=text) == weights


def test_nothing_said_is_no_weights() -> None:
    assert read_weights(PLAIN, dimensions=(), weights=None) is None


def test_dimensions_count_alike() -> None:
    assert read_weights(PLAIN, dimensions=["mood"], weights=None) == {"mood": 1}
    assert read_weights(PLAIN, dimensions=["mood", "genre", "mood"], weights=None) == {"mood": 1, "genre": 1}


@pytest.mark.parametrize("text", ["", ",", "mood", "mood,genre", "mood:", ":1", "mood:1,,genre:1", "mood:1,mood:2"])
def test_what_is_not_pairs_is_refused(text: str) -> None:
    with pytest.raises((InvalidParameterError, UnknownDimensionError)):
        read_weights(PLAIN, dimensions=(), weights=text)


@pytest.mark.parametrize("weight", ["-1", "nan", "inf", "-inf", "1e999", "much", "1 2"])
def test_what_is_no_weight_is_refused(weight: str) -> None:
    with pytest.raises(InvalidParameterError, match="mood"):
        read_weights(PLAIN, dimensions=(), weights=f"mood:{weight}")


def test_weights_that_are_all_zero_are_refused() -> None:
    with pytest.raises(InvalidParameterError, match="every weight is zero"):
        read_weights(PLAIN, dimensions=(), weights="mood:0,genre:0")


@pytest.mark.parametrize(("dimensions", "weights"), [(["Mood"], None), ((), "modo:1"), ((), "mood:1,x:1")])
def test_a_dimension_the_bundle_lacks_is_refused(dimensions: list[str], weights: str | None) -> None:
    with pytest.raises(UnknownDimensionError):
        read_weights(PLAIN, dimensions=dimensions, weights=weights)


def test_dimension_and_weights_exclude_each_other() -> None:
    with pytest.raises(ConflictingParametersError, match="weights=genre:1"):
        read_weights(PLAIN, dimensions=["genre"], weights="mood:1")


@pytest.mark.parametrize("text", ["a:" * 1000, " " * 2000, f"a:{' ' * 1997}:", f"a{' ' * 1999}", " :" * 1000])
def test_long_nonsense_is_refused_quickly(text: str) -> None:
    began = time.process_time()
    with pytest.raises((InvalidParameterError, UnknownDimensionError)):
        read_weights(PLAIN, dimensions=(), weights=text)
    assert time.process_time() - began < 1
