"""Passes over all tracks, with triplets by track if wanted: for losses that take every excerpt's labels."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.sampling.batch import Batch, Positions, SamplingError
from training.sampling.clips import Clips


class TrackSampler:
    """One pass after another over all tracks, each in an order of its own and every track once.

    Of each track a uniform excerpt is drawn, from any of its clips. With track triplets, a row is two tracks with two
    different excerpts each, a, a', b and b', and each track is the other's negative: (a, a', b) and (b, b', a). All
    four have labels to learn from. Of an odd number of tracks, one is then left out of each pass, by chance.
    """

    def __init__(
        self,
        *,
        n_excerpts: NDArray[np.integer[Any]],
        rng: np.random.Generator,
        tracks: NDArray[Any] | Sequence[str] | None = None,
        with_track_triplets: bool = False,
    ) -> None:
        """Begin the first pass.

        Args:
            n_excerpts: `(rows,)`: excerpts in the audio of each row of the manifest, at least 1.
            rng: Of all draws from now on.
            tracks: The track of each row, where rows are clips of tracks; None if each is a track of its own.
            with_track_triplets: Whether rows of a batch are pairs of tracks; every track needs two excerpts then.

        Raises:
            SamplingError: If there is no track (with track triplets: no second one), a row or track has too few
                excerpts, or lengths disagree.
        """
        self._tracks_per_row = 2 if with_track_triplets else 1
        self._clips = Clips(n_excerpts, tracks=tracks, least=self._tracks_per_row)
        if self._clips.n_tracks < self._tracks_per_row:
            raise SamplingError("the data set has one track; a track triplet needs another for its negative")
        self._rng = rng
        self._begin_pass()

    @property
    def rows_per_pass(self) -> int:
        """Rows until every track has been seen once."""
        return len(self._order)

    def draw(self, n_rows: int) -> Batch:
        """The next `n_rows` rows: of 1 excerpt, or of 4 with track triplets. A batch may reach into later passes."""
        pieces: list[Positions] = []
        missing = n_rows
        while missing > 0:
            if self._next == self.rows_per_pass:
                self._begin_pass()
            pieces.append(self._order[self._next : self._next + missing])
            self._next += len(pieces[-1])
            missing -= len(pieces[-1])
        tracks = np.concatenate([self._order[:0], *pieces])
        drawn = self._clips.excerpt_of_track(tracks, self._rng)
        if self._tracks_per_row == 1:
            positions, excerpts = self._clips.locate(drawn)
            return Batch(positions=positions, excerpts=excerpts)
        others = self._clips.another_of_same_track(drawn, self._rng)
        positions, excerpts = self._clips.locate(np.stack([drawn, others], axis=2).reshape(n_rows, 4))
        return Batch(positions=positions, excerpts=excerpts, track_roles=((0, 1, 2), (2, 3, 0)))

    def state(self) -> dict[str, Any]:
        """The generator's, the one that the order of this pass was drawn from, and the rows of it that are drawn."""
        return {"rng": self._rng.bit_generator.state, "rng_of_pass": self._rng_of_pass, "rows_drawn": self._next}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state."""
        self._rng.bit_generator.state = state["rng_of_pass"]
        self._begin_pass()
        self._next = state["rows_drawn"]
        self._rng.bit_generator.state = state["rng"]

    def _begin_pass(self) -> None:
        self._rng_of_pass = self._rng.bit_generator.state
        order = self._rng.permutation(self._clips.n_tracks).astype(np.int64)
        n_whole_rows = len(order) // self._tracks_per_row
        self._order: Positions = order[: n_whole_rows * self._tracks_per_row].reshape(-1, self._tracks_per_row)
        self._next = 0
