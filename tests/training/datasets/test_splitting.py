from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.datasets.manifest import SPLITS, Manifest, Split
from training.datasets.splitting import GroupBy, SplittingError, deal_out, group_rows

SHARES = {Split.TRAIN: 0.8, Split.VALID: 0.1, Split.TEST: 0.1}


def by_artists(artists, **columns):
    n = len(artists)
    return Manifest.of(Path(), path=map(str, range(n)), track_id=map(str, range(n)), artist=artists, **columns)


def sides_of(manifest, column):
    sides = {}
    for value, side in zip(getattr(manifest, column), manifest.split.tolist(), strict=True):
        if value:
            sides.setdefault(value.casefold(), set()).add(side)
    return sides


artist_names = st.lists(st.sampled_from(["", *"abcdefghijkl", "A", "B"]), min_size=3, max_size=60)


@settings(deadline=None)
@given(artists=artist_names, seed=st.integers(0, 2**32), data=st.data())
def test_no_artist_is_on_two_sides(artists, seed, data):
    manifest = by_artists(artists)
    labels = np.array(
        data.draw(
            st.lists(st.lists(st.booleans(), min_size=4, max_size=4), min_size=len(artists), max_size=len(artists))
        )
    )
    groups = len({name.casefold() for name in artists} - {""}) + artists.count("")
    if not any(artists) or groups < 3:
        with pytest.raises(SplittingError):
            deal_out(manifest, labels, by={GroupBy.ARTIST}, shares=SHARES, rng=np.random.default_rng(seed))
        return
    dealt, dealing = deal_out(manifest, labels, by={GroupBy.ARTIST}, shares=SHARES, rng=np.random.default_rng(seed))
    assert all(len(sides) == 1 for sides in sides_of(dealt, "artist").values())
    assert dealing.groups == groups
    assert set(dealt.split.tolist()) == {0, 1, 2}
    assert sum(dealing.shares.values()) == pytest.approx(1)
    assert list(dealt.path) == list(manifest.path)


@settings(deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.sampled_from(["", *"abcdef"]), st.sampled_from(["", *"uvwxyz"])), min_size=1, max_size=30
    )
)
def test_groups_are_the_components_that_a_slow_search_finds(rows):
    manifest = by_artists([artist for artist, _ in rows], album=[album for _, album in rows])
    found = group_rows(manifest, {GroupBy.ARTIST, GroupBy.ALBUM})
    group = list(range(len(rows)))
    for _ in rows:
        for i, (artist, album) in enumerate(rows):
            for j, (other_artist, other_album) in enumerate(rows):
                if (artist and artist == other_artist) or (album and album == other_album):
                    group[i] = group[j] = min(group[i], group[j])
    for i in range(len(rows)):
        for j in range(len(rows)):
            assert (found[i] == found[j]) == (group[i] == group[j])


def test_tracks_without_artist_are_groups_of_their_own():
    assert len(set(group_rows(by_artists(["", "", "a", "a"]), {GroupBy.ARTIST}).tolist())) == 3


def test_names_are_compared_without_capitals_and_spaces():
    groups = group_rows(by_artists(["The  Band", "the band", "THE BAND ", "Band"]), {GroupBy.ARTIST})
    assert groups.tolist() == [0, 0, 0, 1]


def test_clips_of_a_track_stay_together_however_it_is_split():
    manifest = Manifest.of(Path(), path=list("aabbcc"), track_id=list("112233"), start_seconds=[0, 3, 0, 3, 0, 3])
    assert group_rows(manifest, set()).tolist() == [0, 0, 1, 1, 2, 2]
    dealt, _ = deal_out(
        manifest, np.zeros((6, 0), bool), by={GroupBy.TRACK}, shares=SHARES, rng=np.random.default_rng(0)
    )
    assert sorted(np.bincount(dealt.split).tolist()) == [2, 2, 2]


def test_the_same_seed_gives_the_same_split_and_another_one_another():
    rng = np.random.default_rng(5)
    manifest = by_artists([f"a{number}" for number in rng.integers(0, 60, 400)])
    labels = rng.random((400, 6)) < 0.3
    splits = [
        deal_out(manifest, labels, by={GroupBy.ARTIST}, shares=SHARES, rng=np.random.default_rng(seed))[0].split
        for seed in (1, 1, 2)
    ]
    np.testing.assert_array_equal(splits[0], splits[1])
    assert (splits[0] != splits[2]).any()


def test_shares_and_tags_are_met_better_than_by_chance():
    rng = np.random.default_rng(7)
    n, n_artists = 6000, 1500
    artist = rng.choice(n_artists, n, p=rng.dirichlet(np.full(n_artists, 0.5)))
    # An artist has tags of its own, as artists do, so that dealing artists out by chance misses the tags' shares.
    labels = rng.random((n, 30)) < rng.dirichlet(np.full(30, 0.3), n_artists)[artist]
    manifest = by_artists([f"artist {number}" for number in artist])
    dealt, dealing = deal_out(manifest, labels, by={GroupBy.ARTIST}, shares=SHARES, rng=rng)
    for side, share in SHARES.items():
        assert dealing.shares[side] == pytest.approx(share, abs=0.003)
        assert len(dealt.on(side)) / n == dealing.shares[side]
    frequent = labels.sum(axis=0) >= n / 100
    by_chance = rng.choice(3, n_artists, p=list(SHARES.values()))[artist]

    def farthest_off(split):
        return max(
            np.abs(labels[split == side].sum(axis=0) / labels.sum(axis=0) - share)[frequent].max()
            for side, share in enumerate(SHARES.values())
        )

    assert dealing.worst_tag_difference == pytest.approx(farthest_off(dealt.split))
    assert farthest_off(dealt.split) < 0.02
    assert farthest_off(by_chance) > 0.04


def test_a_side_that_is_not_asked_for_gets_nothing():
    manifest = by_artists([f"a{number % 7}" for number in range(50)])
    shares = {Split.TRAIN: 0.5, Split.TEST: 0.5}
    dealt, _ = deal_out(
        manifest, np.zeros((50, 2), bool), by={GroupBy.ARTIST}, shares=shares, rng=np.random.default_rng(0)
    )
    assert [len(dealt.on(side)) > 0 for side in SPLITS] == [True, False, True]


@pytest.mark.parametrize("shares", [(0.8, 0.1, 0.2), (1.1, -0.1, 0), (0, 0, 0)])
def test_shares_that_are_none_are_refused(shares):
    with pytest.raises(SplittingError, match="sum to 1"):
        deal_out(
            by_artists(["a", "b", "c"]),
            np.zeros((3, 0), bool),
            by={GroupBy.ARTIST},
            shares=dict(zip(SPLITS, shares, strict=True)),
            rng=np.random.default_rng(0),
        )


def test_an_artist_split_without_artists_is_refused():
    with pytest.raises(SplittingError, match="no row has an artist"):
        deal_out(
            by_artists([""] * 9),
            np.zeros((9, 0), bool),
            by={GroupBy.ARTIST},
            shares=SHARES,
            rng=np.random.default_rng(0),
        )
