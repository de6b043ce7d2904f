"""The front end, against the golden frames of the original package and against torchaudio."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from training.log_mel import MUSICNN_LOG_MEL, LogMel, LogMelProducts, LogMelSettings

GOLDEN = Path(__file__).parents[1] / "golden" / "musicnn-msd.npz"
FRONT_ENDS = (LogMel, LogMelProducts)

# A power spectrum of float32 is right to about 1e-6 of the frame's energy; ten thousand times that, in a band that is
# silent beside a loud one, is what the logarithm sees.
ROUNDING = 5e-5


@pytest.fixture(scope="module")
def golden() -> tuple[Tensor, Tensor]:
    stored = np.load(GOLDEN)
    return torch.from_numpy(stored["waveform"]), torch.from_numpy(stored["log_mel"])


@pytest.mark.parametrize("front_end", FRONT_ENDS)
def test_the_original_packages_frames_are_met(
    front_end: type[LogMel | LogMelProducts], golden: tuple[Tensor, Tensor]
) -> None:
    # The golden's three patches are frames 0..186, 187..373 and 374..560 of the whole nine seconds.
    waveform, expected = golden
    settings = replace(MUSICNN_LOG_MEL, excerpt_samples=144_000, n_frames=561)
    found = front_end(settings)(waveform[None])
    assert found.shape == (1, 561, 96)
    torch.testing.assert_close(found.reshape(3, 187, 96), expected, atol=ROUNDING, rtol=0)


@pytest.mark.parametrize("front_end", FRONT_ENDS)
def test_only_the_first_frame_of_an_excerpt_reaches_over_its_ends(
    front_end: type[LogMel | LogMelProducts], golden: tuple[Tensor, Tensor]
) -> None:
    waveform, expected = golden
    starts = (0, 187 * 256, 2 * 187 * 256)
    excerpts = torch.stack([waveform[start : start + 48_000] for start in starts])
    found = front_end(MUSICNN_LOG_MEL)(excerpts)
    torch.testing.assert_close(found[0], expected[0], atol=ROUNDING, rtol=0)
    torch.testing.assert_close(found[:, 1:], expected[:, 1:], atol=ROUNDING, rtol=0)
    assert (found[1:, 0] - expected[1:, 0]).abs().max() > 0.1


@pytest.mark.parametrize(
    "settings",
    [
        MUSICNN_LOG_MEL,
        LogMelSettings(
            sample_rate=22_050, excerpt_samples=66_150, frame_samples=1024, n_frames=129, n_mels=128, gain=10.0
        ),
        LogMelSettings(sample_rate=8_000, excerpt_samples=1_000, frame_samples=64, n_frames=5, n_mels=8, gain=1.0),
    ],
)
def test_matrix_products_give_what_the_fourier_transform_gives(settings: LogMelSettings) -> None:
    generator = torch.Generator().manual_seed(3)
    waveform = 0.3 * torch.randn(2, settings.excerpt_samples, generator=generator)
    expected = LogMel(settings)(waveform)
    assert expected.shape == (2, settings.n_frames, settings.n_mels)
    torch.testing.assert_close(LogMelProducts(settings)(waveform), expected, atol=ROUNDING, rtol=0)


@pytest.mark.parametrize("front_end", FRONT_ENDS)
def test_a_tone_is_loudest_in_the_mel_band_around_its_pitch(front_end: type[LogMel | LogMelProducts]) -> None:
    # Slaney's scale is 15 mel at 1 kHz, linear below, and log-like above with 27 mel to a factor of 6.4. Ninety-six
    # bands have their peaks at equal steps from 0 to 8 kHz, which is 15 + 27 * ln 8 / ln 6.4 = 45.2 mel.
    step = (15 + 27 * np.log(8) / np.log(6.4)) / 97
    for hertz in (500.0, 1000.0, 4000.0):
        mel = hertz * 3 / 200 if hertz <= 1000 else 15 + 27 * np.log(hertz / 1000) / np.log(6.4)
        tone = torch.sin(2 * torch.pi * hertz / 16_000 * torch.arange(48_000, dtype=torch.float64)).float()
        loudest = front_end(MUSICNN_LOG_MEL)(tone[None])[0, 100].argmax().item()
        assert abs(loudest - (mel / step - 1)) <= 1


@pytest.mark.parametrize("front_end", FRONT_ENDS)
def test_silence_is_zero(front_end: type[LogMel | LogMelProducts]) -> None:
    assert not front_end(MUSICNN_LOG_MEL)(torch.zeros(1, 48_000)).any()


def test_an_excerpt_too_short_for_its_frames_is_refused() -> None:
    with pytest.raises(ValueError, match="188 frames need 48128 samples, the excerpt has 48000"):
        replace(MUSICNN_LOG_MEL, n_frames=188)


def test_a_frame_that_cannot_be_halved_is_refused() -> None:
    with pytest.raises(ValueError, match="expected an even number"):
        replace(MUSICNN_LOG_MEL, frame_samples=511)
