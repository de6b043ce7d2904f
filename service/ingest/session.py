"""`facet ingest` between its options and its exit status: opens what a `run` needs, and shows how far it is."""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from service.bundles.keeping import want_bundle
from service.catalogue.repository import Catalogue
from service.ingest.progress import shown_progress
from service.ingest.report import Ending, IngestReport
from service.ingest.run import Ingest
from service.ingest.walk import walk
from service.listening import open_analyser
from service.settings import Settings


def ingest_paths(
    settings: Settings, paths: Sequence[Path], *, report_file: Path | None, stop: threading.Event
) -> IngestReport:
    """Bring files and folders into the catalogue, which is made if there is none, and print what became of them.

    Args:
        settings: Where the catalogue is, what listens, and with how many threads.
        paths: Files and folders.
        report_file: Where every file is listed, or None.
        stop: Once it is set, what is under way is finished, and no more is begun.

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
        want_bundle(settings, catalogue, analyser.bundle)
        try:
            with _executor(settings.threads) as executor:
                ingest = Ingest(
                    catalogue,
                    analyser,
                    encoder_id=analyser.bundle.encoder_id,
                    executor=executor,
                    workers=settings.threads,
                )
                with shown_progress(_count(paths, stop), Console(stderr=True, highlight=False)) as advance:
                    for result in ingest.run(paths, stop=stop, ignored=report.add_ignored):
                        report.add(result)
                        advance(result)
            report.ending = Ending.INTERRUPTED if stop.is_set() else Ending.COMPLETE
        except KeyboardInterrupt:
            # Asked a second time: what is under way is dropped. What was committed stands all the same.
            report.ending = Ending.INTERRUPTED
        finally:
            report.print(Console(highlight=False))
    return report


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
