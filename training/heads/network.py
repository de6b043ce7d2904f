"""Features of the taggers become the raw embedding: a small network for each dimension. Trained by `fitting`.

Each head sees all features: what tells instruments apart may stand in either tagger, at any depth.
"""

from collections.abc import Mapping

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

    def __init__(self, standardised: Standardised, subspaces: Subspaces, *, hidden: int, dropout: float) -> None:
        """Make untrained heads.

        Args:
            standardised: What they see.
            subspaces: What they give.
            hidden: Width of each head's hidden layer.
            dropout: Share of features, and of hidden units, that are left out at a training step.
        """
        super().__init__()
        width = len(standardised.mean)
        self.standardised = standardised
        self.dropout = dropout
        self.heads = nn.ModuleList(
            nn.Sequential(
                nn.Linear(width, hidden),
                nn.GELU(),
                nn.Dropout(dropout),
                nn.Linear(hidden, subspace.stop - subspace.start),
            )
            for subspace in subspaces
        )

    def forward(self, features: Tensor) -> Tensor:
        """Turn features `(batch, width)` into the raw embedding, the sub-spaces side by side."""
        seen = functional.dropout(self.standardised(features), self.dropout, self.training)
        return torch.cat([head(seen) for head in self.heads], dim=1)


def moments(features: Mapping[str, NDArray[np.float32]]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and deviation of each feature, each kind of music counting alike however many excerpts it has.

    Args:
        features: `(excerpts, width)` of each kind.
    """
    means = np.stack([each.mean(axis=0, dtype=np.float64) for each in features.values()])
    squares = np.stack([np.square(each, dtype=np.float64).mean(axis=0) for each in features.values()])
    mean = means.mean(axis=0)
    return mean.astype(np.float32), np.sqrt(np.maximum(squares.mean(axis=0) - mean**2, 0)).astype(np.float32)
