"""A manifest and a vocabulary become what `train` draws from: two sides with labels and frames, checked before a step.

All that can be wrong with the data is found here, before anything is computed from it.
"""

import difflib
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from training.clip_waveforms import Failure, describe_failures
from training.datasets.labels import TagCase, labels_of
from training.datasets.manifest import Manifest, Split
from training.front_end import FRONT_ENDS
from training.mel_cache import MelCache, Watch, cache_frames
from training.recipe import Recipe
from training.vocabulary import Vocabulary

LEAST_TRACKS_PER_TAG = 2
NAMED_IN_ERRORS = 10


class TrainingDataError(ValueError):
    """A model cannot be trained on this manifest with this vocabulary; the message says why and what to do."""


@dataclass(frozen=True, eq=False)
class Side:
    """The rows of one side.

    Attributes:
        rows: `(n,)` of the cache.
        tracks: `(n,)` numbers: clips of one track share theirs.
        labels: Sparse `(n, tags)` bool, in compressed rows.
        n_excerpts: `(n,)`.
    """

    rows: NDArray[np.int64]
    tracks: NDArray[np.int64]
    labels: Any
    n_excerpts: NDArray[np.int64]

    @property
    def n_tracks(self) -> int:
        """Different tracks."""
        return len(np.unique(self.tracks))


@dataclass(frozen=True, eq=False)
class TrainingData:
    """What a model is trained on, and what it is validated on.

    Attributes:
        vocabulary: Of the labels' columns.
        cache: Of the frames of both sides.
        train: To learn from.
        valid: For the validation loss.
        digest: Names the tracks, sides and tags: runs on equal ones can be compared, or resumed.
        notes: What was left out or did not fit, for people to read before the first step.
    """

    vocabulary: Vocabulary
    cache: MelCache
    train: Side
    valid: Side
    digest: str
    notes: tuple[str, ...]


def prepare_data(
    recipe: Recipe,
    manifest: Manifest,
    vocabulary: Vocabulary,
    *,
    cache: Path,
    case: TagCase = TagCase.EXACT,
    threads: int = 1,
    watch: Watch | None = None,
) -> TrainingData:
    """Check a manifest against a vocabulary, compute the frames it needs, and leave out or refuse what has none.

    Args:
        recipe: Says which front end, how many excerpts, and what becomes of files that give too few.
        manifest: With sides; the rows of the test side and of none are not touched.
        vocabulary: In whose order labels stand.
        cache: Folder of all caches of frames.
        case: Whether capitals tell tags apart.
        threads: Decoder processes.
        watch: Called as the frames of rows are done.

    Raises:
        TrainingDataError: If a side is empty, the vocabulary has tags that no or one training track has, or files give
            too little audio and the recipe says to stop.
        MelCacheError: If frames cannot be written.
    """
    _check_sides(manifest)
    used = manifest.take(np.flatnonzero(np.isin(manifest.split, [_code(Split.TRAIN), _code(Split.VALID)])))
    labels = labels_of(used, vocabulary, case=case)
    notes = _check_tags(used, labels.matrix, labels.dropped, vocabulary)
    frames = cache_frames(
        used,
        folder=cache,
        front_end=FRONT_ENDS[recipe.backbone.kind],
        excerpts_per_track=recipe.data.excerpts_per_track,
        stored_as=recipe.data.stored_as,
        threads=threads,
        watch=watch,
    )
    usable = _usable(used, frames, recipe, notes)
    # What was left out may have been all that had some tag.
    _check_sides(used.take(usable))
    _check_tags(used.take(usable), labels.matrix[usable], {}, vocabulary)
    tracks = used.track_id.numbered()[0]
    sides = {}
    for side in (Split.TRAIN, Split.VALID):
        rows = np.intersect1d(used.on(side), usable)
        sides[side] = Side(
            rows, tracks[rows], sparse.csr_array(labels.matrix[rows]), frames.n_excerpts[rows].astype(np.int64)
        )
    digest = hashlib.sha256()
    for row in usable.tolist():
        digest.update(f"{used.track_id[row]}\t{used.split[row]}\t{frames.n_excerpts[row]}\t".encode())
        digest.update(labels.matrix[row].tobytes())
    return TrainingData(
        vocabulary, frames, sides[Split.TRAIN], sides[Split.VALID], digest.hexdigest()[:16], tuple(notes)
    )


def _code(side: Split) -> int:
    return list(Split).index(side)


def _check_sides(manifest: Manifest) -> None:
    for side in (Split.TRAIN, Split.VALID):
        if not len(manifest.on(side)):
            raise TrainingDataError(
                f"no row of the manifest is on the side {side.value!r}, so there is nothing to "
                f"{'learn from' if side is Split.TRAIN else 'compute the validation loss from'}; "
                "deal the rows out (facet dataset manifest FILE --split-by artist -o NEW), or fill its column 'split'"
            )


def _check_tags(manifest: Manifest, labels: NDArray[np.bool_], dropped: Any, vocabulary: Vocabulary) -> list[str]:
    """Refuse tags that cannot be learnt; say what of the manifest's tags is not used."""
    names = vocabulary.tag_names
    train = manifest.on(Split.TRAIN)
    rows, tags = np.nonzero(labels[train])
    track = manifest.track_id.numbered()[0][train][rows]
    n_tracks = np.bincount(np.unique(track * len(names) + tags) % len(names), minlength=len(names))
    rare = np.flatnonzero(n_tracks < LEAST_TRACKS_PER_TAG).tolist()
    if rare:
        known = list(dropped)
        described = []
        for tag in rare[:NAMED_IN_ERRORS]:
            near = difflib.get_close_matches(names[tag], known, n=1, cutoff=0.8) or [
                name for name in known if name.casefold() == names[tag].casefold()
            ]
            described.append(
                f"{names[tag]!r} has {n_tracks[tag]}" + (f" (the manifest has {near[0]!r})" if near else "")
            )
        rest = f" and {len(rare) - NAMED_IN_ERRORS} more" if len(rare) > NAMED_IN_ERRORS else ""
        raise TrainingDataError(
            f"every tag of the vocabulary {vocabulary.name} must have {LEAST_TRACKS_PER_TAG} training tracks or more: "
            f"{', '.join(described)}{rest}. Leave such tags out of the vocabulary, rename the manifest's, or add tracks"
        )
    notes = []
    if dropped:
        first = ", ".join(f"{tag!r} {count}" for tag, count in list(dropped.items())[:NAMED_IN_ERRORS])
        notes.append(f"{len(dropped)} tags of the manifest are not in the vocabulary and not used: {first}")
    untagged = int((~labels.any(axis=1)).sum())
    if untagged:
        notes.append(f"{untagged} of {len(labels)} rows have no tag of the vocabulary; they count as having none")
    return notes


def _usable(manifest: Manifest, cache: MelCache, recipe: Recipe, notes: list[str]) -> NDArray[np.int64]:
    """Rows with enough excerpts; the rest is refused or, if the recipe says so, told."""
    needed = recipe.excerpts_needed
    track = manifest.track_id.numbered()[0]
    in_track = np.bincount(track, weights=cache.n_excerpts)[track]
    failures = dict(cache.failures)
    for row in np.flatnonzero((cache.n_excerpts > 0) & (in_track < needed)).tolist():
        failures[row] = Failure(
            manifest.path[row],
            "too_few_excerpts",
            f"its track has {int(in_track[row])} excerpt, a track triplet takes {needed} of one track",
        )
    if failures and recipe.data.unusable_audio == "stop":
        raise TrainingDataError(
            f"{describe_failures(failures)}\nMend or remove them, or leave them out: --set data.unusable_audio=drop"
        )
    if failures:
        notes.append(f"left out: {describe_failures(failures)}")
    return np.setdiff1d(np.arange(len(manifest)), np.array(sorted(failures), dtype=np.int64))
