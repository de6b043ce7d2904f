"""What numpy writes into a pickle, as data: a type of number, a shape, bytes. From `inert_pickle` to `million_song`."""

import re
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

_NUMBERS = re.compile(r"\?|b1|[iu][1248]|f[248]")


class InertPickleError(ValueError):
    """A pickle is damaged, or asks for more than plain data."""


@dataclass
class NumberType:
    """What numpy pickles of a dtype: a code, and then a state that holds the byte order."""

    code: str
    order: Literal["=", "<", ">"] = "="

    @classmethod
    def of(cls, code: str) -> "NumberType | None":
        """The type of this code; None for one that is not of numbers, such as an object's."""
        return cls(code) if _NUMBERS.fullmatch(code) else None

    def fill(self, state: Any) -> None:
        """Take numpy's state of a dtype, which begins with a version and the byte order."""
        self.order = "<" if state[1] in ("<", b"<") else ">" if state[1] in (">", b">") else "="


class InertArray:
    """An array of numbers. Its content comes after other places of the pickle may have referred to it."""

    def __init__(self) -> None:
        self._content: tuple[tuple[int, ...], NumberType, bool, bytes] | None = None

    def fill(self, state: Any) -> None:
        """Take numpy's state of an array: (version, shape, dtype, is column by column, bytes)."""
        _, shape, number_type, is_fortran, content = state
        if not (isinstance(number_type, NumberType) and isinstance(content, bytes)):
            raise InertPickleError("an array of objects stands in it; only arrays of numbers are read")
        self._content = (tuple(int(length) for length in shape), number_type, bool(is_fortran), content)

    def array(self) -> NDArray[Any]:
        """The numbers.

        Raises:
            InertPickleError: If it was never filled, or its bytes do not fit its shape.
        """
        if self._content is None:
            raise InertPickleError("an array has no content")
        shape, number_type, is_fortran, content = self._content
        try:
            flat = np.frombuffer(content, dtype=np.dtype(number_type.code).newbyteorder(number_type.order))
            return flat.reshape(shape, order="F" if is_fortran else "C")
        except (TypeError, ValueError) as error:
            raise InertPickleError(f"an array's content does not fit: {error}") from error
