"""Which real tracks a step of the fitting takes."""

import numpy as np
import pytest

from training.heads.fitting import RealExcerpts, _Pairs

ALBUM = np.array([0] * 10 + [1] * 7 + [2] * 2 + list(range(3, 34)))
N = len(ALBUM)


@pytest.fixture(scope="module")
def pairs() -> _Pairs:
    track = np.repeat(np.arange(N), 3)
    features = track[:, None].astype(np.float32)
    return _Pairs.of(RealExcerpts(features=features, track=track, teacher=features, album=ALBUM))


def test_two_excerpts_are_of_one_track_and_the_teacher_speaks_of_both(pairs: _Pairs) -> None:
    first, second, teacher = pairs.draw(20, 0.5, np.random.default_rng(0))
    assert first.shape == second.shape == (20, 1)
    assert (first == second).all()
    of_track = np.concatenate([first.numpy(), second.numpy()])[:, 0]
    # Standardised, but in the order of what it was given.
    told = teacher.numpy()[np.argsort(of_track, kind="stable"), 0]
    assert (np.diff(told) >= 0).all()
    assert np.abs(pairs.teacher.numpy().std() - 1) < 0.1


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_every_track_comes_once_and_some_with_those_of_its_album(pairs: _Pairs, share: float) -> None:
    together = []
    for seed in range(20):
        chosen = pairs.tracks(12, share, np.random.default_rng(seed))
        assert len(set(chosen.tolist())) == len(chosen) == 12
        counts = np.bincount(ALBUM[chosen])
        together.append(counts[counts > 1].sum())
    # By chance alone a few are of one album, for two albums have a third of all tracks.
    assert np.mean(together) >= round(12 * share) - 1.5
    assert share > 0 or np.mean(together) < 6


def test_more_tracks_than_there_are_is_all_of_them(pairs: _Pairs) -> None:
    assert sorted(pairs.tracks(500, 0.5, np.random.default_rng(0)).tolist()) == list(range(N))
