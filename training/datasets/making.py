"""The files of a made data set that are missing, each whole or not at all. The `*_set` modules call it."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Protocol, TypeVar


class Planned(Protocol):
    """A piece to be."""

    @property
    def name(self) -> str:
        """Says all that its sound depends on but the tools."""


P = TypeVar("P", bound=Planned)


def make_files(
    planned: Sequence[P],
    *,
    path: Callable[[P], Path],
    make: Callable[[P, Path], None],
    prepare: Callable[[], None] | None = None,
    processes: int = 1,
    on_piece: Callable[[], None] = lambda: None,
) -> None:
    """Make what is missing. A file that is there is kept, so a killed run goes on.

    Args:
        planned: All pieces.
        path: Where a piece belongs.
        make: Makes a piece and writes it to the given file, beside its place. It must be picklable.
        prepare: Called once in each process before its first piece, and here, as a pool says only that it broke.
        processes: How many pieces are made at once.
        on_piece: Called whenever a piece is there.
    """
    todo = []
    for piece in planned:
        path(piece).parent.mkdir(parents=True, exist_ok=True)
        if path(piece).is_file():
            on_piece()
        else:
            todo.append(piece)
    if todo and prepare is not None:
        prepare()
    if processes == 1 or len(todo) < 2:
        for piece in todo:
            _make_whole(make, piece, path(piece))
            on_piece()
        return
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn"), initializer=prepare) as pool:
        futures = [pool.submit(_make_whole, make, piece, path(piece)) for piece in todo]
        for future in futures:
            future.result()
            on_piece()


def _make_whole(make: Callable[[P, Path], None], piece: P, path: Path) -> None:
    part = path.with_name(f".{os.getpid()}.partial{path.suffix}")
    make(piece, part)
    part.replace(path)
