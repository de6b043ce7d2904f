"""Excerpts: which ones, where they come from, how loud they are, and that jumping to them changes nothing."""

import dataclasses
import itertools
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import resample_poly

from index.audio import (
    BLOCK_EXCERPTS,
    AudioError,
    AudioErrorCode,
    AudioMetadata,
    ExcerptPlan,
    open_audio,
)
from tests.index.audio_files import FORMATS, RATE, Signal, music, write

# One second each: three of them are a small part of the 40 s they are taken of.
PLAN = ExcerptPlan(sample_rate=16_000, excerpt_samples=16_000, excerpts_per_track=3)
EVERY = dataclasses.replace(PLAN, excerpts_per_track=None)


@pytest.fixture(scope="module")
def song() -> Signal:
    return music(40)


@pytest.fixture(scope="module", params=FORMATS)
def format_and_file(
    request: pytest.FixtureRequest, song: Signal, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Path]:
    name: str = request.param
    kind = FORMATS[name]
    return name, write(tmp_path_factory.mktemp("song") / f"song{kind.suffix}", song, kind)


def excerpts_of(path: Path, plan: ExcerptPlan, *, jumps: bool = True) -> tuple[Signal, Signal, AudioMetadata, float]:
    """Starts in seconds, samples, metadata and the seconds that were decoded."""
    with open_audio(path, plan, jumps=jumps) as excerpts:
        blocks = list(excerpts)
        return (
            np.concatenate([block.starts_seconds for block in blocks]),
            np.concatenate([block.samples for block in blocks]),
            excerpts.metadata,
            excerpts.decoded_seconds,
        )


def lag_and_correlation(found: Signal, truth: Signal, start: int, *, reach: int = 48) -> tuple[int, float]:
    """By how many samples `found` is late against `truth` from `start` on, and how alike they are then."""
    correlations = {}
    for lag in range(-reach, reach + 1):
        there = truth[start - lag : start - lag + len(found)]
        correlations[lag] = float(found @ there / (np.linalg.norm(found) * np.linalg.norm(there)))
    best = max(correlations, key=lambda lag: correlations[lag])
    return best, correlations[best]


# Samples by which a decoded file is late. ADTS, AC-3 and MP3 without a table have no place to say how much priming
# there is, and FFmpeg drops the first frame of WMA.
LATE = {"adts": 1024, "ac3": 256, "mp3, variable without a table": 1105, "wma": -2048}


def test_every_format_gives_the_same_moments_of_the_source(format_and_file: tuple[str, Path], song: Signal) -> None:
    name, path = format_and_file
    truth = resample_poly(song.mean(axis=0), 160, 441)
    starts, samples, metadata, _ = excerpts_of(path, PLAN)
    assert len(starts) == 3
    late = round(LATE.get(name, 0) * 160 / 441)
    clock = round(FORMATS[name].clock_seconds * PLAN.sample_rate)
    for start, excerpt in zip(starts, samples, strict=True):
        lag, correlation = lag_and_correlation(excerpt, truth, round(start * PLAN.sample_rate) - late)
        assert abs(lag) <= clock + (name in LATE)
        assert correlation > 0.98
    assert metadata.duration_seconds == pytest.approx(40, abs=0.07)


def test_excerpts_found_by_jumping_equal_those_of_decoding_everything(format_and_file: tuple[str, Path]) -> None:
    name, path = format_and_file
    starts, samples, _, decoded = excerpts_of(path, PLAN)
    whole = excerpts_of(path, EVERY, jumps=False)[1].reshape(-1)
    clock = round(FORMATS[name].clock_seconds * PLAN.sample_rate)
    for start, excerpt in zip(starts, samples, strict=True):
        first = round(start * PLAN.sample_rate)
        if clock:
            lag, correlation = lag_and_correlation(excerpt, whole, first)
            assert abs(lag) <= clock
            assert correlation > 0.98
        elif "aac" in FORMATS[name].codec:
            # AAC fills bands with noise from a generator whose state depends on all that went before.
            assert lag_and_correlation(excerpt, whole, first)[0] == 0
            np.testing.assert_allclose(excerpt, whole[first : first + len(excerpt)], atol=0.02)
        else:
            np.testing.assert_allclose(excerpt, whole[first : first + len(excerpt)], atol=1e-6)
    # Three excerpts, three pre-rolls, what was decoded to begin with; Matroska seeks to points 5 s apart.
    if name != "ac3":  # whose packet times are rounded, and add up
        assert decoded < 20


@pytest.mark.parametrize("own_rate", [8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 44_099, 48_000, 96_000])
def test_resampling_keeps_every_sample_in_its_place(tmp_path: Path, own_rate: int) -> None:
    plan = dataclasses.replace(PLAN, excerpts_per_track=4)
    time = np.arange(own_rate * 11) / own_rate
    write(
        tmp_path / "tone.wav",
        np.sin(2 * np.pi * 1234.5 * time)[np.newaxis].astype(np.float32),
        FORMATS["wav, floats"],
        rate=own_rate,
    )
    starts, samples, _, _ = excerpts_of(tmp_path / "tone.wav", plan)
    for start, excerpt in zip(starts, samples, strict=True):
        at = start + np.arange(len(excerpt)) / plan.sample_rate
        np.testing.assert_allclose(excerpt, np.sin(2 * np.pi * 1234.5 * at), atol=2e-3)


def test_neighbouring_excerpts_join_without_a_seam(tmp_path: Path, song: Signal) -> None:
    path = write(tmp_path / "song.wav", song[:, : 10 * RATE], FORMATS["wav, floats"])
    joined = excerpts_of(path, EVERY)[1].reshape(-1)
    in_one = excerpts_of(path, dataclasses.replace(EVERY, excerpt_samples=160_000))[1].reshape(-1)
    np.testing.assert_allclose(joined, in_one, atol=1e-6)


@given(
    track=st.integers(0, 10**7),
    excerpt=st.integers(1, 10**5),
    count=st.integers(1, 500),
)
def test_planned_excerpts_lie_evenly_within_the_track(track: int, excerpt: int, count: int) -> None:
    starts = list(ExcerptPlan(16_000, excerpt, count).starts(track))
    assert len(starts) == min(count, track // excerpt)
    assert all(after - before >= excerpt for before, after in itertools.pairwise(starts))
    for number, start in enumerate(starts):
        assert 0 <= start <= track - excerpt
        assert abs(start + excerpt / 2 - (number + 0.5) * track / len(starts)) <= 1.5


@pytest.mark.parametrize("numbers", [(0, 1, 1), (1, 0, 1), (1, 1, 0), (1, 1, None, 0.0)])
def test_a_plan_of_nothing_is_refused(numbers: tuple[int, int, int | None]) -> None:
    with pytest.raises(ValueError, match="positive"):
        ExcerptPlan(*numbers)


def test_all_excerpts_lie_side_by_side_and_leave_the_rest(tmp_path: Path, song: Signal) -> None:
    path = write(tmp_path / "song.flac", song[:, : round(20.9 * RATE)], FORMATS["flac"])
    starts, samples, metadata, _ = excerpts_of(path, EVERY)
    np.testing.assert_allclose(starts, np.arange(20))
    assert samples.shape == (20, 16_000)
    assert metadata.duration_seconds == pytest.approx(20.9)


def test_blocks_are_lazy_and_hold_at_most_sixteen_excerpts(tmp_path: Path, song: Signal) -> None:
    path = write(tmp_path / "song.flac", song, FORMATS["flac"])
    with open_audio(path, EVERY) as excerpts:
        blocks = iter(excerpts)
        first = next(blocks)
        assert first.samples.shape == (BLOCK_EXCERPTS, 16_000)
        assert first.samples.dtype == np.float32
        assert excerpts.decoded_seconds < BLOCK_EXCERPTS + 2
        assert [len(block.samples) for block in blocks] == [16, 8]


@pytest.mark.parametrize("plan", [PLAN, EVERY], ids=["a few", "every"])
@pytest.mark.parametrize("name", ["wav", "mp3, constant", "vorbis"])
def test_a_clip_shorter_than_an_excerpt_is_repeated(tmp_path: Path, song: Signal, name: str, plan: ExcerptPlan) -> None:
    kind = FORMATS[name]
    path = write(tmp_path / f"hit{kind.suffix}", song[:, : round(0.6 * RATE)], kind)
    starts, (excerpt,), metadata, _ = excerpts_of(path, plan)
    assert metadata.duration_seconds == pytest.approx(0.6, abs=1e-3)
    assert starts.tolist() == [0.0]
    np.testing.assert_array_equal(excerpt[9600:], excerpt[:6400])
    truth = resample_poly(song.mean(axis=0), 160, 441)
    assert lag_and_correlation(excerpt[100:9500], truth, 100)[0] == 0


@pytest.mark.parametrize(("seconds", "plan"), [(0.49, PLAN), (0.49, EVERY), (0.0001, PLAN)])
def test_less_than_the_minimum_is_too_short(tmp_path: Path, song: Signal, seconds: float, plan: ExcerptPlan) -> None:
    path = write(tmp_path / "click.wav", song[:, : max(1, round(seconds * RATE))], FORMATS["wav"])
    with pytest.raises(AudioError, match=r"click\.wav lasts") as raised:
        excerpts_of(path, plan)
    assert raised.value.code is AudioErrorCode.TOO_SHORT


def test_exactly_one_excerpt_is_enough(tmp_path: Path, song: Signal) -> None:
    path = write(tmp_path / "one.wav", song[:, :RATE], FORMATS["wav"])
    for plan in (PLAN, EVERY):
        assert excerpts_of(path, plan)[0].tolist() == [0.0]


@pytest.mark.parametrize("seconds", [0.7, 5, 40])
def test_silence_and_dither_are_silent_but_the_quietest_music_is_not(tmp_path: Path, seconds: float) -> None:
    rng = np.random.default_rng(0)
    size = round(seconds * RATE)
    steps = rng.integers(0, 2, size) - rng.integers(0, 2, size)  # triangular dither, of one step either way
    dither = (steps / 2**15).astype(np.float32)
    for number, silence in enumerate((np.zeros(size, np.float32), dither)):
        path = write(tmp_path / f"{number}.wav", silence[np.newaxis], FORMATS["wav"])
        for plan in (PLAN, EVERY):
            with pytest.raises(AudioError) as raised:
                excerpts_of(path, plan)
            assert raised.value.code is AudioErrorCode.SILENT
    dither[: size // 2] += 10 ** (-70 / 20) * np.sin(np.arange(size // 2))
    path = write(tmp_path / "quiet.wav", dither[np.newaxis], FORMATS["wav"])
    assert np.abs(excerpts_of(path, PLAN)[1]).max() < 1e-3


@pytest.mark.parametrize("channels", [1, 2, 6])
def test_mono_is_the_plain_mean_of_the_channels(tmp_path: Path, channels: int) -> None:
    signal = music(3, channels=channels)
    path = write(tmp_path / "song.wav", signal, FORMATS["wav, floats"], rate=16_000)
    plan = ExcerptPlan(16_000, signal.shape[1])
    np.testing.assert_allclose(excerpts_of(path, plan)[1][0], signal.mean(axis=0), atol=1e-6)


def test_stereo_is_no_louder_than_mono(tmp_path: Path) -> None:
    mono = music(3, channels=1)
    for name in ("wav, floats", "wav", "flac"):
        loudness = []
        for signal in (mono, np.repeat(mono, 2, axis=0)):
            path = write(tmp_path / f"song{FORMATS[name].suffix}", signal, FORMATS[name])
            loudness.append(np.std(excerpts_of(path, EVERY)[1]))
        assert loudness[0] == pytest.approx(loudness[1], rel=1e-4)


@pytest.mark.parametrize(
    ("subtype", "step"),
    [("PCM_U8", 2**-7), ("PCM_16", 2**-15), ("PCM_24", 2**-23), ("PCM_32", 2**-23), ("FLOAT", 0), ("DOUBLE", 0)],
)
def test_full_scale_is_one_for_every_width(tmp_path: Path, subtype: str, step: float) -> None:
    signal = (0.9 * np.sin(np.arange(16_000) / 20)).astype(np.float32)
    soundfile.write(tmp_path / "tone.wav", signal, 16_000, subtype=subtype)
    (excerpt,) = excerpts_of(tmp_path / "tone.wav", PLAN)[1]
    np.testing.assert_allclose(excerpt, signal, atol=step + 1e-7)


def test_floats_beyond_full_scale_are_clipped_and_no_numbers_are_silence(tmp_path: Path) -> None:
    signal = (3.0 * np.sin(np.arange(16_000) / 20)).astype(np.float32)
    signal[4000:4100] = np.nan
    signal[5000], signal[5001] = np.inf, -np.inf
    soundfile.write(tmp_path / "loud.wav", signal, 16_000, subtype="FLOAT")
    (excerpt,) = excerpts_of(tmp_path / "loud.wav", PLAN)[1]
    expected = np.clip(np.nan_to_num(signal, nan=0, posinf=0, neginf=0), -1, 1)
    np.testing.assert_array_equal(excerpt, expected)


def noise_blocks(seconds: int, rate: int) -> Iterator[Signal]:
    rng = np.random.default_rng(0)
    for _ in range(seconds // 10):
        yield rng.uniform(-0.5, 0.5, 10 * rate).astype(np.float32)


def test_memory_does_not_grow_with_the_length(tmp_path: Path) -> None:
    peaks = []
    for minutes in (1, 4):
        with soundfile.SoundFile(tmp_path / "long.wav", "w", 8_000, 1, subtype="PCM_U8") as file:
            for block in noise_blocks(minutes * 60, 8_000):
                file.write(block)
        tracemalloc.start()
        with open_audio(tmp_path / "long.wav", EVERY) as excerpts:
            assert sum(len(block.samples) for block in excerpts) == minutes * 60
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # A block of sixteen, and what makes up the next.
    assert peaks[1] < 6 * BLOCK_EXCERPTS * PLAN.excerpt_samples * 4
    assert peaks[1] == pytest.approx(peaks[0], rel=0.1)
