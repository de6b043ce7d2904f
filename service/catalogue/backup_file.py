"""A backup: one SQLite file with the tables of a catalogue, the files that only Facet has, and what all should be.

`backup` writes one, `restoring` reads it. The form is that of a catalogue in SQLite, whatever engine it came from, so a
backup of any age is brought to the present by the same migrations, and can be looked into with SQLite's own tools.
"""

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from service.catalogue.copying import TableSum, sums_of
from service.catalogue.errors import CatalogueError
from service.catalogue.kept_files import check_files

FORMAT = 1


class BackupError(CatalogueError):
    """A backup cannot be written, or cannot be read."""


@dataclass(frozen=True)
class BackupContent:
    """What a backup says of itself.

    Attributes:
        made_at: When.
        step: Of the migrations, at which its tables stand.
        tables: What each holds, by name.
        files: What `kept_files` put in; None in a backup of an earlier Facet, or of tables alone.
        uploads: Where the uploaded tracks lay.
    """

    made_at: datetime
    step: str
    tables: dict[str, TableSum]
    files: TableSum | None = None
    uploads: Path | None = None


def describe(connection: Connection, content: BackupContent) -> None:
    """Write into a backup what it holds."""
    connection.exec_driver_sql("CREATE TABLE facet_backup (format INTEGER NOT NULL, description TEXT NOT NULL)")
    described = json.dumps(
        {
            "made_at": content.made_at.isoformat(),
            "step": content.step,
            "tables": {name: asdict(table) for name, table in content.tables.items()},
            "files": None if content.files is None else asdict(content.files),
            "uploads": None if content.uploads is None else os.fsencode(content.uploads).hex(),
        }
    )
    connection.execute(
        text("INSERT INTO facet_backup VALUES (:format, :described)"), {"format": FORMAT, "described": described}
    )


@contextmanager
def opened_for_writing(path: Path) -> Iterator[Connection]:
    """A file that is being made: whoever writes into it commits. It has no journal, so it is of no use until then."""
    engine = _engine(f"file:{quote(bytes(path))}", "PRAGMA journal_mode = OFF", "PRAGMA synchronous = OFF")
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


@contextmanager
def written_plainly(file: Path) -> Iterator[None]:
    """Say in plain words why a backup cannot be written.

    Raises:
        BackupError: In place of what the system or the driver says.
    """
    try:
        yield
    except (OSError, DBAPIError) as error:
        reason = error.strerror if isinstance(error, OSError) else error.orig
        raise BackupError(
            f"the backup {file} cannot be written: {reason}; an earlier one of this name is as it was"
        ) from error


@contextmanager
def opened_backup(file: Path) -> Iterator[tuple[Connection, BackupContent]]:
    """A backup that was found whole, to read. It is read through once before.

    Raises:
        BackupError: If it is not a backup, of a newer format, or damaged.
    """
    if not file.is_file():
        raise BackupError(f"there is no file {file}")
    with opened_for_reading(file) as connection:
        yield connection, _checked(connection, file)


@contextmanager
def opened_for_reading(file: Path) -> Iterator[Connection]:
    """A file of tables that nobody writes."""
    # Immutable: nothing is written beside it, so that it can lie on a read-only disk.
    engine = _engine(f"file:{quote(bytes(file.absolute()))}?mode=ro&immutable=1")
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def _read_through(connection: Connection, file: Path, expected: dict[str, TableSum]) -> None:
    """Read a backup through.

    Raises:
        BackupError: If it is not what it should be.
    """
    complaint = connection.exec_driver_sql("PRAGMA integrity_check").scalar()
    if complaint != "ok":
        raise BackupError(f"the backup {file} is damaged: {complaint}; use another one")
    found = sums_of(connection)
    for name in expected.keys() | found.keys():
        if expected.get(name) != found.get(name):
            raise BackupError(
                f"the backup {file} is damaged: its table {name} is {found.get(name)}, expected {expected.get(name)}; "
                "use another one"
            )


def _checked(connection: Connection, file: Path) -> BackupContent:
    try:
        described = connection.exec_driver_sql("SELECT format, description FROM facet_backup").one()
    except DBAPIError as error:
        raise BackupError(f"{file} is no backup of Facet: {error.orig}") from error
    if described.format != FORMAT:
        raise BackupError(f"the backup {file} has format {described.format}, this Facet reads {FORMAT}")
    try:
        read = json.loads(described.description)
        content = BackupContent(
            made_at=datetime.fromisoformat(read["made_at"]),
            step=str(read["step"]),
            tables={name: TableSum(**table) for name, table in read["tables"].items()},
            files=None if read.get("files") is None else TableSum(**read["files"]),
            uploads=None if read.get("uploads") is None else Path(os.fsdecode(bytes.fromhex(read["uploads"]))),
        )
        _read_through(connection, file, content.tables)
        if (complaint := check_files(connection, content.files)) is not None:
            raise BackupError(f"the backup {file} is damaged: {complaint}; use another one")
    except (DBAPIError, ValueError, KeyError, TypeError) as error:
        raise BackupError(f"the backup {file} is damaged: {error}; use another one") from error
    return content


def _engine(uri: str, *settings: str) -> Engine:
    engine = create_engine("sqlite://", creator=lambda: sqlite3.connect(uri, uri=True), poolclass=NullPool)

    @event.listens_for(engine, "connect")
    def set_up(connection: Any, record: Any) -> None:  # noqa: ARG001
        # Keeps the driver from beginning and committing on its own account; `begin` below does it.
        connection.isolation_level = None
        for setting in settings:
            connection.execute(setting)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    return engine
