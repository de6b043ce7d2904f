"""Peaks that were measured, in a small SQLite file of their own beside the snapshots.

They are a cache of the music files: deleting the file loses nothing but time, so the catalogue has no table of them and
no migration, and a backup need not hold them.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np

from service.peaks.measuring import Peaks

_TABLE = "CREATE TABLE IF NOT EXISTS peaks (content_hash TEXT PRIMARY KEY, outline BLOB NOT NULL) WITHOUT ROWID"
BUSY_SECONDS = 5.0


class KeptPeaks:
    """Outlines by the sha256 of the file's content. A connection for each call: any thread may use it."""

    def __init__(self, file: Path) -> None:
        """Name the file; it is made when the first outline is kept."""
        self._file = file

    def get(self, content_hash: str) -> Peaks | None:
        """The outline kept of this content, or None; a damaged file holds nothing."""
        if not self._file.exists():
            return None
        try:
            with self._open() as connection:
                row = connection.execute("SELECT outline FROM peaks WHERE content_hash = ?", [content_hash]).fetchone()
        except sqlite3.DatabaseError:
            return None
        return None if row is None else np.frombuffer(row[0], np.uint8)

    def put(self, content_hash: str, outline: Peaks) -> None:
        """Keep an outline, if the disk lets it be kept: it can be measured again."""
        try:
            with self._open() as connection:
                connection.execute(_TABLE)
                connection.execute("INSERT OR REPLACE INTO peaks VALUES (?, ?)", [content_hash, outline.tobytes()])
        except sqlite3.DatabaseError:
            return

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self._file, timeout=BUSY_SECONDS)) as connection, connection:
            yield connection
