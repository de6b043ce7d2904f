"""Takes a database from the tables it has to the tables this version of Facet needs, by the steps in `migrations`.

`repository` calls it for a new database; `facet db upgrade` for one that is older than the program.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Connection, inspect, text

import migrations
from service.catalogue.database import Database
from service.catalogue.errors import CatalogueError
from service.catalogue.tables import SCHEMA_REVISION

# Any number, as long as every Facet uses the same one: whoever holds it migrates.
_POSTGRESQL_LOCK = 0xFACE7


@dataclass(frozen=True)
class Upgrade:
    """What an upgrade did: from a step (None: from an empty database) to a step; the same if nothing was missing."""

    before: str | None
    after: str


def upgrade(database: Database) -> Upgrade:
    """Take the steps that are missing, in one transaction. Whoever comes second waits, and finds nothing missing.

    Raises:
        CatalogueError: If the database is newer than the program, or somebody else's.
        CatalogueUnavailableError: If it cannot be written.
    """
    make_folder(database)
    with locked(database) as connection:
        return upgrade_within(connection, database)


def upgrade_within(connection: Connection, database: Database) -> Upgrade:
    """The same, as a part of a transaction that `locked` gave.

    Raises:
        CatalogueError: As `upgrade`.
    """
    before = MigrationContext.configure(connection).get_current_revision()
    _refuse_encoding(connection, database)
    if before is None and set(inspect(connection).get_table_names()) - {"alembic_version"}:
        raise CatalogueError(f"the database at {database.name} holds tables that are not Facet's; give it its own")
    if before is not None:
        refuse_unknown(database, before)
    command.upgrade(alembic_config(connection), "head")
    return Upgrade(before=before, after=SCHEMA_REVISION)


def make_folder(database: Database) -> None:
    """Make the folder of SQLite's file, if it is missing.

    Raises:
        CatalogueError: If it cannot be made.
    """
    if database.file is not None:
        try:
            database.file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CatalogueError(f"the folder {database.file.parent} cannot be made: {error.strerror}") from error


def alembic_config(connection: Connection | None = None) -> Config:
    """Alembic's configuration, without a file: the steps lie beside this program's own modules.

    Args:
        connection: Whose tables are to be changed; None to look at the steps alone.
    """
    config = Config()
    # It reads a percent sign as the beginning of a variable.
    config.set_main_option("script_location", str(Path(migrations.__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def is_known(step: str) -> bool:
    """Whether this Facet has heard of a step."""
    try:
        ScriptDirectory.from_config(alembic_config()).get_revision(step)
    except CommandError:
        return False
    return True


@contextmanager
def locked(database: Database) -> Iterator[Connection]:
    """A transaction that nobody else migrates beside; what is done to the tables in it is kept whole or not at all.

    Raises:
        CatalogueUnavailableError: If the database cannot be written, or somebody else migrates for too long.
    """
    with database.changing_tables() as connection:
        if not database.is_sqlite:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _POSTGRESQL_LOCK})
        yield connection


def _refuse_encoding(connection: Connection, database: Database) -> None:
    """Facet keeps names in every script, so a database must be able to."""
    if database.is_sqlite:
        return
    encoding = connection.execute(text("SHOW server_encoding")).scalar_one()
    if encoding != "UTF8":
        raise CatalogueError(
            f"the database at {database.name} keeps its text as {encoding}, which has not every letter; make one with "
            "`createdb --encoding=UTF8 --locale=C --template=template0 NAME`"
        )


def refuse_unknown(database: Database, step: str) -> None:
    """Refuse what stands at a step that this Facet has never heard of.

    Raises:
        CatalogueError: If it does.
    """
    if not is_known(step):
        raise CatalogueError(
            f"the catalogue at {database.name} is at step {step}, this Facet knows steps up to {SCHEMA_REVISION}; "
            "it was written by a newer Facet: install that one"
        )
