"""The use case of searching: a question becomes a query, the index finds, the catalogue tells of what was found.

`endpoints` hands over what was asked and gives back what is returned here. Every call that searches makes a `Question`,
so there is one way from a question to an answer. Everything here is for a worker thread: it computes, and asks the
database.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from index.live import LiveIndex
from index.model import ModelBundle
from index.query import Query
from index.subspaces import Vectors
from service.catalogue.records import Track, TrackEmbedding
from service.catalogue.repository import Catalogue
from service.clips import Heard
from service.http.cursors import Sealed, read_block_progress, read_progress, write_progress
from service.http.paging import PageRequest
from service.search.facts_keeper import FactsKeeper
from service.search.filtering import Filtered, Filtering
from service.search.pages import Arrangement, Cut, Match, by_diversity, by_excerpt, cut_blocks, cut_ranking
from service.search.question import GroupBy, Question
from service.search.terms import Understood, understand
from service.search.walking import DEEPEST, PassedOver, Walk


@dataclass(frozen=True)
class Found:
    """A track of an answer.

    Attributes:
        track: What the catalogue knows of it.
        similarity: Weighted mean of the cosines, in [-1, 1].
        dimensions: Cosine by dimension, for those the query points into: the explanation.
        excerpt_seconds: Start and end of its excerpt that is most similar, or that was found.
    """

    track: Track
    similarity: float
    dimensions: Mapping[str, float]
    excerpt_seconds: tuple[float, float]


@dataclass(frozen=True)
class Page:
    """A part of an answer.

    Attributes:
        found: In the order of the answer.
        next_cursor: Of the next part, if there is one.
        question: As it was understood.
        filtered: How many tracks each filter dropped.
        passed_over: What is not shown between the part before and this one.
        ended_at_depth: How many tracks were looked at, if the answer ends here because no more are; else None.
    """

    found: Sequence[Found]
    next_cursor: str | None
    question: Question
    filtered: Filtered
    passed_over: Sequence[PassedOver]
    ended_at_depth: int | None


@dataclass(frozen=True)
class Searcher:
    """Answers questions from one moment's index, looking at no more than `deepest` tracks for an answer."""

    catalogue: Catalogue
    bundle: ModelBundle
    index: LiveIndex
    facts: FactsKeeper
    deepest: int = DEEPEST

    def answer(self, question: Question, *, page: PageRequest, clips: Mapping[str, Heard] | None = None) -> Page:
        """A part of the answer to a question.

        Args:
            question: What is asked.
            page: Which part.
            clips: Every clip the question names, by handle.

        Raises:
            InvalidCursorError: If the cursor is damaged or of another question.
            TrackNotFoundError: As `understand`, like all others that it raises.
        """
        clips = clips or {}
        understood = understand(question, bundle=self.bundle, catalogue=self.catalogue, clips=clips)
        sealed = Sealed(self._question(understood, clips), self.catalogue.cursor_secret)
        state = self.index.moment
        filtering = Filtering(state, self.bundle, self.catalogue, self.facts, understood)
        filtered = filtering.filtered()
        walk = self._walk(filtering, filtered)
        cut = self._cut(walk, understood.question, sealed, page)
        left = filtered.tracks - sum(filtered.dropped.values())
        return Page(
            found=self.told(understood.query, cut.matches),
            next_cursor=None if cut.progress is None else write_progress(sealed, cut.progress),
            question=understood.question,
            filtered=filtered,
            passed_over=cut.passed_over,
            ended_at_depth=self.deepest if cut.progress is None and left > self.deepest else None,
        )

    def told(self, query: Query, matches: Sequence[Match]) -> list[Found]:
        """What the catalogue knows of matches, without those deleted since the index last followed."""
        track_ids = list(dict.fromkeys(match.hit.track_id for match in matches))
        tracks = self.catalogue.tracks(track_ids)
        embeddings = self.catalogue.embeddings(track_ids, self.bundle.encoder_id)
        return [
            Found(
                track=tracks[match.hit.track_id],
                similarity=match.hit.similarity,
                dimensions={
                    subspace.name: cosine
                    for subspace, cosine in zip(query.subspaces, match.hit.dimensions, strict=True)
                    if query.direction[subspace.slice].any()
                },
                excerpt_seconds=self._excerpt(query, match, tracks[match.hit.track_id], embeddings[match.hit.track_id]),
            )
            for match in matches
            if match.hit.track_id in tracks and match.hit.track_id in embeddings
        ]

    def _question(self, understood: Understood, clips: Mapping[str, Heard]) -> dict[str, Any]:
        """All that decides the order of an answer, the same in whatever words it was asked."""
        question = understood.question.model_dump(mode="json", exclude={"positive", "negative", "weights"})
        examples = [
            {
                **example.model_dump(exclude={"clip", "weight"}),
                "clip": clips[example.clip].content_hash,
                "weight": weight,
            }
            if example.clip is not None
            else {**example.model_dump(exclude={"weight"}), "weight": weight}
            for example, weight in understood.question.examples
        ]
        weights = understood.query.weights.tolist()
        return {**question, "examples": examples, "weights": weights, "encoder": self.bundle.encoder_id}

    def _walk(self, filtering: Filtering, filtered: Filtered) -> Walk:
        question, state = filtering.understood.question, filtering.state
        walk = Walk(
            state,
            filtering.understood.query,
            filtered.allowed,
            duplicates_from=question.duplicates_from,
            deepest=self.deepest,
        )
        if question.most_per_artist is None:
            return walk
        facts = filtering.facts.facts

        def artists_of(track_ids: Sequence[str]) -> Sequence[int]:
            rows = facts.rows_of(np.array(track_ids, np.bytes_).reshape(-1))
            artists: list[int] = facts.artists[rows].tolist()
            return artists

        return replace(walk, most_per_artist=question.most_per_artist, artists_of=artists_of)

    def _cut(self, walk: Walk, question: Question, sealed: Sealed, page: PageRequest) -> Cut:
        arrange = self._arrangement(walk, question)
        if arrange is None:
            progress = None if page.cursor is None else read_progress(sealed, page.cursor)
            return cut_ranking(walk, progress, limit=page.limit)
        block = None if page.cursor is None else read_block_progress(sealed, page.cursor)
        return cut_blocks(walk, arrange, block, limit=page.limit)

    def _arrangement(self, walk: Walk, question: Question) -> Arrangement | None:
        """How an answer is put in order; None for the order of similarity."""
        if question.group_by is GroupBy.EXCERPT:
            return by_excerpt(walk, self._excerpts_of)
        return by_diversity(walk, question.diversity) if question.diversity else None

    def _excerpts_of(self, track_ids: Sequence[str]) -> list[tuple[str, Sequence[float], Vectors]]:
        embeddings = self.catalogue.embeddings(track_ids, self.bundle.encoder_id)
        return [
            (track_id, each.excerpt_starts.tolist(), self.bundle.subspaces.unit(each.excerpt_vectors))
            for track_id, each in embeddings.items()
        ]

    def _excerpt(self, query: Query, match: Match, track: Track, embedding: TrackEmbedding) -> tuple[float, float]:
        start = match.start_seconds
        if start is None:
            start = float(embedding.excerpt_starts[query.best_excerpt(embedding.excerpt_vectors)])
        return start, min(start + self.bundle.excerpt_seconds, max(track.duration_seconds, start))
