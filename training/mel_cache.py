"""The log-mel frames of a data set, computed once and memory-mapped. Audio comes by a manifest, frames go to `batches`.

A folder for each front end and list of audio, whose files are those of `mel_files`; `clip_waveforms` gives the audio. A
row counts from the moment its frames are on disk, so a build that was killed goes on where it stood. A file that has
changed since, by size or time, is done again; so is one that was missing and has come.
"""

import fcntl
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import platformdirs
import torch
from numpy.typing import NDArray
from torch import Tensor

from index.decoder import Decoder
from training.clip_waveforms import Failure, clip_seconds, clip_waveforms
from training.datasets.manifest import Manifest
from training.front_end import FrontEnd
from training.mel_files import NOT_YET, MelFiles, StoredAs, file_stamp

FORMAT_VERSION = 1

# Rows looked at so far, and all.
Watch = Callable[[int, int], None]


class MelCacheError(Exception):
    """The folder of a cache cannot be used."""


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
            files = MelFiles(
                place,
                len(manifest),
                excerpts_per_track=excerpts_per_track,
                settings=front_end.settings,
                stored_as=stored_as,
            )
            _fill(files, manifest, front_end=front_end, most=excerpts_per_track, threads=threads, watch=watch)
            return MelCache(np.array(files.n_excerpts), files.failures(), files.frames)
    except OSError as error:
        raise MelCacheError(
            f"the frames cannot be cached in {place}: {error}; name another folder with --cache, or make room"
        ) from error


def _audio_digest(manifest: Manifest) -> str:
    digest = hashlib.sha256()
    for row in range(len(manifest)):
        clip = (str(manifest.audio(row).absolute()), *clip_seconds(manifest, row))
        digest.update(json.dumps(clip).encode() + b"\n")
    return digest.hexdigest()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Wait for the lock; it ends with the process that has it, however that ends."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _fill(
    files: MelFiles, manifest: Manifest, *, front_end: FrontEnd, most: int, threads: int, watch: Watch | None
) -> None:
    stamps = np.array([file_stamp(manifest.audio(row)) for row in range(len(manifest))], dtype=np.int64).reshape(-1, 2)
    files.forget(np.flatnonzero((files.n_excerpts != NOT_YET) & (files.stamps != stamps).any(axis=1)))
    missing = np.flatnonzero(files.n_excerpts == NOT_YET).tolist()
    if not missing:
        return
    compute = front_end.plain(front_end.settings).eval()
    n_done = len(manifest) - len(missing)
    with Decoder(processes=threads) as decoder, ThreadPoolExecutor(threads) as pool:

        def decode(row: int) -> NDArray[np.float32] | Failure:
            return clip_waveforms(decoder, manifest, row, settings=front_end.settings, most=most)

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
