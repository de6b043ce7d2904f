"""What a sampler draws. `train` fetches the frames of a batch, `losses` learn from what is known about its excerpts.

All chance comes from a sampler's `np.random.Generator`. Its state can be saved and restored: what is drawn after that
is the same. Of several processes, each draws the same whole batch and works on a part of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Positions = NDArray[np.int64]

# Columns of a batch: anchor, positive, negative.
Roles = tuple[int, int, int]


class SamplingError(ValueError):
    """A data set has too few tracks, tags or excerpts for what is to be drawn from it."""


def _none() -> Positions:
    return np.empty(0, dtype=np.int64)


@dataclass(frozen=True, eq=False, kw_only=True)
class Batch:
    """Excerpts to learn from together. Every row of `positions` is drawn on its own and has the same roles.

    Attributes:
        positions: `(rows, roles)` int64: rows of the manifest.
        excerpts: `(rows, roles)` int64: which excerpt of that row's audio, from 0.
        tags: `(rows,)` int64: the tag that a row's tag triplets are about; empty without any.
        dimensions: `(rows,)` int64: the dimension of that tag; empty without any.
        tag_roles: The tag triplets of every row.
        track_roles: The track triplets of every row.

    Triplets speak of excerpts flattened row by row, as `positions.reshape(-1)` has them.
    """

    positions: Positions
    excerpts: Positions
    tags: Positions = field(default_factory=_none)
    dimensions: Positions = field(default_factory=_none)
    tag_roles: tuple[Roles, ...] = ()
    track_roles: tuple[Roles, ...] = ()

    @property
    def tag_triplets(self) -> Positions:
        """`(m, 3)`: anchor, positive and negative among the flattened excerpts."""
        return self._flat(self.tag_roles)

    @property
    def tag_dimensions(self) -> Positions:
        """`(m,)`: the dimension that each tag triplet is about."""
        return np.repeat(self.dimensions, len(self.tag_roles))

    @property
    def track_triplets(self) -> Positions:
        """`(k, 3)`: anchor, positive and negative among the flattened excerpts."""
        return self._flat(self.track_roles)

    def part(self, number: int, *, of: int) -> "Batch":
        """The rows that process `number` (from 0) of `of` works on. Together the parts are the batch.

        Raises:
            ValueError: If the rows cannot be shared out evenly: the mean of the parts' losses would not be the batch's.
        """
        n_rows = len(self.positions)
        if n_rows % of:
            raise ValueError(f"a batch of {n_rows} rows cannot be shared by {of} processes; take a multiple of {of}")
        rows = slice(number * n_rows // of, (number + 1) * n_rows // of)
        return replace(
            self,
            positions=self.positions[rows],
            excerpts=self.excerpts[rows],
            tags=self.tags[rows],
            dimensions=self.dimensions[rows],
        )

    def _flat(self, roles: tuple[Roles, ...]) -> Positions:
        n_rows, n_roles = self.positions.shape
        within_row = np.array(roles, dtype=np.int64).reshape(-1, 3)
        first_of_row = n_roles * np.arange(n_rows, dtype=np.int64)
        return np.asarray((first_of_row[:, None, None] + within_row).reshape(-1, 3))


class Sampler(Protocol):
    """Draws batches for ever."""

    def draw(self, n_rows: int) -> Batch:
        """The next batch."""

    def state(self) -> dict[str, Any]:
        """All that decides what is drawn next: numbers and text that JSON can hold, if numpy's default generator is."""

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state of a sampler with the same data and settings."""
