"""Training state on disk: what a run needs to go on, and `checkpoint_export` to make a bundle. One safetensors file.

Tensors are model, optimizer and random state; the metadata is JSON: recipe, vocabulary, and how far the run is. A file
is either the old one or the new one, whole, whenever the machine stops; what its tensors are is known by their sha256.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from training.model import Model
from training.recipe import Recipe
from training.schedule import Plateaus
from training.vocabulary import Vocabulary, VocabularyError, VocabularyTag

FORMAT_VERSION = 1

LATEST = "latest.safetensors"
BEST = "best.safetensors"

Tensors = Mapping[str, Tensor]


class CheckpointError(Exception):
    """A file is no checkpoint, is damaged, or belongs to something else."""


class EpochRecord(BaseModel):
    """What one epoch came to.

    Attributes:
        epoch: From 1.
        step: After it.
        training_loss: Mean over its steps.
        validation_loss: After it.
        learning_rate: During it.
        seconds: It took, validation included; of a resumed epoch, since it was resumed.
        processor_seconds: The same on the clock of this process's processors, which other work does not slow down.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    epoch: int
    step: int
    training_loss: float
    validation_loss: float
    learning_rate: float
    seconds: float
    processor_seconds: float


class Standing(BaseModel):
    """How far a run is.

    Attributes:
        step: Steps done.
        steps_in_epoch: Of them, in the epoch that is not over.
        loss_in_epoch: Sum of the losses of those.
        plateaus: Of the schedule.
        history: Of the epochs that are over.
        sampler: Its state after the last step's batch.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    step: int = 0
    steps_in_epoch: int = 0
    loss_in_epoch: float = 0.0
    plateaus: Plateaus = Plateaus()
    history: tuple[EpochRecord, ...] = ()
    sampler: dict[str, Any] | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class Checkpoint:
    """All of a run at one step.

    Attributes:
        recipe: It follows.
        vocabulary: Of the labels.
        data_digest: Of the tracks, sides and tags; see `training_data`.
        manifest: The file they were read from, for people and as a default of the export.
        standing: How far it is.
        model: Parameters and statistics, by name.
        optimizer: By name of the parameter and of Adam's number.
        random_state: Torch's generator.
    """

    recipe: Recipe
    vocabulary: Vocabulary
    data_digest: str
    manifest: str
    standing: Standing
    model: Tensors
    optimizer: Tensors
    random_state: Tensor

    @classmethod
    def of(
        cls,
        model: Model,
        optimizer: torch.optim.Optimizer,
        *,
        recipe: Recipe,
        vocabulary: Vocabulary,
        data_digest: str,
        manifest: str,
        standing: Standing,
    ) -> "Checkpoint":
        """Take the state of a run; its tensors are copied to the CPU, in plain layout."""
        return cls(
            recipe=recipe,
            vocabulary=vocabulary,
            data_digest=data_digest,
            manifest=manifest,
            standing=standing,
            model={name: _copied(tensor) for name, tensor in model.state_dict().items()},
            optimizer={
                f"{name}/{number}": _copied(tensor)
                for name, parameter in model.named_parameters()
                for number, tensor in optimizer.state.get(parameter, {}).items()
            },
            random_state=torch.get_rng_state(),
        )

    def restore(self, model: Model, optimizer: torch.optim.Optimizer) -> None:
        """Bring model, optimizer and torch's generator to this state.

        Raises:
            CheckpointError: If the model has other tensors than these.
        """
        self.restore_model(model)
        is_fused = bool(optimizer.defaults.get("fused"))
        for name, parameter in model.named_parameters():
            numbers = {
                key.rpartition("/")[2]: tensor for key, tensor in self.optimizer.items() if key.startswith(f"{name}/")
            }
            if numbers:
                optimizer.state[parameter] = {
                    number: _placed(tensor, parameter, is_fused=is_fused) for number, tensor in numbers.items()
                }
        torch.set_rng_state(self.random_state)

    def restore_model(self, model: nn.Module) -> None:
        """Bring only a model to this state.

        Raises:
            CheckpointError: If it has other tensors than these.
        """
        try:
            model.load_state_dict(dict(self.model))
        except RuntimeError as error:
            raise CheckpointError(f"the checkpoint does not fit the model of its recipe: {error}") from error


def write_checkpoint(checkpoint: Checkpoint, path: Path) -> None:
    """Write a checkpoint; one that stands there is replaced.

    Raises:
        OSError: If it cannot be written.
    """
    tensors = (
        {f"model/{name}": tensor for name, tensor in checkpoint.model.items()}
        | {f"optimizer/{name}": tensor for name, tensor in checkpoint.optimizer.items()}
        | {"random_state": checkpoint.random_state}
    )
    vocabulary = checkpoint.vocabulary
    content = {
        "format": FORMAT_VERSION,
        "recipe": checkpoint.recipe.model_dump(mode="json"),
        "vocabulary": {
            "name": vocabulary.name,
            "source": vocabulary.source,
            "dimensions": vocabulary.dimensions,
            "tags": [[tag.name, tag.dimension] for tag in vocabulary.tags],
        },
        "data_digest": checkpoint.data_digest,
        "manifest": checkpoint.manifest,
        "standing": checkpoint.standing.model_dump(mode="json"),
        "sha256": _digest(tensors),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    save_file(tensors, partial, metadata={"facet": json.dumps(content, ensure_ascii=False)})
    with partial.open("rb") as file:
        os.fsync(file.fileno())
    partial.replace(path)
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint and verify it.

    Args:
        path: The file, or the folder of a run: then its best one, or its latest if no epoch is over yet.

    Raises:
        CheckpointError: If there is none, or it is damaged, of another format, or contradicts itself.
    """
    if path.is_dir():
        path = path / BEST if (path / BEST).is_file() else path / LATEST
    if not path.is_file():
        raise CheckpointError(f"{path} does not exist; name a checkpoint, or the folder of a run of `facet train`")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path} cannot be read as safetensors: {error}") from error
    if "facet" not in metadata:
        raise CheckpointError(f"{path} holds tensors, but is no checkpoint of Facet")
    try:
        content = json.loads(metadata["facet"])
        if content["format"] != FORMAT_VERSION:
            raise CheckpointError(
                f"{path} has format version {content['format']}; this release reads version {FORMAT_VERSION}"
            )
        if content["sha256"] != _digest(tensors):
            raise CheckpointError(f"{path}: its tensors are not those that were written; fetch or train it again")
        return Checkpoint(
            recipe=Recipe.model_validate(content["recipe"]),
            vocabulary=_vocabulary(content["vocabulary"]),
            data_digest=content["data_digest"],
            manifest=content["manifest"],
            standing=Standing.model_validate(content["standing"]),
            model=_under("model/", tensors),
            optimizer=_under("optimizer/", tensors),
            random_state=tensors["random_state"],
        )
    except (KeyError, TypeError, ValueError, ValidationError, VocabularyError) as error:
        raise CheckpointError(f"{path} contradicts itself: {error}") from error


def _copied(tensor: Tensor) -> Tensor:
    """On the CPU, in plain layout, and not the tensor that the next step changes."""
    return tensor.detach().cpu().clone(memory_format=torch.contiguous_format)


def _placed(tensor: Tensor, parameter: nn.Parameter, *, is_fused: bool) -> Tensor:
    """Adam's means lie as the parameter does. Its count of steps stays on the CPU, unless a fused kernel reads it."""
    if tensor.shape == parameter.shape:
        return torch.empty_like(parameter, memory_format=torch.preserve_format).detach().copy_(tensor)
    return tensor.to(parameter.device, copy=True) if is_fused else tensor.clone()


def _digest(tensors: Tensors) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data if tensor.numel() else b"")
    return digest.hexdigest()


def _vocabulary(content: Mapping[str, Any]) -> Vocabulary:
    tags = tuple(VocabularyTag(name, dimension) for name, dimension in content["tags"])
    return Vocabulary(content["name"], content["source"], tuple(content["dimensions"]), tags)


def _under(prefix: str, tensors: Tensors) -> Tensors:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
