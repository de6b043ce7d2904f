"""What shards hold of a manifest's rows, as tracks: the clips of each side by side. `embedding_store` asks for it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index.model import ModelBundle
from index.subspaces import Vectors
from training.datasets.labels import Labels
from training.datasets.manifest import Manifest
from training.evaluation.embedded import EmbeddedTracks
from training.evaluation.embedding_shards import Shard


def tracks_of(bundle: ModelBundle, manifest: Manifest, labels: Labels, shards: Sequence[Shard]) -> EmbeddedTracks:
    """Rows become tracks, in the order in which they come first in the manifest.

    Args:
        bundle: What embedded the rows.
        manifest: n rows.
        labels: Of those.
        shards: Of those, in order; at least one row has an excerpt.
    """
    counts = np.concatenate([shard.counts for shard in shards])
    row_of_excerpt = np.repeat(np.arange(len(manifest)), counts)
    kept = np.flatnonzero(counts)
    number, track_ids = manifest.track_id.take(kept).numbered()
    track_of_row = np.full(len(manifest), -1)
    track_of_row[kept] = number
    first_row = kept[np.unique(number, return_index=True)[1]]
    row, track = row_of_excerpt, track_of_row[row_of_excerpt]
    starts = np.concatenate([shard.starts_seconds for shard in shards])
    excerpts = np.concatenate([shard.excerpts for shard in shards])
    probabilities = np.concatenate([shard.tag_probabilities for shard in shards])
    # Clips of one track may be anywhere in the manifest. Mostly they are not, and a copy of all excerpts is saved.
    if (np.diff(track) < 0).any():
        order = np.argsort(track, kind="stable")
        row, track, starts = row[order], track[order], starts[order]
        excerpts, probabilities = excerpts[order], probabilities[order]
    own_labels = np.zeros((len(track_ids), labels.matrix.shape[1]), dtype=np.bool_)
    np.logical_or.at(own_labels, number, labels.matrix[kept])
    first_excerpt = np.flatnonzero(np.diff(track, prepend=-1))
    scores = np.add.reduceat(probabilities, first_excerpt, axis=0, dtype=np.float64)
    scores /= np.bincount(track)[:, None]
    vocabulary = labels.vocabulary
    return EmbeddedTracks(
        subspaces=bundle.subspaces,
        track_ids=track_ids,
        artists=tuple(manifest.artist.take(first_row)),
        albums=tuple(manifest.album.take(first_row)),
        tags=vocabulary.tag_names,
        notions=tuple(tag.dimension for tag in vocabulary.tags),
        labels=own_labels,
        excerpts=excerpts,
        track=track.astype(np.int64),
        # From the beginning of the track's first clip, where it has several.
        starts_seconds=starts + manifest.start_seconds[row] - manifest.start_seconds[first_row][track],
        tag_scores=_in_order_of(vocabulary.tag_names, bundle, scores),
        excerpt_tag_scores=_in_order_of(vocabulary.tag_names, bundle, probabilities),
    )


def _in_order_of(tags: tuple[str, ...], bundle: ModelBundle, scores: NDArray[np.floating[Any]]) -> Vectors:
    columns = {tag.name: column for column, tag in enumerate(bundle.tags)}
    result = np.full((len(scores), len(tags)), np.nan, dtype=np.float32)
    for place, tag in enumerate(tags):
        if tag in columns:
            result[:, place] = scores[:, columns[tag]]
    return result
