"""The catalogue as the rest of Facet sees it: tracks, their embeddings, and what changed since a revision.

`ingest` writes through `Catalogue.writing`, the live index follows `changes_since`, the endpoints ask for tracks. The
values that come out are plain (`records`), free of any session.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

from sqlalchemy import func, select

from index.subspaces import Vectors
from service.catalogue.bundles import Bundles
from service.catalogue.changes import all_embeddings, changes_since
from service.catalogue.database import BUSY_SECONDS, Database
from service.catalogue.errors import CatalogueNotMigratedError, CatalogueReplacedError, TrackNotFoundError
from service.catalogue.facts import FactsBatch, facts_since
from service.catalogue.failures import Failures
from service.catalogue.jobs import Jobs
from service.catalogue.known_files import KnownFile, known_files
from service.catalogue.labels import counted_labels, labelled_ids
from service.catalogue.paths import at_or_under, divide_by_path
from service.catalogue.records import Track, TrackEmbedding
from service.catalogue.tables import SCHEMA_REVISION, EmbeddingRow, SecretRow, StateRow, TrackRow
from service.catalogue.track_lists import track_ids_by_artist, tracks_after, tracks_named
from service.catalogue.writing import Writing

if TYPE_CHECKING:  # it brings FAISS along, which commands that only look do without
    from index.live_state import Change

# A statement holds some 32,000 values at most on SQLite; more than this many keys at once are no quicker.
KEYS_AT_ONCE = 500
# What the secret is for that seals cursors, in the table of secrets.
CURSORS = "cursors"

Key = TypeVar("Key")


class Catalogue:
    """The catalogue; one per process, safe to share between threads. Every method is one transaction of its own."""

    def __init__(self, database: Database) -> None:
        """Take over a database whose tables are in order; `open` sees to that."""
        self._database = database
        self.jobs = Jobs(database)
        self.bundles = Bundles(database)
        self.failures = Failures(database)
        with database.reading() as session:
            self._identity: str = session.scalars(select(StateRow.identity)).one()
            self._cursor_secret = session.scalars(select(SecretRow.secret).where(SecretRow.purpose == CURSORS)).one()

    @classmethod
    def open(cls, url: str, *, create: bool = False, busy_seconds: float = BUSY_SECONDS) -> Self:
        """Open a catalogue.

        Args:
            url: Of SQLAlchemy: `sqlite:///file.db`, `postgresql+psycopg://user@host/name`.
            create: Make the tables if the database is empty, and the file if there is none.
            busy_seconds: How long to wait for another writer before giving up.

        Raises:
            CatalogueNotMigratedError: If the tables are not those of this version.
            CatalogueUnavailableError: If the database cannot be reached.
            CatalogueError: If the URL cannot be used.
        """
        database = Database(url, busy_seconds=busy_seconds)
        try:
            step = database.step()
            if step is None and create:
                # Imported only here: Alembic takes as long to load as a short command takes to run.
                from service.catalogue.migrating import upgrade

                step = upgrade(database).after
            if step is None:
                raise CatalogueNotMigratedError(
                    f"there is no catalogue at {database.name} yet; `facet ingest FOLDER` makes and fills one, "
                    "`facet db upgrade` makes an empty one"
                )
            if step != SCHEMA_REVISION:
                raise CatalogueNotMigratedError(
                    f"the catalogue at {database.name} is at step {step}, this Facet needs step {SCHEMA_REVISION}; "
                    "run `facet db upgrade`"
                )
            return cls(database)
        except BaseException:
            database.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give every connection back. SQLite folds its log into the file when the last one is closed."""
        self._database.close()

    @property
    def identity(self) -> str:
        """A UUID given to the database when it was made. Revisions mean something only together with it."""
        return self._identity

    @property
    def cursor_secret(self) -> bytes:
        """What cursors are sealed with: the same for every process of this catalogue, and told to nobody."""
        return self._cursor_secret

    # What an index follows

    def revision(self) -> int:
        """The number of changes that an index must see, since the beginning.

        Raises:
            CatalogueReplacedError: If it is not the catalogue that was opened any more.
        """
        with self._database.reading() as session:
            state = session.execute(select(StateRow.revision, StateRow.identity)).one()
        if state.identity != self._identity:
            raise CatalogueReplacedError(
                f"the catalogue at {self._database.name} was replaced by another one, a restored backup: start again"
            )
        revision: int = state.revision
        return revision

    def changes_since(self, encoder_id: str, revision: int, *, limit: int = 2000) -> "Change | None":
        """The next changes of an embedding space, oldest first; a track's earlier ones are left out.

        Where a track was deleted and put again, only the put comes; where it was put and deleted, only the delete.

        Args:
            encoder_id: The embedding space.
            revision: Up to where the index has followed; 0 at the beginning.
            limit: The most changes at once, at least 1.

        Returns:
            What to apply: possibly nothing, if all that happened concerns other spaces. None if nothing happened.

        Raises:
            RevisionAheadError: If the catalogue has not come that far: the index belongs to another database.
        """
        with self._database.reading() as session:
            return changes_since(session, encoder_id, revision, limit=limit)

    def all_embeddings(self, encoder_id: str) -> Iterator[tuple[list[str], Vectors]]:
        """Every track's vector `(n, width)` in an embedding space, of one moment, in no order; memory stays flat.

        For a rebuild: ask for `revision()` first, take all of this in, then follow `changes_since` that revision. What
        changed in between may or may not be in the batches; following puts it right.
        """
        return all_embeddings(self._database, encoder_id)

    def facts_since(self, encoder_id: str, revision: int, *, with_tags: bool) -> Iterator[FactsBatch]:
        """What can be filtered by, of every track put into an embedding space after a revision, in no order.

        Ask for `revision()` first: what is put meanwhile may or may not be in the batches, and is in the next ones.

        Args:
            encoder_id: The embedding space.
            revision: Up to where it is known already; 0 for all.
            with_tags: Whether the tags' probabilities are wanted too, which take longer to read than all the rest.
        """
        return facts_since(self._database, encoder_id, revision, with_tags=with_tags)

    # What people and endpoints ask for

    def track(self, track_id: str) -> Track:
        """One track.

        Raises:
            TrackNotFoundError: If there is none with this id.
        """
        with self._database.reading() as session:
            row = session.get(TrackRow, track_id)
            if row is None:
                raise TrackNotFoundError(track_id)
            return row.as_track()

    def tracks(self, track_ids: Collection[str]) -> dict[str, Track]:
        """Tracks by id; those that are not there are left out."""
        with self._database.reading() as session:
            return {
                row.id: row.as_track()
                for some in _portions(track_ids)
                for row in session.scalars(select(TrackRow).where(TrackRow.id.in_(some)))
            }

    def list_tracks(self, *, limit: int, after: str | None = None, labels: Collection[str] = ()) -> list[Track]:
        """Tracks in the order they were added, which is the order of their ids.

        Args:
            limit: The most to return.
            after: The last id of the page before. It need not be there any more.
            labels: Only tracks that have all of these, in any case.
        """
        if labels:
            known = self.tracks(labelled_ids(self._database, labels, after=after or "", limit=limit))
            return [known[track_id] for track_id in sorted(known)]
        with self._database.reading() as session:
            return tracks_after(session, after or "", limit=limit)

    def tracks_named(self, words: Sequence[str], *, limit: int) -> list[Track]:
        """Tracks whose title or artist holds each of these words, in the order they were added.

        Case does not matter, except for letters beyond ASCII in titles on SQLite.

        Args:
            words: Parts of names; none of them means every track.
            limit: The most to return.
        """
        with self._database.reading() as session:
            return tracks_named(session, words, limit=limit)

    def count_tracks(self) -> int:
        """Number of tracks."""
        with self._database.reading() as session:
            return session.scalars(select(func.count()).select_from(TrackRow)).one()

    def count_embeddings(self, encoder_id: str) -> int:
        """Number of tracks in an embedding space."""
        with self._database.reading() as session:
            return session.scalars(select(func.count()).where(EmbeddingRow.encoder_id == encoder_id)).one()

    def track_ids_by_artist(self, artist: str) -> list[str]:
        """Tracks of this artist, in the order of ids; case and space around the name do not matter."""
        with self._database.reading() as session:
            return track_ids_by_artist(session, artist)

    def embedding(self, track_id: str, encoder_id: str) -> TrackEmbedding | None:
        """What a track is in an embedding space, or None if it is not in it."""
        return self.embeddings([track_id], encoder_id).get(track_id)

    def embeddings(self, track_ids: Collection[str], encoder_id: str) -> dict[str, TrackEmbedding]:
        """What tracks are in an embedding space, by id; those that are not in it are left out."""
        with self._database.reading() as session:
            return {
                row.track_id: row.as_embedding()
                for some in _portions(track_ids)
                for row in session.scalars(
                    select(EmbeddingRow).where(EmbeddingRow.track_id.in_(some), EmbeddingRow.encoder_id == encoder_id)
                )
            }

    def labels(self) -> dict[str, int]:
        """Every label that a track has, as it is mostly written, and how many tracks have it; in any case it counts."""
        with self._database.reading() as session:
            return counted_labels(session)

    # What ingest needs

    def known_files(self, paths: Collection[Path], encoder_id: str) -> dict[Path, KnownFile]:
        """What the catalogue knows of these paths; those it knows no track of are left out."""
        with self._database.reading() as session:
            portions = [known_files(session, some, encoder_id) for some in _portions(paths)]
        return {path: file for portion in portions for path, file in portion.items()}

    def track_ids_under(self, path: Path) -> list[str]:
        """Tracks whose file is this path or lies under it, in the order of ids."""
        question = select(TrackRow.id).where(at_or_under(TrackRow.path, path)).order_by(TrackRow.id)
        with self._database.reading() as session:
            return list(session.scalars(question))

    def divide_by_path(self, path: Path) -> tuple[bool, list[str]]:
        """Which tracks' files are this path or lie under it, told by the smaller side.

        Returns:
            Whether the ids are of the tracks under the path (else of all others), and the ids, in no order.
        """
        with self._database.reading() as session:
            return divide_by_path(session, path)

    @contextmanager
    def writing(self) -> Iterator[Writing]:
        """One writing transaction: kept at the end of the block, or not at all if an exception leaves it.

        Raises:
            CatalogueUnavailableError: If the database cannot be written.
        """
        with self._database.writing() as session:
            yield Writing(session)

    def forget(self, track_ids: Collection[str]) -> int:
        """Take tracks and all that belongs to them out of the catalogue; files are not touched.

        Returns:
            How many there were; unknown ids are passed over.
        """
        with self.writing() as writing:
            return sum(writing.forget(some) for some in _portions(track_ids))


def _portions(keys: Collection[Key]) -> Iterator[list[Key]]:
    """The keys, as many at a time as fit a statement."""
    every = list(keys)
    return (every[first : first + KEYS_AT_ONCE] for first in range(0, len(every), KEYS_AT_ONCE))
