"""Two of the poster's models on made sounds, from nothing to the tables; and once more, when all is there."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import facet
from tests.training.small_training import SMALL, make_textures
from training.checkpoint import LATEST, read_checkpoint
from training.datasets.manifest import SPLITS, Split
from training.datasets.manifest_files import read_manifest, write_manifest
from training.evaluation.evaluation import Task, read_evaluation, write_evaluation

# A shell that starts tests in the background has them ignore it.
HEARS_CTRL_C = """
import signal, facet
signal.signal(signal.SIGINT, signal.default_int_handler)
facet.main()
"""

RECIPES = ("disentangled_triplet", "classification")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Of each kind of sound two to learn from, one to stop by, and one to measure on."""
    path, vocabulary = make_textures(tmp_path_factory.mktemp("textures"), copies=3)
    manifest = read_manifest(path)
    split = manifest.split.copy()
    split[np.char.endswith(np.array(list(manifest.track_id)), "-2")] = SPLITS.index(Split.TEST)
    write_manifest(manifest.with_split(split), path)
    return path, vocabulary


@pytest.mark.timeout(600)
def test_models_are_trained_measured_and_set_beside_the_published_figures(
    tmp_path: Path, data: tuple[Path, Path]
) -> None:
    arguments = ["reproduce", str(tmp_path / "out"), "--data", str(data[0]), "--vocabulary", str(data[1])]
    arguments += ["--seeds", "1", "--cache", str(tmp_path / "cache"), "--processes", "2"]
    for recipe in RECIPES:
        arguments += ["--recipe", recipe]
    for setting in SMALL:
        arguments += ["--set", setting]
    first = CliRunner().invoke(facet.main, arguments)
    assert first.exit_code == 0, first.output
    for recipe in RECIPES:
        folder = tmp_path / "out" / recipe / "seed-0"
        evaluation = read_evaluation(folder / f"{recipe}-seed-0" / "evaluation.json")
        history = read_checkpoint(folder / "run" / LATEST).standing.history
        seconds = evaluation.find(Task.TRAINING, "processor seconds")
        assert seconds is not None
        assert seconds.value == pytest.approx(sum(record.processor_seconds for record in history))
        assert evaluation.find(Task.RETRIEVAL, "R@1") is not None
    tables = (tmp_path / "out" / "tables.md").read_text()
    assert "0.890" in tables or ".890" in tables  # the paper's best AUC stands beside ours
    written = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.safetensors")}
    written |= {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("bundle.json")}
    written |= {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("evaluation.json")}
    assert len(written) == len(RECIPES) * 4
    second = CliRunner().invoke(facet.main, arguments)
    assert second.exit_code == 0, second.output
    assert {path: path.stat().st_mtime_ns for path in written} == written
    assert (tmp_path / "out" / "tables.md").read_text() == tables
    # Killed after it had measured one, before it had written down how long the training took: both are made good.
    folder = tmp_path / "out" / RECIPES[0] / "seed-0" / f"{RECIPES[0]}-seed-0"
    whole = read_evaluation(folder / "evaluation.json")
    of_training = [figure for figure in whole.figures if figure.task is Task.TRAINING]
    untimed = tuple(figure for figure in whole.figures if figure not in of_training)
    write_evaluation(whole.model_copy(update={"figures": untimed}), folder / "evaluation.json")
    third = CliRunner().invoke(facet.main, arguments)
    assert third.exit_code == 0, third.output
    assert read_evaluation(folder / "evaluation.json") == whole
    assert (tmp_path / "out" / "tables.md").read_text() == tables


def test_an_interrupt_ends_the_step_under_way_and_begins_no_other(tmp_path: Path, data: tuple[Path, Path]) -> None:
    arguments = ["reproduce", str(tmp_path / "out"), "--data", str(data[0]), "--vocabulary", str(data[1])]
    arguments += ["--seeds", "1", "--cache", str(tmp_path / "cache")]
    for recipe in RECIPES:
        arguments += ["--recipe", recipe]
    process = subprocess.Popen(
        [sys.executable, "-c", HEARS_CTRL_C, *arguments],
        cwd=Path(facet.__file__).parent,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    begun = time.monotonic()
    while not (tmp_path / "out" / RECIPES[0] / "seed-0" / "train.log").exists():
        assert time.monotonic() - begun < 60
        assert process.poll() is None
        time.sleep(0.005)
    # The step has its own Python by then.
    time.sleep(0.5)
    # As a terminal does it: to the command and its step alike.
    os.killpg(process.pid, signal.SIGINT)
    try:
        assert process.wait(30) != 0
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    assert [path.name for path in (tmp_path / "out").iterdir()] == [RECIPES[0]]


def test_a_step_that_fails_says_which_and_why(tmp_path: Path, data: tuple[Path, Path]) -> None:
    arguments = ["reproduce", str(tmp_path / "out"), "--data", str(data[0]), "--vocabulary", str(data[1])]
    arguments += ["--recipe", "classification", "--seeds", "1", "--set", "training.no_such_setting=1"]
    failed = CliRunner().invoke(facet.main, arguments)
    assert failed.exit_code == 1
    assert "train of classification, seed 0, failed" in failed.output
    assert "no_such_setting" in failed.output
