"""What every loss takes and gives. Batches come from `sampling`, embeddings from `embedding`, `train` does the rest.

All means are over rows, triplets or tracks whose number is fixed by the batch's size, except where a loss says so. The
mean of two halves' losses is then the loss of the whole, and so are the gradients: two processes with half a batch each
train as one does with all of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from index.subspaces import Subspaces
from training.embedding import Normalisation
from training.sampling.batch import Batch
from training.vocabulary import Vocabulary


@dataclass(frozen=True, eq=False, kw_only=True)
class Targets:
    """What is known about the excerpts of a batch.

    Attributes:
        labels: `(n, tags)` bool: the tags of each excerpt's track.
        tag_triplets: `(m, 3)` int64: positions in the batch of anchor, positive and negative.
        tag_dimensions: `(m,)` int64: the dimension of the tag that each tag triplet is about.
        track_triplets: `(k, 3)` int64: anchor and positive are excerpts of one track, the negative is of another.
    """

    labels: Tensor
    tag_triplets: Tensor
    tag_dimensions: Tensor
    track_triplets: Tensor

    @classmethod
    def of(cls, batch: Batch, labels: Any) -> "Targets":
        """Look up what is known about a batch.

        Args:
            batch: From a sampler.
            labels: Sparse `(rows of the manifest, tags)` in compressed rows; what is not zero is a tag.
        """
        return cls(
            labels=torch.from_numpy(labels[batch.positions.reshape(-1)].toarray() != 0),
            tag_triplets=torch.from_numpy(batch.tag_triplets),
            tag_dimensions=torch.from_numpy(batch.tag_dimensions),
            track_triplets=torch.from_numpy(batch.track_triplets),
        )

    def to(self, device: torch.device) -> "Targets":
        """The same on a device."""
        return Targets(
            labels=self.labels.to(device, non_blocking=True),
            tag_triplets=self.tag_triplets.to(device, non_blocking=True),
            tag_dimensions=self.tag_dimensions.to(device, non_blocking=True),
            track_triplets=self.track_triplets.to(device, non_blocking=True),
        )


@dataclass(frozen=True, eq=False)
class Loss:
    """A loss and what it is made of.

    Attributes:
        total: A scalar to go backward from, float32 (float64 of float64 embeddings).
        terms: Scalars by name, before their weights, without gradients.
    """

    total: Tensor
    terms: Mapping[str, Tensor]


class Objective(Protocol):
    """A loss as the training loop sees it; each is a `torch.nn.Module` as well, with proxies as parameters or none."""

    @property
    def normalisation(self) -> Normalisation:
        """Where embeddings are compared: what a bundle of the trained network stores follows from it."""

    @property
    def uses_tag_triplets(self) -> bool:
        """Whether batches must come with tag triplets."""

    @property
    def uses_track_triplets(self) -> bool:
        """Whether batches must come with track triplets."""

    def __call__(self, embeddings: Tensor, targets: Targets) -> Loss:
        """Compute the loss of raw embeddings `(n, width)` of any floating-point type."""


def dimensions_of_tags(vocabulary: Vocabulary) -> Tensor:
    """`(tags,)` int64: the number of each tag's dimension."""
    return torch.tensor([vocabulary.dimensions.index(tag.dimension) for tag in vocabulary.tags])


def tagged_dimensions(labels: Tensor, dimension_of_tag: Tensor, *, n_dimensions: int) -> Tensor:
    """`(n, dimensions)` bool: whether a track has any tag in a dimension.

    Args:
        labels: `(n, tags)` bool.
        dimension_of_tag: From `dimensions_of_tags`.
        n_dimensions: Of the vocabulary.
    """
    counts = torch.zeros(len(labels), n_dimensions, device=labels.device)
    return counts.index_add(1, dimension_of_tag, labels.to(counts.dtype)) > 0


def check_same_dimensions(vocabulary: Vocabulary, subspaces: Subspaces) -> None:
    """Refuse sub-spaces that are not the vocabulary's dimensions in their order: masks would go to other tags.

    Raises:
        ValueError: If they are not.
    """
    if subspaces.names != vocabulary.dimensions:
        raise ValueError(
            f"the embedding's sub-spaces are {', '.join(subspaces.names)}; the vocabulary {vocabulary.name} has "
            f"{', '.join(vocabulary.dimensions)}, and the order counts"
        )


def check_not_negative(**settings: float) -> None:
    """Refuse a weight or margin below zero, by its name.

    Raises:
        ValueError: If one is, or is not a number.
    """
    for name, value in settings.items():
        if not value >= 0:
            raise ValueError(f"{name} is {value}, expected 0 or more")
