import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from training.datasets.gathering import MISSING_AUDIO, DatasetLayoutError
from training.datasets.labels import labels_of
from training.datasets.manifest import Split
from training.datasets.million_song import AudioPaths, MillionSongLayout, pickled_track_ids, read_million_song
from training.datasets.million_song_metadata import Song, open_song_metadata
from training.vocabulary import SHIPPED, read_vocabulary

SAMPLES = Path(__file__).parent / "samples" / "million_song"
CHOI, LEE = SAMPLES / "choi", SAMPLES / "lee"
VOCABULARY = read_vocabulary(SHIPPED / "lastfm50.toml")


def read(labels, audio=SAMPLES, **options):
    return read_million_song(labels, audio, **{"check_audio": False, "lee_train_tracks": 6} | options)


def test_chois_labels_come_through_to_the_matrix():
    gathered = read(CHOI)
    manifest = gathered.manifest
    matrix = labels_of(manifest, VOCABULARY).matrix
    for split in (Split.VALID, Split.TEST):
        rows = manifest.on(split)
        ids = (CHOI / f"{split}_x_msd_id.txt").read_text().split()
        assert [manifest.track_id[row] for row in rows] == ids
        np.testing.assert_array_equal(matrix[rows], np.load(CHOI / f"{split}_y.npy"))
    assert gathered.remarks == ("train_x_msd_id.txt is not there: no train tracks.",)


def test_a_known_track_has_its_published_tags():
    manifest = read(CHOI).manifest
    tags = dict(zip(manifest.track_id, manifest.tags, strict=True))
    assert tags["TRYLROL128F931C1A7"] == ("electronic", "chillout")


def test_lees_layout_gives_the_same_labels_as_chois_and_his_own_sides():
    lee, choi = read(LEE).manifest, read(CHOI).manifest
    assert [len(lee.on(split)) for split in Split] == [6, 4, 21]
    labels = dict(zip(choi.track_id, choi.tags, strict=True))
    assert dict(zip(lee.track_id, lee.tags, strict=True)).items() < labels.items()
    ids = pickled_track_ids(LEE / "filtered_list_train.cP")
    assert [lee.track_id[row] for row in lee.on(Split.TRAIN)] == ids[:6]
    assert [lee.track_id[row] for row in lee.on(Split.VALID)] == ids[6:]


def test_a_track_without_a_path_is_counted():
    assert {reason: len(tracks) for reason, tracks in read(LEE).left_out.items()} == {"no path known": 1}
    assert len(read(LEE, audio_paths=AudioPaths.PATTERN).manifest) == 32


def test_lees_lists_do_with_chois_labels(tmp_path):
    for name in ("filtered_list_train.cP", "filtered_list_test.cP"):
        shutil.copy(LEE / name, tmp_path)
    for path in CHOI.iterdir():
        shutil.copy(path, tmp_path)
    mixed, lee = read(tmp_path, audio_paths=AudioPaths.PATTERN), read(LEE, audio_paths=AudioPaths.PATTERN)
    assert list(mixed.manifest.tags) == list(lee.manifest.tags)
    assert "labels are from valid_y.npy, test_y.npy" in mixed.remarks[0]
    (tmp_path / "valid_x_msd_id.txt").unlink()
    assert len(read(tmp_path, audio_paths=AudioPaths.PATTERN).left_out["no label"]) == 10
    assert len(read(tmp_path, audio_paths=AudioPaths.PATTERN, layout=MillionSongLayout.CHOI).manifest) == 24


def test_paths_follow_what_is_published():
    choi = read(CHOI).manifest
    test = choi.on(Split.TEST)
    assert choi.path[test[3]] == "3/0/10000111.clip.mp3"
    assert read(LEE).manifest.path[0] == "1/0/1000000.clip.mp3"
    assert read(CHOI, audio_paths=AudioPaths.PATTERN).manifest.path[0] == "Y/L/R/TRYLROL128F931C1A7.mp3"
    assert read(CHOI, audio_paths=AudioPaths.PATTERN, pattern="TR{a}/{id}.ogg").manifest.path[0] == (
        "TRY/TRYLROL128F931C1A7.ogg"
    )
    with pytest.raises(DatasetLayoutError, match=r"expected MSD_id_to_7D_id\.pkl"):
        read(CHOI, audio_paths=AudioPaths.SEVEN_DIGITAL)
    with pytest.raises(DatasetLayoutError, match=r"it may hold \{id\}"):
        read(CHOI, audio_paths=AudioPaths.PATTERN, pattern="{name}.mp3")


def test_missing_audio_is_counted_and_left_out(tmp_path):
    everything = read(CHOI).manifest
    for position in range(0, len(everything), 2):
        path = tmp_path / everything.path[position]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"sound")
    (tmp_path / everything.path[0]).write_bytes(b"")
    gathered = read(CHOI, tmp_path, check_audio=True)
    assert len(gathered.manifest) == 17  # every second of 36, but for the empty file
    assert len(gathered.left_out[MISSING_AUDIO]) == 19
    assert everything.track_id[0] in gathered.left_out[MISSING_AUDIO]
    assert gathered.manifest.audio(0).read_bytes() == b"sound"


def test_audio_that_is_nowhere_is_an_error_with_an_example(tmp_path):
    with pytest.raises(DatasetLayoutError, match=r"not one of 36 tracks has its audio.*0/0/20000000\.clip\.mp3"):
        read(CHOI, tmp_path, check_audio=True)
    with pytest.raises(DatasetLayoutError, match="there is no folder"):
        read(CHOI, tmp_path / "none", check_audio=True)


def test_a_folder_with_other_files_is_refused(tmp_path):
    with pytest.raises(DatasetLayoutError, match=r"expected train_x_msd_id\.txt or .* in .*; there is nothing"):
        read(tmp_path)
    with pytest.raises(DatasetLayoutError, match="there is no folder"):
        read(tmp_path / "none")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("test_y.npy", b"no array", "is no array of labels"),
        ("test_x_msd_id.txt", b"TRAADIN128F931D672\n", r"\(24, 50\); test_x_msd_id.txt makes that \(1, 50\)"),
        ("test_x_msd_id.txt", b"TRAADIN128F931D672\n" * 24, "names 23 tracks twice"),
        ("test_x_filename.txt", b"1/2/3.npy\n", "has 1 lines, test_x_msd_id.txt has 24"),
        ("50tagList.txt", b"rock\npop\n", "has 2 lines, expected 50"),
    ],
)
def test_damaged_files_are_named(tmp_path, name, content, message):
    for path in CHOI.iterdir():
        shutil.copy(path, tmp_path)
    (tmp_path / name).write_bytes(content)
    paths = AudioPaths.FILENAMES if name == "test_x_filename.txt" else AudioPaths.PATTERN
    with pytest.raises(DatasetLayoutError, match=message):
        read(tmp_path, audio_paths=paths)


def test_labels_that_would_run_a_program_are_refused(tmp_path):
    for path in CHOI.iterdir():
        shutil.copy(path, tmp_path)
    np.save(tmp_path / "test_y.npy", np.array([[print] * 50] * 24, dtype=object), allow_pickle=True)
    with pytest.raises(DatasetLayoutError, match="is no array of labels"):
        read(tmp_path)


def test_lees_lists_must_be_longer_than_their_training_part():
    with pytest.raises(DatasetLayoutError, match="holds 10 tracks; expected more: the first 201,680 are for training"):
        read_million_song(LEE, SAMPLES, check_audio=False)


def test_a_list_without_ids_is_refused(tmp_path):
    (tmp_path / "filtered_list_test.cP").write_bytes(b"(lp1\n.")
    with pytest.raises(DatasetLayoutError, match="holds no track id"):
        read(tmp_path)


def test_artists_and_years_come_from_the_sites_lists():
    manifest = read(LEE, metadata=open_song_metadata(SAMPLES / "unique_tracks.txt")).manifest
    assert list(manifest.artist)[:3] == ["Artist 0", "Artist 1", "Artist 2"]
    assert manifest.year[:3].tolist() == [1960, 1961, 1962]
    assert manifest.year[-1] == 0


def test_artists_albums_and_years_come_from_the_sites_database(tmp_path):
    path = tmp_path / "track_metadata.db"
    with sqlite3.connect(path) as connection:
        connection.execute(
            "CREATE TABLE songs (track_id text PRIMARY KEY, title text, song_id text, release text, artist_id text, "
            "artist_mbid text, artist_name text, duration real, artist_familiarity real, artist_hotttnesss real, "
            "year int)"
        )
        connection.execute(
            "INSERT INTO songs VALUES ('TRYLROL128F931C1A7', 't', 's', 'Album', 'AR1', '', 'Name', 200, 0, 0, 1999)"
        )
        connection.execute("INSERT INTO songs VALUES ('TR2', 't', 's', NULL, 'AR1', '', 'Name', 200, 0, 0, 0)")
    connection.close()
    songs = open_song_metadata(path)
    assert songs.of("TR2") == Song("Name", "", 0)
    assert songs.of("TR3") == Song()
    manifest = read(CHOI, metadata=songs).manifest
    assert (manifest.artist[0], manifest.album[0], manifest.year[0]) == ("Name", "Album", 1999)


def test_other_metadata_is_refused(tmp_path):
    with pytest.raises(DatasetLayoutError, match=r"expected track_metadata\.db or unique_tracks\.txt"):
        open_song_metadata(tmp_path / "none.db")
    (tmp_path / "x.db").write_text("no database, but long enough to look like one" * 9)
    with pytest.raises(DatasetLayoutError, match=r"expected track_metadata\.db"):
        open_song_metadata(tmp_path / "x.db")
    (tmp_path / "unique_tracks.txt").write_text("TR1,SO1,Artist,Title\n")
    with pytest.raises(DatasetLayoutError, match="line 1: expected 4 fields between <SEP>, found 1"):
        open_song_metadata(tmp_path / "unique_tracks.txt")
