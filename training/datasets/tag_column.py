"""The tags of a manifest's rows, held as numbers: how 200,000 lists of strings fit in a few megabytes.

Readers and `manifest_files` fill it, `labels` turns it into a matrix.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class TagColumn:
    """A list of tags for every row.

    Attributes:
        names: Every tag that occurs, once.
        codes: `(k,)` int32, positions in `names`: the rows' tags, row after row, in the order they were given.
        offsets: `(n + 1,)` int64; row i has `codes[offsets[i]:offsets[i + 1]]`.
    """

    names: tuple[str, ...]
    codes: NDArray[np.int32]
    offsets: NDArray[np.int64]

    @classmethod
    def of(cls, rows: Iterable[Iterable[str]]) -> "TagColumn":
        """From a list of tags for each row."""
        positions: dict[str, int] = {}
        codes: list[int] = []
        offsets = [0]
        for row in rows:
            codes.extend(positions.setdefault(tag, len(positions)) for tag in row)
            offsets.append(len(codes))
        return cls(tuple(positions), np.array(codes, dtype=np.int32), np.array(offsets, dtype=np.int64))

    @classmethod
    def of_matrix(cls, matrix: NDArray[np.bool_], names: Iterable[str]) -> "TagColumn":
        """From a matrix with a row for each row and a column for each name."""
        codes = np.nonzero(matrix)[1].astype(np.int32)
        offsets = np.concatenate([[0], np.cumsum(matrix.sum(axis=1, dtype=np.int64))]).astype(np.int64)
        return cls(tuple(names), codes, offsets)

    @classmethod
    def joined(cls, columns: Sequence["TagColumn"]) -> "TagColumn":
        """The rows of several columns, one after another."""
        positions: dict[str, int] = {}
        for column in columns:
            for name in column.names:
                positions.setdefault(name, len(positions))
        renumbered = [np.array([positions[name] for name in column.names], dtype=np.int32) for column in columns]
        lengths = np.concatenate([np.diff(column.offsets) for column in columns])
        return cls(
            tuple(positions),
            np.concatenate([numbers[column.codes] for numbers, column in zip(renumbered, columns, strict=True)]),
            np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        )

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, position: int) -> tuple[str, ...]:
        """The tags of one row."""
        codes = self.codes[self.offsets[position] : self.offsets[position + 1]]
        return tuple(self.names[code] for code in codes)

    def __iter__(self) -> Iterator[tuple[str, ...]]:
        codes = self.codes.tolist()
        for begin, end in pairwise(self.offsets.tolist()):
            yield tuple(self.names[code] for code in codes[begin:end])

    @property
    def rows(self) -> NDArray[np.int64]:
        """`(k,)` the row each of `codes` belongs to."""
        return np.repeat(np.arange(len(self), dtype=np.int64), np.diff(self.offsets))

    @property
    def counts(self) -> NDArray[np.int64]:
        """How many rows have each of `names`, int64; tags come at most once in a row."""
        return np.bincount(self.codes, minlength=len(self.names)).astype(np.int64)

    def take(self, positions: NDArray[Any]) -> "TagColumn":
        """The rows at these positions, in their order."""
        lengths = np.diff(self.offsets)[positions]
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        # Entry j of the new row i stands at the old row's beginning plus j.
        places = np.repeat(self.offsets[:-1][positions] - offsets[:-1], lengths) + np.arange(offsets[-1])
        return TagColumn(self.names, self.codes[places], offsets)
