"""Features of a backbone become an embedding with a slice for each dimension. Embeddings go to `losses`.

An embedding is raw here: non-negative numbers after a ReLU, of any length. `normalised` brings it to where a loss, and
later the service, compares it. What a bundle stores follows from that one choice:

- `slices`: the disentangled models. A bundle has the vocabulary's dimensions, and every slice has length one.
- `whole` and `none`: all other models. Their columns belong to no dimension: nothing in training told one from another,
  so a slice of them stands for nothing. Their bundle has the single dimension `all` over the full width, and all tags
  belong to it. Then a tag's proxy fills its row and the bundle's rule (zero outside its dimension) holds as it stands.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from itertools import accumulate, pairwise
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from index.subspaces import SHORTEST_DIRECTION, Subspace, Subspaces

# The dimension of a bundle whose embedding has none.
EVERYTHING = "all"

# The paper's: 256 columns for four dimensions.
SLICE_WIDTH = 64

# `relu` is the paper's. It keeps cosines in 0 .. 1, and a slice that it sets to zero has no direction and no gradient;
# `none` has cosines in -1 .. 1 and no such slices.
Activation = Literal["relu", "none"]


class Normalisation(StrEnum):
    """What is brought to length one before embeddings are compared or scored."""

    NONE = "none"
    WHOLE = "whole"
    SLICES = "slices"


def subspaces_of(dimensions: Sequence[str], *, widths: int | Mapping[str, int] = SLICE_WIDTH) -> Subspaces:
    """Lay the sub-spaces of some dimensions side by side.

    Args:
        dimensions: Their names, in the order of the columns; a vocabulary's, usually.
        widths: Columns of each, or of each by name.

    Raises:
        ValueError: If there is no dimension, one comes twice or has no column, or `widths` does not name just these.
    """
    if isinstance(widths, int):
        widths = dict.fromkeys(dimensions, widths)
    if set(widths) != set(dimensions):
        raise ValueError(f"widths are given for {', '.join(widths)}; the dimensions are {', '.join(dimensions)}")
    borders = accumulate((widths[name] for name in dimensions), initial=0)
    return Subspaces(
        tuple(Subspace(name, start, stop) for name, (start, stop) in zip(dimensions, pairwise(borders), strict=True))
    )


def served_subspaces(subspaces: Subspaces, normalisation: Normalisation) -> Subspaces:
    """The sub-spaces of the bundle of a model that was trained with this normalisation; see the module's docstring."""
    if normalisation is Normalisation.SLICES:
        return subspaces
    return Subspaces((Subspace(EVERYTHING, 0, subspaces.width),))


def full_precision(numbers: Tensor) -> Tensor:
    """Half precision becomes float32, where sums of squares neither overflow nor vanish; float64 stays."""
    return numbers if numbers.dtype == torch.float64 else numbers.float()


def unit(vectors: Tensor) -> Tensor:
    """Bring vectors to length one.

    One that is shorter than `SHORTEST_DIRECTION` (all zero after a ReLU, say) has no direction: it becomes zeros, its
    cosine with anything is 0, and no gradient goes through it.

    Args:
        vectors: `(..., width)` of any floating-point type.

    Returns:
        `(..., width)`, float32 or float64.
    """
    vectors = full_precision(vectors)
    squared = vectors.square().sum(dim=-1, keepdim=True)
    has_direction = squared >= SHORTEST_DIRECTION**2
    # The root of a stand-in where there is no direction: a root of zero would have an infinite gradient.
    length = torch.where(has_direction, squared, torch.ones_like(squared)).sqrt()
    return torch.where(has_direction, vectors / length, torch.zeros_like(vectors))


def normalised(embeddings: Tensor, normalisation: Normalisation, subspaces: Subspaces) -> Tensor:
    """Bring embeddings to where they are compared.

    Args:
        embeddings: `(..., width)`, raw.
        normalisation: What gets length one: nothing, the vector, or each slice.
        subspaces: Of the embedding.

    Returns:
        `(..., width)`, float32 or float64.
    """
    match normalisation:
        case Normalisation.NONE:
            return full_precision(embeddings)
        case Normalisation.WHOLE:
            return unit(embeddings)
        case Normalisation.SLICES:
            return torch.cat([unit(embeddings[..., subspace.slice]) for subspace in subspaces], dim=-1)


def dimension_masks(subspaces: Subspaces) -> Tensor:
    """The paper's fixed masks m_s: `(dimensions, width)` float32, one in a dimension's slice and zero elsewhere."""
    masks = torch.zeros(len(subspaces), subspaces.width)
    for row, subspace in enumerate(subspaces):
        masks[row, subspace.slice] = 1.0
    return masks


class SharedEmbedding(nn.Module):
    """One dense layer to the whole embedding; masks cut it into slices. The paper's triplet and proxy models.

    As functions, this and `SubspaceHeads` are the same: stack the weights of the heads to get those of this layer.
    First weights are drawn from the same distribution, too.
    """

    def __init__(
        self, n_features: int, subspaces: Subspaces, *, activation: Activation = "relu", generator: torch.Generator
    ) -> None:
        super().__init__()
        self.dense = _dense(n_features, subspaces.width, generator)
        self.activation = activation

    def forward(self, features: Tensor) -> Tensor:
        """Turn `(batch, n_features)` into `(batch, width)`."""
        return _activated(self.dense(features), self.activation)


class SubspaceHeads(nn.Module):
    """A dense layer to each slice, side by side. The paper's disentangled classification.

    Heads have parameters of their own: one can be trained, frozen or added without the others.
    """

    def __init__(
        self, n_features: int, subspaces: Subspaces, *, activation: Activation = "relu", generator: torch.Generator
    ) -> None:
        super().__init__()
        self.heads = nn.ModuleList(_dense(n_features, subspace.width, generator) for subspace in subspaces)
        self.activation = activation

    def forward(self, features: Tensor) -> Tensor:
        """Turn `(batch, n_features)` into `(batch, width)`."""
        return _activated(torch.cat([head(features) for head in self.heads], dim=-1), self.activation)


class EmbeddingNetwork(nn.Module):
    """A backbone and what makes an embedding of its features: all that is trained but a loss's own proxies.

    Attributes:
        backbone: `(batch, frames, mels)` to `(batch, n_features)`.
        head: `(batch, n_features)` to `(batch, width)`.
    """

    def __init__(self, backbone: nn.Module, head: nn.Module, *, backbone_is_frozen: bool = False) -> None:
        """Join the two.

        Args:
            backbone: From `backbones`.
            head: A `SharedEmbedding` or `SubspaceHeads`.
            backbone_is_frozen: Nothing in the backbone changes then, its batch norms' statistics included.
        """
        super().__init__()
        self.backbone = backbone
        self.head = head
        self.backbone_is_frozen = backbone_is_frozen
        if backbone_is_frozen:
            backbone.requires_grad_(False)
            backbone.eval()

    def train(self, mode: bool = True) -> "EmbeddingNetwork":
        """Change to training or evaluation mode; a frozen backbone stays in evaluation mode."""
        super().train(mode)
        if self.backbone_is_frozen:
            self.backbone.eval()
        return self

    def forward(self, log_mel: Tensor) -> Tensor:
        """Turn `(batch, frames, mels)` into the raw embedding `(batch, width)`."""
        embedding: Tensor = self.head(self.backbone(log_mel))
        return embedding


def _dense(n_features: int, width: int, generator: torch.Generator) -> nn.Linear:
    """He-uniform as in the paper, zero biases."""
    layer = nn.Linear(n_features, width)
    nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu", generator=generator)
    nn.init.zeros_(layer.bias)
    return layer


def _activated(embedding: Tensor, activation: Activation) -> Tensor:
    return functional.relu(embedding) if activation == "relu" else embedding
