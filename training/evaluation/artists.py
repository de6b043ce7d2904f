"""Same-artist retrieval: whether the track nearest to a track is by the same artist.

Takes `EmbeddedTracks`. It needs no tags, so it can be asked of any music that names its artists. An album, and a game's
package above all, has a studio, a loudness and a codec of its own, which help to find its artist: hence the variants.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.evaluation.bootstrap import Bootstrap
from training.evaluation.embedded import EmbeddedTracks
from training.evaluation.evaluation import EvaluationError, Figure, Similarity, Task
from training.evaluation.points import Complete, Points, spaces_of, track_points

SAME_ALBUM = "among the album"
OTHER_ALBUMS = "without the album"
METRIC = "R@1"


@dataclass(frozen=True, eq=False)
class ArtistQueries:
    """Tracks to ask about, and what may be found.

    Attributes:
        variant: None, `SAME_ALBUM` or `OTHER_ALBUMS`.
        queries: `(q,)` positions.
        gallery: `(q, n)`: which tracks a query may find. Never itself.
        is_right: `(q, n)`: which of those are by its artist; at least one.
    """

    variant: str | None
    queries: NDArray[np.int64]
    gallery: NDArray[np.bool_]
    is_right: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.queries)

    @property
    def chance(self) -> float:
        """What a random order gives: the mean share of the gallery that is right."""
        return float((self.is_right.sum(axis=1) / self.gallery.sum(axis=1)).mean())


def artist_queries(artists: Sequence[str], albums: Sequence[str]) -> list[ArtistQueries]:
    """What can be asked: every query has another track by its artist in its gallery, and one that is not.

    - As it is: every other track may be found, also those of unknown artist, which count as others' work.
    - `SAME_ALBUM`: the other tracks of the album. All sound of one studio, so it takes more than that.
    - `OTHER_ALBUMS`: all tracks but those of the album.

    Args:
        artists: n, empty where unknown; capitals and space do not tell them apart.
        albums: n, empty where unknown. Tracks of no known album are asked about as it is, and found everywhere but
            among an album.

    Returns:
        Those of the three that have a query.
    """
    artist, album = _numbered(artists), _numbered(albums)
    is_other = ~np.eye(len(artist), dtype=np.bool_)
    by_artist = (artist[:, None] == artist) & (artist >= 0)[:, None] & is_other
    of_album = (album[:, None] == album) & (album >= 0)[:, None]
    galleries: tuple[tuple[str | None, NDArray[np.bool_]], ...] = (
        (None, is_other),
        (SAME_ALBUM, of_album & is_other),
        (OTHER_ALBUMS, ~of_album & is_other & (album >= 0)[:, None]),
    )
    asked = []
    for variant, gallery in galleries:
        is_right = by_artist & gallery
        queries = np.flatnonzero(is_right.any(axis=1) & (gallery & ~is_right).any(axis=1))
        if len(queries):
            asked.append(ArtistQueries(variant, queries, gallery[queries], is_right[queries]))
    return asked


def finds(points: Points, asked: ArtistQueries) -> NDArray[np.bool_]:
    """Whether what each query finds first is right: `(q,)`. Of equally near tracks, the first in position is found."""
    similarity = np.where(asked.gallery, points.similarities(asked.queries), -np.inf)
    return np.take_along_axis(asked.is_right, similarity.argmax(axis=1)[:, None], axis=1)[:, 0]


def artist_figures(
    tracks: EmbeddedTracks,
    *,
    similarity: Similarity = Similarity.COSINE,
    complete: Complete = Complete.SLICES,
    settings: Bootstrap,
) -> list[Figure]:
    """The share of right first finds, in the complete space and each sub-space, with intervals over the queries.

    Raises:
        EvaluationError: If no artist has two tracks beside tracks of others.
    """
    asked = artist_queries(tracks.artists, tracks.albums)
    if not asked:
        raise EvaluationError("no artist has two tracks here and others beside them; name artists in the manifest")
    figures = []
    for subspace in spaces_of(tracks.subspaces):
        points = track_points(tracks, subspace=subspace, similarity=similarity, complete=complete)
        for each in asked:
            interval = settings.mean(finds(points, each), each.queries)
            figures.append(
                Figure(
                    task=Task.ARTISTS,
                    metric=METRIC,
                    subspace=subspace,
                    variant=each.variant,
                    similarity=similarity,
                    value=interval.value,
                    low=interval.low,
                    high=interval.high,
                    chance=each.chance,
                    n=len(each),
                )
            )
    return figures


def _numbered(names: Sequence[str]) -> NDArray[np.int64]:
    """Names as numbers; -1 for an empty one."""
    numbers: dict[str, int] = {}
    plain = [" ".join(name.split()).casefold() for name in names]
    return np.array([numbers.setdefault(name, len(numbers)) if name else -1 for name in plain], dtype=np.int64)
