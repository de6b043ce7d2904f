"""The engine underneath the catalogue: how SQLite and PostgreSQL are opened so that both keep the same promises.

`repository` and `writing` stand on its two kinds of transaction, `migrating` on a third, `changing_tables`.

What is promised, and how:

* A reading transaction sees one moment from its first question to its last: a snapshot of SQLite's write-ahead log, or
  PostgreSQL's REPEATABLE READ.
* Writing transactions come one after the other: SQLite's BEGIN IMMEDIATE, or the lock on the one row of
  `catalogue_state` that `writing` takes first. Nobody waits for a reader, and no reader waits.
* What was committed is kept. A killed process takes nothing with it, for the log was handed to the operating system.
  `synchronous=FULL` has it on the disk too, so that a power cut cannot take back a revision for which an index has been
  published; PostgreSQL does this by default. NORMAL would save an fsync a transaction, and ingest makes two a second.
* Nobody waits for ever: for another writer `busy_seconds`, for a server that does not answer about as long.
"""

import os
import secrets
import socket
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, IntegrityError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import Session

from service.catalogue.errors import CatalogueError, CatalogueUnavailableError

# Another writer holds the database for milliseconds; forgetting a whole collection, or a migration, for seconds.
BUSY_SECONDS = 30.0
# Of each process, at most: the service asks from 16 threads and follows from two. A server allows 100 as a rule.
CONNECTIONS = 20
CONNECT_SECONDS = 10
# A computer that went away without a word is noticed after 30 + 3 * 10 s, by the service and by the server.
KEEPALIVES = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}
# SQLSTATE 42501, insufficient_privilege: to be mended in the database, not in Facet.
FORBIDDEN = "42501"
# In containers, two processes may have one host name and one number.
_PROCESS = secrets.token_hex(4)


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
        self.url = _known(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        try:
            if self.is_sqlite:
                self.engine = create_engine(self.url)
                _open_sqlite(self.engine, busy_seconds)
                self._reading = self.engine
                self._writing = self.engine.execution_options(facet_writes=True)
            else:
                self.engine = _postgresql_engine(self.url)
                _open_postgresql(self.engine, busy_seconds)
                self._reading = self.engine.execution_options(isolation_level="REPEATABLE READ")
                self._writing = self.engine.execution_options(isolation_level="READ COMMITTED")
        except ArgumentError as error:
            raise CatalogueError(f"the database URL cannot be used: {error}") from error
        except ImportError as error:
            raise CatalogueError(
                f"the database URL cannot be used: {error}; for PostgreSQL, install Facet with its extra `postgres`"
            ) from error

    @property
    def name(self) -> str:
        """What to call it: SQLite's file, or the URL without its passwords."""
        if self.file is not None:
            return str(self.file)
        return self.url.difference_update_query(["password", "sslpassword"]).render_as_string(hide_password=True)

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

    @contextmanager
    def changing_tables(self) -> Iterator[Connection]:
        """One transaction that changes the tables themselves: all of it is kept at the end, or nothing.

        Raises:
            CatalogueUnavailableError: If the database cannot be written.
        """
        with self.plainly(), self._writing.connect() as connection:
            if not self.is_sqlite:
                with connection.begin():
                    _end_with_us(connection)
                    yield connection
                return
            # SQLite changes a table by making it anew and dropping the old one; what refers to its rows would be
            # deleted along with them. It listens to this outside of a transaction only, and forgets it with the
            # connection, which is why that is not given back to the others.
            connection.detach()
            cursor = connection.connection.cursor()
            cursor.execute("PRAGMA foreign_keys = OFF")
            cursor.close()
            with connection.begin():
                yield connection
                broken = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
                if broken is not None:
                    raise CatalogueError(
                        f"the catalogue at {self.name} was left as it was: afterwards, a row of {broken[0]} would "
                        f"refer to a row of {broken[2]} that is not there; please report this"
                    )

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
        except (DataError, IntegrityError, ProgrammingError) as error:
            if getattr(error.orig, "sqlstate", None) != FORBIDDEN:
                raise  # a defect of ours, not of the database's day
            raise CatalogueUnavailableError(
                f"the catalogue at {self.name} cannot be used by this user: {_reason(error.orig)}; "
                "make this user the owner of the database"
            ) from error
        except (DBAPIError, PoolTimeoutError) as error:
            reason = _reason(error.orig if isinstance(error, DBAPIError) else error)
            raise CatalogueUnavailableError(
                f"the catalogue at {self.name} cannot be used now: {reason}; "
                "what was written before stands, so mend this and run the same command again"
            ) from error

    def close(self) -> None:
        """Give every connection back."""
        self.engine.dispose()


def _reason(error: BaseException | None) -> str:
    """The driver's reason, in a line: below it PostgreSQL quotes the statement."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _known(url: str) -> URL:
    """The URL, of a database that Facet can use. What is said of another one does not repeat it: it holds a password.

    Raises:
        CatalogueError: If it is none.
    """
    try:
        made = make_url(url)
        kind = made.get_backend_name(), made.get_driver_name()
    except ArgumentError as error:
        raise CatalogueError(f"the database URL cannot be used: {error}") from error
    except ValueError as error:
        raise CatalogueError(
            "the database URL cannot be used: its port is not a number; in a password, write : as %3A and @ as %40"
        ) from error
    if kind not in (("sqlite", "pysqlite"), ("postgresql", "psycopg")):
        raise CatalogueError(
            f"the database URL cannot be used: it is of {'+'.join(kind)}, and Facet knows sqlite and postgresql+psycopg"
        )
    return made


def _postgresql_engine(url: URL) -> Engine:
    # What the URL says wins: libpq's parameters may stand behind its question mark.
    ours = {
        **{"connect_timeout": CONNECT_SECONDS, "client_encoding": "UTF8", **KEEPALIVES},
        # Whom the server's own tools name, and by which `facet restore` sees that somebody is there.
        "application_name": f"facet {socket.gethostname()[:32]} {os.getpid()} {_PROCESS}",
    }
    return create_engine(
        url,
        connect_args={name: value for name, value in ours.items() if name not in url.query},
        # The one used last is used next, so that the others are there for a rush and idle else.
        **{"pool_size": CONNECTIONS, "max_overflow": 0, "pool_use_lifo": True},
        # A server may have been restarted since a connection was last used.
        pool_pre_ping=True,
    )


def _open_postgresql(engine: Engine, busy_seconds: float) -> None:
    """Have PostgreSQL give up a lock as SQLite does, and notice a writer whose computer went away."""
    ours = {"lock_timeout": f"{int(busy_seconds * 1000)}ms", **{f"tcp_{name}": n for name, n in KEEPALIVES.items()}}

    @event.listens_for(engine, "connect")
    def set_up(connection: Any, record: Any) -> None:  # noqa: ARG001
        # Outside of a transaction: rolled back, they would be forgotten.
        connection.autocommit = True
        for name, value in ours.items():
            connection.execute("SELECT set_config(%s, %s, false)", (name, str(value)))
        connection.autocommit = False


def _end_with_us(connection: Connection) -> None:
    """Have a long statement of this transaction end soon after this program, so that its locks do not outlive it."""
    # PostgreSQL knows this from version 14 on, and not on every system: without it, the statement runs to its end.
    with suppress(DBAPIError), connection.begin_nested():
        connection.exec_driver_sql("SET LOCAL client_connection_check_interval = '1s'")


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
