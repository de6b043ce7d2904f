"""A recipe's network and loss, put together. `train` fits it, `checkpoint_export` takes it apart again for a bundle."""

from typing import cast

import torch
from torch import nn

from index.subspaces import Subspaces
from training.backbones.inception import Inception
from training.backbones.musicnn import N_FEATURES, load_musicnn
from training.embedding import EmbeddingNetwork, Normalisation, SharedEmbedding, SubspaceHeads, subspaces_of
from training.export import PRETRAINED
from training.losses.contrastive import SupervisedContrastiveLoss
from training.losses.objective import Objective
from training.losses.tagging import TaggingLoss, TagProxies
from training.losses.triplet import TripletLoss
from training.recipe import InceptionBackbone, Recipe, RecipeError, Tags, Triplets
from training.vocabulary import Vocabulary

MUSICNN_WEIGHTS = PRETRAINED / "musicnn-msd.safetensors"


class Model(nn.Module):
    """All that is trained. The network runs in the precision of the device, the objective in float32.

    Attributes:
        network: Frames to raw embeddings.
        objective: Raw embeddings to a loss; has proxies of its own, or none.
        subspaces: Of the embedding.
    """

    def __init__(self, network: EmbeddingNetwork, objective: nn.Module, subspaces: Subspaces) -> None:
        super().__init__()
        self.network = network
        self.objective = objective
        self.subspaces = subspaces

    @property
    def loss(self) -> Objective:
        """The objective, as what it is to the loop."""
        return cast(Objective, self.objective)

    @property
    def proxies(self) -> TagProxies | None:
        """What scores tags, if the loss has learnt that."""
        return self.objective.proxies if isinstance(self.objective, TaggingLoss) else None


def build_model(recipe: Recipe, vocabulary: Vocabulary) -> Model:
    """Make the model of a recipe with its first weights, on the CPU: the seed alone decides them.

    Raises:
        RecipeError: If the embedding's widths are not given for just the vocabulary's dimensions.
        PretrainedWeightsError: If the weights of a pretrained backbone cannot be read.
    """
    generator = torch.Generator().manual_seed(recipe.training.seed)
    try:
        subspaces = subspaces_of(vocabulary.dimensions, widths=recipe.embedding.slice_width)
    except ValueError as error:
        raise RecipeError(f"embedding.slice_width: {error}") from error
    is_frozen = False
    if isinstance(recipe.backbone, InceptionBackbone):
        inception = Inception(width=recipe.backbone.width, batch_norm=recipe.backbone.batch_norm, generator=generator)
        backbone: nn.Module = inception
        n_features = inception.n_features
    else:
        backbone, n_features = load_musicnn(MUSICNN_WEIGHTS).network, N_FEATURES
        # Its own tagger is not used, and would be trained by nothing.
        backbone.tags.requires_grad_(False)
        is_frozen = recipe.backbone.is_frozen
    head_of = SharedEmbedding if recipe.embedding.heads == "shared" else SubspaceHeads
    head = head_of(n_features, subspaces, activation=recipe.embedding.activation, generator=generator)
    network = EmbeddingNetwork(backbone, head, backbone_is_frozen=is_frozen)
    return Model(network, _objective(recipe, vocabulary, subspaces, generator), subspaces)


def _objective(recipe: Recipe, vocabulary: Vocabulary, subspaces: Subspaces, generator: torch.Generator) -> nn.Module:
    loss = recipe.loss
    if isinstance(loss, Triplets):
        return TripletLoss(
            subspaces,
            normalisation=Normalisation(loss.normalisation),
            margin=loss.margin,
            track_weight=loss.track_weight,
        )
    if isinstance(loss, Tags):
        proxies = TagProxies(
            vocabulary, subspaces, normalisation=loss.normalisation, bias=loss.bias, generator=generator
        )
        return TaggingLoss(
            proxies,
            skips_untagged_dimensions=loss.skips_untagged_dimensions,
            track_weight=loss.track_weight,
            margin=loss.margin,
        )
    return SupervisedContrastiveLoss(
        vocabulary,
        subspaces,
        temperature=loss.temperature,
        skips_untagged_dimensions=loss.skips_untagged_dimensions,
    )
