"""Down the ranking, passing over near-duplicates and an artist's tracks beyond a number. `pages` cuts the walk up.

A walk that passes over nothing begins where the page before ended. One that does begins at the top each time, since
what is passed over depends on all that came before; what it gives does not depend on where pages end.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain

import numpy as np

from index.live_search import Hit, Place, find
from index.live_state import LiveState
from index.near_duplicates import least_cosines
from index.query import Query
from index.subspaces import Vectors
from index.vector_index import Mask

# Hits looked at together: at first as many as a page is likely to need, then twice as many each time, up to this many
# or as many as came before: each look begins at the top, so that smaller ones would add up to the square of the depth.
MOST_AT_ONCE = 4096
# Near-duplicates are looked for among this many hits at a time, from the top, whatever the page: the last bits of a
# product depend on what is multiplied together, and every page must find the same.
COMPARED_AT_ONCE = 256
# Tracks looked at for one answer. Whoever pages through this many asks for the catalogue, which `GET /tracks` lists.
DEEPEST = 10_000
# Of a float32 product: a copy of a track is as alike as can be, though its cosine may be 0.9999999.
NOISE = 1e-6


@dataclass(frozen=True)
class Step:
    """A hit, and how deep in the ranking it stands: 1 is the top."""

    hit: Hit
    depth: int


@dataclass(frozen=True)
class PassedOver(Step):
    """A hit that is not shown.

    Attributes:
        into: The track that it is a near-duplicate of; None if its artist has enough tracks in the answer.
    """

    into: str | None


@dataclass(frozen=True)
class Walk:
    """All hits in their order, but for those that are passed over.

    Attributes:
        state: The moment.
        query: What is sought.
        allowed: `(state.rows,)`, as for `find`.
        duplicates_from: Fold what is at least this alike in every dimension; None: nothing.
        most_per_artist: None for any number.
        artists_of: Artists' numbers of tracks, below zero for none.
        deepest: Where the walk ends, even if there is more: so many hits below the top.
    """

    state: LiveState
    query: Query
    allowed: Mask | None
    duplicates_from: float | None = None
    most_per_artist: int | None = None
    artists_of: Callable[[Sequence[str]], Sequence[int]] = field(default=lambda ids: [-1] * len(ids))
    deepest: int = DEEPEST

    def steps(self, *, after: Place | None, depth: int, wanted: int) -> Iterator[Step]:
        """What comes after a place.

        Args:
            after: Where the page before ended; None at the beginning.
            depth: How deep that is, about.
            wanted: How many will be asked for, about.
        """
        if self.duplicates_from is None and self.most_per_artist is None:
            ranked = chain.from_iterable(self._ranked(after=after, depth=depth, first=wanted))
            yield from (Step(hit, standing) for standing, hit in enumerate(ranked, start=depth + 1))
            return
        kept = _Kept(self)
        standing = 0
        for hits in self._ranked(after=None, depth=0, first=COMPARED_AT_ONCE):
            for start in range(0, len(hits), COMPARED_AT_ONCE):
                for step in kept.sift(hits[start : start + COMPARED_AT_ONCE], depth=standing):
                    standing += 1
                    if after is None or after.is_before(step.hit):
                        yield step

    def _ranked(self, *, after: Place | None, depth: int, first: int) -> Iterator[list[Hit]]:
        """The ranking, a portion at a time, down to the deepest place that is looked at."""
        portion = min(first, MOST_AT_ONCE)
        while depth < self.deepest:
            portion = min(portion, self.deepest - depth)
            hits = find(self.state, self.query, limit=portion, allowed=self.allowed, after=after, skip=depth)
            yield hits
            if len(hits) < portion:
                return
            after, depth = Place.of(hits[-1]), depth + len(hits)
            portion = min(2 * portion, max(MOST_AT_ONCE, depth))


class _Kept:
    """What a walk has kept so far, and so what it passes over next."""

    def __init__(self, walk: Walk) -> None:
        self._walk = walk
        self._of_artist: Counter[int] = Counter()
        self._ids: list[str] = []
        self._vectors = np.empty((64, walk.query.subspaces.width), np.float32)

    def sift(self, hits: Sequence[Hit], *, depth: int) -> Iterator[Step]:
        """The next hits of the ranking, of which `depth` came before, each kept or passed over."""
        ids = [hit.track_id for hit in hits]
        artists = self._walk.artists_of(ids)
        vectors, alike_before, alike_here = self._compared(ids)
        kept_here: list[int] = []
        for row, (hit, artist) in enumerate(zip(hits, artists, strict=True)):
            into = self._duplicate_of(row, ids, kept_here, alike_before, alike_here)
            if into is not None or self._has_enough(artist):
                yield PassedOver(hit, depth + row + 1, into)
            else:
                self._of_artist[artist] += 1
                kept_here.append(row)
                yield Step(hit, depth + row + 1)
        self._keep([ids[row] for row in kept_here], vectors[kept_here])

    def _has_enough(self, artist: int) -> bool:
        most = self._walk.most_per_artist
        return most is not None and artist >= 0 and self._of_artist[artist] >= most

    def _compared(self, ids: Sequence[str]) -> tuple[Vectors, Mask, Mask]:
        """Vectors, and whether each is a near-duplicate of what was kept before, and of each other."""
        threshold = self._walk.duplicates_from
        subspaces = self._walk.query.subspaces
        if threshold is None:
            nothing = np.zeros((len(ids), 0), np.bool_)
            return np.empty((len(ids), subspaces.width), np.float32), nothing, nothing
        vectors = self._walk.state.vectors(ids)
        before = least_cosines(subspaces, vectors, self._vectors[: len(self._ids)])
        return vectors, before >= threshold - NOISE, least_cosines(subspaces, vectors, vectors) >= threshold - NOISE

    def _duplicate_of(
        self, row: int, ids: Sequence[str], kept_here: Sequence[int], alike_before: Mask, alike_here: Mask
    ) -> str | None:
        if alike_before.shape[1] and alike_before[row].any():
            return self._ids[int(np.argmax(alike_before[row]))]
        if alike_here.shape[1]:
            return next((ids[other] for other in kept_here if alike_here[row, other]), None)
        return None

    def _keep(self, ids: Sequence[str], vectors: Vectors) -> None:
        if self._walk.duplicates_from is None:
            return
        needed = len(self._ids) + len(ids)
        if needed > len(self._vectors):
            grown = np.empty((2 * needed, self._vectors.shape[1]), np.float32)
            grown[: len(self._ids)] = self._vectors[: len(self._ids)]
            self._vectors = grown
        self._vectors[len(self._ids) : needed] = vectors
        self._ids.extend(ids)
