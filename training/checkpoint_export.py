"""A checkpoint becomes a model bundle. Checkpoints come from `train`, `export.write_bundle` checks and publishes.

A model with learnt proxies goes out with them. Triplet and contrastive models have none: the prototypes of the training
tracks take their place, with a scale and a bias for each tag, so that its logit is a probability and not a mere cosine.
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
from index.subspaces import Subspaces, Vectors
from training.backbones.musicnn import Musicnn, load_musicnn
from training.backbones.pruned_musicnn import PrunedMusicnn
from training.checkpoint import Checkpoint, CheckpointError, read_checkpoint
from training.datasets.labels import TagCase
from training.datasets.manifest_files import read_manifest
from training.device import Compute
from training.embedding import EmbeddingNetwork, served_subspaces
from training.export import BundleParts, write_bundle
from training.front_end import FRONT_ENDS
from training.mel_cache import MelCache
from training.model import MUSICNN_WEIGHTS, Model, build_model
from training.recipe import MusicnnBackbone
from training.trained_encoder import TrainedEncoder, tag_prototypes
from training.training_data import Side, prepare_data

# Excerpts embedded at once.
BATCH_EXCERPTS = 64

NOT_STATED = "not stated"

# Of a calibrated tag. At 32, cosines that differ by 0.1 differ by a factor of 25 in the odds.
SMALLEST_SCALE = 0.01
LARGEST_SCALE = 32.0

# Newton's method takes some ten.
_NEWTON_STEPS = 50
_SMALL_STEP = 1e-9


@dataclass(frozen=True, kw_only=True)
class TrainingAudio:
    """Where the training tracks are to be found at the export: needed where no proxies were learnt.

    Attributes:
        manifest: File of the tracks; None takes the one that the checkpoint names.
        cache: Folder of all caches of frames.
        case: As it was at the training.
    """

    manifest: Path | None = None
    cache: Path
    case: TagCase = TagCase.EXACT


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
        proxies, biases = _prototypes(checkpoint, model, compute, audio)
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


def calibrated(cosines: NDArray[np.floating[Any]], has_tag: NDArray[np.bool_]) -> tuple[float, float]:
    """Scale and bias that turn a tag's cosines into logits: logistic regression, after Platt.

    Args:
        cosines: `(n,)` of tracks with the tag's prototype.
        has_tag: `(n,)`; both kinds must be there.

    Returns:
        Scale and bias of sigmoid(scale * cosine + bias). The scale is kept between `SMALLEST_SCALE`, or the prototype
        would vanish or point away from its own tracks, and `LARGEST_SCALE`, or it would blow rounding up; the bias is
        the best for the scale.

    Raises:
        ValueError: If all tracks have the tag, or none.

    Source: Platt, "Probabilistic outputs for support vector machines", 1999: not 0 and 1 but the rule of succession is
    fitted, so that a tag whose tracks all lie apart has a finite scale.
    """
    n_with, n_without = int(has_tag.sum()), int((~has_tag).sum())
    if not n_with or not n_without:
        raise ValueError(f"{n_with} tracks have the tag and {n_without} have not; a calibration takes both")
    target = np.where(has_tag, (n_with + 1.0) / (n_with + 2.0), 1.0 / (n_without + 2.0))
    centre = float(cosines.mean())
    centred = cosines.astype(np.float64) - centre
    constant = np.ones((len(centred), 1))
    scale, bias = _fitted(np.concatenate([centred[:, None], constant], axis=1), target, np.zeros(len(centred)))
    kept = min(max(float(scale), SMALLEST_SCALE), LARGEST_SCALE)
    if kept != scale:
        (bias,) = _fitted(constant, target, kept * centred)
    return kept, float(bias) - kept * centre


def _fitted(
    features: NDArray[np.float64], target: NDArray[np.float64], offset: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The weights of the logistic regression of `target` on `features`, with logits `offset + features weights`."""
    weights = np.zeros(features.shape[1])

    def loss(candidate: NDArray[np.float64]) -> float:
        logits = offset + features @ candidate
        return float(np.sum(np.logaddexp(0.0, logits) - target * logits))

    for _ in range(_NEWTON_STEPS):
        probability = 0.5 * (1.0 + np.tanh(0.5 * (offset + features @ weights)))
        gradient = features.T @ (probability - target)
        curvature = features.T @ (features * (probability * (1.0 - probability))[:, None])
        # Cosines that are all the same have no curvature; so little more of it changes nothing else.
        step = np.linalg.solve(curvature + 1e-9 * np.eye(len(weights)), gradient)
        # Newton's whole step may overshoot far from the minimum of a convex loss: half of it, then.
        while loss(weights - step) > loss(weights) and np.abs(step).max() > _SMALL_STEP:
            step = step / 2
        weights = weights - step
        if np.abs(step).max() < _SMALL_STEP:
            break
    return weights


def _prototypes(
    checkpoint: Checkpoint, model: Model, compute: Compute, audio: TrainingAudio
) -> tuple[Vectors, NDArray[np.float32]]:
    """Scaled prototypes `(tags, width)` and biases `(tags,)`."""
    manifest = audio.manifest or Path(checkpoint.manifest)
    data = prepare_data(
        checkpoint.recipe,
        read_manifest(manifest),
        checkpoint.vocabulary,
        cache=audio.cache,
        case=audio.case,
        threads=compute.threads,
    )
    if data.digest != checkpoint.data_digest:
        raise CheckpointError(
            f"{manifest} has other tracks, sides or tags than the model was trained on; give the manifest of the "
            "training with --manifest"
        )
    recipe = checkpoint.recipe
    served = served_subspaces(model.subspaces, recipe.normalisation)
    vectors, labels = _track_vectors(model, data.train, data.cache, served, compute)
    prototypes = tag_prototypes(
        vectors,
        labels,
        vocabulary=checkpoint.vocabulary,
        subspaces=model.subspaces,
        normalisation=recipe.normalisation,
    )
    has_tag = labels.toarray() != 0
    cosines = vectors @ prototypes.T
    numbers = [calibrated(cosines[:, tag], has_tag[:, tag]) for tag in range(len(prototypes))]
    scales, biases = (np.array(column, dtype=np.float32) for column in zip(*numbers, strict=True))
    return prototypes * scales[:, None], biases


def _track_vectors(
    model: Model, side: Side, cache: MelCache, served: Subspaces, compute: Compute
) -> tuple[Vectors, Any]:
    """What the service would store of each row: the mean of its excerpts, each slice of unit length; and its labels."""
    network = compute.place(model.network).eval()
    total = np.zeros((len(side.rows), served.width), dtype=np.float64)
    rows = np.repeat(np.arange(len(side.rows)), side.n_excerpts)
    excerpts = np.concatenate([np.arange(count) for count in side.n_excerpts])
    with torch.inference_mode():
        for first in range(0, len(rows), BATCH_EXCERPTS):
            batch = slice(first, first + BATCH_EXCERPTS)
            frames = compute.frames(cache.frames(side.rows[rows[batch]], excerpts[batch]))
            with compute.autocast():
                embeddings = network(frames)
            np.add.at(total, rows[batch], served.unit(embeddings.float().cpu().numpy()))
    network.to("cpu").to(memory_format=torch.contiguous_format)
    return served.unit(total), side.labels


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
