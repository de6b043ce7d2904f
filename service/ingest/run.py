"""One run over folders and files: `walk` finds, `reading` reads in an executor's tasks, `settling` writes in batches.

A file goes one way: it is *known* as it stands and nothing is read; else it is *hashed* and settled (touched, moved,
copied); else, if it must be, *analysed* and settled. A bounded number of tasks is under way at a time. Looking up,
deciding and writing are the calling thread's, in one transaction for each batch.

Whatever ends a run, what was committed stands, and the next run begins where this one left off: the tracks that are in
the catalogue are all that is remembered of it.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from index.analysis import Analysis
from index.decoder import DecoderStartError
from service.catalogue.records import IngestResult, Outcome
from service.catalogue.repository import Catalogue
from service.catalogue.writing import FileState
from service.ingest.reading import TrackAnalyser, analyse, as_file_error, read_state
from service.ingest.settling import failure, settle, settle_failure
from service.ingest.walk import Found, walk

# Enough that no worker waits for the catalogue, few enough that a hundred thousand files are never held at once.
TASKS_PER_WORKER = 32
# Paths that are looked up in one question.
PATHS_AT_ONCE = 256
# A batch is written when it is this large or this old: little time in transactions, little lost by a kill.
BATCH_SIZE = 64
BATCH_SECONDS = 0.5
# How often a run that waits for its tasks looks whether it is to stop.
GLANCE_SECONDS = 0.2


@dataclass(frozen=True)
class _Hashed:
    """A file whose content is known."""

    file: FileState


@dataclass(frozen=True)
class _Heard:
    """A file that was listened to."""

    file: FileState
    analysis: Analysis


@dataclass(frozen=True)
class _Failed:
    """A file that was not read to its end; its state, if it was being listened to."""

    path: Path
    file: FileState | None
    error: BaseException


class Ingest:
    """One run; make another for the next. Several may run at once, here and in other processes: a file is kept once."""

    def __init__(
        self, catalogue: Catalogue, analyser: TrackAnalyser, *, encoder_id: str, executor: Executor, workers: int
    ) -> None:
        """Prepare.

        Args:
            catalogue: Where tracks go.
            analyser: What listens. An executor of other processes must be able to send it there.
            encoder_id: The embedding space it listens in.
            executor: What runs the tasks.
            workers: How many it runs at a time.
        """
        self._catalogue = catalogue
        self._analyser = analyser
        self._encoder_id = encoder_id
        self._executor = executor
        self._workers = workers
        self._waiting: deque[Path] = deque()
        self._hashing: dict[Future[FileState], Path] = {}
        self._analysing: dict[Future[Analysis], FileState] = {}
        # Files of the same content as one that is being analysed, by content hash: they wait for it.
        self._twins: dict[str, list[FileState]] = {}
        self._batch: list[_Hashed | _Heard | _Failed] = []
        self._settled_at = time.monotonic()

    def run(
        self, roots: Sequence[Path], *, stop: threading.Event, ignored: Callable[[Path], None]
    ) -> Iterator[IngestResult]:
        """Bring the catalogue up to date with these files and folders.

        Args:
            roots: Files and folders; see `walk`.
            stop: Once it is set, nothing new is begun; what is under way is finished and kept.
            ignored: Told of every file that does not look like audio.

        Yields:
            What became of each file, once that is kept.

        Raises:
            CatalogueUnavailableError: If the catalogue cannot be written: an error of the run, not of a file.
            DecoderStartError: If no decoder process can be started, which is no file's fault either.
        """
        found = walk(roots)
        while True:
            if stop.is_set():
                self._drop_what_has_not_begun()
            else:
                yield from self._take_in(found, stop, ignored)
            if not (self._hashing or self._analysing or self._batch):
                return
            self._collect()
            is_due = len(self._batch) >= BATCH_SIZE or time.monotonic() > self._settled_at + BATCH_SECONDS
            # Before a worker finds nothing queued: what it would do next may be in the batch.
            is_short = len(self._hashing) + len(self._analysing) <= 2 * self._workers
            if self._batch and (is_due or is_short):
                yield from self._settle(begin=not stop.is_set())

    def _take_in(
        self, found: Iterator[Found], stop: threading.Event, ignored: Callable[[Path], None]
    ) -> Iterator[IngestResult]:
        """Give the executor its fill of files that are new or were written to."""
        twins = sum(len(files) for files in self._twins.values())
        under_way = len(self._hashing) + len(self._analysing) + len(self._batch) + twins
        for _ in range(TASKS_PER_WORKER * self._workers - under_way):
            while not self._waiting:
                some = list(islice(found, PATHS_AT_ONCE))
                if not some or stop.is_set():
                    return
                yield from self._look_up(some, ignored)
            path = self._waiting.popleft()
            self._hashing[self._executor.submit(read_state, path)] = path

    def _look_up(self, some: Sequence[Found], ignored: Callable[[Path], None]) -> Iterator[IngestResult]:
        """Let pass what is known with its size and time; what is not waits to be read."""
        for each in some:
            if each.error is not None:
                yield failure(each.path, as_file_error(each.path, each.error))
            elif not each.is_audio:
                ignored(each.path)
        paths = [each.path for each in some if each.is_audio and each.error is None]
        known_files = self._catalogue.known_files(paths, self._encoder_id)
        for path in paths:
            known = known_files.get(path)
            if known is not None and known.is_embedded and not known.has_failed:
                try:
                    now = path.stat()
                    is_unchanged = (now.st_size, now.st_mtime_ns) == (known.size_bytes, known.modified_ns)
                except OSError:
                    is_unchanged = False  # the task that reads it says why
                if is_unchanged:
                    yield IngestResult(path, Outcome.UNCHANGED, track_id=known.track_id)
                    continue
            self._waiting.append(path)

    def _collect(self) -> None:
        """Take what tasks brought, waiting a little if none has."""
        futures: list[Future[Any]] = [*self._hashing, *self._analysing]
        if not futures:
            return
        for future in wait(futures, timeout=GLANCE_SECONDS, return_when=FIRST_COMPLETED).done:
            error = future.exception()
            if isinstance(error, BrokenExecutor | DecoderStartError | MemoryError):
                raise error  # of the run, not of the file
            if future in self._hashing:
                path = self._hashing.pop(future)
                self._batch.append(_Failed(path, None, error) if error else _Hashed(future.result()))
            else:
                file = self._analysing.pop(future)
                self._batch.append(_Failed(file.path, file, error) if error else _Heard(file, future.result()))

    def _settle(self, *, begin: bool) -> list[IngestResult]:
        """Write the batch, and begin to analyse what cannot be had otherwise."""
        batch, self._batch = self._batch, []
        results = []
        unheard = []
        with self._catalogue.writing() as writing:
            for read in batch:
                if isinstance(read, _Failed):
                    results.append(settle_failure(writing, read.path, read.error))
                    continue
                analysis = read.analysis if isinstance(read, _Heard) else None
                result = settle(writing, read.file, encoder_id=self._encoder_id, analysis=analysis)
                if result is None:
                    unheard.append(read.file)
                else:
                    writing.record(result)
                    results.append(result)
        self._settled_at = time.monotonic()
        for read in batch:
            if not isinstance(read, _Hashed) and read.file is not None:
                # Its twins are copies now; or one of them is listened to in its place, if it failed.
                self._batch.extend(_Hashed(twin) for twin in self._twins.pop(read.file.content_hash))
        for file in unheard if begin else ():
            self._analyse(file)
        return results

    def _analyse(self, file: FileState) -> None:
        """Listen to a file, unless that is being done to one of the same content."""
        if file.content_hash in self._twins:
            self._twins[file.content_hash].append(file)
        else:
            self._twins[file.content_hash] = []
            self._analysing[self._executor.submit(analyse, self._analyser, file)] = file

    def _drop_what_has_not_begun(self) -> None:
        self._waiting.clear()
        for hashing in [future for future in self._hashing if future.cancel()]:
            del self._hashing[hashing]
        for analysing in [future for future in self._analysing if future.cancel()]:
            del self._twins[self._analysing.pop(analysing).content_hash]
