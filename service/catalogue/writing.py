"""What can be done to the catalogue within one transaction. `ingest` decides, this keeps the tables true to each other.

`Catalogue.writing` opens one. From its first statement to its end no other writer comes between, here or in another
process: what was looked up still holds when it is acted upon, so a look before a write needs no further guard.
"""

import secrets
import time
import unicodedata
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from service.catalogue.bundles import BundlesWriting
from service.catalogue.jobs import JobsWriting
from service.catalogue.records import IngestResult, Outcome, Track, TrackEmbedding
from service.catalogue.tables import DeletionRow, EmbeddingRow, LabelsRow, ResultRow, SpaceRow, StateRow, TrackRow


@dataclass(frozen=True)
class FileState:
    """A file as it was when it was read.

    Attributes:
        path: Absolute.
        content_hash: sha256, hexadecimal.
        size_bytes: From before it was read, as `modified_ns` is: a file that changes meanwhile differs the next time.
        called: What a person calls it, if that is not its path's name: an upload is stored under its content's hash.
    """

    path: Path
    content_hash: str
    size_bytes: int
    modified_ns: int
    called: str | None = None


@dataclass(frozen=True)
class TrackDetails:
    """What a track is called, and what the decoder says of it."""

    title: str
    artist: str | None
    album: str | None
    year: int | None
    duration_seconds: float
    skipped_packets: int


class Writing:
    """One writing transaction; made by `Catalogue.writing`, and of no use after it."""

    def __init__(self, session: Session) -> None:
        """Wait until no one else writes."""
        self._session = session
        # This lock puts PostgreSQL's writers in a row. SQLite's are in a row already; it knows no such clause.
        self._state = session.execute(select(StateRow).with_for_update()).scalar_one()
        # Of the embedding spaces met so far: a server is not asked again for each track.
        self._widths: dict[str, int] = {}
        self.jobs = JobsWriting(session)
        self.bundles = BundlesWriting(session, self._state)

    @property
    def revision(self) -> int:
        """The catalogue's, with all that was done in this transaction."""
        return self._state.revision

    def track(self, track_id: str) -> Track | None:
        """One track, or None if there is none with this id."""
        row = self._session.get(TrackRow, track_id)
        return None if row is None else row.as_track()

    def track_at(self, path: Path) -> Track | None:
        """The track whose file this is."""
        row = self._session.scalar(select(TrackRow).where(TrackRow.path == path))
        return None if row is None else row.as_track()

    def tracks_with(self, content_hash: str) -> list[Track]:
        """Tracks whose files have this content, in the order of ids."""
        rows = self._session.scalars(
            select(TrackRow).where(TrackRow.content_hash == content_hash).order_by(TrackRow.id)
        )
        return [row.as_track() for row in rows]

    def embeddings_of(self, track_id: str) -> dict[str, TrackEmbedding]:
        """What a track is in every embedding space it is in, by encoder id."""
        rows = self._session.scalars(select(EmbeddingRow).where(EmbeddingRow.track_id == track_id))
        return {row.encoder_id: row.as_embedding() for row in rows}

    def is_embedded(self, track_id: str, encoder_id: str) -> bool:
        """Whether a track is in this embedding space."""
        return encoder_id in self._session.scalars(
            select(EmbeddingRow.encoder_id).where(EmbeddingRow.track_id == track_id)
        )

    def add(self, file: FileState, details: TrackDetails, embeddings: Mapping[str, TrackEmbedding]) -> str:
        """A new track; nothing else may be at this path.

        Args:
            file: Its file.
            details: What it is called.
            embeddings: By encoder id.

        Returns:
            Its id.
        """
        row = TrackRow(id=new_track_id(), path=file.path, added_at=datetime.now(UTC))
        _set_file(row, file)
        _set_details(row, details)
        self._session.add(row)
        self._session.flush()  # before its embeddings, which refer to it
        for encoder_id, embedding in embeddings.items():
            self._set_embedding(EmbeddingRow(track_id=row.id, encoder_id=encoder_id), embedding)
        return row.id

    def update(
        self, track_id: str, file: FileState, details: TrackDetails, embeddings: Mapping[str, TrackEmbedding]
    ) -> None:
        """A track's file was analysed again.

        Args:
            track_id: The track.
            file: Its file. If the content is another now, the embeddings it had stand no longer.
            details: What it is called.
            embeddings: By encoder id.
        """
        row = self._row(track_id)
        is_other = row.content_hash != file.content_hash
        if is_other:
            self.bundles.forget_failures_of(track_id)  # they were those of what the file was
        _set_file(row, file)
        _set_details(row, details)
        gone = (EmbeddingRow.track_id == track_id) & EmbeddingRow.encoder_id.not_in(embeddings)
        if is_other and self._session.scalar(select(EmbeddingRow.track_id).where(gone).limit(1)) is not None:
            self._session.execute(delete(EmbeddingRow).where(gone))
            self._delete_from_indices(track_id)
        for encoder_id, embedding in embeddings.items():
            self.put_embedding(track_id, encoder_id, embedding)

    def move(self, track_id: str, file: FileState, *, title: str) -> None:
        """A track's file is at another path now, its content the same."""
        row = self._row(track_id)
        self.forget_result(row.path)
        row.path = file.path
        row.title = title
        _set_file(row, file)

    def touch(self, track_id: str, file: FileState) -> None:
        """A track's file has the same content, but was written again."""
        _set_file(self._row(track_id), file)

    def put_embedding(self, track_id: str, encoder_id: str, embedding: TrackEmbedding) -> None:
        """Set what a track is in an embedding space. An index sees it as a put.

        Raises:
            ValueError: If the space's vectors have another width.
        """
        self.bundles.forget_failures(encoder_id, [track_id])
        row = self._session.get(EmbeddingRow, (track_id, encoder_id))
        self._set_embedding(row or EmbeddingRow(track_id=track_id, encoder_id=encoder_id), embedding)

    def set_labels(self, track_id: str, labels: Sequence[str]) -> None:
        """Give a track these labels of a person's own, in place of those it had. Every process will notice."""
        row = self._session.get(LabelsRow, track_id) or LabelsRow(track_id=track_id)
        row.labels = tuple(labels)
        row.revision = self._next_revision()
        self._session.add(row)
        self._session.flush()
        self._session.expire(self._row(track_id), ["own_labels"])

    def forget(self, track_ids: Collection[str]) -> int:
        """Take tracks, their embeddings and what ingest said of their files out of the catalogue.

        Args:
            track_ids: At most 500 at a time; unknown ones are passed over.

        Returns:
            How many there were.
        """
        rows = self._session.execute(select(TrackRow.id, TrackRow.path).where(TrackRow.id.in_(track_ids))).all()
        self._session.execute(delete(ResultRow).where(ResultRow.path.in_([row.path for row in rows])))
        # Their embeddings go with them: ON DELETE CASCADE.
        self._session.execute(delete(TrackRow).where(TrackRow.id.in_([row.id for row in rows])))
        for row in rows:
            self._delete_from_indices(row.id)
        return len(rows)

    def record(self, result: IngestResult) -> None:
        """Keep what became of a file, in place of what was kept of it before. That nothing happened is not news."""
        row = self._session.get(ResultRow, result.path)
        if row is None:
            if result.outcome is Outcome.UNCHANGED:
                return
            row = ResultRow(path=result.path)
        row.outcome = result.outcome.value
        row.track_id = result.track_id
        row.code = result.code
        row.message = result.message
        row.finished_at = datetime.now(UTC)
        self._session.add(row)

    def forget_result(self, path: Path) -> None:
        """Keep nothing of a file that is not there."""
        self._session.execute(delete(ResultRow).where(ResultRow.path == path))

    def _row(self, track_id: str) -> TrackRow:
        return self._session.get_one(TrackRow, track_id)

    def _set_embedding(self, row: EmbeddingRow, embedding: TrackEmbedding) -> None:
        width = self._width_of(row.encoder_id, of_first=len(embedding.vector))
        if len(embedding.vector) != width:
            raise ValueError(
                f"a vector has {len(embedding.vector)} numbers, those of {row.encoder_id} have {width}: "
                "two encoders give themselves out as one"
            )
        row.revision = self._next_revision()
        row.vector = embedding.vector
        row.tag_probabilities = embedding.tag_probabilities
        row.excerpt_starts = embedding.excerpt_starts
        row.excerpt_vectors = embedding.excerpt_vectors
        self._session.add(row)

    def _width_of(self, encoder_id: str, *, of_first: int) -> int:
        """The width of an embedding space, which its first embedding gives it."""
        if encoder_id not in self._widths:
            space = self._session.get(SpaceRow, encoder_id)
            if space is None:
                space = SpaceRow(encoder_id=encoder_id, width=of_first)
                self._session.add(space)
                self._session.flush()  # before its first embedding, which refers to it
            self._widths[encoder_id] = space.width
        return self._widths[encoder_id]

    def _delete_from_indices(self, track_id: str) -> None:
        """An index sees it as a delete, unless the track is in its embedding space all the same."""
        self._session.add(DeletionRow(revision=self._next_revision(), track_id=track_id))

    def _next_revision(self) -> int:
        self._state.revision += 1
        return self._state.revision


def new_track_id() -> str:
    """A UUID of version 7: it begins with the moment it was minted, so ids sort in the order tracks were added.

    Source: RFC 9562, section 5.7, with the fraction of the millisecond of section 6.2, method 3.
    """
    milliseconds, nanoseconds = divmod(time.time_ns(), 1_000_000)
    fraction = (nanoseconds << 12) // 1_000_000
    return str(uuid.UUID(int=(milliseconds << 80) | (7 << 76) | (fraction << 64) | (0b10 << 62) | secrets.randbits(62)))


def folded_name(name: str | None) -> str | None:
    """A name as names are compared: without regard to case, accents composed or not, and space around it."""
    return None if name is None else unicodedata.normalize("NFC", name.strip()).casefold()


def _set_file(row: TrackRow, file: FileState) -> None:
    row.content_hash = file.content_hash
    row.size_bytes = file.size_bytes
    row.modified_ns = file.modified_ns


def _set_details(row: TrackRow, details: TrackDetails) -> None:
    row.title = details.title
    row.artist = details.artist
    row.artist_folded = folded_name(details.artist)
    row.album = details.album
    row.year = details.year
    row.duration_seconds = details.duration_seconds
    row.skipped_packets = details.skipped_packets
