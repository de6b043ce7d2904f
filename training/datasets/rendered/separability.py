"""Can the factors be heard at all? Plain features and a linear classifier, tried on tunes it has not met.

This is a check of the rendered music, not a model: no learning beyond class means and one covariance. Input are
decoded pieces, output is an accuracy per factor; `samples/check.py` runs it.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import fft, signal

Sound = NDArray[np.float64]

WINDOW, HOP = 2048, 1024
BANDS = 40
LOWEST_HZ, HIGHEST_HZ = 40.0, 9_000.0  # above, a low bit rate leaves nothing to compare
CEPSTRA = 20
OCTAVE = 12
LAGS = 24  # autocorrelation read at this many places between LAG_SECONDS
LAG_SECONDS = (0.08, 1.6)
ENDING_SECONDS = 2.2  # the last chord: home, so it tells tonic and mode
SHRINKAGE = 0.2


def plain_features(sound: Sound, *, sample_rate: int) -> NDArray[np.float64]:
    """Timbre, rhythm, harmony and studio of one piece as one vector.

    Args:
        sound: Shape (2, samples), full scale 1.
        sample_rate: In Hz.

    Returns:
        Shape (n,): mean and deviation of cepstra; autocorrelations and rates of onsets in three bands; chroma seen
        from the tonic; levels of side, noise and peaks.
    """
    middle, side = (sound[0] + sound[1]) / 2, (sound[0] - sound[1]) / 2
    hz, _, spectrum = signal.stft(middle, sample_rate, nperseg=WINDOW, noverlap=WINDOW - HOP, padded=False)
    power = np.abs(spectrum) ** 2
    mel = np.log(_mel_filters(hz) @ power + 1e-9)
    return np.concatenate(
        [
            _timbre(mel),
            *(_rhythm(mel[low:high], hop_seconds=HOP / sample_rate) for low, high in ((0, 6), (6, 24), (24, BANDS))),
            _harmony(middle, sample_rate),
            _studio(middle, side, mel),
        ]
    )


def nearest_mean(features: NDArray[np.float64], labels: Sequence[str], asked: NDArray[np.float64]) -> NDArray[np.str_]:
    """Labels of new pieces: the class whose mean is nearest, in Mahalanobis distance.

    Features are standardised; the covariance is the one within classes, shrunk by `SHRINKAGE` towards the identity.

    Args:
        features: Of known pieces, shape (pieces, n).
        labels: One per known piece.
        asked: Of new pieces, shape (new, n).

    Returns:
        Shape (new,).
    """
    names = np.array(labels)
    centre, spread = features.mean(axis=0), features.std(axis=0) + 1e-9
    known, new = (features - centre) / spread, (asked - centre) / spread
    classes = np.unique(names)
    means = np.stack([known[names == name].mean(axis=0) for name in classes])
    rest = known - means[np.searchsorted(classes, names)]
    within = (1 - SHRINKAGE) * rest.T @ rest / len(rest) + SHRINKAGE * np.eye(rest.shape[1])
    gaps = new[:, None, :] - means[None, :, :]
    distance = np.einsum("pci,ij,pcj->pc", gaps, np.linalg.inv(within), gaps)
    return np.asarray(classes[distance.argmin(axis=1)])


def held_out_accuracy(features: NDArray[np.float64], labels: Sequence[str], groups: Sequence[str]) -> float:
    """Share of pieces labelled rightly by `nearest_mean` when each group in turn is left out of what is known.

    Args:
        features: Shape (pieces, n).
        labels: One per piece.
        groups: One per piece, such as its era or its tune; a piece is never judged by its own group.

    Raises:
        ValueError: If a label occurs in one group only, so that it could not be learnt.
    """
    names, owners = np.array(labels), np.array(groups)
    right = 0
    for group in np.unique(owners):
        test = owners == group
        unknown = set(names[test]) - set(names[~test])
        if unknown:
            raise ValueError(f"label {min(unknown)!r} occurs in group {group!r} only; give it to two groups at least")
        right += int((nearest_mean(features[~test], names[~test].tolist(), features[test]) == names[test]).sum())
    return right / len(names)


def _mel_filters(hz: NDArray[np.float64]) -> NDArray[np.float64]:
    """Triangles evenly spaced on the mel scale, shape (BANDS, bins)."""
    low, high = (2595 * np.log10(1 + edge / 700) for edge in (LOWEST_HZ, HIGHEST_HZ))
    edges = 700 * (10 ** (np.linspace(low, high, BANDS + 2) / 2595) - 1)
    rising = (hz[None, :] - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - hz[None, :]) / np.diff(edges)[1:, None]
    return np.maximum(np.minimum(rising, falling), 0.0)


def _timbre(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    cepstra = fft.dct(mel, axis=0, norm="ortho")[:CEPSTRA]
    return np.concatenate([cepstra.mean(axis=1), cepstra.std(axis=1), np.diff(cepstra, axis=1).std(axis=1)])


def _rhythm(mel: NDArray[np.float64], *, hop_seconds: float) -> NDArray[np.float64]:
    flux = np.maximum(np.diff(mel, axis=1), 0.0).mean(axis=0)
    calm = flux - flux.mean()
    full = signal.correlate(calm, calm, mode="full", method="fft")[calm.size - 1 :]
    lags = np.geomspace(*LAG_SECONDS, LAGS) / hop_seconds
    periodicity = np.interp(lags, np.arange(full.size), full / full[0])
    peaks, _ = signal.find_peaks(flux, height=flux.mean() + flux.std())
    return np.array([*periodicity, peaks.size / (flux.size * hop_seconds), flux.mean(), flux.std() / flux.mean()])


def _chroma(sound: Sound, sample_rate: int, *, low: float, high: float) -> NDArray[np.float64]:
    length = fft.next_fast_len(sound.size, real=True)
    power = np.abs(fft.rfft(sound * np.hanning(sound.size), length)) ** 2
    hz = fft.rfftfreq(length, 1 / sample_rate)
    inside = (hz > low) & (hz < high)
    classes = np.round(OCTAVE * np.log2(hz[inside] / 440.0) + 9).astype(int) % OCTAVE
    chroma = np.bincount(classes, weights=np.sqrt(power[inside]), minlength=OCTAVE)
    return np.asarray(chroma / chroma.sum())


def _harmony(sound: Sound, sample_rate: int) -> NDArray[np.float64]:
    """Chroma of the whole and of the last chord, turned so that the last bass note comes first."""
    ending = sound[-round(ENDING_SECONDS * sample_rate) :]
    tonic = int(_chroma(ending, sample_rate, low=40.0, high=180.0).argmax())
    whole, last = (_chroma(part, sample_rate, low=110.0, high=2000.0) for part in (sound, ending))
    return np.concatenate([np.roll(whole, -tonic), np.roll(last, -tonic)])


def _studio(middle: Sound, side: Sound, mel: NDArray[np.float64]) -> NDArray[np.float64]:
    energy = np.mean(middle**2) + 1e-12
    quiet = np.percentile(mel, 5, axis=1)
    crest = 20 * np.log10(np.abs(middle).max()) - 10 * np.log10(energy)
    width = 10 * np.log10(np.mean(side**2) / energy + 1e-6)
    return np.array([crest, width, *(quiet.reshape(8, -1).mean(axis=1))])
