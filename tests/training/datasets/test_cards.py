import pytest

from training.datasets.card import CARDS, all_cards, read_card
from training.vocabulary import SHIPPED, read_vocabulary

READERS = (
    "accompanied",
    "debian",
    "fma",
    "folder",
    "magnatagatune",
    "million-song",
    "mtg-jamendo",
    "rendered",
    "varied",
)


def test_every_reader_has_its_card():
    assert tuple(card.reader for card in all_cards()) == READERS
    assert {path.suffix for path in CARDS.iterdir()} == {".toml"}


@pytest.mark.parametrize("card", all_cards(), ids=lambda card: card.reader)
def test_a_card_says_where_from_and_under_what_terms(card):
    assert read_card(card.reader) == card
    for text in (card.title, card.summary, card.licence, card.how_to_get, card.layout, card.checksums_note):
        assert text.strip()
    assert bool(card.citation) == bool(card.homepage)
    if card.vocabulary:
        assert read_vocabulary(SHIPPED / f"{card.vocabulary}.toml").name == card.vocabulary
    lengths = {"sha1": 40, "sha256": 64, "md5": 32}
    for checksum in card.checksums:
        assert len(checksum.value) == lengths[checksum.algorithm]
        int(checksum.value, 16)


def test_an_unknown_reader_has_no_card():
    with pytest.raises(KeyError):
        read_card("../../vocabularies/lastfm50")
