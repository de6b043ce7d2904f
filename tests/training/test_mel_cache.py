"""Cached frames are those of the front end; what fails is told by code; a build that was killed goes on."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.training.small_training import SAMPLE_RATE, write_wave
from training.clip_waveforms import describe_failures
from training.datasets.manifest import Manifest
from training.front_end import FRONT_ENDS
from training.mel_cache import MelCache, cache_frames
from training.mel_files import NOT_YET, ROWS_PER_FLUSH
from training.paper_log_mel import PAPER_LOG_MEL, PaperLogMel

FRONT_END = FRONT_ENDS["inception"]
EXCERPT = PAPER_LOG_MEL.excerpt_samples


def _noise(seconds: float, seed: int) -> np.ndarray:
    return 0.3 * np.random.default_rng(seed).uniform(-1, 1, int(seconds * SAMPLE_RATE))


def _manifest(folder: Path, **columns: object) -> Manifest:
    """Four files: 10 s, 4 s, one that is missing, one that is no audio."""
    write_wave(folder / "long.wav", _noise(10, 1))
    write_wave(folder / "short.wav", _noise(4, 2))
    (folder / "text.mp3").write_text("no audio")
    paths = ["long.wav", "short.wav", "missing.wav", "text.mp3"]
    return Manifest.of(folder, path=paths, track_id=paths, **columns)


def _cache(manifest: Manifest, folder: Path, **settings: object) -> MelCache:
    given = {"excerpts_per_track": 10, "stored_as": "float32"} | settings
    return cache_frames(manifest, folder=folder / "cache", front_end=FRONT_END, **given)


def test_frames_are_those_of_the_front_end(tmp_path: Path) -> None:
    cache = _cache(_manifest(tmp_path), tmp_path)
    assert cache.n_excerpts.tolist() == [3, 1, 0, 0]
    # As 16-bit audio holds it.
    samples = (np.clip(_noise(10, 1), -1, 1) * 32767).astype("<i2") / 32768
    waveforms = torch.from_numpy(samples[: 3 * EXCERPT].reshape(3, EXCERPT).astype(np.float32))
    found = cache.frames(np.array([0, 0, 0]), np.array([2, 0, 1]))
    expected = PaperLogMel()(waveforms)[[2, 0, 1]]
    assert found.shape == (3, 129, 128)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_half_precision_is_near_and_no_more_excerpts_are_taken_than_asked_for(tmp_path: Path) -> None:
    manifest = _manifest(tmp_path)
    exact, half = _cache(manifest, tmp_path), _cache(manifest, tmp_path, excerpts_per_track=2, stored_as="float16")
    assert half.n_excerpts.tolist() == [2, 1, 0, 0]
    where = np.array([0, 0, 1]), np.array([0, 1, 0])
    torch.testing.assert_close(half.frames(*where).float(), exact.frames(*where), rtol=5e-4, atol=5e-4)
    assert half.frames(*where).dtype == torch.float16


def test_what_gives_no_audio_is_told_with_its_code(tmp_path: Path) -> None:
    cache = _cache(_manifest(tmp_path), tmp_path)
    assert {row: failure.code for row, failure in cache.failures.items()} == {2: "missing", 3: "not_audio"}
    said = describe_failures(cache.failures)
    assert "missing 1, not_audio 1" in said
    assert "missing.wav does not exist" in said


def test_a_clip_has_the_excerpts_that_lie_within_it(tmp_path: Path) -> None:
    write_wave(tmp_path / "long.wav", _noise(13, 1))
    manifest = Manifest.of(
        tmp_path,
        path=["long.wav"] * 3,
        track_id=["all", "middle", "nothing"],
        start_seconds=[0.0, 3.0, 4.0],
        duration_seconds=[np.nan, 6.0, 3.5],
    )
    cache = _cache(manifest, tmp_path)
    assert cache.n_excerpts.tolist() == [4, 2, 0]
    assert cache.failures[2].code == "too_short"
    middle = cache.frames(np.array([1, 1]), np.array([0, 1]))
    assert middle.equal(cache.frames(np.array([0, 0]), np.array([1, 2])))


def test_a_second_opening_decodes_nothing_but_what_has_changed(tmp_path: Path) -> None:
    manifest = _manifest(tmp_path)
    seen: list[tuple[int, int]] = []
    first = _cache(manifest, tmp_path, watch=lambda done, of: seen.append((done, of)))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
    seen.clear()
    again = _cache(manifest, tmp_path, watch=lambda done, of: seen.append((done, of)))
    assert seen == []
    assert again.n_excerpts.tolist() == first.n_excerpts.tolist()
    write_wave(tmp_path / "missing.wav", _noise(7, 3))
    came = _cache(manifest, tmp_path, watch=lambda done, of: seen.append((done, of)))
    assert seen == [(4, 4)]
    assert came.n_excerpts.tolist() == [3, 1, 2, 0]
    assert list(came.failures) == [3]


def test_other_audio_or_settings_have_another_cache(tmp_path: Path) -> None:
    manifest = _manifest(tmp_path)
    _cache(manifest, tmp_path)
    _cache(manifest.take(np.array([0, 1])), tmp_path)
    _cache(manifest, tmp_path, excerpts_per_track=3)
    cache_frames(manifest, folder=tmp_path / "cache", front_end=FRONT_ENDS["musicnn"], excerpts_per_track=10)
    assert len(list((tmp_path / "cache").iterdir())) == 4


_BUILD = """
import sys
from pathlib import Path
from training.datasets.manifest_files import read_manifest
from training.front_end import FRONT_ENDS
from training.mel_cache import cache_frames
cache_frames(read_manifest(Path(sys.argv[1])), folder=Path(sys.argv[2]), front_end=FRONT_ENDS["inception"],
             excerpts_per_track=1, watch=lambda done, of: print(done, flush=True))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="kills by signal")
def test_a_build_that_was_killed_goes_on_and_gives_the_same(tmp_path: Path) -> None:
    n_rows = 2 * ROWS_PER_FLUSH + 5
    paths = [f"{number}.wav" for number in range(n_rows)]
    for number, path in enumerate(paths):
        write_wave(tmp_path / path, _noise(3.1, number))
    from training.datasets.manifest_files import write_manifest

    manifest = Manifest.of(tmp_path, path=paths, track_id=paths)
    write_manifest(manifest, tmp_path / "manifest.csv")
    arguments = [sys.executable, "-c", _BUILD, str(tmp_path / "manifest.csv"), str(tmp_path / "killed")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, env=environment) as build:
        assert build.stdout is not None
        for line in build.stdout:
            if int(line) > ROWS_PER_FLUSH + 3:
                build.send_signal(signal.SIGKILL)
                break
    counts = np.load(next((tmp_path / "killed").rglob("excerpts.npy")))
    assert ROWS_PER_FLUSH <= (counts != NOT_YET).sum() < n_rows
    began = time.monotonic()
    seen: list[int] = []
    settings = {"front_end": FRONT_END, "excerpts_per_track": 1}
    resumed = cache_frames(manifest, folder=tmp_path / "killed", watch=lambda done, _: seen.append(done), **settings)
    whole = cache_frames(manifest, folder=tmp_path / "whole", **settings)
    assert time.monotonic() - began < 100
    assert len(seen) == n_rows - (counts != NOT_YET).sum()
    rows, excerpts = np.arange(n_rows), np.zeros(n_rows, dtype=np.int64)
    assert resumed.frames(rows, excerpts).equal(whole.frames(rows, excerpts))
    assert json.loads(next((tmp_path / "killed").rglob("cache.json")).read_text())["stored_as"] == "float16"
