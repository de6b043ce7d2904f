import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from index.analysis import Analysis
from service.catalogue.errors import CatalogueNotMigratedError
from service.catalogue.records import Track, TrackEmbedding
from service.catalogue.repository import Catalogue
from service.listening import open_analyser
from service.settings import SHIPPED, Settings

FILES = 16


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some of the music that ships with Facet, and two files that are none."""
    folder = tmp_path_factory.mktemp("music").resolve()
    samples = sorted((SHIPPED / "samples").rglob("*.mp3"))[:FILES]
    assert len(samples) == FILES
    for sample in samples:
        shutil.copy(sample, folder)
    (folder / "text.mp3").write_text("This is a text. " * 100)
    (folder / "empty.flac").touch()
    return folder


@pytest.fixture(scope="module")
def whole(music: Path, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings with a catalogue that an uninterrupted `facet ingest` has filled."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("data"), threads=2)
    process = start_ingest(music, settings.data_dir)
    stdout, stderr = process.communicate(timeout=110)
    assert (process.returncode, stderr) == (1, "")
    counts = [line.split() for line in stdout.splitlines()]
    for expected in (["added", str(FILES)], ["failed", "2"], ["not_audio", "2"]):
        assert expected in counts
    return settings


def start_ingest(music: Path, data_dir: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, SHIPPED / "facet.py", "ingest", str(music)],
        env={**os.environ, "FACET_DATA_DIR": str(data_dir), "FACET_THREADS": "2"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def content(settings: Settings, encoder_id: str) -> dict[Path, tuple[Track, TrackEmbedding]]:
    try:
        with Catalogue.open(settings.catalogue_url) as catalogue:
            tracks = catalogue.list_tracks(limit=1000)
            embeddings = catalogue.embeddings([track.id for track in tracks], encoder_id)
    except CatalogueNotMigratedError:
        return {}
    assert len({track.path for track in tracks}) == len(tracks) == len(embeddings)
    return {track.path: (track, embeddings[track.id]) for track in tracks}


@pytest.fixture(scope="module")
def heard(music: Path, whole: Settings) -> tuple[str, dict[Path, Analysis]]:
    """The encoder's id, and what the analyser hears in three files when it is asked directly."""
    with open_analyser(whole, workers=1) as analyser:
        return analyser.bundle.encoder_id, {path: analyser.analyse(path) for path in sorted(music.glob("*-*.mp3"))[:3]}


def test_what_is_kept_is_what_the_model_hears(whole: Settings, heard: tuple[str, dict[Path, Analysis]]) -> None:
    encoder_id, analyses = heard
    kept = content(whole, encoder_id)
    assert len(kept) == FILES
    for path, analysis in analyses.items():
        track, embedding = kept[path]
        # A batch's rows may differ in their last bits with the number of threads.
        np.testing.assert_allclose(embedding.vector, analysis.vector, atol=1e-5)
        np.testing.assert_allclose(embedding.tag_probabilities, analysis.tag_probabilities, atol=1e-5)
        np.testing.assert_allclose(embedding.excerpt_vectors, analysis.excerpt_vectors, atol=2**-11)
        assert np.array_equal(embedding.excerpt_starts, analysis.excerpt_starts)
        assert (track.title, track.artist) == (analysis.metadata.title or path.stem, analysis.metadata.artist)
        assert track.duration_seconds == analysis.duration_seconds


def children_of(process_id: int) -> list[int]:
    """Processes that a process has started and that still are."""
    return [
        int(child)
        for tasks in Path(f"/proc/{process_id}/task").glob("*/children")
        for child in tasks.read_text().split()
    ]


def is_running(process_id: int) -> bool:
    try:
        # Behind the name, which is in brackets: Z is a process that has ended and whom nobody has asked how.
        return Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks for children where Linux lists them")
def test_a_killed_ingest_takes_its_decoders_along_and_loses_nothing(
    music: Path, whole: Settings, heard: tuple[str, dict[Path, Analysis]], tmp_path: Path
) -> None:
    encoder_id, _ = heard
    settings = Settings(data_dir=tmp_path, threads=2)
    process = start_ingest(music, tmp_path)
    while not (before := content(settings, encoder_id)):
        assert process.poll() is None
        time.sleep(0.02)
    decoders = children_of(process.pid)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)
    assert decoders != []
    until = time.monotonic() + 10
    while any(is_running(decoder) for decoder in decoders):
        assert time.monotonic() < until, "a decoder outlived the ingest"
        time.sleep(0.05)
    process = start_ingest(music, tmp_path)
    process.communicate(timeout=110)
    after, expected = content(settings, encoder_id), content(whole, encoder_id)
    assert after.keys() == expected.keys()
    for path, (track, embedding) in after.items():
        np.testing.assert_allclose(embedding.vector, expected[path][1].vector, atol=1e-5)
        if path in before:
            assert track == before[path][0]
