"""The first step of answering: any audio file -> mono float32 excerpts at the model's sample rate, and its tags.

A path comes from ingest, a query or a data set; blocks of excerpts go to `model`. The file becomes a `waveform` at its
own rate first (FFmpeg's, or libsndfile's where FFmpeg refuses). Each excerpt is resampled by itself
(`resampled_waveform`), so it is the same whether the decoder went through the whole file or was sent to the spot. All
of it happens in the calling process, lazily: memory stays flat however long the file is. For strangers' files there is
`decoder`.
"""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import numpy as np
import soundfile
from numpy.typing import NDArray

from index.ffmpeg_waveform import PREROLL_SECONDS, FFmpegWaveform
from index.resampled_waveform import ResampledWaveform
from index.waveform import (
    AudioError,
    AudioErrorCode,
    AudioMetadata,
    Samples,
    SndfileWaveform,
    Waveform,
    open_regular,
)

__all__ = [
    "BLOCK_EXCERPTS",
    "SILENCE_PEAK",
    "AudioError",
    "AudioErrorCode",
    "AudioExcerpts",
    "AudioMetadata",
    "ExcerptBlock",
    "ExcerptPlan",
    "Excerpts",
    "open_audio",
]

# 16 excerpts of 3 s at 16 kHz are 3 MB.
BLOCK_EXCERPTS = 16

# -80 dBFS. The dither of 16-bit audio peaks at one or two of its steps of 2^-15, which is -84 dBFS at most; whatever is
# meant to be heard peaks far above.
SILENCE_PEAK = 1e-4

# From below the telephone's to DSD1024's. A damaged header may claim 1 Hz, and with it days of audio.
_SAMPLE_RATES = range(1_000, 5_644_801)


@dataclass(frozen=True)
class ExcerptPlan:
    """Which excerpts to take of a track.

    Attributes:
        sample_rate: Of the excerpts, in Hz: the model's.
        excerpt_samples: Length of one, at that rate.
        excerpts_per_track: How many, evenly spread: each in the middle of one of as many equal segments. A track that
            does not hold so many without overlap gives as many as it holds. None takes every one, side by side.
        minimum_seconds: A file shorter than one excerpt but not shorter than this is repeated until it fills one, as a
            sampler loops a drum hit; silence behind it would be heard as part of it. Below this it is `too_short`.

    Raises:
        ValueError: If a number is not positive.
    """

    sample_rate: int
    excerpt_samples: int
    excerpts_per_track: int | None = None
    minimum_seconds: float = 0.5

    def __post_init__(self) -> None:
        numbers = (self.sample_rate, self.excerpt_samples, self.excerpts_per_track, self.minimum_seconds)
        if any(number is not None and not number > 0 for number in numbers):
            raise ValueError(f"every number of a plan must be positive, found {self}")

    def starts(self, track_samples: int) -> Iterable[int]:
        """Where the excerpts of a track begin, ascending, without overlap; all at `sample_rate`."""
        whole = track_samples // self.excerpt_samples
        if self.excerpts_per_track is None:
            return range(0, whole * self.excerpt_samples, self.excerpt_samples)
        count = min(self.excerpts_per_track, whole)
        # Segment i of n has its middle at (2i + 1) / 2n of the track.
        return [(2 * i + 1) * track_samples // (2 * count) - self.excerpt_samples // 2 for i in range(count)]


@dataclass(frozen=True, eq=False)
class ExcerptBlock:
    """Up to `BLOCK_EXCERPTS` excerpts.

    Attributes:
        starts_seconds: `(n,)` float64 from the beginning of the track: exact to a sample of the plan's rate, as far as
            the file's clock goes; Matroska's and ASF's count milliseconds.
        samples: `(n, excerpt_samples)` float32 in [-1, 1].
    """

    starts_seconds: NDArray[np.float64]
    samples: NDArray[np.float32]


class Excerpts(Protocol):
    """The excerpts of an open file, to be iterated once. `open_audio` and `decoder` both give them."""

    @property
    def metadata(self) -> AudioMetadata:
        """What the file says of itself. Its duration is the measured one when the iteration is through."""

    @property
    def skipped_packets(self) -> int:
        """Packets that could not be decoded so far."""

    @property
    def decoded_seconds(self) -> float:
        """Audio that came out of the decoder so far: what the excerpts cost."""

    def __iter__(self) -> Iterator[ExcerptBlock]:
        """Blocks from the beginning of the track to its end.

        Raises:
            AudioError: too_short, or silent. Silence is certain only at the end: blocks of a file with more than
                `BLOCK_EXCERPTS` have been given by then, and count for nothing.
        """


def open_audio(path: Path, plan: ExcerptPlan, *, jumps: bool = True) -> "AudioExcerpts":
    """Open any audio file, whatever its name ends in.

    Args:
        path: A regular file.
        plan: Which excerpts to take.
        jumps: Whether what lies between a few excerpts may be passed over. Without, everything is decoded: slower, and
            the same but for what a lossy decoder still remembers after a second.

    Returns:
        Its `Excerpts`, a context manager.

    Raises:
        AudioError: not_audio, no_audio_stream or undecodable.
        OSError: If the file is not there or may not be read.
    """
    file = open_regular(path)
    try:
        try:
            waveform: Waveform = FFmpegWaveform(file, path.name, jumps=jumps)
        except AudioError as refusal:
            if refusal.code is AudioErrorCode.NO_AUDIO_STREAM:
                raise
            try:
                waveform = SndfileWaveform(file, path.name)
            except soundfile.SoundFileError:
                raise refusal from None
        if waveform.sample_rate not in _SAMPLE_RATES:
            raise AudioError(
                AudioErrorCode.UNDECODABLE, f"{path.name} claims a sample rate of {waveform.sample_rate:,} Hz: damaged"
            )
    except BaseException:
        file.close()
        raise
    return AudioExcerpts(waveform, plan, name=path.name)


class AudioExcerpts:
    """The `Excerpts` of a waveform: plans them, takes each, and hears whether any is more than silence."""

    def __init__(self, waveform: Waveform, plan: ExcerptPlan, *, name: str) -> None:
        self._waveform = waveform
        self._resampled = ResampledWaveform(waveform, plan.sample_rate)
        self._plan = plan
        self._name = name

    @property
    def metadata(self) -> AudioMetadata:
        """What the file says of itself, and the measured duration once that is known."""
        metadata, length = self._waveform.metadata, self._resampled.length
        if length is None:
            return metadata
        return replace(metadata, duration_seconds=length / self._waveform.sample_rate)

    @property
    def skipped_packets(self) -> int:
        """Packets that could not be decoded so far."""
        return self._waveform.skipped_packets

    @property
    def decoded_seconds(self) -> float:
        """Audio that came out of the decoder so far: what the excerpts cost."""
        return self._waveform.decoded_samples / self._waveform.sample_rate

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Give the file back."""
        self._waveform.close()

    def __iter__(self) -> Iterator[ExcerptBlock]:
        """Blocks from the beginning of the track to its end, as `Excerpts` says."""
        audible = False
        block: list[tuple[int, Samples]] = []
        for start, samples in self._excerpts():
            # The last block is held back until it is known that the track is not silent.
            if len(block) == BLOCK_EXCERPTS:
                yield self._block(block)
                block = []
            block.append((start, samples))
            audible = audible or bool(np.abs(samples).max() >= SILENCE_PEAK)
        if not audible:
            raise AudioError(
                AudioErrorCode.SILENT, f"{self._name} is silent: no peak reaches {SILENCE_PEAK:g} of full scale"
            )
        yield self._block(block)

    def _block(self, excerpts: list[tuple[int, Samples]]) -> ExcerptBlock:
        starts, samples = zip(*excerpts, strict=True)
        return ExcerptBlock(np.array(starts) / self._plan.sample_rate, np.stack(samples))

    def _excerpts(self) -> Iterator[tuple[int, Samples]]:
        """Start and samples, both at the plan's rate."""
        plan, resampled = self._plan, self._resampled
        starts: Iterable[int] = itertools.count(0, plan.excerpt_samples)
        if plan.excerpts_per_track is not None:
            excerpt_seconds = plan.excerpt_samples / plan.sample_rate
            # Twice what the excerpts and the jumps to them would decode.
            length = resampled.measure(hold_seconds=2 * plan.excerpts_per_track * (excerpt_seconds + PREROLL_SECONDS))
            starts = plan.starts(resampled.resampled_count(length))
        given = 0
        while given == 0:
            planned_length = resampled.length
            for start in starts:
                samples = resampled.take(start, plan.excerpt_samples)
                length_now = resampled.length
                if length_now is not None and start + len(samples) > resampled.resampled_count(length_now):
                    break
                # What lies wholly in a hole is not there, rather than silent.
                if resampled.is_found:
                    given += 1
                    yield start, samples
            if given == 0:
                if planned_length is None or resampled.length is None or resampled.length >= planned_length:
                    given += 1
                    yield 0, self._looped()
                else:
                    # The file claimed more than there is, and all of the excerpts lay behind its end.
                    starts = plan.starts(resampled.resampled_count(resampled.length))

    def _looped(self) -> Samples:
        """The one excerpt of a track shorter than an excerpt."""
        length = self._resampled.length or 0
        seconds = length / self._waveform.sample_rate
        if seconds < self._plan.minimum_seconds:
            raise AudioError(
                AudioErrorCode.TOO_SHORT,
                f"{self._name} lasts {seconds:.2f} s, at least {self._plan.minimum_seconds:g} s are needed",
            )
        count = min(max(1, self._resampled.resampled_count(length)), self._plan.excerpt_samples)
        whole = self._resampled.take(0, count)
        return np.resize(whole, self._plan.excerpt_samples)
