import csv
from dataclasses import fields
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from training.datasets.manifest import SPLITS, Manifest, ManifestError, Split
from training.datasets.manifest_files import read_manifest, write_manifest
from training.datasets.tag_column import TagColumn
from training.datasets.text_column import TextColumn

ENDINGS = ["csv", "parquet"]

text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
filled = text.filter(bool)
tag = filled.map(str.strip).filter(bool)


@st.composite
def manifests(draw):
    n = draw(st.integers(0, 6))

    def column(values, **options):
        return draw(st.lists(values, min_size=n, max_size=n, **options))

    return Manifest.of(
        Path("/music"),
        path=column(filled.map(lambda name: name.lstrip("/") or "x")),
        track_id=column(filled, unique=True),
        artist=column(text),
        album=column(text),
        year=column(st.just(0) | st.integers(1000, 2999)),
        tags=column(st.lists(tag, unique=True, max_size=4)),
        split=column(st.sampled_from([None, *SPLITS])),
        start_seconds=column(st.floats(0, 1e6)),
        duration_seconds=column(st.just(float("nan")) | st.floats(1e-3, 1e6)),
    )


def assert_same(found, expected):
    for field in fields(Manifest):
        a, b = getattr(found, field.name), getattr(expected, field.name)
        if isinstance(a, TextColumn | TagColumn):
            assert list(a) == list(b), field.name
        elif isinstance(a, np.ndarray):
            np.testing.assert_array_equal(a, b, err_msg=field.name)
            assert a.dtype == b.dtype, field.name


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(manifest=manifests())
def test_csv_and_parquet_give_back_what_was_written_through_each_other(tmp_path, manifest):
    at_home = Manifest(
        **{field.name: getattr(manifest, field.name) for field in fields(Manifest)} | {"folder": tmp_path}
    )
    write_manifest(at_home, tmp_path / "m.csv")
    from_csv = read_manifest(tmp_path / "m.csv")
    assert_same(from_csv, at_home)
    write_manifest(from_csv, tmp_path / "m.parquet")
    from_parquet = read_manifest(tmp_path / "m.parquet")
    assert_same(from_parquet, at_home)
    first = (tmp_path / "m.csv").read_bytes()
    write_manifest(from_parquet, tmp_path / "m.csv")
    assert (tmp_path / "m.csv").read_bytes() == first


def small(folder, **columns):
    return Manifest.of(folder, path=["a.mp3", "b.mp3"], track_id=["1", "2"], **columns)


def test_other_programs_read_both_files(tmp_path):
    manifest = small(
        tmp_path, artist=["Ana; B", ""], tags=[["AC;DC", "rock"], []], split=[Split.VALID, None], year=[1999, 0]
    )
    write_manifest(manifest, tmp_path / "m.csv")
    write_manifest(manifest, tmp_path / "m.parquet")
    rows = list(csv.DictReader((tmp_path / "m.csv").read_text().splitlines()))
    assert rows[0] == {
        "path": "a.mp3",
        "track_id": "1",
        "artist": "Ana; B",
        "album": "",
        "year": "1999",
        "tags": r"AC\;DC;rock",
        "split": "valid",
    }
    assert pa.csv.read_csv(tmp_path / "m.csv").column("artist").to_pylist() == ["Ana; B", ""]
    table = pq.read_table(tmp_path / "m.parquet").to_pylist()
    assert table[0]["tags"] == ["AC;DC", "rock"]
    assert table[1] == {
        "path": "b.mp3",
        "track_id": "2",
        "artist": "",
        "album": "",
        "year": None,
        "tags": [],
        "split": None,
    }


def test_a_manifest_by_hand_needs_two_columns(tmp_path):
    (tmp_path / "m.csv").write_text('\ufefftrack_id,title,path\n7,Any,music/x.mp3\n\n8,"Two\nlines",y.mp3\n')
    manifest = read_manifest(tmp_path / "m.csv")
    assert list(manifest.track_id) == ["7", "8"]
    assert manifest.audio(0) == tmp_path / "music/x.mp3"
    assert list(manifest.tags) == [(), ()]
    pq.write_table(pa.table({"path": ["x"], "track_id": ["7"], "mood": [1.5]}), tmp_path / "m.parquet")
    assert list(read_manifest(tmp_path / "m.parquet").path) == ["x"]


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_manifest_without_rows_is_one(tmp_path, ending):
    write_manifest(Manifest.of(tmp_path, path=[], track_id=[]), tmp_path / f"m.{ending}")
    assert len(read_manifest(tmp_path / f"m.{ending}")) == 0


def test_many_rows_are_read_in_pieces_and_numbered_as_one(tmp_path):
    n = 25_000
    lines = [f"{row}.mp3,{row},{row % 3};t{row % 1000}" for row in range(n)]
    (tmp_path / "m.csv").write_text("path,track_id,tags\n" + "\n".join(lines))
    manifest = read_manifest(tmp_path / "m.csv")
    assert len(manifest) == n
    assert manifest.tags[24_999] == ("0", "t999")
    assert manifest.path[12_345] == "12345.mp3"
    assert sum(manifest.tags.counts) == 2 * n
    lines[20_000] += ";"
    (tmp_path / "m.csv").write_text("path,track_id,tags\n" + "\n".join(lines))
    with pytest.raises(ManifestError, match=r"row 20001, column 'tags': tag '' is empty"):
        read_manifest(tmp_path / "m.csv")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "there is no column 'path', only none"),
        ("path,tags\nx,", "there is no column 'track_id', only 'path', 'tags'"),
        ("path,track_id,tag\nx,1,rock", "column 'tag' is not known; did you mean 'tags'?"),
        ("path,track_id,Split\nx,1,train", "column 'Split' is not known; did you mean 'split'?"),
        ("path,track_id,start\nx,1,3", "did you mean 'start_seconds'?"),
        ("path,track_id,path\nx,1,y", "column 'path' stands there twice"),
        ("path,track_id\nx,1\ny", "row 2 has 1 cells, the header has 2"),
        ("path,track_id,split\nx,1,train\ny,2,validation", "row 2, column 'split': found 'validation', expected train"),
        ("path,track_id,split\nx,1,dev", "row 1, column 'split': found 'dev'"),
        ("path,track_id,year\nx,1,\ny,2,'99", "row 2, column 'year': found \"'99\", expected a number"),
        ("path,track_id,year\nx,1,1999.5", "row 1, column 'year': found 1999.5, expected a year"),
        ("path,track_id,year\nx,1,1e9", "row 1, column 'year'"),
        ("path,track_id,duration_seconds\nx,1,long", "row 1, column 'duration_seconds': found 'long'"),
        ("path,track_id,tags\nx,1,a\\b", "row 1, column 'tags': in 'a\\\\b' a backslash stands alone"),
        ("path,track_id,tags\nx,1,a\\", "row 1, column 'tags'"),
        ('path,track_id\n"x,1', "line 2 is not CSV"),
    ],
)
def test_a_wrong_csv_is_refused_with_the_place(tmp_path, content, message):
    (tmp_path / "m.csv").write_text(content)
    with pytest.raises(ManifestError) as refusal:
        read_manifest(tmp_path / "m.csv")
    assert str(refusal.value).startswith(str(tmp_path / "m.csv"))
    assert message in str(refusal.value)


def test_validation_is_pointed_to_valid(tmp_path):
    (tmp_path / "m.csv").write_text("path,track_id,split\nx,1,validation")
    with pytest.raises(ManifestError, match="did you mean 'valid'"):
        read_manifest(tmp_path / "m.csv")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"tags": ["rock;pop", "rock"]}, "column 'tags' holds string, expected lists of text"),
        ({"tags": [["rock"], ["pop", None]]}, "row 2, column 'tags': a tag is null"),
        ({"tags": [[1], [2]]}, "column 'tags' holds list"),
        ({"year": ["1984", "1985"]}, "column 'year' holds string, expected numbers"),
        ({"year": [1984, 12]}, "row 2, column 'year': found 12"),
        ({"artist": [1, 2]}, "column 'artist' holds int64, expected text"),
        ({"split": ["train", "Valid"]}, "row 2, column 'split': found 'Valid'"),
        ({"labels": [["rock"], []]}, "column 'labels' is not known; did you mean 'tags'?"),
    ],
)
def test_a_wrong_parquet_is_refused_with_the_place(tmp_path, columns, message):
    pq.write_table(pa.table({"path": ["x", "y"], "track_id": ["1", "2"], **columns}), tmp_path / "m.parquet")
    with pytest.raises(ManifestError) as refusal:
        read_manifest(tmp_path / "m.parquet")
    assert str(refusal.value).startswith(str(tmp_path / "m.parquet"))
    assert message in str(refusal.value)


def test_nulls_of_another_program_are_unknown_values(tmp_path):
    table = pa.table(
        {
            "path": pa.array(["x", "y"]).dictionary_encode(),
            "track_id": pa.array(["1", "2"], pa.large_string()),
            "artist": [None, "Ana"],
            "album": pa.nulls(2),
            "tags": pa.array([None, ["rock"]], pa.large_list(pa.string())),
            "year": [None, 1984.0],
            "duration_seconds": pa.array([None, 3], pa.int32()),
            "split": pa.array([None, "test"]).dictionary_encode(),
        }
    )
    pq.write_table(table, tmp_path / "m.parquet")
    manifest = read_manifest(tmp_path / "m.parquet")
    assert list(manifest.artist) == ["", "Ana"]
    assert list(manifest.tags) == [(), ("rock",)]
    assert manifest.year.tolist() == [0, 1984]
    assert manifest.duration_seconds[1] == 3


@pytest.mark.parametrize("name", ["m.json", "m"])
def test_another_ending_is_refused(tmp_path, name):
    with pytest.raises(ManifestError, match=r"ends in \.csv or \.parquet"):
        read_manifest(tmp_path / name)
    with pytest.raises(ManifestError, match=r"ends in \.csv or \.parquet"):
        write_manifest(small(tmp_path), tmp_path / name)


def test_a_file_that_is_no_manifest_is_named(tmp_path):
    with pytest.raises(ManifestError, match="does not exist"):
        read_manifest(tmp_path / "none.csv")
    with pytest.raises(ManifestError, match="does not exist"):
        read_manifest(tmp_path / "none.parquet")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(ManifestError, match="is a folder"):
        read_manifest(tmp_path / "folder.csv")
    (tmp_path / "latin.csv").write_bytes("path,track_id\nü,1".encode("latin-1"))
    with pytest.raises(ManifestError, match="is not UTF-8"):
        read_manifest(tmp_path / "latin.csv")
    (tmp_path / "text.parquet").write_text("path,track_id")
    with pytest.raises(ManifestError, match="no Parquet file"):
        read_manifest(tmp_path / "text.parquet")


@pytest.mark.parametrize("ending", ENDINGS)
def test_paths_still_lead_to_the_audio_when_the_manifest_lies_elsewhere(tmp_path, ending):
    audio = tmp_path / "sets" / "one"
    audio.mkdir(parents=True)
    (audio / "a.mp3").write_bytes(b"a")
    manifest = Manifest.of(audio, path=["a.mp3", "/elsewhere/b.mp3"], track_id=["1", "2"])
    for folder, expected in ((audio, "a.mp3"), (tmp_path, "sets/one/a.mp3"), (tmp_path / "new", f"{audio}/a.mp3")):
        write_manifest(manifest, folder / f"m.{ending}")
        found = read_manifest(folder / f"m.{ending}")
        assert list(found.path) == [expected, "/elsewhere/b.mp3"]
        assert found.audio(0).read_bytes() == b"a"


def test_what_cannot_be_written_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "m.csv"
    write_manifest(small(tmp_path), path)
    before = path.read_bytes()

    def breaks_off(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", breaks_off)
    with pytest.raises(OSError, match="No space left"):
        write_manifest(small(tmp_path, artist=["new", "new"]), path)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["m.csv"]
