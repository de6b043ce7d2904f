"""A trained musicnn becomes a faster network of the same function, for the graph in a bundle. `export` calls it.

Three rewrites, each exact in real arithmetic, so that float32 rounding is all that differs:

- Weight decay drove most front-end filters to nothing: of the 561 of the MSD network, 497 answer every input with a
  constant. Their convolutions are left out and their constants carried on.
- Convolution, ReLU, batch norm, maximum over frequency: the first two and the last commute with a batch norm whose
  scale is positive, and after a change of sign with one whose scale is negative. So the maximum is taken first, and
  the rest works on one number a frame in place of up to 96.
- The batch norm of the pooled channels and the dense layer after it are one dense layer.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.backbones.musicnn import N_CHANNELS, N_FRONT_END, RESIDUAL_FRAMES, FrontEndBranch, Musicnn

# The most that a number of the normed spectrogram differs from another: log10(10,000 mel + 1) of audio with full
# scale 1 lies in 0 .. 7, and the pretrained networks' input norm halves it.
INPUT_RANGE = 8.0

# A filter that cannot move by more than this is a constant. It is a rounding error beside its batch-normed neighbours,
# which move by about 1. In the MSD network nothing lies between 1e-8 and 1e-2.
LARGEST_CONSTANT_MOVE = 1e-7


def _scale_and_shift(norm: nn.BatchNorm1d | nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """A batch norm in evaluation mode is `scale * x + shift`, each `(channels,)` float64."""
    mean, variance = norm.get_buffer("running_mean").double(), norm.get_buffer("running_var").double()
    scale = norm.weight.double() / torch.sqrt(variance + norm.eps)
    return scale, norm.bias.double() - scale * mean


def _is_alive(branch: FrontEndBranch) -> Tensor:
    """`(filters,)`, true where the output can move: by at most |scale| * sum |kernel| * range of the input."""
    scale, _ = _scale_and_shift(branch.norm)
    reach = branch.conv.weight.double().flatten(1).abs().sum(dim=1)
    return scale.abs() * reach * INPUT_RANGE > LARGEST_CONSTANT_MOVE


class PrunedBranch(nn.Module):
    """The living filters of a front-end branch, the maximum over frequency first.

    With scale s < 0 the largest of `s * relu(x) + b` over frequency is `s * relu(min x) + b`, and `min x` is
    `-max(-x)`: the filter's sign is turned once here, its response's after the maximum.
    """

    kernel: Tensor
    bias: Tensor
    sign: Tensor
    scale: Tensor
    shift: Tensor

    @torch.no_grad()
    def __init__(self, branch: FrontEndBranch) -> None:
        super().__init__()
        alive = _is_alive(branch)
        scale, shift = (values[alive] for values in _scale_and_shift(branch.norm))
        sign = torch.where(scale < 0, -1.0, 1.0)
        self.padding = branch.padding
        self.register_buffer("kernel", branch.conv.weight[alive] * sign.float()[:, None, None, None])
        self.register_buffer("bias", branch.conv.get_parameter("bias")[alive] * sign.float())
        self.register_buffer("sign", sign.float()[:, None])
        self.register_buffer("scale", scale.float()[:, None])
        self.register_buffer("shift", shift.float()[:, None])

    def forward(self, spectrogram: Tensor) -> Tensor:
        """Turn `(batch, 1, frames, mels)` into `(batch, living filters, frames)`."""
        response = functional.conv2d(functional.pad(spectrogram, self.padding), self.kernel, self.bias)
        strongest = torch.amax(response, dim=3)
        return functional.relu(self.sign * strongest) * self.scale + self.shift


class PrunedMusicnn(nn.Module):
    """What a musicnn in evaluation mode computes, for excerpts of a fixed number of frames, without gradients.

    Where a convolution over time meets its zero padding, even constant channels do not add up to a constant, so what
    they contribute is kept for every frame.

    Raises:
        ValueError: If the network is in training mode, where batch norms depend on the batch.
    """

    kernel: Tensor
    constant: Tensor

    @torch.no_grad()
    def __init__(self, network: Musicnn, *, n_frames: int) -> None:
        super().__init__()
        if network.training:
            raise ValueError("a network in training mode cannot be pruned; call eval() first")
        branches = network.branches
        self.input_norm = network.input_norm
        self.branches = nn.ModuleList(PrunedBranch(branch) for branch in branches)
        self.first_norm = network.first.norm
        self.later = network.later
        self.hidden_norm = network.hidden_norm
        alive = torch.cat([_is_alive(branch) for branch in branches])
        constants = torch.cat([_constant(branch) for branch in branches])[~alive]
        weight, bias = network.first.conv.weight, network.first.conv.get_parameter("bias")
        self.register_buffer("kernel", weight[:, alive].contiguous())
        self.register_buffer(
            "constant",
            functional.conv1d(
                constants[None, :, None].expand(1, -1, n_frames),
                weight[:, ~alive].double(),
                bias.double(),
                padding=RESIDUAL_FRAMES // 2,
            ).float(),
        )
        self.hidden = _dense(network, alive, constants)

    def forward(self, log_mel: Tensor) -> Tensor:
        """Turn `(batch, n_frames, 96)` into the features `(batch, 200)`."""
        return self.features(self.pooled(log_mel))

    def features(self, pooled: Tensor) -> Tensor:
        """Turn what `pooled` gives into the features `(batch, 200)`."""
        features: Tensor = self.hidden_norm(functional.relu(self.hidden(pooled)))
        return features

    def pooled(self, log_mel: Tensor) -> Tensor:
        """Turn `(batch, n_frames, 96)` into maximum, then mean over time of the living channels."""
        spectrogram = self.input_norm(log_mel[:, None])
        front = torch.cat([branch(spectrogram) for branch in self.branches], dim=1)
        response = functional.conv1d(front, self.kernel, padding=RESIDUAL_FRAMES // 2) + self.constant
        layers = [self.first_norm(functional.relu(response))]
        for convolution in self.later:
            layers.append(convolution(layers[-1]) + layers[-1])
        channels = torch.cat([front, *layers], dim=1)
        return torch.cat([channels.amax(dim=2), channels.mean(dim=2)], dim=1)


def _constant(branch: FrontEndBranch) -> Tensor:
    """`(filters,)` float64: what each filter answers if its kernel counts for nothing."""
    scale, shift = _scale_and_shift(branch.norm)
    return functional.relu(branch.conv.get_parameter("bias").double()) * scale + shift


def _dense(network: Musicnn, alive: Tensor, constants: Tensor) -> nn.Linear:
    """The norm of the pooled channels and the hidden layer as one layer, over the channels that move.

    A constant channel's maximum and mean are the constant itself: it goes into the bias. The network's inputs are
    maximum and mean in turn; here all maxima come first.
    """
    scale, shift = _scale_and_shift(network.pooled_norm)
    weight = network.hidden.weight.double()
    bias = network.hidden.bias.double() + weight @ shift
    by_channel = (weight * scale).reshape(-1, N_CHANNELS, 2)
    moves = torch.cat([alive, torch.ones(N_CHANNELS - N_FRONT_END, dtype=torch.bool)])
    bias = bias + by_channel[:, ~moves].sum(dim=2) @ constants
    kept = by_channel[:, moves]
    layer = nn.Linear(2 * kept.shape[1], kept.shape[0])
    layer.weight.copy_(torch.cat([kept[:, :, 0], kept[:, :, 1]], dim=1))
    layer.bias.copy_(bias)
    return layer
