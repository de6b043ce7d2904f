"""Music that is made, as a data set: the pieces that are missing, each file whole or not at all, and their manifest.

The `*_set` modules plan pieces and say how one is made.
"""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Protocol, TypeVar

from training.datasets.gathering import Gathered, Gathering
from training.datasets.manifest import Split


class Tagged(Protocol):
    """What a piece is to be."""

    @property
    def tags(self) -> tuple[str, ...]:
        """One of each dimension."""


class Planned(Protocol):
    """A piece to be."""

    @property
    def name(self) -> str:
        """Says all that its sound depends on but the tools."""

    @property
    def factors(self) -> Tagged:
        """What it is to be."""

    @property
    def year(self) -> int:
        """Within its era."""


P = TypeVar("P", bound=Planned)


def make_set(
    folder: Path,
    planned: Sequence[P],
    *,
    make: Callable[[P, Path], None],
    suffix: Callable[[P], str],
    artist: Callable[[P], str],
    remark: str,
    split: Split | None = None,
    prepare: Callable[[], None] | None = None,
    processes: int = 1,
    on_piece: Callable[[], None] = lambda: None,
) -> Gathered:
    """Make what is missing of a set. A piece that is there is kept, so a killed run goes on.

    Args:
        folder: Gets `audio/`.
        planned: All pieces.
        make: Makes a piece and writes it to the given file, beside its place. It must be picklable.
        suffix: Of a piece's file, such as `.mp3`.
        artist: What a piece is made of: its tune, or its sheet.
        remark: What the artists of the manifest are.
        split: The side of all pieces; None leaves that open.
        prepare: Called once in each process before its first piece, and here, as a pool says only that it broke.
        processes: How many pieces are made at once.
        on_piece: Called whenever a piece is there.
    """
    (folder / "audio").mkdir(parents=True, exist_ok=True)
    places = [f"audio/{piece.name}{suffix(piece)}" for piece in planned]
    todo = []
    for piece, place in zip(planned, places, strict=True):
        if (folder / place).is_file():
            on_piece()
        else:
            todo.append((piece, folder / place))
    if todo and prepare is not None:
        prepare()
    if processes == 1 or len(todo) < 2:
        for piece, path in todo:
            _make_whole(make, piece, path)
            on_piece()
    else:
        with ProcessPoolExecutor(processes, mp_context=get_context("spawn"), initializer=prepare) as pool:
            # Not `submit`: if a piece fails, `map` makes none of those that wait.
            for _ in pool.map(partial(_make_whole, make), *zip(*todo, strict=True)):
                on_piece()
    gathering = Gathering(folder)
    for piece, place in zip(planned, places, strict=True):
        tags = piece.factors.tags
        gathering.add(place, track_id=piece.name, artist=artist(piece), year=piece.year, tags=tags, split=split)
    gathering.remark(remark)
    return gathering.finish()


def _make_whole(make: Callable[[P, Path], None], piece: P, path: Path) -> None:
    part = path.with_name(f".{os.getpid()}.partial{path.suffix}")
    make(piece, part)
    part.replace(path)
