"""The columns beside the index's rows, against asking the catalogue for each track."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from index.live import LiveIndex
from service.catalogue.records import TrackEmbedding
from service.catalogue.repository import Catalogue
from service.catalogue.writing import FileState, TrackDetails, folded_name
from service.search.facts_keeper import FactsKeeper
from service.search.track_facts import UNKNOWN
from tests.service.small_facet import SUBSPACES

ENCODER = "small-1"


def add(catalogue: Catalogue, number: int, *, encoder_id: str = ENCODER) -> str:
    rng = np.random.default_rng(number)
    vector = SUBSPACES.unit(rng.standard_normal(8))
    with catalogue.writing() as writing:
        return writing.add(
            FileState(Path(f"/music/{number // 3}/{number}"), f"{number:064x}", 1, 1),
            TrackDetails(
                title=f"Title {number}",
                artist=[None, "Ann", " ANN", "Björk"][number % 4],
                album=[None, "First", "first "][number % 3],
                year=None if number % 5 == 0 else 1990 + number,
                duration_seconds=100.0 + number,
                skipped_packets=0,
            ),
            {encoder_id: TrackEmbedding(vector, vector[None], np.zeros(1, np.float32), rng.random(5, np.float32))},
        )


def follow(live: LiveIndex, catalogue: Catalogue) -> None:
    while (change := catalogue.changes_since(ENCODER, live.revision)) is not None:
        live.apply(change)


def assert_told_truly(keeper: FactsKeeper, live: LiveIndex, catalogue: Catalogue) -> None:
    state = live.moment
    facts = keeper.beside(state, with_tags=True)
    listed = catalogue.list_tracks(limit=1000)
    embeddings = catalogue.embeddings([track.id for track in listed], ENCODER)
    assert state.tracks == len(embeddings)
    for track in listed:
        if track.id not in embeddings:
            continue
        (row,) = state.rows_of([track.id])
        known = facts.facts.names
        for column, name in ((facts.artists, track.artist), (facts.albums, track.album)):
            folded = folded_name(name)
            assert column[row] == (UNKNOWN if folded is None else known[folded])
        sets = {number: labels for labels, number in facts.facts.sets.items()}
        assert sets.get(int(facts.label_sets[row]), frozenset()) == {folded_name(label) for label in track.labels}
        assert facts.durations[row] == track.duration_seconds
        assert facts.years[row] == track.year or (track.year is None and np.isnan(facts.years[row]))
        for tag in range(5):
            assert facts.probabilities(tag)[row] == embeddings[track.id].tag_probabilities[tag]


@pytest.fixture
def live(tmp_path: Path) -> LiveIndex:
    return LiveIndex(tmp_path / "snapshots", encoder_id=ENCODER, subspaces=SUBSPACES)


def test_facts_are_those_of_the_catalogue_whatever_happens(catalogue: Catalogue, live: LiveIndex) -> None:
    keeper = FactsKeeper(catalogue, encoder_id=ENCODER)
    assert len(keeper.beside(live.moment).rows) == 0
    keeper.warm()
    ids = [add(catalogue, number) for number in range(20)]
    add(catalogue, 99, encoder_id="another")
    follow(live, catalogue)
    assert_told_truly(keeper, live, catalogue)
    live.compact()
    assert_told_truly(keeper, live, catalogue)
    ids += [add(catalogue, number) for number in range(20, 30)]
    catalogue.forget(ids[3:9])
    follow(live, catalogue)
    assert_told_truly(keeper, live, catalogue)
    track = catalogue.track(ids[12])
    embedding = catalogue.embedding(track.id, ENCODER)
    assert embedding is not None
    with catalogue.writing() as writing:
        writing.update(
            track.id,
            FileState(track.path, "f" * 64, 2, 2),
            TrackDetails(title="t", artist="Newcomer", album="New", year=2020, duration_seconds=5.0, skipped_packets=0),
            {ENCODER: replace(embedding, tag_probabilities=np.full(5, 0.25, np.float32))},
        )
    follow(live, catalogue)
    assert_told_truly(keeper, live, catalogue)
    live.compact()
    assert_told_truly(keeper, live, catalogue)


def test_facts_are_read_anew_where_the_catalogue_was_replaced(
    catalogue: Catalogue, live: LiveIndex, tmp_path: Path
) -> None:
    keeper = FactsKeeper(catalogue, encoder_id=ENCODER)
    for number in range(5):
        add(catalogue, number)
    follow(live, catalogue)
    assert_told_truly(keeper, live, catalogue)
    with Catalogue.open(f"sqlite:///{tmp_path / 'older.db'}", create=True) as older:
        add(older, 7)
        keeper._catalogue = older
        anew = LiveIndex(tmp_path / "anew", encoder_id=ENCODER, subspaces=SUBSPACES)
        follow(anew, older)
        assert_told_truly(keeper, anew, older)


def test_nothing_is_known_of_an_index_whose_tracks_are_all_gone(catalogue: Catalogue, live: LiveIndex) -> None:
    ids = [add(catalogue, number) for number in range(3)]
    follow(live, catalogue)
    live.compact()
    catalogue.forget(ids)
    follow(live, catalogue)
    state = live.moment
    assert (state.tracks, state.rows) == (0, 3)
    facts = FactsKeeper(catalogue, encoder_id=ENCODER).beside(state)
    for column in (facts.artists, facts.albums, facts.years, facts.durations):
        assert len(column) == 3


def test_tracks_are_divided_by_a_path_from_either_side(catalogue: Catalogue) -> None:
    ids = [add(catalogue, number) for number in range(10)]
    few, some = catalogue.divide_by_path(Path("/music/1"))
    assert (few, sorted(some)) == (True, sorted(ids[3:6]))
    many, others = catalogue.divide_by_path(Path("/music"))
    assert (many, others) == (False, [])
    assert catalogue.divide_by_path(Path("/musi")) == (True, [])
    assert catalogue.divide_by_path(Path("/music/1/4")) == (True, [ids[4]])


def test_labels_are_followed_however_they_change(catalogue: Catalogue, live: LiveIndex) -> None:
    keeper = FactsKeeper(catalogue, encoder_id=ENCODER)
    ids = [add(catalogue, number) for number in range(6)]
    steps = [{0: ["A", "b"]}, {1: ["B"], 2: ["a"]}, {0: [], 3: ["ä"]}, {1: ["c"], 4: ["B", "A"]}]
    follow(live, catalogue)
    live.compact()
    for step in steps:
        with catalogue.writing() as writing:
            for number, labels in step.items():
                writing.set_labels(ids[number], labels)
        follow(live, catalogue)
        assert live.revision == catalogue.revision()
        assert_told_truly(keeper, live, catalogue)
    # A label is of the track, in whatever space, and goes with it.
    assert live.uncompacted == 0
    assert_told_truly(FactsKeeper(catalogue, encoder_id=ENCODER), live, catalogue)
    catalogue.forget([ids[4]])
    follow(live, catalogue)
    assert_told_truly(keeper, live, catalogue)
    assert catalogue.labels() == {"a": 1, "c": 1, "ä": 1}
