"""The map through the service: drawn by the command, brought up as tracks come and go, the same to the last byte."""

import time
import uuid
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from facet import main
from service.catalogue.repository import Catalogue
from service.map import keeping
from service.map.drawn_map import DrawnMap, open_map
from service.settings import Settings
from tests.service.http.running import Service, encoded, ingested, running_service, tune
from tests.service.http.tiny_bundle import SLICES, TAGS


def draw(settings: Settings) -> str:
    """Run `facet map`, and say what it said."""
    environment = {"FACET_DATA_DIR": str(settings.data_dir), "FACET_MODEL": str(settings.model), "FACET_THREADS": "1"}
    result = CliRunner().invoke(main, ["map"], env=environment)
    assert result.exit_code == 0, result.output
    return result.output


def shown(service: Service) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Ids, tags `(dimensions, n)` and points of the whole space `(n, 2)`."""
    count = service.get("/map").json()["tracks"]
    content = service.get("/map/tracks").content
    assert len(content) == count * (16 + len(SLICES))
    ids = [str(uuid.UUID(bytes=content[16 * i : 16 * i + 16])) for i in range(count)]
    tags = np.frombuffer(content[16 * count :], np.uint8).reshape(len(SLICES), count)
    return ids, tags, np.frombuffer(service.get("/map/points").content, "<u2").reshape(-1, 2)


def test_without_a_map_it_is_said_how_to_draw_one(service: Service) -> None:
    for address in ("/map", "/map/tracks", "/map/points"):
        answer = service.get(address)
        assert (answer.status_code, answer.json()["code"]) == (404, "no_map")
        assert "facet map" in answer.json()["detail"]


def test_a_running_service_takes_a_drawn_map_up(service: Service, settings: Settings) -> None:
    assert "published" in draw(settings)
    with Catalogue.open(settings.catalogue_url) as catalogue:
        expected = {track.id for track in catalogue.list_tracks(limit=1000)}
    ids, tags, points = shown(service)
    assert set(ids) == expected
    assert len(ids) == len(expected)
    assert len(np.unique(points, axis=0)) == len(points)
    description = service.get("/map").json()
    assert list(description["coloured"]) == list(SLICES)
    for row, dimension in enumerate(SLICES):
        own = {name for name, of in TAGS if of == dimension}
        coloured = description["coloured"][dimension]
        assert set(coloured) <= own
        assert set(tags[row].tolist()) <= {*range(len(coloured)), 255}
        assert (tags[row] == 255).all() == (not coloured)
        answer = service.get("/map/points", params={"dimension": dimension})
        assert len(answer.content) == 4 * len(ids)


def test_what_did_not_change_is_not_sent_again(service: Service, settings: Settings) -> None:
    draw(settings)
    for address in ("/map/tracks", "/map/points", "/map/points?dimension=era"):
        first = service.get(address)
        again = service.get(address, headers={"If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert service.get(address, headers={"If-None-Match": '"another", "third"'}).content == first.content
        assert first.headers["facet-map-version"] == service.get("/map").json()["version"]


def test_new_tracks_are_placed_and_gone_ones_left_out_while_the_others_stay(
    service: Service, settings: Settings, music: Path, tmp_path: Path
) -> None:
    draw(settings)
    ids, _, points = shown(service)
    # Another rendering of the same tune is all but its twin.
    file = tmp_path / "twin.wav"
    rng = np.random.default_rng(5)
    tunes = [tune(rng, seconds=3 + number % 3) for number in range(3)]
    file.write_bytes(encoded(0.9 * tunes[2]))
    twin = ingested(settings, file)[0].track_id
    assert twin is not None
    service.wait_for(twin)
    with Catalogue.open(settings.catalogue_url) as catalogue:
        original = next(t.id for t in catalogue.list_tracks(limit=100) if t.path == music / "tune-02.wav")
        gone = next(track_id for track_id in ids if track_id != original)
        catalogue.forget([gone])
    while service.get("/map").json()["tracks"] != len(ids):
        time.sleep(0.02)
    now_ids, _, now_points = shown(service)
    assert set(now_ids) == {*ids, twin} - {gone}
    assert service.get("/map").json()["newcomers"] == 1
    before = dict(zip(ids, points.tolist(), strict=True))
    now = dict(zip(now_ids, now_points.tolist(), strict=True))
    assert all(now[each] == before[each] for each in now if each != twin)
    gaps = {each: np.hypot(*(np.array(now[each]) - now[twin])) for each in now if each != twin}
    assert sorted(gaps.values()).index(gaps[original]) < 5


def test_a_track_that_was_changed_is_placed_anew_while_the_others_stay(
    service: Service, settings: Settings, tmp_path: Path
) -> None:
    rng = np.random.default_rng(77)
    file = tmp_path / "changing.wav"
    file.write_bytes(encoded(tune(rng)))
    changing = str(ingested(settings, file)[0].track_id)
    service.wait_for(changing)
    draw(settings)
    ids, _, points = shown(service)
    version = service.get("/map").json()["version"]
    file.write_bytes(encoded(tune(rng, seconds=5)))
    assert ingested(settings, file)[0].track_id == changing
    deadline = time.monotonic() + 30
    while service.get("/map").json()["version"] == version:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    now_ids, _, now_points = shown(service)
    assert service.get("/map").json()["newcomers"] == 1
    assert set(now_ids) == set(ids)
    before = dict(zip(ids, points.tolist(), strict=True))
    now = dict(zip(now_ids, now_points.tolist(), strict=True))
    assert [each for each in now if now[each] != before[each]] == [changing]


def test_the_same_catalogue_draws_the_same_map(settings: Settings) -> None:
    versions = []
    for _ in range(2):
        draw(settings)
        with running_service(settings) as service:
            versions.append(service.get("/map").json()["version"])
    assert versions[0] == versions[1]


def flipped(content: bytes) -> bytes:
    changed = bytearray(content)
    changed[len(changed) // 2] ^= 0xFF
    return bytes(changed)


@pytest.mark.parametrize("damaged", [flipped, lambda _: b"", lambda content: content[:-1]])
def test_a_damaged_map_is_passed_over_for_the_one_before_and_read_once(
    service: Service, settings: Settings, monkeypatch: pytest.MonkeyPatch, damaged: Callable[[bytes], bytes]
) -> None:
    draw(settings)
    (path,) = settings.maps_dir.rglob("map-*.npz")
    version = service.get("/map").json()["version"]
    newer = path.with_name("map-999999999999-00000000.npz")
    newer.write_bytes(damaged(path.read_bytes()))
    read: list[Path] = []

    def noted(path: Path, *, dimensions: int, tags: int) -> DrawnMap | None:
        read.append(path)
        return open_map(path, dimensions=dimensions, tags=tags)

    monkeypatch.setattr(keeping, "open_map", noted)
    for _ in range(3):
        assert service.get("/map").json()["version"] == version
    assert read == [newer]


def test_an_unknown_dimension_is_refused_with_the_known_ones(service: Service, settings: Settings) -> None:
    draw(settings)
    answer = service.get("/map/points?dimension=err")
    assert (answer.status_code, answer.json()["code"]) == (400, "unknown_dimension")
    assert answer.json()["known"] == list(SLICES)


def test_an_empty_catalogue_has_an_empty_map(tmp_path: Path, tiny_bundle: Path) -> None:
    settings = Settings(data_dir=tmp_path, model=tiny_bundle, threads=1)
    Catalogue.open(settings.catalogue_url, create=True).close()
    draw(settings)
    with running_service(settings) as service:
        assert service.get("/map").json()["tracks"] == 0
        assert service.get("/map/points").content == b""
        assert service.get("/catalogue").json()["likeness"] == {}


def test_a_map_without_a_catalogue_is_refused_in_plain_words(tmp_path: Path, tiny_bundle: Path) -> None:
    environment = {"FACET_DATA_DIR": str(tmp_path / "nothing"), "FACET_MODEL": str(tiny_bundle)}
    result = CliRunner().invoke(main, ["map"], env=environment)
    assert result.exit_code == 1
    assert "there is no catalogue" in result.output


@pytest.mark.parametrize("count", [1, 3])
def test_tracks_are_told_by_their_ids(shared: Service, catalogue: Catalogue, count: int) -> None:
    wanted = [track.id for track in catalogue.list_tracks(limit=count)][::-1]
    answer = shared.get("/names", params={"id": [*wanted, "not an id", str(uuid.uuid4())]})
    assert [item["id"] for item in answer.json()["items"]] == wanted
