"""The bundle that ships on music that shares nothing with what it learnt from: rendered here, if its players are there.

Debian and Ubuntu: `apt-get install mma fluidsynth timgm6mb-soundfont`. Without them it is skipped.
"""

import os
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from facet import main

ROOT = Path(__file__).parents[2]
SOUNDFONT = Path(os.environ.get("FACET_TEST_TIMGM", "/usr/share/sounds/sf2/TimGM6mb.sf2"))
PLAYERS_ARE_THERE = SOUNDFONT.is_file() and all(shutil.which(program) for program in ("mma", "fluidsynth"))


@pytest.mark.skipif(not PLAYERS_ARE_THERE, reason="mma, fluidsynth or TimGM6mb.sf2 is missing")
@pytest.mark.timeout(900)
def test_the_shipped_bundle_reaches_its_thresholds_on_music_made_otherwise(tmp_path: Path) -> None:
    manifest = tmp_path / "accompanied.csv"
    rendering = [*("dataset", "accompanied"), tmp_path / "music", *("--soundfont", SOUNDFONT), *("-o", manifest)]
    rendering += ["--pieces", 48, "--sheets", 12, "--music-seed", 7, "--processes", 2]
    measuring = ["evaluate", *("--model", ROOT / "models" / "default"), *("--data", manifest)]
    measuring += ["--vocabulary", "rendered", "--resamples", 100, *("--out", tmp_path / "out")]
    measuring += ["--work", tmp_path / "work", "--at-least", Path(__file__).with_name("held_out_thresholds.toml")]
    for command in (rendering, measuring):
        result = CliRunner().invoke(main, [*map(str, command)], catch_exceptions=False)
        assert result.exit_code == 0, result.output
    assert "all 6 thresholds are reached" in result.output
