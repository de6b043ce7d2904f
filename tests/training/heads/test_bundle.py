"""Heads from music to a bundle that answers: the command as one would use it, on the samples, in small."""

import csv
import json
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from facet import main
from index.model import ModelBundle
from training.backbones.musicnn import load_musicnn
from training.backbones.pruned_musicnn import PrunedMusicnn
from training.evaluation.card import BEGIN
from training.export import PRETRAINED
from training.heads.bundle import CARD
from training.heads.recipe import DEFAULT_RECIPE, HeadRecipe
from training.heads.words import Words, WordsError, find_words
from training.log_mel import MUSICNN_LOG_MEL, LogMel
from training.vocabulary import SHIPPED, Vocabulary, VocabularyTag, read_vocabulary

SIDES = ("train", "train", "valid", "test")
SAMPLES = Path(__file__).parents[3] / "samples"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A bundle of a few steps on every eighth of the samples, and what the command said."""
    folder = tmp_path_factory.mktemp("heads")
    with (SAMPLES / "manifest.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))[::8]
    for name, chosen, tags in (("labelled", rows, True), ("real", rows[:4], False)):
        with (folder / f"{name}.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["path", "track_id", "artist", "tags", "split"])
            for number, row in enumerate(chosen):
                side = SIDES[number % len(SIDES)] if tags else "train"
                # Who opened what is on the test side would not find it.
                path = folder / "nowhere.mp3" if side == "test" else SAMPLES / row["path"]
                told = row["tags"] if tags else ""
                writer.writerow([path, row["track_id"], row["title"], told, side])
    rows_of_test = [["path", "track_id", "tags", "split"], [folder / "nowhere.mp3", "none", rows[0]["tags"], "test"]]
    with (folder / "test.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows_of_test)
    recipe = DEFAULT_RECIPE.read_text()
    for usual, small in (("steps = 3000", "steps = 12"), ("hidden = 256", "hidden = 8")):
        assert usual in recipe
        recipe = recipe.replace(usual, small)
    (folder / "recipe.toml").write_text(recipe)
    arguments = ["heads", "fit", str(folder / "small"), "--labelled", str(folder / "labelled.csv")]
    arguments += ["--labelled", str(folder / "test.csv")]
    arguments += ["--real", str(folder / "real.csv"), "--recipe", str(folder / "recipe.toml")]
    result = CliRunner().invoke(main, [*arguments, "--work", str(folder / "work")], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return folder / "small", result.output


def test_the_bundle_opens_and_says_what_it_is(made: tuple[Path, str]) -> None:
    folder, output = made
    bundle = ModelBundle.open(folder)
    assert bundle.subspaces.names == ("genre", "mood", "instrument", "era")
    assert bundle.subspaces.width == 256
    assert tuple(tag.name for tag in bundle.tags) == read_vocabulary(SHIPPED / "default.toml").tag_names
    content = json.loads((folder / "bundle.json").read_text())
    assert content["recipe"]["real_tracks"] == 4
    assert (content["recipe"]["labelled_tracks"], content["recipe"]["calibration_tracks"]) == (6, 3)
    assert "losses at the end" in output
    assert "gave no audio" not in output
    assert "without a probability, as 0 groups have it" in " ".join(output.split())
    assert "tag_logits: at most" in output


def test_a_word_that_a_tagger_alone_knows_is_the_taggers_own(made: tuple[Path, str]) -> None:
    bundle = ModelBundle.open(made[0])
    waveforms = np.random.default_rng(0).normal(0, 0.1, (3, bundle.excerpt_samples)).astype(np.float32)
    _, logits = bundle.encode(waveforms)
    tagger = load_musicnn(PRETRAINED / "musicnn-msd.safetensors")
    network = PrunedMusicnn(tagger.network, n_frames=MUSICNN_LOG_MEL.n_frames)
    with torch.no_grad():
        expected = tagger.network.tags(network(LogMel(MUSICNN_LOG_MEL)(torch.from_numpy(waveforms)))).numpy()
    alone = [word for word in default_words().each if word.tagger == "msd" and word.value is None]
    assert len(alone) > 30
    columns = [tag.name for tag in bundle.tags]
    for word in alone:
        np.testing.assert_allclose(logits[:, columns.index(word.tag.name)], expected[:, word.column], atol=2e-3)


def test_a_proxy_lies_in_its_dimension_alone_and_has_length_one(made: tuple[Path, str]) -> None:
    bundle = ModelBundle.open(made[0])
    for tag, proxy in zip(bundle.tags, bundle.proxies, strict=True):
        inside = proxy[bundle.subspaces[tag.dimension].slice]
        assert np.linalg.norm(inside) == pytest.approx(1, abs=1e-5)
        assert np.linalg.norm(proxy) == pytest.approx(1, abs=1e-5)


def test_the_same_music_gives_the_same_bundle_from_the_features_that_were_kept(made: tuple[Path, str]) -> None:
    folder = made[0].parent
    arguments = ["heads", "fit", str(folder / "again"), "--labelled", str(folder / "labelled.csv")]
    arguments += ["--real", str(folder / "real.csv"), "--recipe", str(folder / "recipe.toml")]
    result = CliRunner().invoke(main, [*arguments, "--work", str(folder / "work")], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert (folder / "again" / "encoder.onnx").read_bytes() == (made[0] / "encoder.onnx").read_bytes()


def test_a_missing_manifest_is_told(tmp_path: Path) -> None:
    arguments = ["heads", "fit", str(tmp_path / "out"), "--labelled", "nowhere.csv", "--real", "nowhere.csv"]
    result = CliRunner().invoke(main, [*arguments, "--work", str(tmp_path / "work")])
    assert result.exit_code == 1
    assert "nowhere.csv" in result.output


def fit_fails(folder: Path, *, out: str = "out", **rows: list[list[str]]) -> str:
    """What `facet heads fit` says of manifests that it refuses; nothing is heard before."""
    for name in ("labelled", "real"):
        with (folder / f"{name}.csv").open("w", newline="") as file:
            csv.writer(file).writerows([["path", "track_id", "tags", "split"], *rows[name]])
    arguments = ["heads", "fit", str(folder / out), "--labelled", str(folder / "labelled.csv")]
    arguments += ["--real", str(folder / "real.csv"), "--work", str(folder / "work")]
    result = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert result.exit_code == 1, result.output
    assert not (folder / "work").exists()
    return " ".join(result.output.split())


@pytest.mark.parametrize(
    ("labelled", "real", "told"),
    [
        ("valid", "train", "no labelled music is on the side 'train'"),
        ("train", "train", "no labelled music is on the side 'valid'"),
        ("both", "test", "no real music is on the side 'train'"),
    ],
)
def test_music_that_lacks_a_side_is_refused_before_it_is_heard(
    tmp_path: Path, labelled: str, real: str, told: str
) -> None:
    sides = ("train", "valid") if labelled == "both" else (labelled,)
    rows = [[f"{side}.mp3", side, "rock", side] for side in sides]
    assert told in fit_fails(tmp_path, labelled=rows, real=[["real.mp3", "real", "", real]])


def test_a_folder_that_is_no_bundle_is_refused_before_music_is_heard(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    rows = [[f"{side}.mp3", side, "rock", side] for side in ("train", "valid")]
    assert "exists and is not a bundle" in fit_fails(tmp_path, out="mine", labelled=rows, real=rows)


def default_words() -> Words:
    taggers = {name: load_musicnn(PRETRAINED / f"musicnn-{name}.safetensors") for name in ("msd", "mtt")}
    values = read_vocabulary(SHIPPED / "varied.toml")
    return find_words(read_vocabulary(SHIPPED / "default.toml"), taggers, values)


def test_a_word_is_told_by_the_first_tagger_that_knows_it_and_by_labelled_music() -> None:
    words = default_words()
    told = {word.tag.name: word for word in words.each}
    assert [told[name].tagger for name in ("sexy", "guitar", "harp", "drums", "accordion")] == [
        *("msd", "msd", "mtt", "mtt", None),
    ]
    assert [told[name].value is not None for name in ("sexy", "guitar", "harp", "drums", "accordion")] == [
        *(False, True, True, False, True),
    ]
    hip_hop = told["Hip-Hop"].value
    assert hip_hop is not None
    assert words.values.tag_names[hip_hop] == "hip hop"


def test_a_word_that_nobody_knows_is_refused() -> None:
    words = default_words()
    unknown = Vocabulary("mine", "made up", ("mood",), (VocabularyTag("sesquipedalian", "mood"),))
    with pytest.raises(WordsError, match="sesquipedalian"):
        find_words(unknown, words.taggers, words.values)


def test_vocabularies_of_other_dimensions_or_with_one_that_no_tagger_knows_are_refused() -> None:
    words = default_words()
    mine = Vocabulary("mine", "made up", ("genre",), (VocabularyTag("rock", "genre"),))
    with pytest.raises(WordsError, match="'mine' are genre, those of 'varied' genre, mood, instrument, era"):
        find_words(mine, words.taggers, words.values)
    untold = Vocabulary("mine", "made up", ("genre",), (VocabularyTag("latin", "genre"),))
    with pytest.raises(WordsError, match="no tagger knows a word of 'genre'"):
        find_words(untold, words.taggers, untold)


def test_the_recipe_that_ships_is_read() -> None:
    recipe = HeadRecipe.model_validate(tomllib.loads(DEFAULT_RECIPE.read_text()))
    assert recipe.words.vocabulary == "default"
    assert set(recipe.network.unseen) <= {"genre", "mood", "instrument", "era"}


def test_the_card_that_ships_says_what_the_next_one_will() -> None:
    shipped = (DEFAULT_RECIPE.parents[2] / "models" / "default" / "CARD.md").read_text(encoding="utf-8")
    assert shipped.partition(BEGIN)[0].rstrip() == CARD.read_text(encoding="utf-8").rstrip()
