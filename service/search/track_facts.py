"""What tracks can be filtered by, in memory: columns beside the index's rows. `facts_keeper` keeps them in step.

`filtering` compares whole columns at a time: a
database would have to hand over the id of every track that passes, which takes far longer.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from index.subspaces import Vectors
from service.catalogue.facts import FactsBatch
from service.catalogue.labels import folded_label
from service.catalogue.writing import folded_name

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
        label_sets: `(n,)`: the same number for the same set of labels, `UNKNOWN` for none.
        tag_probabilities: `(n, tags)`, if they were ever asked for.
        names: Number by folded name, of artists and albums alike.
        sets: Number by set of folded labels.
    """

    revision: int
    first_ids: NDArray[np.bytes_]
    later: Mapping[bytes, int]
    artists: Codes
    albums: Codes
    years: NDArray[np.float64]
    durations: NDArray[np.float64]
    label_sets: Codes
    tag_probabilities: Vectors | None
    names: dict[str, int] = field(repr=False)
    sets: dict[frozenset[str], int] = field(repr=False)

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

    def sets_with(self, label: str) -> Codes:
        """Numbers of the sets of labels that hold this one, in whatever case it is written."""
        folded = folded_label(label)
        # A copy of the items: another thread may be adding some.
        return np.array([number for held, number in list(self.sets.items()) if folded in held], np.int32)

    def following(self, revision: int, batches: Sequence[FactsBatch]) -> "TrackFacts":
        """The facts with what was read since. A track may come again; its last entry counts."""
        if not batches:
            return replace(self, revision=revision)
        ids = np.array([i for batch in batches for i in batch.track_ids], np.bytes_)
        artists, albums, years, durations, label_sets = self._columns(batches)
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
            label_sets=_with(self.label_sets, total, rows, label_sets),
            tag_probabilities=tags,
            names=self.names,
            sets=self.sets,
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
            label_sets=np.empty(0, np.int32),
            tag_probabilities=None,
            names={},
            sets={},
        )
        if not batches:
            return empty
        ids = np.array([i for batch in batches for i in batch.track_ids], np.bytes_)
        order = np.argsort(ids, kind="stable")
        artists, albums, years, durations, label_sets = empty._columns(batches)
        tags = _probabilities(batches)[order] if with_tags else None
        return cls(
            revision=revision,
            first_ids=ids[order],
            later={},
            artists=artists[order],
            albums=albums[order],
            years=years[order],
            durations=durations[order],
            label_sets=label_sets[order],
            tag_probabilities=tags,
            names=empty.names,
            sets=empty.sets,
        )

    def _columns(
        self, batches: Sequence[FactsBatch]
    ) -> tuple[Codes, Codes, NDArray[np.float64], NDArray[np.float64], Codes]:
        """Artists, albums, years, durations and sets of labels of what was read; what is new gets a number."""
        return (
            np.array([self._code(name) for batch in batches for name in batch.artists], np.int32),
            np.array([self._code(name) for batch in batches for name in batch.albums], np.int32),
            np.array([np.nan if year is None else year for batch in batches for year in batch.years], np.float64),
            np.array([seconds for batch in batches for seconds in batch.durations], np.float64),
            np.array([self._set_code(labels) for batch in batches for labels in batch.labels], np.int32),
        )

    def _code(self, name: str | None) -> int:
        return UNKNOWN if name is None else self.names.setdefault(name, len(self.names))

    def _set_code(self, labels: frozenset[str]) -> int:
        return self.sets.setdefault(labels, len(self.sets)) if labels else UNKNOWN


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

    @cached_property
    def label_sets(self) -> Codes:
        """`(state.rows,)` numbers of sets of labels."""
        return self._beside(self.facts.label_sets)

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


def _probabilities(batches: Sequence[FactsBatch]) -> Vectors:
    return np.concatenate([each.tag_probabilities for each in batches if each.tag_probabilities is not None])


def _with(column: Column, total: int, rows: Rows, values: Column) -> Column:
    """A column that is `total` long, with some of its rows set."""
    grown = np.empty((total, *column.shape[1:]), column.dtype)
    grown[: len(column)] = column
    grown[rows] = values
    return grown  # type: ignore[return-value]  # numpy's types do not carry that a copy is of the same kind
