"""A trained network becomes the encoder of a bundle: waveform in, embedding and tag logits out. `export` writes it.

Every bundle made here keeps one rule: a tag's logit is its proxy times the encoder's embedding, plus its bias. With
`Normalisation.NONE` the embedding is raw and the reader gives it its length; else it leaves the encoder with it.
"""

from typing import Any

import numpy as np
from torch import Tensor, nn
from torch.nn import functional

from index.subspaces import Subspaces, Vectors
from training.embedding import Normalisation, normalised, served_subspaces
from training.vocabulary import Vocabulary


class UntaggedTagError(ValueError):
    """A tag has no prototype, because no track has it."""


class TrainedEncoder(nn.Module):
    """Front end, network and proxies: all that a bundle's graph holds."""

    proxies: Tensor
    biases: Tensor

    def __init__(
        self,
        front_end: nn.Module,
        network: nn.Module,
        *,
        normalisation: Normalisation,
        subspaces: Subspaces,
        proxies: Tensor,
        biases: Tensor,
    ) -> None:
        """Put the parts together.

        Args:
            front_end: `(batch, samples)` to `(batch, frames, mels)`.
            network: `(batch, frames, mels)` to the raw embedding `(batch, width)`.
            normalisation: Of the loss that the network was trained with.
            subspaces: Of the embedding.
            proxies: `(tags, width)`, from `TagProxies.vectors` or `tag_prototypes`.
            biases: `(tags,)`.
        """
        super().__init__()
        self.front_end = front_end
        self.network = network
        self.normalisation = normalisation
        self.subspaces = subspaces
        self.register_buffer("proxies", proxies.detach().clone())
        self.register_buffer("biases", biases.detach().clone())

    def forward(self, waveform: Tensor) -> tuple[Tensor, Tensor]:
        """Turn `(batch, samples)` into `(batch, width)` and `(batch, tags)`."""
        raw = self.network(self.front_end(waveform))
        embedding = normalised(raw, self.normalisation, self.subspaces)
        return embedding, functional.linear(embedding, self.proxies, self.biases)


def tag_prototypes(
    vectors: Vectors, labels: Any, *, vocabulary: Vocabulary, subspaces: Subspaces, normalisation: Normalisation
) -> Vectors:
    """What stands for a tag where no proxy was learnt: the mean of the tracks that have it, of length one.

    A triplet or contrastive model has embeddings and nothing else. Its tags' prototypes take the place of proxies: in
    the tag's own slice with `Normalisation.SLICES`, over the full width else.

    Args:
        vectors: `(tracks, width)`, each with the unit slices of `served_subspaces(subspaces, normalisation)`; the
            tracks of the training set.
        labels: Sparse `(tracks, tags)`; what is not zero is a tag.
        vocabulary: The tags, in the order of the columns.
        subspaces: Of the embedding.
        normalisation: Of the loss that the network was trained with.

    Returns:
        `(tags, width)` float32. A tag whose tracks have no direction in its slice has zeros there.

    Raises:
        UntaggedTagError: If a tag has no track; it is named.
        ValueError: If shapes disagree.

    Source: Lee et al., ISMIR 2020, section 4, tagging with triplet models.
    """
    expected = (len(vectors), len(vocabulary.tags))
    if labels.shape != expected or vectors.shape[1:] != (subspaces.width,):
        raise ValueError(
            f"labels have shape {labels.shape} and vectors {vectors.shape}, expected {expected} and "
            f"({len(vectors)}, {subspaces.width})"
        )
    has_tag = (labels != 0).astype(np.float64)
    counts = np.asarray(has_tag.sum(axis=0)).reshape(-1)
    if not counts.all():
        missing = vocabulary.tag_names[int(counts.argmin())]
        raise UntaggedTagError(f"no track has the tag {missing!r}; leave it out of the vocabulary, or add tracks")
    means = (has_tag.T @ vectors.astype(np.float64)) / counts[:, None]
    prototypes = np.zeros(means.shape, dtype=np.float32)
    served = served_subspaces(subspaces, normalisation)
    for subspace in served:
        rows = list(vocabulary.positions(subspace.name)) if served is subspaces else slice(None)
        prototypes[rows, subspace.slice] = means[rows, subspace.slice]
    return served.unit(prototypes)
