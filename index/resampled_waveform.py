"""A track at the model's rate, a stretch at a time. A `Waveform` gives its samples, `audio` takes excerpts.

Each stretch is resampled by itself from just the samples it needs. Those that the next one may need again are held.
"""

import math

import numpy as np
from av.audio.resampler import AudioResampler

from index.ffmpeg_waveform import PADDING_SECONDS, PREROLL_SECONDS
from index.waveform import Samples, Waveform, as_frame

# FFmpeg's resampler weighs 16 samples to either side, in proportion more when it lowers the rate. With twice that
# around an excerpt, the edges of what is resampled stay out of it.
_FILTER_SAMPLES = 32

# So much of a short track is held, to cut it in memory: 16 MiB, or 95 s at 44.1 kHz.
_HELD_SAMPLES = 2**22


class ResampledWaveform:
    """Any stretch of a waveform, at another rate. Going from left to right costs least.

    Attributes:
        length: In samples of the waveform's own rate; None until it is known.
        is_found: Whether the last stretch held any of the track's samples, rather than lie wholly in a hole.
    """

    def __init__(self, waveform: Waveform, sample_rate: int) -> None:
        self.length: int | None = None
        self.is_found = False
        self._waveform = waveform
        self._sample_rate = sample_rate
        # What was read from `_gathered_from` on and may be needed again, and where it begins.
        self._held: list[tuple[int, Samples]] = []
        self._gathered_from = 0

    def resampled_count(self, samples: int) -> int:
        """How many samples so many of the waveform's own become."""
        return samples * self._sample_rate // self._waveform.sample_rate

    def measure(self, *, hold_seconds: float) -> int:
        """Find the length out.

        Args:
            hold_seconds: A track up to about this long is read whole and held, which is cheaper than to look for its
                end first.

        Returns:
            The new `length`. A stretch that finds the end before it corrects that.
        """
        length = self._hold(hold_seconds)
        if length is None:
            length = self._waveform.measure()
            self._gathered_from = self._waveform.position
        self.length = length
        return length

    def take(self, start: int, count: int) -> Samples:
        """Samples `start` to `start + count` of the track at the new rate; zeros where it has none.

        Rates of 44,100 and 16,000 Hz meet every 441 and 160 samples. What is resampled begins at such a meeting, so
        that its first sample is one of the whole track's too.
        """
        own_rate, rate = self._waveform.sample_rate, self._sample_rate
        own_step, step = own_rate // math.gcd(own_rate, rate), rate // math.gcd(own_rate, rate)
        margin = 0 if own_rate == rate else _FILTER_SAMPLES * math.ceil(max(1.0, own_rate / rate))
        meeting = (start * own_step // step - margin) // own_step
        samples = self._gather(meeting * own_step, -(-(start + count) * own_step // step) + margin)
        if own_rate != rate:
            resampler = AudioResampler(format="fltp", layout="mono", rate=rate)
            frames = resampler.resample(as_frame(samples, own_rate)) + resampler.resample(None)
            samples = np.concatenate([np.empty(0, np.float32), *(frame.to_ndarray()[0] for frame in frames)])
        offset = start - meeting * step
        samples = samples[offset : offset + count]
        if len(samples) < count:
            # FFmpeg's filters end silently when they get no memory.
            raise MemoryError(f"the resampler gave {len(samples)} of {count} samples")
        return np.clip(samples, -1.0, 1.0)

    def _hold(self, seconds: float) -> int | None:
        """Read a short track whole; its length. None if it is long."""
        waveform = self._waveform
        limit = min(_HELD_SAMPLES, seconds * waveform.sample_rate)
        if waveform.claimed_samples is not None and waveform.claimed_samples > limit:
            return None
        while (samples := waveform.read()) is not None:
            self._held.append((waveform.position - len(samples), samples))
            # A second more than claimed is no lie yet, but padding.
            if waveform.position > limit + waveform.sample_rate:
                self._held.clear()
                return None
        return waveform.position

    def _gather(self, first: int, last: int) -> Samples:
        """Samples `first` to `last` of the track at its own rate; zeros before it, behind it and in its holes."""
        waveform = self._waveform
        wanted = max(first, 0)
        # A jump decodes a pre-roll: over less than that, reading on is cheaper.
        if not self._gathered_from <= wanted <= waveform.position + 1.5 * PREROLL_SECONDS * waveform.sample_rate:
            self._held.clear()
            waveform.jump(wanted)
        self._gathered_from = wanted
        self._held = [(position, samples) for position, samples in self._held if position + len(samples) > wanted]
        while waveform.position < last:
            read = waveform.read()
            if read is None:
                # Less than a packet's padding is no reason to change the plan: zeros fill that up.
                if self.length is None or waveform.position < self.length - PADDING_SECONDS * waveform.sample_rate:
                    self.length = waveform.position
                break
            if waveform.position > wanted:
                self._held.append((waveform.position - len(read), read))
        self.is_found = False
        gathered = np.zeros(last - first, dtype=np.float32)
        for position, samples in self._held:
            begin, end = max(position, first), min(position + len(samples), last)
            if begin < end:
                self.is_found = True
                gathered[begin - first : end - first] = samples[begin - position : end - position]
        if not np.isfinite(gathered).all():
            # Some files of floats hold NaN, which would spread over the whole embedding.
            np.nan_to_num(gathered, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
        return gathered
