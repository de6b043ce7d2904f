"""Keeps the facts about tracks, `track_facts`, in step with the index: every question gets those of its own moment.

The catalogue is asked once for all tracks, then for those that changed.
"""

import threading

import numpy as np
from numpy.typing import NDArray

from index.live_state import LiveState
from service.catalogue.errors import CatalogueError
from service.catalogue.facts import FactsBatch
from service.catalogue.repository import Catalogue
from service.operations.logs import get_logger
from service.search.track_facts import UNKNOWN, MomentFacts, Rows, TrackFacts

log = get_logger(__name__)


class FactsKeeper:
    """Reads the facts and keeps them in step; one per process, for any thread."""

    def __init__(self, catalogue: Catalogue, *, encoder_id: str) -> None:
        """Begin with nothing; the first question, or `warm`, reads all."""
        self._catalogue = catalogue
        self._encoder_id = encoder_id
        self._facts: TrackFacts | None = None
        self._reading = threading.Lock()
        self._stopping = threading.Event()
        # Of the last snapshot: its rows keep their places in the facts, which only grow.
        self._beside: tuple[NDArray[np.bytes_], NDArray[np.bytes_], Rows] | None = None

    def warm(self) -> None:
        """Read all there is, so that no question has to wait for it. Never raises."""
        try:
            self._as_of(0, with_tags=False)
        except CatalogueError as error:
            log.warning("facts_not_read", error=str(error))  # the first question will try again

    def stop(self) -> None:
        """Give up what is being read: the service stops."""
        self._stopping.set()

    def beside(self, state: LiveState, *, with_tags: bool = False) -> MomentFacts:
        """The facts of every track of a moment.

        Args:
            state: The moment.
            with_tags: Whether the tags' probabilities are wanted, too; the first time, all is read anew.

        Raises:
            CatalogueUnavailableError: If the database cannot be read.
        """
        found = self._found(self._as_of(state.revision, with_tags=with_tags), state)
        if (found.rows[state.present] == UNKNOWN).any():
            # The database was replaced by another one since the facts were read.
            with self._reading:
                self._facts = None
            found = self._found(self._as_of(state.revision, with_tags=with_tags), state)
        return found

    def _found(self, facts: TrackFacts, state: LiveState) -> MomentFacts:
        added = facts.rows_of(np.array(state.added_ids, np.bytes_).reshape(-1))
        if state.snapshot is None:
            return MomentFacts(facts, added)
        ids, known = state.snapshot.track_ids, self._beside
        if known is None or known[0] is not ids or known[1] is not facts.first_ids:
            known = (ids, facts.first_ids, facts.rows_of(ids))
            self._beside = known
        return MomentFacts(facts, np.concatenate([known[2], added]))

    def _as_of(self, revision: int, *, with_tags: bool) -> TrackFacts:
        """The facts up to a revision at least."""
        facts = self._facts
        if facts is not None and facts.revision >= revision and (facts.tag_probabilities is not None or not with_tags):
            return facts
        with self._reading:
            facts = self._facts
            reached = self._catalogue.revision()
            is_lacking = facts is None or (with_tags and facts.tag_probabilities is None)
            if facts is None or is_lacking or reached < facts.revision:
                with_tags = with_tags or (facts is not None and facts.tag_probabilities is not None)
                facts = TrackFacts.of(reached, self._read(0, with_tags=with_tags), with_tags=with_tags)
                log.info("facts_read", tracks=len(facts.artists), revision=reached)
            elif reached > facts.revision:
                since = self._read(facts.revision, with_tags=facts.tag_probabilities is not None)
                facts = facts.following(reached, since)
            if not self._stopping.is_set():
                self._facts = facts
            return facts

    def _read(self, revision: int, *, with_tags: bool) -> list[FactsBatch]:
        batches = []
        for batch in self._catalogue.facts_since(self._encoder_id, revision, with_tags=with_tags):
            batches.append(batch)
            if self._stopping.is_set():
                break
        return batches
