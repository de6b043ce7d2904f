"""Log-mel frames of excerpts spread over whole tracks: music to choose by, without labels. `head_commands` asks.

Decoded and computed anew at every call; frames that are trained on come from `mel_cache`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from index.audio import AudioError, ExcerptPlan
from index.decoder import Decoder
from training.clip_waveforms import clip_seconds
from training.datasets.manifest import Manifest
from training.evaluation.clip import Clip, clip_excerpts
from training.front_end import FrontEnd


class NoMusicError(Exception):
    """Not one excerpt could be had."""


@dataclass(frozen=True, eq=False)
class MusicFrames:
    """Frames of some rows.

    Attributes:
        log_mel: `(m, frames, mels)` float16.
        left_out: Paths of the rows that gave no audio, and why.
    """

    log_mel: Tensor
    left_out: tuple[tuple[str, str], ...]


def music_frames(
    manifest: Manifest,
    decoder: Decoder,
    *,
    front_end: FrontEnd,
    excerpts_per_track: int,
    watch: Callable[[int, int], None] | None = None,
) -> MusicFrames:
    """Compute the frames of excerpts, evenly spread over each row's clip.

    Args:
        manifest: Of the rows, all of which are taken.
        decoder: What decodes.
        front_end: Of the frames.
        excerpts_per_track: At most, of each row.
        watch: Called with the rows that are done, and all.

    Raises:
        NoMusicError: If there is no excerpt at all.
    """
    settings = front_end.settings
    plan = ExcerptPlan(settings.sample_rate, settings.excerpt_samples, excerpts_per_track)
    compute = front_end.plain(settings).eval()
    frames: list[Tensor] = []
    left_out: list[tuple[str, str]] = []
    for row in range(len(manifest)):
        start, duration = clip_seconds(manifest, row)
        clip = Clip(path=manifest.audio(row), start_seconds=start, duration_seconds=duration)
        try:
            for block in clip_excerpts(clip, decoder, plan, condition=None, rng=np.random.default_rng(0)):
                with torch.inference_mode():
                    frames.append(compute(torch.from_numpy(block.samples)).half())
        except (AudioError, OSError) as error:
            left_out.append((manifest.path[row], str(error)))
        if watch is not None:
            watch(row + 1, len(manifest))
    if not frames:
        reason = f"; {left_out[0][0]}: {left_out[0][1]}" if left_out else ""
        raise NoMusicError(f"not one of {len(manifest)} rows gives an excerpt of music{reason}")
    return MusicFrames(torch.cat(frames), tuple(left_out))
