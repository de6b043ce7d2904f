"""The waveforms of a row's excerpts, or why there are none. Rows come from a manifest, waveforms go to `mel_cache`."""

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from index.audio import SILENCE_PEAK, AudioError, AudioErrorCode, ExcerptPlan
from index.decoder import Decoder
from training.datasets.manifest import Manifest
from training.log_mel import LogMelSettings

NAMED_IN_ERRORS = 10


@dataclass(frozen=True)
class Failure:
    """Why a row has no frames.

    Attributes:
        path: As the manifest has it.
        code: One of `index.audio.AudioErrorCode`, or `missing`, or `unreadable`.
        message: For people.
    """

    path: str
    code: str
    message: str


def clip_seconds(manifest: Manifest, row: int) -> tuple[float, float | None]:
    """Where a row's clip begins, and how long it is; None to the end."""
    duration = float(manifest.duration_seconds[row])
    return float(manifest.start_seconds[row]), None if np.isnan(duration) else duration


def clip_waveforms(
    decoder: Decoder, manifest: Manifest, row: int, *, settings: LogMelSettings, most: int
) -> NDArray[np.float32] | Failure:
    """Decode the excerpts of a grid from the file's beginning that lie within a row's clip, side by side.

    Args:
        decoder: One of its processes, as soon as it is free, decodes the file.
        manifest: Of the row.
        row: Its position.
        settings: Sample rate and length of an excerpt.
        most: Excerpts taken at most, from the first on.

    Returns:
        `(n, excerpt_samples)` with n of at least 1, not all silent; or why there is nothing.

    Raises:
        DecoderStartError: If the decoder's process does not start, which is nothing that the file could have caused.
    """
    plan = ExcerptPlan(sample_rate=settings.sample_rate, excerpt_samples=settings.excerpt_samples)
    excerpt_seconds = settings.excerpt_samples / settings.sample_rate
    begin, duration = clip_seconds(manifest, row)
    # Half a sample of slack: published times are rounded.
    slack = 0.5 / settings.sample_rate
    last_start = np.inf if duration is None else begin + duration - excerpt_seconds + slack
    taken: list[NDArray[np.float32]] = []
    path = manifest.audio(row)
    try:
        with decoder.decode(path, plan) as excerpts:
            for block in excerpts:
                starts = block.starts_seconds
                # A file shorter than an excerpt is looped by the decoder: its one excerpt is its clip.
                within = (starts >= begin - slack) & ((starts <= last_start) | ((starts == 0) & (begin == 0)))
                taken.extend(block.samples[within])
                if len(taken) >= most or starts[-1] > last_start:
                    break
    except AudioError as error:
        return Failure(manifest.path[row], error.code.value, error.message)
    except FileNotFoundError:
        return Failure(manifest.path[row], "missing", f"{path} does not exist")
    except OSError as error:
        return Failure(manifest.path[row], "unreadable", os.strerror(error.errno) if error.errno else str(error))
    if not taken:
        return Failure(
            manifest.path[row],
            AudioErrorCode.TOO_SHORT.value,
            f"no whole excerpt of {excerpt_seconds:g} s lies within the clip",
        )
    waveforms = np.stack(taken[:most])
    if np.abs(waveforms).max() < SILENCE_PEAK:
        return Failure(manifest.path[row], AudioErrorCode.SILENT.value, "the excerpts to be taken are silent")
    return waveforms


def describe_failures(failures: Mapping[int, Failure]) -> str:
    """How many files failed, by code, and the first few of them."""
    codes = Counter(failure.code for failure in failures.values())
    counts = ", ".join(f"{code} {count}" for code, count in codes.most_common())
    named = [f"  {failure.code}: {failure.path}: {failure.message}" for failure in failures.values()][:NAMED_IN_ERRORS]
    rest = len(failures) - len(named)
    return "\n".join([f"{len(failures)} files give too little audio ({counts}):", *named]) + (
        f"\n  and {rest} more" if rest else ""
    )
