"""Shows how far a run is: a bar in a terminal, and a line now and then where there is none (a log, a pipe)."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from service.catalogue.records import IngestResult, Outcome

LINE_SECONDS = 30.0
# The time left follows the pace of the last minutes: files that were known already go by in an instant.
PACE_SECONDS = 120.0


class _PaceColumn(ProgressColumn):
    """Tracks that were listened to, a minute."""

    def render(self, task: Task) -> Text:
        """The number."""
        return Text(f"{_pace(task):.0f} tracks/min")


@contextmanager
def shown_progress(total: int, console: Console) -> Iterator[Callable[[IngestResult], None]]:
    """Show progress until the block is left.

    Args:
        total: Files there are to look at.
        console: Where to show it.

    Yields:
        What to call with every result.
    """
    progress = Progress(
        TextColumn("ingest"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("files"),
        _PaceColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
        speed_estimate_period=PACE_SECONDS,
        transient=True,
    )
    task_id = progress.add_task("ingest", total=total, heard=0)
    task = progress.tasks[0]
    line_at = time.monotonic() + LINE_SECONDS

    def advance(result: IngestResult) -> None:
        nonlocal line_at
        heard = task.fields["heard"] + (result.outcome is not Outcome.UNCHANGED)
        # Files can appear after they were counted.
        total = max(task.total or 0, task.completed + 1)
        progress.update(task_id, advance=1, heard=heard, total=total)
        if not console.is_terminal and time.monotonic() > line_at:
            line_at = time.monotonic() + LINE_SECONDS
            console.print(_line(task), soft_wrap=True)

    with progress:
        yield advance


def _pace(task: Task) -> float:
    heard: int = task.fields["heard"]
    return 60 * heard / task.elapsed if task.elapsed else 0.0


def _line(task: Task) -> str:
    left = "" if task.time_remaining is None else f", about {timedelta(seconds=round(task.time_remaining))} left"
    return f"{task.completed:.0f} of {task.total:.0f} files, {_pace(task):.0f} tracks a minute{left}"
