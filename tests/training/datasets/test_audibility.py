import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from training.datasets.audibility import NotOneTagError, audible_accuracy, main
from training.datasets.gathering import Gathering
from training.datasets.manifest_files import write_manifest
from training.vocabulary import find_vocabulary

RATE = 22_050
VOCABULARY = """
name = "toys"
source = "two dimensions, one of which can be heard"
dimensions = ["pitch", "whim"]
tags = [["low", "pitch"], ["high", "pitch"], ["heads", "whim"], ["tails", "whim"]]
"""


@pytest.fixture
def toys(tmp_path):
    (tmp_path / "toys.toml").write_text(VOCABULARY)
    rng = np.random.default_rng(8)
    gathering = Gathering(tmp_path)
    for number in range(40):
        pitch, whim = ("low", "high")[number % 2], ("heads", "tails")[int(rng.integers(2))]
        seconds = np.arange(3 * RATE) / RATE
        wave = 0.1 * np.sin(2 * np.pi * {"low": 220, "high": 880}[pitch] * rng.uniform(0.9, 1.1) * seconds)
        noise = 0.01 * rng.standard_normal((2, seconds.size))
        soundfile.write(tmp_path / f"{number}.wav", (wave + noise).T, RATE)
        gathering.add(f"{number}.wav", track_id=str(number), artist=f"band {number // 2}", tags=(pitch, whim))
    return gathering.finish().manifest


def test_what_can_be_heard_is_told_and_what_cannot_is_guessed(toys, tmp_path):
    accuracy = audible_accuracy(toys, find_vocabulary(str(tmp_path / "toys.toml")))
    assert accuracy["pitch"] == 1.0
    # 40 guesses at even odds: 0.5 give or take 0.08.
    assert accuracy["whim"] < 0.5 + 4 * 0.08


def test_the_command_prints_a_line_for_each_dimension(toys, tmp_path):
    write_manifest(toys, tmp_path / "toys.csv")
    arguments = [str(tmp_path / "toys.csv"), "--vocabulary", str(tmp_path / "toys.toml")]
    result = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert result.output.splitlines()[0].split() == ["pitch", "1.000", "(by", "chance", "0.500)"]
    assert len(result.output.splitlines()) == 2


def test_a_track_without_a_tag_of_a_dimension_is_named(toys):
    with pytest.raises(NotOneTagError, match="0 has 0 tags of genre, expected one"):
        audible_accuracy(toys, find_vocabulary("rendered"))
