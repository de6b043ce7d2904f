"""Fitted heads as an encoder: what hears, what was fitted, and the words, in one graph. `bundle` writes it."""

from typing import cast

import torch
from torch import Tensor, nn

from index.subspaces import Subspaces
from training.backbones.hearing import Hearing
from training.heads.network import FactorHeads
from training.heads.tag_logits import TagLogits


class HalfLinear(nn.Module):
    """A linear layer whose weights are kept in 16 bits and computed with in 32: half the bundle, the same speed."""

    weight: Tensor
    bias: Tensor

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        self.register_buffer("weight", layer.weight.detach().T.contiguous().half())
        self.register_buffer("bias", layer.bias.detach().clone())

    def forward(self, features: Tensor) -> Tensor:
        """Turn `(batch, inputs)` into `(batch, outputs)`."""
        return features @ self.weight.float() + self.bias


def as_served(network: FactorHeads, subspaces: Subspaces, features: Tensor) -> FactorHeads:
    """Fitted heads as a bundle has them: 16-bit weights, slices of length one on the mean.

    The length of a slice means nothing to those who search, but a graph is held against torch in plain numbers.

    Args:
        network: Is changed, and must be in evaluation mode.
        subspaces: Of its embedding.
        features: Of some music, `(excerpts, width)`.
    """
    with torch.no_grad():
        embedding = network(features)
        for last, subspace in zip(network.last, subspaces, strict=True):
            length = torch.linalg.vector_norm(embedding[:, subspace.slice], dim=1).mean()
            for parameter in last.parameters():
                parameter.div_(length)
    network.first = nn.ModuleList(HalfLinear(cast(nn.Linear, first)) for first in network.first)
    return network


class HeadsEncoder(nn.Module):
    """From waveforms to the embedding and the words' logits."""

    def __init__(self, hearing: Hearing, network: FactorHeads, tags: TagLogits) -> None:
        super().__init__()
        self.hearing = hearing
        self.network = network
        self.tags = tags

    def forward(self, waveform: Tensor) -> tuple[Tensor, Tensor]:
        """Turn `(batch, samples)` into `(batch, width)` and `(batch, tags)`."""
        features = self.hearing(waveform)
        embedding = self.network(features)
        return embedding, self.tags(features, embedding)


class HearingEncoder(nn.Module):
    """The features themselves as an encoder, so that the evaluation's store of embeddings can hold them."""

    def __init__(self, hearing: Hearing) -> None:
        super().__init__()
        self.hearing = hearing

    def forward(self, waveform: Tensor) -> tuple[Tensor, Tensor]:
        """Turn `(batch, samples)` into `(batch, features)` and one number that nobody asks for."""
        features = self.hearing(waveform)
        return features, features[:, :1]
