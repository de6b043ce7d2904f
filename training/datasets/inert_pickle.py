"""Data out of a pickle without unpickling it: nothing is imported, nothing is called, whatever the file says.

The Million Song Dataset's split and label files are pickles of Python 2. Loading a pickle runs whatever program it
holds, so this reads the instructions that build lists, dictionaries, numbers, text and numpy's number arrays, by hand,
and refuses every other. `million_song` is the caller; `inert_array` holds what numpy put in.
"""

import codecs
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.datasets.inert_array import InertArray, InertPickleError, NumberType

_ARRAY_MAKERS = ("numpy.core.multiarray _reconstruct", "numpy._core.multiarray _reconstruct")
_SCALAR_MAKERS = ("numpy.core.multiarray scalar", "numpy._core.multiarray scalar")


@dataclass(frozen=True)
class _Name:
    """Something the pickle would import, by name."""

    text: str


def read_inert(path: Path) -> Any:
    """Read the data in a pickle of protocol 0 to 5.

    Returns:
        What was pickled: None, bool, int, float, bytes (text of Python 2), str, list, dict, tuple, and `InertArray`
        where there was a numpy array.

    Raises:
        InertPickleError: If it is damaged, or holds anything else.
        OSError: If it cannot be read.
    """
    machine = _Machine(path.read_bytes())
    try:
        return machine.run()
    except InertPickleError as error:
        raise InertPickleError(f"{path}: {error}") from error
    except (IndexError, KeyError, TypeError, ValueError, struct.error) as error:
        raise InertPickleError(f"{path}: damaged near byte {machine.position} ({error!r})") from error


_MARK = object()


class _Machine:
    """The stack machine of pickle, without the instructions that reach out of it."""

    def __init__(self, content: bytes) -> None:
        self.position = 0
        self._content = content
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}

    def run(self) -> Any:
        content, table = self._content, _INSTRUCTIONS
        while True:
            code = content[self.position]
            self.position += 1
            if code == ord("."):
                return self._stack.pop()
            instruction = table.get(code)
            if instruction is None:
                raise InertPickleError(
                    f"instruction {bytes([code])!r} at byte {self.position - 1} is not for plain data; it is refused"
                )
            instruction(self)

    # Operands

    def line(self) -> bytes:
        end = self._content.index(b"\n", self.position)
        line = self._content[self.position : end]
        self.position = end + 1
        return line

    def take(self, count: int) -> bytes:
        taken = self._content[self.position : self.position + count]
        if len(taken) < count:
            raise InertPickleError("it breaks off")
        self.position += count
        return taken

    def number(self, form: str) -> Any:
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    # Stack

    def push(self, value: Any) -> None:
        self._stack.append(value)

    def pop(self) -> Any:
        return self._stack.pop()

    def marked(self) -> list[Any]:
        """What was pushed since the last mark."""
        stack = self._stack
        place = len(stack) - 1
        while stack[place] is not _MARK:
            place -= 1
            if place < 0:
                raise InertPickleError("a mark is missing")
        values = stack[place + 1 :]
        del stack[place:]
        return values

    def remember(self, key: int) -> None:
        self._memo[key] = self._stack[-1]

    def recall(self, key: int) -> None:
        self._stack.append(self._memo[key])

    def memoize(self) -> None:
        self.remember(len(self._memo))

    # What a program would be made of

    def name(self, text: str) -> None:
        """A name is kept as text. `reduce` knows the few that make bytes and arrays of numbers."""
        self.push(_Name(text))

    def name_on_stack(self) -> None:
        name, module = _text(self.pop()), _text(self.pop())
        self.name(f"{module} {name}")

    def reduce(self) -> None:
        arguments, function = self.pop(), self.pop()
        text = function.text if isinstance(function, _Name) else repr(function)
        if text in _ARRAY_MAKERS:
            self.push(InertArray())
        elif text == "numpy dtype" and (number_type := NumberType.of(_text(arguments[0]))):
            self.push(number_type)
        elif text in _SCALAR_MAKERS:
            scalar = InertArray()
            scalar.fill((1, (), arguments[0], False, arguments[1]))
            self.push(scalar.array().item())
        elif text == "_codecs encode" and arguments[1] == "latin1":
            # How Python 3 writes bytes in the old protocols; none at all, it writes as below.
            self.push(arguments[0].encode("latin-1"))
        elif text == "__builtin__ bytes" and arguments == ():
            self.push(b"")
        else:
            raise InertPickleError(f"it asks for {text!r}; only plain data and arrays of numbers are read")

    def build(self) -> None:
        state, value = self.pop(), self._stack[-1]
        if not isinstance(value, InertArray | NumberType):
            raise InertPickleError("it fills an object that is no array; only plain data is read")
        value.fill(state)

    # Containers

    def append(self) -> None:
        value = self.pop()
        _as(list, self._stack[-1]).append(value)

    def extend(self) -> None:
        values = self.marked()
        _as(list, self._stack[-1]).extend(values)

    def set_item(self) -> None:
        value, key = self.pop(), self.pop()
        _as(dict, self._stack[-1])[key] = value

    def set_items(self) -> None:
        values = self.marked()
        _as(dict, self._stack[-1]).update(zip(values[::2], values[1::2], strict=True))

    def dictionary(self) -> None:
        values = self.marked()
        self.push(dict(zip(values[::2], values[1::2], strict=True)))

    def tuple_of(self, count: int) -> None:
        values = tuple(self._stack[-count:])
        del self._stack[-count:]
        self.push(values)


def _as(kind: type[Any], value: Any) -> Any:
    if not isinstance(value, kind):
        raise InertPickleError(f"a {kind.__name__} was to stand where a {type(value).__name__} does")
    return value


def _text(value: bytes | str) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _quoted(line: bytes) -> bytes:
    """Python 2 wrote text as it would stand in a program, in quotes."""
    if len(line) < 2 or line[:1] not in (b"'", b'"') or line[-1:] != line[:1]:
        raise InertPickleError(f"text is not in quotes: {line[:40]!r}")
    return codecs.escape_decode(line[1:-1])[0] if b"\\" in line else line[1:-1]


def _integer(line: bytes) -> int | bool:
    """The old protocols have no instruction for True and False, but write them with a zero before."""
    return line == b"01" if line in (b"00", b"01") else int(line.rstrip(b"L"))


_INSTRUCTIONS: dict[int, Callable[[_Machine], None]] = {
    ord(code): instruction
    for code, instruction in {
        # Numbers and nothing
        "N": lambda m: m.push(None),
        "\x88": lambda m: m.push(True),
        "\x89": lambda m: m.push(False),
        "I": lambda m: m.push(_integer(m.line())),
        "L": lambda m: m.push(_integer(m.line())),
        "F": lambda m: m.push(float(m.line())),
        "J": lambda m: m.push(m.number("<i")),
        "K": lambda m: m.push(m.number("<B")),
        "M": lambda m: m.push(m.number("<H")),
        "G": lambda m: m.push(m.number(">d")),
        "\x8a": lambda m: m.push(int.from_bytes(m.take(m.number("<B")), "little", signed=True)),
        # Text of Python 2, text, bytes
        "S": lambda m: m.push(_quoted(m.line())),
        "T": lambda m: m.push(m.take(m.number("<I"))),
        "U": lambda m: m.push(m.take(m.number("<B"))),
        "V": lambda m: m.push(m.line().decode("raw-unicode-escape")),
        "X": lambda m: m.push(m.take(m.number("<I")).decode("utf-8", "surrogatepass")),
        "\x8c": lambda m: m.push(m.take(m.number("<B")).decode("utf-8", "surrogatepass")),
        "B": lambda m: m.push(m.take(m.number("<I"))),
        "C": lambda m: m.push(m.take(m.number("<B"))),
        # Containers
        "(": lambda m: m.push(_MARK),
        "]": lambda m: m.push([]),
        "l": lambda m: m.push(m.marked()),
        "a": _Machine.append,
        "e": _Machine.extend,
        "}": lambda m: m.push({}),
        "d": _Machine.dictionary,
        "s": _Machine.set_item,
        "u": _Machine.set_items,
        ")": lambda m: m.push(()),
        "t": lambda m: m.push(tuple(m.marked())),
        "\x85": lambda m: m.tuple_of(1),
        "\x86": lambda m: m.tuple_of(2),
        "\x87": lambda m: m.tuple_of(3),
        # Memory
        "p": lambda m: m.remember(int(m.line())),
        "q": lambda m: m.remember(m.number("<B")),
        "r": lambda m: m.remember(m.number("<I")),
        "\x94": _Machine.memoize,
        "g": lambda m: m.recall(int(m.line())),
        "h": lambda m: m.recall(m.number("<B")),
        "j": lambda m: m.recall(m.number("<I")),
        # Frames and versions, of which a reader of the whole file needs to know nothing
        "\x80": lambda m: m.number("<B"),
        "\x95": lambda m: m.number("<Q"),
        # Programs
        "c": lambda m: m.name(f"{m.line().decode()} {m.line().decode()}"),
        "\x93": _Machine.name_on_stack,
        "R": _Machine.reduce,
        "b": _Machine.build,
    }.items()
}
