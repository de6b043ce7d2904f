"""What FFmpeg reads, as one mono waveform: decoded in order, or passed over in the cheapest way that can be trusted.

`ffmpeg_container` gives the packets; `audio` opens the waveform and cuts it into excerpts. A packet that cannot be
decoded is skipped, as in FFmpeg's own tools, and counted.
"""

import itertools
from collections import deque
from collections.abc import Iterable, Iterator
from enum import Enum
from io import FileIO

import av.error
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.packet import Packet

from index.ffmpeg_container import FFmpegContainer
from index.waveform import AudioError, AudioErrorCode, AudioMetadata, Samples, as_frame, mono

# Bit reservoirs (MP3, WMA), overlapping windows (Vorbis, AAC) and prediction (Opus, 80 ms) need audio before a jump's
# target to decode it right. A second is more than any of them asks for, and costs a few milliseconds.
PREROLL_SECONDS = 1.0

# Timestamps are rounded to milliseconds in some containers, and FFmpeg's of Vorbis are a block off now and then, of up
# to 8,192 samples. A frame within this of where the last one ended follows it; more is a hole, where packets were lost.
JITTER_SECONDS = 0.25

# A longer step is no lost packet but a broken clock: it is passed over, else a few bytes could claim years.
LONGEST_HOLE_SECONDS = 10.0

# Frames whose times tell where a waveform begins, or continues behind a seek; that is known so long before its target.
_SETTLING_FRAMES = 32
_SETTLED_SECONDS = 0.2

# The ends that a header and the packets tell may differ by the codec's priming and padding.
PADDING_SECONDS = 0.1


class _Way(Enum):
    """How audio that nobody asked for is passed over; the first that can be trusted."""

    SEEK = "ask the container"
    SKIM = "read every packet, decode those needed"
    DECODE = "decode everything, as packets' times do not run forwards"


class FFmpegWaveform:
    """A `Waveform` decoded by FFmpeg.

    Args:
        file: A regular file; closed with the waveform.
        name: For messages.
        jumps: Whether audio may be passed over without decoding it.

    Raises:
        AudioError: not_audio, no_audio_stream or undecodable.
    """

    def __init__(self, file: FileIO, name: str, *, jumps: bool = True) -> None:
        self._file = file
        self._name = name
        self._start = self._first_position = 0
        self.decoded_samples = 0
        self._resamplers: dict[int, AudioResampler] = {}
        self._open()
        first = self._next_frame()
        if first is None:
            self._container.close()
            raise AudioError(AudioErrorCode.UNDECODABLE, f"{name}: not one sample of its audio could be decoded")
        self.sample_rate = first.sample_rate
        # What comes before the stream's start is priming that FFmpeg leaves in: it gets positions below 0.
        opening = [first]
        self._start = self._origin = max(first.pts or 0, self._container.stream.start_time or 0)
        if first.pts is not None and first.pts < self._start:
            opening += itertools.islice(iter(self._next_frame, None), _SETTLING_FRAMES)
            self._first_position = self.position = self._beginning(opening) or 0
        self._frames.extendleft(reversed(opening))
        self.claimed_samples = self._container.claimed_samples(self.sample_rate)
        self._way = self._trusted_way() if jumps else _Way.DECODE
        self.metadata = AudioMetadata.of(
            self._container.tags,
            codec=self._codec.codec.canonical_name,
            sample_rate=self.sample_rate,
            channels=first.layout.nb_channels,
            claimed_samples=self.claimed_samples,
        )

    def _open(self) -> None:
        self._container = FFmpegContainer(self._file, self._name)
        self._codec = self._container.codec
        self._time_base = self._container.time_base
        self._packets = self._demux()
        self._frames: deque[AudioFrame] = deque()
        self._skip_before: int | None = None
        self._origin = self._start
        self.position = self._first_position
        self.skipped_packets = 0

    def _trusted_way(self) -> _Way:
        if self._container.is_seekable:
            return _Way.SEEK
        # Where packets are counted, a packet must last a whole number of ticks, or the rounding adds up (AC-3).
        whole_ticks = (1 / (self._time_base * self.sample_rate)).denominator == 1
        return _Way.SKIM if whole_ticks else _Way.DECODE

    def _rewind(self) -> None:
        # Not every format can be sought back to its beginning; opening takes less than a millisecond.
        self._container.close()
        self._open()

    def close(self) -> None:
        """Give the file back."""
        self._container.close()
        self._file.close()

    def read(self) -> Samples | None:
        """The next frame as mono `(n,)`, or None at the end."""
        frame = self._next_frame()
        if frame is None:
            return None
        if frame.pts is not None:
            step = self._place(frame.pts) - self.position
            jitter = JITTER_SECONDS * self.sample_rate
            if jitter < step <= LONGEST_HOLE_SECONDS * self.sample_rate:
                self.position += step
            elif abs(step) > jitter:
                # A broken clock, or the next song of chained Ogg files. Go on from here; trust times no longer.
                self._origin += round(step / self.sample_rate / self._time_base)
                self._way = _Way.DECODE
        samples = self._at_own_rate(frame)
        self.position += len(samples)
        self.decoded_samples += len(samples)
        return samples

    def jump(self, position: int) -> None:
        """Go to a second before `position`, or to the beginning: seek, else skim, else decode on."""
        landing = max(0, position - round(PREROLL_SECONDS * self.sample_rate))
        if self._way is _Way.SEEK:
            if self._seek(landing) and self._settle(position) and self.position <= position:
                return
            self._way = _Way.SKIM
            self._rewind()
        elif self.position > landing:
            self._rewind()
        if self._way is _Way.SKIM:
            self._codec.flush_buffers()
            self._frames.clear()
            self._skip_before = landing
            if not self._settle(position):
                self.position = landing
            elif self.position > position + LONGEST_HOLE_SECONDS * self.sample_rate:
                # Where the audio was to be, the clock jumps.
                self._way = _Way.DECODE
                self._rewind()

    def measure(self) -> int:
        """Length in samples to within a packet: from the last packets, else from all, else by decoding everything."""
        end = None
        claimed = self.claimed_samples
        if self._way is _Way.SEEK and claimed and not self._container.is_chained():
            tail = max(0, claimed - round(PREROLL_SECONDS * self.sample_rate))
            end = self._end_of_packets() if self._seek(tail) else None
        if end is None and self._way is not _Way.DECODE:
            self._rewind()
            end = self._end_of_packets()
        if end is None:
            self._way = _Way.DECODE
            self._rewind()
            while self.read() is not None:
                pass
            end = self.position
        elif claimed and abs(end - claimed) < PADDING_SECONDS * self.sample_rate:
            # The header may count the priming, the packets the padding.
            end = min(end, claimed)
        self.position = end
        return end

    def _demux(self) -> Iterator["Packet[AudioStream] | None"]:
        """Packets in order, at last an empty one or None that drains the decoder. Damage in the container is an end."""
        try:
            yield from self._container.packets()
        except MemoryError:
            raise
        except av.error.FFmpegError:
            self.skipped_packets += 1
            yield None

    def _next_frame(self) -> AudioFrame | None:
        while not self._frames:
            try:
                packet = next(self._packets)
            except StopIteration:
                return None
            if self._skip_before is not None and packet is not None and packet.pts is not None:
                if self._place(packet.pts) < self._skip_before:
                    continue
                self._skip_before = None
            if packet is not None and packet.size == 0 and packet.pts is not None:
                # Some Ogg files end in a packet without content. The one without a time is PyAV's, and drains.
                continue
            try:
                self._frames.extend(self._codec.decode(packet))
            except MemoryError:
                raise
            except av.error.FFmpegError:
                self.skipped_packets += 1
        return self._frames.popleft()

    def _seek(self, position: int) -> bool:
        """Ask the container to go to `position` or before it; whether it did is for the next packet to tell."""
        if not self._container.seek(self._start + round(position / self.sample_rate / self._time_base)):
            return False
        self._packets = self._demux()
        self._frames.clear()
        return True

    def _settle(self, position: int) -> bool:
        """Decode the pre-roll, nearly to `position`, and find out where that is. False if no frame knows its time."""
        before = self.skipped_packets
        latest: deque[AudioFrame] = deque(maxlen=_SETTLING_FRAMES)
        settled = position - _SETTLED_SECONDS * self.sample_rate
        while (frame := self._next_frame()) is not None:
            latest.append(frame)
            if frame.pts is not None and self._place(frame.pts) + frame.samples > settled:
                self._frames.appendleft(frame)
                break
            self.decoded_samples += frame.samples
        # A decoder that starts in the middle stumbles over what it never saw.
        self.skipped_packets = before
        beginning = self._beginning(latest)
        if beginning is None:
            return False
        self.position = beginning + sum(passed.samples for passed in latest) - (frame.samples if frame else 0)
        return True

    def _beginning(self, frames: Iterable[AudioFrame]) -> int | None:
        """Position of the first of consecutive frames; None if none knows its time.

        FFmpeg misjudges the times of a few packets behind a seek or at the start, and some containers round them: the
        median over some frames is right, and exact where times are.
        """
        count = 0
        beginnings: list[int] = []
        for frame in frames:
            if frame.pts is not None:
                beginnings.append(self._place(frame.pts) - count)
            count += frame.samples
        return sorted(beginnings)[len(beginnings) // 2] if beginnings else None

    def _place(self, pts: int) -> int:
        """A timestamp as a position, rounded to the nearest sample. In integers, as this is done for every packet."""
        ticks, units = self._time_base.numerator * self.sample_rate, self._time_base.denominator
        return ((pts - self._origin) * ticks + units // 2) // units

    def _end_of_packets(self) -> int | None:
        """Where the last packet ahead ends; None if there is none, or their times do not run forwards."""
        # A last packet that Ogg cuts off before its beginning would last years.
        longest = LONGEST_HOLE_SECONDS / self._time_base
        end: int | None = None
        for packet in self._packets:
            if packet is None or packet.size == 0:
                continue
            if packet.pts is None:
                return None
            if end is not None:
                step_seconds = (self._place(packet.pts) - end) / self.sample_rate
                if not -JITTER_SECONDS < step_seconds <= LONGEST_HOLE_SECONDS:
                    return None
            duration = packet.duration or 0
            end = self._place(packet.pts + (duration if duration <= longest else 0))
        return end

    def _at_own_rate(self, frame: AudioFrame) -> Samples:
        samples = mono(frame)
        if frame.sample_rate != self.sample_rate:
            # A stream may change its rate on the way; the waveform keeps the first.
            resampler = self._resamplers.setdefault(
                frame.sample_rate, AudioResampler(format="fltp", layout="mono", rate=self.sample_rate)
            )
            parts = [part.to_ndarray()[0] for part in resampler.resample(as_frame(samples, frame.sample_rate))]
            samples = np.concatenate([np.empty(0, np.float32), *parts])
        return samples
