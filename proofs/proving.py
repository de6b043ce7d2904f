"""How a proof speaks: figures as it finds them, and an end as soon as a promise does not hold."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic


class NotProvenError(Exception):
    """A promise does not hold."""


class NotPossibleHereError(Exception):
    """The machine lacks something that the proof needs; the message says what."""


def check(holds: object, otherwise: str) -> None:
    """Go on if something holds.

    Raises:
        NotProvenError: If it does not.
    """
    if not holds:
        raise NotProvenError(otherwise)


def tell(what: str, figure: object) -> None:
    """Print a figure."""
    print(f"  {what}: {figure}", flush=True)


@contextmanager
def within(seconds: float, otherwise: str) -> Iterator[None]:
    """The block must have ended in time.

    Raises:
        NotProvenError: If it has not.
    """
    began = monotonic()
    yield
    check(monotonic() - began < seconds, f"{otherwise}: it took {monotonic() - began:.1f} s")


def folder_in(folder: Path, name: str) -> Path:
    """A new folder in another one."""
    made = folder / name
    made.mkdir()
    return made
