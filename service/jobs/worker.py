"""Does the jobs of the queue, one after the other, in a thread of the service: a stored upload becomes a track.

Several services may work on one queue. A job that was under way when its process ended is taken up by the next worker
that finds its lease run out. To do a job again does no harm: the track and the end of the job are one transaction, and
what is in the catalogue already is found there.
"""

import os
import secrets
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from index.decoder import DecoderClosedError, DecoderStartError
from index.memory import give_back_memory
from service.catalogue.errors import CatalogueError
from service.catalogue.jobs import LEASE
from service.catalogue.records import IngestResult, Job, Outcome, Track
from service.catalogue.repository import Catalogue
from service.catalogue.writing import FileState, Writing
from service.ingest.reading import FileError, FileErrorCode, analyse, read_state
from service.ingest.settling import embedding_of, failure, settle
from service.jobs.store import UploadStore
from service.operations.logs import get_logger
from service.tracks.labels import with_labels

if TYPE_CHECKING:
    from index.analysis import Analyser, Analysis
    from index.decoder import Decoder

log = get_logger(__name__)

# How often the queue is looked at for jobs that other processes took in, or left behind.
POLL_SECONDS = 1.0
# A job that takes longer when the service stops is left for the next one.
GRACE_SECONDS = 3.0
# After something went wrong that is no job's fault.
PAUSE_SECONDS = 5.0


class UploadWorker:
    """One worker. `start` and `close` it, or call `work` by hand."""

    def __init__(
        self,
        catalogue: Catalogue,
        store: UploadStore,
        *,
        analyser: "Callable[[], Analyser]",
        finished: Callable[[], None] = lambda: None,
    ) -> None:
        """Prepare.

        Args:
            catalogue: Whose queue it is.
            store: Where the uploads lie.
            analyser: What listens at this moment, with the bundle that answers.
            finished: Called after every job that changed the catalogue.
        """
        self.name = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self._catalogue = catalogue
        self._store = store
        self._analyser = analyser
        self._finished = finished
        self._woken = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work_on, name="upload-worker")

    def start(self) -> None:
        """Work from now on, in a thread."""
        self._thread.start()

    def wake(self) -> None:
        """Look at the queue now: a job was added."""
        self._woken.set()

    def close(self, decoder: "Decoder") -> None:
        """Stop. What is under way is finished, if that takes no longer than seconds; else another worker does it.

        Args:
            decoder: What the job may hang in; it is closed.
        """
        self._stopping.set()
        self._woken.set()
        if self._thread.is_alive():
            self._thread.join(GRACE_SECONDS)
        decoder.close()
        if self._thread.is_alive():
            self._thread.join()

    def work(self) -> bool:
        """Do one job.

        Returns:
            Whether there was one.

        Raises:
            CatalogueError: If the catalogue cannot be read or written.
            DecoderStartError: If no decoder process can be started. The job waits again, as it does after these:
            DecoderClosedError: If the decoder was closed meanwhile.
            MemoryError: If there is none left.
        """
        if not self._catalogue.jobs.is_any_to_be_had():
            return False
        with self._catalogue.writing() as writing:
            job = writing.jobs.take(self.name)
        if job is None:
            return False
        with self._holding(job):
            try:
                result = self._done(job)
            except (DecoderClosedError, DecoderStartError, MemoryError):
                with self._catalogue.writing() as writing:
                    writing.jobs.give_back(job.id, self.name)
                raise
        if result is not None:
            log.info("job_finished", job=job.id, outcome=result.outcome, code=result.code)
            self._finished()
        give_back_memory()
        return True

    def _work_on(self) -> None:
        self._store.sweep()
        while not self._stopping.is_set():
            self._woken.clear()
            pause = POLL_SECONDS
            try:
                while not self._stopping.is_set() and self.work():
                    pass
            except DecoderClosedError:
                return
            except (CatalogueError, DecoderStartError, MemoryError, OSError) as error:
                log.warning("worker_paused", seconds=PAUSE_SECONDS, error=str(error))
                pause = PAUSE_SECONDS
            except Exception:  # a worker that died would leave the queue to fill, and silently
                log.exception("worker_stumbled")
                pause = PAUSE_SECONDS
            if not self._stopping.is_set():
                self._woken.wait(pause)

    @contextmanager
    def _holding(self, job: Job) -> Iterator[None]:
        """Renew the lease until the block is left."""
        left = threading.Event()

        def renew() -> None:
            while not left.wait(LEASE.total_seconds() / 3):
                try:
                    with self._catalogue.writing() as writing:
                        writing.jobs.renew(job.id, self.name)
                except CatalogueError as error:
                    log.warning("lease_not_renewed", job=job.id, error=str(error))

        thread = threading.Thread(target=renew, name="lease-keeper")
        thread.start()
        try:
            yield
        finally:
            left.set()
            thread.join()

    def _done(self, job: Job) -> IngestResult | None:
        """What became of a job; None if somebody else does it by now."""
        analyser = self._analyser()
        encoder_id = analyser.bundle.encoder_id
        path = self._store.path_of(job.content_hash)
        is_held, result = self._finish(job, lambda writing: self._known(writing, job, encoder_id))
        if result is not None or not is_held:
            return result
        try:
            file = replace(read_state(path), called=_stem(job.file_name))
            if file.content_hash != job.content_hash:
                raise FileError(FileErrorCode.NOT_READABLE, f"{path.name} is damaged; upload it again")
            is_held, result = self._finish(
                job, lambda writing: settle(writing, file, encoder_id=encoder_id, analysis=None)
            )
            if result is not None or not is_held:
                return result
            analysis = analyse(analyser, file)
        except (CatalogueError, DecoderClosedError, DecoderStartError, MemoryError):
            raise
        except Exception as error:
            failed = _in_client_words(failure(path, error), job)
            return self._finish(job, lambda _: failed)[1]
        return self._finish(job, lambda writing: self._settled(writing, job, file, encoder_id, analysis))[1]

    def _finish(self, job: Job, settled: Callable[[Writing], IngestResult | None]) -> tuple[bool, IngestResult | None]:
        """End a job, in one transaction with what becomes of its file.

        Returns:
            Whether the job is still this worker's, and what became of it, if anything did.
        """
        with self._catalogue.writing() as writing:
            if not writing.jobs.is_held(job.id, self.name):
                log.warning("job_lost job=%s", job.id)
                return False, None
            result = settled(writing)
            if result is None:
                return True, None
            if result.track_id is not None:
                _add_labels(writing, result.track_id, job.labels)
            writing.jobs.finish(job.id, result, revision=writing.revision)
            self._store.discard_unless_needed(writing, job.content_hash)
            return True, result

    def _known(self, writing: Writing, job: Job, encoder_id: str) -> IngestResult | None:
        """The track that has this content already, with a file of its own."""
        track = self._track_with(writing, job)
        if track is None or not writing.is_embedded(track.id, encoder_id):
            return None
        return IngestResult(track.path, Outcome.UNCHANGED, track_id=track.id)

    def _settled(
        self, writing: Writing, job: Job, file: FileState, encoder_id: str, analysis: "Analysis"
    ) -> IngestResult | None:
        track = self._track_with(writing, job)
        if track is None or track.path == file.path:
            return settle(writing, file, encoder_id=encoder_id, analysis=analysis)
        writing.put_embedding(track.id, encoder_id, embedding_of(analysis))
        return IngestResult(track.path, Outcome.UNCHANGED, track_id=track.id)

    def _track_with(self, writing: Writing, job: Job) -> Track | None:
        return next((track for track in writing.tracks_with(job.content_hash) if _has_its_file(track)), None)


def _has_its_file(track: Track) -> bool:
    try:
        now = track.path.stat()
    except OSError:
        return False
    return (now.st_size, now.st_mtime_ns) == (track.size_bytes, track.modified_ns)


def _add_labels(writing: Writing, track_id: str, labels: tuple[str, ...]) -> None:
    track = writing.track(track_id)
    if track is not None and (new := with_labels(track.labels, add=labels)) != track.labels:
        writing.set_labels(track_id, new)


def _stem(file_name: str | None) -> str:
    return "Untitled" if file_name is None else PurePath(file_name).stem


def _in_client_words(result: IngestResult, job: Job) -> IngestResult:
    """The stored file's name means nothing to whoever sent it."""
    message = (result.message or "").replace(Path(result.path).name, job.file_name or "the upload")
    return replace(result, message=message)
