"""Batches with their frames, fetched while the last one is computed. `sampling` draws, `train` learns from them."""

import math
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from queue import Full, Queue
from typing import Any

import numpy as np
from torch import Tensor

from training.device import Compute
from training.losses.objective import Objective, Targets
from training.mel_cache import MelCache
from training.processes import Processes
from training.recipe import Recipe, Triplets
from training.sampling.batch import Batch, Sampler, SamplingError
from training.sampling.passes import TrackSampler
from training.sampling.triplets import TripletSampler
from training.training_data import Side, TrainingData
from training.vocabulary import Vocabulary

# Batches that wait ready: one would do if all took the same time to fetch.
AHEAD = 3

# How long the fetching thread waits at a full queue before it asks whether it is still wanted.
_WAIT_SECONDS = 0.2

# Adds to the recipe's seed, so that the validation set is drawn from numbers that training does not see.
_VALIDATION_STREAM = 1


@dataclass(frozen=True, eq=False)
class LoadedBatch:
    """What a step needs.

    Attributes:
        frames: `(n, frames, mels)`, as cached.
        targets: What is known about the n excerpts.
        rows: That were drawn, of this process.
        sampler_state: After this batch was drawn; going on from it gives the next.
    """

    frames: Tensor
    targets: Targets
    rows: int
    sampler_state: Mapping[str, Any]


def make_sampler(
    recipe: Recipe, objective: Objective, side: Side, vocabulary: Vocabulary, rng: np.random.Generator
) -> tuple[Sampler, int]:
    """The sampler that a loss asks for, and its rows until it has seen as much as there are tracks.

    Raises:
        SamplingError: If the side has too little to draw from.
    """
    if isinstance(recipe.loss, Triplets):
        triplets = TripletSampler(
            side.labels,
            n_excerpts=side.n_excerpts,
            vocabulary=vocabulary,
            rng=rng,
            tracks=side.tracks,
            with_track_triplets=objective.uses_track_triplets,
            over_dimensions=recipe.loss.over_dimensions,
            over_tags=recipe.loss.over_tags,
        )
        return triplets, side.n_tracks
    passes = TrackSampler(
        n_excerpts=side.n_excerpts, rng=rng, tracks=side.tracks, with_track_triplets=objective.uses_track_triplets
    )
    return passes, passes.rows_per_pass


def load_batch(
    batch: Batch, sampler_state: Mapping[str, Any], *, side: Side, cache: MelCache, compute: Compute
) -> LoadedBatch:
    """Fetch a batch's frames and look up its labels."""
    frames = cache.frames(side.rows[batch.positions.reshape(-1)], batch.excerpts.reshape(-1))
    return LoadedBatch(compute.pinned(frames), Targets.of(batch, side.labels), len(batch.positions), sampler_state)


class BatchLoader:
    """Draws and fetches batches for ever, in a thread of its own. A context manager and an iterator."""

    def __init__(
        self, sampler: Sampler, side: Side, *, rows: int, cache: MelCache, compute: Compute, processes: Processes
    ) -> None:
        """Begin to fetch.

        Args:
            sampler: Nobody else may draw from it now.
            side: That it draws from.
            rows: Of a batch, over all processes.
            cache: Of frames.
            compute: Where batches go.
            processes: This one gets its part of every batch.
        """
        self._sampler, self._side, self._rows = sampler, side, rows
        self._cache, self._compute, self._processes = cache, compute, processes
        self._queue: Queue[LoadedBatch | BaseException] = Queue(maxsize=AHEAD)
        self._is_closed = threading.Event()
        self._thread = threading.Thread(target=self._fetch, name="batches", daemon=True)
        self._thread.start()

    def __enter__(self) -> "BatchLoader":
        return self

    def __exit__(self, *raised: object) -> None:
        self._is_closed.set()
        self._thread.join()

    def __iter__(self) -> Iterator[LoadedBatch]:
        return self

    def __next__(self) -> LoadedBatch:
        """The next batch.

        Raises:
            RuntimeError: If fetching failed; the cause says how.
        """
        loaded = self._queue.get()
        if isinstance(loaded, BaseException):
            raise RuntimeError("the next batch could not be fetched") from loaded
        return loaded

    def _fetch(self) -> None:
        while not self._is_closed.is_set():
            try:
                batch = self._sampler.draw(self._rows).part(self._processes.rank, of=self._processes.count)
                loaded: LoadedBatch | BaseException = load_batch(
                    batch, self._sampler.state(), side=self._side, cache=self._cache, compute=self._compute
                )
            except Exception as error:  # handed to the loop, which raises it
                loaded = error
            self._offer(loaded)
            if isinstance(loaded, BaseException):
                return

    def _offer(self, loaded: LoadedBatch | BaseException) -> None:
        while not self._is_closed.is_set():
            try:
                self._queue.put(loaded, timeout=_WAIT_SECONDS)
            except Full:
                continue
            return


def validation_batches(
    recipe: Recipe, objective: Objective, data: TrainingData, processes: Processes
) -> tuple[list[tuple[Batch, int]], tuple[str, ...]]:
    """The batches of the validation loss: the same in every epoch, and in every run with the same seed and data.

    Of the validation side, tags that too few tracks have are left out of its triplets: it is much smaller, and the loss
    of the others still falls or does not.

    Returns:
        This process's part of each batch with the rows of the whole one, and the tags left out.

    Raises:
        SamplingError: If nothing can be drawn from the side.
    """
    side, vocabulary = data.valid, data.vocabulary
    kept = np.arange(len(vocabulary.tags))
    if objective.uses_tag_triplets:
        kept = _tags_for_triplets(side)
        if not len(kept):
            raise SamplingError(
                "of no tag can a validation triplet be made: it takes two validation tracks with it and one without; "
                "put more tracks on the side 'valid'"
            )
    part, dimension_numbers = _part_of(vocabulary, kept)
    drawn_from = replace(side, labels=side.labels[:, kept])
    rng = np.random.default_rng((recipe.training.seed, _VALIDATION_STREAM))
    sampler, rows_per_pass = make_sampler(recipe, objective, drawn_from, part, rng)
    n_rows = recipe.training.validation_rows or rows_per_pass
    batches = []
    for first in range(0, n_rows, recipe.training.batch_rows):
        batch = sampler.draw(min(recipe.training.batch_rows, n_rows - first))
        batch = replace(batch, tags=kept[batch.tags], dimensions=dimension_numbers[batch.dimensions])
        # A rest that cannot be shared out is computed by everyone.
        is_shared = len(batch.positions) % processes.count == 0
        part_of_batch = batch.part(processes.rank, of=processes.count) if is_shared else batch
        batches.append((part_of_batch, len(batch.positions)))
    left_out = np.setdiff1d(np.arange(len(vocabulary.tags)), kept)
    return batches, tuple(vocabulary.tag_names[tag] for tag in left_out)


def _tags_for_triplets(side: Side) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Tags that two tracks have, and a row has not."""
    rows, tags = side.labels.nonzero()
    n_tags = side.labels.shape[1]
    n_tracks = np.bincount(np.unique(side.tracks[rows].astype(np.int64) * n_tags + tags) % n_tags, minlength=n_tags)
    n_rows = np.bincount(tags, minlength=n_tags)
    return np.flatnonzero((n_tracks >= 2) & (n_rows < len(side.rows)))


def _part_of(
    vocabulary: Vocabulary, kept: np.ndarray[Any, np.dtype[np.int64]]
) -> tuple[Vocabulary, np.ndarray[Any, np.dtype[np.int64]]]:
    """A vocabulary of some of the tags, and the number that each of its dimensions has in the whole one."""
    tags = tuple(vocabulary.tags[tag] for tag in kept)
    used = {tag.dimension for tag in tags}
    dimensions = tuple(name for name in vocabulary.dimensions if name in used)
    numbers = np.array([vocabulary.dimensions.index(name) for name in dimensions], dtype=np.int64)
    return replace(vocabulary, dimensions=dimensions, tags=tags), numbers


def steps_of(n_rows: int, recipe: Recipe) -> int:
    """Steps that it takes to draw as many rows, at least one."""
    return max(1, math.ceil(n_rows / recipe.training.batch_rows))
