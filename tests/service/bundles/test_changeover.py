"""Another bundle takes over while questions are answered: none fails, none is answered half by either."""

import shutil
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from index.model import ModelBundle
from service.bundles import changeover
from service.bundles.embedding import Embedder
from service.catalogue.repository import Catalogue
from service.http.stage import Stage
from service.settings import Settings
from tests.service.http.running import Service, encoded, ingested, running_service, tune
from tests.service.http.tiny_bundle import write_tiny_bundle

TRACKS = 40
# Which of the answers under load differ from bundle to bundle, and where.
HAS_ITEMS = {0: "items", 1: "items", 2: "items", 4: "dimensions"}
SOUND = encoded(tune(np.random.default_rng(900)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Music and two models, and a catalogue that one of them has answered from."""
    folder = tmp_path_factory.mktemp("changeover")
    rng = np.random.default_rng(6)
    (folder / "music").mkdir()
    for number in range(TRACKS):
        (folder / "music" / f"{number:02d}.wav").write_bytes(encoded(tune(rng, seconds=3 + number % 3)))
    write_tiny_bundle(folder / "old", seed=1)
    write_tiny_bundle(folder / "new", seed=2)
    settings = Settings(data_dir=folder / "data", model=folder / "old", threads=1)
    ingested(settings, folder / "music")
    with running_service(settings):
        pass
    return folder


@pytest.fixture
def place(folder: Path, tmp_path: Path) -> Path:
    """A copy of the data, with the music where it was."""
    shutil.copytree(folder / "data", tmp_path / "data")
    return folder


@pytest.fixture
def old(place: Path, tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data", model=place / "old", threads=1)


@pytest.fixture
def new(old: Settings, place: Path) -> Settings:
    return old.model_copy(update={"model": place / "new"})


def encoder(settings: Settings) -> str:
    return ModelBundle.open(settings.model).encoder_id


def answering(service: Service) -> str:
    encoder_id: str = service.get("/model").json()["answering"]["encoder_id"]
    return encoder_id


def until_it_answers(service: Service, encoder_id: str, *, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while answering(service) != encoder_id:
        assert time.monotonic() < deadline, service.get("/model").text
        time.sleep(0.02)


def unheard(service: Service) -> bool:
    """Whether the index is in step, and the bundle is not ready for it has heard nothing."""
    answer = service.get("/readyz")
    assert answer.status_code == 503
    checks = answer.json()["checks"]
    return bool(checks["index"]["ready"]) and checks["bundle"]["code"] == "bundle_unheard"


@pytest.fixture
def slowly(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Nothing is embedded in the background before the event is set."""
    gate = threading.Event()
    run = Embedder.run

    def wait_and_run(self: Embedder, **options: Any) -> Iterator[Any]:
        gate.wait(300)
        return run(self, **options)

    monkeypatch.setattr(Embedder, "run", wait_and_run)
    yield gate
    gate.set()


def test_the_old_bundle_answers_until_the_new_one_is_complete(
    old: Settings, new: Settings, slowly: threading.Event
) -> None:
    with running_service(new) as service:
        model = service.get("/model").json()
        assert model["answering"]["encoder_id"] == encoder(old)
        assert (model["next"]["tracks"], model["next"]["embedded"], model["next"]["failed"]) == (TRACKS, 0, 0)
        assert service.get("/readyz").status_code == 200
        assert len(service.every_item("/search?tag=rock", limit=100)) == TRACKS
        slowly.set()
        until_it_answers(service, encoder(new))
        assert service.get("/model").json()["next"] is None
        assert len(service.every_item("/search?tag=rock", limit=100)) == TRACKS
    with Catalogue.open(new.catalogue_url) as catalogue:
        assert catalogue.count_embeddings(encoder(old)) == catalogue.count_embeddings(encoder(new)) == TRACKS


def test_the_answers_are_those_of_a_catalogue_that_never_knew_another_bundle(
    new: Settings, place: Path, tmp_path: Path
) -> None:
    fresh = new.model_copy(update={"data_dir": tmp_path / "fresh"})
    ingested(fresh, place / "music")
    clip = (place / "music" / "07.wav").read_bytes()
    with running_service(new) as service, running_service(fresh) as other:
        until_it_answers(service, encoder(new))
        answers = [
            [
                (item["track"]["title"], item["similarity"])
                for item in each.post_clip("/similar?limit=40", clip).json()["items"]
            ]
            for each in (service, other)
        ]
    with Catalogue.open(new.catalogue_url) as catalogue:
        assert catalogue.bundles.failures(encoder(new), limit=10) == []
    assert len(answers[0]) == TRACKS
    assert answers[0] == answers[1]


def test_no_question_fails_while_another_bundle_takes_over(
    old: Settings, new: Settings, slowly: threading.Event
) -> None:
    ids = [encoder(old), encoder(new)]
    problems: list[str] = []
    seen: list[str] = []
    stop = threading.Event()
    question = {"tags": {"rock": 1}, "filters": {"duration_seconds": {"at_least": 0}}, "duplicates_from": 0.99}

    with running_service(new) as service:
        expected: dict[int, Any] = {}

        def ask(number: int) -> None:
            while not stop.is_set():
                answer = [
                    lambda: service.get("/search?tag=rock&limit=100"),
                    lambda: service.post_clip("/similar?limit=100", SOUND),
                    lambda: service.request("POST", "/query?limit=100", json=question),
                    lambda: service.get("/readyz"),
                    lambda: service.post_clip("/tags", SOUND),
                    lambda: service.get("/metrics"),
                    lambda: service.get("/catalogue"),
                ][number]()
                if answer.status_code != 200:
                    problems.append(f"{answer.request.url} {answer.status_code} {answer.text}")
                elif number in HAS_ITEMS:
                    text = str(answer.json()[HAS_ITEMS[number]])
                    expected.setdefault(number, set()).add(text)

        with ThreadPoolExecutor(7) as executor:
            asking = [executor.submit(ask, number) for number in range(7)]
            time.sleep(0.3)
            seen.append(answering(service))
            slowly.set()
            until_it_answers(service, ids[1])
            time.sleep(0.3)
            seen.append(answering(service))
            stop.set()
            for each in asking:
                each.result()
    assert problems == []
    assert seen == ids
    # Whole answers of the one or of the other, nothing in between.
    assert {number: len(texts) for number, texts in expected.items()} == dict.fromkeys(HAS_ITEMS, 2)


def test_what_is_lost_is_listed_and_the_rest_taken_over(new: Settings, place: Path, tmp_path: Path) -> None:
    lost = place / "music" / "00.wav"
    lost.rename(tmp_path / "lost.wav")
    try:
        with running_service(new) as service:
            until_it_answers(service, encoder(new))
            with Catalogue.open(new.catalogue_url) as catalogue:
                (failure,) = catalogue.bundles.failures(encoder(new), limit=10)
                assert (failure.code, catalogue.track(failure.track_id).path) == ("not_found", lost.resolve())
            assert service.get(f"/tracks/{failure.track_id}/similar").json()["code"] == "track_not_embedded"
            assert len(service.every_item("/search?tag=rock", limit=100)) == TRACKS - 1
    finally:
        (tmp_path / "lost.wav").rename(lost)
    with running_service(new) as service:
        # Found again, it is embedded as soon as that is noticed.
        service.wait_for(failure.track_id)


def test_a_disk_that_is_not_mounted_is_for_a_person_to_decide(new: Settings, old: Settings, place: Path) -> None:
    music = place / "music"
    music.rename(place / "elsewhere")
    try:
        with running_service(new) as service:
            deadline = time.monotonic() + 60
            while not (told := service.get("/model").json()["next"])["needs_decision"]:
                assert time.monotonic() < deadline
                time.sleep(0.02)
            assert (told["failed"], told["embedded"], len(told["failures"])) == (TRACKS, 0, TRACKS)
            time.sleep(1.5)
            assert answering(service) == encoder(old)
            assert len(service.every_item("/search?tag=rock", limit=100)) == TRACKS
    finally:
        (place / "elsewhere").rename(music)
    with running_service(new) as service:
        until_it_answers(service, encoder(new))


def test_what_is_ingested_with_the_new_bundle_is_found_with_the_old_one(
    new: Settings, old: Settings, tmp_path: Path, slowly: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changeover, "LOOK_BACK_SECONDS", 0.0)
    with running_service(new) as service:
        file = tmp_path / "late.wav"
        file.write_bytes(SOUND)
        track_id = str(ingested(new, file)[0].track_id)
        assert service.get(f"/tracks/{track_id}/similar").json()["code"] == "track_not_embedded"
        slowly.set()
        service.wait_for(track_id)
        until_it_answers(service, encoder(new))
        service.wait_for(track_id)
    with Catalogue.open(new.catalogue_url) as catalogue:
        assert catalogue.count_embeddings(encoder(old)) == TRACKS + 1


def test_an_upload_meanwhile_is_searchable_before_and_after(new: Settings, slowly: threading.Event) -> None:
    with running_service(new) as service:
        job = service.post_clip("/tracks", SOUND).json()
        deadline = time.monotonic() + 60
        while (job := service.get(f"/jobs/{job['id']}").json())["state"] != "done":
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert service.get(f"/tracks/{job['track_id']}/similar").status_code == 200
        slowly.set()
        until_it_answers(service, encoder(new))
        assert service.get(f"/tracks/{job['track_id']}/similar").status_code == 200


def test_two_services_change_over_together_whichever_was_asked(old: Settings, new: Settings) -> None:
    with running_service(old) as one, running_service(new) as other:
        for service in (one, other):
            until_it_answers(service, encoder(new))
    # Who comes last says what is wanted: back to the old one, which lacks nothing.
    with running_service(old) as service:
        assert answering(service) == encoder(old)


def test_an_interrupted_embedding_goes_on_where_it_was(new: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    embed = Embedder._embed
    batches = iter(range(3))

    def embed_a_few(self: Embedder, *arguments: Any) -> Any:
        return embed(self, *arguments) if next(batches, None) is not None else None

    monkeypatch.setattr(Embedder, "_embed", embed_a_few)
    with running_service(new) as service:
        deadline = time.monotonic() + 60
        while service.get("/model").json()["next"]["embedded"] < 12:
            assert time.monotonic() < deadline
    monkeypatch.undo()
    heard = []
    listen = Embedder._listen
    monkeypatch.setattr(Embedder, "_listen", lambda self, track: heard.append(track.id) or listen(self, track))
    with running_service(new) as service:
        until_it_answers(service, encoder(new))
    assert len(heard) == len(set(heard)) == TRACKS - 12


def test_a_bundle_whose_copy_is_lost_gives_way_to_the_new_one(new: Settings, slowly: threading.Event) -> None:
    shutil.rmtree(new.bundles_dir)
    with running_service(new, patience_seconds=None) as service:
        assert answering(service) == encoder(new)
        # Ready to be searched, with nothing to find: before that, searches are refused.
        service.until(lambda: unheard(service))
        slowly.set()
        deadline = time.monotonic() + 60
        while len(service.every_item("/search?tag=rock", limit=100)) < TRACKS:
            assert time.monotonic() < deadline
        assert service.get("/readyz").status_code == 200


def test_a_change_that_the_service_s_end_interrupts_is_made_by_the_next(
    new: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Stage, "change", lambda _, __, stopping: not stopping.wait(30))
    with running_service(new) as service:
        deadline = time.monotonic() + 60
        with Catalogue.open(new.catalogue_url) as catalogue:
            while catalogue.bundles.standing().answering != encoder(new):
                assert time.monotonic() < deadline
                time.sleep(0.02)
        assert len(service.every_item("/search?tag=rock", limit=100)) == TRACKS
    monkeypatch.undo()
    with running_service(new) as service:
        assert answering(service) == encoder(new)
