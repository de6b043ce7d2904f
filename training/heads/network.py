"""Features of the taggers become the raw embedding: a small network for each dimension. Trained by `fitting`.

A head sees either tagger at every depth: what tells instruments apart may stand anywhere. But what cannot tell of its
dimension is kept from it, such as the groove from that of instruments: with few pieces, it would learn it by heart.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from index.subspaces import Subspaces

# A feature that varies less than this over all music is noise, and must not be blown up.
LEAST_DEVIATION = 1e-3


class Standardised(nn.Module):
    """Features at mean 0 and deviation 1 over the training music, softly bounded.

    Music unlike any that was heard may lie far out in some features; the bound keeps these from drowning the rest.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, mean: NDArray[np.float32], deviation: NDArray[np.float32], *, bound: float) -> None:
        super().__init__()
        self.bound = bound
        self.register_buffer("mean", torch.from_numpy(mean.astype(np.float32)))
        self.register_buffer("scale", torch.from_numpy(1 / np.maximum(deviation, LEAST_DEVIATION).astype(np.float32)))

    def forward(self, features: Tensor) -> Tensor:
        """Turn `(batch, width)` into the same shape, within -bound and bound."""
        return self.bound * torch.tanh((features - self.mean) * self.scale / self.bound)


class FactorHeads(nn.Module):
    """A head of two layers for each sub-space."""

    def __init__(
        self,
        standardised: Standardised,
        subspaces: Subspaces,
        *,
        hidden: int,
        dropout: float,
        unseen: Mapping[str, Sequence[slice]] | None = None,
    ) -> None:
        """Make untrained heads.

        Args:
            standardised: What they see.
            subspaces: What they give.
            hidden: Width of each head's hidden layer.
            dropout: Share of features, and of hidden units, that are left out at a training step.
            unseen: Columns of the features that are kept from a head, by sub-space.
        """
        super().__init__()
        self.standardised = standardised
        self.dropout = dropout
        columns = torch.arange(len(standardised.mean))
        self.seen = []
        for subspace in subspaces:
            kept = torch.ones(len(columns), dtype=torch.bool)
            for part in (unseen or {}).get(subspace.name, ()):
                kept[part] = False
            self.seen.append(_runs(columns[kept].tolist()))
        self.first = nn.ModuleList(
            nn.Linear(sum(part.stop - part.start for part in seen), hidden) for seen in self.seen
        )
        self.last = nn.ModuleList(nn.Linear(hidden, subspace.stop - subspace.start) for subspace in subspaces)

    def forward(self, features: Tensor) -> Tensor:
        """Turn features `(batch, width)` into the raw embedding, the sub-spaces side by side."""
        all_ = functional.dropout(self.standardised(features), self.dropout, self.training)
        slices = []
        for seen, first, last in zip(self.seen, self.first, self.last, strict=True):
            hidden = functional.gelu(first(torch.cat([all_[:, part] for part in seen], dim=1)))
            slices.append(last(functional.dropout(hidden, self.dropout, self.training)))
        return torch.cat(slices, dim=1)


def _runs(columns: Sequence[int]) -> tuple[slice, ...]:
    """Ascending columns as slices of neighbours."""
    runs: list[slice] = []
    for column in columns:
        if runs and runs[-1].stop == column:
            runs[-1] = slice(runs[-1].start, column + 1)
        else:
            runs.append(slice(column, column + 1))
    return tuple(runs)


def moments(features: Mapping[str, NDArray[np.float32]]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and deviation of each feature, each kind of music counting alike however many excerpts it has.

    Args:
        features: `(excerpts, width)` of each kind.
    """
    means = np.stack([each.mean(axis=0, dtype=np.float64) for each in features.values()])
    squares = np.stack([np.square(each, dtype=np.float64).mean(axis=0) for each in features.values()])
    mean = means.mean(axis=0)
    return mean.astype(np.float32), np.sqrt(np.maximum(squares.mean(axis=0) - mean**2, 0)).astype(np.float32)
