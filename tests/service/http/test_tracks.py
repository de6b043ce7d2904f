"""Tracks: listed once each, told with their tags, heard byte by byte."""

import io
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from index.model import ModelBundle
from service.catalogue.repository import Catalogue
from tests.service.http.running import Service, encoded, ingested, tune
from tests.service.http.tiny_bundle import SLICES, TAGS


@pytest.fixture(scope="module")
def track(catalogue: Catalogue) -> tuple[str, bytes]:
    """A track's id and its file's bytes."""
    first = catalogue.list_tracks(limit=1)[0]
    return first.id, first.path.read_bytes()


@pytest.mark.parametrize("limit", [1, 7, 100])
def test_the_list_gives_every_track_once(shared: Service, catalogue: Catalogue, limit: int) -> None:
    listed = shared.every_item("/tracks", limit=limit)
    assert [item["id"] for item in listed] == [track.id for track in catalogue.list_tracks(limit=1000)]


def test_a_track_is_told_without_its_path(shared: Service, track: tuple[str, bytes]) -> None:
    told = shared.get(f"/tracks/{track[0]}")
    assert set(told.json()) == {"id", "title", "artist", "album", "year", "duration_seconds", "labels", "tags"}
    assert str(shared.settings.data_dir) not in told.text
    # Which track is the first depends on which of two threads was quicker.
    lasts = soundfile.info(io.BytesIO(track[1])).duration
    assert told.json()["duration_seconds"] == pytest.approx(lasts, abs=0.01)


def test_a_track_s_tags_are_those_of_its_embedding(
    shared: Service, catalogue: Catalogue, tiny_bundle: Path, track: tuple[str, bytes]
) -> None:
    embedding = catalogue.embedding(track[0], ModelBundle.open(tiny_bundle).encoder_id)
    assert embedding is not None
    tags = shared.get(f"/tracks/{track[0]}").json()["tags"]
    # Which track is the first differs from run to run, and some hear two tags alike: equal ones come by name.
    probabilities = [round(float(value), 6) for value in embedding.tag_probabilities]
    expected = sorted(zip(probabilities, TAGS, strict=True), key=lambda pair: (-pair[0], pair[1][0]))
    assert [(tag["name"], tag["dimension"]) for tag in tags] == [tag for _, tag in expected]
    assert [tag["probability"] for tag in tags] == pytest.approx([value for value, _ in expected], abs=1e-6)


def test_dimensions_are_those_of_the_bundle(shared: Service) -> None:
    items = shared.get("/dimensions").json()["items"]
    assert items == [
        {"name": name, "width": stop - start, "tags": sum(dimension == name for _, dimension in TAGS)}
        for name, (start, stop) in SLICES.items()
    ]


def test_audio_is_the_file(shared: Service, track: tuple[str, bytes]) -> None:
    answer = shared.get(f"/tracks/{track[0]}/audio")
    assert answer.status_code == 200
    assert answer.content == track[1]
    assert answer.headers["content-type"] == "audio/wav"
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["content-length"] == str(len(track[1]))


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=0-99", 0, 100),
        ("bytes=100-", 100, None),
        ("bytes=-100", -100, None),
        ("bytes=10-999999999", 10, None),
        ("bytes=-999999999", 0, None),
        ("BYTES=5-6", 5, 7),
        ("bytes= 5 - 6 ", 5, 7),
    ],
)
def test_a_range_is_that_part_of_the_file(
    shared: Service, track: tuple[str, bytes], asked: str, start: int, stop: int | None
) -> None:
    answer = shared.get(f"/tracks/{track[0]}/audio", headers={"Range": asked})
    expected = track[1][start:stop]
    assert answer.status_code == 206
    assert answer.content == expected
    first = start % len(track[1])
    assert answer.headers["content-range"] == f"bytes {first}-{first + len(expected) - 1}/{len(track[1])}"
    assert answer.headers["content-length"] == str(len(expected))


@pytest.mark.parametrize(
    "asked", ["bytes=0-1,5-6", "bytes=", "bytes=-", "bytes=9-3", "lines=1-2", "bytes=a-b", "bytes=²-"]
)
def test_what_is_no_single_range_is_answered_with_the_whole(
    shared: Service, track: tuple[str, bytes], asked: str
) -> None:
    answer = shared.get(f"/tracks/{track[0]}/audio", headers={"Range": asked.encode()})
    assert (answer.status_code, answer.content) == (200, track[1])


@pytest.mark.parametrize("asked", ["bytes=99999999-", "bytes=99999999-99999999999", "bytes=-0"])
def test_a_range_behind_the_end_cannot_be_satisfied(shared: Service, track: tuple[str, bytes], asked: str) -> None:
    answer = shared.get(f"/tracks/{track[0]}/audio", headers={"Range": asked})
    assert (answer.status_code, answer.json()["code"]) == (416, "range_not_satisfiable")
    assert answer.headers["content-range"] == f"bytes */{len(track[1])}"


def test_a_range_is_given_only_of_the_file_it_was_begun_with(shared: Service, track: tuple[str, bytes]) -> None:
    address = f"/tracks/{track[0]}/audio"
    etag = shared.get(address).headers["etag"]
    same = shared.get(address, headers={"Range": "bytes=0-9", "If-Range": etag})
    other = shared.get(address, headers={"Range": "bytes=0-9", "If-Range": '"another"'})
    assert (same.status_code, other.status_code) == (206, 200)
    assert other.content == track[1]


def test_a_file_that_the_client_has_is_not_sent_again(shared: Service, track: tuple[str, bytes]) -> None:
    address = f"/tracks/{track[0]}/audio"
    etag = shared.get(address).headers["etag"]
    again = shared.get(address, headers={"If-None-Match": etag})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    assert shared.get(address, headers={"If-None-Match": '"another"'}).status_code == 200


@pytest.mark.parametrize(
    ("kind", "media_type"),
    [
        ("WAV", "audio/wav"),
        ("FLAC", "audio/flac"),
        ("OGG", "audio/ogg"),
        ("MP3", "audio/mpeg"),
        ("AIFF", "audio/aiff"),
    ],
)
def test_the_content_type_is_that_of_the_content_not_of_the_name(
    service: Service, tmp_path: Path, kind: str, media_type: str
) -> None:
    file = tmp_path / "called.wav"
    file.write_bytes(encoded(tune(np.random.default_rng(1)), kind=kind))
    result = ingested(service.settings, file)[0]
    assert service.get(f"/tracks/{result.track_id}/audio").headers["content-type"] == media_type


def test_a_file_that_is_gone_or_another_is_not_sent(service: Service, tmp_path: Path) -> None:
    file = tmp_path / "song.wav"
    file.write_bytes(encoded(tune(np.random.default_rng(1))))
    address = f"/tracks/{ingested(service.settings, file)[0].track_id}/audio"
    state = file.stat()
    assert service.get(address).status_code == 200
    file.write_bytes(file.read_bytes() + b"\0")
    os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))
    longer = service.get(address)
    file.write_bytes(bytes(state.st_size))
    os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns + 1))
    later = service.get(address)
    file.unlink()
    gone = service.get(address)
    file.mkdir()
    folder = service.get(address)
    file.rmdir()
    os.mkfifo(file)
    pipe = service.get(address)
    assert [(answer.status_code, answer.json()["code"]) for answer in (longer, later, gone, folder, pipe)] == [
        (404, "audio_changed"),
        (404, "audio_changed"),
        (404, "audio_missing"),
        (404, "audio_missing"),
        (404, "audio_changed"),
    ]


def test_a_file_whose_name_is_not_utf_8_is_sent(service: Service, tmp_path: Path) -> None:
    file = Path(os.fsdecode(os.fsencode(tmp_path) + b"/na\xefve.wav"))
    file.write_bytes(encoded(tune(np.random.default_rng(1))))
    result = ingested(service.settings, file)[0]
    assert service.get(f"/tracks/{result.track_id}/audio").content == file.read_bytes()
    assert service.get(f"/tracks/{result.track_id}").status_code == 200
