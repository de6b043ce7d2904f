from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.datasets.labels import RenamingError, TagCase, labels_of, read_renaming
from training.datasets.manifest import Manifest
from training.vocabulary import Vocabulary, VocabularyTag

VOCABULARY = Vocabulary(
    name="three",
    source="test",
    dimensions=("style", "feel", "place"),
    tags=(
        VocabularyTag("Hip-Hop", "style"),
        VocabularyTag("sad", "feel"),
        VocabularyTag("rock", "style"),
        VocabularyTag("club", "place"),
    ),
)


def tagged(*tags):
    return Manifest.of(Path(), path=map(str, range(len(tags))), track_id=map(str, range(len(tags))), tags=tags)


def test_columns_stand_in_the_vocabularys_order():
    labels = labels_of(tagged(["rock", "sad"], [], ["club"]), VOCABULARY)
    np.testing.assert_array_equal(labels.matrix, [[0, 1, 1, 0], [0, 0, 0, 0], [0, 0, 0, 1]])
    np.testing.assert_array_equal(labels.of_dimension("style"), [[0, 1], [0, 0], [0, 0]])
    assert labels.dropped == {}


def test_what_the_vocabulary_does_not_know_is_dropped_and_counted():
    labels = labels_of(tagged(["pop", "rock"], ["live", "pop"], ["hip-hop"]), VOCABULARY)
    assert labels.matrix.sum() == 1
    assert labels.dropped == {"pop": 2, "live": 1, "hip-hop": 1}
    assert next(iter(labels.dropped)) == "pop"


def test_capitals_are_ignored_only_when_asked_for():
    manifest = tagged(["hip-hop", "ROCK", "Rock"])
    assert labels_of(manifest, VOCABULARY).dropped == {"hip-hop": 1, "ROCK": 1, "Rock": 1}
    labels = labels_of(manifest, VOCABULARY, case=TagCase.IGNORE)
    assert labels.dropped == {}
    assert labels.matrix.tolist() == [[True, False, True, False]]
    assert list(labels.as_tags()) == [("Hip-Hop", "rock")]


def test_a_tag_can_stand_for_another_for_several_or_for_none():
    renamed = {"Rap": ["Hip-Hop"], "Club Rock": ["rock", "club"], "Podcast": [], "sad": ["club"]}
    labels = labels_of(tagged(["Rap"], ["Club Rock"], ["Podcast", "sad"], ["rap"]), VOCABULARY, renamed=renamed)
    np.testing.assert_array_equal(labels.matrix, [[1, 0, 0, 0], [0, 0, 1, 1], [0, 0, 0, 1], [0, 0, 0, 0]])
    assert labels.dropped == {"Podcast": 1, "rap": 1}


def test_a_tag_cannot_be_renamed_to_an_unknown_one():
    with pytest.raises(RenamingError, match=r"no tag 'Rock'; did you mean 'rock'\?"):
        labels_of(tagged(["x"]), VOCABULARY, renamed={"x": ["Rock"]})


@given(st.lists(st.lists(st.sampled_from(["Hip-Hop", "sad", "rock", "club", "pop", "Sad"]), unique=True), max_size=20))
def test_the_matrix_is_what_a_slow_loop_finds(rows):
    labels = labels_of(tagged(*rows), VOCABULARY)
    assert labels.matrix.shape == (len(rows), 4)
    for row, tags in enumerate(rows):
        for column, tag in enumerate(VOCABULARY.tag_names):
            assert labels.matrix[row, column] == (tag in tags)
    assert sum(labels.dropped.values()) == sum(tag in ("pop", "Sad") for tags in rows for tag in tags)


def test_a_renaming_is_read_from_toml(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('[tags]\n"Rap" = "Hip-Hop"\n"Club Rock" = ["rock", "club"]\nPodcast = []\n')
    assert read_renaming(path, VOCABULARY) == {"Rap": ("Hip-Hop",), "Club Rock": ("rock", "club"), "Podcast": ()}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("tags = 3", "tags: "),
        ("[tags]\nRap = 'hiphop'", "has no tag 'hiphop'; did you mean 'Hip-Hop'"),
        ("[other]\n", "tags: Field required"),
        ("[tags\n", "is not TOML"),
    ],
)
def test_a_wrong_renaming_is_refused(tmp_path, content, message):
    path = tmp_path / "mine.toml"
    path.write_text(content)
    with pytest.raises(RenamingError, match=r"mine\.toml") as refusal:
        read_renaming(path, VOCABULARY)
    assert message in str(refusal.value)


def test_a_missing_renaming_is_refused(tmp_path):
    with pytest.raises(RenamingError, match="does not exist"):
        read_renaming(tmp_path / "none.toml", VOCABULARY)
