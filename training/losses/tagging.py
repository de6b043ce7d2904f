"""Proxy and classification losses: an embedding is scored against a learnt vector for each tag, its proxy.

The paper's proxy models and its classification models with normalisation are one function (a proxy that is not
normalised is a row of a dense layer's weights), and so are the disentangled ones of either name: here they are one.
Embeddings come from `embedding`; proxies and biases go into the bundle as they are.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from index.subspaces import Subspaces
from training.embedding import Normalisation, normalised
from training.losses.objective import (
    Loss,
    Targets,
    check_not_negative,
    check_same_dimensions,
    dimensions_of_tags,
    tagged_dimensions,
)
from training.losses.triplet import MARGIN, with_track_triplets
from training.vocabulary import Vocabulary


class TagProxies(nn.Module):
    """A vector for each tag, and what an embedding scores against it.

    The logit of tag z, where f is the raw embedding (and b_z stays zero without `bias`):

    - `none`: f . c_z + b_z. Classification without normalisation.
    - `whole`: f / ||f|| . p_z + b_z. Proxy; classification with normalisation.
    - `slices`: (f o m_s) / ||f o m_s|| . (p_z o m_s) + b_z, with s the dimension of z. Disentangled proxy; disentangled
      classification.

    Attributes:
        vectors: `(tags, width)`; with `slices`, zero outside the tag's slice from the first step to the last.
        biases: `(tags,)`.
    """

    masks: Tensor

    def __init__(
        self,
        vocabulary: Vocabulary,
        subspaces: Subspaces,
        *,
        normalisation: Normalisation = Normalisation.SLICES,
        bias: bool = False,
        generator: torch.Generator,
    ) -> None:
        """Draw the first proxies: Glorot-uniform, as those of a dense layer from some columns to the tags they score.

        Args:
            vocabulary: Tags and their dimensions.
            subspaces: Of the embedding, in the order of the vocabulary's dimensions.
            normalisation: Which of the formulas.
            bias: Whether b_z learns. The paper's proxies have none, and its classification lost nothing without.
            generator: Of the first proxies.

        Raises:
            ValueError: If the sub-spaces are not the vocabulary's dimensions.
        """
        super().__init__()
        check_same_dimensions(vocabulary, subspaces)
        self.vocabulary = vocabulary
        self.subspaces = subspaces
        self.normalisation = normalisation
        shape = len(vocabulary.tags), subspaces.width
        vectors, masks = torch.zeros(shape), torch.zeros(shape)
        for tags, columns in _blocks(vocabulary, subspaces, normalisation):
            block = torch.empty(len(tags), columns.stop - columns.start)
            vectors[tags, columns] = nn.init.xavier_uniform_(block, generator=generator)
            masks[tags, columns] = 1.0
        self.vectors = nn.Parameter(vectors)
        self.biases = nn.Parameter(torch.zeros(len(vocabulary.tags)), requires_grad=bias)
        self.register_buffer("masks", masks, persistent=False)

    def forward(self, embeddings: Tensor) -> Tensor:
        """Turn raw embeddings `(n, width)` into logits `(n, tags)`, float32 or float64, also under autocast."""
        with torch.autocast(embeddings.device.type, enabled=False):
            placed = normalised(embeddings, self.normalisation, self.subspaces)
            proxies = (self.vectors * self.masks).to(placed.dtype)
            return functional.linear(placed, proxies, self.biases.to(placed.dtype))


def _blocks(
    vocabulary: Vocabulary, subspaces: Subspaces, normalisation: Normalisation
) -> Iterator[tuple[list[int], slice]]:
    """Which tags are scored by which columns: those of a dimension by its slice, or all by all."""
    if normalisation is Normalisation.SLICES:
        for subspace in subspaces:
            yield list(vocabulary.positions(subspace.name)), subspace.slice
    else:
        yield list(range(len(vocabulary.tags))), slice(0, subspaces.width)


class TaggingLoss(nn.Module):
    """The paper's five proxy and classification models, and two of ours.

    L = 1/n * sum_i sum_z BCE(sigmoid(logit_iz), y_iz), the logits by `TagProxies`. BCE is computed from the logit, so
    that no probability is rounded to 0 or 1.

    - With `skips_untagged_dimensions`, the inner sum leaves out the tags of dimensions in which track i has no tag at
      all: nobody spoke of its mood, say, so none of the mood tags is known to be wrong.
    - With `track_weight` lambda, L = L_tags + lambda * L_track, where L_track is the triplet loss over excerpts of one
      track and another, by the whole embedding. Mind the scales: L_tags is a sum over tags, 0.69 a tag before the first
      step; L_track is at most 2 + margin, and at most 1 + margin after a ReLU.

    Terms: `tags`, and `track_triplets` if they have a weight.
    """

    dimension_of_tag: Tensor

    def __init__(
        self,
        proxies: TagProxies,
        *,
        skips_untagged_dimensions: bool = False,
        track_weight: float = 0.0,
        margin: float = MARGIN,
    ) -> None:
        """Choose one of the models.

        Args:
            proxies: What scores the tags; its normalisation is the model's.
            skips_untagged_dimensions: See above.
            track_weight: Lambda; 0 leaves the track triplets out.
            margin: Of the track triplets' cosines.

        Raises:
            ValueError: If a number is negative.
        """
        super().__init__()
        check_not_negative(track_weight=track_weight, margin=margin)
        self.proxies = proxies
        self.normalisation = proxies.normalisation
        self.skips_untagged_dimensions = skips_untagged_dimensions
        self.track_weight = track_weight
        self.margin = margin
        self.register_buffer("dimension_of_tag", dimensions_of_tags(proxies.vocabulary), persistent=False)

    @property
    def uses_tag_triplets(self) -> bool:
        """Never: the labels say it all."""
        return False

    @property
    def uses_track_triplets(self) -> bool:
        """If they have a weight."""
        return self.track_weight > 0

    def forward(self, embeddings: Tensor, targets: Targets) -> Loss:
        """Compute the loss of raw embeddings `(n, width)`."""
        logits = self.proxies(embeddings)
        losses = functional.binary_cross_entropy_with_logits(logits, targets.labels.to(logits.dtype), reduction="none")
        if self.skips_untagged_dimensions:
            n_dimensions = len(self.proxies.vocabulary.dimensions)
            tagged = tagged_dimensions(targets.labels, self.dimension_of_tag, n_dimensions=n_dimensions)
            losses = losses * tagged[:, self.dimension_of_tag]
        tag_loss = losses.sum() / max(1, len(embeddings))
        loss = Loss(tag_loss, {"tags": tag_loss.detach()})
        return with_track_triplets(loss, embeddings, targets, weight=self.track_weight, margin=self.margin)
