"""A trained musicnn becomes a faster network of the same function, for the graph in a bundle. `export` calls it.

Three rewrites, each exact in real arithmetic, so that float32 rounding is all that differs, unless filters that move
are left out on purpose (`kept_filters`):

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

from training.backbones.kept_filters import KeptFilters, moving_filters, scale_and_shift
from training.backbones.musicnn import RESIDUAL_FRAMES, FrontEndBranch, Musicnn


class PrunedBranch(nn.Module):
    """The kept filters of a front-end branch, the maximum over frequency first.

    With scale s < 0 the largest of `s * relu(x) + b` over frequency is `s * relu(min x) + b`, and `min x` is
    `-max(-x)`: the filter's sign is turned once here, its response's after the maximum.
    """

    kernel: Tensor
    bias: Tensor
    sign: Tensor
    scale: Tensor
    shift: Tensor

    @torch.no_grad()
    def __init__(self, branch: FrontEndBranch, is_kept: Tensor) -> None:
        super().__init__()
        scale, shift = (values[is_kept] for values in scale_and_shift(branch.norm))
        sign = torch.where(scale < 0, -1.0, 1.0)
        self.padding = branch.padding
        self.register_buffer("kernel", branch.conv.weight[is_kept] * sign.float()[:, None, None, None])
        self.register_buffer("bias", branch.conv.get_parameter("bias")[is_kept] * sign.float())
        self.register_buffer("sign", sign.float()[:, None])
        self.register_buffer("scale", scale.float()[:, None])
        self.register_buffer("shift", shift.float()[:, None])

    def forward(self, spectrogram: Tensor) -> Tensor:
        """Turn `(batch, 1, frames, mels)` into `(batch, kept filters, frames)`."""
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
    def __init__(self, network: Musicnn, *, n_frames: int, kept: KeptFilters | None = None) -> None:
        """Take over what is needed of a network.

        Args:
            network: In evaluation mode.
            n_frames: Of an excerpt.
            kept: Which filters to compute, and the layers that read them; None: all that move, and nothing is lost.
        """
        super().__init__()
        if network.training:
            raise ValueError("a network in training mode cannot be pruned; call eval() first")
        kept = kept or moving_filters(network)
        of_branch = torch.split(kept.is_kept, [branch.conv.out_channels for branch in network.branches])
        self.input_norm = network.input_norm
        self.branches = nn.ModuleList(
            PrunedBranch(branch, is_kept)
            for branch, is_kept in zip(network.branches, of_branch, strict=True)
            if is_kept.any()
        )
        self.first_norm = network.first.norm
        self.later = network.later
        self.hidden_norm = network.hidden_norm
        self.register_buffer("kernel", kept.first.float())
        kernel, bias = network.first.conv.weight.double(), network.first.conv.get_parameter("bias").double()
        around = _of_constants(kept.values, kernel, n_frames) - _of_constants(
            kept.values[kept.is_kept], kept.first, n_frames
        )
        self.register_buffer("constant", (around + bias[:, None]).float())
        self.hidden = nn.Linear(kept.hidden_weight.shape[1], kept.hidden_weight.shape[0])
        self.hidden.weight.copy_(kept.hidden_weight)
        self.hidden.bias.copy_(kept.hidden_bias)

    def forward(self, log_mel: Tensor) -> Tensor:
        """Turn `(batch, n_frames, 96)` into the features `(batch, 200)`."""
        return self.features(self.pooled(log_mel))

    def features(self, pooled: Tensor) -> Tensor:
        """Turn what `pooled` gives into the features `(batch, 200)`."""
        features: Tensor = self.hidden_norm(functional.relu(self.hidden(pooled)))
        return features

    def front(self, log_mel: Tensor) -> Tensor:
        """Turn `(batch, n_frames, 96)` into what the kept filters answer, `(batch, kept filters, n_frames)`."""
        spectrogram = self.input_norm(log_mel[:, None])
        return torch.cat([branch(spectrogram) for branch in self.branches], dim=1)

    def pooled(self, log_mel: Tensor) -> Tensor:
        """Turn `(batch, n_frames, 96)` into maximum, then mean over time of the channels."""
        return self.pooled_front(self.front(log_mel))

    def pooled_front(self, front: Tensor) -> Tensor:
        """Turn what `front` gives into what `pooled` gives."""
        response = functional.conv1d(front, self.kernel, padding=RESIDUAL_FRAMES // 2) + self.constant
        layers = [self.first_norm(functional.relu(response))]
        for convolution in self.later:
            layers.append(convolution(layers[-1]) + layers[-1])
        channels = torch.cat([front, *layers], dim=1)
        return torch.cat([channels.amax(dim=2), channels.mean(dim=2)], dim=1)


def _of_constants(values: Tensor, kernel: Tensor, n_frames: int) -> Tensor:
    """`(64, n_frames)` float64: what a convolution over time makes of constant channels."""
    return functional.conv1d(values[:, None].expand(-1, n_frames), kernel, padding=RESIDUAL_FRAMES // 2)
