"""FMA, the Free Music Archive as it was in 2017: 106,574 tracks of 161 genres. Output: `manifest_files`.

`fma_metadata` holds `tracks.csv`, whose header has three lines (a group, a name in it, and `track_id`), and
`genres.csv` (number, parent, title). The audio lies in folders of a thousand: `000/000002.mp3`. The published split
keeps artists together.
"""

import csv
import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path

from training.datasets.gathering import DatasetLayoutError, Gathered, Gathering, expect_file
from training.datasets.manifest import FIRST_YEAR, LAST_YEAR, NO_YEAR, Split

TRACKS = "tracks.csv"
GENRES = "genres.csv"
PUBLISHED_SIDES = {"training": Split.TRAIN, "validation": Split.VALID, "test": Split.TEST}

# Biographies stand in one cell; csv's own limit is 131,072 letters.
_LONGEST_CELL = 10_000_000

_COLUMNS = (
    ("album", "date_released"),
    ("album", "title"),
    ("artist", "name"),
    ("set", "split"),
    ("set", "subset"),
    ("track", "date_recorded"),
    ("track", "genre_top"),
    ("track", "genres"),
    ("track", "genres_all"),
)


class FmaSubset(StrEnum):
    """Each holds the ones before it. `fma_full` has the tracks of `large` in full length."""

    SMALL = "small"
    MEDIUM = "medium"
    LARGE = "large"


class FmaGenres(StrEnum):
    """Which genres become tags."""

    TOP = "top"
    """The root genre, one of 16; only where a track has one."""
    OWN = "own"
    """Those its artist gave it."""
    ALL = "all"
    """Those, and all above them up to the root."""


def read_fma(
    metadata: Path,
    audio: Path,
    *,
    subset: FmaSubset = FmaSubset.LARGE,
    genres: FmaGenres = FmaGenres.ALL,
    check_audio: bool = True,
) -> Gathered:
    """Read FMA.

    Args:
        metadata: The folder `fma_metadata`.
        audio: The folder `fma_small`, `fma_medium`, `fma_large` or `fma_full`.
        subset: Which tracks.
        genres: Which of their genres.
        check_audio: Whether to look if the audio is there.

    Raises:
        DatasetLayoutError: If a file is missing or in another form.
    """
    tracks = expect_file(metadata, TRACKS)
    titles = _titles(expect_file(metadata, GENRES)) if genres is not FmaGenres.TOP else {}
    gathering = Gathering(audio, check_audio=check_audio)
    wanted = set(list(FmaSubset)[: list(FmaSubset).index(subset) + 1])
    for track_id, cells in _tracks(tracks):
        if cells["set", "subset"] not in wanted:
            continue
        published = cells["set", "split"]
        if published not in PUBLISHED_SIDES:
            raise DatasetLayoutError(
                f"{tracks}: track {track_id} is in split {published!r}, expected {', '.join(PUBLISHED_SIDES)}"
            )
        gathering.add(
            f"{track_id // 1000:03d}/{track_id:06d}.mp3",
            track_id=str(track_id),
            artist=cells["artist", "name"],
            album=cells["album", "title"],
            year=_year(cells["album", "date_released"]) or _year(cells["track", "date_recorded"]),
            tags=_tags(cells, genres, titles, where=f"{tracks}: track {track_id}"),
            split=PUBLISHED_SIDES[published],
        )
    return gathering.finish()


def _tags(
    cells: Mapping[tuple[str, str], str], genres: FmaGenres, titles: Mapping[str, str], *, where: str
) -> list[str]:
    if genres is FmaGenres.TOP:
        return [cells["track", "genre_top"]]
    # A list as Python prints it: [21, 15]
    numbers = re.findall(r"\d+", cells["track", "genres_all" if genres is FmaGenres.ALL else "genres"])
    unknown = [number for number in numbers if number not in titles]
    if unknown:
        raise DatasetLayoutError(f"{where} has genre {unknown[0]}, which {GENRES} does not know")
    return [titles[number] for number in numbers]


def _tracks(path: Path) -> Iterator[tuple[int, dict[tuple[str, str], str]]]:
    """Track ids and the cells of `_COLUMNS`."""
    before = csv.field_size_limit(_LONGEST_CELL)
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = csv.reader(file)
            places = {pair: place for place, pair in enumerate(zip(next(rows, []), next(rows, []), strict=False))}
            missing = [pair for pair in _COLUMNS if pair not in places]
            if missing:
                raise DatasetLayoutError(
                    f"{path} has no column {' / '.join(missing[0])} in the first two lines; is it the published file?"
                )
            for row in rows:
                if row and row[0] != "track_id":
                    try:
                        yield int(row[0]), {pair: row[places[pair]] for pair in _COLUMNS}
                    except (IndexError, ValueError) as error:
                        raise DatasetLayoutError(f"{path}, line {rows.line_num}: no track ({error})") from error
    finally:
        csv.field_size_limit(before)


def _titles(path: Path) -> dict[str, str]:
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        if not {"genre_id", "title"} <= set(rows.fieldnames or ()):
            raise DatasetLayoutError(f"{path} has no columns genre_id and title; is it the published file?")
        return {row["genre_id"]: row["title"] for row in rows}


def _year(date: str) -> int:
    """Of `2009-01-05 00:00:00`."""
    year = date[:4]
    return int(year) if year.isascii() and year.isdigit() and FIRST_YEAR <= int(year) <= LAST_YEAR else NO_YEAR
