"""Embedded tracks: the choice of some of them keeps what belongs together."""

import numpy as np
import pytest

from tests.training.evaluation.made_up_tracks import without_meaning


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_chosen_tracks_keep_their_own_labels_and_excerpts(share: float) -> None:
    tracks = without_meaning(50)
    chosen = np.random.default_rng(1).random(50) < share
    kept = tracks.only(chosen)
    assert kept.track_ids == tuple(name for name, is_chosen in zip(tracks.track_ids, chosen, strict=True) if is_chosen)
    assert len(kept.track) == len(kept.excerpts) == np.isin(tracks.track, np.flatnonzero(chosen)).sum()
    for position, track_id in enumerate(kept.track_ids):
        before = tracks.track_ids.index(track_id)
        assert kept.artists[position] == tracks.artists[before]
        assert kept.albums[position] == tracks.albums[before]
        np.testing.assert_array_equal(kept.labels[position], tracks.labels[before])
        np.testing.assert_array_equal(kept.tag_scores[position], tracks.tag_scores[before])
        for name in ("excerpts", "starts_seconds", "excerpt_tag_scores"):
            of_kept = getattr(kept, name)[kept.track == position]
            np.testing.assert_array_equal(of_kept, getattr(tracks, name)[tracks.track == before])
