"""What heads are fitted by: three losses, the first of two terms. Embeddings come from `network`; `fitting` adds up.

- `ValueLoss`: on music with true labels, an excerpt's slice points at its value's centre (a softmax over cosines), and
  excerpts of one value draw together whatever else they are (`losses.contrastive`). The second is what holds on hard
  triplets.
- `TrackLoss`: on real music, excerpts of one track draw together in the complete space.
- `TeacherLoss`: on real music, a slice tells what the taggers say of its dimension's tags, so that it keeps what they
  learnt of a million songs and made-up music cannot teach, and tags can be searched for along a proxy.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from index.subspaces import Subspaces
from training.embedding import Normalisation, normalised
from training.heads.excerpts import UNKNOWN
from training.losses.contrastive import SupervisedContrastiveLoss
from training.losses.objective import Targets
from training.vocabulary import Vocabulary


class ValueLoss(nn.Module):
    """Centres and contrast of labelled excerpts, in every sub-space on its own.

    With u the unit slice and c_v the unit centre of value v: cross-entropy of softmax(scale * u . c), smoothed, plus
    `contrast_weight` times the supervised contrast. Mean over dimensions; one with no known value has loss 0. The
    centres are the values' proxies.

    Sources: Wang et al., NormFace, 2017 (the scaled cosine); Khosla et al., NeurIPS 2020 (the contrast).
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        subspaces: Subspaces,
        *,
        scale: float,
        smoothing: float,
        contrast_weight: float,
        temperature: float,
    ) -> None:
        super().__init__()
        self.vocabulary = vocabulary
        self.subspaces = subspaces
        self.scale = scale
        self.smoothing = smoothing
        self.contrast_weight = contrast_weight
        self.contrast = SupervisedContrastiveLoss(vocabulary, subspaces, temperature=temperature)
        width = subspaces.width // len(subspaces)
        self.centres = nn.Parameter(torch.randn(len(vocabulary.tags), width) / width**0.5)

    def unit_centres(self, dimension: str) -> Tensor:
        """Of a dimension's values, in the vocabulary's order: `(values, slice width)`."""
        return functional.normalize(self.centres[list(self.vocabulary.positions(dimension))], dim=1)

    def forward(self, embeddings: Tensor, values: Mapping[str, Tensor]) -> Tensor:
        """Compute the loss.

        Args:
            embeddings: `(n, width)`, raw.
            values: By dimension `(n,)`, `UNKNOWN` where nobody said.
        """
        placed = normalised(embeddings, Normalisation.SLICES, self.subspaces)
        labels = torch.zeros(len(embeddings), len(self.vocabulary.tags), dtype=torch.bool)
        losses = []
        for subspace in self.subspaces:
            positions = torch.tensor(self.vocabulary.positions(subspace.name))
            known = values[subspace.name] != UNKNOWN
            labels[torch.nonzero(known)[:, 0], positions[values[subspace.name][known]]] = True
            if not known.any():  # The mean over no excerpt is not a number.
                losses.append(placed.new_zeros(()))
                continue
            logits = self.scale * placed[:, subspace.slice] @ self.unit_centres(subspace.name).T
            losses.append(
                functional.cross_entropy(
                    logits, values[subspace.name], ignore_index=UNKNOWN, label_smoothing=self.smoothing
                )
            )
        loss = torch.stack(losses).mean()
        if self.contrast_weight:
            none = torch.zeros((0, 3), dtype=torch.int64)
            targets = Targets(labels=labels, tag_triplets=none, tag_dimensions=none[:, 0], track_triplets=none)
            loss = loss + self.contrast_weight * self.contrast(embeddings, targets).total
        return loss


class TrackLoss(nn.Module):
    """Each excerpt of a pair must find the other among those of all pairs, by its cosine in the complete space.

    Cross-entropy of softmax(cosine / temperature), both ways: the track notion with all other tracks of the batch as
    negatives at once.

    Source: van den Oord et al., Representation learning with contrastive predictive coding, 2018.
    """

    def __init__(self, subspaces: Subspaces, *, temperature: float) -> None:
        super().__init__()
        self.subspaces = subspaces
        self.temperature = temperature

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Compute the loss of raw embeddings `(n, width)` each; row i of both is of one track, rows are of n tracks."""
        placed = [normalised(each, Normalisation.SLICES, self.subspaces) for each in (first, second)]
        # Each slice has length one, so the product is the sum of as many cosines.
        similarity = placed[0] @ placed[1].T / len(self.subspaces) / self.temperature
        itself = torch.arange(len(first))
        return (functional.cross_entropy(similarity, itself) + functional.cross_entropy(similarity.T, itself)) / 2


class TeacherLoss(nn.Module):
    """What a teacher says of each tag, as a linear function of the tag's dimension.

    With u the unit slice: the square of u . p + b less the teacher's logit, which is standardised for each tag, so that
    rare tags count as much as frequent ones; mean over the tags of a dimension, then over dimensions. The proxies p are
    not normalised. A slice that knows nothing has a loss of about 1.

    Source: Hinton et al., Distilling the knowledge in a neural network, 2015 (section 2.1: matching logits).
    """

    def __init__(self, vocabulary: Vocabulary, subspaces: Subspaces) -> None:
        super().__init__()
        self.vocabulary = vocabulary
        self.subspaces = subspaces
        width = subspaces.width // len(subspaces)
        self.proxies = nn.Parameter(torch.randn(len(vocabulary.tags), width) / width**0.5)
        self.biases = nn.Parameter(torch.zeros(len(vocabulary.tags)))

    def forward(self, embeddings: Tensor, standardised: Tensor) -> Tensor:
        """Compute the loss of raw embeddings `(n, width)` against logits `(n, tags)` of mean 0 and deviation 1."""
        placed = normalised(embeddings, Normalisation.SLICES, self.subspaces)
        losses = []
        for subspace in self.subspaces:
            positions = list(self.vocabulary.positions(subspace.name))
            told = placed[:, subspace.slice] @ self.proxies[positions].T + self.biases[positions]
            losses.append(functional.mse_loss(told, standardised[:, positions]))
        return torch.stack(losses).mean()
