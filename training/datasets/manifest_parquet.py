"""A manifest as Parquet: tags are lists of text, nothing is null. Read and written by `manifest_files`.

pyarrow comes with the training extra; a CSV is read without it.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from training.datasets.manifest import NO_YEAR, Manifest, ManifestError
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


def read_parquet(path: Path) -> Manifest:
    """Read a Parquet manifest.

    Raises:
        ManifestError: If it is no Parquet file, lacks a column, or a value is wrong.
        OSError: If it is not there.
    """
    try:
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            check_columns(names)
            table = file.read(columns=[name for name in names if name in COLUMNS])
    except pa.ArrowInvalid as error:
        raise ManifestError(f"it is no Parquet file: {error}") from error
    columns: dict[str, Any] = {column: _texts(table, column) for column in TEXTS}
    sides = list(_texts(table, "split"))
    columns["split"] = np.array(parsed("split", sides, split_code), dtype=np.int8)
    for column in NUMBERS:
        numbers = _column(table, column, pa.float64(), "numbers").fill_null(np.nan)
        columns[column] = as_numbers(column, numbers.to_numpy())
    columns["tags"] = _tags(_column(table, "tags", pa.large_list(pa.string()), "lists of text").combine_chunks())
    return Manifest(folder=path.parent, **columns)


def write_parquet(manifest: Manifest, paths: TextColumn, file: Path) -> None:
    """Write a Parquet manifest, with these paths for its own."""
    tags = manifest.tags
    names = pa.DictionaryArray.from_arrays(pa.array(tags.codes), pa.array(tags.names, pa.string()))
    texts = written_texts(manifest, paths)
    columns = {name: pa.array(list(text), pa.string()) for name, text in texts.items()} | {
        "year": pa.array(manifest.year, mask=manifest.year == NO_YEAR),
        "tags": pa.ListArray.from_arrays(pa.array(tags.offsets, pa.int32()), names.cast(pa.string())),
        "split": pa.array([word or None for word in split_words(manifest)], pa.string()),
        "start_seconds": pa.array(manifest.start_seconds),
        "duration_seconds": pa.array(manifest.duration_seconds, mask=np.isnan(manifest.duration_seconds)),
    }
    table = pa.table({name: columns[name] for name in written_columns(manifest)})
    pq.write_table(table, file, compression="zstd")


def _texts(table: pa.Table, column: str) -> TextColumn:
    texts = _column(table, column, pa.string(), "text").fill_null("")
    pieces = [
        TextColumn.of(texts.slice(first, ROWS_AT_A_TIME).to_pylist())
        for first in range(0, table.num_rows, ROWS_AT_A_TIME)
    ]
    return TextColumn.joined(pieces) if pieces else TextColumn.of([])


def _column(table: pa.Table, column: str, kind: pa.DataType, words: str) -> pa.ChunkedArray:
    if column not in table.column_names:
        return pa.chunked_array([pa.nulls(table.num_rows, kind)])
    found = table.column(column)
    # Arrow would turn "1984" into a number, and a number into text: then one file of two would be refused.
    if _family(found.type) not in (_family(kind), "null"):
        raise ManifestError(f"column {column!r} holds {found.type}, expected {words}")
    try:
        return found.cast(kind)
    except pa.ArrowInvalid as error:
        raise ManifestError(f"column {column!r} holds {found.type}, expected {words}: {error}") from error


def _family(kind: pa.DataType) -> str:
    """What sort of thing a type of Arrow's holds, whichever of the many ways it holds it in."""
    types = pa.types
    if types.is_null(kind):
        return "null"
    if types.is_dictionary(kind):
        return _family(kind.value_type)
    if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
        return "text"
    if types.is_integer(kind) or types.is_floating(kind):
        return "number"
    if types.is_list(kind) or types.is_large_list(kind):
        inner = _family(kind.value_type)
        # A list in which every row is empty has no type of its own.
        return "list of text" if inner in ("text", "null") else f"list of {inner}"
    return str(kind)


def _tags(lists: Any) -> TagColumn:
    lengths = lists.value_lengths().fill_null(0).to_numpy(zero_copy_only=False)
    offsets = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
    tags = lists.flatten()
    if tags.null_count:
        entry = int(tags.is_null().to_numpy(zero_copy_only=False).argmax())
        raise ManifestError.at(int(np.searchsorted(offsets, entry, side="right")) - 1, "tags", "a tag is null")
    encoded = tags.dictionary_encode()
    codes = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int32)
    return TagColumn(tuple(encoded.dictionary.to_pylist()), codes, offsets)
