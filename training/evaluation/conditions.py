"""What is done to audio before it is embedded once more: does the embedding hold when a track is coded, louder, faster?

`embedding_store` gives a clip's waveform as the bundle would hear it, mono at its rate, and embeds what comes back. So
an mp3 at 64 kbit/s is one of that waveform: kinder than the same rate spent on stereo at 44.1 kHz.
"""

import io
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import av
import numpy as np
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.filter import Graph
from numpy.typing import NDArray

from index.waveform import Samples, as_frame

# The rates of MPEG 1, 2 and 2.5, Layer III.
_MP3_RATES = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)

# A second or so at a time: few calls, small buffers.
_FRAME_SAMPLES = 16_384


@dataclass(frozen=True)
class Condition:
    """One thing that is done to audio.

    Attributes:
        name: As figures carry it, to be read after "after".
        change: Takes `(n,)` samples in [-1, 1], their rate, and randomness; gives `(m,)` samples in [-1, 1].
    """

    name: str
    change: Callable[[Samples, int, np.random.Generator], Samples]


def as_mp3(waveform: Samples, sample_rate: int, *, bits_per_second: int) -> Samples:
    """Encode as mp3 (LAME, constant bit rate) and decode again; the encoder's delay is taken out.

    Args:
        waveform: `(n,)` in [-1, 1].
        sample_rate: Any; one that mp3 does not have is brought to the next higher one and back.
        bits_per_second: One that mp3 has.

    Returns:
        `(n,)`.
    """
    coded_rate = next((rate for rate in _MP3_RATES if rate >= sample_rate), _MP3_RATES[-1])
    file = io.BytesIO()
    with av.open(file, "w", format="mp3") as container:
        stream = container.add_stream("libmp3lame", rate=coded_rate)
        stream.bit_rate = bits_per_second
        stream.layout = "mono"
        _encode(container, stream, _resampled(waveform, sample_rate, coded_rate))
    file.seek(0)
    with av.open(file, "r", format="mp3") as container:
        decoded = [frame.to_ndarray()[0] for frame in container.decode(audio=0)]
    return _of_length(_resampled(np.concatenate(decoded), coded_rate, sample_rate), len(waveform))


def with_gain(waveform: Samples, *, decibels: float) -> Samples:
    """Louder or softer; what would pass full scale is clipped, as a file clips it."""
    changed: Samples = np.clip(waveform * np.float32(10 ** (decibels / 20)), -1.0, 1.0)
    return changed


def with_pitch(waveform: Samples, sample_rate: int, *, semitones: float) -> Samples:
    """Higher or lower in pitch, as long and as fast as before: played faster, then stretched again.

    Args:
        waveform: `(n,)`.
        sample_rate: Of it.
        semitones: Up, or down if negative.

    Returns:
        `(n,)`.
    """
    # Rates are whole numbers: at 16 kHz the pitch is right to a twentieth of a hundredth of a semitone.
    played_rate = round(sample_rate * 2 ** (semitones / 12))
    changed = _filtered(
        waveform,
        sample_rate,
        ("asetrate", str(played_rate)),
        ("aresample", str(sample_rate)),
        ("atempo", repr(sample_rate / played_rate)),
    )
    return _of_length(changed, len(waveform))


def with_tempo(waveform: Samples, sample_rate: int, *, factor: float) -> Samples:
    """Faster or slower at the same pitch.

    Args:
        waveform: `(n,)`.
        sample_rate: Of it.
        factor: How much faster, in 0.5 to 2.

    Returns:
        `(n / factor,)`, rounded.
    """
    return _of_length(_filtered(waveform, sample_rate, ("atempo", repr(factor))), round(len(waveform) / factor))


def with_noise(waveform: Samples, *, decibels: float, rng: np.random.Generator) -> Samples:
    """White Gaussian noise added, its power so many decibels below that of the whole clip; clipped at full scale."""
    power = float(np.mean(np.square(waveform, dtype=np.float64)))
    noise = rng.standard_normal(len(waveform), dtype=np.float32)
    level = math.sqrt(power) * 10 ** (-decibels / 20)
    changed: Samples = np.clip(waveform + noise * np.float32(level), -1.0, 1.0)
    return changed


CONDITIONS: Mapping[str, Condition] = {
    condition.name: condition
    for condition in (
        Condition("mp3 at 64 kbit/s", lambda waveform, rate, _: as_mp3(waveform, rate, bits_per_second=64_000)),
        Condition("a gain of +6 dB", lambda waveform, _, __: with_gain(waveform, decibels=6.0)),
        Condition("a gain of -6 dB", lambda waveform, _, __: with_gain(waveform, decibels=-6.0)),
        Condition("a pitch shift of +1 semitone", lambda waveform, rate, _: with_pitch(waveform, rate, semitones=1.0)),
        Condition("a tempo change of +5 %", lambda waveform, rate, _: with_tempo(waveform, rate, factor=1.05)),
        Condition("noise at 20 dB SNR", lambda waveform, _, rng: with_noise(waveform, decibels=20.0, rng=rng)),
    )
}


def _filtered(waveform: Samples, sample_rate: int, *filters: tuple[str, str]) -> Samples:
    """What comes out of a chain of FFmpeg's filters."""
    graph = Graph()
    nodes = [graph.add_abuffer(sample_rate=sample_rate, format="fltp", layout="mono")]
    nodes += [graph.add(name, argument) for name, argument in filters]
    nodes.append(graph.add("abuffersink"))
    graph.link_nodes(*nodes).configure()
    pieces: list[NDArray[np.float32]] = []
    for start in range(0, len(waveform), _FRAME_SAMPLES):
        frame = as_frame(waveform[start : start + _FRAME_SAMPLES], sample_rate)
        frame.pts = start
        graph.push(frame)
        _pull(graph, pieces)
    graph.push(None)
    _pull(graph, pieces)
    changed: Samples = np.clip(np.concatenate([np.empty(0, np.float32), *pieces]), -1.0, 1.0)
    return changed


def _pull(graph: Graph, pieces: list[NDArray[np.float32]]) -> None:
    """Take out what there is; FFmpeg says "again" or "end" when there is no more."""
    while True:
        try:
            frame = graph.pull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return
        pieces.append(frame.to_ndarray()[0])


def _encode(container: av.container.OutputContainer, stream: AudioStream, waveform: Samples) -> None:
    for start in range(0, len(waveform), _FRAME_SAMPLES):
        frame = as_frame(waveform[start : start + _FRAME_SAMPLES], stream.rate)
        frame.pts = start
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def _resampled(waveform: Samples, from_rate: int, to_rate: int) -> Samples:
    if from_rate == to_rate:
        return waveform
    resampler = AudioResampler(format="fltp", layout="mono", rate=to_rate)
    frames = resampler.resample(as_frame(waveform, from_rate)) + resampler.resample(None)
    return np.concatenate([np.empty(0, np.float32), *(frame.to_ndarray()[0] for frame in frames)])


def _of_length(waveform: Samples, length: int) -> Samples:
    """Cut, or filled up with silence: filters and coders give some hundred samples more or less."""
    changed = np.zeros(length, dtype=np.float32)
    changed[: len(waveform)] = waveform[:length]
    return np.clip(changed, -1.0, 1.0)
