"""Two processes on one catalogue see each other's changes; readiness tells what is missing."""

import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from index.bundle_manifest import BundleError
from service.bundles.changeover import Changeover
from service.catalogue.errors import CatalogueNotMigratedError
from service.catalogue.repository import Catalogue
from service.settings import Settings
from tests.service.http.running import Service, encoded, ingested, running_service, tune
from tests.service.http.tiny_bundle import write_tiny_bundle


def test_a_live_process_says_so_in_plain_text(shared: Service) -> None:
    answer = shared.get("/livez")
    assert (answer.status_code, answer.text) == (200, "alive\n")
    assert answer.headers["content-type"].startswith("text/plain")


def test_readiness_tells_of_each_part(shared: Service) -> None:
    answer = shared.get("/readyz").json()
    assert answer == {
        "ready": True,
        "checks": {name: {"ready": True, "code": None, "reason": None} for name in ("database", "bundle", "index")},
    }


def test_two_services_on_one_catalogue_see_a_change_within_two_seconds(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "new.wav"
    file.write_bytes(encoded(tune(np.random.default_rng(1))))
    with running_service(settings) as one, running_service(settings) as other:
        track_id = str(ingested(settings, file)[0].track_id)
        _assert_within_two_seconds(one, other, track_id, present=True)
        with Catalogue.open(settings.catalogue_url) as catalogue:
            catalogue.forget([track_id])
        _assert_within_two_seconds(one, other, track_id, present=False)


def _assert_within_two_seconds(one: Service, other: Service, track_id: str, *, present: bool) -> None:
    deadline = time.monotonic() + 2

    def holds(service: Service) -> bool:
        found = {item["track"]["id"] for item in service.every_item("/search?tag=rock", limit=100)}
        return (track_id in found) == present

    while not (holds(one) and holds(other)):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_model_that_has_heard_nothing_of_the_catalogue_is_not_ready(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Changeover, "start", lambda _: None)
    shutil.rmtree(settings.bundles_dir, ignore_errors=True)
    other = settings.model_copy(update={"model": write_tiny_bundle(tmp_path / "other", seed=2)})
    with (
        pytest.raises(AssertionError, match="none of the catalogue's 30 tracks is analysed with the model 'tiny'"),
        running_service(other, patience_seconds=0.5),
    ):
        pass
    monkeypatch.undo()
    with running_service(other) as service:
        assert service.get("/readyz").status_code == 200


def test_an_empty_catalogue_is_ready_and_answers_with_nothing(settings: Settings, tmp_path: Path) -> None:
    empty = settings.model_copy(update={"data_dir": tmp_path / "empty"})
    Catalogue.open(empty.catalogue_url, create=True).close()
    with running_service(empty) as service:
        assert service.get("/search?tag=rock").json() == {"items": [], "next_cursor": None, "ended_at_depth": None}
        assert service.get("/tracks").json() == {"items": [], "next_cursor": None}


def test_a_service_does_not_start_without_a_catalogue(settings: Settings, tmp_path: Path) -> None:
    with (
        pytest.raises(CatalogueNotMigratedError, match="facet ingest"),
        running_service(settings.model_copy(update={"data_dir": tmp_path / "nothing"})),
    ):
        pass


def test_a_service_does_not_start_on_a_damaged_model(settings: Settings, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged"
    shutil.copytree(settings.model, damaged)
    (damaged / "encoder.onnx").write_bytes(b"")
    with pytest.raises(BundleError), running_service(settings.model_copy(update={"model": damaged})):
        pass
