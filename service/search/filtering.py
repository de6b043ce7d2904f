"""Which tracks an answer may hold, and how many each filter dropped. `searcher` searches among what is left.

Filters are looked at one after the other over all tracks of a moment, so their figures add up, and no page of an answer
depends on how far another one looked.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from index.live_search import below_ceilings
from index.live_state import LiveState
from index.model import ModelBundle
from index.query import Query
from index.vector_index import Mask
from service.catalogue.records import Track
from service.catalogue.repository import Catalogue
from service.search.facts_keeper import FactsKeeper
from service.search.question import LabelFilter, Question, Range
from service.search.terms import Understood, tag_position
from service.search.track_facts import MomentFacts


@dataclass(frozen=True, eq=False)
class Filtered:
    """What may be found.

    Attributes:
        allowed: `(state.rows,)`; None if nothing was left out.
        tracks: How many there were.
        dropped: How many each filter took from those that the ones before it had left, in their order.
    """

    allowed: Mask | None
    tracks: int
    dropped: dict[str, int]


@dataclass(frozen=True)
class Filtering:
    """The filters of a question at one moment."""

    state: LiveState
    bundle: ModelBundle
    catalogue: Catalogue
    keeper: FactsKeeper
    understood: Understood

    @cached_property
    def facts(self) -> MomentFacts:
        """What is known of every row; read only if a filter asks for it."""
        return self.keeper.beside(self.state, with_tags=bool(self._question.filters.tags))

    def filtered(self) -> Filtered:
        """Which rows pass all filters.

        Raises:
            CatalogueUnavailableError: If the database cannot be read.
        """
        allowed: Mask | None = None
        left = self.state.tracks
        dropped: dict[str, int] = {}
        for name, passes in self._masks():
            allowed = (self.state.present if allowed is None else allowed) & passes
            still = int(np.count_nonzero(allowed))
            dropped[name], left = left - still, still
        return Filtered(allowed, self.state.tracks, dropped)

    @property
    def _question(self) -> Question:
        return self.understood.question

    def _masks(self) -> Iterator[tuple[str, Mask]]:
        """Every filter that was asked for, with the rows that pass it; the quickest first."""
        question, filters = self._question, self._question.filters
        if self.understood.examples:
            yield "examples", ~self.state.mask_of(list(self.understood.examples))
        if filters.artists is not None:
            yield "artists", np.isin(self.facts.artists, self.facts.facts.codes(filters.artists))
        if filters.albums is not None:
            yield "albums", np.isin(self.facts.albums, self.facts.facts.codes(filters.albums))
        if filters.labels is not None:
            yield "labels", self._labelled(filters.labels)
        if filters.year is not None:
            yield "year", _within(self.facts.years, filters.year)
        if filters.duration_seconds is not None:
            yield "duration_seconds", _within(self.facts.durations, filters.duration_seconds)
        if filters.tags:
            passes = np.ones(self.state.rows, np.bool_)
            for name, wanted in filters.tags.items():
                passes &= _within(self.facts.probabilities(tag_position(name, self.bundle)), wanted)
            yield "tags", passes
        if filters.path_prefix is not None:
            # From the database each time: a file may move without the index having to see it.
            is_under, track_ids = self.catalogue.divide_by_path(Path(filters.path_prefix))
            mask = self.state.mask_of(track_ids)
            yield "path_prefix", mask if is_under else ~mask
        liked = self.understood.liked
        if question.exclude_same_artist:
            yield "exclude_same_artist", self._not_of("artist", liked)
        if question.exclude_same_album:
            yield "exclude_same_album", self._not_of("album", liked)
        yield from ((f"ceilings.{name}", mask) for name, mask in self._below_ceilings(self.understood.query))

    def _not_of(self, what: str, liked: Sequence[Track]) -> Mask:
        names = {name for track in liked if (name := track.artist if what == "artist" else track.album) is not None}
        if not names:
            return np.ones(self.state.rows, np.bool_)
        column = self.facts.artists if what == "artist" else self.facts.albums
        return ~np.isin(column, self.facts.facts.codes(names))

    def _labelled(self, wanted: LabelFilter) -> Mask:
        """Which rows have the labels that are wanted, and none of the others."""
        facts, column = self.facts.facts, self.facts.label_sets
        passes = np.ones(self.state.rows, np.bool_)
        for label in wanted.all_of:
            passes &= np.isin(column, facts.sets_with(label))
        if wanted.any_of is not None:
            with_any = [facts.sets_with(label) for label in wanted.any_of]
            passes &= np.isin(column, np.concatenate(with_any)) if with_any else False
        for label in wanted.none_of:
            passes &= ~np.isin(column, facts.sets_with(label))
        return passes

    def _below_ceilings(self, query: Query) -> Iterator[tuple[str, Mask]]:
        if query.ceilings:
            yield from below_ceilings(self.state, query).items()


def _within(values: np.ndarray, wanted: Range) -> Mask:
    """Which values lie in a range; NaN lies in none."""
    passes: Mask = ~np.isnan(values)
    if wanted.at_least is not None:
        passes &= values >= wanted.at_least
    if wanted.at_most is not None:
        passes &= values <= wanted.at_most
    return passes
