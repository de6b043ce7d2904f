"""The training loop. Data come from `training_data`, the model from `model`; checkpoints go to `checkpoint_export`.

A run is a folder: `latest.safetensors`, from which it goes on after it was killed, and `best.safetensors`, of the epoch
with the lowest validation loss. On a CPU, a run that was killed and resumed ends with the same weights, bit by bit, as
one that was not, with the same number of threads and processes.
"""

import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from training.batches import BatchLoader, LoadedBatch, load_batch, make_sampler, steps_of, validation_batches
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
from training.device import Compute
from training.losses.objective import Loss
from training.model import Model, build_model
from training.processes import Processes
from training.progress import Report, Silence
from training.recipe import Recipe, RecipeError
from training.sampling.batch import Batch
from training.training_data import TrainingData

# Steps between two looks at the loss: each makes a GPU wait for its CPU.
STEPS_PER_LOOK = 50


class TrainingDivergedError(RuntimeError):
    """The loss is no number any more."""


def train(
    recipe: Recipe,
    data: TrainingData,
    *,
    run: Path,
    compute: Compute,
    manifest: str = "",
    processes: Processes | None = None,
    report: Report | None = None,
) -> Checkpoint:
    """Train a model until its schedule ends, or go on with the run that lies in the folder.

    Args:
        recipe: What to train.
        data: What on.
        run: Folder of the run, made if it is not there; of several machines, one that all see.
        compute: Where.
        manifest: File that the data were read from, for the checkpoint.
        processes: This one among several; under `torchrun`, already joined.
        report: Who is told how it goes.

    Returns:
        The last state. The best one is in the folder.

    Raises:
        CheckpointError: If the folder has a run of another recipe, vocabulary or data set, or a damaged one.
        RecipeError: If the model cannot be built for this vocabulary, or batches not be shared by the processes.
        SamplingError: If a batch cannot be drawn from the data.
        TrainingDivergedError: If the loss is no number any more; the last checkpoint is from before.
    """
    training = _Run(
        recipe,
        data,
        folder=run,
        compute=compute,
        manifest=manifest,
        processes=processes or Processes(),
        report=report or Silence(),
    )
    training.resume()
    with training.batches() as batches:
        while not training.is_over:
            training.train_epoch(batches)
    return training.checkpoint()


class _Clocks(NamedTuple):
    wall: float
    processor: float


def _clocks() -> _Clocks:
    """Seconds, of which only differences mean something."""
    return _Clocks(time.perf_counter(), time.process_time())


class _Run:
    """A model on its way: what changes from step to step, and what a step needs."""

    def __init__(
        self,
        recipe: Recipe,
        data: TrainingData,
        *,
        folder: Path,
        compute: Compute,
        manifest: str,
        processes: Processes,
        report: Report,
    ) -> None:
        self.recipe, self.data, self.folder, self.manifest = recipe, data, folder, manifest
        self.compute, self.processes, self.report = compute, processes, report
        settings = recipe.training
        if settings.batch_rows % processes.count:
            raise RecipeError(
                f"training.batch_rows is {settings.batch_rows}, which {processes.count} processes cannot share evenly; "
                f"take a multiple of {processes.count}"
            )
        model = build_model(recipe, data.vocabulary)
        self.model = compute.place(processes.synchronised(model, compute.device))
        parameters = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        self.optimizer = torch.optim.Adam(parameters, lr=settings.learning_rate, fused=compute.device.type == "cuda")
        rng = np.random.default_rng(settings.seed)
        self.sampler, rows_per_pass = make_sampler(recipe, self.model.loss, data.train, data.vocabulary, rng)
        self.steps_per_epoch = steps_of(settings.epoch_rows or rows_per_pass, recipe)
        self.validation, _ = validation_batches(recipe, self.model.loss, data, processes)
        self.standing = Standing()

    def resume(self) -> None:
        """Go where the run in the folder stands, if there is one."""
        latest = self.folder / LATEST
        if not latest.exists():
            return
        checkpoint = read_checkpoint(latest)
        _check_same_run(checkpoint, self.recipe, self.data, self.folder)
        checkpoint.restore(self.model, self.optimizer)
        self.standing = checkpoint.standing
        if self.standing.sampler is not None:
            self.sampler.restore(self.standing.sampler)

    def batches(self) -> BatchLoader:
        """Batches for ever, this process's part of each."""
        return BatchLoader(
            self.sampler,
            self.data.train,
            rows=self.recipe.training.batch_rows,
            cache=self.data.cache,
            compute=self.compute,
            processes=self.processes,
        )

    @property
    def is_over(self) -> bool:
        """Whether the schedule, or the most epochs, ends the run."""
        most = self.recipe.training.most_epochs
        return self.standing.plateaus.is_over or (most > 0 and len(self.standing.history) >= most)

    def train_epoch(self, batches: Iterator[LoadedBatch]) -> None:
        """Take the steps of the epoch that are not done, validate, and save."""
        settings, epoch, began = self.recipe.training, len(self.standing.history) + 1, _clocks()
        rate = self.standing.plateaus.learning_rate(settings)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        steps_done, first_step = self.standing.steps_in_epoch, self.standing.step - self.standing.steps_in_epoch
        self.report.begins(epoch=epoch, steps=self.steps_per_epoch, steps_done=steps_done, epochs=settings.most_epochs)
        self.model.train()
        # A double on the device: read now and then only, so that a GPU never waits for it.
        loss_in_epoch = torch.tensor(self.standing.loss_in_epoch, dtype=torch.float64, device=self.compute.device)
        for steps_in_epoch in range(steps_done + 1, self.steps_per_epoch + 1):
            batch = next(batches)
            loss = train_step(self.model, self.optimizer, batch, self.compute, self.processes)
            loss_in_epoch += loss.total.detach()
            self.report.stepped()
            step = first_step + steps_in_epoch
            is_last = steps_in_epoch == self.steps_per_epoch
            is_saved = settings.checkpoint_steps > 0 and step % settings.checkpoint_steps == 0 and not is_last
            if is_last or is_saved or step % STEPS_PER_LOOK == 0:
                speed = (steps_in_epoch - steps_done) / (_clocks().wall - began.wall)
                self._look(loss, step, steps_per_second=speed)
            if is_last or is_saved:
                self._note(
                    step=step,
                    steps_in_epoch=steps_in_epoch,
                    loss_in_epoch=float(self.processes.mean(loss_in_epoch)),
                    sampler=dict(batch.sampler_state),
                )
            if is_saved:
                self._save(LATEST)
        self._end_epoch(epoch, rate, began=began)

    def checkpoint(self) -> Checkpoint:
        """The state as it is."""
        return Checkpoint.of(
            self.model,
            self.optimizer,
            recipe=self.recipe,
            vocabulary=self.data.vocabulary,
            data_digest=self.data.digest,
            manifest=self.manifest,
            standing=self.standing,
        )

    def _end_epoch(self, epoch: int, rate: float, *, began: _Clocks) -> None:
        self.processes.average_statistics(self.model)
        validation_loss = _validation_loss(self.model, self.validation, self.data, self.compute, self.processes)
        standing, now = self.standing, _clocks()
        record = EpochRecord(
            epoch=epoch,
            step=standing.step,
            training_loss=standing.loss_in_epoch / self.steps_per_epoch,
            validation_loss=_finite(validation_loss, standing.step, self.recipe),
            learning_rate=rate,
            seconds=now.wall - began.wall,
            processor_seconds=now.processor - began.processor,
        )
        plateaus = standing.plateaus.after_epoch(record.validation_loss, self.recipe.training)
        is_best = plateaus.lowest_loss != standing.plateaus.lowest_loss
        self._note(steps_in_epoch=0, loss_in_epoch=0.0, plateaus=plateaus, history=(*standing.history, record))
        # The best first: if the process dies between the two, this epoch's end is done again, and both are written.
        self._save(*([BEST] if is_best else []), LATEST)
        self.report.ended(record, is_best=is_best)

    def _note(self, **changes: object) -> None:
        self.standing = self.standing.model_copy(update=changes)

    def _look(self, loss: Loss, step: int, *, steps_per_second: float) -> None:
        numbers = {f"training/{name}": float(term) for name, term in loss.terms.items()}
        numbers["training/loss"] = _finite(loss.total, step, self.recipe)
        numbers["training/steps_per_second"] = steps_per_second
        self.report.measured(step, numbers)

    def _save(self, *names: str) -> None:
        if self.processes.is_first:
            checkpoint = self.checkpoint()
            for name in names:
                write_checkpoint(checkpoint, self.folder / name)


def train_step(
    model: Model, optimizer: torch.optim.Optimizer, batch: LoadedBatch, compute: Compute, processes: Processes
) -> Loss:
    """Learn from one batch, of which this process has its part; the loss is of that part."""
    loss = _loss(model, batch, compute)
    optimizer.zero_grad(set_to_none=True)
    loss.total.backward()  # type: ignore[no-untyped-call]
    processes.average_gradients(model.parameters())
    optimizer.step()
    return loss


def _loss(model: Model, batch: LoadedBatch, compute: Compute) -> Loss:
    frames = compute.frames(batch.frames)
    with compute.autocast():
        embeddings = model.network(frames)
    return model.loss(embeddings, batch.targets.to(compute.device))


def _validation_loss(
    model: Model,
    batches: Sequence[tuple[Batch, int]],
    data: TrainingData,
    compute: Compute,
    processes: Processes,
) -> torch.Tensor:
    """The mean over all rows, of all processes."""
    model.eval()
    total = torch.zeros((), dtype=torch.float64, device=compute.device)
    with torch.inference_mode():
        for batch, n_rows in batches:
            loaded = load_batch(batch, {}, side=data.valid, cache=data.cache, compute=compute)
            total += n_rows * _loss(model, loaded, compute).total.double()
    return processes.mean(total / sum(n_rows for _, n_rows in batches))


def _finite(loss: torch.Tensor, step: int, recipe: Recipe) -> float:
    number = float(loss.detach())
    if not math.isfinite(number):
        raise TrainingDivergedError(
            f"the loss is {number} at step {step}; try a lower rate "
            f"(--set training.learning_rate={recipe.training.learning_rate / 10:g}) in another folder"
        )
    return number


def _check_same_run(checkpoint: Checkpoint, recipe: Recipe, data: TrainingData, run: Path) -> None:
    """Going on with anything else would give weights that no recipe describes."""
    way_out = "name another folder with --run, or start it as it was"
    different = checkpoint.recipe.difference(recipe)
    if different:
        raise CheckpointError(f"{run} holds a run with other settings: {', '.join(different)}; {way_out}")
    if checkpoint.vocabulary != data.vocabulary:
        raise CheckpointError(f"{run} holds a run with another vocabulary, {checkpoint.vocabulary.name}; {way_out}")
    if checkpoint.data_digest != data.digest:
        raise CheckpointError(
            f"{run} holds a run on other tracks, sides or tags (from {checkpoint.manifest}); {way_out}"
        )
