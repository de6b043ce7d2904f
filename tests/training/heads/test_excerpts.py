"""What heads learn from: values by dimension, of one set of tracks and of several."""

import numpy as np
import pytest

from tests.training.evaluation.made_up_tracks import NOTIONS, perfect, without_meaning
from training.heads.excerpts import UNKNOWN, LearntExcerpts, LearntMusicError, joined, learnt_excerpts


def test_a_tracks_value_is_the_place_of_its_tag_in_the_dimension() -> None:
    tracks = perfect()
    found = learnt_excerpts(tracks, tracks.dimensions)
    for dimension in tracks.dimensions:
        columns = tracks.tags_of(dimension)
        for excerpt, track in enumerate(tracks.track):
            assert tracks.labels[track, columns[found.of(dimension)[excerpt]]]
    assert found.n_tracks == len(tracks)


def test_a_track_without_a_tag_has_no_value() -> None:
    tracks = perfect()
    tracks.labels[0, tracks.tags_of(NOTIONS[0])] = False
    assert learnt_excerpts(tracks, NOTIONS[:1]).values[NOTIONS[0]][0] == UNKNOWN


def test_two_tags_of_one_dimension_are_refused() -> None:
    tracks = without_meaning(40)
    tracks.labels[:, tracks.tags_of(NOTIONS[0])] = False
    tracks.labels[7, tracks.tags_of(NOTIONS[0])[:2]] = True
    with pytest.raises(LearntMusicError, match=f"{tracks.track_ids[7]}' has two tags of '{NOTIONS[0]}'"):
        learnt_excerpts(tracks, NOTIONS[:1])


def test_joined_sets_are_numbered_through() -> None:
    one, two = (learnt_excerpts(perfect(seed=seed), NOTIONS[:2]) for seed in range(2))
    both = joined([one, two])
    assert both.n_tracks == one.n_tracks + two.n_tracks
    np.testing.assert_array_equal(both.track, np.concatenate([one.track, two.track + one.n_tracks]))
    for dimension in NOTIONS[:2]:
        np.testing.assert_array_equal(both.of(dimension), np.concatenate([one.of(dimension), two.of(dimension)]))
    np.testing.assert_array_equal(both.features, np.concatenate([one.features, two.features]))


def test_a_set_without_tracks_adds_nothing() -> None:
    some = learnt_excerpts(perfect(), NOTIONS[:1])
    none = LearntExcerpts(
        features=some.features[:0], track=some.track[:0], values={NOTIONS[0]: some.values[NOTIONS[0]][:0]}
    )
    assert none.n_tracks == 0
    both = joined([none, some, none])
    assert both.n_tracks == some.n_tracks
    np.testing.assert_array_equal(both.track, some.track)
