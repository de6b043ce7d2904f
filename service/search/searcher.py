"""The use case of searching: a question becomes a query, the index finds, the catalogue tells of what was found.

`endpoints` hands over what was asked and gives back what is returned here. Everything here is for a worker thread: it
computes, and asks the database.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from index.live import Hit, LiveIndex, Place
from index.model import ModelBundle, Tag
from index.query import Query
from index.subspaces import Vectors
from service.catalogue.records import Track, TrackEmbedding
from service.catalogue.repository import Catalogue
from service.http.cursors import Progress, read_progress, write_progress
from service.http.paging import PageRequest
from service.http.refusals import (
    ConflictingParametersError,
    NoDirectionError,
    TrackNotEmbeddedError,
    UnknownTagError,
)

Weights = Mapping[str, float]


@dataclass(frozen=True)
class Found:
    """A track of an answer.

    Attributes:
        track: What the catalogue knows of it.
        similarity: Weighted mean of the cosines, in [-1, 1].
        dimensions: Cosine by dimension, for those the query points into: the explanation.
        excerpt_seconds: Start and end of its excerpt that is most similar.
    """

    track: Track
    similarity: float
    dimensions: Mapping[str, float]
    excerpt_seconds: tuple[float, float]


@dataclass(frozen=True)
class Page:
    """A part of an answer, most similar first, and the cursor of the next part, if there is one."""

    found: Sequence[Found]
    next_cursor: str | None


@dataclass(frozen=True)
class Searcher:
    """Answers questions from one moment's index."""

    catalogue: Catalogue
    bundle: ModelBundle
    index: LiveIndex

    def like_clip(self, vector: Vectors, content_hash: str, *, weights: Weights | None, page: PageRequest) -> Page:
        """Tracks like an uploaded clip.

        Args:
            vector: `(width,)`: the clip's, with unit slices.
            content_hash: Of the clip: another clip's cursor is refused.
            weights: Weight by dimension; None: all count alike.
            page: Which part of the answer.

        Raises:
            NoDirectionError: If the clip's slices are zero in every dimension with weight.
            InvalidCursorError: If the cursor is damaged or of another question.
        """
        return self._answer(self._by_example(vector, weights), {"clip": content_hash}, page)

    def like_track(
        self, track_id: str, *, weights: Weights | None, page: PageRequest, exclude_same_artist: bool = False
    ) -> Page:
        """Other tracks like one of the catalogue; never that track itself.

        Args:
            track_id: The track.
            weights: Weight by dimension; None: all count alike.
            page: Which part of the answer.
            exclude_same_artist: Leave out what the same artist made, if the artist is known.

        Raises:
            TrackNotFoundError: If there is no such track.
            TrackNotEmbeddedError: If the bundle's ingest has not come to it yet.
            NoDirectionError: If its slices are zero in every dimension with weight.
            InvalidCursorError: If the cursor is damaged or of another question.
        """
        track = self.catalogue.track(track_id)
        embedding = self.catalogue.embedding(track_id, self.bundle.encoder_id)
        if embedding is None:
            raise TrackNotEmbeddedError(
                f"track {track_id} has not been analysed with the model {self.bundle.name!r}; run `facet ingest` again"
            )
        excluded = {track_id}
        if exclude_same_artist and track.artist is not None:
            excluded.update(self.catalogue.track_ids_by_artist(track.artist))
        question = {"track": track_id, "exclude_same_artist": exclude_same_artist}
        return self._answer(self._by_example(embedding.vector, weights), question, page, excluded=excluded)

    def with_tags(self, names: Collection[str], *, weights: Weights | None, page: PageRequest) -> Page:
        """Tracks that carry these tags, each sought in its own dimension.

        Args:
            names: Of tags, in any case.
            weights: Weight by dimension; None: every dimension that has one of the tags counts alike.
            page: Which part of the answer.

        Raises:
            UnknownTagError: If the bundle has no tag of a name.
            ConflictingParametersError: If a dimension has a weight, but none of the tags.
            InvalidCursorError: If the cursor is damaged or of another question.
        """
        positions = sorted({position for name in names for position in self._tag_positions(name)})
        tags = [self.bundle.tags[position] for position in positions]
        _check_weights_have_tags(weights, tags)
        query = Query.by_tags(self.bundle.subspaces, self.bundle.proxies[positions], weights=weights)
        return self._answer(query, {"tags": [tag.name for tag in tags]}, page)

    def _by_example(self, vector: Vectors, weights: Weights | None) -> Query:
        query = Query.by_example(self.bundle.subspaces, vector[np.newaxis], weights=weights)
        if not query.scaled.any():
            raise NoDirectionError(
                f"the example's embedding is zero in {', '.join(query.weighted)}, so no track is more like it than "
                "another; ask for other dimensions"
            )
        return query

    def _tag_positions(self, name: str) -> list[int]:
        folded = name.casefold()
        positions = [position for position, tag in enumerate(self.bundle.tags) if tag.name.casefold() == folded]
        if not positions:
            raise UnknownTagError(
                f"there is no tag {name!r}; GET /tags lists all {len(self.bundle.tags)}",
                found=name,
                known=[tag.name for tag in self.bundle.tags],
            )
        return positions

    def _answer(
        self, query: Query, question: Mapping[str, Any], page: PageRequest, *, excluded: Collection[str] = ()
    ) -> Page:
        question = {**question, "encoder": self.bundle.encoder_id, "weights": query.weights.tolist()}
        after: Place | None = None
        skip = 0
        if page.cursor is not None:
            progress = read_progress(question, page.cursor)
            # However deep a cursor claims to be, there is nothing to skip beyond all tracks.
            after, skip = progress.place, min(progress.hits, len(self.index))
        # One more than asked for tells whether there is a next page.
        hits = self.index.search(query, limit=page.limit + 1, excluded=excluded, after=after, skip=skip)
        shown = hits[: page.limit]
        next_cursor = None
        if len(hits) > page.limit:
            last = shown[-1]
            place = Place(similarity=last.similarity, track_id=last.track_id)
            next_cursor = write_progress(question, Progress(place=place, hits=skip + len(shown)))
        return Page(found=self._told(query, shown), next_cursor=next_cursor)

    def _told(self, query: Query, hits: Sequence[Hit]) -> list[Found]:
        """What the catalogue knows of the hits, without those deleted since the index last followed."""
        track_ids = [hit.track_id for hit in hits]
        tracks = self.catalogue.tracks(track_ids)
        embeddings = self.catalogue.embeddings(track_ids, self.bundle.encoder_id)
        return [
            Found(
                track=tracks[hit.track_id],
                similarity=hit.similarity,
                dimensions={
                    subspace.name: cosine
                    for subspace, cosine in zip(query.subspaces, hit.dimensions, strict=True)
                    if query.direction[subspace.slice].any()
                },
                excerpt_seconds=self._best_excerpt(query, tracks[hit.track_id], embeddings[hit.track_id]),
            )
            for hit in hits
            if hit.track_id in tracks and hit.track_id in embeddings
        ]

    def _best_excerpt(self, query: Query, track: Track, embedding: TrackEmbedding) -> tuple[float, float]:
        start = float(embedding.excerpt_starts[query.best_excerpt(embedding.excerpt_vectors)])
        return start, min(start + self.bundle.excerpt_seconds, max(track.duration_seconds, start))


def _check_weights_have_tags(weights: Weights | None, tags: Sequence[Tag]) -> None:
    with_tags = {tag.dimension for tag in tags}
    for name, weight in (weights or {}).items():
        if weight > 0 and name not in with_tags:
            raise ConflictingParametersError(
                f"'weights' gives {name!r} a weight, but none of the tags lies in it; "
                f"they lie in {', '.join(sorted(with_tags))}"
            )
