"""The paper's backbone: log-mel frames of `paper_log_mel` become features for `embedding`.

A stem, then six blocks that each halve frames and mel bands: 129 x 128 -> 64 -> 32 -> 16 -> 8 -> 4 -> 2 -> 1. The paper
writes a dense layer of 256 after them; that one is `embedding`'s, as the models differ in it.

Source: Lee et al., ISMIR 2020, section 4: a 5 x 5 convolution of 64 filters, 2 x 2 max-pooling, six Inception blocks,
each a naive module with stride 2 and a module with dimension reduction and 256 outputs; ReLU everywhere.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

N_BLOCKS = 6

# Processors compute eight or sixteen channels at a time, so twelve cost as much as sixteen. At width 1 every layer of
# the paper is a multiple of eight.
CHANNEL_MULTIPLE = 8


class Convolution(nn.Module):
    """A convolution with zero padding that keeps the size ("same"), batch norm if wanted, ReLU."""

    def __init__(self, n_in: int, n_out: int, *, kernel: int, stride: int = 1, batch_norm: bool) -> None:
        super().__init__()
        # A batch norm takes any bias off again, and has its own.
        self.conv = nn.Conv2d(n_in, n_out, kernel, stride=stride, padding=kernel // 2, bias=not batch_norm)
        self.norm = nn.BatchNorm2d(n_out) if batch_norm else nn.Identity()

    def forward(self, maps: Tensor) -> Tensor:
        """Turn `(batch, n_in, frames, mels)` into `(batch, n_out, frames / stride, mels / stride)`."""
        return functional.relu(self.norm(self.conv(maps)))


class StrideModule(nn.Module):
    """The naive module: three branches side by side, each with stride 2 in its last layer.

    All three have their windows centred on cells 0, 2, 4, ...: padding is the same before and after, also for the
    pooling, whose padding never wins.
    """

    def __init__(self, n_in: int, *, width: float, batch_norm: bool) -> None:
        super().__init__()
        n_single, n_narrow, n_wide = (scaled_channels(channels, width) for channels in (48, 64, 96))
        self.single = Convolution(n_in, n_single, kernel=1, batch_norm=batch_norm)
        self.deep = nn.Sequential(
            Convolution(n_in, n_narrow, kernel=1, batch_norm=batch_norm),
            Convolution(n_narrow, n_wide, kernel=3, batch_norm=batch_norm),
            Convolution(n_wide, n_wide, kernel=3, stride=2, batch_norm=batch_norm),
        )
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)
        self.n_out = n_single + n_wide + n_in

    def forward(self, maps: Tensor) -> Tensor:
        """Turn `(batch, n_in, frames, mels)` into `(batch, n_out, frames / 2, mels / 2)`, rounded up."""
        # A 1 x 1 kernel with stride 2 sees every second cell and no other: they are taken out first. Asked for the
        # stride, torch 2.14 on a CPU writes outside its buffers in the backward pass of few channels in channels_last.
        return torch.cat([self.single(maps[:, :, ::2, ::2]), self.deep(maps), self.pool(maps)], dim=1)


class ReductionModule(nn.Module):
    """The module with dimension reduction: 1 x 1 convolutions before the large ones, and four branches side by side."""

    def __init__(self, n_in: int, *, width: float, batch_norm: bool) -> None:
        super().__init__()
        n_pooled, n_reduced, n_narrow, n_wide = (scaled_channels(channels, width) for channels in (32, 48, 64, 96))
        self.single = Convolution(n_in, n_narrow, kernel=1, batch_norm=batch_norm)
        self.broad = nn.Sequential(
            Convolution(n_in, n_reduced, kernel=1, batch_norm=batch_norm),
            Convolution(n_reduced, n_narrow, kernel=5, batch_norm=batch_norm),
        )
        self.deep = nn.Sequential(
            Convolution(n_in, n_narrow, kernel=1, batch_norm=batch_norm),
            Convolution(n_narrow, n_wide, kernel=3, batch_norm=batch_norm),
            Convolution(n_wide, n_wide, kernel=3, batch_norm=batch_norm),
        )
        self.pooled = nn.Sequential(
            nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False),
            Convolution(n_in, n_pooled, kernel=1, batch_norm=batch_norm),
        )
        self.n_out = n_narrow + n_narrow + n_wide + n_pooled

    def forward(self, maps: Tensor) -> Tensor:
        """Turn `(batch, n_in, frames, mels)` into `(batch, n_out, frames, mels)`."""
        return torch.cat([self.single(maps), self.broad(maps), self.deep(maps), self.pooled(maps)], dim=1)


class Inception(nn.Module):
    """The paper's backbone up to the features under its last dense layer.

    At width 1: 2,731,072 weights of kernels, 9,344 of batch norms (or 4,672 biases), 0.854 billion multiplications an
    excerpt, and 256 features.

    Attributes:
        n_features: Numbers in a feature vector.
    """

    def __init__(self, *, width: float = 1.0, batch_norm: bool = True, generator: torch.Generator) -> None:
        """Build the network with He-uniform kernels and zero biases.

        Args:
            width: Multiplies the channels of every layer; rounded to eights, never below eight.
            batch_norm: Between convolution and ReLU. The paper does not say whether it has them.
            generator: Of the first weights.

        Raises:
            ValueError: If the width is not positive.
        """
        super().__init__()
        if not width > 0:
            raise ValueError(f"width is {width}, expected a positive factor; 1 is the paper's network")
        n_stem = scaled_channels(64, width)
        self.stem = nn.Sequential(Convolution(1, n_stem, kernel=5, batch_norm=batch_norm), nn.MaxPool2d(2))
        blocks: list[nn.Module] = []
        n_in = n_stem
        for _ in range(N_BLOCKS):
            stride_module = StrideModule(n_in, width=width, batch_norm=batch_norm)
            reduction_module = ReductionModule(stride_module.n_out, width=width, batch_norm=batch_norm)
            blocks += [stride_module, reduction_module]
            n_in = reduction_module.n_out
        self.blocks = nn.Sequential(*blocks)
        self.n_features = n_in
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_uniform_(module.weight, nonlinearity="relu", generator=generator)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, log_mel: Tensor) -> Tensor:
        """Turn `(batch, frames, mels)` into the features `(batch, n_features)`, none negative.

        The paper's 129 x 128 end as a single cell. Of longer or shorter excerpts, what is left at the end is averaged.
        """
        maps: Tensor = self.blocks(self.stem(log_mel[:, None]))
        return maps.mean(dim=(2, 3))


def scaled_channels(channels: int, width: float) -> int:
    """A layer's channels at a width: the nearest multiple of eight (halves go up), at least eight."""
    return CHANNEL_MULTIPLE * max(1, int(channels * width / CHANNEL_MULTIPLE + 0.5))
