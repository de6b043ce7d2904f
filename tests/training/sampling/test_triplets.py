"""Triplets by tag and track: the laws on every one that is drawn, and how often each is."""

import json
import time
from collections import Counter
from itertools import product
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import sparse, stats

from tests.training.made_up import DIMENSION_OF_TAG, VOCABULARY
from training.sampling.batch import Batch, SamplingError
from training.sampling.triplets import Share, TripletSampler
from training.vocabulary import SHIPPED, read_vocabulary

N_TAGS = len(VOCABULARY.tags)

# A right sampler fails a chi-square test by chance once in a hundred thousand times; the seeds are fixed.
RAREST = 1e-5


def _data(n_rows: int, *, seed: int = 0) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Labels `(rows, tags)` of very unequal frequency, and 2 to 5 excerpts a row."""
    rng = np.random.default_rng(seed)
    labels = rng.random((n_rows, N_TAGS)) < np.linspace(0.1, 0.9, N_TAGS)
    labels[[0, n_rows // 2]], labels[-1] = True, False
    return labels, rng.integers(2, 6, n_rows)


def _sampler(labels: NDArray[np.bool_], n_excerpts: NDArray[np.int64], **settings: Any) -> TripletSampler:
    settings.setdefault("rng", np.random.default_rng(1))
    return TripletSampler(sparse.csr_array(labels), n_excerpts=n_excerpts, vocabulary=VOCABULARY, **settings)


def _check_laws(
    batch: Batch, labels: NDArray[np.bool_], n_excerpts: NDArray[np.int64], tracks: NDArray[np.int64]
) -> None:
    positions, excerpts = batch.positions, batch.excerpts
    assert ((positions >= 0) & (positions < len(labels))).all()
    assert ((excerpts >= 0) & (excerpts < n_excerpts[positions])).all()
    flat = positions.reshape(-1)
    anchor, positive, negative = flat[batch.tag_triplets].T
    assert labels[anchor, batch.tags].all()
    assert labels[positive, batch.tags].all()
    assert not labels[negative, batch.tags].any()
    assert (tracks[anchor] != tracks[positive]).all()
    assert batch.dimensions.tolist() == [DIMENSION_OF_TAG[tag] for tag in batch.tags]
    if batch.track_triplets.size:
        assert (batch.track_triplets[:, 0] == batch.tag_triplets[:, 0]).all()
        same, other = batch.track_triplets[:, 1:].T
        assert (tracks[flat[same]] == tracks[anchor]).all()
        assert (tracks[flat[other]] != tracks[anchor]).all()
        assert ((positions[:, 0] != positions[:, 3]) | (excerpts[:, 0] != excerpts[:, 3])).all()


@pytest.mark.parametrize("with_track_triplets", [False, True])
@pytest.mark.parametrize("clips_per_track", [1, 3])
def test_every_triplet_keeps_the_laws(with_track_triplets: bool, clips_per_track: int) -> None:
    labels, n_excerpts = _data(61)
    # Rows of a track stand apart from each other, as in a shuffled manifest.
    tracks = np.random.default_rng(5).permutation(61) // clips_per_track
    sampler = _sampler(labels, n_excerpts, tracks=tracks, with_track_triplets=with_track_triplets)
    for n_rows in (1, 7, 5000):
        batch = sampler.draw(n_rows)
        assert batch.positions.shape == batch.excerpts.shape == (n_rows, 5 if with_track_triplets else 3)
        assert len(batch.tag_triplets) == n_rows
        assert len(batch.track_triplets) == (n_rows if with_track_triplets else 0)
        _check_laws(batch, labels, n_excerpts, tracks)


def test_tracks_may_be_told_by_name() -> None:
    labels, n_excerpts = _data(20)
    numbers = np.arange(20) // 2
    by_number = _sampler(labels, n_excerpts, tracks=numbers, with_track_triplets=True).draw(100)
    by_name = _sampler(labels, n_excerpts, tracks=[f"t{n:02}" for n in numbers], with_track_triplets=True).draw(100)
    np.testing.assert_array_equal(by_number.positions, by_name.positions)


def test_tags_that_every_row_but_one_has_find_that_one() -> None:
    labels = np.ones((9, N_TAGS), dtype=bool)
    labels[range(N_TAGS), range(N_TAGS)] = False
    batch = _sampler(labels, np.ones(9, dtype=np.int64)).draw(500)
    np.testing.assert_array_equal(batch.positions[:, 2], batch.tags)


def _expected_tag_shares(labels: NDArray[np.bool_], over_dimensions: Share, over_tags: Share) -> list[float]:
    counts = labels.sum(axis=0)
    in_dimension = [sum(counts[t] for t in range(N_TAGS) if DIMENSION_OF_TAG[t] == d) for d in range(3)]
    shares = []
    for tag, dimension in enumerate(DIMENSION_OF_TAG):
        of_dimension = 1 / 3 if over_dimensions == "uniform" else in_dimension[dimension] / sum(in_dimension)
        n_tags = DIMENSION_OF_TAG.count(dimension)
        shares.append(of_dimension * (1 / n_tags if over_tags == "uniform" else counts[tag] / in_dimension[dimension]))
    return shares


@pytest.mark.parametrize("over_dimensions", ["uniform", "frequency"])
@pytest.mark.parametrize("over_tags", ["uniform", "frequency"])
def test_tags_are_drawn_as_often_as_the_settings_say(over_dimensions: Share, over_tags: Share) -> None:
    labels, n_excerpts = _data(40)
    sampler = _sampler(labels, n_excerpts, over_dimensions=over_dimensions, over_tags=over_tags)
    shares = _expected_tag_shares(labels, over_dimensions, over_tags)
    np.testing.assert_allclose(sampler.tag_probabilities, shares)
    found = np.bincount(sampler.draw(20_000).tags, minlength=N_TAGS)
    assert stats.chisquare(found, np.array(shares) * 20_000).pvalue > RAREST


def test_anchors_positives_and_negatives_are_uniform_among_what_there_is() -> None:
    labels, n_excerpts = _data(12)
    batch = _sampler(labels, n_excerpts).draw(60_000)
    tag = 3
    holders = np.flatnonzero(labels[:, tag]).tolist()
    others = np.flatnonzero(~labels[:, tag]).tolist()
    rows = batch.positions[batch.tags == tag].tolist()
    possible = [(a, p, n) for a, p, n in product(holders, holders, others) if a != p]
    drawn = Counter(map(tuple, rows))
    assert set(drawn) <= set(possible)
    assert stats.chisquare([drawn[triplet] for triplet in possible]).pvalue > RAREST


def test_a_positive_is_uniform_among_the_rows_of_other_tracks() -> None:
    labels = np.zeros((9, N_TAGS), dtype=bool)
    labels[:7] = True
    tracks = np.array([0, 1, 0, 2, 0, 1, 3, 4, 5])
    drawn = Counter(
        map(tuple, _sampler(labels, np.ones(9, dtype=np.int64), tracks=tracks).draw(30_000).positions[:, :2].tolist())
    )
    # The anchor is uniform; then so is the positive, among 4, 5 or 6 rows.
    expected = {
        (a, p): 30_000 / 7 / sum(tracks[a] != tracks[q] for q in range(7))
        for a, p in product(range(7), range(7))
        if tracks[a] != tracks[p]
    }
    assert set(drawn) == set(expected)
    assert stats.chisquare([drawn[pair] for pair in expected], list(expected.values())).pvalue > RAREST


def test_excerpts_are_uniform_and_so_is_the_other_excerpt_of_a_track() -> None:
    labels, _ = _data(6)
    n_excerpts = np.full(6, 4)
    batch = _sampler(labels, n_excerpts, with_track_triplets=True).draw(24_000)
    for column in (0, 1, 2, 4):
        assert stats.chisquare(np.bincount(batch.excerpts[:, column], minlength=4)).pvalue > RAREST
    pairs = Counter(zip(batch.excerpts[:, 0].tolist(), batch.excerpts[:, 3].tolist(), strict=True))
    assert stats.chisquare([pairs[i, j] for i in range(4) for j in range(4) if i != j]).pvalue > RAREST


def test_a_track_triplets_other_track_is_uniform() -> None:
    labels, n_excerpts = _data(8)
    batch = _sampler(labels, n_excerpts, with_track_triplets=True).draw(28_000)
    anchors, others = batch.positions[:, 0], batch.positions[:, 4]
    for anchor in range(7):
        drawn = np.bincount(others[anchors == anchor], minlength=8)
        assert drawn[anchor] == 0
        assert stats.chisquare(np.delete(drawn, anchor)).pvalue > RAREST


def test_a_restored_state_draws_the_same_again_also_through_json() -> None:
    labels, n_excerpts = _data(50)
    sampler = _sampler(labels, n_excerpts, with_track_triplets=True)
    sampler.draw(13)
    state = json.loads(json.dumps(sampler.state()))
    expected = [sampler.draw(n) for n in (5, 1, 64)]
    fresh = _sampler(labels, n_excerpts, with_track_triplets=True, rng=np.random.default_rng(99))
    fresh.restore(state)
    for batch in expected:
        again = fresh.draw(len(batch.positions))
        for name in ("positions", "excerpts", "tags", "dimensions"):
            np.testing.assert_array_equal(getattr(again, name), getattr(batch, name))


def test_parts_are_the_batch_shared_out() -> None:
    labels, n_excerpts = _data(50)
    batch = _sampler(labels, n_excerpts, with_track_triplets=True).draw(12)
    parts = [batch.part(number, of=3) for number in range(3)]
    for name in ("positions", "excerpts", "tags", "dimensions", "tag_dimensions"):
        np.testing.assert_array_equal(np.concatenate([getattr(part, name) for part in parts]), getattr(batch, name))
    for part in parts:
        _check_laws(part, labels, n_excerpts, np.arange(50))
    with pytest.raises(ValueError, match="12 rows cannot be shared by 5"):
        batch.part(0, of=5)


def test_a_tag_of_fewer_than_two_tracks_is_named_before_the_first_draw() -> None:
    labels, n_excerpts = _data(10)
    labels[:, 2] = False
    labels[3:, 5] = False
    labels[:3, 5] = True
    # Three rows have tag 5, all of one track.
    tracks = np.array([0, 0, 0, 1, 2, 3, 4, 5, 6, 7])
    with pytest.raises(SamplingError, match=r"'swung' \(0\), 'harsh' \(1\)"):
        _sampler(labels, n_excerpts, tracks=tracks)


def test_a_tag_that_every_row_has_is_named_before_the_first_draw() -> None:
    labels, n_excerpts = _data(10)
    labels[:, 6] = True
    with pytest.raises(SamplingError, match="all 10 have 'hall'"):
        _sampler(labels, n_excerpts)


def test_rows_with_too_few_excerpts_are_told() -> None:
    labels, n_excerpts = _data(30)
    n_excerpts[[4, 9]] = 1
    with pytest.raises(SamplingError, match=r"2 rows \(4, 9\) belong to tracks with fewer than 2 excerpts"):
        _sampler(labels, n_excerpts, with_track_triplets=True)
    _sampler(labels, n_excerpts)
    n_excerpts[:] = 0
    with pytest.raises(SamplingError, match=r"30 rows \(0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 20 more\) have no excerpt"):
        _sampler(labels, n_excerpts)


def test_two_clips_of_one_excerpt_each_make_a_track_of_two() -> None:
    labels, _ = _data(10)
    tracks = np.arange(10) // 2
    batch = _sampler(labels, np.ones(10, dtype=np.int64), tracks=tracks, with_track_triplets=True).draw(100)
    np.testing.assert_array_equal(batch.positions[:, 3], batch.positions[:, 0] ^ 1)


def test_what_does_not_fit_together_is_refused() -> None:
    labels, n_excerpts = _data(10)
    with pytest.raises(SamplingError, match=r"\(10, 6\), expected \(10, 7\)"):
        _sampler(labels[:, :6], n_excerpts)
    with pytest.raises(SamplingError, match=r"\(10, 7\), expected \(9, 7\)"):
        _sampler(labels, n_excerpts[:9])
    with pytest.raises(SamplingError, match="10 rows have excerpts, 9 have a track"):
        _sampler(labels, n_excerpts, tracks=np.arange(9))
    with pytest.raises(SamplingError, match="empty"):
        _sampler(labels[:0], n_excerpts[:0])


def test_stored_zeros_and_other_formats_are_read_as_they_are_meant() -> None:
    labels, n_excerpts = _data(30)
    expected = _sampler(labels, n_excerpts).draw(50)
    with_zeros = sparse.csr_array(labels).astype(np.int8)
    with_zeros.data[:] = 1
    dense = sparse.csr_array(np.ones_like(labels, dtype=np.int8))
    dense.data[:] = labels.reshape(-1)
    for stored in (with_zeros, dense, sparse.coo_array(labels), sparse.csc_array(labels)):
        sampler = TripletSampler(stored, n_excerpts=n_excerpts, vocabulary=VOCABULARY, rng=np.random.default_rng(1))
        np.testing.assert_array_equal(sampler.draw(50).positions, expected.positions)


def test_two_hundred_thousand_tracks_give_thousands_of_triplets_a_second() -> None:
    vocabulary = read_vocabulary(SHIPPED / "lastfm50.toml")
    labels = sparse.random_array((200_000, 50), density=0.03, rng=np.random.default_rng(0), format="csr")
    sampler = TripletSampler(
        labels,
        n_excerpts=np.full(200_000, 10),
        vocabulary=vocabulary,
        rng=np.random.default_rng(1),
        with_track_triplets=True,
    )
    started = time.perf_counter()
    for _ in range(100):
        sampler.draw(32)
    # Some hundred thousand a second on an idle core; this floor holds on a loaded one.
    assert 3200 / (time.perf_counter() - started) > 5000
