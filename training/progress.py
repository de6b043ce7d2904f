"""What a person sees of a run: a bar with the time left, and curves for TensorBoard. `train` tells, nothing asks."""

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import TimeRemainingColumn as TimeLeftColumn
from torch.utils.tensorboard import SummaryWriter

from training.checkpoint import EpochRecord

CURVES_FOLDER = "tensorboard"


class Report(Protocol):
    """Who is told how a run goes."""

    def begins(self, *, epoch: int, steps: int, steps_done: int, epochs: int) -> None:
        """An epoch begins, or goes on; `epochs` is the most there will be, 0 if nobody knows."""

    def stepped(self) -> None:
        """One step is done."""

    def measured(self, step: int, numbers: Mapping[str, float]) -> None:
        """Numbers of a step, by name."""

    def ended(self, record: EpochRecord, *, is_best: bool) -> None:
        """An epoch is over."""


class Silence:
    """Tells nobody."""

    def begins(self, *, epoch: int, steps: int, steps_done: int, epochs: int) -> None:
        """Nothing."""

    def stepped(self) -> None:
        """Nothing."""

    def measured(self, step: int, numbers: Mapping[str, float]) -> None:
        """Nothing."""

    def ended(self, record: EpochRecord, *, is_best: bool) -> None:
        """Nothing."""


class BarAndCurves:
    """A bar on the terminal, a line for each epoch, and TensorBoard's files in the run's folder. A context manager."""

    def __init__(self, run: Path, *, first_step: int, console: Console) -> None:
        """Begin to show.

        Args:
            run: Folder of the run.
            first_step: That is to come; points of a killed run from there on are hidden.
            console: To write on.
        """
        self._console = console
        self._curves = SummaryWriter(str(run / CURVES_FOLDER), purge_step=first_step)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeLeftColumn(),
            console=console,
            transient=True,
        )
        self._epoch: TaskID | None = None
        self._all: TaskID | None = None

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._bar.stop()
        self._curves.close()

    def begins(self, *, epoch: int, steps: int, steps_done: int, epochs: int) -> None:
        """Show a bar for the epoch and, if its end is known, one for the run."""
        if self._epoch is not None:
            self._bar.remove_task(self._epoch)
        if epochs and self._all is None:
            self._all = self._bar.add_task("at most, epochs", total=epochs * steps, completed=(epoch - 1) * steps)
            self._bar.update(self._all, advance=steps_done)
        self._epoch = self._bar.add_task(f"epoch {epoch}", total=steps, completed=steps_done)

    def stepped(self) -> None:
        """Move the bars."""
        for task in (self._epoch, self._all):
            if task is not None:
                self._bar.advance(task)

    def measured(self, step: int, numbers: Mapping[str, float]) -> None:
        """Add a point to the curves."""
        for name, number in numbers.items():
            self._curves.add_scalar(name, number, step)

    def ended(self, record: EpochRecord, *, is_best: bool) -> None:
        """Print the epoch's line."""
        self.measured(
            record.step,
            {
                "validation/loss": record.validation_loss,
                "training/epoch_loss": record.training_loss,
                "training/learning_rate": record.learning_rate,
                "training/seconds_per_epoch": record.seconds,
            },
        )
        self._curves.flush()
        self._console.print(
            f"epoch {record.epoch:3d}  step {record.step:6d}  training {record.training_loss:.4f}  "
            f"validation {record.validation_loss:.4f}{' (lowest)' if is_best else '         '}  "
            f"rate {record.learning_rate:.2g}  {record.seconds:.1f} s",
            highlight=False,
        )


class FramesBar:
    """A bar while frames are computed; none if all are there. A context manager."""

    def __init__(self, console: Console) -> None:
        self._bar = Progress(
            TextColumn("log-mel frames"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeLeftColumn(),
            console=console,
            transient=True,
        )
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._bar.stop()

    def watch(self, done: int, of: int) -> None:
        """So many rows are done."""
        if self._task is None:
            self._bar.start()
            self._task = self._bar.add_task("", total=of)
        self._bar.update(self._task, completed=done)
