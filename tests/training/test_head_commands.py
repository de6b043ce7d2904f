"""`facet heads prune-tagger`: from sounds to a file that a pruned network takes; what it refuses."""

from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from safetensors import safe_open

from index.decoder import Decoder
from tests.training.small_training import make_textures
from training.backbones.filter_importance import choose_filters
from training.backbones.kept_filters import read_kept_filters
from training.backbones.musicnn import load_musicnn
from training.datasets.manifest import Split
from training.datasets.manifest_files import read_manifest, write_manifest
from training.export import PRETRAINED
from training.front_end import FRONT_ENDS
from training.head_commands import heads
from training.music_frames import music_frames


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight training rows and eight others, and one of no audio."""
    path, _ = make_textures(tmp_path_factory.mktemp("sounds"), copies=1)
    whole = read_manifest(path)
    (whole.folder / whole.path[int(whole.on(Split.TRAIN)[0])]).write_bytes(b"no audio")
    return path


def run(*arguments: object, fails: bool = False) -> str:
    result = CliRunner().invoke(heads, ["prune-tagger", *map(str, arguments)], catch_exceptions=False)
    assert (result.exit_code != 0) == fails, result.output
    return result.output


def test_a_file_is_made_of_the_training_side_and_says_so(manifest: Path, tmp_path: Path) -> None:
    output = tmp_path / "kept.safetensors"
    said = run(manifest, "-o", output, "--filters", 32, "--excerpts-per-track", 1)
    assert "left out: " in said
    assert f"32 filters, chosen by 7 excerpts of manifest.csv, stand in {output}" in said
    pretrained = load_musicnn(PRETRAINED / "musicnn-mtt.safetensors")
    found = read_kept_filters(output, weights_sha256=pretrained.sha256)
    with safe_open(output, framework="pt") as file:
        assert file.metadata()["music"] == "7 excerpts of manifest.csv"
    whole = read_manifest(manifest)
    with Decoder(processes=1) as decoder:
        music = music_frames(
            whole.take(whole.on(Split.TRAIN)), decoder, front_end=FRONT_ENDS["musicnn"], excerpts_per_track=1
        )
    expected = choose_filters(pretrained.network, music.log_mel, n_filters=32)
    assert torch.equal(found.is_kept, expected.is_kept)
    torch.testing.assert_close(found.hidden_weight, expected.hidden_weight, atol=1e-5, rtol=1e-4)


def test_excerpts_are_spread_over_a_track(manifest: Path) -> None:
    whole = read_manifest(manifest)
    row = whole.take(whole.on(Split.VALID)[:1])
    with Decoder(processes=1) as decoder:
        one, many = (
            music_frames(row, decoder, front_end=FRONT_ENDS["musicnn"], excerpts_per_track=count).log_mel
            for count in (1, 5)
        )
    assert (one.shape, many.shape) == ((1, 187, 96), (2, 187, 96))


def test_a_number_that_is_no_multiple_of_a_block_is_refused_before_the_work(tmp_path: Path) -> None:
    said = run("nothing.csv", "-o", tmp_path / "x", "--filters", 100, fails=True)
    assert "100 is not a multiple of 16" in said


def test_a_manifest_without_a_training_side_is_refused(manifest: Path, tmp_path: Path) -> None:
    whole = read_manifest(manifest)
    aside = tmp_path / "aside.csv"
    write_manifest(whole.with_split(np.full(len(whole), 2, dtype=np.int8)), aside)
    said = run(aside, "-o", tmp_path / "x", fails=True)
    assert "not one of 0 rows gives an excerpt of music" in said
    assert not (tmp_path / "x").exists()


def test_a_manifest_that_is_not_there_is_told(tmp_path: Path) -> None:
    assert "does not exist" in run(tmp_path / "none.csv", "-o", tmp_path / "x", fails=True)
