import contextlib
import os
import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.datasets.inert_array import InertArray, InertPickleError
from training.datasets.inert_pickle import read_inert

LEE = Path(__file__).parent / "samples" / "million_song" / "lee"

plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
    | st.binary(max_size=300),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.text(max_size=4) | st.integers(), inner, max_size=5)
        | st.tuples(inner, inner, inner, inner)
    ),
    max_leaves=20,
)


@given(value=plain, protocol=st.sampled_from([0, 1, 2, 3, 4, 5]))
def test_plain_data_is_read_from_every_protocol(tmp_path_factory, value, protocol):
    path = tmp_path_factory.mktemp("pickles") / "p"
    path.write_bytes(pickle.dumps(value, protocol=protocol))
    assert read_inert(path) == value


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("kind", ["?", "u1", "<i4", ">f8", "<f2"])
def test_arrays_of_numbers_are_read(tmp_path, protocol, kind):
    array = (np.arange(24).reshape(4, 6) % 7).astype(kind)
    (tmp_path / "p").write_bytes(pickle.dumps({"rows": array, "columns": np.asfortranarray(array)}, protocol=protocol))
    found = read_inert(tmp_path / "p")
    for value in found.values():
        assert isinstance(value, InertArray)
        np.testing.assert_array_equal(value.array(), array)
        assert value.array().dtype == array.dtype


def test_a_number_of_numpy_is_a_number(tmp_path):
    (tmp_path / "p").write_bytes(pickle.dumps([np.float64(0.1), np.int32(-7)], protocol=2))
    assert read_inert(tmp_path / "p") == [0.1, -7]


@pytest.mark.parametrize("path", sorted(LEE.iterdir()), ids=lambda path: path.name)
def test_the_samples_in_python_2s_form_say_the_same_to_pythons_own_pickle(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # numpy has moved the functions that old pickles name
        expected = pickle.loads(path.read_bytes(), encoding="bytes")  # noqa: S301  (a file of our own)
    found = read_inert(path)
    assert len(found) == len(expected)
    if isinstance(expected, list):
        assert found == expected
        return
    for key, value in expected.items():
        if isinstance(value, np.ndarray):
            np.testing.assert_array_equal(found[key].array(), value)
        else:
            assert found[key] == value


class Harmful:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_a_program_is_refused_and_not_run(tmp_path, protocol):
    (tmp_path / "p").write_bytes(pickle.dumps([1, Harmful(tmp_path / "ran")], protocol=protocol))
    with pytest.raises(InertPickleError, match=r"p: it asks for '(posix|os) mkdir'"):
        read_inert(tmp_path / "p")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("value", [Path("x"), {1, 2}, 3 + 4j, np.array(["a", {}], dtype=object), np.array("text")])
def test_objects_are_refused(tmp_path, value):
    (tmp_path / "p").write_bytes(pickle.dumps(value, protocol=2))
    with pytest.raises(InertPickleError):
        read_inert(tmp_path / "p")


def test_damage_is_named(tmp_path):
    whole = pickle.dumps({"a": [1, "text"], "b": np.arange(9)}, protocol=2)
    path = tmp_path / "p"
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(InertPickleError, match="p: "):
            read_inert(path)


@given(noise=st.binary(max_size=60))
def test_noise_is_data_or_refused_but_never_something_else(tmp_path_factory, noise):
    path = tmp_path_factory.mktemp("pickles") / "p"
    path.write_bytes(noise)
    with contextlib.suppress(InertPickleError):
        read_inert(path)
