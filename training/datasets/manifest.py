"""A data set as a table: one row for each track, or for each clip of one. What every reader writes and training reads.

Readers gather a `Manifest`, `manifest_files` brings it to disk and back, `splitting` deals its rows out, `labels` turns
its tags into a matrix in the order of a vocabulary. It is a set of column arrays: a row costs some 200 bytes.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.datasets.tag_column import TagColumn
from training.datasets.text_column import TextColumn

FIRST_YEAR, LAST_YEAR = 1000, 2999


class Split(StrEnum):
    """The side a row is on."""

    TRAIN = "train"
    VALID = "valid"
    TEST = "test"


SPLITS = tuple(Split)
NO_SPLIT = -1
NO_YEAR = 0


class ManifestError(ValueError):
    """A manifest contradicts itself, or is none. The message names the row and the column."""

    @classmethod
    def at(cls, position: int, column: str, problem: str) -> "ManifestError":
        """A problem in one place."""
        return cls(f"row {position + 1}, column {column!r}: {problem}")


@dataclass(frozen=True, eq=False, kw_only=True)
class Manifest:
    """The rows of a data set, as columns of the same length n.

    Attributes:
        folder: What relative paths start from.
        path: The audio file, absolute or relative to `folder`, with `/` between folders.
        track_id: Of the data set's own. Clips of one track share it.
        artist: Empty where unknown; so is `album`.
        album: By name or by the data set's id.
        year: int16, `NO_YEAR` where unknown.
        tags: As the source spells them, or as a vocabulary does.
        split: int8, positions in `SPLITS`; `NO_SPLIT` where the row is on no side.
        start_seconds: float64, where in the file the clip begins.
        duration_seconds: float64, how long it is; NaN stands for: to the end of the file.

    Raises:
        ManifestError: With row (the first is 1) and column, if a path or track id is empty, two rows are the same clip
            of the same track, the clips of a track are on two sides, a tag is empty, has space around it or comes
            twice in a row, or a number is out of range.
    """

    folder: Path
    path: TextColumn
    track_id: TextColumn
    artist: TextColumn
    album: TextColumn
    year: NDArray[np.int16]
    tags: TagColumn
    split: NDArray[np.int8]
    start_seconds: NDArray[np.float64]
    duration_seconds: NDArray[np.float64]

    def __post_init__(self) -> None:
        for column in ("track_id", "artist", "album", "year", "tags", "split", "start_seconds", "duration_seconds"):
            if len(getattr(self, column)) != len(self.path):
                raise ManifestError(
                    f"column {column!r} has {len(getattr(self, column))} rows, 'path' has {len(self.path)}"
                )
        for column in ("path", "track_id"):
            _refuse(getattr(self, column).is_empty, column, "it is empty; every row needs one")
        known_year = (self.year >= FIRST_YEAR) & (self.year <= LAST_YEAR)
        _refuse(
            (self.year != NO_YEAR) & ~known_year, "year", f"expected {FIRST_YEAR} to {LAST_YEAR}, or nothing", self.year
        )
        _refuse(
            (self.split < NO_SPLIT) | (self.split >= len(SPLITS)),
            "split",
            f"expected one of {', '.join(SPLITS)}, or nothing",
            self.split,
        )
        _refuse(
            ~(np.isfinite(self.start_seconds) & (self.start_seconds >= 0)),
            "start_seconds",
            "expected 0 or more",
            self.start_seconds,
        )
        _refuse(
            ~(np.isnan(self.duration_seconds) | (np.isfinite(self.duration_seconds) & (self.duration_seconds > 0))),
            "duration_seconds",
            "expected more than 0, or nothing",
            self.duration_seconds,
        )
        _refuse_bad_tags(self.tags)
        _refuse_twins(self)

    @classmethod
    def of(
        cls,
        folder: Path,
        *,
        path: Iterable[str],
        track_id: Iterable[str],
        artist: Iterable[str] | None = None,
        album: Iterable[str] | None = None,
        year: Sequence[int] | None = None,
        tags: Iterable[Iterable[str]] | None = None,
        split: Sequence[Split | None] | None = None,
        start_seconds: Sequence[float] | None = None,
        duration_seconds: Sequence[float] | None = None,
    ) -> "Manifest":
        """From one value per row and column; a column left out is unknown throughout.

        Raises:
            ManifestError: As the class says.
        """
        paths = TextColumn.of(path)
        n = len(paths)
        codes = {None: NO_SPLIT} | {side: position for position, side in enumerate(SPLITS)}
        return cls(
            folder=folder,
            path=paths,
            track_id=TextColumn.of(track_id),
            artist=TextColumn.of([""] * n if artist is None else artist),
            album=TextColumn.of([""] * n if album is None else album),
            year=np.array([NO_YEAR] * n if year is None else year, dtype=np.int16),
            tags=TagColumn.of([()] * n if tags is None else tags),
            split=np.array([NO_SPLIT] * n if split is None else [codes[side] for side in split], dtype=np.int8),
            start_seconds=np.array([0.0] * n if start_seconds is None else start_seconds, dtype=np.float64),
            duration_seconds=np.array([np.nan] * n if duration_seconds is None else duration_seconds, dtype=np.float64),
        )

    def __len__(self) -> int:
        return len(self.path)

    def audio(self, position: int) -> Path:
        """The audio file of a row."""
        return self.folder / self.path[position]

    def on(self, side: Split) -> NDArray[np.int64]:
        """Positions of the rows on a side, ascending."""
        return np.flatnonzero(self.split == SPLITS.index(side))

    def take(self, positions: NDArray[Any]) -> "Manifest":
        """The rows at these positions, in their order."""
        texts = {name: getattr(self, name).take(positions) for name in ("path", "track_id", "artist", "album", "tags")}
        arrays = {
            name: getattr(self, name)[positions] for name in ("year", "split", "start_seconds", "duration_seconds")
        }
        return replace(self, **texts, **arrays)

    def with_tags(self, tags: TagColumn) -> "Manifest":
        """The same rows with other tags."""
        return replace(self, tags=tags)

    def with_split(self, split: NDArray[np.int8]) -> "Manifest":
        """The same rows on other sides."""
        return replace(self, split=split)


def _refuse(is_bad: NDArray[np.bool_], column: str, expected: str, values: NDArray[Any] | None = None) -> None:
    if is_bad.any():
        position = int(is_bad.argmax())
        found = "" if values is None else f"found {values[position]}, "
        raise ManifestError.at(position, column, found + expected)


def _refuse_bad_tags(tags: TagColumn) -> None:
    is_bad = np.array([not name or name.strip() != name for name in tags.names], dtype=np.bool_)
    if is_bad[tags.codes].any():
        entry = int(is_bad[tags.codes].argmax())
        name = tags.names[tags.codes[entry]]
        raise ManifestError.at(
            int(tags.rows[entry]), "tags", f"tag {name!r} is empty or has space around it; take that out"
        )
    # A row's codes, sorted, must differ from each other.
    order = np.lexsort((tags.codes, tags.rows))
    rows, codes = tags.rows[order], tags.codes[order]
    is_twin = (rows[1:] == rows[:-1]) & (codes[1:] == codes[:-1])
    if is_twin.any():
        entry = int(is_twin.argmax())
        raise ManifestError.at(int(rows[entry]), "tags", f"tag {tags.names[codes[entry]]!r} comes twice")


def _refuse_twins(manifest: Manifest) -> None:
    track, tracks = manifest.track_id.numbered()
    if len(tracks) == len(track):
        return
    order = np.lexsort((manifest.start_seconds, track))
    is_same_track = track[order][1:] == track[order][:-1]
    starts = manifest.start_seconds[order]
    is_twin = is_same_track & (starts[1:] == starts[:-1])
    if is_twin.any():
        first, second = (int(order[int(is_twin.argmax()) + step]) for step in (0, 1))
        raise ManifestError.at(
            second,
            "track_id",
            f"{manifest.track_id[second]!r} stands in row {first + 1} too; clips of one track need different "
            "start_seconds",
        )
    order = np.lexsort((manifest.split, track))
    sides = manifest.split[order]
    is_torn = (track[order][1:] == track[order][:-1]) & (sides[1:] != sides[:-1])
    if is_torn.any():
        first, second = (int(order[int(is_torn.argmax()) + step]) for step in (0, 1))
        raise ManifestError.at(
            second,
            "split",
            f"track {manifest.track_id[second]!r} is on another side in row {first + 1}; its clips stay together",
        )
