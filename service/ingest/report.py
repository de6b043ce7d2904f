"""What became of every file of a run, as `run` tells it: counted for the table at the end, and listed in a file."""

import json
import os
from collections import Counter
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.table import Table
from rich.text import Text

from service.catalogue.records import IngestResult, Outcome
from service.ingest.terminal_text import printable

FORMAT = 1
# The table is for a glance; every failure is in the report file and in `facet list --failed`.
FAILURES_SHOWN = 10


class Ending(StrEnum):
    """How a run ended."""

    COMPLETE = "complete"
    INTERRUPTED = "interrupted"
    STOPPED = "stopped"
    """By an error of the run: no room, no catalogue."""


class ReportNotWrittenError(Exception):
    """The report's file cannot be written."""


class IngestReport:
    """Counts results as they come. A context manager; with a file, the file appears whole when the context is left.

    Attributes:
        counts: Number of files by outcome.
        ignored: Number of files that do not look like audio.
        failures: Number of failed files by code.
        first_failures: Up to `FAILURES_SHOWN` of them.
        ending: Set this before leaving the context; who leaves by an exception is `STOPPED`.
    """

    def __init__(self, file: Path | None = None) -> None:
        """Begin.

        Args:
            file: Where every file is listed, as JSON: `{"format", "files": [{"path", "outcome", "track_id", "code",
                "message"}], "ended", "counts"}`. A path that is not UTF-8 holds lone surrogates, as `os.fsencode` takes
                them. It is written beside its place, a file at a time, and put in its place at the end.

        Raises:
            ReportNotWrittenError: If it cannot be written there.
        """
        self.counts: Counter[Outcome] = Counter()
        self.ignored = 0
        self.failures: Counter[str] = Counter()
        self.first_failures: list[IngestResult] = []
        self.ending = Ending.STOPPED
        self._file = file
        self._listed = 0
        if file is not None:
            self._partial = file.with_name(f".{file.name}.{os.getpid()}.partial")
            try:
                self._stream = self._partial.open("w", encoding="ascii")
            except OSError as error:
                raise _not_written(file, error) from error
            self._write(f'{{"format": {FORMAT}, "files": [')

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is None:
            return
        if isinstance(error, ReportNotWrittenError):
            self._give_up()
            return
        try:
            self._publish(self._file)
        except ReportNotWrittenError:
            if error is None:
                raise  # else what went wrong first is what to tell

    @property
    def done(self) -> int:
        """Files that something became of."""
        return self.counts.total()

    def add(self, result: IngestResult) -> None:
        """Take a result in.

        Raises:
            ReportNotWrittenError: If there is no room for it, say.
        """
        self.counts[result.outcome] += 1
        if result.outcome is Outcome.FAILED:
            self.failures[result.code or ""] += 1
            if len(self.first_failures) < FAILURES_SHOWN:
                self.first_failures.append(result)
        self._list(result.path, result.outcome.value, result.track_id, result.code, result.message)

    def add_ignored(self, path: Path) -> None:
        """Take in a file that does not look like audio.

        Raises:
            ReportNotWrittenError: If there is no room for it, say.
        """
        self.ignored += 1
        self._list(path, "ignored")

    def print(self, console: Console) -> None:
        """Print the table, and the first files that failed."""
        table = Table(box=None, show_header=False, pad_edge=False)
        table.add_column()
        table.add_column(justify="right")
        for outcome in Outcome:
            table.add_row(outcome.value, str(self.counts[outcome]))
        for code, count in sorted(self.failures.items()):
            table.add_row(f"  {code}", str(count))
        table.add_row("ignored", str(self.ignored))
        console.print(table)
        for result in self.first_failures:
            console.print(Text(f"{printable(str(result.path))}: {printable(result.message or '')}"), soft_wrap=True)
        unseen = self.counts[Outcome.FAILED] - len(self.first_failures)
        if unseen:
            console.print(f"and {unseen} more: `facet list --failed` shows them all", soft_wrap=True)

    def _list(
        self, path: Path, outcome: str, track_id: str | None = None, code: str | None = None, message: str | None = None
    ) -> None:
        entry = {"path": str(path), "outcome": outcome, "track_id": track_id, "code": code, "message": message}
        self._write((",\n" if self._listed else "\n") + json.dumps(entry))
        self._listed += 1

    def _write(self, text: str) -> None:
        if self._file is None:
            return
        try:
            self._stream.write(text)
        except OSError as error:
            raise _not_written(self._file, error) from error

    def _publish(self, file: Path) -> None:
        counts: dict[str, Any] = {outcome.value: self.counts[outcome] for outcome in Outcome}
        tail = {"ended": self.ending.value, "counts": {**counts, "ignored": self.ignored}}
        try:
            self._stream.write("\n], " + json.dumps(tail)[1:] + "\n")
            self._stream.flush()
            os.fsync(self._stream.fileno())
            self._stream.close()
            self._partial.replace(file)
        except OSError as error:
            self._give_up()
            raise _not_written(file, error) from error

    def _give_up(self) -> None:
        with suppress(OSError):
            self._stream.close()
        self._partial.unlink(missing_ok=True)


def _not_written(file: Path, error: OSError) -> ReportNotWrittenError:
    return ReportNotWrittenError(f"the report {file} cannot be written: {error.strerror or error}")
