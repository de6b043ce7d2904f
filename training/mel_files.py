"""The files of one cache of frames, on disk and in memory at once. `mel_cache` puts frames in, and hands them out.

`frames.bin` has room for the most excerpts a row may have (room that is not used takes no disk: the file is sparse);
`excerpts.npy` says how many each row has; `stamps.npy`, which state of its file they come from; `failures.json`, why
some have none. A row counts from the moment its frames are on disk.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.clip_waveforms import Failure
from training.log_mel import LogMelSettings

StoredAs = Literal["float16", "float32"]

# Rows that are brought to disk together: 64 rows of ten excerpts in half precision are 21 MB.
ROWS_PER_FLUSH = 64

# What a row's number of excerpts is before it was looked at.
NOT_YET = -1

# A stamp is the file's size and time; this is one of a file that is not there.
ABSENT = (-1, -1)


class MelFiles:
    """The files of one cache, open for writing; made where they are not there yet.

    Attributes:
        frames: `(rows, excerpts_per_track, frames, mels)`, mapped.
        n_excerpts: `(rows,)` int32, mapped; `NOT_YET` for rows that are still to be looked at.
        stamps: `(rows, 2)` int64, mapped; of the files as they were when looked at.

    Raises:
        OSError: If the folder cannot be written, or the disk is full.
    """

    def __init__(
        self, place: Path, n_rows: int, *, excerpts_per_track: int, settings: LogMelSettings, stored_as: StoredAs
    ) -> None:
        shape = (n_rows, excerpts_per_track, settings.n_frames, settings.n_mels)
        frames_file = place / "frames.bin"
        size = int(np.prod(shape)) * np.dtype(stored_as).itemsize
        if not frames_file.exists() or frames_file.stat().st_size != size:
            with frames_file.open("wb") as file:
                file.truncate(size)
        # One mapping for both ways: torch reads what numpy writes.
        self._mapped = np.memmap(frames_file, dtype=stored_as, mode="r+", shape=shape) if n_rows else None
        self.frames = torch.from_numpy(np.empty(shape, dtype=stored_as) if self._mapped is None else self._mapped)
        self.n_excerpts = _open_array(place / "excerpts.npy", (n_rows,), np.int32)
        self.stamps = _open_array(place / "stamps.npy", (n_rows, 2), np.int64)
        self._failures_file = place / "failures.json"
        self._new_failures: dict[int, Failure] = {}
        self._pending: dict[int, tuple[int, tuple[int, int]]] = {}

    def put(self, row: int, frames: Tensor, stamp: tuple[int, int]) -> None:
        """Take the frames of a row's excerpts."""
        self.frames[row, : len(frames)] = frames.to(self.frames.dtype)
        self._done(row, len(frames), stamp)

    def put_failure(self, row: int, failure: Failure, stamp: tuple[int, int]) -> None:
        """Take the reason why a row has none."""
        self._new_failures[row] = failure
        self._done(row, 0, stamp)

    def forget(self, rows: NDArray[np.int64]) -> None:
        """Look at these again."""
        self.n_excerpts[rows] = NOT_YET

    def flush(self) -> None:
        """Bring frames to disk first, and only then that they are there."""
        if not self._pending:
            return
        if self._mapped is not None:
            self._mapped.flush()
        if self._new_failures:
            known = self._read_failures() | self._new_failures
            content = {str(row): asdict(failure) for row, failure in sorted(known.items())}
            partial = self._failures_file.with_suffix(".partial")
            partial.write_text(json.dumps(content, ensure_ascii=False, indent=1), encoding="utf-8")
            partial.replace(self._failures_file)
            self._new_failures.clear()
        for row, (_, stamp) in self._pending.items():
            self.stamps[row] = stamp
        self.stamps.flush()
        for row, (count, _) in self._pending.items():
            self.n_excerpts[row] = count
        self.n_excerpts.flush()
        self._pending.clear()

    def failures(self) -> dict[int, Failure]:
        """Of the rows that have no frames now."""
        return {row: failure for row, failure in self._read_failures().items() if self.n_excerpts[row] == 0}

    def _done(self, row: int, count: int, stamp: tuple[int, int]) -> None:
        self._pending[row] = count, stamp
        if len(self._pending) == ROWS_PER_FLUSH:
            self.flush()

    def _read_failures(self) -> dict[int, Failure]:
        if not self._failures_file.exists():
            return {}
        content = json.loads(self._failures_file.read_text(encoding="utf-8"))
        return {int(row): Failure(**failure) for row, failure in content.items()}


def _open_array(path: Path, shape: tuple[int, ...], dtype: Any) -> Any:
    """A small array in a file, all `NOT_YET` at first."""
    if not path.exists():
        partial = path.with_suffix(".partial")
        with partial.open("wb") as file:
            np.save(file, np.full(shape, NOT_YET, dtype=dtype))
        partial.replace(path)
    return np.lib.format.open_memmap(path, mode="r+")


def file_stamp(path: Path) -> tuple[int, int]:
    """Size and time of a file: where they are others, it has changed."""
    try:
        status = path.stat()
    except OSError:
        return ABSENT
    return status.st_size, status.st_mtime_ns
