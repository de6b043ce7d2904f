"""Embeds with a bundle the tracks that it has not embedded yet: in the background of a service, or by `facet reembed`.

It goes from track to track, not through folders, and writes a few at a time, so it can be stopped and killed whenever;
the next one goes on with what is missing. One process does it at a time for a bundle.
"""

import os
import secrets
import socket
import threading
from collections.abc import Generator, Sequence
from concurrent.futures import BrokenExecutor, Executor
from dataclasses import replace

from index.analysis import Analyser, Analysis
from index.audio import AudioError, AudioErrorCode
from index.decoder import DecoderClosedError, DecoderStartError
from service.catalogue.bundles import EmbeddingFailure
from service.catalogue.errors import CatalogueError
from service.catalogue.records import IngestResult, Outcome, Track
from service.catalogue.repository import Catalogue
from service.catalogue.writing import FileState
from service.ingest.reading import FileError, FileErrorCode, analyse, as_file_error, read_state
from service.ingest.settling import embedding_of, failure

# A kill costs the work of so many files for each worker.
TRACKS_PER_WORKER = 4

# Errors of the process or of the database, not of a file.
_NOT_THE_FILE_S = (BrokenExecutor, CatalogueError, DecoderClosedError, DecoderStartError, MemoryError)
# What may as well come of a machine that has too much to do: tried twice.
_PERHAPS_NOT_THE_FILE_S = frozenset({AudioErrorCode.TIMED_OUT, AudioErrorCode.DECODER_CRASHED})


class Embedder:
    """Embeds with one bundle."""

    def __init__(self, catalogue: Catalogue, analyser: Analyser, *, executor: Executor, workers: int) -> None:
        """Prepare.

        Args:
            catalogue: Whose tracks they are.
            analyser: Listens with the bundle.
            executor: What runs it.
            workers: How many files at a time.
        """
        self._catalogue = catalogue
        self._analyser = analyser
        self._encoder_id = analyser.bundle.encoder_id
        self._executor = executor
        self._workers = workers
        self._holder = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"

    def run(self, *, stop: threading.Event, again: bool, first: bool = False) -> Generator[IngestResult]:
        """Embed what is missing, until nothing is, or somebody else does it.

        Args:
            stop: Once it is set, what is under way is finished and kept.
            again: Whether to try again what could not be embedded before.
            first: Whether to take it over from a process that does it already.

        Yields:
            What became of each track, once that is kept: updated or failed.

        Raises:
            CatalogueUnavailableError: If the catalogue cannot be read or written.
            DecoderStartError: If no decoder process can be started.
        """
        with self._catalogue.writing() as writing:
            if not writing.bundles.hold(self._encoder_id, self._holder, first=first):
                return
            if again:
                writing.bundles.forget_failures(self._encoder_id)
        try:
            while not stop.is_set():
                tracks = self._catalogue.bundles.missing(self._encoder_id, limit=TRACKS_PER_WORKER * self._workers)
                results = self._embed(tracks, stop) if tracks else None
                if results is None:
                    return
                yield from results
        finally:
            with self._catalogue.writing() as writing:
                writing.bundles.let_go(self._encoder_id, self._holder)

    def _embed(self, tracks: Sequence[Track], stop: threading.Event) -> list[IngestResult] | None:
        """Listen to some tracks and write them together. None if somebody else has the lease by now.

        What was heard is written all the same: it is as good as what the other one hears, and if each threw away what
        took longer than a lease, neither would ever come to an end.
        """
        heard = list(self._executor.map(lambda track: None if stop.is_set() else self._listen(track), tracks))
        results = []
        with self._catalogue.writing() as writing:
            is_held = writing.bundles.hold(self._encoder_id, self._holder)
            for track, found in zip(tracks, heard, strict=True):
                now = writing.track(track.id)
                if found is None or now is None or now.content_hash != track.content_hash:
                    continue  # not begun; or deleted or ingested anew meanwhile, and missing no more, or again
                if isinstance(found, Exception):
                    result = replace(failure(track.path, found), track_id=track.id)
                    writing.bundles.fail(
                        self._encoder_id, EmbeddingFailure(track.id, result.code or "", result.message or "")
                    )
                else:
                    writing.put_embedding(track.id, self._encoder_id, embedding_of(found))
                    result = IngestResult(track.path, Outcome.UPDATED, track_id=track.id)
                results.append(result)
        return results if is_held else None

    def _listen(self, track: Track) -> Analysis | Exception:
        for is_last in (False, True):
            try:
                return listen_again(self._analyser, track)
            except _NOT_THE_FILE_S:
                raise
            except AudioError as error:
                # These run at low priority beside a service that answers: what starved, or was ended for want of
                # memory, would be lost to searches until it is tried again in an hour.
                if is_last or error.code not in _PERHAPS_NOT_THE_FILE_S:
                    return error
            except Exception as error:
                return error
        raise AssertionError("the last try has returned")


def listen_again(analyser: Analyser, track: Track) -> Analysis:
    """Listen to a track's file, if it still has the content that was ingested.

    Raises:
        AudioError: If nothing is heard in it.
        FileError: If it is not there, cannot be read, or is another file now.
    """
    file = FileState(track.path, track.content_hash, track.size_bytes, track.modified_ns)
    try:
        now = track.path.stat()
    except OSError as error:
        raise as_file_error(track.path, error) from error
    if (now.st_size, now.st_mtime_ns) != (file.size_bytes, file.modified_ns):
        file = read_state(track.path)
        if file.content_hash != track.content_hash:
            message = f"{track.path.name} was changed since it was ingested; `facet ingest` takes it as it is now"
            raise FileError(FileErrorCode.CHANGED, message)
    return analyse(analyser, file)
