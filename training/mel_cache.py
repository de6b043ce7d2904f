"""The log-mel frames of a data set, computed once and memory-mapped. Audio comes by a manifest, frames go to `batches`.

A folder for each front end and list of audio: `frames.bin`, with room for the most excerpts a row may have (room that
is not used takes no disk: the file is sparse); `excerpts.npy`, how many each row has; `failures.json`, why some have
none. A row counts from the moment its frames are on disk, so a build that was killed goes on where it stood. A file
that has changed since, by size or time, is done again; so is one that was missing and has come.
"""

import fcntl
import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import platformdirs
import torch
from numpy.typing import NDArray
from torch import Tensor

from index.audio import SILENCE_PEAK, AudioError, AudioErrorCode, ExcerptPlan
from index.decoder import Decoder
from training.datasets.manifest import Manifest
from training.front_end import FrontEnd

FORMAT_VERSION = 1
StoredAs = Literal["float16", "float32"]

# Rows that are brought to disk together: 64 rows of ten excerpts in half precision are 21 MB.
ROWS_PER_FLUSH = 64

# What a row's number of excerpts is before it was looked at.
NOT_YET = -1

# A stamp is the file's size and time; this is one of a file that is not there.
ABSENT = (-1, -1)

NAMED_IN_ERRORS = 10

# Rows looked at so far, and all.
Watch = Callable[[int, int], None]


class MelCacheError(Exception):
    """The folder of a cache cannot be used."""


@dataclass(frozen=True)
class Failure:
    """Why a row has no frames.

    Attributes:
        path: As the manifest has it.
        code: One of `index.audio.AudioErrorCode`, or `missing`, or `unreadable`.
        message: For people.
    """

    path: str
    code: str
    message: str


@dataclass(frozen=True, eq=False)
class MelCache:
    """Frames of the rows of a manifest, and what could not be had.

    Attributes:
        n_excerpts: `(rows,)` int32; 0 for those that failed.
        failures: By row.
    """

    n_excerpts: NDArray[np.int32]
    failures: Mapping[int, Failure]
    _frames: Tensor

    def frames(self, rows: NDArray[np.int64], excerpts: NDArray[np.int64]) -> Tensor:
        """A copy of some excerpts' frames.

        Args:
            rows: `(n,)` of the manifest that the cache was built for.
            excerpts: `(n,)`: which excerpt of each, below its `n_excerpts`.

        Returns:
            `(n, frames, mels)` in the type they are stored as.
        """
        most = self._frames.shape[1]
        return self._frames.flatten(0, 1).index_select(0, torch.from_numpy(rows * most + excerpts))


def default_cache() -> Path:
    """Where frames are cached if nobody says otherwise."""
    return Path(platformdirs.user_cache_dir("facet", appauthor=False)) / "mels"


def cache_frames(
    manifest: Manifest,
    *,
    folder: Path,
    front_end: FrontEnd,
    excerpts_per_track: int,
    stored_as: StoredAs = "float16",
    threads: int = 1,
    watch: Watch | None = None,
) -> MelCache:
    """Open the cache of a manifest's audio, after computing what it lacks.

    Of each row, the excerpts of a grid from the file's beginning are taken that lie within its clip, side by side, up
    to the most. Decoders run in processes of their own: a file that crashes one costs itself. Only one process builds a
    cache; others that ask for it meanwhile wait.

    Args:
        manifest: Whose audio it is; its tags and sides do not matter.
        folder: Of all caches; this one's is named by what decides its content.
        front_end: Of the frames.
        excerpts_per_track: At most, of each row.
        stored_as: Type on disk.
        threads: Decoder processes.
        watch: Called as rows are done.

    Raises:
        MelCacheError: If the folder cannot be written, or the disk is full.
    """
    fingerprint = {
        "format": FORMAT_VERSION,
        "front_end": front_end.fingerprint,
        "excerpts_per_track": excerpts_per_track,
        "stored_as": stored_as,
        "audio": _audio_digest(manifest),
    }
    text = json.dumps(fingerprint, indent=2, sort_keys=True)
    place = folder / hashlib.sha256(text.encode()).hexdigest()[:16]
    try:
        place.mkdir(parents=True, exist_ok=True)
        with _locked(place / "lock"):
            (place / "cache.json").write_text(text + "\n", encoding="utf-8")
            files = _Files(place, len(manifest), excerpts_per_track, front_end, stored_as)
            _fill(files, manifest, front_end=front_end, most=excerpts_per_track, threads=threads, watch=watch)
            return MelCache(np.array(files.n_excerpts), files.failures(), files.frames)
    except OSError as error:
        raise MelCacheError(
            f"the frames cannot be cached in {place}: {error}; name another folder with --cache, or make room"
        ) from error


def describe_failures(failures: Mapping[int, Failure]) -> str:
    """How many files failed, by code, and the first few of them."""
    codes = Counter(failure.code for failure in failures.values())
    counts = ", ".join(f"{code} {count}" for code, count in codes.most_common())
    named = [f"  {failure.code}: {failure.path}: {failure.message}" for failure in failures.values()][:NAMED_IN_ERRORS]
    rest = len(failures) - len(named)
    return "\n".join([f"{len(failures)} files give too little audio ({counts}):", *named]) + (
        f"\n  and {rest} more" if rest else ""
    )


def _audio_digest(manifest: Manifest) -> str:
    digest = hashlib.sha256()
    for row in range(len(manifest)):
        clip = (str(manifest.audio(row).absolute()), *_clip_seconds(manifest, row))
        digest.update(json.dumps(clip).encode() + b"\n")
    return digest.hexdigest()


def _clip_seconds(manifest: Manifest, row: int) -> tuple[float, float | None]:
    """Where a row's clip begins, and how long it is; None to the end."""
    duration = float(manifest.duration_seconds[row])
    return float(manifest.start_seconds[row]), None if np.isnan(duration) else duration


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Wait for the lock; it ends with the process that has it, however that ends."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


class _Files:
    """The files of one cache, open for writing."""

    def __init__(
        self, place: Path, n_rows: int, excerpts_per_track: int, front_end: FrontEnd, stored_as: StoredAs
    ) -> None:
        settings = front_end.settings
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


def _fill(
    files: _Files, manifest: Manifest, *, front_end: FrontEnd, most: int, threads: int, watch: Watch | None
) -> None:
    stamps = np.array([_stamp(manifest.audio(row)) for row in range(len(manifest))], dtype=np.int64).reshape(-1, 2)
    files.forget(np.flatnonzero((files.n_excerpts != NOT_YET) & (files.stamps != stamps).any(axis=1)))
    missing = np.flatnonzero(files.n_excerpts == NOT_YET).tolist()
    if not missing:
        return
    compute = front_end.plain(front_end.settings).eval()
    n_done = len(manifest) - len(missing)
    with Decoder(processes=threads) as decoder, ThreadPoolExecutor(threads) as pool:

        def decode(row: int) -> NDArray[np.float32] | Failure:
            return _decode(decoder, manifest, row, front_end=front_end, most=most)

        try:
            for row, waveforms in _in_order(pool, decode, missing, ahead=2 * threads):
                stamp = (int(stamps[row, 0]), int(stamps[row, 1]))
                if isinstance(waveforms, Failure):
                    files.put_failure(row, waveforms, stamp)
                else:
                    with torch.inference_mode():
                        files.put(row, compute(torch.from_numpy(waveforms)), stamp)
                n_done += 1
                if watch is not None:
                    watch(n_done, len(manifest))
        finally:
            files.flush()
            # Waiting for files that are not wanted any more would hold Ctrl-C up.
            pool.shutdown(wait=False, cancel_futures=True)


def _in_order(
    pool: ThreadPoolExecutor,
    decode: Callable[[int], NDArray[np.float32] | Failure],
    rows: list[int],
    *,
    ahead: int,
) -> Iterator[tuple[int, NDArray[np.float32] | Failure]]:
    """Results in the order of the rows; no more than `ahead` of them wait in memory."""
    running: list[tuple[int, Future[NDArray[np.float32] | Failure]]] = []
    for row in rows:
        running.append((row, pool.submit(decode, row)))
        if len(running) > ahead:
            first, future = running.pop(0)
            yield first, future.result()
    for row, future in running:
        yield row, future.result()


def _stamp(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError:
        return ABSENT
    return status.st_size, status.st_mtime_ns


def _decode(
    decoder: Decoder, manifest: Manifest, row: int, *, front_end: FrontEnd, most: int
) -> NDArray[np.float32] | Failure:
    """The waveforms `(n, samples)` of a row's excerpts, or why there are none."""
    settings = front_end.settings
    plan = ExcerptPlan(sample_rate=settings.sample_rate, excerpt_samples=settings.excerpt_samples)
    excerpt_seconds = settings.excerpt_samples / settings.sample_rate
    begin, duration = _clip_seconds(manifest, row)
    # Half a sample of slack: published times are rounded.
    slack = 0.5 / settings.sample_rate
    last_start = np.inf if duration is None else begin + duration - excerpt_seconds + slack
    taken: list[NDArray[np.float32]] = []
    path = manifest.audio(row)
    try:
        with decoder.decode(path, plan) as excerpts:
            for block in excerpts:
                starts = block.starts_seconds
                # A file shorter than an excerpt is looped by the decoder: its one excerpt is its clip.
                within = (starts >= begin - slack) & ((starts <= last_start) | ((starts == 0) & (begin == 0)))
                taken.extend(block.samples[within])
                if len(taken) >= most or starts[-1] > last_start:
                    break
    except AudioError as error:
        return Failure(manifest.path[row], error.code.value, error.message)
    except FileNotFoundError:
        return Failure(manifest.path[row], "missing", f"{path} does not exist")
    except OSError as error:
        return Failure(manifest.path[row], "unreadable", os.strerror(error.errno) if error.errno else str(error))
    if not taken:
        return Failure(
            manifest.path[row],
            AudioErrorCode.TOO_SHORT.value,
            f"no whole excerpt of {excerpt_seconds:g} s lies within the clip",
        )
    waveforms = np.stack(taken[:most])
    if np.abs(waveforms).max() < SILENCE_PEAK:
        return Failure(manifest.path[row], AudioErrorCode.SILENT.value, "the excerpts to be taken are silent")
    return waveforms
