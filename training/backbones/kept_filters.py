"""Which front-end filters of a musicnn are computed, and what stands for the others. `pruned_musicnn` takes it.

Either those that move at all, in exact arithmetic (`moving_filters`), or those that matter most over music, as
`filter_importance` chooses them and a small file keeps them.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn import functional

from training.backbones.musicnn import (
    N_CHANNELS,
    N_FEATURES,
    N_FRONT_END,
    N_RESIDUAL_FILTERS,
    RESIDUAL_FRAMES,
    FrontEndBranch,
    Musicnn,
)

# The most that a number of the normed spectrogram differs from another: log10(10,000 mel + 1) of audio with full
# scale 1 lies in 0 .. 7, and the pretrained networks' input norm halves it.
INPUT_RANGE = 8.0

# A filter that cannot move by more than this is a constant. It is a rounding error beside its batch-normed neighbours,
# which move by about 1. In the MSD network nothing lies between 1e-8 and 1e-2.
LARGEST_CONSTANT_MOVE = 1e-7

_TENSORS = ("is_kept", "values", "first", "hidden_weight", "hidden_bias")


class KeptFiltersError(Exception):
    """A file of kept filters cannot be read, is incomplete, or was made for other weights."""


@dataclass(frozen=True, eq=False, kw_only=True)
class KeptFilters:
    """What a pruned network computes, and the layers that read it.

    With f the k kept filters, c their values and W the network's own kernel, the first convolution over time gives
    `bias + W * values + first * (f - c)`, where * is the convolution with zero padding. So what is left out is there as
    a constant, up to the padding.

    Attributes:
        is_kept: `(561,)` bool, in channel order.
        values: `(561,)` float64. What stands for each filter that is not kept; of the others, about what they are.
        first: `(64, k, 7)` float64: the kernel of the first convolution over time.
        hidden_weight: `(200, 2 (k + 192))` float64, of the pooled channels: all maxima, then all means.
        hidden_bias: `(200,)` float64. Weight and bias contain the norm of the pooled channels.
    """

    is_kept: Tensor
    values: Tensor
    first: Tensor
    hidden_weight: Tensor
    hidden_bias: Tensor


def scale_and_shift(norm: nn.BatchNorm1d | nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """A batch norm in evaluation mode is `scale * x + shift`, each `(channels,)` float64."""
    mean, variance = norm.get_buffer("running_mean").double(), norm.get_buffer("running_var").double()
    scale = norm.weight.double() / torch.sqrt(variance + norm.eps)
    return scale, norm.bias.double() - scale * mean


@torch.no_grad()
def moving_filters(network: Musicnn) -> KeptFilters:
    """Keep every filter that can move: what is left out is a constant, and nothing is lost."""
    is_alive = torch.cat([_is_alive(branch) for branch in network.branches])
    return replaced_by_values(network, is_alive, torch.cat([_constant(branch) for branch in network.branches]))


@torch.no_grad()
def replaced_by_values(network: Musicnn, is_kept: Tensor, values: Tensor) -> KeptFilters:
    """Put a constant for each filter that is not kept, and leave the layers after it as they are.

    A constant channel's maximum and mean are the constant itself: it goes into the bias of the hidden layer. The
    network's inputs to that are maximum and mean in turn; here all maxima come first.

    Args:
        network: In evaluation mode.
        is_kept: `(561,)` bool.
        values: `(561,)` float64.
    """
    scale, shift = scale_and_shift(network.pooled_norm)
    weight = network.hidden.weight.double()
    by_channel = (weight * scale).reshape(-1, N_CHANNELS, 2)
    is_left = torch.cat([is_kept, torch.ones(N_CHANNELS - N_FRONT_END, dtype=torch.bool)])
    left = by_channel[:, is_left]
    return KeptFilters(
        is_kept=is_kept,
        values=values,
        first=network.first.conv.weight[:, is_kept].double(),
        hidden_weight=torch.cat([left[:, :, 0], left[:, :, 1]], dim=1),
        hidden_bias=network.hidden.bias.double()
        + weight @ shift
        + by_channel[:, ~is_left].sum(dim=2) @ values[~is_kept],
    )


def _is_alive(branch: FrontEndBranch) -> Tensor:
    """`(filters,)`, true where the output can move: by at most |scale| * sum |kernel| * range of the input."""
    scale, _ = scale_and_shift(branch.norm)
    reach = branch.conv.weight.double().flatten(1).abs().sum(dim=1)
    return scale.abs() * reach * INPUT_RANGE > LARGEST_CONSTANT_MOVE


def _constant(branch: FrontEndBranch) -> Tensor:
    """`(filters,)` float64: what each filter answers if its kernel counts for nothing."""
    scale, shift = scale_and_shift(branch.norm)
    return functional.relu(branch.conv.get_parameter("bias").double()) * scale + shift


def write_kept_filters(path: Path, kept: KeptFilters, *, weights_sha256: str, music: str) -> None:
    """Write a file of kept filters; its layers in single precision.

    Args:
        path: Of the file; one that is there is replaced.
        kept: What to write.
        weights_sha256: Of the network's weights.
        music: What the choice was made on, in words.

    Raises:
        OSError: If it cannot be written.
    """
    tensors = {name: getattr(kept, name) for name in _TENSORS}
    tensors |= {name: tensors[name].float() for name in _TENSORS[2:]}
    content = save(
        {name: tensor.contiguous() for name, tensor in tensors.items()},
        metadata={"weights_sha256": weights_sha256, "music": music},
    )
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def read_kept_filters(path: Path, *, weights_sha256: str) -> KeptFilters:
    """Read what `write_kept_filters` wrote.

    Args:
        path: Of the file.
        weights_sha256: Of the weights it will be used with.

    Raises:
        KeptFiltersError: If the file is missing, broken or incomplete, or belongs to other weights.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in _TENSORS}
    except (OSError, SafetensorError) as error:
        raise KeptFiltersError(f"{path} cannot be read as a file of kept filters: {error}") from error
    missing = [field for field in ("weights_sha256", "music") if field not in metadata]
    if missing:
        raise KeptFiltersError(f"{path} lacks metadata: {', '.join(missing)}")
    if metadata["weights_sha256"] != weights_sha256:
        raise KeptFiltersError(
            f"{path} was made for weights {metadata['weights_sha256'][:12]}, not for {weights_sha256[:12]}; "
            "make it again with `facet heads prune-tagger`"
        )
    n_kept = int(tensors["is_kept"].sum())
    shapes = {
        "is_kept": (N_FRONT_END,),
        "values": (N_FRONT_END,),
        "first": (N_RESIDUAL_FILTERS, n_kept, RESIDUAL_FRAMES),
        "hidden_weight": (N_FEATURES, 2 * (n_kept + N_CHANNELS - N_FRONT_END)),
        "hidden_bias": (N_FEATURES,),
    }
    wrong = [name for name, shape in shapes.items() if tuple(tensors[name].shape) != shape]
    if wrong or tensors["is_kept"].dtype != torch.bool:
        raise KeptFiltersError(f"{path}: {', '.join(wrong or ['is_kept'])} does not fit {n_kept} kept filters")
    return KeptFilters(**{name: each if name == "is_kept" else each.double() for name, each in tensors.items()})
