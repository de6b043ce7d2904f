"""The engine underneath the catalogue: how SQLite and PostgreSQL are opened so that both keep the same promises.

`repository` and `writing` stand on its two kinds of transaction, `migrating` on `engine`.

What is promised, and how:

* A reading transaction sees one moment from its first question to its last: a snapshot of SQLite's write-ahead log, or
  PostgreSQL's REPEATABLE READ.
* Writing transactions come one after the other: SQLite's BEGIN IMMEDIATE, or the lock on the one row of
  `catalogue_state` that `writing` takes first. Nobody waits for a reader, and no reader waits.
* What was committed is kept. A killed process takes nothing with it, for the log was handed to the operating system.
  `synchronous=FULL` has it on the disk too, so that a power cut cannot take back a revision for which an index has been
  published; PostgreSQL does this by default. NORMAL would save an fsync a transaction, and ingest makes two a second.
"""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, IntegrityError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import Session

from service.catalogue.errors import CatalogueError, CatalogueUnavailableError

# Another writer holds the database for milliseconds; forgetting a whole collection, or a migration, for seconds.
BUSY_SECONDS = 30.0


class Database:
    """A pool of connections; safe to share between threads, not between processes."""

    def __init__(self, url: str, *, busy_seconds: float = BUSY_SECONDS) -> None:
        """Prepare; nothing is connected yet.

        Args:
            url: Of SQLAlchemy: `sqlite:///file.db`, `postgresql+psycopg://user@host/name`.
            busy_seconds: How long to wait for another writer before giving up.

        Raises:
            CatalogueError: If the URL is not one, or names an engine or driver that is not there.
        """
        try:
            self.url = make_url(url)
            self.is_sqlite = self.url.get_backend_name() == "sqlite"
            if self.is_sqlite:
                self.engine = create_engine(self.url)
                _open_sqlite(self.engine, busy_seconds)
                self._reading = self.engine
                self._writing = self.engine.execution_options(facet_writes=True)
            else:
                # A server may have been restarted since a connection was last used.
                self.engine = create_engine(self.url, pool_pre_ping=True)
                self._reading = self.engine.execution_options(isolation_level="REPEATABLE READ")
                self._writing = self.engine.execution_options(isolation_level="READ COMMITTED")
        except (ArgumentError, ImportError) as error:
            raise CatalogueError(f"the database URL cannot be used: {error}") from error

    @property
    def name(self) -> str:
        """What to call it: SQLite's file, or the URL without its password."""
        return self.url.render_as_string(hide_password=True) if self.file is None else str(self.file)

    @property
    def file(self) -> Path | None:
        """SQLite's file, or None for a server."""
        return Path(self.url.database) if self.is_sqlite and self.url.database else None

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """One moment of the catalogue, to look at.

        Raises:
            CatalogueUnavailableError: If the database cannot be read.
        """
        with self.plainly(), Session(self._reading) as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """One transaction: all of it is kept at the end, or nothing if an exception leaves the block.

        Raises:
            CatalogueUnavailableError: If the database cannot be written.
        """
        with self.plainly(), Session(self._writing) as session, session.begin():
            yield session

    def step(self) -> str | None:
        """The migration the tables stand at; None if there are none, or the file is not there.

        Raises:
            CatalogueUnavailableError: If the database cannot be read.
        """
        if self.file is not None and not self.file.exists():
            return None  # connecting would make the file
        with self.reading() as session:
            if not inspect(session.connection()).has_table("alembic_version"):
                return None
            return session.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()

    @contextmanager
    def plainly(self) -> Iterator[None]:
        """Say in plain words what the driver says of a database that is out of reach, locked or full."""
        try:
            yield
        except (DataError, IntegrityError, ProgrammingError):
            raise  # a defect of ours, not of the database's day
        except (DBAPIError, PoolTimeoutError) as error:
            reason = str(error.orig if isinstance(error, DBAPIError) else error).strip()
            raise CatalogueUnavailableError(
                f"the catalogue at {self.name} cannot be used now: {reason}; "
                "what was written before stands, so mend this and run the same command again"
            ) from error

    def close(self) -> None:
        """Give every connection back."""
        self.engine.dispose()


def _open_sqlite(engine: Engine, busy_seconds: float) -> None:
    """Set SQLite up as the module's docstring says."""

    @event.listens_for(engine, "connect")
    def set_up(connection: Any, record: Any) -> None:  # noqa: ARG001
        # Keeps the driver from beginning and committing on its own account; `begin` below does it.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {int(busy_seconds * 1000)}")
        _write_ahead(cursor, busy_seconds)
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A reader that turned writer would be refused if someone wrote in between; so a writer says so at once.
        writes = connection.get_execution_options().get("facet_writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _write_ahead(cursor: sqlite3.Cursor, busy_seconds: float) -> None:
    """Take up the write-ahead log; waits, as `busy_timeout` does for everything but a file's first change to it."""
    give_up = time.monotonic() + busy_seconds
    while True:
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > give_up:
                raise
            time.sleep(0.01)
        else:
            return
