"""The catalogue's tables, in SQLAlchemy's words. `migrations` makes them, `repository` reads and `writing` writes them.

Numbers that belong together are stored as one little-endian blob, so a database file means the same on every machine.
"""

import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import BigInteger, DateTime, Double, ForeignKey, Index, LargeBinary, MetaData, Text
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
from sqlalchemy.types import TypeDecorator

from service.catalogue.records import IngestResult, Outcome, Track, TrackEmbedding

# The migration that makes exactly these tables. A database at any other one is not opened.
SCHEMA_REVISION = "0003"


class Words(TypeDecorator[str]):
    """Text, a character 0 replaced: PostgreSQL keeps none, and a question that has one finds nothing on either."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """Text that both keep."""
        return None if value is None else value.replace("\0", "\ufffd")

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """The same."""
        return value


class FilePath(TypeDecorator[Path]):
    """A path as the operating system's bytes: names that are not UTF-8 survive, and both engines order bytes alike."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: Path | None, dialect: Dialect) -> bytes | None:  # noqa: ARG002
        """Bytes of a path."""
        return None if value is None else os.fsencode(value)

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> Path | None:  # noqa: ARG002
        """A path of bytes."""
        return None if value is None else Path(os.fsdecode(value))


class Numbers(TypeDecorator[NDArray[np.float32]]):
    """Any number of floats in one blob, float32 in Python. Arrays of more than one axis are stored row by row."""

    impl = LargeBinary
    cache_ok = True

    def __init__(self, stored_as: str) -> None:
        """Choose the width.

        Args:
            stored_as: "<f4" (exact) or "<f2" (half the room, three decimals of a number in [-1, 1]).
        """
        super().__init__()
        self.stored_as = stored_as

    def process_bind_param(self, value: NDArray[np.float32] | None, dialect: Dialect) -> bytes | None:  # noqa: ARG002
        """A blob of numbers."""
        return None if value is None else np.ascontiguousarray(value, dtype=self.stored_as).tobytes()

    def process_result_value(
        self,
        value: bytes | None,
        dialect: Dialect,  # noqa: ARG002
    ) -> NDArray[np.float32] | None:
        """Numbers `(n,)` of a blob."""
        return None if value is None else np.frombuffer(value, dtype=self.stored_as).astype(np.float32)

    def compare_values(self, x: Any, y: Any) -> bool:
        """Whether a row that is set anew needs no writing."""
        return np.array_equal(x, y)


class Strings(TypeDecorator[Sequence[str]]):
    """Some short texts in their order, as JSON. Both engines keep it as they keep any text."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Sequence[str] | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """JSON in ASCII, so that no engine minds any character."""
        return None if value is None else json.dumps(list(value))

    def process_result_value(self, value: str | None, dialect: Dialect) -> Sequence[str] | None:  # noqa: ARG002
        """The texts again."""
        return None if value is None else tuple(json.loads(value))


class Moment(TypeDecorator[datetime]):
    """A point in time, in UTC; SQLite keeps no time zone, so it is put back on reading."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """The same moment in UTC."""
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """The same moment, with its zone."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Table(DeclarativeBase):
    """Base of all tables. Constraints have names on every engine, so that a migration can speak of them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        str: Words(),
        int: BigInteger(),
        float: Double(),
        datetime: Moment(),
    }


class TrackRow(Table):
    """A file of music."""

    __tablename__ = "tracks"

    id: Mapped[str] = mapped_column(primary_key=True)
    path: Mapped[Path] = mapped_column(FilePath(), unique=True)
    content_hash: Mapped[str] = mapped_column(index=True)
    size_bytes: Mapped[int]
    modified_ns: Mapped[int]
    title: Mapped[str]
    artist: Mapped[str | None]
    # Folded by Python: SQLite's lower() knows only the letters of ASCII.
    artist_folded: Mapped[str | None] = mapped_column(index=True)
    album: Mapped[str | None]
    year: Mapped[int | None]
    duration_seconds: Mapped[float]
    skipped_packets: Mapped[int]
    added_at: Mapped[datetime]

    own_labels: Mapped["LabelsRow | None"] = relationship(lazy="joined", viewonly=True)

    def as_track(self) -> Track:
        """The row as a value."""
        return Track(
            id=self.id,
            path=self.path,
            content_hash=self.content_hash,
            size_bytes=self.size_bytes,
            modified_ns=self.modified_ns,
            title=self.title,
            artist=self.artist,
            album=self.album,
            year=self.year,
            duration_seconds=self.duration_seconds,
            skipped_packets=self.skipped_packets,
            added_at=self.added_at,
            labels=() if self.own_labels is None else tuple(self.own_labels.labels),
        )


class LabelsRow(Table):
    """A track's own labels. The row stays when the last one is taken away, so that it is noticed."""

    __tablename__ = "track_labels"

    track_id: Mapped[str] = mapped_column(ForeignKey("tracks.id", ondelete="CASCADE"), primary_key=True)
    revision: Mapped[int] = mapped_column(index=True)
    labels: Mapped[Sequence[str]] = mapped_column(Strings())


class SpaceRow(Table):
    """A bundle's embedding space that tracks are or were in."""

    __tablename__ = "embedding_spaces"

    encoder_id: Mapped[str] = mapped_column(primary_key=True)
    width: Mapped[int]


class EmbeddingRow(Table):
    """A track in an embedding space."""

    __tablename__ = "embeddings"
    __table_args__ = (Index(None, "encoder_id", "revision"),)

    # The excerpts come last: SQLite then finds the vector in the first page of a row and leaves the others unread.
    track_id: Mapped[str] = mapped_column(ForeignKey("tracks.id", ondelete="CASCADE"), primary_key=True)
    encoder_id: Mapped[str] = mapped_column(ForeignKey("embedding_spaces.encoder_id"), primary_key=True)
    revision: Mapped[int]
    vector: Mapped[NDArray[np.float32]] = mapped_column(Numbers("<f4"))
    tag_probabilities: Mapped[NDArray[np.float32]] = mapped_column(Numbers("<f4"))
    excerpt_starts: Mapped[NDArray[np.float32]] = mapped_column(Numbers("<f4"))
    excerpt_vectors: Mapped[NDArray[np.float32]] = mapped_column(Numbers("<f2"))

    def as_embedding(self) -> TrackEmbedding:
        """The row as a value, the excerpts' vectors `(n, width)` again."""
        return TrackEmbedding(
            vector=self.vector,
            excerpt_vectors=self.excerpt_vectors.reshape(-1, len(self.vector)),
            excerpt_starts=self.excerpt_starts,
            tag_probabilities=self.tag_probabilities,
        )


class DeletionRow(Table):
    """A track that left an embedding space, so that an index can follow. It counts only while the track is not back."""

    __tablename__ = "deletions"

    revision: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    # No foreign key: the track is gone.
    track_id: Mapped[str]


class StateRow(Table):
    """The one row that every writer changes, and so waits for: see `writing`."""

    __tablename__ = "catalogue_state"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    revision: Mapped[int]
    # Tells this database from one made anew in its place, whose revisions begin at 0 again.
    identity: Mapped[str]
    # Encoder ids: of the bundle that answers, and of the one that is to answer once all is embedded with it.
    answering: Mapped[str | None]
    wanted: Mapped[str | None]


class ResultRow(Table):
    """What the latest ingest that did something with a file did with it."""

    __tablename__ = "ingest_results"

    path: Mapped[Path] = mapped_column(FilePath(), primary_key=True)
    outcome: Mapped[str] = mapped_column(index=True)
    track_id: Mapped[str | None]
    code: Mapped[str | None]
    message: Mapped[str | None]
    finished_at: Mapped[datetime]

    def as_result(self) -> IngestResult:
        """The row as a value."""
        return IngestResult(
            self.path, Outcome(self.outcome), track_id=self.track_id, code=self.code, message=self.message
        )


class ApiKeyRow(Table):
    """An API key, as `service.safety` gives it out. The key itself is not kept."""

    __tablename__ = "api_keys"

    name: Mapped[str] = mapped_column(primary_key=True)
    scope: Mapped[str]
    # sha256 of the whole key.
    digest: Mapped[bytes] = mapped_column(LargeBinary(), unique=True)
    # Its first characters, to tell which key of one's own this is.
    hint: Mapped[str]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]


class SecretRow(Table):
    """Random bytes that every process of the service shares, and nobody else has. The migration makes them."""

    __tablename__ = "service_secrets"

    purpose: Mapped[str] = mapped_column(primary_key=True)
    secret: Mapped[bytes] = mapped_column(LargeBinary())
