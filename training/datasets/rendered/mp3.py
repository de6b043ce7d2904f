"""Sound to an MP3 file with ID3 tags, by PyAV. The last step of a rendered piece."""

from collections.abc import Mapping
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

FRAME = 1152  # samples of one MPEG-1 layer 3 frame
FULL_SCALE = 32767


def quantised(sound: NDArray[np.float64]) -> NDArray[np.int16]:
    """Full scale 1 to 16 bit, rounded; what exceeds full scale would be a mistake of the mastering.

    Raises:
        ValueError: If a sample lies outside [-1, 1].
    """
    peak = float(np.abs(sound).max())
    if peak > 1.0:
        raise ValueError(f"the sound peaks at {peak:.3f}, above full scale 1; limit it before it is written")
    return np.round(sound * FULL_SCALE).astype(np.int16)


def write_mp3(
    sound: NDArray[np.int16], path: Path, *, sample_rate: int, bit_rate: int, tags: Mapping[str, str]
) -> None:
    """Encodes with LAME, joint stereo, average bit rate. The same sound, tags and LAME give the same bytes.

    Args:
        sound: Shape (2, samples).
        path: Where to; an existing file is replaced.
        sample_rate: In Hz.
        bit_rate: Average, in bit/s. LAME cuts off the treble it cannot afford: above 11 kHz at 64,000, above 13 kHz
            at 80,000.
        tags: FFmpeg's names: title, artist, album, date, genre.
    """
    # Bit-exact muxing leaves the muxer's own version out of the file.
    with av.open(str(path), "w", format="mp3", options={"id3v2_version": "3", "fflags": "+bitexact"}) as container:
        container.metadata.update(tags)
        stream = container.add_stream("libmp3lame", rate=sample_rate, options={"abr": "1", "flags": "+bitexact"})
        stream.codec_context.layout = "stereo"
        stream.codec_context.format = "s16p"
        stream.codec_context.bit_rate = bit_rate
        for begin in range(0, sound.shape[1], FRAME):
            frame = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(sound[:, begin : begin + FRAME]), format="s16p", layout="stereo"
            )
            frame.sample_rate = sample_rate
            frame.pts = begin
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
