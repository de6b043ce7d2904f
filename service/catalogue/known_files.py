"""What the catalogue knows of files, for an ingest that decides what to read. `Catalogue.known_files` asks."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from service.catalogue.records import Outcome
from service.catalogue.tables import EmbeddingRow, ResultRow, TrackRow


@dataclass(frozen=True)
class KnownFile:
    """What the catalogue knows of a path, as much as tells whether there is anything to do.

    Attributes:
        is_embedded: Whether the track is in the embedding space that was asked about.
        has_failed: Whether the latest ingest of this file failed.
    """

    track_id: str
    size_bytes: int
    modified_ns: int
    is_embedded: bool
    has_failed: bool


def known_files(session: Session, paths: Sequence[Path], encoder_id: str) -> dict[Path, KnownFile]:
    """What is known of some paths, as many as fit a statement."""
    is_embedded = exists().where(EmbeddingRow.track_id == TrackRow.id, EmbeddingRow.encoder_id == encoder_id)
    has_failed = exists().where(ResultRow.path == TrackRow.path, ResultRow.outcome == Outcome.FAILED)
    question = select(TrackRow.path, TrackRow.id, TrackRow.size_bytes, TrackRow.modified_ns, is_embedded, has_failed)
    return {
        path: KnownFile(track_id, size_bytes, modified_ns, is_embedded=embedded, has_failed=failed)
        for path, track_id, size_bytes, modified_ns, embedded, failed in session.execute(
            question.where(TrackRow.path.in_(paths))
        )
    }
