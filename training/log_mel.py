"""Waveforms become log-mel frames. Excerpts come from a data set's reader, frames go to a backbone.

There are two modules for one function: `LogMel` is torchaudio's, for training; `LogMelProducts` computes the same by
matrix products, for the graph in a bundle. Frames are centred and the waveform's ends are padded with zeros. With 512
samples to a frame and a hop of 256, only frame 0 reaches over an end: it sees half a frame of silence, then the audio.
`paper_log_mel` is made of the same parts.
"""

import math
from dataclasses import dataclass
from typing import Literal

import torch
import torchaudio
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True, kw_only=True)
class LogMelSettings:
    """How a front end hears: `log10(gain * mel + 1)` of Slaney-scale, area-normalised mel bands up to half the rate.

    Attributes:
        sample_rate: Hz.
        excerpt_samples: Samples in one excerpt.
        frame_samples: Length of the Hann window and of the Fourier transform; even.
        n_frames: Frames kept, from the first on.
        n_mels: Mel bands.
        gain: Of the mel energies before the logarithm.

    The hop is half a frame.

    Raises:
        ValueError: If the excerpt is too short for its frames, or the frame is odd.
    """

    sample_rate: int
    excerpt_samples: int
    frame_samples: int
    n_frames: int
    n_mels: int
    gain: float

    def __post_init__(self) -> None:
        if self.frame_samples % 2:
            raise ValueError(f"frame_samples is {self.frame_samples}, expected an even number: the hop is half of it")
        if self.samples_seen > self.excerpt_samples:
            raise ValueError(
                f"{self.n_frames} frames need {self.samples_seen} samples, the excerpt has {self.excerpt_samples}"
            )

    @property
    def hop_samples(self) -> int:
        """Samples from one frame to the next."""
        return self.frame_samples // 2

    @property
    def samples_seen(self) -> int:
        """Samples up to the end of the last frame: frame i covers hops i - 1 and i."""
        return self.n_frames * self.hop_samples


# 48,000 samples are 3 s and would give 188 centred frames (1 + 48,000 // 256 = 188). Musicnn takes 187, so the last is
# dropped: the 187 kept end at sample 47,872, and no frame reaches over the excerpt's end.
MUSICNN_LOG_MEL = LogMelSettings(
    sample_rate=16_000, excerpt_samples=48_000, frame_samples=512, n_frames=187, n_mels=96, gain=10_000.0
)


def mel_spectrogram(
    settings: LogMelSettings, *, power: float, pad_mode: Literal["constant", "reflect"]
) -> torchaudio.transforms.MelSpectrogram:
    """The mel bands of centred frames by torchaudio, Slaney-scale and area-normalised.

    Args:
        settings: Rate, frame, hop and number of bands.
        power: 2 sums energies in a band, 1 magnitudes.
        pad_mode: What lies before and behind the waveform: zeros, or its mirror image.

    Returns:
        A module from `(batch, samples)` to `(batch, n_mels, 1 + samples // hop)`.
    """
    return torchaudio.transforms.MelSpectrogram(
        settings.sample_rate,
        n_fft=settings.frame_samples,
        hop_length=settings.hop_samples,
        n_mels=settings.n_mels,
        power=power,
        norm="slaney",
        mel_scale="slaney",
        center=True,
        pad_mode=pad_mode,
    )


class LogMel(nn.Module):
    """The front end by torchaudio.

    Source: the settings of librosa's `melspectrogram` (Slaney scale and norm, power 2, centred, zero padding).
    """

    def __init__(self, settings: LogMelSettings) -> None:
        super().__init__()
        self.settings = settings
        self.mel = mel_spectrogram(settings, power=2.0, pad_mode="constant")

    def forward(self, waveform: Tensor) -> Tensor:
        """Turn `(batch, excerpt_samples)`, full scale 1, into `(batch, n_frames, n_mels)`."""
        mel = self.mel(waveform)[..., : self.settings.n_frames].transpose(1, 2)
        return torch.log10(self.settings.gain * mel + 1.0)


class LogMelProducts(nn.Module):
    """The front end by matrix products, which ONNX Runtime computes faster than its Fourier transform.

    Window and cosine are even about the frame's middle, the sine is odd. With h = frame_samples / 2, the real part of
    bin k is a sum over n = 1 .. h of (x[n] + x[2h - n]) cos, the imaginary part one of (x[n] - x[2h - n]) sin: half the
    products. Sample 0 falls away, as a periodic Hann window is 0 there; n = h pairs with itself and counts half.
    """

    cosines: Tensor
    sines: Tensor
    bands: Tensor

    def __init__(self, settings: LogMelSettings) -> None:
        super().__init__()
        self.settings = settings
        n_bins = settings.hop_samples + 1
        samples = torch.arange(1, n_bins, dtype=torch.float64)[:, None]
        bins = torch.arange(n_bins, dtype=torch.float64)
        window = torch.hann_window(settings.frame_samples, dtype=torch.float64)[1:n_bins, None]
        phase = 2.0 * math.pi / settings.frame_samples * samples * bins
        cosines = window * torch.cos(phase)
        cosines[-1] *= 0.5
        self.register_buffer("cosines", cosines.float())
        self.register_buffer("sines", (window * torch.sin(phase)).float())
        self.register_buffer(
            "bands",
            torchaudio.functional.melscale_fbanks(
                n_bins, 0.0, settings.sample_rate / 2, settings.n_mels, settings.sample_rate, "slaney", "slaney"
            ),
        )

    def forward(self, waveform: Tensor) -> Tensor:
        """Turn `(batch, excerpt_samples)`, full scale 1, into `(batch, n_frames, n_mels)`."""
        padded = functional.pad(waveform[:, : self.settings.samples_seen], (self.settings.hop_samples, 0))
        mel = self.energies(padded) @ self.bands
        return torch.log10(self.settings.gain * mel + 1.0)

    def energies(self, padded: Tensor) -> Tensor:
        """The energy in each bin of each frame.

        Args:
            padded: `(batch, hop + samples_seen)`: the waveform with a hop before it, so that frame i is hops i and
                i + 1.

        Returns:
            `(batch, n_frames, hop + 1)`.
        """
        hop = self.settings.hop_samples
        shape = (-1, self.settings.n_frames, hop)
        # Of each frame x[1 .. h] and, backwards, x[2h - 1 .. h].
        forwards = padded[:, 1 : 1 + self.settings.samples_seen].reshape(shape)
        backwards = padded[:, hop:].reshape(shape).flip(2)
        real = (forwards + backwards) @ self.cosines
        imaginary = (forwards - backwards) @ self.sines
        return real * real + imaginary * imaginary
