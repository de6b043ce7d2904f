"""A file's outline: the loudest sample in each of some hundred parts of equal length. Decoded in a child process.

The whole file is decoded, at a low rate: that is what takes long, so `kept` keeps what came out.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from index.audio import AudioError, AudioErrorCode, ExcerptPlan
from index.decoder import Decoder

Peaks = NDArray[np.uint8]

# More than a row has pixels to show on a telephone, fewer than on a desk.
PEAKS = 400
# Above the band where music is loudest; a peak at this rate is that at 44.1 kHz less what cymbals add.
SAMPLE_RATE = 8000
# The decoder gives excerpts side by side and drops what does not fill the last one: a hundredth is not seen.
EXCERPTS = 100
FULL_SCALE = 255


def measured_peaks(decoder: Decoder, path: Path, *, duration_seconds: float) -> Peaks:
    """The outline of a file.

    Args:
        decoder: Whose child decodes it.
        path: Of a file.
        duration_seconds: About how long it is.

    Returns:
        `(PEAKS,)`, from silence to the loudest sample of the file as 0 to 255: a quiet record looks like a loud one.

    Raises:
        AudioError: If it gives no sound; silence is a flat line, and no error.
        OSError: If the file is not there or may not be read.
    """
    excerpt_samples = max(8, round(duration_seconds * SAMPLE_RATE / EXCERPTS))
    plan = ExcerptPlan(SAMPLE_RATE, excerpt_samples, minimum_seconds=1 / SAMPLE_RATE)
    per_excerpt = PEAKS // EXCERPTS
    found: list[NDArray[np.float32]] = []
    try:
        with decoder.decode(path, plan) as excerpts:
            for block in excerpts:
                parts = np.array_split(np.abs(block.samples), per_excerpt, axis=1)
                found.append(np.stack([part.max(axis=1) for part in parts], axis=1).ravel())
    except AudioError as error:
        if error.code is not AudioErrorCode.SILENT:
            raise
        return np.zeros(PEAKS, np.uint8)
    whole = np.nan_to_num(np.concatenate(found))
    # The plan went by what the file claims; what it holds may be a little more or less.
    outline = np.interp(np.linspace(0, len(whole) - 1, PEAKS), np.arange(len(whole)), whole)
    loudest = max(float(outline.max()), 1e-9)
    return (outline / loudest * FULL_SCALE).round().astype(np.uint8)
