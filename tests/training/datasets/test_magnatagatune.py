import shutil
from pathlib import Path

import pytest

from training.datasets.gathering import MISSING_AUDIO, DatasetLayoutError
from training.datasets.labels import labels_of
from training.datasets.magnatagatune import read_magnatagatune
from training.datasets.manifest import Split
from training.vocabulary import SHIPPED, read_vocabulary

SAMPLE = Path(__file__).parent / "samples" / "magnatagatune"


def test_clips_have_their_tags_artists_and_albums():
    manifest = read_magnatagatune(SAMPLE, SAMPLE, check_audio=False).manifest
    assert list(manifest.track_id) == ["2", "6", "10", "11", "12", "14", "21"]
    assert manifest.tags[0] == ("guitar", "slow", "female vocal")
    assert manifest.tags[2] == ("no voice", "classical", "strings", "violin")
    assert (manifest.artist[0], manifest.album[0]) == ("Elsa Hagen", "Night Songs")
    assert manifest.path[4] == "c/kolumne-second_shift-01-dawn_(edit)-0-29.mp3"


def test_folders_decide_the_side():
    manifest = read_magnatagatune(SAMPLE, SAMPLE, check_audio=False).manifest
    sides = {split: [manifest.track_id[row] for row in manifest.on(split)] for split in Split}
    assert sides == {Split.TRAIN: ["10", "11", "21"], Split.VALID: ["12"], Split.TEST: ["2", "6", "14"]}


def test_a_clip_without_a_path_is_counted():
    assert read_magnatagatune(SAMPLE, SAMPLE, check_audio=False).left_out == {"no path known": ("25",)}


def test_empty_files_count_as_missing(tmp_path):
    for name in ("0/the_pale_trio-suites-02-courante_in_d-0-29.mp3", "d/ana_prado-rios-03-tejo-88-117.mp3"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(b"sound" if name.startswith("0") else b"")
    gathered = read_magnatagatune(SAMPLE, tmp_path)
    assert list(gathered.manifest.track_id) == ["10"]
    assert len(gathered.left_out[MISSING_AUDIO]) == 6


def test_the_vocabulary_takes_the_common_fifty():
    vocabulary = read_vocabulary(SHIPPED / "magnatagatune.toml")
    assert len(vocabulary.tags) == 50
    labels = labels_of(read_magnatagatune(SAMPLE, SAMPLE, check_audio=False).manifest, vocabulary)
    assert labels.dropped == {"no piano": 1, "singer": 1}


def test_without_clip_info_artists_are_unknown_and_that_is_said(tmp_path):
    shutil.copy(SAMPLE / "annotations_final.csv", tmp_path)
    gathered = read_magnatagatune(tmp_path, tmp_path, check_audio=False)
    assert gathered.manifest.artist.is_empty.all()
    assert gathered.remarks == ("clip_info_final.csv is not there: artists and albums are unknown.",)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"expected annotations_final\.csv in .*; there is nothing"),
        ("clip_id,rock,mp3_path\n1,1,a/x.mp3\n", r"annotations_final\.csv has no column 'clip_id' between tabs"),
        ("clip_id\trock\tmp3_path\n1\t1\n", r"row 1: the cells are more or fewer"),
        ("clip_id\trock\tmp3_path\n1\t1\ta/x.mp3\ty\n", r"row 1: the cells are more or fewer"),
        ("clip_id\trock\tmp3_path\n1\t1\tmp3/a/x.mp3\n", r"clip 1 lies in mp3/a/x\.mp3, expected a folder 0 to f"),
        ("clip_id\trock\tmp3_path\n", r"no track can be used"),
    ],
)
def test_another_layout_is_refused(tmp_path, content, message):
    if content is not None:
        (tmp_path / "annotations_final.csv").write_text(content)
    with pytest.raises(DatasetLayoutError, match=message):
        read_magnatagatune(tmp_path, tmp_path, check_audio=False)
