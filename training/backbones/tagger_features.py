"""Log-mel frames become all that two taggers know of an excerpt. Frames come from `log_mel`, features go to `heads`.

A tagger's last layer keeps what its tags need. What tells instruments, rooms and players apart is found before it: in
the channels of its convolutions, pooled over time. So the features are those of every depth, side by side: the spectrum
itself, each tagger's pooled channels, each tagger's last hidden layer.
"""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from training.backbones.musicnn import N_FEATURES
from training.backbones.pruned_musicnn import PrunedMusicnn


class TaggerFeatures(nn.Module):
    """Frozen musicnns side by side, each in its fast form.

    Attributes:
        blocks: Name and width of each block of the features, in order.
    """

    blocks: tuple[tuple[str, int], ...]

    def __init__(self, taggers: Sequence[tuple[str, PrunedMusicnn]], *, n_mels: int) -> None:
        """Take the taggers' convolutions and hidden layers.

        Args:
            taggers: Name and network of each. One that keeps few filters has as few pooled channels.
            n_mels: Bands of a frame.
        """
        super().__init__()
        self.networks = nn.ModuleList(network for _, network in taggers)
        blocks = [("spectrum", 2 * n_mels)]
        for name, network in taggers:
            blocks += [(f"{name} pooled", network.hidden.in_features), (f"{name} hidden", N_FEATURES)]
        self.blocks = tuple(blocks)

    @property
    def width(self) -> int:
        """Of the features."""
        return sum(width for _, width in self.blocks)

    def columns(self, block: str) -> slice:
        """Where a block stands in the features.

        Raises:
            KeyError: If there is no such block.
        """
        return columns_of(self.blocks, block)

    def forward(self, log_mel: Tensor) -> Tensor:
        """Turn `(batch, n_frames, n_mels)` into `(batch, width)`: mean and deviation of each band, then the taggers."""
        mean = log_mel.mean(dim=1)
        # Not `std`: the exporter has no operator for it.
        deviation = (log_mel - mean[:, None]).square().mean(dim=1).sqrt()
        features = [mean, deviation]
        for module in self.networks:
            network = cast(PrunedMusicnn, module)
            pooled = network.pooled(log_mel)
            features += [pooled, network.features(pooled)]
        return torch.cat(features, dim=1)


def columns_of(blocks: Sequence[tuple[str, int]], block: str) -> slice:
    """Where a block stands among blocks side by side, each given by name and width.

    Raises:
        KeyError: If there is no such block.
    """
    start = 0
    for name, width in blocks:
        if name == block:
            return slice(start, start + width)
        start += width
    raise KeyError(block)
