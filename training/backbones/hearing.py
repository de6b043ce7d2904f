"""A waveform becomes all that is known of an excerpt before anything is learnt here: taggers, rhythm, tonality.

`heads` are fitted to these features, and the bundle's graph computes them. Of the taggers nothing is trained either.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from training.backbones.pruned_musicnn import PrunedMusicnn
from training.backbones.rhythm import RhythmFeatures
from training.backbones.tagger_features import TaggerFeatures, columns_of
from training.backbones.tonality import TonalFeatures
from training.log_mel import LogMelSettings


class Hearing(nn.Module):
    """Front end, taggers, rhythm and tonality.

    Attributes:
        blocks: Name and width of each block of the features, in order.
    """

    blocks: tuple[tuple[str, int], ...]

    def __init__(
        self, front_end: nn.Module, settings: LogMelSettings, taggers: Sequence[tuple[str, PrunedMusicnn]]
    ) -> None:
        """Put the parts together.

        Args:
            front_end: From waveforms to log-mel frames: `LogMel` or `LogMelProducts`.
            settings: The front end's.
            taggers: Name and network of each, for excerpts of as many frames.
        """
        super().__init__()
        self.front_end = front_end
        self.taggers = TaggerFeatures(taggers, n_mels=settings.n_mels)
        self.rhythm = RhythmFeatures(
            n_frames=settings.n_frames, frames_per_second=settings.sample_rate / settings.hop_samples
        )
        self.tonality = TonalFeatures(sample_rate=settings.sample_rate)
        self.blocks = (*self.taggers.blocks, ("rhythm", self.rhythm.width), ("tonality", self.tonality.width))

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

    def forward(self, waveform: Tensor) -> Tensor:
        """Turn `(batch, samples)`, full scale 1, into `(batch, width)`."""
        log_mel = self.front_end(waveform)
        return torch.cat([self.taggers(log_mel), self.rhythm(log_mel), self.tonality(waveform)], dim=1)
