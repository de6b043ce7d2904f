"""A waveform becomes what is known of its pitches whatever the key: register, mode, kinds of chords. Used by `hearing`.

Mel bands are too wide to tell a minor third from a major one. So the energy of each semitone is taken on its own, made
independent of loudness and of drums by its neighbourhood, folded to pitch classes, and turned so that the scale it fits
best lies on C: then the tonic of major stands at 0, that of minor at 9, in any key.

Sources: Brown, Calculation of a constant Q spectral transform, 1991; Fujishima, Realtime chord recognition of musical
sound, 1999 (chord templates).
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

DECIMATION = 4
FILTER_TAPS = 64
FRAME_SAMPLES = 2048
HOP_SAMPLES = 512
LOWEST, N_NOTES = 36, 60  # MIDI: C2 to B6
N_BASS = 24
CYCLES = 30.0  # Of a note in its window: enough to tell it from the next semitone.
NEIGHBOURHOOD = 13

MAJOR_SCALE = (0, 2, 4, 5, 7, 9, 11)
CHORDS = ((0, 4, 7), (0, 3, 7), (0, 7), (0, 5, 7), (0, 3, 6), (0, 4, 7, 10), (0, 4, 7, 11), (0, 3, 7, 10))
# How sharply the best scale is chosen. Continuous, so that rounding cannot turn the features around.
SHARPNESS = 12.0
QUIET = 1e-3


class TonalFeatures(nn.Module):
    """Notes, chroma turned to the scale, and how much of each kind of chord there is."""

    low_pass: Tensor
    kernels: Tensor
    turns: Tensor
    scales: Tensor
    chords: Tensor

    def __init__(self, *, sample_rate: int) -> None:
        super().__init__()
        rate = sample_rate / DECIMATION
        taps = torch.arange(FILTER_TAPS, dtype=torch.float64) - (FILTER_TAPS - 1) / 2
        low_pass = torch.sinc(0.94 / DECIMATION * taps) * torch.hann_window(FILTER_TAPS, False, dtype=torch.float64)
        self.register_buffer("low_pass", (low_pass / low_pass.sum()).float()[None, None])
        hz = 440.0 * 2 ** ((torch.arange(LOWEST, LOWEST + N_NOTES, dtype=torch.float64) - 69) / 12)
        lengths = (CYCLES * rate / hz).clamp(max=FRAME_SAMPLES)[:, None]
        place = torch.arange(FRAME_SAMPLES, dtype=torch.float64) - FRAME_SAMPLES / 2
        window = torch.where(place.abs() < lengths / 2, 0.5 + 0.5 * torch.cos(2 * math.pi * place / lengths), 0.0)
        window = window / window.sum(dim=1, keepdim=True)
        phase = 2 * math.pi / rate * hz[:, None] * place
        kernels = torch.cat([window * torch.cos(phase), window * torch.sin(phase)])
        self.register_buffer("kernels", kernels.float()[:, None])
        turned = torch.stack([torch.roll(torch.eye(12), turn, 1) for turn in range(12)], dim=1)
        # chroma @ turns: `(12 turns, 12)`, turn r brings pitch class r to 0.
        self.register_buffer("turns", turned.flip(1).roll(1, 1).flatten(1))
        self.register_buffer("scales", _all_roots(MAJOR_SCALE))
        self.register_buffer("chords", torch.cat([_all_roots(chord) for chord in CHORDS], dim=1))

    @property
    def width(self) -> int:
        """Of the features."""
        return N_NOTES + 3 * 12 + 1 + 2 * len(CHORDS)

    def forward(self, waveform: Tensor) -> Tensor:
        """Turn `(batch, samples)`, full scale 1, into `(batch, width)`."""
        low = functional.conv1d(waveform[:, None], self.low_pass, stride=DECIMATION)
        cosines, sines = functional.conv1d(low, self.kernels, stride=HOP_SAMPLES).chunk(2, dim=1)
        strength = torch.log1p(torch.sqrt(cosines.square() + sines.square()) / QUIET)
        around = functional.avg_pool1d(
            strength.transpose(1, 2), NEIGHBOURHOOD, 1, NEIGHBOURHOOD // 2, count_include_pad=False
        ).transpose(1, 2)
        salience = functional.relu(strength - around)
        notes = salience.mean(dim=2)
        bass, treble = (
            part.reshape(-1, part.shape[1] // 12, 12).sum(dim=1) for part in (notes[:, :N_BASS], notes[:, N_BASS:])
        )
        chroma = bass + treble
        fit = _cosine(chroma, self.scales)
        turn = torch.softmax(SHARPNESS * fit, dim=1)[:, None]
        aligned = [(turn @ (_unit(each) @ self.turns).reshape(-1, 12, 12))[:, 0] for each in (chroma, bass, treble)]
        frames = salience.reshape(-1, N_NOTES // 12, 12, salience.shape[2]).sum(dim=1).transpose(1, 2)
        kinds = _cosine(frames, self.chords).reshape(-1, frames.shape[1], len(CHORDS), 12).amax(dim=3)
        return torch.cat([notes, *aligned, fit.amax(dim=1, keepdim=True), kinds.mean(dim=1), kinds.amax(dim=1)], dim=1)


def _all_roots(classes: tuple[int, ...]) -> Tensor:
    """`(12, 12)`: a column of length one for each root."""
    template = torch.zeros(12)
    template[list(classes)] = len(classes) ** -0.5
    return torch.stack([torch.roll(template, root) for root in range(12)], dim=1)


def _unit(chroma: Tensor) -> Tensor:
    return chroma / (chroma.square().sum(dim=-1, keepdim=True).sqrt() + 1e-3)


def _cosine(chroma: Tensor, templates: Tensor) -> Tensor:
    return _unit(chroma) @ templates
