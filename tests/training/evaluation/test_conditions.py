"""Each condition does to audio what its name says, by the laws of what it is."""

import numpy as np
import pytest

from training.evaluation.conditions import CONDITIONS, as_mp3, with_gain, with_noise, with_pitch, with_tempo

RATE = 16_000


def tone(hertz: float, *, seconds: float = 4.0, level: float = 0.3) -> np.ndarray:
    return (level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE)).astype(np.float32)


def music(seconds: float = 6.0) -> np.ndarray:
    """A chord whose level moves like nothing else does, and a little noise."""
    rng = np.random.default_rng(3)
    time = np.arange(round(seconds * RATE)) / RATE
    chord = sum(np.sin(2 * np.pi * hertz * time) for hertz in (220.0, 277.2, 329.6, 1320.0))
    level = np.interp(
        time, np.arange(0, seconds + 1, 0.25), rng.uniform(0.1, 1.0, len(np.arange(0, seconds + 1, 0.25)))
    )
    return ((0.1 * chord + 0.02 * rng.standard_normal(len(time))) * level).astype(np.float32)


def peak_hertz(waveform: np.ndarray) -> float:
    """Where the spectrum is highest, between the bins by a parabola through the logarithms."""
    spectrum = np.log(np.abs(np.fft.rfft(waveform * np.hanning(len(waveform)))) + 1e-12)
    top = int(spectrum[1:-1].argmax()) + 1
    left, middle, right = spectrum[top - 1 : top + 2]
    return float((top + 0.5 * (left - right) / (left - 2 * middle + right)) * RATE / len(waveform))


def decibels(ratio: float) -> float:
    return float(10 * np.log10(ratio))


@pytest.mark.parametrize("hertz", [220.0, 440.0, 1000.0])
def test_a_semitone_up_moves_a_tone_by_the_twelfth_root_of_two_and_keeps_its_length(hertz: float) -> None:
    changed = with_pitch(tone(hertz), RATE, semitones=1.0)
    assert len(changed) == len(tone(hertz))
    # A thousandth is a sixtieth of a semitone.
    assert peak_hertz(changed) / hertz == pytest.approx(2 ** (1 / 12), rel=1e-3)


def test_an_octave_down_halves_a_tone() -> None:
    assert peak_hertz(with_pitch(tone(880.0), RATE, semitones=-12.0)) == pytest.approx(440.0, rel=1e-3)


@pytest.mark.parametrize("factor", [1.05, 0.8])
def test_tempo_changes_the_length_and_not_the_pitch(factor: float) -> None:
    changed = with_tempo(tone(440.0), RATE, factor=factor)
    assert len(changed) == round(len(tone(440.0)) / factor)
    assert peak_hertz(changed) == pytest.approx(440.0, rel=1e-3)
    # The end is music, not the silence that fills up what is missing.
    assert np.abs(changed[-RATE // 4 :]).max() > 0.25


def test_tempo_moves_what_happens_by_its_factor() -> None:
    clicks = np.zeros(6 * RATE, dtype=np.float32)
    clicks[[RATE, 3 * RATE, 5 * RATE]] = 1.0
    changed = np.abs(with_tempo(clicks, RATE, factor=1.05))
    places = [start + int(changed[start : start + RATE].argmax()) for start in (RATE // 2, 2 * RATE + 8_000, 69_000)]
    # The stretching cuts pieces of some 60 ms and may shift each by half of that.
    assert np.array(places) / RATE == pytest.approx(np.array([1.0, 3.0, 5.0]) / 1.05, abs=0.06)


def test_an_mp3_stands_where_the_original_stood_and_sounds_like_it() -> None:
    original = music()
    changed = as_mp3(original, RATE, bits_per_second=64_000)
    assert len(changed) == len(original)
    assert not np.array_equal(changed, original)
    correlation = np.fft.irfft(np.fft.rfft(changed) * np.conj(np.fft.rfft(original)))
    assert int(correlation.argmax()) == 0
    error = decibels(np.sum(original**2) / np.sum((changed - original) ** 2))
    assert 10 < error < 60


def test_fewer_bits_lose_more() -> None:
    original = music()
    errors = [
        np.sum((as_mp3(original, RATE, bits_per_second=bits) - original) ** 2) for bits in (64_000, 24_000, 8_000)
    ]
    assert errors == sorted(errors)


def test_a_rate_that_mp3_does_not_have_is_coded_at_another() -> None:
    original = tone(440.0)
    changed = as_mp3(original, 14_000, bits_per_second=64_000)
    assert len(changed) == len(original)
    inner = slice(RATE // 2, -RATE // 2)
    assert np.sum((changed - original)[inner] ** 2) < 0.01 * np.sum(original[inner] ** 2)


@pytest.mark.parametrize("gain", [6.0, -6.0])
def test_gain_is_in_decibels(gain: float) -> None:
    assert decibels(np.mean(with_gain(tone(440.0), decibels=gain) ** 2) / np.mean(tone(440.0) ** 2)) == pytest.approx(
        gain, abs=1e-3
    )


def test_what_would_pass_full_scale_is_clipped() -> None:
    changed = with_gain(tone(440.0, level=0.9), decibels=6.0)
    assert changed.max() == 1.0
    assert changed.min() == -1.0
    assert (np.abs(changed) == 1.0).mean() > 0.5


def test_noise_has_the_power_that_was_asked_for_and_is_seeded() -> None:
    original = tone(440.0)
    changed = with_noise(original, decibels=20.0, rng=np.random.default_rng(5))
    noise = changed - original
    assert decibels(np.mean(original**2) / np.mean(noise**2)) == pytest.approx(20.0, abs=0.1)
    # White: each half of the spectrum has half of the power.
    spectrum = np.abs(np.fft.rfft(noise)) ** 2
    assert spectrum[: len(spectrum) // 2].sum() / spectrum.sum() == pytest.approx(0.5, abs=0.02)
    np.testing.assert_array_equal(changed, with_noise(original, decibels=20.0, rng=np.random.default_rng(5)))
    assert not np.array_equal(changed, with_noise(original, decibels=20.0, rng=np.random.default_rng(6)))


@pytest.mark.parametrize("name", CONDITIONS)
@pytest.mark.parametrize("rate", [16_000, 22_050])
def test_every_condition_changes_a_loud_clip_and_stays_within_full_scale(name: str, rate: int) -> None:
    clip = np.clip(4.0 * music(3.0), -1.0, 1.0)
    before = clip.copy()
    changed = CONDITIONS[name].change(clip, rate, np.random.default_rng(0))
    np.testing.assert_array_equal(clip, before)
    assert changed.dtype == np.float32
    assert np.abs(changed).max() <= 1.0
    assert np.sqrt(np.mean(changed**2)) > 0.02
    assert not np.array_equal(changed, clip)


def test_the_issue_s_six_conditions_are_there_under_names_of_their_own() -> None:
    assert len(CONDITIONS) == 6
    assert all(condition.name == name for name, condition in CONDITIONS.items())
