"""Sub-spaces of a trained tagger without training: from its last layer alone. `export` builds a bundle with them.

A tag's logit is `b + w . f`, with f the features under the last layer. So the span of a dimension's tag vectors w is
all of f that the tagger uses to tell that dimension's tags, and f projected on it is the dimension's slice. The mean of
real music is taken off first: without that, all music points much the same way.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from index.subspaces import Subspace, Subspaces, Vectors
from training.vocabulary import Vocabulary

Numbers = NDArray[np.float64]


class FeatureMeanError(Exception):
    """A stored mean cannot be read, or was computed with other weights."""


@dataclass(frozen=True, eq=False)
class FeatureMean:
    """Mean of a network's features over music.

    Attributes:
        values: `(features,)` float64.
        music: What music, and how its excerpts were taken and weighted, in words.
        licence: Of that music.
    """

    values: Numbers
    music: str
    licence: str


def read_feature_mean(path: Path, *, weights_sha256: str) -> FeatureMean:
    """Read a mean: safetensors with the tensor `mean`, and `music`, `licence` and `weights_sha256` as metadata.

    Args:
        path: The file.
        weights_sha256: Of the weights it will be used with.

    Raises:
        FeatureMeanError: If the file is missing, broken or incomplete, or belongs to other weights.
    """
    try:
        with safe_open(path, framework="np") as file:
            metadata = file.metadata() or {}
            values = np.asarray(file.get_tensor("mean"), dtype=np.float64)
    except (OSError, SafetensorError) as error:
        raise FeatureMeanError(f"{path} cannot be read as safetensors with a tensor 'mean': {error}") from error
    missing = [field for field in ("music", "licence", "weights_sha256") if field not in metadata]
    if missing:
        raise FeatureMeanError(f"{path} lacks metadata: {', '.join(missing)}")
    if metadata["weights_sha256"] != weights_sha256:
        raise FeatureMeanError(
            f"{path} was computed with weights {metadata['weights_sha256'][:12]}, not with {weights_sha256[:12]}; "
            "compute it again with these weights"
        )
    return FeatureMean(values, metadata["music"], metadata["licence"])


@dataclass(frozen=True, eq=False)
class ClosedForm:
    """Linear maps from features to slices, and the tags' proxies in them.

    With f the features: `embedding = projection f + offset`, and `proxies embedding + biases` are the tagger's logits.

    Attributes:
        subspaces: Of the embedding.
        projection: `(width, features)` float64.
        offset: `(width,)` float64.
        proxies: `(tags, width)` float32.
        biases: `(tags,)` float64.
    """

    subspaces: Subspaces
    projection: Numbers
    offset: Numbers
    proxies: Vectors
    biases: Numbers


def closed_form_subspaces(
    tag_weights: NDArray[np.floating[Any]],
    tag_biases: NDArray[np.floating[Any]],
    *,
    vocabulary: Vocabulary,
    mean: Numbers,
    slice_width: int,
) -> ClosedForm:
    """Project the features on the span of each dimension's tag vectors.

    With Q an orthonormal basis of that span, the slice is `Q'(f - mean)`, a tag's proxy is `Q'w` and its bias
    `b + w . mean`: their sum is `w . f + b` again, as `QQ'w = w`. Columns beyond the span's rank are zero.

    Args:
        tag_weights: `(tags, features)`, in the vocabulary's order.
        tag_biases: `(tags,)`.
        vocabulary: What tag belongs to what dimension.
        mean: `(features,)`.
        slice_width: Columns of each sub-space.

    Raises:
        ValueError: If shapes disagree, or the tags of a dimension span more than `slice_width`.
    """
    n_tags, n_features = len(vocabulary.tags), len(mean)
    if tag_weights.shape != (n_tags, n_features) or tag_biases.shape != (n_tags,):
        raise ValueError(
            f"the last layer is {tag_weights.shape} with {tag_biases.shape} biases; "
            f"the vocabulary and the mean ask for ({n_tags}, {n_features}) with ({n_tags},)"
        )
    weights = tag_weights.astype(np.float64)
    subspaces = Subspaces(
        tuple(
            Subspace(name, number * slice_width, (number + 1) * slice_width)
            for number, name in enumerate(vocabulary.dimensions)
        )
    )
    projection = np.zeros((subspaces.width, n_features))
    proxies = np.zeros((n_tags, subspaces.width))
    for subspace in subspaces:
        positions = vocabulary.positions(subspace.name)
        basis = _orthonormal_basis(weights, positions)
        if len(basis) > slice_width:
            raise ValueError(f"the tags of {subspace.name!r} span {len(basis)} columns, the slice has {slice_width}")
        columns = slice(subspace.start, subspace.start + len(basis))
        projection[columns] = basis
        proxies[list(positions), columns] = weights[list(positions)] @ basis.T
    return ClosedForm(
        subspaces=subspaces,
        projection=projection,
        offset=-projection @ mean,
        proxies=proxies.astype(np.float32),
        biases=tag_biases.astype(np.float64) + weights @ mean,
    )


def _orthonormal_basis(weights: Numbers, positions: Sequence[int]) -> Numbers:
    """`(rank, features)`: the span of some rows, strongest direction first.

    A singular vector's sign is arbitrary: here its largest number is positive, so that the basis depends on the rows
    alone.
    """
    _, strengths, directions = np.linalg.svd(weights[list(positions)], full_matrices=False)
    # The weights are float32: what is smaller than their rounding is not a direction of theirs.
    noise = strengths[0] * max(len(positions), weights.shape[1]) * np.finfo(np.float32).eps
    basis = directions[strengths > noise]
    largest = np.abs(basis).argmax(axis=1)
    return np.asarray(basis * np.sign(basis[np.arange(len(basis)), largest])[:, None])
