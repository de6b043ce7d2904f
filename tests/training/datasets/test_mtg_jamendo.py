import shutil
from pathlib import Path

import pytest

from training.datasets.gathering import DatasetLayoutError
from training.datasets.labels import labels_of
from training.datasets.manifest import NO_SPLIT, Split
from training.datasets.mtg_jamendo import JamendoSubset, read_mtg_jamendo
from training.vocabulary import SHIPPED, read_vocabulary

SAMPLE = Path(__file__).parent / "samples" / "mtg_jamendo"


def read(metadata=SAMPLE, audio=SAMPLE, **options):
    return read_mtg_jamendo(metadata, audio, **{"check_audio": False} | options)


def test_a_published_split_has_its_three_sides():
    manifest = read().manifest
    assert [len(manifest.on(split)) for split in Split] == [3, 1, 2]
    assert manifest.track_id[0] == "track_0000214"
    assert manifest.path[0] == "14/214.mp3"
    assert list(manifest.artist)[:2] == ["artist_000014"] * 2
    assert list(manifest.tags)[:3] == [("punkrock", "80s"), ("metal", "energetic"), ("ambient", "piano", "calm")]


def test_without_a_split_all_tracks_are_on_no_side():
    manifest = read(split=None).manifest
    assert len(manifest) == 6
    assert set(manifest.split.tolist()) == {NO_SPLIT}


def test_years_come_from_the_names_whatever_quotes_and_tabs_they_hold():
    assert read(split=None).manifest.year.tolist() == [2004, 2004, 2007, 2013, 0, 0]


def test_the_vocabulary_makes_an_era_of_the_decades():
    vocabulary = read_vocabulary(SHIPPED / "mtg-jamendo.toml")
    labels = labels_of(read(split=None).manifest, vocabulary)
    assert labels.dropped == {}
    counts = {dimension: int(labels.of_dimension(dimension).any(axis=1).sum()) for dimension in vocabulary.dimensions}
    assert counts == {"genre": 5, "mood": 3, "instrument": 3, "era": 2}


def test_the_vocabulary_has_the_published_numbers_of_tags():
    vocabulary = read_vocabulary(SHIPPED / "mtg-jamendo.toml")
    counts = {dimension: len(vocabulary.positions(dimension)) for dimension in vocabulary.dimensions}
    assert counts == {"genre": 87 - 4, "mood": 56, "instrument": 40, "era": 4}


def test_the_smaller_download_is_found_too(tmp_path):
    for name in ("14/214.mp3", "15/215.low.mp3"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(b"sound")
    gathered = read(audio=tmp_path, check_audio=True)
    assert list(gathered.manifest.path) == ["14/214.mp3", "15/215.low.mp3"]
    assert sum(map(len, gathered.left_out.values())) == 4


def test_the_repository_and_its_data_folder_are_both_understood():
    assert list(read(SAMPLE / "data").manifest.track_id) == list(read(SAMPLE).manifest.track_id)


def test_a_subset_needs_its_files():
    with pytest.raises(DatasetLayoutError, match=r"expected autotagging_genre-validation\.tsv in .*split-0"):
        read(subset=JamendoSubset.GENRE)
    with pytest.raises(DatasetLayoutError, match=r"there is no folder .*split-3"):
        read(split=3)


def test_a_name_in_two_categories_is_remarked_on(tmp_path):
    shutil.copytree(SAMPLE, tmp_path, dirs_exist_ok=True)
    with (tmp_path / "data" / "autotagging.tsv").open("a") as file:
        file.write("track_9\tartist_9\talbum_9\t09/9.mp3\t1.0\tgenre---calm\n")
    assert read(tmp_path, split=None).remarks == (
        "Tag 'calm' is of genre and mood/theme; in the manifest it is one tag.",
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("raw_30s_cleantags_50artists.tsv", r"begins with 'raw_30s_cleantags_50artists\.tsv', expected TRACK_ID"),
        (
            "TRACK_ID\tARTIST_ID\tALBUM_ID\tPATH\tDURATION\tTAGS\ntrack_1\tartist_1\n",
            "row 1: 2 cells, expected 5 or more",
        ),
        (
            "TRACK_ID\tARTIST_ID\tALBUM_ID\tPATH\tDURATION\tTAGS\ntrack_1\ta\tb\t01/1.mp3\t3.0\trock\n",
            "track_1 has tag 'rock', expected category---tag",
        ),
    ],
)
def test_another_layout_is_refused(tmp_path, content, message):
    (tmp_path / "autotagging.tsv").write_text(content)
    with pytest.raises(DatasetLayoutError, match=message):
        read(tmp_path, split=None)
