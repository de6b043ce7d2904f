"""Triplet losses: an anchor is to be nearer to its positive than to its negative. Triplets come from `sampling`."""

from torch import Tensor, nn

from index.subspaces import Subspaces
from training.embedding import Normalisation, dimension_masks, unit
from training.losses.objective import Loss, Targets, check_not_negative

MARGIN = 0.1


def triplet_loss(
    embeddings: Tensor, triplets: Tensor, *, masks: Tensor | None = None, margin: float = MARGIN
) -> Tensor:
    """Mean over triplets of max(0, cos(f_a o m, f_n o m) - cos(f_a o m, f_p o m) + margin).

    Masked first, then brought to length one. A vector that its mask leaves without a direction has a cosine of 0 with
    any other. Triplets that already keep the margin count as zeros, so the mean is always over all of them.

    Args:
        embeddings: `(n, width)`, raw.
        triplets: `(m, 3)` int64: positions of anchor, positive, negative. With none of them the loss is 0, and so is
            its gradient.
        masks: `(m, width)`: the mask of each triplet; None is all ones.
        margin: Of cosines.

    Returns:
        A scalar, float32 or float64.

    Source: Lee et al., ISMIR 2020, section 3; not averaged over violating triplets alone, as other libraries do.
    """
    # Not embeddings[triplets]: with several threads its gradient is summed in no fixed order, and no run is the same.
    corners = embeddings.index_select(0, triplets.reshape(-1)).reshape(len(triplets), 3, embeddings.shape[1])
    if masks is not None:
        corners = corners * masks[:, None, :]
    anchor, positive, negative = unit(corners).unbind(dim=1)
    violations = ((anchor * negative).sum(dim=-1) - (anchor * positive).sum(dim=-1) + margin).clamp_min(0.0)
    return violations.sum() / max(1, len(triplets))


class TripletLoss(nn.Module):
    """The paper's three triplet models.

    - Triplet (`whole`): L = max(0, cos(f_a, f_n) - cos(f_a, f_p) + margin).
    - Disentangled triplet (`slices`): the same with f o m_s, s the dimension of the tag that the triplet is about.
    - With track regularisation (`slices`, `track_weight` lambda): L = L_tag + lambda * L_track, where L_track is the
      first formula over triplets of tracks. Its predecessor (ICASSP 2020) has lambda = 0.5; the paper does not say.

    Terms: `tag_triplets`, and `track_triplets` if they have a weight.
    """

    masks: Tensor

    def __init__(
        self,
        subspaces: Subspaces,
        *,
        normalisation: Normalisation = Normalisation.SLICES,
        margin: float = MARGIN,
        track_weight: float = 0.0,
    ) -> None:
        """Choose one of the models.

        Args:
            subspaces: Of the embedding, in the order of the vocabulary's dimensions.
            normalisation: `whole` or `slices`.
            margin: Of cosines.
            track_weight: Lambda; 0 leaves the track triplets out.

        Raises:
            ValueError: If there is no normalisation (cosines have one), or a number is negative.
        """
        super().__init__()
        if normalisation is Normalisation.NONE:
            raise ValueError("triplets are compared by cosines; normalisation is 'none', expected 'whole' or 'slices'")
        check_not_negative(margin=margin, track_weight=track_weight)
        self.normalisation = normalisation
        self.margin = margin
        self.track_weight = track_weight
        self.register_buffer("masks", dimension_masks(subspaces), persistent=False)

    @property
    def uses_tag_triplets(self) -> bool:
        """Always."""
        return True

    @property
    def uses_track_triplets(self) -> bool:
        """If they have a weight."""
        return self.track_weight > 0

    def forward(self, embeddings: Tensor, targets: Targets) -> Loss:
        """Compute the loss of raw embeddings `(n, width)`."""
        masks = self.masks[targets.tag_dimensions] if self.normalisation is Normalisation.SLICES else None
        tag_loss = triplet_loss(embeddings, targets.tag_triplets, masks=masks, margin=self.margin)
        loss = Loss(tag_loss, {"tag_triplets": tag_loss.detach()})
        return with_track_triplets(loss, embeddings, targets, weight=self.track_weight, margin=self.margin)


def with_track_triplets(loss: Loss, embeddings: Tensor, targets: Targets, *, weight: float, margin: float) -> Loss:
    """L + weight * L_track: triplets of tracks are compared by the whole embedding, all-ones mask."""
    if weight == 0:
        return loss
    track_loss = triplet_loss(embeddings, targets.track_triplets, margin=margin)
    return Loss(loss.total + weight * track_loss, {**loss.terms, "track_triplets": track_loss.detach()})
