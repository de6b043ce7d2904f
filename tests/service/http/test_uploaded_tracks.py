"""Tracks that are uploaded, labelled and deleted, through the real application."""

import shutil
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from index.decoder import DecoderStartError
from service.catalogue.jobs import JobsWriting
from service.catalogue.repository import Catalogue
from service.jobs.store import UploadStore
from service.settings import Settings
from service.tracks.labels import LONGEST_LABEL, MOST_LABELS
from tests.service.http.running import Service, encoded, ingested, running_service, tune

SOUND = encoded(tune(np.random.default_rng(77)))
GONE = "00000000-0000-7000-8000-000000000000"


def upload(
    service: Service, content: bytes = SOUND, *, name: str = "A Song.wav", address: str = "/tracks"
) -> dict[str, Any]:
    answer = service.request("POST", address, files={"file": (name, content)})
    assert answer.status_code == 202, answer.text
    job: dict[str, Any] = answer.json()
    assert answer.headers["location"] == f"/jobs/{job['id']}"
    return job


def finished(service: Service, job: dict[str, Any]) -> dict[str, Any]:
    return service.finished(job["id"])


def found(service: Service, **filters: Any) -> set[str]:
    question: dict[str, Any] = {"tags": {"rock": 1}, "filters": filters}
    items: set[str] = set()
    cursor = ""
    while True:
        answer = service.request("POST", f"/query?limit=100{cursor}", json=question).json()
        items |= {item["track"]["id"] for item in answer["items"]}
        if answer["next_cursor"] is None:
            return items
        cursor = f"&cursor={answer['next_cursor']}"


def stored(service: Service) -> list[Path]:
    return [path for path in service.settings.uploads_dir.rglob("*") if path.is_file()]


def test_an_upload_is_searchable_as_soon_as_its_job_is_done(service: Service) -> None:
    job = upload(service)
    assert (job["state"], job["file_name"], job["track_id"]) == ("queued", "A Song.wav", None)
    done = finished(service, job)
    assert (done["state"], done["outcome"], done["code"]) == ("done", "added", None)
    # At once, without waiting for anything.
    assert done["track_id"] in found(service)
    similar = service.get(f"/tracks/{done['track_id']}/similar")
    assert similar.status_code == 200
    nearest = service.post_clip("/similar", SOUND).json()["items"][0]
    assert (nearest["track"]["id"], nearest["similarity"]) == (done["track_id"], pytest.approx(1, abs=1e-5))
    assert nearest["track"]["title"] == "A Song"
    assert service.get(f"/tracks/{done['track_id']}/audio").content == SOUND


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\music\\a.mp3", "a.mp3"),
        ("a\x1b[31m\u202eb.wav", "a [31m b.wav"),
        ("naïve ☂.wav", "naïve ☂.wav"),
        ("x" * 900, "x" * 200),
        ("/", None),
    ],
)
def test_the_client_s_file_name_is_shown_and_names_no_path(service: Service, name: str, shown: str | None) -> None:
    job = upload(service, name=name)
    assert job["file_name"] == shown
    finished(service, job)
    (file,) = stored(service)
    assert file == service.settings.uploads_dir.resolve() / job["content_hash"][:2] / job["content_hash"]


def test_the_same_content_is_one_track_however_often_it_comes(service: Service) -> None:
    jobs = [upload(service, name=f"{number}.wav") for number in range(3)]
    done = [finished(service, job) for job in jobs]
    assert [each["outcome"] for each in done] == ["added", "unchanged", "unchanged"]
    assert len({each["track_id"] for each in done}) == 1
    assert len(stored(service)) == 1


def test_what_is_ingested_already_is_not_kept_twice(service: Service, music: Path) -> None:
    file = sorted(music.iterdir())[3]
    with Catalogue.open(service.settings.catalogue_url) as catalogue:
        (known,) = [track.id for track in catalogue.list_tracks(limit=100) if track.path == file.resolve()]
    done = finished(service, upload(service, file.read_bytes()))
    assert (done["outcome"], done["track_id"]) == ("unchanged", known)
    assert stored(service) == []


def test_a_track_may_be_longer_and_larger_than_a_clip_within_limits_of_its_own(settings: Settings) -> None:
    limits = {"upload_seconds": 2.0, "upload_bytes": len(SOUND) // 2, "uploaded_track_bytes": 2 * len(SOUND)}
    with running_service(settings.model_copy(update={**limits, "uploaded_track_seconds": 3.5})) as service:
        assert service.post_clip("/tags", SOUND).json()["code"] == "upload_too_large"
        assert finished(service, upload(service))["state"] == "done"
        longer = encoded(tune(np.random.default_rng(78), seconds=4))
        failed = finished(service, upload(service, longer))
        assert (failed["state"], failed["code"]) == ("failed", "too_long")
        assert service.post_clip("/tracks", longer * 2).json()["code"] == "upload_too_large"
        (file,) = stored(service)
        assert file.read_bytes() == SOUND
    with running_service(settings.model_copy(update={"upload_seconds": 2.0})) as service:
        assert service.post_clip("/tags", SOUND).json()["code"] == "too_long"


def test_an_upload_takes_the_place_of_a_file_that_is_lost(service: Service, tmp_path: Path) -> None:
    file = tmp_path / "Lost song.wav"
    file.write_bytes(SOUND)
    track_id = ingested(service.settings, file)[0].track_id
    file.unlink()
    done = finished(service, upload(service, name="Found song.wav"))
    assert (done["outcome"], done["track_id"]) == ("moved", track_id)
    assert service.get(f"/tracks/{track_id}/audio").content == SOUND
    assert service.get(f"/tracks/{track_id}").json()["title"] == "Found song"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"Thirty spokes share one hub.", "not_audio"),
        (encoded(np.zeros(24_000, np.float32)), "silent"),
        (encoded(np.full(800, 0.5, np.float32)), "too_short"),
    ],
)
def test_what_is_no_music_fails_with_its_code_and_is_not_kept(service: Service, content: bytes, code: str) -> None:
    before = service.get("/tracks?limit=100").json()
    done = finished(service, upload(service, content, name="odd.wav"))
    assert (done["state"], done["code"], done["track_id"]) == ("failed", code, None)
    assert done["content_hash"] not in done["message"]
    assert stored(service) == []
    assert service.get("/tracks?limit=100").json() == before


def test_a_full_queue_refuses_and_says_when_to_come_again(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(JobsWriting, "take", lambda *_: None)
    with running_service(settings.model_copy(update={"jobs_waiting": 2})) as service:
        for number in range(2):
            upload(service, encoded(tune(np.random.default_rng(number))))
        refused = service.post_clip("/tracks", SOUND)
        assert (refused.status_code, refused.json()["code"]) == (429, "queue_full")
        assert int(refused.headers["retry-after"]) > 0
        assert len(stored(service)) == 2
        monkeypatch.undo()
        for job in service.get("/jobs").json()["items"]:
            assert finished(service, job)["state"] == "done"
        assert finished(service, upload(service))["state"] == "done"


def test_jobs_survive_a_restart(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(JobsWriting, "take", lambda *_: None)
    with running_service(settings) as service:
        job = upload(service)
    monkeypatch.undo()
    with running_service(settings) as service:
        assert finished(service, job)["track_id"] in found(service)


def test_trouble_that_is_no_job_s_fault_costs_no_job(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    troubles = iter([DecoderStartError("no process"), MemoryError()])

    def stumble(*_: object) -> None:
        for trouble in troubles:
            raise trouble
        monkeypatch.undo()
        raise DecoderStartError("the last time")

    monkeypatch.setattr("service.jobs.worker.PAUSE_SECONDS", 0.01)
    monkeypatch.setattr("service.jobs.worker.analyse", stumble)
    with running_service(settings) as service:
        assert finished(service, upload(service))["state"] == "done"


def test_jobs_are_listed_the_latest_first(service: Service) -> None:
    jobs = [upload(service, encoded(tune(np.random.default_rng(number)))) for number in range(3)]
    jobs.append(upload(service, b"no music"))
    for job in jobs:
        finished(service, job)
    expected = [job["id"] for job in reversed(jobs)]
    for limit in (1, 2, 10):
        assert [item["id"] for item in service.every_item("/jobs", limit=limit)] == expected
    assert [item["id"] for item in service.every_item("/jobs?state=failed", limit=1)] == [jobs[-1]["id"]]
    assert service.get(f"/jobs/{jobs[0]['id']}").json()["state"] == "done"


def test_labels_are_set_changed_and_filtered_by(service: Service) -> None:
    done = finished(service, upload(service, address="/tracks?label=Party&label=late%20%20night"))
    track_id = done["track_id"]
    other = service.get("/tracks?limit=1").json()["items"][0]["id"]
    assert service.get(f"/tracks/{track_id}").json()["labels"] == ["Party", "late night"]
    assert found(service, labels={"all_of": ["PARTY", "Late Night"]}) == {track_id}

    changed = service.request("PATCH", f"/tracks/{other}", json={"add_labels": ["party", "Ü"]})
    assert (changed.status_code, changed.json()["labels"]) == (200, ["party", "Ü"])
    service.request("PATCH", f"/tracks/{track_id}", json={"add_labels": ["new"], "remove_labels": ["LATE NIGHT", "x"]})
    everything = found(service)
    wanted: list[tuple[dict[str, Any], set[str]]] = [
        ({"all_of": ["party"]}, {track_id, other}),
        ({"all_of": ["party", "ü"]}, {other}),
        ({"any_of": ["ü", "new"]}, {track_id, other}),
        ({"any_of": ["party"], "none_of": ["new"]}, {other}),
        ({"none_of": ["party"]}, everything - {track_id, other}),
        ({"any_of": []}, set()),
        ({"all_of": ["nobody's"]}, set()),
        ({"all_of": ["late night"]}, set()),
        ({}, everything),
    ]
    deadline = time.monotonic() + 2
    while found(service, labels={"any_of": ["new"]}) != {track_id}:
        assert time.monotonic() < deadline
    for labels, expected in wanted:
        assert found(service, labels=labels) == expected, labels
    assert service.get("/labels").json()["items"] == [
        {"name": "new", "tracks": 1},
        {"name": "Party", "tracks": 2},
        {"name": "Ü", "tracks": 1},
    ]
    by_get = service.get("/search?tag=rock&label=party&label=%C3%BC").json()["items"]
    assert [item["track"]["id"] for item in by_get] == [other]
    listed = service.every_item("/tracks?label=PARTY", limit=1)
    assert [item["id"] for item in listed] == sorted([track_id, other])
    assert [item["id"] for item in service.get("/tracks?label=party&label=new").json()["items"]] == [track_id]
    assert service.get("/tracks?label=nobody%27s").json() == {"items": [], "next_cursor": None}
    cursor = service.get("/tracks?label=party&limit=1").json()["next_cursor"]
    for address in ("/tracks?limit=1", "/tracks?label=new&limit=1"):
        assert service.get(f"{address}&cursor={cursor}").json()["code"] == "invalid_cursor"
    similar = service.get(f"/tracks/{track_id}/similar?label=party").json()["items"]
    assert [item["track"]["id"] for item in similar] == [other]

    assert service.request("PATCH", f"/tracks/{track_id}", json={"labels": []}).json()["labels"] == []
    assert service.request("PATCH", f"/tracks/{other}", json={"labels": ["one"]}).json()["labels"] == ["one"]
    assert service.request("PATCH", f"/tracks/{other}", json={}).json()["labels"] == ["one"]


@pytest.mark.parametrize(
    "change",
    [
        {"labels": [""]},
        {"labels": ["  "]},
        {"labels": ["a\x00b"]},
        {"labels": ["x" * (LONGEST_LABEL + 1)]},
        {"labels": [str(number) for number in range(MOST_LABELS + 1)]},
        {"labels": ["a"], "add_labels": ["b"]},
        {"labels": "party"},
    ],
)
def test_a_label_that_is_none_is_refused(service: Service, change: dict[str, Any]) -> None:
    track_id = service.get("/tracks?limit=1").json()["items"][0]["id"]
    refused = service.request("PATCH", f"/tracks/{track_id}", json=change)
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_parameter")
    assert service.get(f"/tracks/{track_id}").json()["labels"] == []


def test_labels_beyond_the_most_are_refused_whatever_the_way(service: Service) -> None:
    track_id = service.get("/tracks?limit=1").json()["items"][0]["id"]
    half = [f"a{number}" for number in range(MOST_LABELS // 2 + 1)]
    assert service.request("PATCH", f"/tracks/{track_id}", json={"add_labels": half}).status_code == 200
    more = [f"b{number}" for number in range(MOST_LABELS // 2)]
    assert service.request("PATCH", f"/tracks/{track_id}", json={"add_labels": more}).status_code == 400
    assert service.get(f"/tracks/{track_id}").json()["labels"] == half


def test_labels_stay_where_a_file_is_ingested_again(service: Service, tmp_path: Path) -> None:
    file = tmp_path / "song.wav"
    file.write_bytes(SOUND)
    track_id = ingested(service.settings, file)[0].track_id
    service.request("PATCH", f"/tracks/{track_id}", json={"labels": ["mine"]})
    file.write_bytes(encoded(tune(np.random.default_rng(4))))
    assert ingested(service.settings, file)[0].track_id == track_id
    assert service.get(f"/tracks/{track_id}").json()["labels"] == ["mine"]


def test_a_deleted_upload_is_gone_with_its_file(service: Service) -> None:
    track_id = finished(service, upload(service, address="/tracks?label=mine"))["track_id"]
    assert track_id in found(service)
    deleted = service.request("DELETE", f"/tracks/{track_id}")
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert track_id not in found(service)
    assert stored(service) == []
    assert service.request("DELETE", f"/tracks/{track_id}").json()["code"] == "track_not_found"
    assert service.get(f"/tracks/{track_id}").status_code == 404
    assert service.get("/labels").json()["items"] == []
    again = finished(service, upload(service))
    assert again["outcome"] == "added"
    assert again["track_id"] != track_id


def test_deleting_an_ingested_track_leaves_its_file(service: Service, tmp_path: Path) -> None:
    file = tmp_path / "song.wav"
    file.write_bytes(SOUND)
    track_id = ingested(service.settings, file)[0].track_id
    assert service.request("DELETE", f"/tracks/{track_id}").status_code == 204
    assert file.read_bytes() == SOUND
    assert service.get(f"/tracks/{track_id}").status_code == 404


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
@pytest.mark.parametrize("track_id", [GONE, "nonsense"])
def test_what_is_not_there_cannot_be_changed(service: Service, method: str, track_id: str) -> None:
    refused = service.request(method, f"/tracks/{track_id}", **({"json": {}} if method == "PATCH" else {}))
    assert (refused.status_code, refused.json()["code"]) == (404, "track_not_found")


def test_uploads_and_deletions_of_one_content_at_once_never_lose_a_file(service: Service) -> None:
    stop = threading.Event()
    lost: list[str] = []

    def delete_what_comes() -> None:
        while not stop.is_set():
            for item in service.get("/tracks?limit=100").json()["items"]:
                if item["title"] == "again":
                    service.request("DELETE", f"/tracks/{item['id']}")

    deleting = threading.Thread(target=delete_what_comes)
    deleting.start()
    for _ in range(15):
        done = finished(service, upload(service, name="again.wav"))
        if done["state"] == "failed":
            lost.append(done["message"])
    stop.set()
    deleting.join()
    assert lost == []


def test_what_is_called_an_upload_elsewhere_is_a_person_s_own_file(tmp_path: Path) -> None:
    store = UploadStore(tmp_path / "data" / "uploads")
    digest = "ab" + "0" * 62
    mine = tmp_path / "ab" / digest
    assert store.holds(store.path_of(digest))
    assert not store.holds(mine)
    assert not store.holds(store.path_of(digest).parent / "other")


def test_what_a_killed_process_was_receiving_is_swept_after_a_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = UploadStore(tmp_path)
    old, new = store.arrivals / "old", store.arrivals / "new"
    old.write_bytes(b"x")
    monkeypatch.setattr("service.jobs.store.ARRIVED_SECONDS", 0.05)
    time.sleep(0.1)
    new.write_bytes(b"x")
    store.sweep()
    assert list(store.arrivals.iterdir()) == [new]
    shutil.rmtree(tmp_path)
    store.sweep()


def test_pages_under_a_label_stay_whole_while_labels_and_tracks_come_and_go(service: Service) -> None:
    ids = [item["id"] for item in service.get("/tracks?limit=12").json()["items"]]
    stays, comes, goes = ids[:8], ids[8:10], ids[10:]
    for track_id in [*stays, *goes]:
        service.request("PATCH", f"/tracks/{track_id}", json={"add_labels": ["mine"]})
    deadline = time.monotonic() + 2
    while len(found(service, labels={"all_of": ["mine"]})) < len(stays) + len(goes):
        assert time.monotonic() < deadline
    question = {"tags": {"rock": 1}, "filters": {"labels": {"all_of": ["mine"]}}}
    shown: list[str] = []
    cursor = ""
    while True:
        page = service.request("POST", f"/query?limit=1{cursor}", json=question).json()
        shown += [item["track"]["id"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
        if len(shown) == 3:
            service.request("PATCH", f"/tracks/{goes[0]}", json={"labels": []})
            service.request("DELETE", f"/tracks/{goes[1]}")
            for track_id in comes:
                service.request("PATCH", f"/tracks/{track_id}", json={"labels": ["mine"]})
    assert len(set(shown)) == len(shown)
    assert set(stays) <= set(shown) <= set(ids)
