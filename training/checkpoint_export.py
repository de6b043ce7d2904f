"""A checkpoint becomes a model bundle. Checkpoints come from `train`, `export.write_bundle` checks and publishes.

A model with learnt proxies goes out with them. Triplet and contrastive models have none: the `prototypes` of the
training tracks take their place.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from index.bundle_manifest import ProvenanceEntry
from index.model import Tag
from index.subspaces import Subspaces
from training.backbones.musicnn import Musicnn, load_musicnn
from training.backbones.pruned_musicnn import PrunedMusicnn
from training.checkpoint import Checkpoint, read_checkpoint
from training.device import Compute
from training.embedding import EmbeddingNetwork, served_subspaces
from training.export import BundleParts, write_bundle
from training.front_end import FRONT_ENDS
from training.model import MUSICNN_WEIGHTS, build_model
from training.prototypes import TrainingAudio, calibrated_prototypes
from training.recipe import MusicnnBackbone
from training.trained_encoder import TrainedEncoder

NOT_STATED = "not stated"


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What a bundle says of the data it was made from.

    Attributes:
        source: Of the audio and the tags.
        licence: Of both, in words or as an SPDX identifier.
    """

    source: str = NOT_STATED
    licence: str = NOT_STATED


def export_checkpoint(
    path: Path, folder: Path, *, compute: Compute, audio: TrainingAudio, terms: Terms | None = None
) -> Mapping[str, float]:
    """Write the bundle of a checkpoint.

    Args:
        path: A checkpoint, or the folder of a run: then its best.
        folder: Of the bundle, whose name is the folder's; a bundle that is there is replaced.
        compute: Where training tracks are embedded, if they have to be.
        audio: Where those are.
        terms: Of the data.

    Returns:
        The largest difference between the graph and torch, by output.

    Raises:
        CheckpointError: If there is none, it is damaged, or the manifest is not the one it was trained on.
        ExportError: If `folder` is something else than a bundle.
        ParityError: If the graph does not compute what torch does.
        BundleError: If the parts do not fit together.
        TrainingDataError: If training tracks are needed and cannot be had; so the errors of `read_manifest` and of
            `cache_frames`.
    """
    checkpoint = read_checkpoint(path)
    model = build_model(checkpoint.recipe, checkpoint.vocabulary)
    checkpoint.restore_model(model)
    model.eval()
    if model.proxies is not None:
        proxies = (model.proxies.vectors * model.proxies.masks).detach().numpy()
        biases = model.proxies.biases.detach().numpy()
        say = "learnt proxies"
    else:
        proxies, biases = calibrated_prototypes(checkpoint, model, compute=compute, audio=audio)
        say = "prototypes of the training tracks, each with a scale and a bias fitted to them"
    front_end = FRONT_ENDS[checkpoint.recipe.backbone.kind]

    def encoder(make_front_end: Callable[..., nn.Module], network: nn.Module) -> TrainedEncoder:
        return TrainedEncoder(
            make_front_end(front_end.settings),
            network,
            normalisation=checkpoint.recipe.normalisation,
            subspaces=model.subspaces,
            proxies=torch.from_numpy(proxies),
            biases=torch.from_numpy(biases),
        ).eval()

    served = served_subspaces(model.subspaces, checkpoint.recipe.normalisation)
    return write_bundle(
        folder,
        encoder=encoder(front_end.products, _fast(model.network, n_frames=front_end.settings.n_frames)),
        reference=encoder(front_end.plain, model.network),
        parts=BundleParts(
            name=folder.resolve().name,
            sample_rate=front_end.settings.sample_rate,
            excerpt_samples=front_end.settings.excerpt_samples,
            subspaces=served,
            tags=_tags(checkpoint, served, biases),
            proxies=proxies,
            recipe=_recipe(checkpoint, say),
            provenance=_provenance(checkpoint, terms or Terms()),
            card=_card(checkpoint, folder.resolve().name, say, terms or Terms()),
        ),
    )


def _fast(network: EmbeddingNetwork, *, n_frames: int) -> nn.Module:
    """The same function in the form that ONNX Runtime computes fastest."""
    if isinstance(network.backbone, Musicnn):
        return nn.Sequential(PrunedMusicnn(network.backbone, n_frames=n_frames), network.head)
    return network


def _tags(checkpoint: Checkpoint, served: Subspaces, biases: NDArray[np.float32]) -> tuple[Tag, ...]:
    """A model without dimensions has one over the whole width, and all tags belong to it."""
    only = served.names[0] if served.names != checkpoint.vocabulary.dimensions else None
    return tuple(
        Tag(tag.name, only or tag.dimension, float(bias))
        for tag, bias in zip(checkpoint.vocabulary.tags, biases, strict=True)
    )


def _recipe(checkpoint: Checkpoint, say: str) -> dict[str, Any]:
    standing = checkpoint.standing
    return {
        "command": "facet train",
        "recipe": checkpoint.recipe.model_dump(mode="json"),
        "loss": checkpoint.recipe.loss.kind,
        "proxies": say,
        "vocabulary": checkpoint.vocabulary.name,
        "data_digest": checkpoint.data_digest,
        "steps": standing.step,
        "epochs": len(standing.history),
        "validation_loss": standing.history[-1].validation_loss if standing.history else None,
    }


def _provenance(checkpoint: Checkpoint, terms: Terms) -> tuple[ProvenanceEntry, ...]:
    entries = [
        ProvenanceEntry(what="training data: audio and tags", source=terms.source, licence=terms.licence),
        ProvenanceEntry(
            what="names of the tags and the dimension of each",
            source=checkpoint.vocabulary.source,
            licence="names only: no listener's data and no audio is here",
        ),
    ]
    if isinstance(checkpoint.recipe.backbone, MusicnnBackbone):
        pretrained = load_musicnn(MUSICNN_WEIGHTS)
        entries.append(
            ProvenanceEntry(
                what=f"weights the backbone began with, sha256 {pretrained.sha256[:16]}"
                + (" (unchanged)" if checkpoint.recipe.backbone.is_frozen else " (trained further)"),
                source=pretrained.source,
                licence=pretrained.licence,
            )
        )
    return tuple(entries)


def _card(checkpoint: Checkpoint, name: str, say: str, terms: Terms) -> str:
    recipe, standing, vocabulary = checkpoint.recipe, checkpoint.standing, checkpoint.vocabulary
    last = standing.history[-1] if standing.history else None
    dimensions = "\n".join(
        f"- {dimension}: {', '.join(vocabulary.tag_names[tag] for tag in vocabulary.positions(dimension))}"
        for dimension in vocabulary.dimensions
    )
    loss = f"validation loss {last.validation_loss:.4f}" if last else "no epoch was over yet"
    return f"""# {name}

{recipe.about.model}. Trained with Facet's recipe `{recipe.name}`.

Tags of the vocabulary {vocabulary.name}:

{dimensions}

Training: {standing.step} steps in {len(standing.history)} epochs, {loss}. Tags are scored by {say}.

Data: {terms.source}. Licence: {terms.licence}.

Published for this model on the Million Song Dataset, not measured with this bundle: {recipe.about.published}.

This bundle has not been evaluated unless `evaluation.json` lies beside this card.
"""
