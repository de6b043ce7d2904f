"""A manifest as CSV: UTF-8 with a header, `;` between the tags of a cell. Read and written by `manifest_files`.

A tag that holds a `;` or a backslash has a backslash before it.
"""

import csv
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from training.datasets.manifest import Manifest, ManifestError
from training.datasets.manifest_columns import (
    COLUMNS,
    NUMBERS,
    ROWS_AT_A_TIME,
    TEXTS,
    as_numbers,
    check_columns,
    parsed,
    split_code,
    split_words,
    written_columns,
    written_texts,
)
from training.datasets.tag_column import TagColumn
from training.datasets.text_column import TextColumn


def read_csv(path: Path) -> Manifest:
    """Read a CSV manifest.

    Raises:
        ManifestError: If it is no CSV, lacks a column, or a value is wrong.
        OSError: If it is not there.
        UnicodeDecodeError: If it is not UTF-8.
    """
    # Spreadsheets put a mark before the header, which "-sig" takes away.
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = csv.reader(file, strict=True)
        try:
            header = next(lines, [])
            check_columns(header)
            pieces = [_columns(header, rows, first=first) for first, rows in _pieces(row for row in lines if row)]
        except csv.Error as error:
            raise ManifestError(f"line {lines.line_num} is not CSV: {error}") from error
    pieces = pieces or [_columns(header, [], first=0)]
    # One by one, so that a column's pieces go when it is whole.
    columns: dict[str, Any] = {}
    for column in COLUMNS:
        values = [piece.pop(column) for piece in pieces]
        if column == "tags":
            columns[column] = TagColumn.joined(values)
        else:
            columns[column] = TextColumn.joined(values) if column in TEXTS else np.concatenate(values)
    return Manifest(folder=path.parent, **columns)


def write_csv(manifest: Manifest, paths: TextColumn, file: Path) -> None:
    """Write a CSV manifest, with these paths for its own."""
    columns: dict[str, Iterable[Any]] = {
        **written_texts(manifest, paths),
        "year": (year or "" for year in manifest.year.tolist()),
        "tags": map(_joined_tags, manifest.tags),
        "split": split_words(manifest),
        "start_seconds": manifest.start_seconds.tolist(),
        "duration_seconds": ("" if np.isnan(seconds) else seconds for seconds in manifest.duration_seconds.tolist()),
    }
    names = written_columns(manifest)
    with file.open("w", encoding="utf-8", newline="") as stream:
        # Its lines end in CR LF, as the standard has it; so a lone CR or LF within a cell is quoted.
        writer = csv.writer(stream)
        writer.writerow(names)
        writer.writerows(zip(*(columns[name] for name in names), strict=True))


def _pieces(lines: Iterator[list[str]]) -> Iterator[tuple[int, list[list[str]]]]:
    first = 0
    while rows := list(islice(lines, ROWS_AT_A_TIME)):
        yield first, rows
        first += len(rows)


def _columns(header: list[str], rows: list[list[str]], *, first: int) -> dict[str, Any]:
    for position, row in enumerate(rows, start=first):
        if len(row) != len(header):
            raise ManifestError(f"row {position + 1} has {len(row)} cells, the header has {len(header)}")
    cells = dict(zip(header, zip(*rows, strict=True), strict=True)) if rows else {}
    empty = ("",) * len(rows)
    columns: dict[str, Any] = {column: TextColumn.of(cells.get(column, empty)) for column in TEXTS}
    columns["tags"] = TagColumn.of(parsed("tags", cells.get("tags", empty), _split_tags, first=first))
    columns["split"] = np.array(parsed("split", cells.get("split", empty), split_code, first=first), dtype=np.int8)
    for column in NUMBERS:
        numbers = parsed(column, cells.get(column, empty), _number, first=first)
        columns[column] = as_numbers(column, numbers, first=first)
    return columns


def _number(cell: str) -> float:
    try:
        return float(cell) if cell else np.nan
    except ValueError:
        raise ValueError(f"found {cell!r}, expected a number, or nothing") from None


def _joined_tags(tags: Iterable[str]) -> str:
    return ";".join(tag.replace("\\", "\\\\").replace(";", "\\;") for tag in tags)


def _split_tags(cell: str) -> tuple[str, ...]:
    if "\\" not in cell:
        return tuple(cell.split(";")) if cell else ()
    tags = [""]
    characters = iter(cell)
    for character in characters:
        if character == ";":
            tags.append("")
            continue
        if character == "\\":
            character = next(characters, "")  # noqa: PLW2901  (the one behind the backslash)
            if character not in (";", "\\"):
                raise ValueError(rf"in {cell!r} a backslash stands alone; write \\ for it, and \; for a semicolon")
        tags[-1] += character
    return tuple(tags)
