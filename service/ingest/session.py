"""`facet ingest` between its options and its exit status: opens what a `run` needs, and shows how far it is."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from service.bundles.keeping import want_bundle
from service.catalogue.records import IngestResult, Outcome
from service.catalogue.repository import Catalogue
from service.ingest.progress import shown_progress
from service.ingest.reading import FileErrorCode
from service.ingest.report import Ending, IngestReport
from service.ingest.run import Ingest
from service.ingest.terminal_text import printable
from service.ingest.walk import walk
from service.ingest.watching import Watch
from service.listening import open_analyser
from service.settings import Settings


@dataclass(frozen=True)
class Watching:
    """That a run goes on with what changes.

    Attributes:
        poll_seconds: How often to look, where the system does not tell of changes; None where it does.
    """

    poll_seconds: float | None = None


def ingest_paths(
    settings: Settings,
    paths: Sequence[Path],
    *,
    report_file: Path | None,
    stop: threading.Event,
    watching: Watching | None = None,
) -> IngestReport:
    """Bring files and folders into the catalogue, which is made if there is none, and print what became of them.

    Args:
        settings: Where the catalogue is, what listens, and with how many threads.
        paths: Files and folders; only folders, if they are watched.
        report_file: Where every file is listed, or None.
        stop: Once it is set, what is under way is finished, and no more is begun.
        watching: Whether to go on with what changes until then.

    Returns:
        What became of every file, and how the run ended.

    Raises:
        BundleError: If the model bundle cannot be used.
        CatalogueError: If the catalogue cannot.
        DecoderStartError: If no decoder process can be started.
        ReportNotWrittenError: If the report cannot be written.
    """
    with (
        open_analyser(settings, workers=settings.threads) as analyser,
        Catalogue.open(settings.catalogue_url, create=True) as catalogue,
        IngestReport(report_file) as report,
    ):
        goes_over = want_bundle(settings, catalogue, analyser.bundle)
        if goes_over is not None:
            _tell(goes_over)
        encoder_id = analyser.bundle.encoder_id
        try:
            with _executor(settings.threads) as executor:

                def run(paths: Sequence[Path]) -> Iterator[IngestResult]:
                    ingest = Ingest(
                        catalogue, analyser, encoder_id=encoder_id, executor=executor, workers=settings.threads
                    )
                    return ingest.run(paths, stop=stop, ignored=report.add_ignored)

                failed = []
                with shown_progress(_count(paths, stop), Console(stderr=True, highlight=False)) as advance:
                    for result in run(paths):
                        report.add(result)
                        advance(result)
                        if result.outcome is Outcome.FAILED:
                            failed.append(result.path)
                report.ending = Ending.INTERRUPTED if stop.is_set() else Ending.COMPLETE
                if watching is not None and not stop.is_set():
                    watch = Watch(
                        catalogue,
                        paths,
                        encoder_id=encoder_id,
                        poll_seconds=watching.poll_seconds,
                        told=_tell,
                        ignored=report.add_ignored,
                    )
                    _go_on(watch, run, report, failed=failed, stop=stop)
        except KeyboardInterrupt:
            # Asked a second time: what is under way is dropped. What was committed stands all the same.
            report.ending = Ending.INTERRUPTED
        finally:
            report.print(Console(highlight=False))
    return report


def _go_on(
    watch: Watch,
    run: Callable[[Sequence[Path]], Iterator[IngestResult]],
    report: IngestReport,
    *,
    failed: Sequence[Path],
    stop: threading.Event,
) -> None:
    """Ingest what changes, and say so, until it is to stop."""
    for path in failed:
        watch.tried_in_vain(path)
    _tell("watching; Ctrl-C ends it")
    for files in watch.files(stop):
        for result in run(files) if files else ():
            if result.code == FileErrorCode.CHANGED_WHILE_READ:
                watch.try_again(result.path)  # it began to grow again
                continue
            if result.outcome is Outcome.FAILED:
                watch.tried_in_vain(result.path)
            if result.outcome is not Outcome.UNCHANGED:
                report.add(result)
                _tell(f"{result.outcome} {printable(str(result.path))} {printable(result.message or '')}".rstrip())


def _tell(text: str) -> None:
    Console(stderr=True, highlight=False, markup=False).print(text, soft_wrap=True)


@contextmanager
def _executor(workers: int) -> Iterator[Executor]:
    """Threads that, when the block is left by an exception, are not given what is still queued, nor waited for."""
    executor = ThreadPoolExecutor(workers, thread_name_prefix="ingest")
    try:
        yield executor
    finally:
        executor.shutdown(wait=False, cancel_futures=True)


def _count(paths: Sequence[Path], stop: threading.Event) -> int:
    """Number of files to look at. Reading folders costs little beside listening, and the second time still less."""
    count = 0
    for found in walk(paths):
        if stop.is_set():
            break
        count += found.is_audio
    return count
