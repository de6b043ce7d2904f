"""Training tracks become what a model has in place of learnt proxies: prototypes, which `checkpoint_export` ships.

A prototype is the mean of the tracks that have its tag (`trained_encoder.tag_prototypes`). With the scale and the bias
of `calibration`, its logit is a probability and not a mere cosine.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from index.subspaces import Subspaces, Vectors
from training.calibration import calibrated
from training.checkpoint import Checkpoint, CheckpointError
from training.datasets.labels import TagCase
from training.datasets.manifest_files import read_manifest
from training.device import Compute
from training.embedding import served_subspaces
from training.mel_cache import MelCache
from training.model import Model
from training.trained_encoder import tag_prototypes
from training.training_data import Side, prepare_data

# Excerpts embedded at once.
BATCH_EXCERPTS = 64


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


def calibrated_prototypes(
    checkpoint: Checkpoint, model: Model, *, compute: Compute, audio: TrainingAudio
) -> tuple[Vectors, NDArray[np.float32]]:
    """Embed the training tracks, and take of each tag the prototype, scaled, and its bias.

    Args:
        checkpoint: Says what the tracks were.
        model: The checkpoint's.
        compute: Where tracks are embedded.
        audio: Where they are.

    Returns:
        Scaled prototypes `(tags, width)` and biases `(tags,)`.

    Raises:
        CheckpointError: If the manifest is not the one that the model was trained on.
        UntaggedTagError: If a tag has no track.
        TrainingDataError: If tracks cannot be had; so the errors of `read_manifest` and of `cache_frames`.
    """
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
