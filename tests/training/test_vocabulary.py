"""Vocabularies: the one that ships, one of another making, and what is refused."""

from collections import Counter
from pathlib import Path

import pytest

from training.backbones.musicnn import load_musicnn
from training.vocabulary import SHIPPED, Vocabulary, VocabularyError, VocabularyTag, read_vocabulary

WEIGHTS = Path(__file__).parents[2] / "training" / "backbones" / "pretrained" / "musicnn-msd.safetensors"

OWN = """
name = "own"
source = "made up"
dimensions = ["tempo", "key", "place", "use", "voice", "texture"]
tags = [
  ["slow", "tempo"], ["C", "key"], ["fast", "tempo"], ["Wien", "place"], ["dinner", "use"], ["choir", "voice"],
  ["thick", "texture"],
]
"""


def _read(tmp_path: Path, text: str) -> Vocabulary:
    (tmp_path / "own.toml").write_text(text, encoding="utf-8")
    return read_vocabulary(tmp_path / "own.toml")


def test_lastfm50_has_the_counts_of_the_paper() -> None:
    vocabulary = read_vocabulary(SHIPPED / "lastfm50.toml")
    assert vocabulary.dimensions == ("genre", "mood", "instrument", "era")
    assert [len(vocabulary.positions(dimension)) for dimension in vocabulary.dimensions] == [28, 12, 5, 5]


def test_lastfm50_keeps_the_order_of_the_published_tag_list() -> None:
    assert read_vocabulary(SHIPPED / "lastfm50.toml").tag_names == load_musicnn(WEIGHTS).tags


def test_every_decade_and_nothing_else_is_an_era() -> None:
    vocabulary = read_vocabulary(SHIPPED / "lastfm50.toml")
    eras = {tag.name for tag in vocabulary.tags if tag.dimension == "era"}
    assert eras == {name for name in vocabulary.tag_names if name[0].isdigit()} == {"60s", "70s", "80s", "90s", "00s"}


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.toml")), ids=lambda path: path.stem)
def test_every_shipped_vocabulary_is_valid_and_named_as_its_file(path: Path) -> None:
    vocabulary = read_vocabulary(path)
    assert vocabulary.name == path.stem
    counted = Counter(tag.dimension for tag in vocabulary.tags)
    assert counted == {dimension: len(vocabulary.positions(dimension)) for dimension in vocabulary.dimensions}


def test_a_vocabulary_may_have_any_dimensions(tmp_path: Path) -> None:
    vocabulary = _read(tmp_path, OWN)
    assert len(vocabulary.dimensions) == 6
    assert vocabulary.tags[1] == VocabularyTag("C", "key")
    assert vocabulary.positions("tempo") == (0, 2)
    assert vocabulary.positions("genre") == ()


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('"slow", "tempo"', '"slow", "speed"', "tag 'slow' belongs to 'speed'; the dimensions are tempo, key"),
        ('"fast"', '"SLOW"', "tag 'slow' comes twice"),
        ('"texture"]', '"Tempo"]', "dimension 'tempo' comes twice"),
        ('["Wien", "place"], ', "", "dimension 'place' has no tag"),
        ('["C", "key"]', '["C"]', r"tags\.1"),
        ('"C"', '" C"', r"tags\.1\.0"),
        ('"C"', '""', r"tags\.1\.0"),
        ('source = "made up"', "", "source: Field required"),
        ('source = "made up"', 'source = "made up"\ncolour = 3', "colour: Extra inputs"),
        ('name = "own"', 'name = "own', "is not TOML"),
    ],
)
def test_what_is_wrong_with_a_vocabulary_is_told(tmp_path: Path, old: str, new: str, complaint: str) -> None:
    assert old in OWN
    with pytest.raises(VocabularyError, match=rf"own\.toml.*{complaint}"):
        _read(tmp_path, OWN.replace(old, new, 1))


def test_a_missing_vocabulary_is_told(tmp_path: Path) -> None:
    with pytest.raises(VocabularyError, match="does not exist"):
        read_vocabulary(tmp_path / "nothing.toml")


def test_a_file_that_is_not_text_is_told(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(VocabularyError, match="is not TOML"):
        read_vocabulary(tmp_path / "own.toml")
