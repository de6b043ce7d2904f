"""The contract every engine obeys, with brute force as the oracle."""

from collections.abc import Callable
from pathlib import Path

import faiss
import numpy as np
import pytest

from index.exact import ExactIndex
from index.faiss_index import FaissIndex, Kind, Sizes
from index.subspaces import Vectors
from index.vector_index import VectorIndex
from tests.index.vectors import ONE, gathered_vectors, questions

Make = Callable[[Vectors], VectorIndex]


ENGINES = [
    "exact",
    "exact on a memory map",
    *(f"{kind.value}{where}" for kind in Kind for where in ("", ", from disk")),
]


@pytest.fixture(params=ENGINES)
def make(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Make:
    name: str = request.param

    def make_engine(vectors: Vectors) -> VectorIndex:
        if name == "exact":
            return ExactIndex(vectors)
        path = tmp_path_factory.mktemp("engine") / "stored"
        if name.startswith("exact"):
            with path.open("wb") as file:
                np.save(file, vectors)
            return ExactIndex(np.load(path, mmap_mode="r"))
        kind = Kind(name.removesuffix(", from disk"))
        if kind is Kind.LISTS and len(vectors) < 40:
            kind = Kind.HALF  # clustering needs points; `Sizes` never gives so few
        index = FaissIndex.build(vectors, kind=kind)
        if not name.endswith("from disk"):
            return index
        index.save(path)
        return FaissIndex.open(path)

    return make_engine


def brute_force(vectors: Vectors, query: Vectors, k: int, allowed: np.ndarray) -> tuple[list[int], list[float]]:
    """The definition, written as a loop: rank every allowed row by its inner product in float64."""
    similarity = {row: float(vectors[row].astype(np.float64) @ query) for row in np.flatnonzero(allowed)}
    order = sorted(similarity, key=lambda row: (-similarity[row], row))[:k]
    return order, [similarity[row] for row in order]


@pytest.fixture
def vectors(rng: np.random.Generator) -> Vectors:
    return gathered_vectors(3000, ONE, rng)


@pytest.mark.parametrize("share_allowed", [1.0, 0.5, 0.01])
@pytest.mark.parametrize("k", [1, 10, 100])
def test_it_finds_what_brute_force_finds(make, vectors, rng, k, share_allowed):
    index = make(vectors)
    recalls = []
    for query in questions(vectors, ONE, rng):
        allowed = rng.random(len(vectors)) < share_allowed
        expected, similarity = brute_force(vectors, query, k, allowed)
        found = index.search(query, k=k, allowed=allowed)
        assert allowed[found.positions].all()
        if index.is_exact:
            assert found.positions.tolist() == expected
            np.testing.assert_allclose(found.similarity, similarity, atol=1e-5)
        recalls.append(len(set(found.positions) & set(expected)) / len(expected))
    # Inverted lists look at a share of the rows: where a filter leaves few of them, `live` does not ask them.
    if index.is_exact or share_allowed >= 0.5:
        assert np.mean(recalls) >= (1.0 if index.is_exact else 0.8)


def test_a_stored_vector_finds_itself_first(make, vectors):
    index = make(vectors)
    for row in (0, 17, 2999):
        found = index.search(vectors[row], k=1)
        assert found.positions[0] == row
        assert found.similarity[0] == pytest.approx(1, abs=1e-3)


def test_scaling_the_query_keeps_the_ranking(make, vectors, rng):
    index = make(vectors)
    query = gathered_vectors(1, ONE, rng)[0]
    once, scaled = (index.search(factor * query, k=50) for factor in (np.float32(1), np.float32(8)))
    assert once.positions.tolist() == scaled.positions.tolist()
    np.testing.assert_allclose(scaled.similarity, 8 * once.similarity, rtol=1e-5)


def test_similarity_descends_and_equal_similarity_is_in_order_of_positions(make, rng):
    vectors = np.repeat(gathered_vectors(300, ONE, rng), 4, axis=0)
    found = make(vectors).search(vectors[40], k=40)
    pairs = list(zip(-found.similarity, found.positions, strict=True))
    assert pairs == sorted(pairs)
    assert found.positions[:4].tolist() == [40, 41, 42, 43]


def test_nothing_allowed_gives_nothing(make, vectors):
    assert len(make(vectors).search(vectors[0], k=5, allowed=np.zeros(len(vectors), np.bool_))) == 0


def test_fewer_come_back_when_fewer_are_stored(make, rng):
    vectors = gathered_vectors(3, ONE, rng)
    found = make(vectors).search(vectors[2], k=10)
    assert sorted(found.positions.tolist()) == [0, 1, 2]


def test_an_empty_index_answers_with_nothing(make):
    found = make(np.empty((0, 64), np.float32)).search(np.ones(64, np.float32), k=10)
    assert len(found) == 0


def test_a_query_without_direction_is_answered_with_zeros(make, rng):
    vectors = gathered_vectors(50, ONE, rng)
    found = make(vectors).search(np.zeros(64, np.float32), k=3)
    assert found.similarity.tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("query", "k", "allowed"),
    [
        (np.ones(63, np.float32), 1, None),
        (np.ones((1, 64), np.float32), 1, None),
        (np.full(64, np.nan, np.float32), 1, None),
        (np.ones(64, np.float32), 0, None),
        (np.ones(64, np.float32), 1, np.ones(9, np.bool_)),
    ],
)
def test_arguments_that_break_the_protocol_are_refused(make, rng, query, k, allowed):
    index = make(gathered_vectors(10, ONE, rng))
    with pytest.raises(ValueError, match=r"query|k is|allowed"):
        index.search(query, k=k, allowed=allowed)


def test_the_kind_follows_the_size():
    sizes = Sizes(half_from=10, lists_from=100)
    assert [sizes.subspace_kind(n) for n in (9, 10, 99, 100)] == [Kind.FLAT, Kind.HALF, Kind.HALF, Kind.LISTS]
    assert [sizes.joint_kind(n) for n in (9, 10, 100)] == [Kind.FLAT, Kind.HALF, Kind.HALF]


def test_an_index_opened_from_disk_is_not_read_into_memory(tmp_path, rng):
    path = tmp_path / "flat.faiss"
    FaissIndex.build(gathered_vectors(2000, ONE, rng)).save(path)
    opened = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC | faiss.IO_FLAG_READ_ONLY)
    # FAISS says so itself: the codes are a view of the file, not memory of their own.
    assert not opened.codes.is_owned


@pytest.mark.parametrize("path", ["/dev/full", "no such folder/index.faiss"])
def test_what_cannot_be_written_is_an_error_of_the_operating_system(path, rng):
    with pytest.raises(OSError, match="cannot be written"):
        FaissIndex.build(gathered_vectors(2000, ONE, rng)).save(Path(path))
