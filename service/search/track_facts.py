"""What tracks can be filtered by, in memory: columns beside the index's rows, in step with it.

The catalogue is asked once for all tracks, then for those that changed. `filtering` compares whole columns at a time: a
database would have to hand over the id of every track that passes, which takes far longer.
"""

import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from index.live_state import LiveState
from index.subspaces import Vectors
from service.catalogue.errors import CatalogueError
from service.catalogue.facts import FactsBatch
from service.catalogue.repository import Catalogue
from service.catalogue.writing import folded_name
from service.operations.logs import get_logger

log = get_logger(__name__)

Codes = NDArray[np.int32]
Rows = NDArray[np.int64]
Column = TypeVar("Column", bound=NDArray[Any])

UNKNOWN = -1


@dataclass(frozen=True, eq=False)
class TrackFacts:
    """Columns over all tracks up to a revision, in an order of their own; never changed, only replaced.

    Attributes:
        revision: Of the catalogue, up to which they hold.
        first_ids: `(m,)` bytes, sorted: the tracks of rows 0 to m, which were read together.
        later: The rows after those, by id.
        artists: `(n,)`: the same number for the same artist, `UNKNOWN` for none.
        albums: Likewise.
        years: `(n,)`, NaN for none.
        durations: `(n,)` seconds.
        tag_probabilities: `(n, tags)`, if they were ever asked for.
        names: Number by folded name, of artists and albums alike.
    """

    revision: int
    first_ids: NDArray[np.bytes_]
    later: Mapping[bytes, int]
    artists: Codes
    albums: Codes
    years: NDArray[np.float64]
    durations: NDArray[np.float64]
    tag_probabilities: Vectors | None
    names: dict[str, int] = field(repr=False)

    def rows_of(self, track_ids: NDArray[np.bytes_]) -> Rows:
        """Row of every one of these tracks, `UNKNOWN` where it is not known."""
        rows = np.full(len(track_ids), UNKNOWN, np.int64)
        if len(self.first_ids):
            found = np.searchsorted(self.first_ids, track_ids)
            found[found == len(self.first_ids)] = 0
            is_there = self.first_ids[found] == track_ids
            rows[is_there] = found[is_there]
        if self.later:
            for position in np.flatnonzero(rows == UNKNOWN):
                rows[position] = self.later.get(bytes(track_ids[position]), UNKNOWN)
        return rows

    def codes(self, names: Collection[str]) -> Codes:
        """Numbers of artists or albums that are known, in whatever case they are written."""
        folded = (folded_name(name) for name in names)
        return np.array([self.names[name] for name in folded if name in self.names], np.int32)

    def following(self, revision: int, batches: Sequence[FactsBatch]) -> "TrackFacts":
        """The facts with what was read since. A track may come again; its last entry counts."""
        if not batches:
            return replace(self, revision=revision)
        ids = np.array([i for batch in batches for i in batch.track_ids], np.bytes_)
        artists, albums, years, durations = self._columns(batches)
        rows = self.rows_of(ids)
        later = dict(self.later)
        total = len(self.artists)
        for position in np.flatnonzero(rows == UNKNOWN):
            rows[position] = later.setdefault(bytes(ids[position]), total)
            total = max(total, int(rows[position]) + 1)
        tags = self.tag_probabilities
        if tags is not None:
            tags = _with(tags, total, rows, _probabilities(batches))
        return TrackFacts(
            revision=revision,
            first_ids=self.first_ids,
            later=later,
            artists=_with(self.artists, total, rows, artists),
            albums=_with(self.albums, total, rows, albums),
            years=_with(self.years, total, rows, years),
            durations=_with(self.durations, total, rows, durations),
            tag_probabilities=tags,
            names=self.names,
        )

    @classmethod
    def of(cls, revision: int, batches: Sequence[FactsBatch], *, with_tags: bool) -> "TrackFacts":
        """All that was read at first."""
        empty = cls(
            revision=revision,
            first_ids=np.empty(0, np.bytes_),
            later={},
            artists=np.empty(0, np.int32),
            albums=np.empty(0, np.int32),
            years=np.empty(0),
            durations=np.empty(0),
            tag_probabilities=None,
            names={},
        )
        if not batches:
            return empty
        ids = np.array([i for batch in batches for i in batch.track_ids], np.bytes_)
        order = np.argsort(ids, kind="stable")
        artists, albums, years, durations = empty._columns(batches)
        tags = _probabilities(batches)[order] if with_tags else None
        return cls(
            revision=revision,
            first_ids=ids[order],
            later={},
            artists=artists[order],
            albums=albums[order],
            years=years[order],
            durations=durations[order],
            tag_probabilities=tags,
            names=empty.names,
        )

    def _columns(self, batches: Sequence[FactsBatch]) -> tuple[Codes, Codes, NDArray[np.float64], NDArray[np.float64]]:
        """Artists, albums, years and durations of what was read; names that are new get a number."""
        return (
            np.array([self._code(name) for batch in batches for name in batch.artists], np.int32),
            np.array([self._code(name) for batch in batches for name in batch.albums], np.int32),
            np.array([np.nan if year is None else year for batch in batches for year in batch.years], np.float64),
            np.array([seconds for batch in batches for seconds in batch.durations], np.float64),
        )

    def _code(self, name: str | None) -> int:
        return UNKNOWN if name is None else self.names.setdefault(name, len(self.names))


@dataclass(frozen=True, eq=False)
class MomentFacts:
    """The facts beside the rows of one moment of the index.

    Attributes:
        facts: Of all tracks.
        rows: `(state.rows,)`: the row in `facts` of every row of the moment, `UNKNOWN` for some that are gone.
    """

    facts: TrackFacts
    rows: Rows

    @cached_property
    def artists(self) -> Codes:
        """`(state.rows,)` numbers of artists."""
        return self._beside(self.facts.artists)

    @cached_property
    def albums(self) -> Codes:
        """`(state.rows,)` numbers of albums."""
        return self._beside(self.facts.albums)

    @cached_property
    def years(self) -> NDArray[np.float64]:
        """`(state.rows,)`, NaN for none."""
        return self._beside(self.facts.years)

    @cached_property
    def durations(self) -> NDArray[np.float64]:
        """`(state.rows,)` seconds."""
        return self._beside(self.facts.durations)

    def probabilities(self, tag: int) -> Vectors:
        """`(state.rows,)`: how surely a tag is heard; they must have been asked for."""
        if self.facts.tag_probabilities is None:
            raise ValueError("the tags' probabilities were not asked for")
        return self._beside(self.facts.tag_probabilities[:, tag])

    def _beside(self, column: Column) -> Column:
        if not len(column):
            # Every track is gone, though the index has rows for some: nothing looks at what stands there.
            return np.zeros(len(self.rows), column.dtype)  # type: ignore[return-value]  # as in `_with`
        return column[self.rows]  # type: ignore[return-value]  # likewise


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


def _probabilities(batches: Sequence[FactsBatch]) -> Vectors:
    return np.concatenate([each.tag_probabilities for each in batches if each.tag_probabilities is not None])


def _with(column: Column, total: int, rows: Rows, values: Column) -> Column:
    """A column that is `total` long, with some of its rows set."""
    grown = np.empty((total, *column.shape[1:]), column.dtype)
    grown[: len(column)] = column
    grown[rows] = values
    return grown  # type: ignore[return-value]  # numpy's types do not carry that a copy is of the same kind
