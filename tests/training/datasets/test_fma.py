import csv
import shutil
from pathlib import Path

import pytest

from training.datasets.fma import FmaGenres, FmaSubset, read_fma
from training.datasets.gathering import DatasetLayoutError
from training.datasets.labels import labels_of
from training.datasets.manifest import Split
from training.vocabulary import SHIPPED, read_vocabulary

SAMPLE = Path(__file__).parent / "samples" / "fma_metadata"


def read(metadata=SAMPLE, audio=SAMPLE, **options):
    return read_fma(metadata, audio, **{"check_audio": False} | options)


def test_rows_below_the_three_header_lines_are_tracks():
    manifest = read().manifest
    assert list(manifest.track_id) == ["2", "3", "140", "1069", "155320"]
    assert list(manifest.path) == [
        "000/000002.mp3",
        "000/000003.mp3",
        "000/000140.mp3",
        "001/001069.mp3",
        "155/155320.mp3",
    ]
    assert manifest.artist[2] == "Nils Berg\nEnsemble"
    assert manifest.album[2] == 'Notes, "live"'
    assert manifest.year.tolist() == [2009, 2008, 2009, 0, 2017]
    assert [len(manifest.on(split)) for split in Split] == [2, 1, 2]


@pytest.mark.parametrize(("subset", "tracks"), [(FmaSubset.SMALL, 2), (FmaSubset.MEDIUM, 3), (FmaSubset.LARGE, 5)])
def test_each_subset_holds_the_ones_before_it(subset, tracks):
    assert len(read(subset=subset).manifest) == tracks


@pytest.mark.parametrize(
    ("genres", "expected"),
    [
        (FmaGenres.TOP, [("Hip-Hop",), ("Hip-Hop",), ("Folk",), (), ("Rock",)]),
        (
            FmaGenres.OWN,
            [("Hip-Hop",), ("Hip-Hop",), ("Folk", "Singer-Songwriter"), ("Experimental Pop", "Punk"), ("Punk",)],
        ),
        (
            FmaGenres.ALL,
            [
                ("Hip-Hop",),
                ("Hip-Hop",),
                ("Folk", "Singer-Songwriter"),
                ("Experimental Pop", "Pop", "Punk", "Rock"),
                ("Punk", "Rock"),
            ],
        ),
    ],
)
def test_genres_are_the_root_the_own_or_all_above(genres, expected):
    assert list(read(genres=genres).manifest.tags) == expected


def test_the_vocabulary_takes_the_roots():
    vocabulary = read_vocabulary(SHIPPED / "fma.toml")
    assert len(vocabulary.tags) == 16
    labels = labels_of(read().manifest, vocabulary)
    assert labels.matrix.any(axis=1).all()
    assert set(labels.dropped) == {"Singer-Songwriter", "Experimental Pop", "Punk"}


def test_a_long_biography_is_read_and_csvs_own_limit_is_left_as_it_was(tmp_path):
    shutil.copytree(SAMPLE, tmp_path, dirs_exist_ok=True)
    content = (tmp_path / "tracks.csv").read_text()
    (tmp_path / "tracks.csv").write_text(content.replace("more words", "word " * 40_000))
    limit = csv.field_size_limit()
    assert len(read(tmp_path).manifest) == 5
    assert csv.field_size_limit() == limit


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("genre_top", "top", r"tracks\.csv has no column track / genre_top in the first two lines"),
        (",training,small", ",train,small", "track 2 is in split 'train', expected training, validation, test"),
        ('"[17, 103]"', '"[17, 999]"', r"track 140 has genre 999, which genres\.csv does not know"),
        ("\n155320,", "\nx155320,", "no track"),
    ],
)
def test_another_layout_is_refused(tmp_path, old, new, message):
    shutil.copytree(SAMPLE, tmp_path, dirs_exist_ok=True)
    content = (tmp_path / "tracks.csv").read_text()
    assert old in content
    (tmp_path / "tracks.csv").write_text(content.replace(old, new))
    with pytest.raises(DatasetLayoutError, match=message):
        read(tmp_path)


def test_missing_files_are_named(tmp_path):
    with pytest.raises(DatasetLayoutError, match=r"expected tracks\.csv in"):
        read(tmp_path)
    shutil.copy(SAMPLE / "tracks.csv", tmp_path)
    with pytest.raises(DatasetLayoutError, match=r"expected genres\.csv in .*; there is tracks\.csv"):
        read(tmp_path)
    assert len(read(tmp_path, genres=FmaGenres.TOP).manifest) == 5
    (tmp_path / "genres.csv").write_text("id,name\n1,Rock\n")
    with pytest.raises(DatasetLayoutError, match="has no columns genre_id and title"):
        read(tmp_path)
