"""What a manifest's columns are called and hold, whichever file they stand in.

`manifest_csv` and `manifest_parquet` read and write by it.
"""

import difflib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.datasets.manifest import NO_SPLIT, NO_YEAR, SPLITS, Manifest, ManifestError
from training.datasets.text_column import TextColumn

TEXTS = ("path", "track_id", "artist", "album")
NUMBERS = ("year", "start_seconds", "duration_seconds")
COLUMNS = ("path", "track_id", "artist", "album", "year", "tags", "split", "start_seconds", "duration_seconds")
REQUIRED = ("path", "track_id")

# So many rows are Python objects at a time: 10 MB.
ROWS_AT_A_TIME = 10_000

# Other words for ours: a column of this name is taken for a slip while ours is missing.
_OTHER_WORDS = {
    "file": "path",
    "filename": "path",
    "id": "track_id",
    "labels": "tags",
    "start": "start_seconds",
    "duration": "duration_seconds",
}


def check_columns(found: Sequence[str]) -> None:
    """Look at a header. Columns of other names may be there; they are not read.

    Raises:
        ManifestError: If a column is missing, comes twice, or looks like a slip for one that is missing.
    """
    twins = [name for name in found if found.count(name) > 1]
    if twins:
        raise ManifestError(f"column {twins[0]!r} stands there twice")
    absent = [column for column in COLUMNS if column not in found]
    for name in found:
        if name not in COLUMNS:
            word = name.strip().casefold()
            near = difflib.get_close_matches(word, absent, n=1, cutoff=0.8) or [_OTHER_WORDS.get(word, "")]
            if near[0] in absent:
                raise ManifestError(f"column {name!r} is not known; did you mean {near[0]!r}?")
    for column in REQUIRED:
        if column in absent:
            raise ManifestError(f"there is no column {column!r}, only {', '.join(map(repr, found)) or 'none'}")


def written_columns(manifest: Manifest) -> tuple[str, ...]:
    """The columns to write: all, but those of clips only where there is a clip."""
    has_clips = manifest.start_seconds.any() or not np.isnan(manifest.duration_seconds).all()
    return COLUMNS if has_clips else COLUMNS[:-2]


def written_texts(manifest: Manifest, paths: TextColumn) -> dict[str, TextColumn]:
    """The columns of text by name, with these paths for the manifest's own."""
    return {"path": paths} | {column: getattr(manifest, column) for column in TEXTS if column != "path"}


def split_words(manifest: Manifest) -> list[str]:
    """The side of each row as a file has it; nothing for a row that has none."""
    return ["" if side == NO_SPLIT else SPLITS[side].value for side in manifest.split.tolist()]


def parsed(column: str, cells: Iterable[str], parse: Callable[[str], Any], *, first: int = 0) -> list[Any]:
    """What the cells of a column say.

    Args:
        column: Its name.
        cells: Of consecutive rows.
        parse: Raises a ValueError with what it found and expected.
        first: Position of the first of these rows.

    Raises:
        ManifestError: With row and column.
    """
    values = []
    for position, cell in enumerate(cells, start=first):
        try:
            values.append(parse(cell))
        except ValueError as error:
            raise ManifestError.at(position, column, str(error)) from None
    return values


def split_code(cell: str) -> int:
    """Position of a side in `SPLITS`.

    Raises:
        ValueError: If it is none.
    """
    if not cell:
        return NO_SPLIT
    if cell in SPLITS:
        return [side.value for side in SPLITS].index(cell)
    near = difflib.get_close_matches(cell.casefold(), [side.value for side in SPLITS], n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"found {cell!r}, expected {', '.join(SPLITS)}, or nothing{hint}")


def as_numbers(column: str, values: Any, *, first: int = 0) -> NDArray[Any]:
    """A column of numbers in its own type.

    Args:
        column: One of `NUMBERS`.
        values: Floats; NaN stands for nothing.
        first: Position of the first row.

    Raises:
        ManifestError: If a year has a fraction.
    """
    numbers = np.asarray(values, dtype=np.float64)
    if column == "duration_seconds":
        return numbers
    if column == "start_seconds":
        return np.where(np.isnan(numbers), 0.0, numbers)
    numbers = np.where(np.isnan(numbers), NO_YEAR, numbers)
    is_bad = (numbers != np.round(numbers)) | (np.abs(numbers) > np.iinfo(np.int16).max)
    if is_bad.any():
        position = int(is_bad.argmax())
        raise ManifestError.at(first + position, column, f"found {numbers[position]:g}, expected a year, or nothing")
    return numbers.astype(np.int16)
