"""The paper's front end, against a slow float64 computation from its definition."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from tests.training.made_up import seeded
from training.paper_log_mel import PAPER_LOG_MEL, PaperLogMel, PaperLogMelProducts

FRONT_ENDS = (PaperLogMel, PaperLogMelProducts)

# float32 is right to about 1e-6 of a frame's magnitude; the logarithm of 1 + 10 mel and the division by 0.25 make it
# at most 10 / ln 10 / 0.25 = 17 times as much, of bands that are silent beside loud ones.
ROUNDING = 1e-4


def _hertz_of(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    """Slaney's scale: 200 / 3 Hz a mel up to 1 kHz at 15 mel, then 27 mel for a factor of 6.4."""
    return np.where(mel < 15, mel * 200 / 3, 1000 * 6.4 ** ((mel - 15) / 27))


def _slow(waveform: NDArray[np.float64]) -> NDArray[np.float64]:
    """`(129, 128)` of 66,150 samples: frame by frame, band by band."""
    padded = np.concatenate([waveform[512:0:-1], waveform, waveform[-2:-514:-1]])
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(1024) / 1024)
    spectrum = np.stack([np.abs(np.fft.rfft(window * padded[512 * i : 512 * i + 1024])) for i in range(129)])
    hertz = np.arange(513) * 22_050 / 1024
    highest = 15 + 27 * np.log(11.025) / np.log(6.4)
    corners = _hertz_of(np.linspace(0, highest, 130))
    mel = np.zeros((129, 128))
    for band in range(128):
        low, centre, high = corners[band : band + 3]
        triangle = np.clip(np.minimum((hertz - low) / (centre - low), (high - hertz) / (high - centre)), 0, None)
        mel[:, band] = spectrum @ (triangle * 2 / (high - low))
    return np.asarray((np.log10(1 + 10 * mel) - 0.2) / 0.25)


@pytest.fixture(scope="module")
def waveforms() -> Tensor:
    """Faint noise, clipped noise, and a chord that starts in the middle: `(3, 66150)`."""
    noise = torch.randn(66_150, generator=seeded(1), dtype=torch.float64)
    seconds = torch.arange(66_150, dtype=torch.float64) / 22_050
    chord = sum(torch.sin(2 * torch.pi * hertz * seconds) for hertz in (220.0, 277.2, 329.6, 4000.0))
    return torch.stack([1e-3 * noise, (3 * noise).clamp(-1, 1), 0.25 * chord * (seconds > 1.5)])


@pytest.mark.parametrize("front_end", FRONT_ENDS)
def test_frames_are_those_of_the_definition(
    front_end: type[PaperLogMel | PaperLogMelProducts], waveforms: Tensor
) -> None:
    found = front_end()(waveforms.float())
    assert found.shape == (3, 129, 128)
    assert found.dtype == torch.float32
    expected = np.stack([_slow(waveform.numpy()) for waveform in waveforms])
    np.testing.assert_allclose(found.numpy(), expected, atol=ROUNDING, rtol=0)


@pytest.mark.parametrize("front_end", FRONT_ENDS)
def test_of_three_seconds_the_last_102_samples_are_not_heard(
    front_end: type[PaperLogMel | PaperLogMelProducts], waveforms: Tensor
) -> None:
    assert PAPER_LOG_MEL.excerpt_samples == 3 * 22_050 == 66_150
    assert PAPER_LOG_MEL.samples_seen == 129 * 512 == 66_150 - 102
    heard = front_end()(waveforms.float())
    after, last = waveforms.float(), waveforms.float()
    after[:, 66_048:] = 0.5
    # The window is all but zero at its end, so the last samples heard are barely so.
    last[:, 66_000:66_048] = 0.5
    assert torch.equal(front_end()(after), heard)
    changed = (front_end()(last) != heard).any(dim=2)
    assert not changed[:, :-1].any()
    assert changed[:, -1].all()


@pytest.mark.parametrize("front_end", FRONT_ENDS)
def test_silence_is_the_mean_taken_off(front_end: type[PaperLogMel | PaperLogMelProducts]) -> None:
    torch.testing.assert_close(front_end()(torch.zeros(1, 66_150)), torch.full((1, 129, 128), -0.8))


@pytest.mark.parametrize("front_end", FRONT_ENDS)
def test_other_settings_are_heeded(front_end: type[PaperLogMel | PaperLogMelProducts]) -> None:
    settings = replace(
        PAPER_LOG_MEL, sample_rate=8_000, excerpt_samples=4_000, frame_samples=256, n_frames=20, n_mels=12
    )
    waveform = 0.1 * torch.randn(2, 4_000, generator=seeded(2))
    expected = PaperLogMel(settings)(waveform)
    assert expected.shape == (2, 20, 12)
    torch.testing.assert_close(front_end(settings)(waveform), expected, atol=ROUNDING, rtol=0)


def test_autocast_does_not_coarsen_the_frames(waveforms: Tensor) -> None:
    expected = PaperLogMel()(waveforms.float())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(PaperLogMel()(waveforms.float()), expected)
