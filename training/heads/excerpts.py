"""Features of excerpts with what is known of their tracks: what `fitting` learns from."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from index.subspaces import Vectors
from training.evaluation.embedded import EmbeddedTracks

UNKNOWN = -1


class LearntMusicError(ValueError):
    """Heads cannot be fitted to the music: a side or a dimension is empty, or a track has two tags of one dimension."""


@dataclass(frozen=True, eq=False, kw_only=True)
class LearntExcerpts:
    """m excerpts of n tracks.

    Attributes:
        features: `(m, width)` float32.
        track: `(m,)` int64, ascending, 0 to n - 1.
        values: By dimension `(n,)` int64: position among the vocabulary's tags of the dimension, or `UNKNOWN`.
    """

    features: Vectors
    track: NDArray[np.int64]
    values: dict[str, NDArray[np.int64]]

    @property
    def n_tracks(self) -> int:
        """How many tracks there are."""
        return len(next(iter(self.values.values())))

    def of(self, dimension: str) -> NDArray[np.int64]:
        """`(m,)`: each excerpt's value in a dimension."""
        return self.values[dimension][self.track]


def learnt_excerpts(tracks: EmbeddedTracks, dimensions: Sequence[str]) -> LearntExcerpts:
    """What is learnt from tracks whose labels are one tag of each dimension, or none.

    Raises:
        LearntMusicError: If a track has two tags of one dimension.
    """
    values = {}
    for dimension in dimensions:
        labels = tracks.labels[:, tracks.tags_of(dimension)]
        twice = np.flatnonzero(labels.sum(axis=1) > 1)
        if len(twice):
            raise LearntMusicError(
                f"track {tracks.track_ids[twice[0]]!r} has two tags of {dimension!r}; "
                "heads are fitted to tracks with one at most"
            )
        values[dimension] = np.where(labels.any(axis=1), labels.argmax(axis=1), UNKNOWN)
    return LearntExcerpts(features=tracks.excerpts, track=tracks.track, values=values)


def joined(sets: Sequence[LearntExcerpts]) -> LearntExcerpts:
    """Several sets as one; tracks are numbered through."""
    before = np.cumsum([0, *(each.n_tracks for each in sets)])
    return LearntExcerpts(
        features=np.concatenate([each.features for each in sets]),
        track=np.concatenate([each.track + first for each, first in zip(sets, before, strict=False)]),
        values={dimension: np.concatenate([each.values[dimension] for each in sets]) for dimension in sets[0].values},
    )
