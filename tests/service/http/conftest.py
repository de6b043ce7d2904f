"""A catalogue of made-up tunes in the tiny bundle's space, and the application on top of it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from service.catalogue.repository import Catalogue
from service.settings import Settings
from tests.service.http.running import Service, encoded, ingested, running_service, tune
from tests.service.http.tiny_bundle import write_tiny_bundle

TRACKS = 30


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_bundle(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="session")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of tunes."""
    folder = tmp_path_factory.mktemp("music")
    rng = np.random.default_rng(5)
    for number in range(TRACKS):
        (folder / f"tune-{number:02d}.wav").write_bytes(encoded(tune(rng, seconds=3 + number % 3)))
    return folder


@pytest.fixture(scope="session")
def filled_dir(tmp_path_factory: pytest.TempPathFactory, tiny_bundle: Path, music: Path) -> Path:
    """A data folder whose catalogue holds the tunes. Not to be changed: `settings` is a copy."""
    folder = tmp_path_factory.mktemp("filled")
    results = ingested(Settings(data_dir=folder, model=tiny_bundle, threads=1), music)
    assert all(result.track_id for result in results)
    return folder


@pytest.fixture
def settings(filled_dir: Path, tiny_bundle: Path, tmp_path: Path) -> Settings:
    shutil.copytree(filled_dir, tmp_path / "data")
    return Settings(
        data_dir=tmp_path / "data", model=tiny_bundle, threads=1, upload_bytes=2**20, uploaded_track_bytes=2**20
    )


@pytest.fixture
def service(settings: Settings) -> Iterator[Service]:
    """An application of the test's own."""
    with running_service(settings) as running:
        yield running


@pytest.fixture(scope="module")
def shared(filled_dir: Path, tiny_bundle: Path) -> Iterator[Service]:
    """One application for all tests of a file that only ask; it would answer to what a test of another file patches."""
    settings = Settings(
        data_dir=filled_dir, model=tiny_bundle, threads=1, upload_bytes=2**20, uploaded_track_bytes=2**20
    )
    with running_service(settings) as running:
        yield running


@pytest.fixture(scope="module")
def catalogue(shared: Service) -> Iterator[Catalogue]:
    """The shared application's catalogue, read beside it."""
    with Catalogue.open(shared.settings.catalogue_url) as opened:
        yield opened
