"""A row of a manifest as excerpts: its clip of the file, changed by a condition if one is asked for.

`index.decoder` gives audio, `embedding_store` embeds what comes out. A whole file as it was recorded is cut as the
service cuts it. Of anything else the waveform is put together first, in memory.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from index.audio import BLOCK_EXCERPTS, SILENCE_PEAK, AudioError, AudioErrorCode, ExcerptBlock, ExcerptPlan
from index.decoder import Decoder
from index.waveform import Samples
from training.evaluation.conditions import Condition

# The decoder gives whole excerpts, and drops what is left behind the last. Tenths of a second leave little; each is
# resampled from what lies around it, so that side by side they are the file's waveform.
_GRAINS_PER_SECOND = 10


@dataclass(frozen=True, kw_only=True)
class Clip:
    """What a manifest's row names.

    Attributes:
        path: The audio file.
        start_seconds: Where in it the clip begins.
        duration_seconds: How long it is; None to the end of the file.
    """

    path: Path
    start_seconds: float = 0.0
    duration_seconds: float | None = None

    @property
    def is_whole_file(self) -> bool:
        """Whether nothing is to be cut away."""
        return self.start_seconds == 0 and self.duration_seconds is None


def clip_excerpts(
    clip: Clip, decoder: Decoder, plan: ExcerptPlan, *, condition: Condition | None, rng: np.random.Generator
) -> Iterator[ExcerptBlock]:
    """The excerpts of a clip that a plan asks for, as if the clip were a file.

    Args:
        clip: Of a file.
        decoder: What decodes.
        plan: Which excerpts to take.
        condition: What is done to the clip's waveform before it is cut; None: nothing.
        rng: For conditions that need chance.

    Yields:
        Blocks; their starts count from the clip's beginning, after the change.

    Raises:
        AudioError: As the decoder does; too_short or silent for the clip alone.
        OSError: If the file is not there or may not be read.
    """
    if clip.is_whole_file and condition is None:
        with decoder.decode(clip.path, plan) as excerpts:
            yield from excerpts
        return
    waveform = clip_waveform(clip, decoder, plan.sample_rate)
    if len(waveform) < plan.minimum_seconds * plan.sample_rate:
        raise AudioError(
            AudioErrorCode.TOO_SHORT,
            f"{clip.path.name} has {len(waveform) / plan.sample_rate:.2f} s from {clip.start_seconds:g} s on, "
            f"at least {plan.minimum_seconds:g} s are needed",
        )
    if np.abs(waveform).max() < SILENCE_PEAK:
        raise AudioError(AudioErrorCode.SILENT, f"{clip.path.name} is silent from {clip.start_seconds:g} s on")
    if condition is not None:
        waveform = condition.change(waveform, plan.sample_rate, rng)
    starts = list(plan.starts(len(waveform)))
    if not starts:
        starts, waveform = [0], np.resize(waveform, plan.excerpt_samples)
    for first in range(0, len(starts), BLOCK_EXCERPTS):
        block = starts[first : first + BLOCK_EXCERPTS]
        yield ExcerptBlock(
            np.array(block, dtype=np.float64) / plan.sample_rate,
            np.stack([waveform[start : start + plan.excerpt_samples] for start in block]),
        )


def clip_waveform(clip: Clip, decoder: Decoder, sample_rate: int) -> Samples:
    """The samples of a clip at a rate of one's choice; silence where the file has a hole.

    Less than a tenth of a second at the end of the file may be missing: silence fills it where the clip is said to
    reach that far.

    Raises:
        AudioError: As the decoder does.
        OSError: If the file is not there or may not be read.
    """
    grain = max(1, sample_rate // _GRAINS_PER_SECOND)
    begin = round(clip.start_seconds * sample_rate)
    end = None if clip.duration_seconds is None else begin + round(clip.duration_seconds * sample_rate)
    pieces: list[tuple[int, Samples]] = []
    known_end = begin
    with decoder.decode(clip.path, ExcerptPlan(sample_rate, grain)) as grains:
        for block in grains:
            starts = np.rint(block.starts_seconds * sample_rate).astype(np.int64).tolist()
            pieces += [piece for piece in zip(starts, block.samples, strict=True) if piece[0] + grain > begin]
            known_end = max(begin, starts[-1] + grain)
            if end is not None and known_end >= end:
                break
    if end is not None and known_end > end - grain:
        known_end = end
    waveform = np.zeros(known_end - begin, dtype=np.float32)
    for start, samples in pieces:
        first, last = max(start, begin), min(start + grain, known_end)
        if first < last:
            waveform[first - begin : last - begin] = samples[first - start : last - start]
    return waveform
