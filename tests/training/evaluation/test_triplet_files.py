"""Triplets written and read: what comes back is what went, whichever way the tracks stand now."""

from pathlib import Path

import numpy as np
import pytest

from tests.training.evaluation.made_up_tracks import NOTIONS, part, without_meaning
from training.evaluation.evaluation import EvaluationError
from training.evaluation.triplet_files import read_triplets, triplet_file_name, write_triplets
from training.evaluation.triplets import SAME_ALBUM, WITHIN_STRETCH, tag_triplets, track_triplets

TRACKS = without_meaning(60)


def test_triplets_of_tracks_come_back(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    written = [tag_triplets(TRACKS, notion, 40, rng) for notion in NOTIONS]
    write_triplets(written, TRACKS, tmp_path / "triplets.csv")
    found = read_triplets(tmp_path / "triplets.csv", TRACKS)
    assert found.left_out == 0
    for before, after in zip(written, found.triplets, strict=True):
        assert after.notion == before.notion
        for role in ("anchor", "positive", "negative"):
            np.testing.assert_array_equal(getattr(after, role), getattr(before, role))


def test_triplets_of_excerpts_come_back(tmp_path: Path) -> None:
    written = track_triplets(TRACKS, 40, np.random.default_rng(0))
    write_triplets([written], TRACKS, tmp_path / "excerpts.csv")
    (found,) = read_triplets(tmp_path / "excerpts.csv", TRACKS).triplets
    assert found.notion is None
    for role in ("anchor", "positive", "negative"):
        np.testing.assert_array_equal(getattr(found, role), getattr(written, role))


@pytest.mark.parametrize("variant", [None, WITHIN_STRETCH, SAME_ALBUM])
def test_the_variant_of_track_triplets_comes_back_by_the_files_name(tmp_path: Path, variant: str | None) -> None:
    written = track_triplets(TRACKS, 40, np.random.default_rng(0), variant=variant)
    path = tmp_path / triplet_file_name(of_excerpts=True, variant=variant)
    write_triplets([written], TRACKS, path)
    (found,) = read_triplets(path, TRACKS).triplets
    assert found.variant == variant


def test_a_file_is_ids_and_starts_that_others_can_read(tmp_path: Path) -> None:
    path = tmp_path / "triplets.csv"
    path.write_text("notion,anchor_id,positive_id,negative_id\nroom,track 3,track 1,track 2\n", encoding="utf-8")
    (found,) = read_triplets(path, TRACKS).triplets
    assert (found.notion, found.anchor.tolist(), found.positive.tolist(), found.negative.tolist()) == (
        "room",
        [3],
        [1],
        [2],
    )
    write_triplets([found], TRACKS, path)
    assert path.read_text(encoding="utf-8").splitlines()[1] == "room,track 3,track 1,track 2"
    several = int(np.flatnonzero(np.bincount(TRACKS.track) > 1)[0])
    header = "anchor_id,anchor_start_seconds,positive_id,positive_start_seconds,negative_id,negative_start_seconds"
    path.write_text(f"{header}\ntrack {several},0,track {several},3.0000001,track 59,0.0\n", encoding="utf-8")
    (found,) = read_triplets(path, TRACKS).triplets
    first = int(np.flatnonzero(TRACKS.track == several)[0])
    assert (found.anchor.tolist(), found.positive.tolist()) == ([first], [first + 1])
    assert TRACKS.track[found.negative].tolist() == [59]


def test_triplets_of_tracks_that_are_not_at_hand_are_left_out_and_counted(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for number, written in enumerate((tag_triplets(TRACKS, NOTIONS[0], 300, rng), track_triplets(TRACKS, 300, rng))):
        path = tmp_path / f"{number}.csv"
        write_triplets([written], TRACKS, path)
        fewer = part(TRACKS, np.arange(5, 60))
        found = read_triplets(path, fewer)
        positions = np.stack([written.anchor, written.positive, written.negative])
        gone = ((positions if number == 0 else TRACKS.track[positions]) < 5).any(axis=0)
        assert found.left_out == gone.sum() > 0
        assert len(found.triplets[0]) == (~gone).sum()
    with pytest.raises(EvaluationError, match="none of its 300 triplets is of the tracks at hand"):
        read_triplets(tmp_path / "0.csv", part(TRACKS, np.arange(1)))


def test_both_kinds_in_one_file_are_refused(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    both = [tag_triplets(TRACKS, NOTIONS[0], 3, rng), track_triplets(TRACKS, 3, rng)]
    with pytest.raises(EvaluationError, match="files of their own"):
        write_triplets(both, TRACKS, tmp_path / "both.csv")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("anchor,positive\n", "begins with 'anchor,positive'; expected 'notion,anchor_id"),
        ("", "begins with ''"),
        ("notion,anchor_id,positive_id,negative_id\nroom,track 1,track 2\n", "row 1: 3 cells, expected 4"),
        ("notion,anchor_id,positive_id,negative_id\n,track 1,track 2,track 3\n", "row 1: no notion"),
        ('notion,anchor_id,positive_id,negative_id\n"room', "is no CSV file"),
        (
            "anchor_id,anchor_start_seconds,positive_id,positive_start_seconds,negative_id,negative_start_seconds\n"
            "track 1,0,track 1,soon,track 2,0\n",
            "row 1: a start is no number of seconds",
        ),
    ],
)
def test_a_file_of_another_form_is_refused(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "triplets.csv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(EvaluationError, match=message):
        read_triplets(path, TRACKS)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="does not exist"):
        read_triplets(tmp_path / "none.csv", TRACKS)
