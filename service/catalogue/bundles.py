"""Which model bundle answers, which one is wanted, and how far the catalogue is embedded with it.

`service.bundles` stands on this. All processes on a catalogue read the same two encoder ids, so they change over
together; who embeds holds a lease, so that one of them does it at a time (see `jobs` on leases).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, Select, delete, exists, func, select
from sqlalchemy.orm import Session

from service.catalogue.database import Database
from service.catalogue.records import Track
from service.catalogue.tables import EmbeddingRow, SpaceRow, StateRow, TrackRow
from service.catalogue.work_tables import BundleRow, EmbeddingFailureRow

# Longer than the slowest few files take to be listened to.
LEASE = timedelta(seconds=60)
# Up to this share of tracks that cannot be embedded, the new bundle takes over by itself: some file is always damaged
# or lost. More than that is a disk that is not mounted, and for a person to decide.
LOST_AT_MOST = 0.05
# Some 3 MB: the others wait for no more than a moment.
FORGOTTEN_AT_ONCE = 500


@dataclass(frozen=True)
class Standing:
    """What is and what is wanted, as encoder ids; None before any bundle was used."""

    answering: str | None
    wanted: str | None


@dataclass(frozen=True)
class Progress:
    """How far the catalogue is embedded with a bundle.

    Attributes:
        tracks: Of the catalogue.
        embedded: Of these, with this bundle.
        failed: Of these, tried without success.
    """

    tracks: int
    embedded: int
    failed: int

    @property
    def is_complete(self) -> bool:
        """Whether every track was embedded or at least tried."""
        return self.embedded + self.failed >= self.tracks

    @property
    def has_lost_too_many(self) -> bool:
        """Whether so many could not be embedded that a person must decide."""
        return self.failed > LOST_AT_MOST * self.tracks


@dataclass(frozen=True)
class EmbeddingFailure:
    """Why a track could not be embedded."""

    track_id: str
    code: str
    message: str


class Bundles:
    """What is asked about bundles: `Catalogue.bundles`. Every method is one transaction of its own."""

    def __init__(self, database: Database) -> None:
        """Ask this database."""
        self._database = database

    def standing(self) -> Standing:
        """Which bundle answers, and which is wanted."""
        with self._database.reading() as session:
            return Standing(*session.execute(select(StateRow.answering, StateRow.wanted)).one())

    def name(self, encoder_id: str) -> str:
        """What the bundle of an embedding space is called; the encoder id, if that is not known."""
        with self._database.reading() as session:
            row = session.get(BundleRow, encoder_id)
            return encoder_id if row is None else row.name

    def others(self, encoder_id: str) -> dict[str, str]:
        """Names of all bundles but one that were wanted or embedded with, by encoder id."""
        with self._database.reading() as session:
            names = {row.encoder_id: row.name for row in session.scalars(select(BundleRow))}
            known = sorted({*names, *session.scalars(select(SpaceRow.encoder_id))} - {encoder_id})
        return {each: names.get(each, each) for each in known}

    def progress(self, encoder_id: str) -> Progress:
        """How far the catalogue is embedded with a bundle."""
        with self._database.reading() as session:
            return _progress(session, encoder_id)

    def missing(self, encoder_id: str, *, limit: int, after: str = "") -> list[Track]:
        """Tracks that a bundle has not embedded or tried yet, in the order of ids.

        Args:
            encoder_id: The bundle's.
            limit: The most to return.
            after: The last id of those before.
        """
        question = _missing(encoder_id).where(TrackRow.id > after).order_by(TrackRow.id).limit(limit)
        with self._database.reading() as session:
            return [row.as_track() for row in session.scalars(question)]

    def failures(self, encoder_id: str, *, limit: int) -> list[EmbeddingFailure]:
        """Tracks that could not be embedded with a bundle, in the order of ids."""
        question = (
            select(EmbeddingFailureRow)
            .where(EmbeddingFailureRow.encoder_id == encoder_id)
            .order_by(EmbeddingFailureRow.track_id)
            .limit(limit)
        )
        with self._database.reading() as session:
            return [EmbeddingFailure(row.track_id, row.code, row.message) for row in session.scalars(question)]


class BundlesWriting:
    """What can be said about bundles in a writing transaction: `Writing.bundles`."""

    def __init__(self, session: Session, state: StateRow) -> None:
        """Work in the session of a `Writing`."""
        self._session = session
        self._state = state

    def want(self, encoder_id: str, name: str) -> None:
        """Have a bundle answer: at once, if nothing is embedded with the one that does; else once all is embedded."""
        row = self._session.get(BundleRow, encoder_id)
        if row is None:
            row = BundleRow(encoder_id=encoder_id)
            self._session.add(row)
        row.name = name
        self._state.wanted = encoder_id
        if self._state.answering is None or not self._is_used(self._state.answering):
            self._state.answering = encoder_id

    def change_over(self, encoder_id: str, *, whatever_is_lost: bool = False) -> bool:
        """Have a bundle answer from now on, if it is still wanted and all is embedded with it that can be.

        Args:
            encoder_id: The bundle's.
            whatever_is_lost: Also if more tracks than usual could not be embedded.

        Returns:
            Whether it answers now.
        """
        if self._state.answering == encoder_id:
            return True
        progress = _progress(self._session, encoder_id)
        is_lost = progress.has_lost_too_many and not whatever_is_lost
        if self._state.wanted != encoder_id or not progress.is_complete or is_lost:
            return False
        if self._session.scalar(_missing(encoder_id).limit(1)) is not None:
            return False  # counts may agree by chance; this looks at every track, once
        self._state.answering = encoder_id
        return True

    def hold(self, encoder_id: str, holder: str, *, first: bool = False) -> bool:
        """Take or renew the lease of who embeds with a bundle; False if somebody else has it.

        Args:
            encoder_id: The bundle's.
            holder: Who asks.
            first: Whether to take it from somebody else, who notices with the next tracks.
        """
        row, now = self._session.get_one(BundleRow, encoder_id), datetime.now(UTC)
        if not first and row.embedder not in (None, holder) and row.leased_until is not None and row.leased_until > now:
            return False
        row.embedder, row.leased_until = holder, now + LEASE
        return True

    def let_go(self, encoder_id: str, holder: str) -> None:
        """Give the lease back."""
        row = self._session.get_one(BundleRow, encoder_id)
        if row.embedder == holder:
            row.embedder, row.leased_until = None, None

    def fail(self, encoder_id: str, failure: EmbeddingFailure) -> None:
        """Keep why a track could not be embedded, unless it was embedded meanwhile; it is not missing then."""
        if self._session.get(EmbeddingRow, (failure.track_id, encoder_id)) is not None:
            return
        row = self._session.get(EmbeddingFailureRow, (encoder_id, failure.track_id))
        row = row or EmbeddingFailureRow(encoder_id=encoder_id, track_id=failure.track_id)
        row.code, row.message = failure.code, failure.message
        self._session.add(row)

    def forget_failures(self, encoder_id: str, track_ids: Sequence[str] | None = None) -> None:
        """Have tracks that could not be embedded tried again: these, or all."""
        wanted = delete(EmbeddingFailureRow).where(EmbeddingFailureRow.encoder_id == encoder_id)
        if track_ids is not None:
            wanted = wanted.where(EmbeddingFailureRow.track_id.in_(track_ids))
        self._session.execute(wanted)

    def forget_some(self, encoder_id: str) -> int:
        """Delete some embeddings of a bundle that neither answers nor is wanted; with the last ones, all else of it.

        Returns:
            How many; 0 if nothing is left, or it is needed.
        """
        if encoder_id in (self._state.answering, self._state.wanted):
            return 0
        some = select(EmbeddingRow.track_id).where(EmbeddingRow.encoder_id == encoder_id).limit(FORGOTTEN_AT_ONCE)
        track_ids = list(self._session.scalars(some))
        for table in (EmbeddingRow, EmbeddingFailureRow):
            chosen = delete(table).where(table.encoder_id == encoder_id)
            self._session.execute(chosen.where(table.track_id.in_(track_ids)) if track_ids else chosen)
        if not track_ids:
            for named in (SpaceRow, BundleRow):
                self._session.execute(delete(named).where(named.encoder_id == encoder_id))
        return len(track_ids)

    def forget_failures_of(self, track_id: str) -> None:
        """Have a track that could not be embedded tried again with every bundle."""
        self._session.execute(delete(EmbeddingFailureRow).where(EmbeddingFailureRow.track_id == track_id))

    def _is_used(self, encoder_id: str) -> bool:
        question = select(EmbeddingRow.track_id).where(EmbeddingRow.encoder_id == encoder_id).limit(1)
        return self._session.scalar(question) is not None


def _missing(encoder_id: str) -> Select[TrackRow]:
    """Tracks that were neither embedded nor tried."""
    return select(TrackRow).where(~_is_embedded(encoder_id), ~_has_failed(encoder_id))


def _progress(session: Session, encoder_id: str) -> Progress:
    def count(question: ColumnElement[bool]) -> int:
        return session.scalars(select(func.count()).where(question)).one()

    return Progress(
        tracks=session.scalars(select(func.count()).select_from(TrackRow)).one(),
        embedded=count(EmbeddingRow.encoder_id == encoder_id),
        failed=count(EmbeddingFailureRow.encoder_id == encoder_id),
    )


def _is_embedded(encoder_id: str) -> ColumnElement[bool]:
    return exists().where(EmbeddingRow.track_id == TrackRow.id, EmbeddingRow.encoder_id == encoder_id)


def _has_failed(encoder_id: str) -> ColumnElement[bool]:
    return exists().where(EmbeddingFailureRow.track_id == TrackRow.id, EmbeddingFailureRow.encoder_id == encoder_id)
