"""Passes over all tracks: every track once, pairs of two different ones, and the same again after a restart."""

import json
from typing import Any

import numpy as np
import pytest
from scipy import stats

from training.sampling.batch import SamplingError
from training.sampling.passes import TrackSampler

RAREST = 1e-5


def _sampler(n_tracks: int, **settings: Any) -> TrackSampler:
    settings.setdefault("rng", np.random.default_rng(1))
    return TrackSampler(n_excerpts=np.arange(n_tracks) % 3 + 2, **settings)


@pytest.mark.parametrize("batch_rows", [1, 4, 7, 40])
def test_every_track_comes_once_a_pass_whatever_the_batch(batch_rows: int) -> None:
    sampler = _sampler(20)
    assert sampler.rows_per_pass == 20
    drawn = np.concatenate([sampler.draw(batch_rows).positions for _ in range(-(-60 // batch_rows))])[:60]
    orders = drawn.reshape(3, 20).tolist()
    assert all(sorted(order) == list(range(20)) for order in orders)
    assert orders[0] != orders[1] != orders[2]


@pytest.mark.parametrize("n_tracks", [2, 7, 20])
def test_pairs_are_two_tracks_with_two_different_excerpts_each(n_tracks: int) -> None:
    sampler = _sampler(n_tracks, with_track_triplets=True)
    assert sampler.rows_per_pass == n_tracks // 2
    batch = sampler.draw(300)
    positions, excerpts = batch.positions, batch.excerpts
    assert positions.shape == (300, 4)
    assert (excerpts < (positions % 3 + 2)).all()
    np.testing.assert_array_equal(positions[:, 0], positions[:, 1])
    np.testing.assert_array_equal(positions[:, 2], positions[:, 3])
    assert (positions[:, 0] != positions[:, 2]).all()
    assert (excerpts[:, 0] != excerpts[:, 1]).all()
    assert (excerpts[:, 2] != excerpts[:, 3]).all()
    flat = positions.reshape(-1)
    anchor, positive, negative = batch.track_triplets.T
    assert len(batch.track_triplets) == 600
    assert (flat[anchor] == flat[positive]).all()
    assert (anchor != positive).all()
    assert (flat[anchor] != flat[negative]).all()
    assert batch.tag_triplets.shape == (0, 3)
    for rows in positions[: 300 // sampler.rows_per_pass * sampler.rows_per_pass].reshape(-1, sampler.rows_per_pass, 4):
        assert len(set(rows[:, ::2].reshape(-1).tolist())) == 2 * sampler.rows_per_pass


def test_of_an_odd_number_of_tracks_each_is_left_out_as_often() -> None:
    sampler = _sampler(5, with_track_triplets=True)
    seen = np.bincount(sampler.draw(2 * 5000).positions[:, ::2].reshape(-1), minlength=5)
    assert stats.chisquare(5000 - seen).pvalue > RAREST


def test_excerpts_are_uniform_over_all_clips_of_a_track() -> None:
    n_excerpts, tracks = np.array([1, 4, 3, 2]), ["b", "a", "b", "b"]
    sampler = TrackSampler(n_excerpts=n_excerpts, tracks=tracks, rng=np.random.default_rng(2))
    assert sampler.rows_per_pass == 2
    batch = sampler.draw(12_000)
    for rows in ((1,), (0, 2, 3)):
        every = [(row, excerpt) for row in rows for excerpt in range(n_excerpts[row])]
        drawn = [int(((batch.positions == row) & (batch.excerpts == excerpt)).sum()) for row, excerpt in every]
        assert sum(drawn) == 6000
        assert stats.chisquare(drawn).pvalue > RAREST


@pytest.mark.parametrize("with_track_triplets", [False, True])
@pytest.mark.parametrize("drawn_before", [0, 3, 20, 33])
def test_a_restored_state_draws_the_same_again_also_through_json(with_track_triplets: bool, drawn_before: int) -> None:
    sampler = _sampler(20, with_track_triplets=with_track_triplets)
    sampler.draw(drawn_before)
    state = json.loads(json.dumps(sampler.state()))
    expected = [sampler.draw(n) for n in (5, 1, 64)]
    fresh = _sampler(20, with_track_triplets=with_track_triplets, rng=np.random.default_rng(99))
    fresh.draw(11)
    fresh.restore(state)
    for batch in expected:
        again = fresh.draw(len(batch.positions))
        np.testing.assert_array_equal(again.positions, batch.positions)
        np.testing.assert_array_equal(again.excerpts, batch.excerpts)
    assert fresh.state() == sampler.state()


def test_parts_are_the_batch_shared_out() -> None:
    batch = _sampler(20, with_track_triplets=True).draw(8)
    parts = [batch.part(number, of=2) for number in range(2)]
    np.testing.assert_array_equal(np.concatenate([part.positions for part in parts]), batch.positions)
    assert [len(part.track_triplets) for part in parts] == [8, 8]


def test_what_nothing_can_be_drawn_from_is_refused() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(SamplingError, match="empty"):
        TrackSampler(n_excerpts=np.empty(0, dtype=np.int64), rng=rng)
    with pytest.raises(SamplingError, match="needs another for its negative"):
        TrackSampler(n_excerpts=np.array([2, 2]), tracks=["a", "a"], rng=rng, with_track_triplets=True)
    with pytest.raises(SamplingError, match=r"1 rows \(1\) belong to tracks with fewer than 2"):
        TrackSampler(n_excerpts=np.array([2, 1]), rng=rng, with_track_triplets=True)
    assert TrackSampler(n_excerpts=np.array([1]), rng=rng).draw(2).positions.tolist() == [[0], [0]]
