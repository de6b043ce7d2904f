"""Same-artist retrieval: whether the track nearest to a track is by the same artist.

Takes `EmbeddedTracks`. It needs no tags, so it can be asked of any music that names its artists. An album, and a game's
package above all, has a studio, a loudness and a codec of its own, which help to find its artist: hence the variants.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from index.vector_index import Positions
from training.datasets.plain_names import plain_name
from training.evaluation.bootstrap import Bootstrap
from training.evaluation.embedded import EmbeddedTracks
from training.evaluation.evaluation import EvaluationError, Figure, Similarity, Task
from training.evaluation.points import Complete, Points, row_blocks, spaces_of, track_points

SAME_ALBUM = "among the album"
OTHER_ALBUMS = "without the album"
METRIC = "R@1"


@dataclass(frozen=True, eq=False, kw_only=True)
class ArtistQueries:
    """Tracks to ask about, and what may be found.

    Attributes:
        variant: None, `SAME_ALBUM` or `OTHER_ALBUMS`.
        artist: `(n,)`: each track's artist as a number, -1 where unknown.
        album: `(n,)`: the same of its album.
        queries: `(q,)` positions.
        chance: What a random order gives: the mean share of a query's gallery that is right.
    """

    variant: str | None
    artist: NDArray[np.int64]
    album: NDArray[np.int64]
    queries: NDArray[np.int64]
    chance: float

    def __len__(self) -> int:
        return len(self.queries)

    def masks(self, rows: Positions) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Which tracks some of the tracks may find, never themselves, and which of those are by their artist.

        Args:
            rows: k positions of tracks; ask for a few at a time.

        Returns:
            Gallery and right finds, `(k, n)` each.
        """
        return _masks(self.artist, self.album, self.variant, rows)


def _masks(
    artist: NDArray[np.int64], album: NDArray[np.int64], variant: str | None, rows: Positions
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    gallery = rows[:, None] != np.arange(len(artist))
    if variant is not None:
        gallery &= (album[rows, None] == album) if variant == SAME_ALBUM else (album[rows, None] != album)
        gallery &= (album[rows] >= 0)[:, None]
    return gallery, gallery & (artist[rows, None] == artist) & (artist[rows] >= 0)[:, None]


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
    asked = []
    for variant in (None, SAME_ALBUM, OTHER_ALBUMS):
        right, found = (np.zeros(len(artist), dtype=np.int64) for _ in range(2))
        for rows in row_blocks(len(artist)):
            gallery, is_right = _masks(artist, album, variant, np.arange(rows.start, rows.stop))
            found[rows], right[rows] = gallery.sum(axis=1), is_right.sum(axis=1)
        queries = np.flatnonzero((right > 0) & (found > right))
        if len(queries):
            chance = float((right[queries] / found[queries]).mean())
            asked.append(ArtistQueries(variant=variant, artist=artist, album=album, queries=queries, chance=chance))
    return asked


def finds(points: Points, asked: ArtistQueries) -> NDArray[np.bool_]:
    """Whether what each query finds first is right: `(q,)`. Of equally near tracks, the first in position is found."""
    result = np.empty(len(asked), dtype=np.bool_)
    for block in row_blocks(len(asked)):
        rows = asked.queries[block]
        gallery, is_right = asked.masks(rows)
        similarity = np.where(gallery, points.similarities(rows), -np.inf)
        result[block] = np.take_along_axis(is_right, similarity.argmax(axis=1)[:, None], axis=1)[:, 0]
    return result


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
    plain = [plain_name(name) for name in names]
    return np.array([numbers.setdefault(name, len(numbers)) if name else -1 for name in plain], dtype=np.int64)
