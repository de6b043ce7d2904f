"""What a file is to the catalogue: new, moved, a copy, changed, or as it was. `run` asks within a writing transaction.

Since no other writer comes between (see `writing`), two ingests that find the same file agree on it: who comes second
finds it unchanged.
"""

import traceback
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from index.analysis import Analysis
from index.audio import AudioError
from service.catalogue.records import IngestResult, Outcome, Track, TrackEmbedding
from service.catalogue.writing import FileState, TrackDetails, Writing
from service.ingest.reading import FileError, FileErrorCode, is_gone
from service.operations.logs import get_logger

log = get_logger(__name__)


def settle(writing: Writing, file: FileState, *, encoder_id: str, analysis: Analysis | None) -> IngestResult | None:
    """Make the catalogue true of one file.

    Args:
        writing: The transaction.
        file: As it was read.
        encoder_id: The embedding space that is being filled.
        analysis: What was heard in it, if it was listened to.

    Returns:
        What became of it; None if it must be listened to first, and nothing was done.
    """
    known = writing.track_at(file.path)
    if known is not None and _is_done(writing, known, file, encoder_id):
        writing.touch(known.id, file)
        return IngestResult(file.path, Outcome.UNCHANGED, track_id=known.id)
    others = [track for track in writing.tracks_with(file.content_hash) if track.path != file.path]
    outcome = Outcome.UPDATED
    if known is None:
        # A path that is not known, with content whose file is gone: it was renamed. The track stays what it is.
        known = next((track for track in others if is_gone(track.path)), None)
        outcome = Outcome.ADDED if known is None else Outcome.MOVED
        if known is not None and _is_done(writing, known, file, encoder_id):
            writing.move(known.id, file, title=_details_of(known, file).title)
            return IngestResult(file.path, outcome, track_id=known.id)
    heard = _heard(writing, file, others, encoder_id, analysis)
    if heard is None:
        return None
    details, embeddings = heard
    if known is None:
        return IngestResult(file.path, outcome, track_id=writing.add(file, details, embeddings))
    if outcome is Outcome.MOVED:
        writing.move(known.id, file, title=details.title)
    writing.update(known.id, file, details, embeddings)
    return IngestResult(file.path, outcome, track_id=known.id)


def settle_failure(writing: Writing, path: Path, error: BaseException) -> IngestResult:
    """Keep why a file failed. A track that was made of it when it was well stays as it is."""
    result = failure(path, error)
    if result.code in (FileErrorCode.NOT_FOUND, FileErrorCode.PATH_TOO_LONG):
        writing.forget_result(path)  # nothing to come back to, or nothing that can be kept
    else:
        writing.record(result)
    return result


def failure(path: Path, error: BaseException) -> IngestResult:
    """Why a file failed, in a code and in words."""
    if isinstance(error, AudioError | FileError):
        code, message = str(error.code), error.message
    else:
        # One file's misfortune is not the others'. A traceback for each could bury everything else.
        log.debug("file_failed_unexpectedly", path=str(path), exc_info=error)
        frames = traceback.extract_tb(error.__traceback__)
        place = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
        code = str(FileErrorCode.INTERNAL_ERROR)
        message = f"{type(error).__name__}: {error}{place}; this is a defect of Facet, please report it"
    return IngestResult(path, Outcome.FAILED, code=code, message=_as_text(message))


def _is_done(writing: Writing, track: Track, file: FileState, encoder_id: str) -> bool:
    """Whether nothing new is to be heard in this track's file."""
    return track.content_hash == file.content_hash and writing.is_embedded(track.id, encoder_id)


def _heard(
    writing: Writing, file: FileState, others: list[Track], encoder_id: str, analysis: Analysis | None
) -> tuple[TrackDetails, Mapping[str, TrackEmbedding]] | None:
    """What is heard in a file: now, or in another one of the same content; None if in neither."""
    if analysis is not None:
        return _details(analysis, file), {encoder_id: embedding_of(analysis)}
    for other in others:
        embeddings = writing.embeddings_of(other.id)
        if encoder_id in embeddings:
            return _details_of(other, file), embeddings
    return None


def _details(analysis: Analysis, file: FileState) -> TrackDetails:
    metadata = analysis.metadata
    return TrackDetails(
        title=metadata.title or _file_title(file),
        artist=metadata.artist,
        album=metadata.album,
        year=metadata.year,
        duration_seconds=analysis.duration_seconds,
        skipped_packets=analysis.skipped_packets,
    )


def _details_of(track: Track, file: FileState) -> TrackDetails:
    """Those of a track, for a file of the same content: a title that came from its name comes from the new name."""
    details = TrackDetails(
        title=track.title,
        artist=track.artist,
        album=track.album,
        year=track.year,
        duration_seconds=track.duration_seconds,
        skipped_packets=track.skipped_packets,
    )
    return replace(details, title=_file_title(file)) if track.title == _as_text(track.path.stem) else details


def _file_title(file: FileState) -> str:
    return _as_text(file.path.stem if file.called is None else file.called)


def _as_text(text: str) -> str:
    """Text that can be stored and shown: bytes of a name that are not UTF-8 become the sign for the unreadable."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def embedding_of(analysis: Analysis) -> TrackEmbedding:
    """What the catalogue keeps of what was heard."""
    return TrackEmbedding(
        vector=analysis.vector,
        excerpt_vectors=analysis.excerpt_vectors,
        excerpt_starts=analysis.excerpt_starts,
        tag_probabilities=analysis.tag_probabilities,
    )
