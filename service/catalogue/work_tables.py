"""The tables of what is still to be done: jobs, and the change from one model bundle to another. Beside `tables`."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from service.catalogue.records import Job, JobState
from service.catalogue.tables import Strings, Table


class JobRow(Table):
    """An upload on its way into the catalogue."""

    __tablename__ = "jobs"
    __table_args__ = (Index(None, "state", "id"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    state: Mapped[str]
    content_hash: Mapped[str]
    size_bytes: Mapped[int]
    file_name: Mapped[str | None]
    labels: Mapped[Sequence[str]] = mapped_column(Strings())
    submitted_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    attempts: Mapped[int]
    worker: Mapped[str | None]
    leased_until: Mapped[datetime | None]
    outcome: Mapped[str | None]
    track_id: Mapped[str | None]
    code: Mapped[str | None]
    message: Mapped[str | None]
    # The catalogue's when the job was done: an index that stands there has its track.
    revision: Mapped[int | None]

    def as_job(self) -> Job:
        """The row as a value."""
        return Job(
            id=self.id,
            state=JobState(self.state),
            content_hash=self.content_hash,
            size_bytes=self.size_bytes,
            file_name=self.file_name,
            labels=tuple(self.labels),
            submitted_at=self.submitted_at,
            finished_at=self.finished_at,
            attempts=self.attempts,
            outcome=self.outcome,
            track_id=self.track_id,
            code=self.code,
            message=self.message,
            revision=self.revision,
        )


class BundleRow(Table):
    """A model bundle that has answered or was meant to. Whoever embeds the catalogue with it holds the lease."""

    __tablename__ = "model_bundles"

    encoder_id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    embedder: Mapped[str | None]
    leased_until: Mapped[datetime | None]


class EmbeddingFailureRow(Table):
    """A track that could not be embedded with a bundle when it was last tried."""

    __tablename__ = "embedding_failures"

    encoder_id: Mapped[str] = mapped_column(primary_key=True)
    track_id: Mapped[str] = mapped_column(ForeignKey("tracks.id", ondelete="CASCADE"), primary_key=True, index=True)
    code: Mapped[str]
    message: Mapped[str]
