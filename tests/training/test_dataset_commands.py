import csv
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from training.dataset_commands import dataset
from training.datasets.card import all_cards
from training.datasets.manifest import Split
from training.datasets.manifest_files import read_manifest

SAMPLES = Path(__file__).parent / "datasets" / "samples"
CHOI = SAMPLES / "million_song" / "choi"


def run(*arguments, fails=False):
    result = CliRunner().invoke(dataset, [str(argument) for argument in arguments], catch_exceptions=False)
    assert (result.exit_code != 0) == fails, result.output
    return result.output


def line_of(output, label):
    return next(line for line in output.splitlines() if line.strip().startswith(label))


@pytest.mark.parametrize(
    "arguments",
    [
        ("million-song", CHOI, SAMPLES, "--no-check-audio"),
        ("magnatagatune", SAMPLES / "magnatagatune", "--no-check-audio"),
        ("mtg-jamendo", SAMPLES / "mtg_jamendo", SAMPLES, "--no-check-audio"),
        ("fma", SAMPLES / "fma_metadata", SAMPLES, "--no-check-audio"),
    ],
    ids=lambda arguments: arguments[0],
)
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_every_reader_writes_a_manifest_and_reports_it(tmp_path, arguments, ending):
    path = tmp_path / f"m.{ending}"
    output = run(*arguments, "-o", path)
    manifest = read_manifest(path)
    card = next(card for card in all_cards() if card.reader == arguments[0])
    assert line_of(output, "tracks").split()[1] == str(len(manifest))
    assert f"test {len(manifest.on(Split.TEST))}" in line_of(output, "sides")
    assert line_of(output, "vocabulary").split()[1] == f"{card.vocabulary}:"
    assert " ".join(card.licence.split()) in output
    assert " ".join(card.citation.split()) in output
    assert str(path) in line_of(output, "written")


def test_without_an_output_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "written" not in run("million-song", CHOI, tmp_path, "--no-check-audio")
    assert list(tmp_path.iterdir()) == []


def test_the_table_counts_tags_by_dimension():
    output = run("million-song", CHOI, SAMPLES, "--no-check-audio")
    assert line_of(output, "genre").split()[1] == "28"
    assert line_of(output, "era").split()[1] == "5"


def test_a_split_by_artist_leaves_no_artist_on_two_sides(tmp_path):
    arguments = ("million-song", CHOI, SAMPLES, "--no-check-audio", "-o", tmp_path / "m.csv", "--split-by", "artist")
    metadata = ("--metadata", SAMPLES / "million_song" / "unique_tracks.txt")
    assert "no row has an artist" in run(*arguments, fails=True)
    output = run(*arguments, *metadata, "--shares", "0.6", "0.2", "0.2", "--seed", "3")
    assert "shares reached" in output
    manifest = read_manifest(tmp_path / "m.csv")
    sides = {}
    for artist, side in zip(manifest.artist, manifest.split.tolist(), strict=True):
        sides.setdefault(artist, set()).add(side)
    del sides[""]  # four tracks are not in the list
    assert len(sides) == 9
    assert all(len(of) == 1 for of in sides.values())


def test_only_tags_of_the_vocabulary_are_written_unless_none_is_wanted(tmp_path):
    arguments = ("magnatagatune", SAMPLES / "magnatagatune", "--no-check-audio", "-o", tmp_path / "m.csv")
    output = run(*arguments)
    assert "2 tags, dropped: " in line_of(output, "not in the vocabulary")
    assert "no piano" not in read_manifest(tmp_path / "m.csv").tags.names
    output = run(*arguments, "--vocabulary", "none")
    assert "in no vocabulary" in line_of(output, "tags")
    assert "no piano" in read_manifest(tmp_path / "m.csv").tags.names


def test_tags_can_be_renamed_to_another_vocabulary(tmp_path):
    (tmp_path / "mine.toml").write_text(
        '[tags]\nmetal = "heavy metal"\nchillout = []\npunkrock = ["punk", "rock"]\nhappy = "happy"\n'
    )
    arguments = ("mtg-jamendo", SAMPLES / "mtg_jamendo", SAMPLES, "--no-check-audio", "--vocabulary", "lastfm50")
    run(*arguments, "--rename", tmp_path / "mine.toml", "-o", tmp_path / "m.parquet")
    manifest = read_manifest(tmp_path / "m.parquet")
    assert manifest.tags[0] == ("rock", "80s", "punk")
    assert manifest.tags[1] == ("heavy metal",)
    output = run(*arguments[:-1], "none", "--rename", tmp_path / "mine.toml", fails=True)
    assert "--rename and --drop-untagged need a --vocabulary" in output


def test_untagged_tracks_can_be_left_out_and_listed(tmp_path):
    arguments = ("magnatagatune", SAMPLES / "magnatagatune", "--no-check-audio", "--drop-untagged")
    output = run(*arguments, "-o", tmp_path / "m.csv", "--left-out", tmp_path / "out.csv")
    assert len(read_manifest(tmp_path / "m.csv")) == 6
    assert line_of(output, "left out: no tag of").split()[-4] == "1"
    rows = list(csv.reader((tmp_path / "out.csv").read_text().splitlines()))
    assert rows == [["track_id", "reason"], ["25", "no path known"], ["21", "no tag of magnatagatune"]]


def test_a_manifest_is_checked_converted_and_dealt_out_anew(tmp_path):
    run("magnatagatune", SAMPLES / "magnatagatune", "--no-check-audio", "-o", tmp_path / "m.csv")
    run("manifest", tmp_path / "m.csv", "--split-by", "track", "-o", tmp_path / "n.parquet")
    before, after = read_manifest(tmp_path / "m.csv"), read_manifest(tmp_path / "n.parquet")
    assert list(before.tags) == list(after.tags)
    assert sorted(len(after.on(side)) for side in Split) == [1, 1, 5]
    (tmp_path / "bad.csv").write_text("path,track_id,year\nx,1,then\n")
    assert "row 1, column 'year'" in run("manifest", tmp_path / "bad.csv", fails=True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("magnatagatune", SAMPLES), "expected annotations_final.csv in"),
        (("magnatagatune", SAMPLES / "magnatagatune"), "not one of 7 tracks has its audio in"),
        (("fma", SAMPLES, SAMPLES), "expected tracks.csv in"),
        (("fma", SAMPLES / "none", SAMPLES), "there is no folder"),
        (("fma", SAMPLES / "fma_metadata", SAMPLES, "--vocabulary", "fmaa"), "Did you mean 'fma'?"),
        (("fma", SAMPLES / "fma_metadata", SAMPLES, "--vocabulary", "none.toml"), "none.toml does not exist"),
        (("fma", SAMPLES / "fma_metadata", SAMPLES, "--subset", "huge"), "'huge' is not one of"),
        (("fma", SAMPLES / "fma_metadata", SAMPLES, "-o", "m.json"), "ends in .csv or .parquet"),
        (("manifest", SAMPLES / "none.csv"), "does not exist"),
        (("folder", SAMPLES), "no track can be used"),
        (("rendered", SAMPLES, "--soundfont", SAMPLES / "none.sf2"), "take FluidR3_GM.sf2"),
        (("cards", "gtzan"), "there is no card 'gtzan'"),
    ],
)
def test_a_mistake_is_said_in_one_line_and_nothing_is_written(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    output = run(*arguments, fails=True)
    assert message in output
    assert "Traceback" not in output
    assert list(tmp_path.iterdir()) == []


def test_cards_are_listed_and_shown():
    listed = run("cards")
    for card in all_cards():
        assert f"{card.reader} " in listed
        shown = run("cards", card.reader)
        assert card.summary.strip() in shown
        for checksum in card.checksums:
            assert checksum.value in shown


def test_every_reader_with_a_card_is_a_verb():
    assert {card.reader for card in all_cards()} < set(dataset.commands)


def test_every_verb_and_option_is_documented():
    text = (Path(__file__).parents[2] / "docs" / "datasets.md").read_text()
    for name, verb in dataset.commands.items():
        assert f"facet dataset {name}" in text
        for parameter in verb.params:
            if isinstance(parameter, click.Option):
                names = [*parameter.opts, *parameter.secondary_opts]
                assert any(f"{option}`" in text or f"{option} " in text for option in names), f"{name} {names}"
