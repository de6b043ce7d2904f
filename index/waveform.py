"""The seam between files and excerpts: one mono waveform at the file's own sample rate, and why a file gives none.

`ffmpeg_waveform` reads nearly everything; what FFmpeg refuses, libsndfile may still read, here. `audio` opens one or
the other and cuts it into excerpts at the model's rate.
"""

import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from io import FileIO
from pathlib import Path
from typing import Protocol

import numpy as np
import soundfile
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray

Samples = NDArray[np.float32]

# 1.5 s at 44.1 kHz: few calls, little memory.
_READ_SAMPLES = 65_536

# FFmpeg's sample formats: numpy's name, and full scale.
_SAMPLE_FORMATS = {"u8": ("u1", 2**7), "s16": ("i2", 2**15), "s32": ("i4", 2**31), "flt": ("f4", 1), "dbl": ("f8", 1)}

# Longest tag kept, in characters: no title is longer, and some files carry a novel.
_TAG_CHARACTERS = 500

# What Vorbis comments, MP4, ID3v2.4 and v2.3, and RIFF call the year; that of the first release stands last, because
# players show the others.
_YEAR_TAGS = ("date", "year", "tdrc", "tyer", "icrd", "originaldate", "originalyear", "tdor", "tory")
_YEAR = re.compile(r"(?<!\d)[12]\d{3}(?!\d)")


class AudioErrorCode(StrEnum):
    """Why a file gave no excerpts. Stable: catalogues and clients keep these words."""

    NOT_AUDIO = "not_audio"
    """Nothing here recognises the file: text, an image, a playlist, a folder, an empty file, half an MP4."""
    NO_AUDIO_STREAM = "no_audio_stream"
    """A media file that holds no audio: a silent film."""
    UNDECODABLE = "undecodable"
    """The format is known, but not one sample came out."""
    TOO_SHORT = "too_short"
    """Less audio than the plan's minimum."""
    SILENT = "silent"
    """Not one excerpt reaches `audio.SILENCE_PEAK`."""
    TOO_LARGE = "too_large"
    """Over the byte limit, or it needed more memory than allowed."""
    TOO_LONG = "too_long"
    """More audio than allowed."""
    TIMED_OUT = "timed_out"
    """The decoder went longer without a result than allowed, or took longer for all of it."""
    DECODER_CRASHED = "decoder_crashed"
    """The file took the decoder's process down."""


class AudioError(Exception):
    """A file gave no excerpts: `code` says why to machines, the message to people."""

    def __init__(self, code: AudioErrorCode, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True, kw_only=True)
class AudioMetadata:
    """What a file says of itself.

    Attributes:
        title: One line of text, or None; so are `artist` and `album`.
        year: In 1000 to 2999, or None.
        duration_seconds: What the header claims, or None; once the excerpts have made it known, what is true.
        codec: FFmpeg's name, such as `mp3`, `vorbis`, `aac`, `pcm_s16le`; or libsndfile's.
        sample_rate: The file's own, in Hz.
        channels: Of the file.
    """

    title: str | None
    artist: str | None
    album: str | None
    year: int | None
    duration_seconds: float | None
    codec: str
    sample_rate: int
    channels: int

    @classmethod
    def of(
        cls, tags: Mapping[str, str], *, codec: str, sample_rate: int, channels: int, claimed_samples: int | None
    ) -> "AudioMetadata":
        """Clean what a container gave: text in any encoding, names of tags in any case.

        Args:
            tags: Bytes that are not UTF-8 are surrogates, as `surrogateescape` makes them.
            codec: Name of it.
            sample_rate: In Hz.
            channels: Of the file.
            claimed_samples: Length according to the header.
        """
        text = {name.casefold(): clean_tag(value) for name, value in tags.items()}
        years = (_YEAR.search(text.get(name, "")) for name in _YEAR_TAGS)
        return cls(
            title=text.get("title") or None,
            artist=text.get("artist") or None,
            album=text.get("album") or None,
            year=next((int(year[0]) for year in years if year), None),
            duration_seconds=None if claimed_samples is None else claimed_samples / sample_rate,
            codec=codec,
            sample_rate=sample_rate,
            channels=channels,
        )


class Waveform(Protocol):
    """One mono signal, read from left to right. Positions are samples at its own rate, from the first one decoded.

    Attributes:
        metadata: What the file says of itself.
        sample_rate: The file's own, in Hz.
        claimed_samples: Length according to the header: a hint, or None.
        position: Where the samples that `read` gave last have ended.
        decoded_samples: How many came out of the decoder so far, also those that were only passed over.
        skipped_packets: How many packets could not be decoded where audio was asked for.
    """

    metadata: AudioMetadata
    sample_rate: int
    claimed_samples: int | None
    position: int
    decoded_samples: int
    skipped_packets: int

    def read(self) -> Samples | None:
        """The next samples `(n,)`, or None at the end. They end at the new `position`: a longer step is a hole."""

    def jump(self, position: int) -> None:
        """Go where `read` begins at or before `position`, early enough to warm the decoder up."""

    def measure(self) -> int:
        """Length in samples, found without decoding where that can be trusted. Only a jump may follow."""

    def close(self) -> None:
        """Give the file back."""


def open_regular(path: Path) -> FileIO:
    """Open a file for reading, if it is one.

    Raises:
        AudioError: not_audio for anything but a regular file that is not empty.
        OSError: If it is not there or may not be read.
    """
    # Without O_NONBLOCK, opening a pipe that nobody writes to would wait for ever.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    status = os.fstat(descriptor)
    if stat.S_ISREG(status.st_mode) and status.st_size > 0:
        return FileIO(descriptor)
    os.close(descriptor)
    if status.st_size > 0 or not stat.S_ISREG(status.st_mode):
        raise AudioError(AudioErrorCode.NOT_AUDIO, f"{path.name} is no regular file; name the audio file itself")
    raise AudioError(AudioErrorCode.NOT_AUDIO, f"{path.name} is empty")


class SndfileWaveform:
    """What libsndfile reads: formats FFmpeg has no reader for, and Ogg Vorbis files that it finds fault with.

    libsndfile's binding replaces what is not UTF-8 in a tag, so that cannot be recovered here.

    Args:
        file: Is closed with the waveform.
        name: For messages.

    Raises:
        soundfile.SoundFileError: If libsndfile does not read it either, or not one sample of it.
    """

    def __init__(self, file: FileIO, name: str) -> None:
        self._name = name
        self._descriptor = file
        file.seek(0)
        self._file = soundfile.SoundFile(os.dup(file.fileno()), closefd=True)
        self.sample_rate = int(self._file.samplerate)
        self.claimed_samples: int | None = int(self._file.frames)
        self.metadata = AudioMetadata.of(
            self._file.copy_metadata(),
            codec=self._file.subtype.lower(),
            sample_rate=self.sample_rate,
            channels=self._file.channels,
            claimed_samples=self.claimed_samples,
        )
        self.position = self.decoded_samples = self.skipped_packets = 0
        if len(self._file.read(1)) == 0:
            self._file.close()
            raise soundfile.SoundFileError("there is a header, but no sample behind it")
        self._file.seek(0)

    def read(self) -> Samples | None:
        """The next samples `(n,)`, or None at the end; damage is an end."""
        try:
            channels = self._file.read(_READ_SAMPLES, dtype="float32", always_2d=True)
        except soundfile.SoundFileError:
            self.skipped_packets += 1
            return None
        if len(channels) == 0:
            return None
        self.position += len(channels)
        self.decoded_samples += len(channels)
        samples: Samples = channels.mean(axis=1, dtype=np.float32)
        return samples

    def jump(self, position: int) -> None:
        """Go to `position`: libsndfile warms its decoders up itself."""
        try:
            self.position = int(self._file.seek(min(position, self._file.frames)))
        except soundfile.SoundFileError as error:
            raise AudioError(AudioErrorCode.UNDECODABLE, f"{self._name} is damaged: {error}") from error

    def measure(self) -> int:
        """Length in samples, as libsndfile counted it when opening."""
        return int(self._file.frames)

    def close(self) -> None:
        """Give the file back."""
        self._file.close()
        self._descriptor.close()


def clean_tag(value: str) -> str:
    """One readable line. What is not UTF-8 was written by a program of western Windows, as far as one can know."""
    raw = value.encode("utf-8", "surrogateescape")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        try:
            text = raw.decode("cp1252")
        except UnicodeDecodeError:  # cp1252 leaves five bytes undefined; latin-1 none
            text = raw.decode("latin-1")
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:_TAG_CHARACTERS].rstrip()


def mono(frame: AudioFrame) -> Samples:
    """The plain mean of the channels: FFmpeg's own downmix of floats is not normalised, so stereo comes out louder.

    Returns:
        `(n,)`, full scale 1. A file of floats may go beyond, or hold what is no number.
    """
    if frame.format.packed.name not in _SAMPLE_FORMATS:
        (frame,) = AudioResampler(format="dblp").resample(frame)
    dtype, full_scale = _SAMPLE_FORMATS[frame.format.packed.name]
    count, channels = frame.samples, frame.layout.nb_channels
    # By hand, as this is done for every 20 ms or so: `to_ndarray` and `mean` take four times as long.
    if frame.format.is_planar:
        # Beyond eight channels PyAV does not know where the planes end.
        columns = [np.frombuffer(memoryview(plane), dtype, count) for plane in frame.planes[:channels]]
    else:
        columns = list(np.frombuffer(memoryview(frame.planes[0]), dtype, count * channels).reshape(count, channels).T)
    samples: Samples = columns[0].astype(np.float32)
    for column in columns[1:]:
        samples += column
    samples *= np.float32(1 / (full_scale * channels))
    if dtype == "u1":
        samples -= 1.0
    return samples


def as_frame(samples: Samples, sample_rate: int) -> AudioFrame:
    """Mono `(n,)` for FFmpeg's resampler."""
    frame = AudioFrame.from_ndarray(samples[np.newaxis], format="fltp", layout="mono")
    frame.sample_rate = sample_rate
    return frame
