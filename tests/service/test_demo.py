"""The demonstration's own catalogue, which several copies of Facet on one machine share."""

import shutil
from pathlib import Path

import numpy as np

from service.catalogue.repository import Catalogue
from service.demo import SAMPLES, of_another_copy
from service.settings import Settings
from tests.service.http.running import encoded, ingested, tune
from tests.service.http.tiny_bundle import write_tiny_bundle


def test_samples_of_another_copy_of_facet_are_found_and_nothing_else(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data", model=write_tiny_bundle(tmp_path / "model"))
    ours = sorted((SAMPLES / "audio").iterdir())[:2]
    copied, mine = tmp_path / "elsewhere" / "samples" / "audio", tmp_path / "music" / "samples" / "audio"
    for folder in (copied, mine):
        folder.mkdir(parents=True)
    for path in ours:
        shutil.copy(path, copied)
    (mine / "mine.wav").write_bytes(encoded(tune(np.random.default_rng(0))))
    for folder in (copied, mine):
        ingested(settings, folder)
    with Catalogue.open(settings.catalogue_url) as catalogue:
        found = catalogue.tracks(of_another_copy(catalogue))
    assert sorted(track.path.name for track in found.values()) == [path.name for path in ours]
    assert all(track.path.is_relative_to(copied) for track in found.values())
