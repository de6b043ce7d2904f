"""A column of text without a Python object for each row: all letters in one piece, and where each row's begin and end.

numpy's own type for text of any length would do, if sorting it did not crash (numpy 2.4.6, 40,000 rows).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class TextColumn:
    """Text, row after row.

    Attributes:
        letters: UTF-8.
        begins: `(n,)` int64, places in `letters`.
        ends: `(n,)` int64.
    """

    letters: bytes
    begins: NDArray[np.int64]
    ends: NDArray[np.int64]

    @classmethod
    def of(cls, texts: Iterable[str]) -> "TextColumn":
        """From one text for each row.

        Raises:
            UnicodeEncodeError: If one holds what UTF-8 cannot say (a file name that is no text).
        """
        pieces = [text.encode() for text in texts]
        ends = np.cumsum([0, *map(len, pieces)], dtype=np.int64)
        return cls(b"".join(pieces), ends[:-1], ends[1:])

    @classmethod
    def joined(cls, columns: Sequence["TextColumn"]) -> "TextColumn":
        """The rows of several columns, one after another."""
        firsts = np.cumsum([0, *(len(column.letters) for column in columns)])
        return cls(
            b"".join(column.letters for column in columns),
            np.concatenate([column.begins + first for column, first in zip(columns, firsts, strict=False)]),
            np.concatenate([column.ends + first for column, first in zip(columns, firsts, strict=False)]),
        )

    def __len__(self) -> int:
        return len(self.begins)

    def __getitem__(self, position: int) -> str:
        return self.letters[self.begins[position] : self.ends[position]].decode()

    def __iter__(self) -> Iterator[str]:
        for begin, end in zip(self.begins.tolist(), self.ends.tolist(), strict=True):
            yield self.letters[begin:end].decode()

    @property
    def is_empty(self) -> NDArray[np.bool_]:
        """`(n,)` where there is no letter."""
        return np.equal(self.begins, self.ends)

    def numbered(self) -> tuple[NDArray[np.int64], tuple[str, ...]]:
        """Each text's number, `(n,)`, and the text of each number, in the order in which they first occur."""
        numbers: dict[str, int] = {}
        of_row = [numbers.setdefault(text, len(numbers)) for text in self]
        return np.array(of_row, dtype=np.int64), tuple(numbers)

    def take(self, positions: NDArray[Any]) -> "TextColumn":
        """The rows at these positions, in their order. The letters are shared."""
        return TextColumn(self.letters, self.begins[positions], self.ends[positions])
