"""Supervised contrast: within a batch, excerpts draw together in a sub-space by how many of its tags they share.

Beyond the paper, whose triplets teach one tag of one track at a time. Embeddings come from `embedding`.
"""

import torch
from torch import Tensor, nn

from index.subspaces import Subspaces
from training.embedding import Normalisation, normalised
from training.losses.objective import (
    Loss,
    Targets,
    check_same_dimensions,
    dimensions_of_tags,
    tagged_dimensions,
)
from training.vocabulary import Vocabulary


class SupervisedContrastiveLoss(nn.Module):
    """Multi-label supervised contrast, in every sub-space on its own.

    With u_i the slice of excerpt i for dimension s, of unit length, and Y_i its track's tags in s:

    - weight of a pair: w_ij = |Y_i n Y_j| / |Y_i u Y_j| (Jaccard) for i != j, 0 where both are empty,
    - probability: q_ij = exp(u_i . u_j / t) / sum_{k != i} exp(u_i . u_k / t), t the temperature,
    - L_s = mean over anchors i of - sum_j (w_ij / sum_k w_ik) log q_ij,
    - L = mean over dimensions of L_s.

    Anchors are the excerpts with a positive, sum_k w_ik > 0. A dimension without anchors has L_s = 0. With
    `skips_untagged_dimensions`, the sum over k leaves out tracks that have no tag in s: nobody said that they differ.

    With one tag a track this is the supervised contrastive loss of Khosla et al., NeurIPS 2020 (its L_out). The number
    of anchors and the contrasts depend on the batch: two processes with half a batch each do not add up to one.

    Terms: `contrast_<dimension>` for each dimension.
    """

    dimension_of_tag: Tensor
    normalisation = Normalisation.SLICES

    def __init__(
        self,
        vocabulary: Vocabulary,
        subspaces: Subspaces,
        *,
        temperature: float = 0.1,
        skips_untagged_dimensions: bool = True,
    ) -> None:
        """Choose how sharply and against whom.

        Args:
            vocabulary: Tags and their dimensions.
            subspaces: Of the embedding, in the order of the vocabulary's dimensions.
            temperature: What cosines are divided by.
            skips_untagged_dimensions: See above.

        Raises:
            ValueError: If the temperature is not positive, or the sub-spaces are not the vocabulary's dimensions.
        """
        super().__init__()
        check_same_dimensions(vocabulary, subspaces)
        if not temperature > 0:
            raise ValueError(f"temperature is {temperature}, expected a positive number")
        self.subspaces = subspaces
        self.temperature = temperature
        self.skips_untagged_dimensions = skips_untagged_dimensions
        self.register_buffer("dimension_of_tag", dimensions_of_tags(vocabulary), persistent=False)

    @property
    def uses_tag_triplets(self) -> bool:
        """Never: pairs are formed within the batch."""
        return False

    @property
    def uses_track_triplets(self) -> bool:
        """Never."""
        return False

    def forward(self, embeddings: Tensor, targets: Targets) -> Loss:
        """Compute the loss of raw embeddings `(n, width)`."""
        placed = normalised(embeddings, self.normalisation, self.subspaces)
        tagged = tagged_dimensions(targets.labels, self.dimension_of_tag, n_dimensions=len(self.subspaces))
        losses = []
        for number, subspace in enumerate(self.subspaces):
            contrasted = tagged[:, number] if self.skips_untagged_dimensions else torch.ones_like(tagged[:, number])
            losses.append(
                _contrast(
                    placed[:, subspace.slice],
                    jaccard(targets.labels[:, self.dimension_of_tag == number], dtype=placed.dtype),
                    contrasted,
                    temperature=self.temperature,
                )
            )
        terms = {f"contrast_{name}": loss.detach() for name, loss in zip(self.subspaces.names, losses, strict=True)}
        return Loss(torch.stack(losses).mean(), terms)


def jaccard(labels: Tensor, *, dtype: torch.dtype) -> Tensor:
    """`(n, n)`: the share of their tags that two tracks have in common; 0 for two without a tag.

    Args:
        labels: `(n, tags)` bool.
        dtype: Of the shares; float32 or float64.
    """
    with torch.autocast(labels.device.type, enabled=False):
        numbers = labels.to(dtype)
        common = numbers @ numbers.T
    sizes = numbers.sum(dim=1)
    either = sizes[:, None] + sizes[None, :] - common
    return common / either.clamp_min(1.0)


def _contrast(unit_slices: Tensor, weights: Tensor, contrasted: Tensor, *, temperature: float) -> Tensor:
    """L_s of one dimension.

    Args:
        unit_slices: `(n, width)`.
        weights: `(n, n)`: w_ij; the diagonal is not looked at.
        contrasted: `(n,)` bool: excerpts that the sum over k runs over, among them all that share a tag with another.
        temperature: What cosines are divided by.
    """
    with torch.autocast(unit_slices.device.type, enabled=False):
        similarity = unit_slices @ unit_slices.T / temperature
    itself = torch.eye(len(weights), dtype=torch.bool, device=weights.device)
    # Not -inf: a row without anyone to be contrasted with would give NaN, in its gradient too, though it is no anchor.
    left_out = itself | ~contrasted[None, :]
    smallest = torch.finfo(similarity.dtype).min
    log_probability = similarity - torch.logsumexp(similarity.masked_fill(left_out, smallest), dim=1, keepdim=True)
    weights = weights.masked_fill(itself, 0.0)
    total = weights.sum(dim=1)
    is_anchor = total > 0
    per_excerpt = -(weights * log_probability).sum(dim=1) / torch.where(is_anchor, total, torch.ones_like(total))
    return per_excerpt.sum() / is_anchor.sum().clamp_min(1)
