"""Tracks as a bundle hears them, with their labels: what every measure takes. `embedding_store` makes it."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from index.subspaces import Subspaces, Vectors


@dataclass(frozen=True, eq=False, kw_only=True)
class EmbeddedTracks:
    """n tracks and their m excerpts, in the order of the manifest.

    Attributes:
        subspaces: The bundle's.
        track_ids: n, each once.
        artists: n, empty where unknown. (A rendered piece's artist is its tune.)
        albums: n, empty where unknown. (Of music out of Debian's packages, the package.)
        tags: The vocabulary's tags, in the order of the columns of `labels`.
        notions: The dimension of each of those tags: the vocabulary's, which a bundle that is not disentangled lacks.
        labels: `(n, tags)` bool.
        excerpts: `(m, width)` float32: what the encoder gives for each excerpt, slices at the length it gave them.
        track: `(m,)` int64, ascending: which track an excerpt is of. Every track has one excerpt at least.
        starts_seconds: `(m,)` float64 from the beginning of the track's clip.
        tag_scores: `(n, tags)` float32: the bundle's own probabilities, mean over excerpts; NaN for a tag that the
            bundle does not know.
        excerpt_tag_scores: `(m, tags)` float32: the same of each excerpt.
    """

    subspaces: Subspaces
    track_ids: tuple[str, ...]
    artists: tuple[str, ...]
    albums: tuple[str, ...]
    tags: tuple[str, ...]
    notions: tuple[str, ...]
    labels: NDArray[np.bool_]
    excerpts: Vectors
    track: NDArray[np.int64]
    starts_seconds: NDArray[np.float64]
    tag_scores: Vectors
    excerpt_tag_scores: Vectors

    def __len__(self) -> int:
        return len(self.track_ids)

    @property
    def dimensions(self) -> tuple[str, ...]:
        """The notions there are tags of, in the vocabulary's order, each once."""
        return tuple(dict.fromkeys(self.notions))

    def tags_of(self, notion: str | None) -> NDArray[np.int64]:
        """Columns of `labels` that belong to a notion; all for None."""
        return np.flatnonzero([notion in (None, each) for each in self.notions])

    def only(self, chosen: NDArray[np.bool_]) -> Self:
        """Some of the tracks, `chosen` `(n,)`, with their excerpts, numbered through."""
        of_chosen = chosen[self.track]
        positions = np.flatnonzero(chosen)
        return replace(
            self,
            track_ids=tuple(self.track_ids[position] for position in positions),
            artists=tuple(self.artists[position] for position in positions),
            albums=tuple(self.albums[position] for position in positions),
            labels=self.labels[chosen],
            excerpts=self.excerpts[of_chosen],
            track=np.searchsorted(positions, self.track[of_chosen]),
            starts_seconds=self.starts_seconds[of_chosen],
            tag_scores=self.tag_scores[chosen],
            excerpt_tag_scores=self.excerpt_tag_scores[of_chosen],
        )
