"""Log-mel frames become 200 features and tag logits. Frames come from `log_mel`, features go to the sub-space heads.

The network is Jordi Pons's musicnn, pretrained on the Million Song Dataset or on MagnaTagATune; `pretrained/` holds
the weights. `pruned_musicnn` computes the same function with a tenth of the work.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torch.nn import functional

N_MELS = 96
N_FEATURES = 200
BATCH_NORM_EPSILON = 1e-3

# Filters by (frames, mel bands) of their kernel.
TIMBRAL_KERNELS = ((7, 38), (7, 67))
N_TIMBRAL_FILTERS = 204
TEMPORAL_KERNELS = ((128, 1), (64, 1), (32, 1))
N_TEMPORAL_FILTERS = 51
N_FRONT_END = len(TIMBRAL_KERNELS) * N_TIMBRAL_FILTERS + len(TEMPORAL_KERNELS) * N_TEMPORAL_FILTERS  # 561

N_RESIDUAL_LAYERS = 3
N_RESIDUAL_FILTERS = 64
RESIDUAL_FRAMES = 7
N_CHANNELS = N_FRONT_END + N_RESIDUAL_LAYERS * N_RESIDUAL_FILTERS  # 753


class PretrainedWeightsError(Exception):
    """A weight file cannot be read, or does not fit the network."""


class FrontEndBranch(nn.Module):
    """Filters over the spectrogram, the largest response over frequency: one number a filter and frame.

    Same padding in time ((k - 1) // 2 frames before, the rest after), none in frequency.
    """

    def __init__(self, n_filters: int, kernel: tuple[int, int]) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, n_filters, kernel)
        self.norm = nn.BatchNorm2d(n_filters, eps=BATCH_NORM_EPSILON)

    @property
    def padding(self) -> tuple[int, int, int, int]:
        """Mel bands (none) and frames before and after, as `functional.pad` takes them."""
        frames = self.conv.kernel_size[0]
        before = (frames - 1) // 2
        return 0, 0, before, frames - 1 - before

    def forward(self, spectrogram: Tensor) -> Tensor:
        """Turn `(batch, 1, frames, mels)` into `(batch, filters, frames)`."""
        response = self.conv(functional.pad(spectrogram, self.padding))
        return torch.amax(self.norm(functional.relu(response)), dim=3)


class TimeConvolution(nn.Module):
    """A layer of the middle: 64 filters over 7 frames of all channels."""

    def __init__(self, n_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(n_channels, N_RESIDUAL_FILTERS, RESIDUAL_FRAMES, padding="same")
        self.norm = nn.BatchNorm1d(N_RESIDUAL_FILTERS, eps=BATCH_NORM_EPSILON)

    def forward(self, frames: Tensor) -> Tensor:
        """Turn `(batch, channels, frames)` into `(batch, 64, frames)`."""
        normed: Tensor = self.norm(functional.relu(self.conv(frames)))
        return normed


class Musicnn(nn.Module):
    """The network: 561 front-end filters, three residual layers over time, pooling, two dense layers.

    Source: J. Pons and X. Serra, "musicnn: pre-trained convolutional neural networks for music audio tagging", 2019.
    """

    def __init__(self, n_tags: int) -> None:
        super().__init__()
        self.input_norm = nn.BatchNorm2d(1, eps=BATCH_NORM_EPSILON)
        self.front_end = nn.ModuleList(
            [FrontEndBranch(N_TIMBRAL_FILTERS, kernel) for kernel in TIMBRAL_KERNELS]
            + [FrontEndBranch(N_TEMPORAL_FILTERS, kernel) for kernel in TEMPORAL_KERNELS]
        )
        self.first = TimeConvolution(N_FRONT_END)
        self.later = nn.ModuleList(TimeConvolution(N_RESIDUAL_FILTERS) for _ in range(N_RESIDUAL_LAYERS - 1))
        self.pooled_norm = nn.BatchNorm1d(2 * N_CHANNELS, eps=BATCH_NORM_EPSILON)
        self.hidden = nn.Linear(2 * N_CHANNELS, N_FEATURES)
        self.hidden_norm = nn.BatchNorm1d(N_FEATURES, eps=BATCH_NORM_EPSILON)
        self.tags = nn.Linear(N_FEATURES, n_tags)

    @property
    def branches(self) -> tuple[FrontEndBranch, ...]:
        """Of the front end, in channel order."""
        return tuple(cast(FrontEndBranch, branch) for branch in self.front_end)

    def forward(self, log_mel: Tensor) -> Tensor:
        """Turn `(batch, frames, 96)` into the features `(batch, 200)`: the last hidden layer, after its batch norm.

        `self.tags(features)` are the tag logits.
        """
        spectrogram = self.input_norm(log_mel[:, None])
        front = torch.cat([branch(spectrogram) for branch in self.branches], dim=1)
        layers = [self.first(front)]
        for convolution in self.later:
            layers.append(convolution(layers[-1]) + layers[-1])
        channels = torch.cat([front, *layers], dim=1)
        # Interleaved: maximum and mean of channel 0, then of channel 1, ...
        pooled = torch.stack([channels.amax(dim=2), channels.mean(dim=2)], dim=2).flatten(1)
        hidden = functional.relu(self.hidden(self.pooled_norm(pooled)))
        features: Tensor = self.hidden_norm(hidden)
        return features


@dataclass(frozen=True, eq=False)
class PretrainedMusicnn:
    """The network with the weights of a file, in evaluation mode.

    Attributes:
        network: Ready to use.
        tags: Of its logits, in order.
        source: Where the weights come from.
        licence: Of the weights, as an SPDX identifier.
        sha256: Of the file.
    """

    network: Musicnn
    tags: tuple[str, ...]
    source: str
    licence: str
    sha256: str


def load_musicnn(path: Path) -> PretrainedMusicnn:
    """Read a weight file: safetensors, a tensor per TensorFlow variable, tags, source and licence in the metadata.

    Raises:
        PretrainedWeightsError: If the file is missing or broken, or its tensors or metadata do not fit.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            variables = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    except (OSError, SafetensorError) as error:
        raise PretrainedWeightsError(f"{path} cannot be read as safetensors: {error}") from error
    missing = [field for field in ("tags", "source", "licence") if field not in metadata]
    if missing:
        raise PretrainedWeightsError(f"{path} lacks metadata: {', '.join(missing)}")
    tags = tuple(json.loads(metadata["tags"]))
    network = Musicnn(len(tags))
    try:
        network.load_state_dict(_state(network, variables))
    except KeyError as error:
        raise PretrainedWeightsError(f"{path} lacks the variable {error}") from error
    except RuntimeError as error:
        raise PretrainedWeightsError(f"{path} does not fit the network of {len(tags)} tags: {error}") from error
    return PretrainedMusicnn(network.eval(), tags, metadata["source"], metadata["licence"], sha256)


def _state(network: Musicnn, variables: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """TensorFlow's variables under the names and in the layouts of `network`.

    TensorFlow numbers layers of a kind in the order they were made, which is the order of our modules: conv2d,
    conv2d_1, ... It lays kernels out as (height, width, in, out) and dense weights as (in, out).
    """
    convolutions, norms, dense = -1, -1, -1
    state: dict[str, Tensor] = {}
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv1d | nn.Conv2d):
            convolutions += 1
            source = _numbered("conv2d", convolutions)
            kernel = variables[f"{source}/kernel"]
            # A convolution over time was made with the channels as width: (frames, channels, 1, filters).
            weight = kernel.permute(3, 2, 0, 1) if isinstance(module, nn.Conv2d) else kernel[:, :, 0].permute(2, 1, 0)
            state |= {f"{name}.weight": weight, f"{name}.bias": variables[f"{source}/bias"]}
        elif isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            norms += 1
            source = _numbered("batch_normalization", norms)
            state |= {
                f"{name}.weight": variables[f"{source}/gamma"],
                f"{name}.bias": variables[f"{source}/beta"],
                f"{name}.running_mean": variables[f"{source}/moving_mean"],
                f"{name}.running_var": variables[f"{source}/moving_variance"],
                f"{name}.num_batches_tracked": torch.tensor(0),
            }
        elif isinstance(module, nn.Linear):
            dense += 1
            source = _numbered("dense", dense)
            state |= {f"{name}.weight": variables[f"{source}/kernel"].T, f"{name}.bias": variables[f"{source}/bias"]}
    return state


def _numbered(kind: str, number: int) -> str:
    return kind if number == 0 else f"{kind}_{number}"
