"""A checkpoint gives back what it was made of, and nothing else passes for one."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from training.checkpoint import (
    BEST,
    LATEST,
    Checkpoint,
    CheckpointError,
    EpochRecord,
    Standing,
    read_checkpoint,
    write_checkpoint,
)
from training.model import Model, build_model
from training.recipe import Recipe
from training.recipe_files import read_recipe
from training.schedule import Plateaus
from training.vocabulary import SHIPPED, read_vocabulary

VOCABULARY = read_vocabulary(SHIPPED / "lastfm50.toml")


def _recipe() -> Recipe:
    return read_recipe("disentangled_proxy", overrides=["backbone.width=0.125", "embedding.slice_width=3"])


def _stepped(model: Model, *, n_steps: int, layout: torch.memory_format = torch.contiguous_format) -> torch.optim.Adam:
    """Adam after some steps along gradients drawn from torch's generator."""
    model.to(memory_format=layout)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    _step(model, optimizer, n_steps=n_steps)
    return optimizer


def _step(model: nn.Module, optimizer: torch.optim.Optimizer, *, n_steps: int) -> None:
    for _ in range(n_steps):
        for parameter in model.parameters():
            parameter.grad = torch.randn(parameter.shape).to(parameter) if parameter.requires_grad else None
        optimizer.step()


def _standing() -> Standing:
    rng = np.random.default_rng(5)
    return Standing(
        step=3,
        steps_in_epoch=1,
        loss_in_epoch=1 / 3,
        plateaus=Plateaus(lowest_loss=0.1 + 0.2, epochs_without_gain=2, drops=1),
        history=(
            EpochRecord(
                epoch=1,
                step=2,
                training_loss=0.1,
                validation_loss=0.3,
                learning_rate=0.005 / 5**3,
                seconds=1.5,
                processor_seconds=2.5,
            ),
        ),
        sampler={"rng": rng.bit_generator.state},
    )


def _written(folder: Path, *, layout: torch.memory_format = torch.contiguous_format) -> tuple[Checkpoint, Model, Path]:
    recipe = _recipe()
    model = build_model(recipe, VOCABULARY)
    torch.manual_seed(1)
    optimizer = _stepped(model, n_steps=3, layout=layout)
    checkpoint = Checkpoint.of(
        model,
        optimizer,
        recipe=recipe,
        vocabulary=VOCABULARY,
        data_digest="0123",
        manifest="/a/manifest.csv",
        standing=_standing(),
    )
    path = folder / LATEST
    write_checkpoint(checkpoint, path)
    _step(model, optimizer, n_steps=2)
    return checkpoint, model, path


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=["plain", "channels last"])
def test_going_on_from_a_checkpoint_is_going_on(tmp_path: Path, layout: torch.memory_format) -> None:
    _, expected, path = _written(tmp_path, layout=layout)
    read = read_checkpoint(path)
    model = build_model(read.recipe, read.vocabulary).to(memory_format=layout)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    torch.manual_seed(99)
    read.restore(model, optimizer)
    _step(model, optimizer, n_steps=2)
    for name, tensor in expected.state_dict().items():
        assert model.state_dict()[name].equal(tensor), name


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    written, _, path = _written(tmp_path)
    read = read_checkpoint(path)
    assert read.recipe == written.recipe
    assert read.vocabulary == written.vocabulary
    assert read.standing == written.standing
    assert (read.data_digest, read.manifest) == ("0123", "/a/manifest.csv")
    rng = np.random.default_rng()
    assert read.standing.sampler is not None
    rng.bit_generator.state = read.standing.sampler["rng"]
    assert rng.integers(0, 2**62, 5).tolist() == np.random.default_rng(5).integers(0, 2**62, 5).tolist()


def test_the_folder_of_a_run_stands_for_its_best_and_else_for_its_latest(tmp_path: Path) -> None:
    checkpoint, _, _ = _written(tmp_path)
    assert read_checkpoint(tmp_path).data_digest == "0123"
    best = Checkpoint(**{**vars(checkpoint), "data_digest": "best"})
    write_checkpoint(best, tmp_path / BEST)
    assert read_checkpoint(tmp_path).data_digest == "best"


def test_nothing_half_written_stays_beside_it(tmp_path: Path) -> None:
    _written(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [LATEST]


def test_a_flipped_bit_is_noticed(tmp_path: Path) -> None:
    _, _, path = _written(tmp_path)
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="not those that were written"):
        read_checkpoint(path)


def test_what_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="does not exist"):
        read_checkpoint(tmp_path / "nothing")
    (tmp_path / "text").write_text("text")
    with pytest.raises(CheckpointError, match="cannot be read as safetensors"):
        read_checkpoint(tmp_path / "text")
    save_file({"a": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(CheckpointError, match="no checkpoint of Facet"):
        read_checkpoint(tmp_path / "other.safetensors")
    _, _, path = _written(tmp_path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match="cannot be read as safetensors"):
        read_checkpoint(path)


def test_it_does_not_fit_another_model(tmp_path: Path) -> None:
    _, _, path = _written(tmp_path)
    other = build_model(read_recipe("proxy", overrides=["backbone.width=0.25"]), VOCABULARY)
    with pytest.raises(CheckpointError, match="does not fit"):
        read_checkpoint(path).restore_model(other)
