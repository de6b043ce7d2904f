"""The newest map as of this moment: tracks that are gone are left out, new ones stand among their neighbours.

So do those whose file was changed and heard anew: what they were drawn by is not so any more.

Nothing that is drawn moves when a track comes; `facet map` draws all anew, and the service takes that up by itself.
"""

import hashlib
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from index.live import LiveIndex
from index.live_state import LiveState
from index.model import ModelBundle
from index.projection import Points, placed_among
from index.subspaces import Vectors
from service.map.drawing import MOST_POINTS, tag_leanings
from service.map.drawn_map import DrawnMap, fingerprints_of, list_maps, open_map

# A number that stands for no tag.
NO_TAG = 255
# Colours that are told apart: of every dimension, its most frequent tags.
COLOURED = 8


@dataclass(frozen=True, eq=False)
class MapNow:
    """A map and what it shows now.

    Attributes:
        version: Changes whenever any of it does.
        track_ids: `(n,)`.
        points: `(1 + dimensions, n, 2)`.
        tags: `(dimensions, n)`: a track's tag as its number in the dimension's list of `coloured`, or `NO_TAG`.
        coloured: Names of the tags that have a colour, most frequent first, by dimension.
        newcomers: How many were placed since the map was drawn.
        fingerprints: `(n,)`: of the vectors they were placed by.
    """

    version: str
    track_ids: tuple[str, ...]
    points: Points
    tags: NDArray[np.uint8]
    coloured: dict[str, list[str]]
    newcomers: int
    fingerprints: NDArray[np.uint32]


class MapKeeper:
    """Keeps the newest map in step with the live index; any thread may ask."""

    def __init__(self, folder: Path, bundle: ModelBundle) -> None:
        """Prepare; nothing is read yet.

        Args:
            folder: Of this catalogue's maps in the bundle's space.
            bundle: Whose dimensions and tags are shown.
        """
        self._folder = folder
        self._bundle = bundle
        self._changing = threading.Lock()
        self._file: Path | None = None
        # A published file never changes: one that was refused is not read again.
        self._refused: set[Path] = set()
        self._drawn: DrawnMap | None = None
        self._now: MapNow | None = None
        self._moment: LiveState | None = None

    def now(self, index: LiveIndex) -> MapNow | None:
        """The map as of now, or None if none was drawn.

        Args:
            index: What is searchable now.
        """
        with self._changing:
            self._open_newest()
            if self._drawn is None or self._file is None:
                return None
            # A moment never changes, so the same one shows the same map.
            moment = index.moment
            if self._now is None or self._moment is not moment:
                self._now, self._moment = self._brought_up(self._drawn, moment), moment
            return self._now

    def _open_newest(self) -> None:
        paths = list_maps(self._folder)
        self._refused &= set(paths)
        for path in paths:
            if path == self._file:
                return
            if path in self._refused:
                continue
            drawn = open_map(path, dimensions=len(self._bundle.subspaces), tags=len(self._bundle.tags))
            if drawn is not None:
                self._file, self._drawn, self._now = path, drawn, None
                return
            self._refused.add(path)
        self._file = self._drawn = self._now = None

    def _brought_up(self, drawn: DrawnMap, moment: LiveState) -> MapNow:
        present = _present_rows(moment)
        # What was placed before stays where it is, as what was drawn does.
        known: DrawnMap | MapNow = drawn if self._now is None else self._now
        stays = self._is_as_placed(known, moment, present)
        ids = [track_id for track_id, does_stay in zip(known.track_ids, stays, strict=True) if does_stay]
        points = known.points[:, stays]
        placed = set(ids)
        new = [track_id for track_id in present if track_id not in placed][: max(0, MOST_POINTS - len(ids))]
        vectors = moment.rows_vectors(np.array([present[track_id] for track_id in [*ids, *new]], np.int64))
        if new:
            points = np.concatenate([points, self._placed(vectors, points)], axis=1)
        tags, coloured = self._tags(vectors, drawn)
        ids += new
        digest = hashlib.sha256("".join(ids).encode() + points.tobytes() + tags.tobytes())
        return MapNow(
            version=digest.hexdigest()[:32],
            track_ids=tuple(ids),
            points=points,
            tags=tags,
            coloured=coloured,
            newcomers=len(ids) - int(self._is_as_placed(drawn, moment, present).sum()),
            fingerprints=fingerprints_of(vectors),
        )

    def _is_as_placed(
        self, known: "DrawnMap | MapNow", moment: LiveState, present: Mapping[str, int]
    ) -> NDArray[np.bool_]:
        """`(n,)`: True for the tracks that are still there, and sound as they did when they were placed."""
        stays = np.array([track_id in present for track_id in known.track_ids], np.bool_)
        rows = [present[track_id] for track_id in known.track_ids if track_id in present]
        vectors = moment.rows_vectors(np.array(rows, np.int64))
        stays[stays] = fingerprints_of(vectors) == known.fingerprints[stays]
        return stays

    def _placed(self, vectors: Vectors, points: Points) -> Points:
        """Points `(spaces, m, 2)` of the vectors behind those that have points."""
        old, new = vectors[: points.shape[1]], vectors[points.shape[1] :]
        if len(old) == 0:
            return np.zeros((len(points), len(new), 2), np.float32)
        columns = [slice(None), *(subspace.slice for subspace in self._bundle.subspaces)]
        return np.stack(
            [placed_among(new[:, each], known=old[:, each], points=points[i]) for i, each in enumerate(columns)]
        )

    def _tags(self, vectors: Vectors, drawn: DrawnMap) -> tuple[NDArray[np.uint8], dict[str, list[str]]]:
        """The tag that each track leans to most beyond what others do, dimension by dimension."""
        bundle = self._bundle
        # Not over how far tracks differ in it: a tag that none of them has differs little, and would have as many.
        beyond = tag_leanings(vectors, bundle) - drawn.tag_means
        tags = np.full((len(bundle.subspaces), len(vectors)), NO_TAG, np.uint8)
        coloured: dict[str, list[str]] = {}
        for row, subspace in enumerate(bundle.subspaces):
            own = [number for number, tag in enumerate(bundle.tags) if tag.dimension == subspace.name]
            coloured[subspace.name] = []
            if not own or len(vectors) == 0:
                continue
            best = beyond[:, own].argmax(axis=1)
            counts = np.bincount(best, minlength=len(own))
            shown = [number for number in np.argsort(-counts, kind="stable")[:COLOURED] if counts[number]]
            coloured[subspace.name] = [bundle.tags[own[number]].name for number in shown]
            numbers = np.full(len(own), NO_TAG, np.uint8)
            numbers[shown] = np.arange(len(shown), dtype=np.uint8)
            tags[row] = numbers[best]
        return tags, coloured


def _present_rows(moment: LiveState) -> dict[str, int]:
    """Row of every track that is there."""
    rows = {track_id: len(moment.kept) + row for row, track_id in enumerate(moment.added_ids)}
    if moment.snapshot is None:
        return rows
    stored = moment.snapshot.track_ids
    return {stored[row].decode(): int(row) for row in np.flatnonzero(moment.kept)} | rows
