"""The embeddings of a manifest's rows, computed once and kept: `clip` gives excerpts, measures take what comes out.

A folder for each bundle, list of clips, plan and condition: `embeddings.json` says which, `00000.npz` and so on hold 32
rows each. A shard is written whole or not at all, so an evaluation that was killed goes on with the first that is
missing. One whose audio files have changed since, by size or time, is made again, and so is one with a row that the
machine may have failed, not its file.
"""

import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import platformdirs

from index.audio import AudioError, AudioErrorCode, ExcerptPlan
from index.decoder import Decoder
from index.model import ModelBundle
from training.datasets.labels import Labels
from training.datasets.manifest import Manifest
from training.evaluation.clip import Clip, clip_excerpts
from training.evaluation.conditions import Condition
from training.evaluation.embedded import EmbeddedTracks
from training.evaluation.embedding_shards import EmbeddedRow, Shard, join_rows, read_shard, stamp_of, write_shard
from training.evaluation.embedding_tracks import tracks_of
from training.evaluation.evaluation import AS_RECORDED, EvaluationError

FORMAT_VERSION = 2

# Some seconds of work, lost at most if the process is killed.
ROWS_PER_SHARD = 32

# Why a row has no embedding where it is no decoder that says so.
MISSING, UNREADABLE = "missing", "unreadable"

# What a busy machine, a lost disk or a permission may be to blame for: asked again, such a row may be heard.
_MAY_PASS = frozenset({UNREADABLE, AudioErrorCode.TIMED_OUT, AudioErrorCode.DECODER_CRASHED})

# Rows looked at so far, and all.
Watch = Callable[[int, int], None]


@dataclass(frozen=True)
class LeftOut:
    """A row that has no embedding.

    Attributes:
        path: As the manifest has it.
        code: One of `index.audio.AudioErrorCode`, or `missing`, or `unreadable`.
        message: For people.
    """

    path: str
    code: str
    message: str


@dataclass(frozen=True, eq=False)
class Embedded:
    """What became of a manifest's rows.

    Attributes:
        tracks: Those that have an excerpt.
        left_out: The rows that have none.
    """

    tracks: EmbeddedTracks
    left_out: tuple[LeftOut, ...]


def default_work() -> Path:
    """Where embeddings are kept if nobody says otherwise."""
    return Path(platformdirs.user_cache_dir("facet", appauthor=False)) / "evaluation"


def embed_tracks(
    bundle: ModelBundle,
    decoder: Decoder,
    manifest: Manifest,
    labels: Labels,
    *,
    folder: Path,
    condition: Condition | None = None,
    excerpts_per_track: int | None = None,
    seed: int = 0,
    threads: int = 1,
    watch: Watch | None = None,
) -> Embedded:
    """Embed the rows of a manifest, but for those that are kept already.

    Rows with the same track id are clips of one track: it has the excerpts of all, and every label that one of them
    has. Only one process works on the same embeddings; others that ask for them meanwhile wait.

    Args:
        bundle: What embeds.
        decoder: What decodes; as many processes as threads make use of them.
        manifest: n rows.
        labels: Of those rows.
        folder: Of all embeddings that are kept.
        condition: What is done to each clip first; None: nothing.
        excerpts_per_track: Of each row, evenly spread over its clip; None for every one, side by side.
        seed: Of the chance in a condition; each row has its own, whatever else is in the manifest's shard.
        threads: Rows embedded at once.
        watch: Called as rows are done.

    Returns:
        Tracks in the order in which they come first in the manifest.

    Raises:
        EvaluationError: If the folder cannot be written, or not one row gives an excerpt.
    """
    plan = ExcerptPlan(bundle.sample_rate, bundle.excerpt_samples, excerpts_per_track)
    work = _Work(bundle, decoder, manifest, plan, condition, seed)
    text = work.description()
    place = folder / hashlib.sha256(text.encode()).hexdigest()[:16]
    try:
        place.mkdir(parents=True, exist_ok=True)
        with _locked(place / "lock"):
            (place / "embeddings.json").write_text(text + "\n", encoding="utf-8")
            shards = list(_shards(work, place, threads=threads, watch=watch))
    except OSError as error:
        raise EvaluationError(
            f"embeddings cannot be kept in {place}: {error}; name another folder with --work, or make room"
        ) from error
    left_out = tuple(LeftOut(manifest.path[row], *shard.failures[row]) for shard in shards for row in shard.failures)
    if len(left_out) == len(manifest):
        first = f"; the first: {left_out[0].code}: {left_out[0].path}: {left_out[0].message}" if left_out else ""
        raise EvaluationError(f"none of the {len(manifest)} rows gives audio to embed{first}")
    return Embedded(tracks_of(bundle, manifest, labels, shards), left_out)


@dataclass(frozen=True, eq=False)
class _Work:
    """What is to be embedded, and how."""

    bundle: ModelBundle
    decoder: Decoder
    manifest: Manifest
    plan: ExcerptPlan
    condition: Condition | None
    seed: int

    def clip(self, row: int) -> Clip:
        duration = float(self.manifest.duration_seconds[row])
        return Clip(
            path=self.manifest.audio(row),
            start_seconds=float(self.manifest.start_seconds[row]),
            duration_seconds=None if np.isnan(duration) else duration,
        )

    def description(self) -> str:
        """All that decides what the embeddings are, but for the content of the files."""
        digest = hashlib.sha256()
        for row in range(len(self.manifest)):
            clip = self.clip(row)
            digest.update(
                json.dumps([str(clip.path.absolute()), clip.start_seconds, clip.duration_seconds]).encode() + b"\n"
            )
        return json.dumps(
            {
                "format": FORMAT_VERSION,
                "encoder_id": self.bundle.encoder_id,
                "excerpts_per_track": self.plan.excerpts_per_track,
                "condition": AS_RECORDED if self.condition is None else self.condition.name,
                "seed": None if self.condition is None else self.seed,
                "rows": len(self.manifest),
                "clips": digest.hexdigest(),
            },
            indent=1,
        )

    def embed(self, row: int) -> EmbeddedRow:
        clip = self.clip(row)
        starts, excerpts, probabilities = [], [], []
        rng = np.random.default_rng([self.seed, row])
        try:
            for block in clip_excerpts(clip, self.decoder, self.plan, condition=self.condition, rng=rng):
                embedding, logits = self.bundle.encode(block.samples)
                starts.append(block.starts_seconds)
                excerpts.append(embedding)
                probabilities.append(0.5 * (1.0 + np.tanh(0.5 * logits)))
        except AudioError as error:
            return self._none(error.code.value, error.message)
        except FileNotFoundError:
            return self._none(MISSING, f"{clip.path} does not exist")
        except OSError as error:
            return self._none(UNREADABLE, os.strerror(error.errno) if error.errno else str(error))
        return EmbeddedRow(np.concatenate(starts), np.concatenate(excerpts), np.concatenate(probabilities))

    def _none(self, code: str, message: str) -> EmbeddedRow:
        return EmbeddedRow(
            np.zeros(0),
            np.zeros((0, self.bundle.subspaces.width), np.float32),
            np.zeros((0, len(self.bundle.tags)), np.float32),
            (code, message),
        )


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Wait for the lock; it ends with the process that has it, however that ends."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _shards(work: _Work, place: Path, *, threads: int, watch: Watch | None) -> Iterator[Shard]:
    """Each shard, read if it is there and true, else made and written."""
    n = len(work.manifest)
    with ThreadPoolExecutor(threads) as pool:
        try:
            for first in range(0, n, ROWS_PER_SHARD):
                rows = range(first, min(first + ROWS_PER_SHARD, n))
                path = place / f"{first // ROWS_PER_SHARD:05d}.npz"
                stamps = np.array([stamp_of(work.manifest.audio(row)) for row in rows], dtype=np.int64)
                shard = read_shard(path, stamps)
                if shard is None or _may_pass(shard):
                    made = []
                    for row in pool.map(work.embed, rows):
                        made.append(row)
                        if watch is not None:
                            watch(first + len(made), n)
                    shard = join_rows(rows, made)
                    write_shard(path, shard, stamps)
                elif watch is not None:
                    watch(rows.stop, n)
                yield shard
        finally:
            # Waiting for rows that are not wanted any more would hold Ctrl-C up.
            pool.shutdown(wait=False, cancel_futures=True)


def _may_pass(shard: Shard) -> bool:
    return any(code in _MAY_PASS for code, _ in shard.failures.values())
