"""Audio files made on the spot, in every format and with every fault that the tests need."""

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import soundfile
from av.audio.stream import AudioStream
from numpy.typing import NDArray

Signal = NDArray[np.float32]

RATE = 44_100


@dataclass(frozen=True)
class Format:
    """How to write one kind of file.

    Attributes:
        rate: None for that of what is written.
        clock_seconds: What its timestamps are rounded to, if not to samples.
    """

    suffix: str
    codec: str
    rate: int | None = None
    container: str | None = None
    bit_rate: int | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    muxer_options: Mapping[str, str] = field(default_factory=dict)
    clock_seconds: float = 0.0


FORMATS = {
    "wav": Format(".wav", "pcm_s16le"),
    "wav, 24 bits": Format(".wav", "pcm_s24le"),
    "wav, floats": Format(".wav", "pcm_f32le"),
    "aiff": Format(".aiff", "pcm_s16be"),
    "flac": Format(".flac", "flac"),
    "alac": Format(".m4a", "alac"),
    "vorbis": Format(".ogg", "libsndfile"),
    "flac in ogg": Format(".oga", "flac", container="ogg"),
    "opus": Format(".opus", "libopus", rate=48_000, bit_rate=128_000),
    "webm": Format(".webm", "libopus", rate=48_000, bit_rate=128_000, clock_seconds=0.001),
    "mp3, constant": Format(".mp3", "libmp3lame", bit_rate=128_000),
    "mp3, variable": Format(".mp3", "libmp3lame", options={"flags": "+qscale", "global_quality": "472"}),
    "mp3, variable without a table": Format(
        ".mp3",
        "libmp3lame",
        options={"flags": "+qscale", "global_quality": "472"},
        muxer_options={"write_xing": "0"},
    ),
    "aac": Format(".m4a", "aac", bit_rate=160_000),
    "adts": Format(".aac", "aac", container="adts", bit_rate=160_000),
    "wma": Format(".wma", "wmav2", bit_rate=160_000, clock_seconds=0.001),
    "ac3": Format(".ac3", "ac3", bit_rate=192_000),
    "wavpack": Format(".wv", "wavpack"),
}


def music(seconds: float, *, rate: int = RATE, channels: int = 2, seed: int = 0) -> Signal:
    """`(channels, n)`: noise that changes its colour and level all the time, so that each moment is like no other.

    Quiet for the first half: an encoder of variable rate spends fewer bits on it, and misjudges the length by it.
    """
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate)) / rate
    noise = rng.standard_normal((channels, len(time)))
    # Nothing above 6 kHz or so: encoders cut that away, and resamplers treat it each in its own way.
    kernel = np.hanning(15) / np.hanning(15).sum()
    coloured = np.stack([np.convolve(np.convolve(one, kernel, "same"), kernel, "same") for one in noise])
    envelope = (0.6 + 0.4 * np.sin(2 * np.pi * 0.7 * time)) * np.where(time < seconds / 2, 0.1, 1.0)
    tone = 0.15 * np.sin(2 * np.pi * (220 * time + 3 * time**2))
    return ((0.5 * coloured + tone) * envelope).astype(np.float32)


def write(path: Path, signal: Signal, kind: Format, *, rate: int = RATE, tags: Mapping[str, str] | None = None) -> Path:
    """Encode `signal` `(channels, n)`, sampled at `rate`."""
    if kind.codec == "libsndfile":
        return _write_vorbis(path, signal, rate, tags or {})
    layout = {1: "mono", 2: "stereo", 6: "5.1"}[len(signal)]
    with av.open(str(path), "w", format=kind.container, options=dict(kind.muxer_options)) as container:
        container.metadata.update(tags or {})
        stream = container.add_stream(kind.codec, rate=kind.rate or rate, options=dict(kind.options))
        assert isinstance(stream, AudioStream)
        stream.layout = layout
        if kind.bit_rate:
            stream.bit_rate = kind.bit_rate
        resampler = av.AudioResampler(stream.format, layout, stream.rate)
        for first in range(0, signal.shape[1], rate):
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(signal[:, first : first + rate]), "fltp", layout)
            frame.sample_rate, frame.pts, frame.time_base = rate, first, Fraction(1, rate)
            for part in resampler.resample(frame):
                container.mux(stream.encode(part))
        for part in resampler.resample(None):
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    return path


def _write_vorbis(path: Path, signal: Signal, rate: int, tags: Mapping[str, str]) -> Path:
    with soundfile.SoundFile(path, "w", rate, len(signal), format="OGG", subtype="VORBIS") as file:
        for name, value in tags.items():
            setattr(file, name, value)
        for first in range(0, signal.shape[1], 4096):
            file.write(signal[:, first : first + 4096].T)
    return path


def with_page_checksums(ogg: bytes) -> bytes:
    """An Ogg file whose pages were tampered with, their checksums made right again."""
    pages = bytearray(ogg)
    at = 0
    while at < len(pages):
        segments = pages[at + 26]
        end = at + 27 + segments + sum(pages[at + 27 : at + 27 + segments])
        pages[at + 22 : at + 26] = bytes(4)
        pages[at + 22 : at + 26] = struct.pack("<I", _ogg_crc(bytes(pages[at:end])))
        at = end
    return bytes(pages)


def _ogg_crc(page: bytes) -> int:
    crc = 0
    for byte in page:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1) ^ (0x104C11DB7 if crc & 0x80000000 else 0)
    return crc


def page_starts(ogg: bytes) -> list[int]:
    """Where the pages of an Ogg file begin."""
    starts = [0]
    while (start := ogg.find(b"OggS", starts[-1] + 4)) > 0:
        starts.append(start)
    return starts
