"""Tonal features of chords whose notes are known: what does not change with the key, and what tells modes apart."""

import numpy as np
import pytest
import torch

from training.backbones.tonality import CHORDS, LOWEST, N_NOTES, TonalFeatures

RATE = 16_000
MAJOR, MINOR = (0, 4, 7), (0, 3, 7)
ALIGNED = slice(N_NOTES, N_NOTES + 12)
KINDS = slice(N_NOTES + 3 * 12 + 1, N_NOTES + 3 * 12 + 1 + len(CHORDS))


@pytest.fixture(scope="module")
def module() -> TonalFeatures:
    return TonalFeatures(sample_rate=RATE)


def tones(pitches: list[int], *, loudness: float = 0.1) -> np.ndarray:
    """Three seconds of notes with three harmonics each."""
    seconds = np.arange(3 * RATE) / RATE
    hz = [440 * 2 ** ((pitch - 69) / 12) * harmonic for pitch in pitches for harmonic in (1, 2, 3)]
    weights = [1 / harmonic for _ in pitches for harmonic in (1, 2, 3)]
    return loudness * np.stack([w * np.sin(2 * np.pi * f * seconds) for f, w in zip(hz, weights, strict=True)]).sum(0)


def features(module: TonalFeatures, waveform: np.ndarray) -> np.ndarray:
    found = module(torch.from_numpy(waveform.astype(np.float32))[None])[0].numpy()
    assert len(found) == module.width
    return found


@pytest.mark.parametrize("pitch", [40, 57, 69, 84])
def test_a_note_stands_at_its_own_place(module: TonalFeatures, pitch: int) -> None:
    found = features(module, tones([pitch]))[:N_NOTES]
    assert LOWEST + found.argmax() in {pitch, pitch + 12}  # or the second harmonic's
    assert found[pitch - LOWEST] > 5 * np.median(found)


@pytest.mark.parametrize("root", [43, 46, 50, 53])
def test_another_key_changes_nothing_but_the_notes(module: TonalFeatures, root: int) -> None:
    scale = [0, 2, 4, 5, 7, 9, 11, 12, 16, 19]
    here, there = (features(module, tones([base + step for step in scale])) for base in (48, root))
    assert np.abs(here - there)[:N_NOTES].max() > 0.5
    # Which notes count as bass changes, too.
    assert np.abs(here - there)[ALIGNED].max() < 0.03
    assert np.abs(here - there)[KINDS].max() < 0.03


@pytest.mark.parametrize(("chord", "kind"), [(MAJOR, 0), (MINOR, 1)])
@pytest.mark.parametrize("root", [48, 55, 58])
def test_the_kind_of_a_triad_is_told(module: TonalFeatures, chord: tuple[int, ...], kind: int, root: int) -> None:
    kinds = features(module, tones([root + step for step in chord]))[KINDS]
    assert kinds[kind] > kinds[1 - kind] + 0.1


def test_tonic_of_major_stands_at_0_and_that_of_minor_at_9(module: TonalFeatures) -> None:
    major = [0, 4, 7, 0, 5, 9, 7, 11, 14, 0, 4, 7]
    minor = [0, 3, 7, 0, 5, 8, 7, 10, 14, 0, 3, 7]
    for steps, tonic in ((major, 0), (minor, 9)):
        waveform = np.concatenate([tones([50 + s for s in steps[i : i + 3]])[: RATE // 4 * 3] for i in (0, 3, 6, 9)])
        aligned = features(module, waveform)[ALIGNED]
        others = [aligned[(tonic + step) % 12] for step in (1, 6)]
        assert aligned[tonic] > 2 * max(others)


def test_drums_have_no_notes(module: TonalFeatures) -> None:
    noise = np.random.default_rng(0).standard_normal(3 * RATE) * 0.1
    chord = tones([50, 54, 57])
    assert features(module, noise)[:N_NOTES].max() < 0.5 * features(module, chord)[:N_NOTES].max()


def test_silence_gives_zeros(module: TonalFeatures) -> None:
    assert not features(module, np.zeros(3 * RATE)).any()
