"""A backup back into a database, of either engine. `facet restore` calls this; `backup` goes the other way.

All of it is one transaction: whenever it ends before its end, the database is what it was. A catalogue that was
restored has an identity of its own, so that no index of what it replaced can pass for one of it.
"""

import shutil
import sqlite3
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, inspect, text

from service.catalogue.backup_file import BackupContent, BackupError, opened_backup, opened_for_reading
from service.catalogue.copying import copy_rows, empty, sums_of
from service.catalogue.database import Database
from service.catalogue.errors import CatalogueError
from service.catalogue.kept_files import KeptFolders, have_uploads_at, remove, take_files_out
from service.catalogue.migrating import locked, make_folder, upgrade, upgrade_within
from service.catalogue.tables import SCHEMA_REVISION


class RestoreRefusedError(CatalogueError):
    """Something would be lost, or broken under somebody's hands."""


@dataclass(frozen=True)
class Restored:
    """What was done.

    Attributes:
        content: Of the backup.
        tracks: In the catalogue now.
        replaced_identity: Of the catalogue that was there before, if one was.
    """

    content: BackupContent
    tracks: int
    replaced_identity: str | None


def restore(file: Path, database: Database, *, replace: bool = False, folders: KeptFolders | None = None) -> Restored:
    """Make a database the catalogue that a backup holds.

    Args:
        file: Of `facet backup`, of this Facet or an earlier one.
        database: Of either engine, whatever the backup came from.
        replace: Whether what is in it may be lost.
        folders: Where the files belong that only Facet has; None to leave them in the backup.

    Raises:
        BackupError: If the backup cannot be used; the database was not touched then.
        RestoreRefusedError: If there is a catalogue with something in it, or somebody has it open.
        CatalogueUnavailableError: If the database cannot be written; it is what it was then.
    """
    with opened_backup(file) as (connection, content):
        if is_open_elsewhere(database):
            raise RestoreRefusedError(
                f"somebody has the catalogue at {database.name} open: stop the service and every ingest, and try again"
            )
        make_folder(database)
        with _at_this_step(connection, content, file) as source:
            files = _take_files_out(source, folders)
            try:
                replaced, tracks = _replace(source, database, replace=replace, content=content, folders=folders)
            except BaseException:
                remove(files)
                raise
    return Restored(content, tracks=tracks, replaced_identity=replaced)


def is_open_elsewhere(database: Database) -> bool:
    """Whether another process has the catalogue open, as far as can be seen from here.

    Raises:
        CatalogueUnavailableError: If the server does not answer.
    """
    if not database.is_sqlite:
        with database.reading() as session:
            others = text(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
                "AND starts_with(application_name, 'facet') "
                "AND application_name <> current_setting('application_name')"
            )
            return bool(session.execute(others).scalar_one())
    if database.file is None or not database.file.exists():
        return False
    # To give up the write-ahead log, SQLite must be the only one that has the file open. Facet takes it up again.
    with closing(sqlite3.connect(database.file, timeout=0)) as connection:
        try:
            connection.execute("PRAGMA journal_mode = DELETE").fetchall()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                return True
        except sqlite3.DatabaseError:
            return False  # the transaction that follows says what is wrong with it
    return False


@contextmanager
def _at_this_step(connection: Connection, content: BackupContent, file: Path) -> Iterator[Connection]:
    """The backup, or a copy of it that was brought to the tables of this Facet."""
    if content.step == SCHEMA_REVISION:
        yield connection
        return
    with ExitStack() as held:
        try:
            copy = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="facet-restore-"))) / "backup.db"
            shutil.copyfile(file, copy)
            database = Database(f"sqlite:///{copy}")
            try:
                upgrade(database)
            finally:
                database.close()
        except OSError as error:
            reason = f"the backup {file} cannot be brought to step {SCHEMA_REVISION}: {error.strerror}"
            raise BackupError(reason) from error
        # What goes wrong from here on is none of the copy's.
        yield held.enter_context(opened_for_reading(copy))


def _take_files_out(source: Connection, folders: KeptFolders | None) -> list[Path]:
    if folders is None:
        return []
    try:
        return take_files_out(source, folders)
    except OSError as error:
        raise CatalogueError(
            f"the uploads and models of the backup cannot be written to {folders.uploads.parent}: {error.strerror}; "
            "the catalogue is as it was"
        ) from error


def _replace(
    source: Connection, database: Database, *, replace: bool, content: BackupContent, folders: KeptFolders | None
) -> tuple[str | None, int]:
    """The identity of what was there, and the number of tracks that are there now."""
    with locked(database) as target:
        replaced = _identity(target)
        upgrade_within(target, database)
        if not database.is_sqlite:
            # Whoever writes takes this lock first: nobody comes between what is read and what is deleted.
            target.execute(text("SELECT id FROM catalogue_state FOR UPDATE"))
        tracks = target.execute(text("SELECT count(*) FROM tracks")).scalar_one()
        if tracks and not replace:
            raise RestoreRefusedError(
                f"the catalogue at {database.name} holds {tracks} tracks; make a backup of it, then say --replace"
            )
        empty(target)
        sums = copy_rows(source, target)
        if sums_of(target) != sums:
            raise CatalogueError(f"what was written to {database.name} is not what was read; it was left as it was")
        if folders is not None and content.uploads is not None:
            have_uploads_at(target, content.uploads, folders.uploads)
        target.execute(text("UPDATE catalogue_state SET identity = :new"), {"new": str(uuid.uuid4())})
    return replaced, sums["tracks"].rows


def _identity(connection: Connection) -> str | None:
    if not inspect(connection).has_table("catalogue_state"):
        return None
    identity: str | None = connection.execute(text("SELECT identity FROM catalogue_state")).scalar()
    return identity
