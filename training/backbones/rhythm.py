"""Log-mel frames become what repeats in them: pace, metre and swing, whatever the sounds. Used by `hearing`.

Taggers hear three seconds as a colour; two grooves of one band at two paces are nearly the same to them. The strength
of onsets in a band of the spectrum, its autocorrelation and its spectrum over time say what they leave out, and say it
of any music alike, as nothing here is learnt.

Source: Grosche, Müller and Kurth, Cyclic tempogram, ICASSP 2010 (Fourier and autocorrelation tempograms).
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

# Mel bands are taken together to so many bands, and all of them to one more.
N_BANDS = 8
N_LAGS = 56
LAGS_SECONDS = (0.08, 2.0)
N_RATES = 40
RATES_HZ = (0.6, 15.0)

# Variance of onset strength below which there is no rhythm, only noise; that of music is some hundred times larger.
STILL = 1e-4


class RhythmFeatures(nn.Module):
    """Autocorrelation and spectrum of onset strength."""

    cosines: Tensor
    sines: Tensor
    lags: Tensor
    rates: Tensor

    def __init__(self, *, n_frames: int, frames_per_second: float) -> None:
        super().__init__()
        n_onsets = n_frames - 1
        # Twice as long: an autocorrelation must not run into itself.
        n_bins = n_onsets + 1
        bins = torch.arange(n_bins, dtype=torch.float64)
        phase = math.pi / n_onsets * torch.arange(n_onsets, dtype=torch.float64)[:, None] * bins
        self.register_buffer("cosines", torch.cos(phase).float())
        self.register_buffer("sines", torch.sin(phase).float())
        # Power spectrum to autocorrelation: a cosine series whose inner terms count twice.
        counts = torch.where((bins == 0) | (bins == n_onsets), 1.0, 2.0)[:, None] / (2 * n_onsets)
        frames = torch.arange(n_onsets, dtype=torch.float64)
        # At lag l only n - l products are summed.
        series = counts * torch.cos(math.pi / n_onsets * bins[:, None] * frames) * (n_onsets / (n_onsets - frames))
        lags = _triangles(frames / frames_per_second, between=LAGS_SECONDS, count=N_LAGS)
        self.register_buffer("lags", (series @ lags / n_onsets).float())
        rates = _triangles(bins * frames_per_second / (2 * n_onsets), between=RATES_HZ, count=N_RATES)
        self.register_buffer("rates", (rates / n_onsets).float())

    @property
    def width(self) -> int:
        """Of the features."""
        return (N_BANDS + 1) * (N_LAGS + N_RATES + 2)

    def forward(self, log_mel: Tensor) -> Tensor:
        """Turn `(batch, n_frames, n_mels)` into `(batch, width)`."""
        rise = functional.relu(log_mel[:, 1:] - log_mel[:, :-1])
        bands = rise.reshape(-1, rise.shape[1], N_BANDS, rise.shape[2] // N_BANDS).mean(dim=3)
        onsets = torch.cat([bands, bands.mean(dim=2, keepdim=True)], dim=2).transpose(1, 2)
        # An onset is as wide as players are together: 50 ms.
        onsets = functional.avg_pool1d(functional.avg_pool1d(onsets, 3, 1, 1), 3, 1, 1)
        mean = onsets.mean(dim=2, keepdim=True)
        swaying = onsets - mean
        variance = swaying.square().mean(dim=2, keepdim=True)
        power = ((swaying @ self.cosines).square() + (swaying @ self.sines).square()) / (variance + STILL)
        features = [power @ self.lags, torch.sqrt(power @ self.rates), mean, torch.sqrt(variance)]
        return torch.cat([each.flatten(1) for each in features], dim=1)


def _triangles(places: Tensor, *, between: tuple[float, float], count: int) -> Tensor:
    """Weights `(places, count)` of overlapping triangles, evenly spread on a scale of ratios; each column sums to 1."""
    edges = torch.tensor([math.log(edge) for edge in between], dtype=torch.float64)
    step = (edges[1] - edges[0]) / (count - 1)
    centres = edges[0] + step * torch.arange(count, dtype=torch.float64)
    distance = (torch.log(places.clamp(min=1e-9))[:, None] - centres).abs()
    weights = functional.relu(1 - distance / step)
    # Where a triangle is narrower than the grid, the nearest place alone counts.
    nearest = functional.one_hot(distance.argmin(dim=0), len(places)).T.double()
    weights = torch.where(weights.sum(dim=0) > 0, weights, nearest)
    return weights / weights.sum(dim=0)
