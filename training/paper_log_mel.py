"""Waveforms become the log-mel frames that the `inception` backbone takes. Excerpts come from a data set's reader.

The settings are those of `log_mel`, and as there one function has two modules: `PaperLogMel` by torchaudio, for
training, `PaperLogMelProducts` by matrix products, for the graph in a bundle. What differs from `log_mel`: mel bands of
magnitudes (not energies), a fixed standardisation, and waveforms continued by their mirror image (not by zeros).
"""

import torch
from torch import Tensor, nn

from training.log_mel import LogMelProducts, LogMelSettings, mel_spectrogram

# 3 s * 22,050 Hz = 66,150 samples, and 66,150 / 512 = 129.2: 129 whole hops. Frame i covers hops i - 1 and i, so the
# 129 frames hear samples 0 .. 66,047. The last 102 are not heard, and only frame 0 reaches over an end.
PAPER_LOG_MEL = LogMelSettings(
    sample_rate=22_050, excerpt_samples=66_150, frame_samples=1024, n_frames=129, n_mels=128, gain=10.0
)

# Rounded mean and standard deviation of log10(1 + 10 mel) over the Million Song Dataset, as the paper gives them.
MEAN = 0.2
DEVIATION = 0.25


def _standardised(mel: Tensor, gain: float) -> Tensor:
    return (torch.log10(1.0 + gain * mel) - MEAN) / DEVIATION


class PaperLogMel(nn.Module):
    """The front end by torchaudio, always in float32: a magnitude of a loud band overflows half precision's sums.

    Source: Lee et al., ISMIR 2020 (129 x 128, log10(1 + 10 mel), standardisation); the frame, the hop and the mel bands
    are those of the authors' earlier code, librosa's defaults of its time (Slaney scale and norm, 0 to 11,025 Hz,
    centred, reflected). The paper's text has a window of 23 ms and half overlap, but only a hop of 23 ms gives 129
    frames. The authors cut excerpts out of the frames of a whole clip: frame 0 of any but the first excerpt sees the
    audio before it there, and the mirror image of what follows here.
    """

    def __init__(self, settings: LogMelSettings = PAPER_LOG_MEL) -> None:
        super().__init__()
        self.settings = settings
        self.mel = mel_spectrogram(settings, power=1.0, pad_mode="reflect")

    def forward(self, waveform: Tensor) -> Tensor:
        """Turn `(batch, excerpt_samples)`, full scale 1, into `(batch, n_frames, n_mels)` float32."""
        with torch.autocast(waveform.device.type, enabled=False):
            mel = self.mel(waveform.float())[..., : self.settings.n_frames].transpose(1, 2)
            return _standardised(mel, self.settings.gain)


class PaperLogMelProducts(LogMelProducts):
    """The front end by matrix products; see `LogMelProducts` for why half of them do."""

    def __init__(self, settings: LogMelSettings = PAPER_LOG_MEL) -> None:
        super().__init__(settings)

    def forward(self, waveform: Tensor) -> Tensor:
        """Turn `(batch, excerpt_samples)`, full scale 1, into `(batch, n_frames, n_mels)`."""
        hop = self.settings.hop_samples
        # x[512] .. x[1] before x[0].
        mirrored = torch.cat([waveform[:, 1 : hop + 1].flip(1), waveform[:, : self.settings.samples_seen]], dim=1)
        magnitude = torch.sqrt(self.energies(mirrored))
        return _standardised(magnitude @ self.bands, self.settings.gain)
