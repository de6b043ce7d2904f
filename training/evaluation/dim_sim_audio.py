"""The clips that listeners judged, as a manifest of their own: `dim_sim` says which, `embedding_store` hears them."""

from collections.abc import Mapping, Sequence

import numpy as np

from index.subspaces import Vectors
from training.datasets.manifest import Manifest
from training.evaluation.dim_sim import Clip
from training.evaluation.embedded import EmbeddedTracks


def clip_manifest(manifest: Manifest, clips: Sequence[Clip]) -> tuple[Manifest, Mapping[str, Clip]]:
    """One row for each clip whose track the manifest has; a track of several rows is its first.

    Returns:
        The rows, and the clip that each of their track ids stands for.
    """
    numbers, ids = manifest.track_id.numbered()
    first_rows = np.unique(numbers, return_index=True)[1]
    row_of = dict(zip(ids, first_rows.tolist(), strict=True))
    known = {
        f"{clip.track_id} {clip.start_seconds!r} {clip.seconds!r}": clip for clip in clips if clip.track_id in row_of
    }
    rows = [row_of[clip.track_id] for clip in known.values()]
    return (
        Manifest.of(
            manifest.folder,
            path=[manifest.path[row] for row in rows],
            track_id=known,
            # From where the track's clip begins in its file, as with the tracks themselves.
            start_seconds=[
                float(manifest.start_seconds[row]) + clip.start_seconds
                for row, clip in zip(rows, known.values(), strict=True)
            ],
            duration_seconds=[clip.seconds for clip in known.values()],
        ),
        known,
    )


def clip_vectors(tracks: EmbeddedTracks, known: Mapping[str, Clip]) -> dict[Clip, Vectors]:
    """`(width,)` of each clip that could be embedded: the mean of its excerpts, mostly one."""
    return {
        known[track_id]: tracks.excerpts[tracks.track == position].mean(axis=0, dtype=np.float32)
        for position, track_id in enumerate(tracks.track_ids)
    }
