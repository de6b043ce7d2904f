"""Takes the rehearsed step on a catalogue and takes it back, and tells what the tables hold before and after.

`python -m tests.service.rehearsing upgrade|downgrade|pause URL` does it in a process of its own, for tests that kill
it; `pause` takes the whole step and waits before it is kept.
"""

import hashlib
import resource
import sys
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from alembic import command
from sqlalchemy import Column, MetaData, inspect, select
from sqlalchemy.orm import Session

import migrations
from service.catalogue.database import Database
from service.catalogue.migrating import alembic_config, locked
from service.catalogue.tables import SCHEMA_REVISION

REHEARSED = "rehearsed"
STEPS = Path(migrations.__file__).parent / "versions", Path(__file__).parent / "rehearsed_steps"
ROWS_AT_ONCE = 500


def rehearse(database: Database, step: str, *, before_it_is_kept: Callable[[], None] = lambda: None) -> None:
    """Go to a step, up or down, as `facet db upgrade` goes up."""
    with locked(database) as connection:
        config = alembic_config(connection)
        config.set_main_option("path_separator", "newline")
        config.set_main_option("version_locations", "\n".join(str(folder).replace("%", "%%") for folder in STEPS))
        go = command.upgrade if step == REHEARSED else command.downgrade
        go(config, step)
        before_it_is_kept()


def what_is_in(database: Database, *, only: Mapping[str, Collection[str]] | None = None) -> dict[str, str]:
    """A digest of every table's columns and rows.

    Args:
        database: Where.
        only: Tables and the columns of each that count; what else there is, is left out.
    """
    with database.reading() as session:
        metadata = MetaData()
        metadata.reflect(session.connection())
        return {
            name: _digest(session, [column for column in table.columns if only is None or column.name in only[name]])
            for name, table in sorted(metadata.tables.items())
            if only is None or name in only
        }


def shape_of(database: Database) -> dict[str, list[str]]:
    """The columns of every table, and its indices."""
    with database.reading() as session:
        looked = inspect(session.connection())
        return {
            table: [column["name"] for column in looked.get_columns(table)]
            + sorted(str(index["name"]) for index in looked.get_indexes(table))
            for table in sorted(looked.get_table_names())
        }


def _digest(session: Session, columns: list[Column[Any]]) -> str:
    digest = hashlib.sha256(repr([column.name for column in columns]).encode())
    question = select(*columns).order_by(*columns[0].table.primary_key)
    for row in session.execute(question, execution_options={"yield_per": ROWS_AT_ONCE}):
        digest.update(repr(tuple(row)).encode())
    return digest.hexdigest()


def _pause() -> None:
    print("paused", flush=True)
    time.sleep(600)


def main() -> None:
    """Go, and print how many seconds it took and how many bytes of memory."""
    direction, url = sys.argv[1:]
    database = Database(url)
    print("begins", flush=True)
    began = time.monotonic()
    if direction == "pause":
        rehearse(database, REHEARSED, before_it_is_kept=_pause)
    else:
        rehearse(database, {"upgrade": REHEARSED, "downgrade": SCHEMA_REVISION}[direction])
    print(time.monotonic() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, flush=True)
    database.close()


if __name__ == "__main__":
    main()
