"""Every row of a catalogue on its way from one database to another of either engine, with a checksum of each table.

`backup` writes with this, `restoring` reads. The tables are taken as they are found, so it does not matter which step
of the migrations they stand at. However many rows there are, `ROWS_AT_ONCE` are in memory at a time.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, DateTime, MetaData, Table, delete, insert, select

# What the database keeps for itself, which no catalogue's content depends on, and what a backup has beside it.
NOT_CONTENT = frozenset({"alembic_version", "facet_backup", "facet_files", "facet_file_parts"})
# A row is some 6 kB as a rule, so 300 kB are held; one of a ten-hour file with every excerpt kept is 6 MB, and fifty of
# those 300 MB.
ROWS_AT_ONCE = 50

Row = Mapping[str, Any]


@dataclass(frozen=True)
class TableSum:
    """What a table holds.

    Attributes:
        rows: How many.
        checksum: The sum of the sha256 of every row, modulo 2^256, hexadecimal: the same in whatever order they come.
    """

    rows: int
    checksum: str


def tables_of(connection: Connection) -> list[Table]:
    """The tables of a catalogue, those that are referred to before those that refer to them."""
    metadata = MetaData()
    metadata.reflect(connection)
    return [table for table in metadata.sorted_tables if table.name not in NOT_CONTENT]


def rows_of(connection: Connection, table: Table) -> Iterator[list[Row]]:
    """Every row of a table, some at a time, in no order."""
    found = connection.execute(select(table), execution_options={"yield_per": ROWS_AT_ONCE})
    for some in found.mappings().partitions():
        yield [dict(row) for row in some]


class Tally:
    """Adds up the rows of a table as they pass."""

    def __init__(self) -> None:
        self._rows = 0
        self._total = 0

    def add(self, batch: Iterable[Row]) -> None:
        """These rows have passed."""
        for row in batch:
            self._rows += 1
            self._total += int.from_bytes(hashlib.sha256(b"".join(_as_bytes(row))).digest())

    @property
    def sum(self) -> TableSum:
        """What has passed so far."""
        return TableSum(self._rows, f"{self._total % 2**256:064x}")


def sums_of(connection: Connection) -> dict[str, TableSum]:
    """What every table holds, by name."""
    sums = {}
    for table in tables_of(connection):
        tally = Tally()
        for batch in rows_of(connection, table):
            tally.add(batch)
        sums[table.name] = tally.sum
    return sums


def copy_rows(
    source: Connection, target: Connection, *, writing: Callable[[], AbstractContextManager[None]] = nullcontext
) -> dict[str, TableSum]:
    """Put every row of one database into the empty tables of another, which has the same ones.

    Args:
        source: Read.
        target: Written.
        writing: Stands around what is done to `target`, to tell its errors from those of `source`.

    Returns:
        What was read of every table, by name.
    """
    with writing():
        places = {table.name: table for table in tables_of(target)}
    sums = {}
    for table in tables_of(source):
        tally = Tally()
        for batch in rows_of(source, table):
            tally.add(batch)
            with writing():
                write_rows(target, places[table.name], batch)
        sums[table.name] = tally.sum
    return sums


def empty(connection: Connection) -> None:
    """Delete every row."""
    for table in reversed(tables_of(connection)):
        connection.execute(delete(table))


def write_rows(connection: Connection, table: Table, batch: Iterable[Row]) -> None:
    """Put rows into a table.

    Args:
        connection: Where.
        table: As it is there.
        batch: Rows of a table of the same name and columns, as `rows_of` gives them.
    """
    has_zones = connection.dialect.name != "sqlite"
    moments = [column.name for column in table.columns if isinstance(column.type, DateTime)]
    rows = [{**row, **{name: _as_kept(row[name], has_zones=has_zones) for name in moments}} for row in batch]
    if rows:
        connection.execute(insert(table), rows)


def _as_kept(value: datetime | None, *, has_zones: bool) -> datetime | None:
    """A moment as the engine keeps it: SQLite without a zone."""
    return None if value is None else _in_utc(value) if has_zones else _in_utc(value).replace(tzinfo=None)


def _in_utc(value: datetime) -> datetime:
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _as_bytes(row: Row) -> Iterator[bytes]:
    """A row as bytes that are the same on every engine and of no other row."""
    for name in sorted(row):
        value = row[name]
        match value:
            case None:
                kind, content = b"-", b""
            case bytes():
                kind, content = b"b", value
            case str():
                kind, content = b"s", value.encode("utf-8", "surrogatepass")
            case datetime():
                kind, content = b"t", _in_utc(value).isoformat(timespec="microseconds").encode()
            case float():
                kind, content = b"f", value.hex().encode()
            case _:
                kind, content = b"j", json.dumps(value, sort_keys=True).encode()
        yield b"%s %s %d " % (name.encode(), kind, len(content))
        yield content
