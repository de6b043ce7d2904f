"""Artist, album and year of the Million Song Dataset's tracks, from files that its own site publishes.

Splits and labels name tracks only; without artists no artist can be kept on one side. `million_song` asks here.
"""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

from training.datasets.gathering import DatasetLayoutError
from training.datasets.manifest import FIRST_YEAR, LAST_YEAR, NO_YEAR

DATABASE = "track_metadata.db"
TRACK_LIST = "unique_tracks.txt"
YEAR_LIST = "tracks_per_year.txt"


class Song(NamedTuple):
    """What is known of a track; empty and `NO_YEAR` where it is not."""

    artist: str = ""
    album: str = ""
    year: int = NO_YEAR


class SongMetadata(Protocol):
    """Looks songs up."""

    def of(self, track_id: str) -> Song:
        """The song of a track; an empty one if it is not known."""


def open_song_metadata(path: Path) -> SongMetadata:
    """Open the file that knows the songs.

    Args:
        path: `track_metadata.db`, which knows all three; or `unique_tracks.txt`, which knows the artists. The years are
            in `tracks_per_year.txt`, taken from the folder of that list if it is there.

    Raises:
        DatasetLayoutError: If it is neither, or damaged.
    """
    if not path.is_file():
        raise DatasetLayoutError(
            f"{path} is not there; expected {DATABASE} or {TRACK_LIST} of the Million Song Dataset"
        )
    return SongDatabase(path) if path.suffix == ".db" else SongLists(path)


class NoSongMetadata:
    """Knows nothing."""

    def of(self, track_id: str) -> Song:  # noqa: ARG002
        """An empty song."""
        return Song()


class SongDatabase:
    """Reads `track_metadata.db`.

    Raises:
        DatasetLayoutError: If it is no SQLite database with the published table.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        # One row is looked up by its primary key, so the 700 MB stay where they are.
        self._connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
        self.of("")

    def of(self, track_id: str) -> Song:
        """The song of a track; an empty one if it is not known."""
        try:
            row = self._connection.execute(
                "SELECT artist_name, release, year FROM songs WHERE track_id = ?", (track_id,)
            ).fetchone()
        except sqlite3.Error as error:
            raise DatasetLayoutError(
                f"{self._path}: {error}; expected {DATABASE} of the Million Song Dataset, with a table `songs`"
            ) from error
        return Song(row[0] or "", row[1] or "", _year(row[2])) if row else Song()


class SongLists:
    """Reads `unique_tracks.txt` and `tracks_per_year.txt`.

    Raises:
        DatasetLayoutError: If a line is in another form.
    """

    def __init__(self, path: Path) -> None:
        artists: dict[str, str] = {}
        self._artist: dict[str, str] = {}
        for track_id, _, artist, _ in _fields(path):
            # Tracks of one artist share one text.
            self._artist[track_id] = artists.setdefault(artist, artist)
        self._year: dict[str, int] = {}
        if (years := path.with_name(YEAR_LIST)).is_file():
            self._year = {track_id: _year(year) for year, track_id, _, _ in _fields(years)}

    def of(self, track_id: str) -> Song:
        """The song of a track, without its album; an empty one if it is not known."""
        return Song(artist=self._artist.get(track_id, ""), year=self._year.get(track_id, NO_YEAR))


def _fields(path: Path) -> Iterator[tuple[str, str, str, str]]:
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            fields = line.rstrip("\n").split("<SEP>", 3)
            if len(fields) != 4:
                raise DatasetLayoutError(f"{path}, line {number}: expected 4 fields between <SEP>, found {len(fields)}")
            yield fields[0], fields[1], fields[2], fields[3]


def _year(value: object) -> int:
    """The data set writes 0 where it does not know."""
    text = str(value)
    year = int(text) if text.isascii() and text.isdigit() else NO_YEAR
    return year if FIRST_YEAR <= year <= LAST_YEAR else NO_YEAR
