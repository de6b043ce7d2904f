"""A trained model becomes a model bundle. The model comes from pretrained weights; `index.model` opens the bundle.

Nothing half made or unchecked is ever seen under the bundle's name: the graph is held against torch, the folder is
opened as the service would, and only then does it take its place.
"""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import JsonValue
from torch import nn

from index.bundle_manifest import (
    CARD_FILE,
    ENCODER_FILE,
    MANIFEST_FILE,
    PROXIES_FILE,
    BundleManifest,
    DimensionEntry,
    ProvenanceEntry,
    TagEntry,
)
from index.model import ModelBundle, Tag
from index.subspaces import Subspaces, Vectors
from training.backbones.musicnn import load_musicnn
from training.backbones.pruned_musicnn import PrunedMusicnn
from training.closed_form import closed_form_subspaces, read_feature_mean
from training.embedding import SLICE_WIDTH
from training.encoder_graph import PARITY_TOLERANCE, Encoder, check_parity, encoder_graph, parity_waveforms
from training.log_mel import MUSICNN_LOG_MEL, LogMel, LogMelProducts
from training.vocabulary import SHIPPED, read_vocabulary

PRETRAINED = Path(__file__).parent / "backbones" / "pretrained"
MUSICNN_MEAN = PRETRAINED / "musicnn-msd-mean.safetensors"


class ExportError(Exception):
    """A bundle cannot be written from, or to, what was given."""


@dataclass(frozen=True, eq=False, kw_only=True)
class BundleParts:
    """All of a bundle but the encoder's graph; see `index.bundle_manifest.BundleManifest` for the fields."""

    name: str
    sample_rate: int
    excerpt_samples: int
    subspaces: Subspaces
    tags: tuple[Tag, ...]
    proxies: Vectors
    recipe: Mapping[str, JsonValue]
    provenance: tuple[ProvenanceEntry, ...]
    card: str


def export_musicnn_msd(folder: Path, *, mean: Path = MUSICNN_MEAN) -> Mapping[str, float]:
    """Write the bundle of the tagger pretrained on the Million Song Dataset, its sub-spaces in closed form.

    Args:
        folder: Of the bundle; a bundle that is there is replaced.
        mean: Mean of the network's features over music, taken off every embedding.

    Returns:
        The largest difference between the graph and torch, by output.

    Raises:
        ExportError: If the weights' tags are not the vocabulary's, or `folder` is something else than a bundle.
        FeatureMeanError: If the mean does not fit the weights.
        ParityError: If the graph does not compute what torch does.
    """
    pretrained = load_musicnn(PRETRAINED / "musicnn-msd.safetensors")
    vocabulary = read_vocabulary(SHIPPED / "lastfm50.toml")
    if vocabulary.tag_names != pretrained.tags:
        raise ExportError(f"the weights' tags are not those of the vocabulary {vocabulary.name}, in its order")
    feature_mean = read_feature_mean(mean, weights_sha256=pretrained.sha256)
    network = pretrained.network
    closed_form = closed_form_subspaces(
        network.tags.weight.detach().numpy(),
        network.tags.bias.detach().numpy(),
        vocabulary=vocabulary,
        mean=feature_mean.values,
        slice_width=SLICE_WIDTH,
    )
    projection = _linear(closed_form.projection, closed_form.offset)
    return write_bundle(
        folder,
        encoder=Encoder(
            LogMelProducts(MUSICNN_LOG_MEL),
            PrunedMusicnn(network, n_frames=MUSICNN_LOG_MEL.n_frames),
            projection=projection,
            tags=network.tags,
        ),
        reference=Encoder(LogMel(MUSICNN_LOG_MEL), network, projection=projection, tags=network.tags),
        parts=BundleParts(
            name="musicnn-msd",
            sample_rate=MUSICNN_LOG_MEL.sample_rate,
            excerpt_samples=MUSICNN_LOG_MEL.excerpt_samples,
            subspaces=closed_form.subspaces,
            tags=tuple(
                Tag(tag.name, tag.dimension, float(bias))
                for tag, bias in zip(vocabulary.tags, closed_form.biases, strict=True)
            ),
            proxies=closed_form.proxies,
            recipe={
                "command": "facet export musicnn-msd",
                "loss": "none: the tagger's own, binary cross-entropy of 50 tags; sub-spaces in closed form",
                "recipe": "projection of the last hidden layer on the span of each dimension's tag vectors",
                "vocabulary": vocabulary.name,
                "weights_sha256": pretrained.sha256,
                "mean": feature_mean.music,
            },
            provenance=(
                ProvenanceEntry(
                    what="encoder weights, trained on the Million Song Dataset with Last.fm tags",
                    source=pretrained.source,
                    licence=pretrained.licence,
                ),
                ProvenanceEntry(
                    what="mean of the features over music, 200 numbers",
                    source="free game music in Debian; recipe.mean lists it",
                    licence=feature_mean.licence,
                ),
                ProvenanceEntry(
                    what="names of the tags and the dimension of each",
                    source=vocabulary.source,
                    licence="names only: no listener's data and no audio of the set is here",
                ),
            ),
            card=(PRETRAINED / "musicnn-msd-card.md").read_text(encoding="utf-8"),
        ),
    )


def write_bundle(
    folder: Path,
    *,
    encoder: nn.Module,
    reference: nn.Module,
    parts: BundleParts,
    tolerance: float = PARITY_TOLERANCE,
) -> Mapping[str, float]:
    """Export, check and publish a bundle.

    The same encoder and parts give the same bytes. A bundle that stands at `folder` steps aside for the moment between
    two renames; if the process dies there, it lies beside, under a name that begins with a dot.

    Args:
        folder: Of the bundle; a bundle that is there is replaced, with its evaluation, which was another encoder's.
        encoder: What is exported.
        reference: What it must agree with.
        parts: The rest.
        tolerance: How far they may disagree in any number.

    Returns:
        The largest difference between the graph and `reference`, by output.

    Raises:
        ExportError: If `folder` exists and is not a bundle.
        ParityError: If the graph does not compute what `reference` does; nothing is written then.
        BundleError: If the parts do not fit together.
    """
    check_replaceable(folder)
    graph = encoder_graph(encoder, excerpt_samples=parts.excerpt_samples)
    waveforms = parity_waveforms(
        sample_rate=parts.sample_rate, excerpt_samples=parts.excerpt_samples, rng=np.random.default_rng(0)
    )
    differences = check_parity(graph, reference, waveforms, tolerance=tolerance)
    proxies = BytesIO()
    np.save(proxies, parts.proxies, allow_pickle=False)
    files = {ENCODER_FILE: graph, PROXIES_FILE: proxies.getvalue()}
    manifest = _manifest(parts, {name: hashlib.sha256(content).hexdigest() for name, content in files.items()})
    texts = {MANIFEST_FILE: manifest.to_json(), CARD_FILE: parts.card}
    _publish(folder, files | {name: text.encode() for name, text in texts.items()})
    return differences


def check_replaceable(folder: Path) -> None:
    """Make sure that a bundle may be written there; who works for hours before asks first.

    Raises:
        ExportError: If `folder` exists and is not a bundle.
    """
    if folder.exists() and not (folder / MANIFEST_FILE).is_file():
        raise ExportError(f"{folder} exists and is not a bundle; give another folder, or move it away")


def _linear(weight: NDArray[Any], bias: NDArray[Any]) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0])
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(weight))
        layer.bias.copy_(torch.from_numpy(bias))
    return layer


def _manifest(parts: BundleParts, sha256: Mapping[str, str]) -> BundleManifest:
    return BundleManifest(
        name=parts.name,
        sample_rate=parts.sample_rate,
        excerpt_samples=parts.excerpt_samples,
        dimensions=tuple(
            DimensionEntry(name=subspace.name, start=subspace.start, stop=subspace.stop) for subspace in parts.subspaces
        ),
        tags=tuple(
            TagEntry(name=tag.name, dimension=tag.dimension, bias=tag.bias, calibration=tag.calibration)
            for tag in parts.tags
        ),
        recipe=dict(parts.recipe),
        provenance=parts.provenance,
        files=dict(sha256),
    )


def _publish(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Write the files beside `folder`, open them as a bundle, and rename."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        partial, previous = aside / "new", aside / "previous"
        partial.mkdir()
        for name, content in contents.items():
            with (partial / name).open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        ModelBundle.open(partial)
        if folder.exists():
            folder.rename(previous)
        try:
            partial.rename(folder)
        except OSError:
            if previous.exists():
                previous.rename(folder)
            raise
    finally:
        shutil.rmtree(aside)
