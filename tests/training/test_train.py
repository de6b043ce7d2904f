"""The loop learns, says what is wrong before the first step, survives being killed, and is one in two processes."""

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from tests.training.small_training import SMALL, make_textures
from training.checkpoint import BEST, LATEST, Checkpoint, CheckpointError, read_checkpoint
from training.datasets.manifest_files import read_manifest, write_manifest
from training.device import choose_compute
from training.processes import Processes
from training.recipe import Machine, RecipeError
from training.recipe_files import read_recipe
from training.train import train
from training.training_commands import train as train_command
from training.training_data import TrainingData, TrainingDataError, prepare_data
from training.vocabulary import read_vocabulary

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]), "OMP_NUM_THREADS": "1"}


# One process of a run: folder of textures, folder of the run, recipe, overrides.
PROCESS = """
import sys
from pathlib import Path
from training.datasets.manifest_files import read_manifest
from training.device import choose_compute
from training.processes import Processes
from training.recipe_files import read_recipe
from training.train import train
from training.training_data import prepare_data
from training.vocabulary import read_vocabulary

textures, run, name, *overrides = sys.argv[1:]
textures, processes = Path(textures), Processes.of_environment()
recipe = read_recipe(name, overrides=overrides)
manifest, vocabulary = read_manifest(textures / "manifest.csv"), read_vocabulary(textures / "vocabulary.toml")
data = prepare_data(recipe, manifest, vocabulary, cache=textures / "cache")
compute = choose_compute(recipe.machine)
with processes.joined(compute.device):
    train(recipe, data, run=Path(run), compute=compute, processes=processes)
"""


def _process(textures: Path, run: Path, recipe: str, *overrides: str, **environment: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", PROCESS, str(textures), str(run), recipe, *SMALL, *overrides],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=ENVIRONMENT | environment,
    )


@pytest.fixture(scope="module")
def textures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with sounds, manifest, vocabulary and cached frames."""
    folder = tmp_path_factory.mktemp("textures")
    make_textures(folder)
    return folder


def _data(textures: Path, recipe_name: str = "disentangled_proxy", *overrides: str) -> TrainingData:
    recipe = read_recipe(recipe_name, overrides=[*SMALL, *overrides])
    manifest = read_manifest(textures / "manifest.csv")
    return prepare_data(recipe, manifest, read_vocabulary(textures / "vocabulary.toml"), cache=textures / "cache")


def _train(textures: Path, run: Path, recipe_name: str = "disentangled_proxy", *overrides: str) -> Checkpoint:
    recipe = read_recipe(recipe_name, overrides=[*SMALL, *overrides])
    data = _data(textures, recipe_name, *overrides)
    return train(recipe, data, run=run, compute=choose_compute(recipe.machine))


def _command(textures: Path, run: Path, recipe: str, *overrides: str) -> list[str]:
    settings = [argument for override in (*SMALL, *overrides) for argument in ("--set", override)]
    paths = ["--manifest", textures / "manifest.csv", "--vocabulary", textures / "vocabulary.toml"]
    return [recipe, *map(str, paths), "--cache", str(textures / "cache"), "--run", str(run), *settings]


def _refusal(arguments: Sequence[str]) -> str:
    result = CliRunner().invoke(train_command, list(arguments))
    assert result.exit_code == 1, result.output
    return result.output


@pytest.mark.parametrize(
    "recipe",
    [
        "triplet",
        "disentangled_triplet_track",
        "classification",
        "classification_track_hybrid",
        "contrastive",
        "masked_disentangled_classification",
    ],
)
def test_the_loss_of_every_kind_of_model_falls(textures: Path, tmp_path: Path, recipe: str) -> None:
    # Triplets are drawn anew in each epoch and are few: a single epoch's loss says little on some processors.
    last = _train(textures, tmp_path, recipe, "training.most_epochs=10", "training.validation_rows=4")
    losses = [record.training_loss for record in last.standing.history]
    assert np.mean(losses[-4:]) < np.mean(losses[:3])
    assert read_checkpoint(tmp_path).standing.plateaus.lowest_loss == last.standing.plateaus.lowest_loss


def test_the_same_recipe_gives_the_same_weights(textures: Path, tmp_path: Path) -> None:
    first, again = (_train(textures, tmp_path / name) for name in ("first", "again"))
    other = _train(textures, tmp_path / "other", "disentangled_proxy", "training.seed=1")
    assert all(tensor.equal(again.model[name]) for name, tensor in first.model.items())
    assert not all(tensor.equal(other.model[name]) for name, tensor in first.model.items())


def test_a_finished_run_stays_as_it_is_and_goes_on_with_more_epochs(textures: Path, tmp_path: Path) -> None:
    _train(textures, tmp_path / "run")
    content = (tmp_path / "run" / LATEST).read_bytes()
    _train(textures, tmp_path / "run")
    assert (tmp_path / "run" / LATEST).read_bytes() == content
    longer = _train(textures, tmp_path / "run", "disentangled_proxy", "training.most_epochs=3")
    at_once = _train(textures, tmp_path / "at once", "disentangled_proxy", "training.most_epochs=3")
    assert longer.standing.step == at_once.standing.step == 6
    assert all(tensor.equal(at_once.model[name]) for name, tensor in longer.model.items())


@pytest.mark.timeout(300)  # Three processes that import torch, one after another.
def test_a_run_that_is_killed_again_and_again_ends_with_the_same_weights(textures: Path, tmp_path: Path) -> None:
    recipe = "classification_track_hybrid"  # Batch norms, proxies, track triplets, passes with a state of their own.
    overrides = ("training.batch_rows=2", "training.epoch_rows=12", "training.checkpoint_steps=1")
    whole = _train(textures, tmp_path / "whole", recipe, *overrides)
    latest = tmp_path / "killed" / LATEST
    rng = random.Random(3)
    kills = 0
    for attempt in range(20):
        with _process(textures, tmp_path / "killed", recipe, *overrides) as process:
            if attempt < 2:
                # Once it is at it: after its next checkpoint, at any moment of the steps that follow.
                before = latest.stat().st_mtime_ns if latest.exists() else 0
                while process.poll() is None and (not latest.exists() or latest.stat().st_mtime_ns == before):
                    time.sleep(0.002)
                time.sleep(rng.uniform(0, 0.1))
                process.send_signal(signal.SIGKILL)
            _, complaint = process.communicate()
            kills += process.returncode == -signal.SIGKILL
        assert process.returncode in (0, -signal.SIGKILL), complaint.decode()
        if process.returncode == 0:
            break
    assert kills > 0
    resumed = read_checkpoint(latest)
    assert resumed.standing.step == whole.standing.step == 12
    for tensors, others in ((resumed.model, whole.model), (resumed.optimizer, whole.optimizer)):
        assert tensors.keys() == others.keys()
        assert [name for name, tensor in tensors.items() if not tensor.equal(others[name])] == []
    best, expected = read_checkpoint(tmp_path / "killed" / BEST), read_checkpoint(tmp_path / "whole" / BEST)
    assert all(tensor.equal(expected.model[name]) for name, tensor in best.model.items())
    curves = [
        [(record.training_loss, record.validation_loss) for record in state.standing.history]
        for state in (resumed, whole)
    ]
    assert curves[0] == curves[1]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("recipe", ["disentangled_triplet_track", "disentangled_classification"])
def test_two_processes_train_as_one_with_the_whole_batch(textures: Path, tmp_path: Path, recipe: str) -> None:
    # Without batch norms: on CPUs, each process's would see its own half of the batch alone.
    overrides = ("backbone.batch_norm=false", "training.learning_rate=0.001", "training.batch_rows=6")
    one = _train(textures, tmp_path / "one", recipe, *overrides)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    world = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    processes = [
        _process(textures, tmp_path / "two", recipe, *overrides, **world, RANK=str(rank), LOCAL_RANK=str(rank))
        for rank in (0, 1)
    ]
    for process in processes:
        _, complaint = process.communicate(timeout=250)
        assert process.returncode == 0, complaint.decode()
    two = read_checkpoint(tmp_path / "two" / LATEST)
    # Sums in another order: equal but for rounding, which Adam's division by small numbers enlarges.
    for mine, theirs in zip(one.standing.history, two.standing.history, strict=True):
        assert theirs.training_loss == pytest.approx(mine.training_loss, rel=1e-3)
        assert theirs.validation_loss == pytest.approx(mine.validation_loss, rel=1e-3)
    assert one.standing.history[0].training_loss != one.standing.history[1].training_loss


def test_a_batch_that_cannot_be_shared_is_refused_before_the_first_step(textures: Path, tmp_path: Path) -> None:
    recipe = read_recipe("proxy", overrides=[*SMALL, "training.batch_rows=7"])
    with pytest.raises(RecipeError, match="7, which 2 processes cannot share"):
        train(
            recipe,
            _data(textures, "proxy"),
            run=tmp_path,
            compute=choose_compute(recipe.machine),
            processes=Processes(0, 2, 0),
        )
    assert list(tmp_path.iterdir()) == []


def test_another_recipe_or_other_data_do_not_go_on_with_a_run(textures: Path, tmp_path: Path) -> None:
    _train(textures, tmp_path)
    with pytest.raises(CheckpointError, match=r"other settings: training\.learning_rate"):
        _train(textures, tmp_path, "disentangled_proxy", "training.learning_rate=0.001")
    recipe = read_recipe("disentangled_proxy", overrides=SMALL)
    manifest = read_manifest(textures / "manifest.csv")
    fewer = prepare_data(
        recipe,
        manifest.take(np.arange(1, len(manifest))),
        read_vocabulary(textures / "vocabulary.toml"),
        cache=tmp_path / "cache",
    )
    with pytest.raises(CheckpointError, match="other tracks, sides or tags"):
        train(recipe, fewer, run=tmp_path, compute=choose_compute(Machine(device="cpu", threads=1)))


def test_a_manifest_without_a_validation_side_is_refused(textures: Path, tmp_path: Path) -> None:
    manifest = read_manifest(textures / "manifest.csv")
    write_manifest(manifest.with_split(np.zeros_like(manifest.split)), textures / "unsplit.csv")
    arguments = _command(textures, tmp_path / "run", "proxy")
    arguments[arguments.index("--manifest") + 1] = str(textures / "unsplit.csv")
    assert "no row of the manifest is on the side 'valid'" in _refusal(arguments)
    assert not (tmp_path / "run").exists()


def test_a_missing_file_stops_the_run_before_its_first_step_or_is_dropped(textures: Path, tmp_path: Path) -> None:
    manifest = read_manifest(textures / "manifest.csv")
    paths = list(manifest.path)
    lines = (textures / "manifest.csv").read_text().replace(paths[0], "gone.wav")
    (textures / "gone.csv").write_text(lines)
    arguments = _command(textures, tmp_path / "run", "proxy")
    arguments[arguments.index("--manifest") + 1] = str(textures / "gone.csv")
    said = _refusal(arguments)
    assert "missing 1" in said
    assert "gone.wav" in said
    assert "data.unusable_audio=drop" in said
    result = CliRunner().invoke(train_command, [*arguments, "--set", "data.unusable_audio=drop"])
    assert result.exit_code == 0, result.output
    assert "left out: 1 files give too little audio (missing 1)" in result.output
    assert "15 training tracks" in result.output


def test_a_vocabulary_that_the_manifest_does_not_know_is_refused_by_its_tags(textures: Path, tmp_path: Path) -> None:
    text = (textures / "vocabulary.toml").read_text()
    (tmp_path / "other.toml").write_text(text.replace('"beating"', '"Beating"').replace('"grainy"', '"rough"'))
    arguments = _command(textures, tmp_path / "run", "disentangled_triplet")
    arguments[arguments.index("--vocabulary") + 1] = str(tmp_path / "other.toml")
    said = _refusal(arguments)
    assert "'rough' has 0" in said
    assert "'Beating' has 0 (the manifest has 'beating')" in said


def test_a_tag_of_a_single_track_is_refused(textures: Path) -> None:
    manifest = read_manifest(textures / "manifest.csv")
    is_beating = np.array(["beating" in tags for tags in manifest.tags])
    keep = np.flatnonzero(~is_beating | (np.cumsum(is_beating) == 1))
    with pytest.raises(TrainingDataError, match="'beating' has 1"):
        prepare_data(
            read_recipe("proxy", overrides=SMALL),
            manifest.take(keep),
            read_vocabulary(textures / "vocabulary.toml"),
            cache=textures / "cache",
        )


def test_a_wrong_recipe_is_refused_in_a_line(textures: Path, tmp_path: Path) -> None:
    said = _refusal(_command(textures, tmp_path / "run", "proxy", "loss.margn=1"))
    assert "there is no setting loss.margn; did you mean loss.margin?" in said
    assert "Traceback" not in said


def test_bfloat16_and_the_usual_layout_learn_the_same_thing(textures: Path, tmp_path: Path) -> None:
    # At a width of 0.125, torch could not do the other layout on a CPU; see `training.device`.
    overrides = (
        "training.most_epochs=2",
        "backbone.batch_norm=false",
        "training.learning_rate=0.001",
        "backbone.width=0.1875",
    )
    exact = _train(textures, tmp_path / "exact", "proxy", *overrides, "machine.channels_last=no")
    for name, setting in (("half", "machine.precision=bfloat16"), ("layout", "machine.channels_last=yes")):
        other = _train(textures, tmp_path / name, "proxy", *overrides, setting)
        # Eight bits of mantissa in the network; weights and losses stay float32.
        tolerance = 3e-2 if name == "half" else 1e-4
        for mine, theirs in zip(exact.standing.history, other.standing.history, strict=True):
            assert theirs.training_loss == pytest.approx(mine.training_loss, rel=tolerance)
        assert all(tensor.dtype in (torch.float32, torch.int64) for tensor in other.model.values())
