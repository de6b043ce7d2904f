import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from training.datasets.manifest import NO_SPLIT, NO_YEAR, Manifest, ManifestError, Split
from training.datasets.tag_column import TagColumn
from training.datasets.text_column import TextColumn


def three_rows(**columns):
    known = {
        "path": ["a.mp3", "b/ü.flac", "/abs/c.ogg"],
        "track_id": ["1", "2", "3"],
        "artist": ["Ana", "", "Berg"],
        "year": [1984, NO_YEAR, 2003],
        "tags": [["rock", "80s"], [], ["rock"]],
        "split": [Split.TRAIN, None, Split.TEST],
    }
    return Manifest.of(Path("music"), **(known | columns))


def test_rows_come_back_as_they_were_given():
    manifest = three_rows()
    assert len(manifest) == 3
    assert list(manifest.path) == ["a.mp3", "b/ü.flac", "/abs/c.ogg"]
    assert list(manifest.tags) == [("rock", "80s"), (), ("rock",)]
    assert [manifest.tags[position] for position in range(3)] == list(manifest.tags)
    assert manifest.artist.is_empty.tolist() == [False, True, False]
    assert list(manifest.album) == ["", "", ""]
    assert manifest.year.tolist() == [1984, NO_YEAR, 2003]
    assert manifest.split.tolist() == [0, NO_SPLIT, 2]
    assert np.isnan(manifest.duration_seconds).all()


def test_relative_paths_start_from_the_folder_and_absolute_ones_do_not():
    manifest = three_rows()
    assert manifest.audio(1) == Path("music/b/ü.flac")
    assert manifest.audio(2) == Path("/abs/c.ogg")


def test_sides_are_lists_of_positions():
    manifest = three_rows()
    assert manifest.on(Split.TRAIN).tolist() == [0]
    assert manifest.on(Split.VALID).tolist() == []
    assert manifest.on(Split.TEST).tolist() == [2]


def test_taking_rows_takes_all_columns_in_the_order_asked_for():
    taken = three_rows().take(np.array([2, 0]))
    assert list(taken.path) == ["/abs/c.ogg", "a.mp3"]
    assert list(taken.tags) == [("rock",), ("rock", "80s")]
    assert list(taken.artist) == ["Berg", "Ana"]
    assert taken.year.tolist() == [2003, 1984]
    assert taken.split.tolist() == [2, 0]
    assert len(three_rows().take(np.array([], dtype=np.int64))) == 0


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"path": ["a", "", "c"]}, "row 2, column 'path': it is empty"),
        ({"track_id": ["1", "2", ""]}, "row 3, column 'track_id': it is empty"),
        ({"year": [1984, 84, 2003]}, "row 2, column 'year': found 84"),
        ({"tags": [["rock"], ["80s", ""], []]}, "row 2, column 'tags': tag '' is empty"),
        ({"tags": [["rock"], [], [" 80s"]]}, "row 3, column 'tags': tag ' 80s' is empty or has space"),
        ({"tags": [[], ["pop", "rock", "pop"], []]}, "row 2, column 'tags': tag 'pop' comes twice"),
        ({"start_seconds": [0, -1, 0]}, "row 2, column 'start_seconds': found -1"),
        ({"start_seconds": [0, 0, np.nan]}, "row 3, column 'start_seconds'"),
        ({"duration_seconds": [3, np.nan, 0]}, "row 3, column 'duration_seconds': found 0"),
        ({"duration_seconds": [np.inf, 3, 3]}, "row 1, column 'duration_seconds'"),
        ({"track_id": ["1", "2", "1"]}, "row 3, column 'track_id': '1' stands in row 1 too"),
        (
            {"track_id": ["1", "2", "1"], "start_seconds": [0, 0, 30]},
            "row 3, column 'split': track '1' is on another side in row 1",
        ),
        ({"artist": ["Ana"]}, "column 'artist' has 1 rows, 'path' has 3"),
    ],
)
def test_what_contradicts_itself_is_refused_with_row_and_column(columns, message):
    with pytest.raises(ManifestError) as refusal:
        three_rows(**columns)
    assert message in str(refusal.value)


def test_clips_of_one_track_stand_side_by_side():
    manifest = three_rows(track_id=["1", "1", "1"], start_seconds=[0, 30, 60], split=[Split.TRAIN] * 3)
    assert manifest.start_seconds.tolist() == [0, 30, 60]


def test_a_manifest_may_be_empty():
    manifest = Manifest.of(Path(), path=[], track_id=[])
    assert len(manifest) == len(manifest.tags) == len(manifest.on(Split.TRAIN)) == 0


def test_text_that_is_no_text_is_refused():
    with pytest.raises(UnicodeEncodeError):
        TextColumn.of(["fine", "\udce4"])


def test_a_row_costs_a_few_hundred_bytes():
    n = 20_000
    tracemalloc.start()
    manifest = Manifest.of(
        Path(),
        path=(f"{i % 10}/{i % 7}/{i:08d}.clip.mp3" for i in range(n)),
        track_id=(f"TR{i:016d}" for i in range(n)),
        artist=(f"Artist {i % 3000}" for i in range(n)),
        tags=(["rock", "happy"] for _ in range(n)),
    )
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(manifest) == n
    assert held / n < 250


def test_columns_joined_are_the_rows_of_both():
    rows = [[("a", "b"), ()], [], [("c", "a"), ("b",)]]
    joined = TagColumn.joined([TagColumn.of(part) for part in rows])
    assert list(joined) == [row for part in rows for row in part]
    assert sorted(joined.names) == ["a", "b", "c"]
    texts = [["x", "ü"], [], ["", "yz"]]
    assert list(TextColumn.joined([TextColumn.of(part) for part in texts])) == [text for part in texts for text in part]


def test_tags_of_a_matrix_are_its_columns_names():
    matrix = np.array([[True, False, True], [False, False, False], [False, True, False]])
    assert list(TagColumn.of_matrix(matrix, ["a", "b", "c"])) == [("a", "c"), (), ("b",)]
    assert TagColumn.of_matrix(matrix, ["a", "b", "c"]).counts.tolist() == [1, 1, 1]
