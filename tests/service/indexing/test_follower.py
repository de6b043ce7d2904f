"""The index keeps in step with the catalogue, whatever happened to snapshots, backups and the database."""

import itertools
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from index.query import Query
from index.snapshot import list_snapshots
from index.subspaces import Subspace, Subspaces, Vectors
from service.catalogue.records import TrackEmbedding
from service.catalogue.repository import Catalogue
from service.catalogue.writing import FileState, TrackDetails
from service.indexing import compacting
from service.indexing.follower import IndexFollower
from service.indexing.rebuilding import publish_from_catalogue, snapshots_root
from service.indexing.verifying import verify_index

SUBSPACES = Subspaces((Subspace("mood", 0, 4), Subspace("era", 4, 8)))
ENCODER = "encoder-a"
NUMBERS = itertools.count()


@pytest.fixture
def root(tmp_path: Path, database: Path) -> Path:
    with opened(database) as catalogue:
        return snapshots_root(tmp_path / "snapshots", catalogue=catalogue, encoder_id=ENCODER)


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """An SQLite file: what is tested here is not the database."""
    file = tmp_path / "catalogue.db"
    Catalogue.open(f"sqlite:///{file}", create=True).close()
    return file


@pytest.fixture
def catalogue(database: Path) -> Iterator[Catalogue]:
    with opened(database) as catalogue:
        yield catalogue


def opened(database: Path) -> Catalogue:
    return Catalogue.open(f"sqlite:///{database}")


def follower_of(catalogue: Catalogue, root: Path) -> IndexFollower:
    return IndexFollower(catalogue, root, encoder_id=ENCODER, subspaces=SUBSPACES, poll_seconds=0.02)


def add(catalogue: Catalogue, count: int = 1, *, encoder_id: str = ENCODER) -> list[str]:
    """New tracks with embeddings of their own."""
    ids = []
    with catalogue.writing() as writing:
        for _ in range(count):
            number = next(NUMBERS)
            vectors = SUBSPACES.unit(np.random.default_rng(number).standard_normal((2, SUBSPACES.width)))
            embedding = TrackEmbedding(
                vector=SUBSPACES.mean(vectors),
                excerpt_vectors=vectors,
                excerpt_starts=np.arange(2, dtype=np.float32),
                tag_probabilities=np.zeros(1, np.float32),
            )
            file = FileState(Path(f"/music/{number}"), content_hash=str(number), size_bytes=1, modified_ns=1)
            details = TrackDetails(
                title=str(number), artist=None, album=None, year=None, duration_seconds=2.0, skipped_packets=0
            )
            ids.append(writing.add(file, details, {encoder_id: embedding}))
    return ids


def searchable(follower: IndexFollower) -> dict[str, float]:
    query = Query.by_example(SUBSPACES, SUBSPACES.unit(np.ones((1, SUBSPACES.width))))
    return {hit.track_id: hit.similarity for hit in follower.index.search(query, limit=10_000)}


def expected(catalogue: Catalogue) -> dict[str, object]:
    """The same by brute force over the catalogue."""
    query: Vectors = SUBSPACES.unit(np.ones(SUBSPACES.width))
    return {
        track_id: pytest.approx(float(vector @ query) / len(SUBSPACES), abs=2e-6)
        for track_ids, vectors in catalogue.all_embeddings(ENCODER)
        for track_id, vector in zip(track_ids, vectors, strict=True)
    }


def assert_in_step(follower: IndexFollower, catalogue: Catalogue) -> None:
    assert (follower.catalogue_problem, follower.index_problem) == (None, None)
    assert searchable(follower) == expected(catalogue)


def damage(snapshot: Path) -> None:
    file = snapshot / "vectors.npy"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)


def test_it_follows_what_is_added_and_forgotten(catalogue: Catalogue, root: Path) -> None:
    follower = follower_of(catalogue, root)
    assert not follower.caught_up.is_set()
    follower.follow()
    assert follower.caught_up.is_set()
    assert_in_step(follower, catalogue)
    ids = add(catalogue, 5)
    follower.follow()
    assert_in_step(follower, catalogue)
    catalogue.forget(ids[:2])
    add(catalogue, 1)
    follower.follow()
    assert_in_step(follower, catalogue)
    assert len(follower.index) == 4


def test_it_is_caught_up_no_later_than_nothing_is_wrong(
    catalogue: Catalogue, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(catalogue, 1)
    follower = follower_of(catalogue, root)
    seen = []
    note = IndexFollower._note

    def note_and_look(self: IndexFollower, **problems: Any) -> None:
        note(self, **problems)
        seen.append((self.caught_up.is_set(), self.index_problem is None))

    monkeypatch.setattr(IndexFollower, "_note", note_and_look)
    follower.follow()
    assert seen == [(False, False)]
    assert (follower.caught_up.is_set(), follower.index_problem) == (True, None)


def test_more_changes_than_fit_a_batch_are_followed_at_once(catalogue: Catalogue, root: Path) -> None:
    follower = follower_of(catalogue, root)
    follower.follow()
    add(catalogue, 2100)
    follower.follow()
    assert_in_step(follower, catalogue)


def test_other_embedding_spaces_are_not_its_business(catalogue: Catalogue, root: Path) -> None:
    follower = follower_of(catalogue, root)
    add(catalogue, 3, encoder_id="encoder-b")
    follower.follow()
    assert_in_step(follower, catalogue)
    assert len(follower.index) == 0
    assert follower.catalogue_tracks == 3


def test_it_starts_from_the_newest_snapshot_and_what_came_since(catalogue: Catalogue, root: Path) -> None:
    ids = add(catalogue, 5)
    publish_from_catalogue(catalogue, root, encoder_id=ENCODER, subspaces=SUBSPACES)
    catalogue.forget(ids[:1])
    add(catalogue, 2)
    follower = follower_of(catalogue, root)
    follower.follow()
    assert follower.index.snapshot is not None
    assert follower.index.uncompacted == 3
    assert_in_step(follower, catalogue)


def test_a_damaged_snapshot_is_skipped_for_an_older_one_and_then_for_none(
    catalogue: Catalogue, root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    add(catalogue, 5)
    older = publish_from_catalogue(catalogue, root, encoder_id=ENCODER, subspaces=SUBSPACES)
    add(catalogue, 2)
    newer = publish_from_catalogue(catalogue, root, encoder_id=ENCODER, subspaces=SUBSPACES)
    damage(newer)
    follower = follower_of(catalogue, root)
    follower.follow()
    assert follower.index.snapshot is not None
    assert follower.index.snapshot.path == older
    assert_in_step(follower, catalogue)
    assert newer.name in caplog.text
    assert not newer.exists()  # it would be tried again at every start
    damage(older)
    follower = follower_of(catalogue, root)
    follower.follow()
    assert follower.index.snapshot is None
    assert_in_step(follower, catalogue)


def test_a_large_catalogue_without_a_snapshot_is_given_one(
    catalogue: Catalogue, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compacting, "COMPACT_FROM_TRACKS", 10)
    add(catalogue, 11)
    follower = follower_of(catalogue, root)
    follower.follow()
    assert follower.index.snapshot is not None
    assert follower.index.uncompacted == 0
    assert_in_step(follower, catalogue)


def test_where_no_snapshot_can_be_written_the_catalogue_alone_serves(
    catalogue: Catalogue, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compacting, "COMPACT_FROM_TRACKS", 10)
    root.parent.mkdir(parents=True)
    root.write_text("a file where the folder should be")
    add(catalogue, 11)
    follower = follower_of(catalogue, root)
    follower.follow()
    assert follower.index.snapshot is None
    assert_in_step(follower, catalogue)


def test_a_snapshot_of_a_later_revision_than_a_restored_catalogue_is_dropped(database: Path, root: Path) -> None:
    with opened(database) as catalogue:
        add(catalogue, 3)
    backup = shutil.copy(database, database.with_suffix(".backup"))
    with opened(database) as catalogue:
        add(catalogue, 4)
        ahead = publish_from_catalogue(catalogue, root, encoder_id=ENCODER, subspaces=SUBSPACES)
    shutil.copy(backup, database)
    with opened(database) as catalogue:
        follower = follower_of(catalogue, root)
        follower.follow()
        assert_in_step(follower, catalogue)
        assert len(follower.index) == 3
    assert ahead not in list_snapshots(root)


def test_a_snapshot_from_before_a_restored_backup_went_on_is_noticed(database: Path, root: Path) -> None:
    with opened(database) as catalogue:
        add(catalogue, 3)
    backup = shutil.copy(database, database.with_suffix(".backup"))
    with opened(database) as catalogue:
        add(catalogue, 4)
        publish_from_catalogue(catalogue, root, encoder_id=ENCODER, subspaces=SUBSPACES)
    shutil.copy(backup, database)
    with opened(database) as catalogue:
        # Past the snapshot's revision, on another way.
        catalogue.forget(add(catalogue, 3))
        add(catalogue, 4)
        follower = follower_of(catalogue, root)
        follower.follow()
        follower.follow()
        assert_in_step(follower, catalogue)


def test_a_catalogue_that_falls_back_while_it_is_followed_is_followed_anew(database: Path, root: Path) -> None:
    with opened(database) as catalogue:
        add(catalogue, 2)
    backup = shutil.copy(database, database.with_suffix(".backup"))
    with opened(database) as catalogue:
        add(catalogue, 4)
        follower = follower_of(catalogue, root)
        follower.follow()
        # Restored in place, as SQLite's own backup does.
        with sqlite3.connect(backup) as source, sqlite3.connect(database) as target:
            source.backup(target)
        follower.follow()
        assert not follower.caught_up.is_set()
        assert follower.index_problem is not None
        assert follower.index_problem.code == "index_behind"  # it heals itself: nothing is stuck
        follower.follow()
        assert_in_step(follower, catalogue)
        assert len(follower.index) == 2


def test_a_catalogue_out_of_reach_is_told_once_and_recovered_from(
    catalogue: Catalogue, database: Path, root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    follower = follower_of(catalogue, root)
    follower.follow()
    add(catalogue, 2)
    other = sqlite3.connect(database, isolation_level=None)
    other.execute("ALTER TABLE catalogue_state RENAME TO hidden")
    for _ in range(3):
        follower.follow()
    assert follower.catalogue_problem is not None
    assert follower.catalogue_problem.code == "catalogue_unavailable"
    assert follower.index_problem is None
    assert caplog.text.count("follower_stuck") == 1
    other.execute("ALTER TABLE hidden RENAME TO catalogue_state")
    other.close()
    follower.follow()
    assert_in_step(follower, catalogue)


def test_a_catalogue_that_a_backup_replaced_is_told_apart_from_one_that_comes_back(
    catalogue: Catalogue, database: Path, root: Path
) -> None:
    follower = follower_of(catalogue, root)
    follower.follow()
    with sqlite3.connect(database) as other:
        other.execute("UPDATE catalogue_state SET identity = 'restored', revision = revision + 1")
    other.close()
    for _ in range(2):
        follower.follow()
        assert follower.catalogue_problem is not None
        assert follower.catalogue_problem.code == "catalogue_replaced"


def test_what_nobody_thought_of_leaves_the_index_stuck(
    catalogue: Catalogue, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    follower = follower_of(catalogue, root)
    follower.follow()
    add(catalogue, 1)
    with monkeypatch.context() as patch:
        patch.setattr(catalogue, "changes_since", lambda *_: 1 / 0)
        follower.follow()
    assert follower.index_problem is not None
    assert follower.index_problem.code == "index_stuck"
    follower.follow()
    assert_in_step(follower, catalogue)


def test_much_change_is_compacted_while_searches_go_on(
    catalogue: Catalogue, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compacting, "COMPACT_FROM_TRACKS", 10)
    follower = follower_of(catalogue, root)
    follower.start()
    try:
        assert follower.caught_up.wait(5)
        for _ in range(5):
            add(catalogue, 5)
            _until(lambda: set(searchable(follower)) == set(expected(catalogue)))
        _until(lambda: follower.index.uncompacted <= 10)
        assert follower.index.snapshot is not None
    finally:
        follower.close()
    assert_in_step(follower, catalogue)
    assert 1 <= len(list_snapshots(root)) <= 2


@pytest.mark.parametrize("when", ["opening", "compacting"])
def test_a_snapshot_that_is_being_made_is_given_up_when_the_service_stops(
    catalogue: Catalogue, root: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    monkeypatch.setattr(compacting, "COMPACT_FROM_TRACKS", 10)
    being_written = threading.Event()

    class Waiting(IndexFollower):
        """Goes on with a snapshot, whose files are being written by then, only when the service has begun to stop."""

        def _give_up_if_stopping(self) -> None:
            super()._give_up_if_stopping()
            if any(root.glob(".partial-*/vectors.npy")):
                being_written.set()
                assert self._stopping.wait(10)

    follower = Waiting(catalogue, root, encoder_id=ENCODER, subspaces=SUBSPACES, poll_seconds=0.02)
    if when == "opening":
        add(catalogue, 11)
    follower.start()
    if when == "compacting":
        assert follower.caught_up.wait(5)
        add(catalogue, 11)
    assert being_written.wait(10)
    follower.close()
    assert list(root.iterdir()) == []


def test_little_change_is_not_compacted(catalogue: Catalogue, root: Path) -> None:
    add(catalogue, 50)
    follower = follower_of(catalogue, root)
    follower.follow()
    follower.compact_if_worthwhile()
    follower.close()
    assert list_snapshots(root) == []


def test_a_snapshot_that_another_process_published_is_taken(
    catalogue: Catalogue, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    follower = follower_of(catalogue, root)
    follower.follow()
    monkeypatch.setattr(compacting, "COMPACT_FROM_TRACKS", 10)
    add(catalogue, 11)
    follower.follow()
    published = publish_from_catalogue(catalogue, root, encoder_id=ENCODER, subspaces=SUBSPACES)
    follower.compact_if_worthwhile()
    follower.close()
    assert follower.index.snapshot is not None
    assert follower.index.snapshot.path == published
    assert list_snapshots(root) == [published]
    assert_in_step(follower, catalogue)


def test_a_compaction_that_fails_is_put_off_and_searches_go_on(
    catalogue: Catalogue, root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    follower = follower_of(catalogue, root)
    add(catalogue, 11)
    follower.follow()
    monkeypatch.setattr(compacting, "COMPACT_FROM_TRACKS", 10)
    root.parent.mkdir(parents=True)
    root.write_text("a file where the folder should be")
    for _ in range(3):
        follower.compact_if_worthwhile()
        time.sleep(0.05)
    follower.close()
    assert caplog.text.count("compaction_failed") == 1
    assert_in_step(follower, catalogue)


def test_a_sound_index_is_verified(catalogue: Catalogue, root: Path) -> None:
    ids = add(catalogue, 5)
    publish_from_catalogue(catalogue, root, encoder_id=ENCODER, subspaces=SUBSPACES)
    catalogue.forget(ids[:1])
    add(catalogue, 2)
    verified = verify_index(catalogue, root, encoder_id=ENCODER, subspaces=SUBSPACES)
    assert verified.is_sound
    assert (verified.snapshots, verified.tracks) == (1, 6)


def test_an_index_that_differs_from_the_catalogue_is_told_apart(
    catalogue: Catalogue, database: Path, root: Path
) -> None:
    ids = add(catalogue, 5)
    publish_from_catalogue(catalogue, root, encoder_id=ENCODER, subspaces=SUBSPACES)
    with sqlite3.connect(database) as other:
        # Behind the catalogue's back: no revision tells of it.
        other.execute("DELETE FROM embeddings WHERE track_id = ?", (ids[0],))
        other.execute(
            "UPDATE embeddings SET vector = (SELECT vector FROM embeddings WHERE track_id = ?) WHERE track_id = ?",
            (ids[1], ids[2]),
        )
    verified = verify_index(catalogue, root, encoder_id=ENCODER, subspaces=SUBSPACES)
    assert not verified.is_sound
    assert verified.surplus == 1
    assert verified.different == (ids[2],)


def test_a_damaged_snapshot_is_not_sound(catalogue: Catalogue, root: Path) -> None:
    add(catalogue, 5)
    published = publish_from_catalogue(catalogue, root, encoder_id=ENCODER, subspaces=SUBSPACES)
    damage(published)
    verified = verify_index(catalogue, root, encoder_id=ENCODER, subspaces=SUBSPACES)
    assert not verified.is_sound
    assert len(verified.unreadable) == 1


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)
