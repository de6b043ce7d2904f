"""All excerpts of a data set, numbered track by track. Both samplers draw such numbers and locate them at the end.

A manifest has a row for each track, or for each clip of one: MagnaTagATune, say, has several clips of most tracks, with
tags of their own. So a row is a clip here. Clips of one track stand side by side, in the order of the manifest.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.sampling.batch import Positions, SamplingError

# In an error message; of the rest, only the number is told.
NAMED_IN_ERRORS = 10


class Clips:
    """Clips grouped by track, and their excerpts numbered from 0 to the last of all.

    Attributes:
        position: `(clips,)`: each clip's row in the manifest.
        track: `(clips,)`: the number of each clip's track; it never falls.
        n_in_track: `(tracks,)`: clips of each track.
        first_in_track: `(tracks,)`: the first clip of each track.
    """

    def __init__(
        self, n_excerpts: NDArray[np.integer[Any]], *, tracks: NDArray[Any] | Sequence[str] | None, least: int
    ) -> None:
        """Group the rows of a manifest.

        Args:
            n_excerpts: `(rows,)`: excerpts in each row's audio, at least 1.
            tracks: The track of each row, by name or number; None stands for a track of its own for each.
            least: Excerpts that a track must have.

        Raises:
            SamplingError: If there is no row, a row has no excerpt or a track too few, or lengths disagree.
        """
        n_rows = len(n_excerpts)
        if n_rows == 0:
            raise SamplingError("the data set is empty; there is nothing to draw from")
        _, track_of_row = np.unique(np.arange(n_rows) if tracks is None else np.asarray(tracks), return_inverse=True)
        if track_of_row.shape != (n_rows,):
            raise SamplingError(f"{n_rows} rows have excerpts, {len(track_of_row)} have a track")
        refuse_positions(np.flatnonzero(n_excerpts < 1), "have no excerpt; leave them out")
        self.position: Positions = np.argsort(track_of_row, kind="stable").astype(np.int64)
        self.track: Positions = track_of_row[self.position].astype(np.int64)
        self.n_in_track: Positions = np.bincount(self.track)
        self.first_in_track: Positions = np.cumsum(self.n_in_track) - self.n_in_track
        self._n_excerpts: Positions = np.asarray(n_excerpts)[self.position].astype(np.int64)
        self._first_excerpt: Positions = np.cumsum(self._n_excerpts) - self._n_excerpts
        self._n_in_whole_track: Positions = np.add.reduceat(self._n_excerpts, self.first_in_track)
        self._first_in_whole_track = self._first_excerpt[self.first_in_track]
        refuse_positions(
            np.sort(self.position[self._n_in_whole_track[self.track] < least]),
            f"belong to tracks with fewer than {least} excerpts, and a track triplet takes two of one track; "
            "leave them out",
        )

    @property
    def n_tracks(self) -> int:
        """Number of tracks."""
        return len(self.n_in_track)

    def excerpt_of_clip(self, clips: Positions, rng: np.random.Generator) -> Positions:
        """A uniform excerpt of each clip."""
        return self._first_excerpt[clips] + rng.integers(0, self._n_excerpts[clips])

    def excerpt_of_track(self, tracks: Positions, rng: np.random.Generator) -> Positions:
        """A uniform excerpt of each track, from any of its clips."""
        return self._first_in_whole_track[tracks] + rng.integers(0, self._n_in_whole_track[tracks])

    def another_of_same_track(self, excerpts: Positions, rng: np.random.Generator) -> Positions:
        """A uniform excerpt of the same track, but not the same."""
        tracks = self.track[self._clip(excerpts)]
        first = self._first_in_whole_track[tracks]
        return first + another(excerpts - first, 1, self._n_in_whole_track[tracks], rng)

    def clip_of_another_track(self, clips: Positions, rng: np.random.Generator) -> Positions:
        """A uniform clip of any other track; there must be one."""
        tracks = self.track[clips]
        return another(self.first_in_track[tracks], self.n_in_track[tracks], len(self.position), rng)

    def locate(self, excerpts: Positions) -> tuple[Positions, Positions]:
        """Rows of the manifest, and which excerpt of the row's audio, for excerpts of any shape."""
        clips = self._clip(excerpts)
        return self.position[clips], excerpts - self._first_excerpt[clips]

    def _clip(self, excerpts: Positions) -> Positions:
        return np.asarray(np.searchsorted(self._first_excerpt, excerpts, side="right") - 1)


def another(
    first_excluded: Positions, n_excluded: Positions | int, count: Positions | int, rng: np.random.Generator
) -> Positions:
    """A uniform number below `count` outside the block `first_excluded .. + n_excluded`: no draw is thrown away."""
    drawn = rng.integers(0, np.broadcast_to(count - n_excluded, first_excluded.shape))
    return np.asarray(drawn + np.where(drawn >= first_excluded, n_excluded, 0))


def refuse_positions(positions: Positions, complaint: str) -> None:
    """Raise with the first few of some rows of a manifest, if there are any.

    Raises:
        SamplingError: If so.
    """
    if len(positions):
        raise SamplingError(f"{len(positions)} rows ({listed([str(p) for p in positions])}) {complaint}")


def listed(names: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    rest = len(names) - NAMED_IN_ERRORS
    return ", ".join(names[:NAMED_IN_ERRORS]) + (f" and {rest} more" if rest > 0 else "")
