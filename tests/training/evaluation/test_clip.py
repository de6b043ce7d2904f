"""A clip gives what a file would give that holds just the clip."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from index.audio import AudioError, AudioErrorCode, ExcerptPlan
from index.decoder import Decoder
from tests.index.audio_files import music
from tests.training.evaluation.small_bundle import RATE, write_noise
from training.evaluation.clip import Clip, clip_excerpts, clip_waveform
from training.evaluation.conditions import CONDITIONS, Condition

PLAN = ExcerptPlan(sample_rate=RATE, excerpt_samples=RATE)
RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def decoder():
    with Decoder() as decoder:
        yield decoder


def excerpts(
    clip: Clip, decoder: Decoder, plan: ExcerptPlan = PLAN, condition: Condition | None = None
) -> tuple[np.ndarray, np.ndarray]:
    blocks = list(clip_excerpts(clip, decoder, plan, condition=condition, rng=RNG))
    return np.concatenate([block.starts_seconds for block in blocks]), np.concatenate(
        [block.samples for block in blocks]
    )


@pytest.mark.parametrize(
    ("start", "duration"), [(0.0, None), (0.0, 3.0), (1.2345, 2.0), (0.05, None), (0.0, 0.03), (4.96, 0.04), (4.0, 9.0)]
)
def test_the_waveform_is_the_file_s_from_start_to_end(
    decoder: Decoder, tmp_path: Path, start: float, duration: float | None
) -> None:
    whole = write_noise(tmp_path / "file.wav", seconds=5.0, seed=1)
    clip = Clip(path=tmp_path / "file.wav", start_seconds=start, duration_seconds=duration)
    first = round(start * RATE)
    last = len(whole) if duration is None else min(len(whole), first + round(duration * RATE))
    np.testing.assert_array_equal(clip_waveform(clip, decoder, RATE), whole[first:last])


def test_a_clip_of_a_file_at_another_rate_is_what_the_whole_file_sounds_like(decoder: Decoder, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "file.flac", music(7.3, channels=1)[0], 44_100)
    rate = 16_000
    [whole] = _blocks(decoder, tmp_path / "file.flac", ExcerptPlan(rate, 3 * rate))
    clip = Clip(path=tmp_path / "file.flac", start_seconds=1.5, duration_seconds=4.0)
    found = clip_waveform(clip, decoder, rate)
    np.testing.assert_allclose(found, whole.reshape(-1)[24_000:88_000], atol=1e-6)


def _blocks(decoder: Decoder, path: Path, plan: ExcerptPlan) -> list[np.ndarray]:
    with decoder.decode(path, plan) as blocks:
        return [block.samples for block in blocks]


def test_what_the_last_tenth_of_a_second_lacks_is_silence_where_the_clip_is_said_to_reach_it(
    decoder: Decoder, tmp_path: Path
) -> None:
    whole = write_noise(tmp_path / "file.wav", seconds=3.03, seed=1)
    clip = Clip(path=tmp_path / "file.wav", start_seconds=1.04, duration_seconds=2.0)
    found = clip_waveform(clip, decoder, RATE)
    begin = round(1.04 * RATE)
    assert len(found) == 2 * RATE
    np.testing.assert_array_equal(found[: 3 * RATE - begin], whole[begin : 3 * RATE])
    assert not found[3 * RATE - begin :].any()
    starts, samples = excerpts(clip, decoder)
    np.testing.assert_array_equal(starts, [0.0, 1.0])
    np.testing.assert_array_equal(samples.reshape(-1), found)


def test_a_clip_shorter_than_an_excerpt_is_repeated_as_a_short_file_is(decoder: Decoder, tmp_path: Path) -> None:
    whole = write_noise(tmp_path / "long.wav", seconds=3.0, seed=1)
    soundfile.write(tmp_path / "short.wav", whole[RATE : RATE + 5_600], RATE, subtype="PCM_16")
    clip = Clip(path=tmp_path / "long.wav", start_seconds=1.0, duration_seconds=0.7)
    starts, samples = excerpts(clip, decoder)
    assert starts.tolist() == [0.0]
    np.testing.assert_array_equal(samples, excerpts(Clip(path=tmp_path / "short.wav"), decoder)[1])


def test_excerpts_are_spread_over_the_clip_as_over_a_file(decoder: Decoder, tmp_path: Path) -> None:
    whole = write_noise(tmp_path / "long.wav", seconds=12.0, seed=1)
    soundfile.write(tmp_path / "cut.wav", whole[RATE : 8 * RATE], RATE, subtype="PCM_16")
    plan = ExcerptPlan(RATE, RATE, excerpts_per_track=3)
    found = excerpts(Clip(path=tmp_path / "long.wav", start_seconds=1.0, duration_seconds=7.0), decoder, plan)
    expected = excerpts(Clip(path=tmp_path / "cut.wav"), decoder, plan)
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1], expected[1])


def test_many_excerpts_come_in_blocks(decoder: Decoder, tmp_path: Path) -> None:
    whole = write_noise(tmp_path / "long.wav", seconds=20.0, seed=1)
    starts, samples = excerpts(Clip(path=tmp_path / "long.wav", duration_seconds=19.5), decoder)
    np.testing.assert_array_equal(starts, np.arange(19))
    np.testing.assert_array_equal(samples.reshape(-1), whole[: 19 * RATE])


def test_a_condition_changes_the_clip_before_it_is_cut(decoder: Decoder, tmp_path: Path) -> None:
    write_noise(tmp_path / "long.wav", seconds=10.0, seed=1)
    clip = Clip(path=tmp_path / "long.wav", start_seconds=2.0, duration_seconds=4.2)
    faster = CONDITIONS["a tempo change of +5 %"]
    starts, samples = excerpts(clip, decoder, condition=faster)
    # 4.2 s at 1.05 times the tempo are 4 s.
    assert starts.tolist() == [0.0, 1.0, 2.0, 3.0]
    waveform = faster.change(clip_waveform(clip, decoder, RATE), RATE, RNG)
    np.testing.assert_array_equal(samples.reshape(-1), waveform)


@pytest.mark.parametrize(
    ("start", "duration", "code"),
    [
        (0.0, 0.3, AudioErrorCode.TOO_SHORT),
        (2.8, None, AudioErrorCode.TOO_SHORT),
        (50.0, 3.0, AudioErrorCode.TOO_SHORT),
        (1.0, 1.0, AudioErrorCode.SILENT),
    ],
)
def test_a_clip_without_music_is_told_by_its_code(
    decoder: Decoder, tmp_path: Path, start: float, duration: float | None, code: AudioErrorCode
) -> None:
    waveform = np.full(3 * RATE, 0.5, dtype=np.float32)
    waveform[RATE : 2 * RATE] = 0.0
    soundfile.write(tmp_path / "file.wav", waveform, RATE, subtype="PCM_16")
    clip = Clip(path=tmp_path / "file.wav", start_seconds=start, duration_seconds=duration)
    with pytest.raises(AudioError) as found:
        excerpts(clip, decoder)
    assert found.value.code is code


def test_a_file_that_is_not_there_is_the_caller_s_to_tell(decoder: Decoder, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        excerpts(Clip(path=tmp_path / "gone.wav", start_seconds=1.0), decoder)
