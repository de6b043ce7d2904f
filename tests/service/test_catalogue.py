import os
import sqlite3
import struct
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from index.live import LiveIndex
from index.live_state import Change
from index.subspaces import Subspace, Subspaces, Vectors
from service.catalogue import changes
from service.catalogue.errors import CatalogueUnavailableError, RevisionAheadError, TrackNotFoundError
from service.catalogue.known_files import KnownFile
from service.catalogue.records import IngestResult, Outcome, TrackEmbedding
from service.catalogue.repository import KEYS_AT_ONCE, Catalogue
from service.catalogue.writing import FileState, TrackDetails

SUBSPACES = Subspaces((Subspace("mood", 0, 4), Subspace("era", 4, 8)))
ENCODER = "encoder-a"
OTHER_ENCODER = "encoder-b"


def file_at(path: str | Path, *, content: str = "c0ffee") -> FileState:
    return FileState(Path(path), content_hash=content, size_bytes=123, modified_ns=1_700_000_000_123_456_789)


def details(*, title: str = "A Song", artist: str | None = "Somebody") -> TrackDetails:
    return TrackDetails(
        title=title, artist=artist, album="An Album", year=1999, duration_seconds=61.5, skipped_packets=2
    )


def embedding(seed: int, *, excerpts: int = 3) -> TrackEmbedding:
    rng = np.random.default_rng(seed)
    vectors = SUBSPACES.unit(rng.standard_normal((excerpts, SUBSPACES.width)))
    return TrackEmbedding(
        vector=SUBSPACES.mean(vectors),
        excerpt_vectors=vectors,
        excerpt_starts=np.arange(excerpts, dtype=np.float32) * 3.3,
        tag_probabilities=rng.random(5, dtype=np.float32),
    )


def add(catalogue: Catalogue, path: str | Path, seed: int = 0, *, artist: str | None = "Somebody") -> str:
    with catalogue.writing() as writing:
        return writing.add(file_at(path), details(artist=artist), {ENCODER: embedding(seed)})


@dataclass
class Follower:
    """Does what an index does with changes, with a dictionary."""

    encoder_id: str = ENCODER
    revision: int = 0
    vectors: dict[str, Vectors] = field(default_factory=dict)

    def take(self, change: Change) -> None:
        assert change.revision > self.revision
        self.vectors.update(zip(change.put_ids, change.put_vectors, strict=True))
        for track_id in change.deleted_ids:
            self.vectors.pop(track_id, None)
        self.revision = change.revision

    def catch_up(self, catalogue: Catalogue, *, limit: int = 2000) -> None:
        while (change := catalogue.changes_since(self.encoder_id, self.revision, limit=limit)) is not None:
            assert len(change.put_ids) + len(change.deleted_ids) <= limit
            self.take(change)


def everything(catalogue: Catalogue, encoder_id: str = ENCODER) -> dict[str, Vectors]:
    return {
        track_id: vector
        for ids, vectors in catalogue.all_embeddings(encoder_id)
        for track_id, vector in zip(ids, vectors, strict=True)
    }


def same(one: Mapping[str, Vectors], other: Mapping[str, Vectors]) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(vector, other[key]) for key, vector in one.items())


def test_a_track_comes_back_as_it_was_put(catalogue: Catalogue) -> None:
    track_id = add(catalogue, "/music/a.flac")
    track = catalogue.track(track_id)
    assert (track.id, track.path) == (track_id, Path("/music/a.flac"))
    assert (track.content_hash, track.size_bytes, track.modified_ns) == ("c0ffee", 123, 1_700_000_000_123_456_789)
    assert (track.title, track.artist, track.album, track.year) == ("A Song", "Somebody", "An Album", 1999)
    assert (track.duration_seconds, track.skipped_packets) == (61.5, 2)
    assert timedelta(0) <= datetime.now(UTC) - track.added_at < timedelta(minutes=1)


def test_an_embedding_comes_back_as_it_was_put(catalogue: Catalogue) -> None:
    put = embedding(7, excerpts=4)
    with catalogue.writing() as writing:
        track_id = writing.add(file_at("/a"), details(), {ENCODER: put})
    got = catalogue.embedding(track_id, ENCODER)
    assert got is not None
    for exact in ("vector", "excerpt_starts", "tag_probabilities"):
        assert getattr(got, exact).dtype == np.float32
        assert np.array_equal(getattr(got, exact), getattr(put, exact))
    assert got.excerpt_vectors.shape == put.excerpt_vectors.shape
    # A float16 between 1/2 and 1 has a step of 2^-11; rounding is off by half of it at most.
    assert np.abs(got.excerpt_vectors - put.excerpt_vectors).max() <= 2**-12
    assert catalogue.embedding(track_id, OTHER_ENCODER) is None


def test_numbers_are_stored_little_endian(tmp_path: Path) -> None:
    with Catalogue.open(f"sqlite:///{tmp_path / 'c.db'}", create=True) as catalogue:
        put = embedding(1, excerpts=2)
        with catalogue.writing() as writing:
            writing.add(file_at("/a"), details(), {ENCODER: put})
    with sqlite3.connect(tmp_path / "c.db") as database:
        vector, excerpts = database.execute("SELECT vector, excerpt_vectors FROM embeddings").fetchone()
    database.close()
    assert vector == struct.pack("<8f", *put.vector)
    assert excerpts == struct.pack("<16e", *put.excerpt_vectors.ravel())


def test_a_name_that_is_not_utf8_survives(catalogue: Catalogue) -> None:
    path = Path(os.fsdecode(b"/music/caf\xe9/\xff\xfe.mp3"))
    track_id = add(catalogue, path)
    assert catalogue.track(track_id).path == path
    assert os.fsencode(catalogue.track(track_id).path) == b"/music/caf\xe9/\xff\xfe.mp3"
    assert catalogue.track_ids_under(path.parent) == [track_id]


def test_an_unknown_track_is_not_found(catalogue: Catalogue) -> None:
    with pytest.raises(TrackNotFoundError, match="no-such-id"):
        catalogue.track("no-such-id")
    assert catalogue.tracks(["no-such-id"]) == {}
    assert catalogue.embeddings(["no-such-id"], ENCODER) == {}


def test_tracks_are_listed_page_by_page_in_the_order_they_were_added(catalogue: Catalogue) -> None:
    added = [add(catalogue, f"/music/{name}") for name in "gfedcba"]
    pages: list[str] = []
    after = None
    while page := catalogue.list_tracks(limit=3, after=after):
        pages.extend(track.id for track in page)
        after = page[-1].id
    assert pages == added
    assert catalogue.count_tracks() == 7


def test_the_next_page_comes_even_if_the_last_track_of_the_page_before_is_gone(catalogue: Catalogue) -> None:
    added = [add(catalogue, f"/music/{number}") for number in range(4)]
    catalogue.forget([added[1]])
    assert [track.id for track in catalogue.list_tracks(limit=9, after=added[1])] == added[2:]


def test_more_tracks_than_fit_a_statement_are_read_and_forgotten(catalogue: Catalogue) -> None:
    count = KEYS_AT_ONCE * 2 + 1
    with catalogue.writing() as writing:
        ids = [writing.add(file_at(f"/{n}"), details(), {ENCODER: embedding(n, excerpts=1)}) for n in range(count)]
    assert catalogue.tracks(ids).keys() == set(ids)
    assert catalogue.embeddings(ids, ENCODER).keys() == set(ids)
    assert catalogue.forget(ids) == count
    assert (catalogue.count_tracks(), catalogue.count_embeddings(ENCODER)) == (0, 0)


def test_an_artist_is_found_whatever_the_case(catalogue: Catalogue) -> None:
    ids = [
        add(catalogue, "/1", artist="Björk"),
        add(catalogue, "/2", artist=" BJÖRK "),
        add(catalogue, "/3", artist="Bjo"),
    ]
    assert catalogue.track_ids_by_artist("bJöRK") == ids[:2]
    # o and a combining diaeresis: what a Mac writes.
    assert catalogue.track_ids_by_artist("bjo\u0308rk") == ids[:2]


def test_an_unknown_artist_is_nobodys(catalogue: Catalogue) -> None:
    add(catalogue, "/1", artist=None)
    assert catalogue.track_ids_by_artist("") == []
    assert catalogue.track_ids_by_artist("None") == []


def test_what_leaves_by_an_exception_leaves_nothing_behind(catalogue: Catalogue) -> None:
    before = catalogue.revision()

    def add_and_fail() -> None:
        with catalogue.writing() as writing:
            writing.add(file_at("/a"), details(), {ENCODER: embedding(0)})
            raise KeyError

    with pytest.raises(KeyError):
        add_and_fail()
    assert (catalogue.count_tracks(), catalogue.count_embeddings(ENCODER), catalogue.revision()) == (0, 0, before)


def test_a_track_goes_with_its_embeddings_or_not_at_all(catalogue: Catalogue) -> None:
    add(catalogue, "/a")
    narrow = embedding(0)
    wrong = TrackEmbedding(narrow.vector[:4], narrow.excerpt_vectors, narrow.excerpt_starts, narrow.tag_probabilities)
    with pytest.raises(ValueError, match="4 numbers, those of encoder-a have 8"), catalogue.writing() as writing:
        writing.add(file_at("/b"), details(), {ENCODER: wrong})
    assert catalogue.count_tracks() == 1


def test_moving_and_touching_change_nothing_for_an_index(catalogue: Catalogue) -> None:
    track_id = add(catalogue, "/a")
    before = catalogue.revision()
    with catalogue.writing() as writing:
        writing.move(track_id, file_at("/b"), title="b")
        writing.touch(track_id, file_at("/b"))
    assert catalogue.revision() == before
    assert (catalogue.track(track_id).path, catalogue.track(track_id).title) == (Path("/b"), "b")


def test_nothing_new_is_none(catalogue: Catalogue) -> None:
    assert catalogue.changes_since(ENCODER, 0) is None
    add(catalogue, "/a")
    assert catalogue.changes_since(ENCODER, catalogue.revision()) is None
    assert catalogue.changes_since(OTHER_ENCODER, 0) is None


def test_a_deleted_track_shows_as_deleted_and_no_more_as_put(catalogue: Catalogue) -> None:
    gone, stays = add(catalogue, "/a"), add(catalogue, "/b", 1)
    catalogue.forget([gone])
    change = catalogue.changes_since(ENCODER, 0)
    assert change is not None
    assert (change.put_ids, change.deleted_ids) == ((stays,), (gone,))
    assert change.revision == catalogue.revision()


def test_deletes_alone_have_vectors_of_the_right_width(catalogue: Catalogue, tmp_path: Path) -> None:
    track_id = add(catalogue, "/a")
    index = LiveIndex(tmp_path, encoder_id=ENCODER, subspaces=SUBSPACES)
    for _ in range(2):
        change = catalogue.changes_since(ENCODER, index.revision)
        assert change is not None
        index.apply(change)
        catalogue.forget([track_id])
    assert len(index) == 0


def test_a_track_with_new_content_leaves_the_other_spaces(catalogue: Catalogue) -> None:
    with catalogue.writing() as writing:
        track_id = writing.add(
            file_at("/a", content="old"), details(), {ENCODER: embedding(0), OTHER_ENCODER: embedding(1)}
        )
    followers = Follower(ENCODER), Follower(OTHER_ENCODER)
    for follower in followers:
        follower.catch_up(catalogue)
        assert track_id in follower.vectors
    with catalogue.writing() as writing:
        writing.update(track_id, file_at("/a", content="new"), details(), {ENCODER: embedding(2)})
    for follower in followers:
        follower.catch_up(catalogue)
    assert np.array_equal(followers[0].vectors[track_id], embedding(2).vector)
    assert track_id not in followers[1].vectors


def test_a_track_analysed_by_another_bundle_stays_in_the_first_ones_space(catalogue: Catalogue) -> None:
    track_id = add(catalogue, "/a", 3)
    with catalogue.writing() as writing:
        writing.update(track_id, file_at("/a"), details(), {OTHER_ENCODER: embedding(4)})
    assert same(everything(catalogue, ENCODER), {track_id: embedding(3).vector})
    assert same(everything(catalogue, OTHER_ENCODER), {track_id: embedding(4).vector})


def test_who_is_ahead_of_the_catalogue_is_told(catalogue: Catalogue) -> None:
    add(catalogue, "/a")
    with pytest.raises(RevisionAheadError, match="revision 99, the catalogue at 1"):
        catalogue.changes_since(ENCODER, 99)


def test_a_catalogue_made_anew_is_another_one(tmp_path: Path) -> None:
    identities = set()
    for name in ("a.db", "b.db"):
        for _ in range(2):
            with Catalogue.open(f"sqlite:///{tmp_path / name}", create=True) as catalogue:
                identities.add(catalogue.identity)
    assert len(identities) == 2


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.sampled_from([(ENCODER,), (OTHER_ENCODER,), (ENCODER, OTHER_ENCODER)])),
        st.tuples(st.just("update"), st.integers(0, 9), st.sampled_from([ENCODER, OTHER_ENCODER]), st.booleans()),
        st.tuples(st.just("forget"), st.integers(0, 9)),
        st.tuples(st.just("follow"), st.integers(1, 4), st.integers(1, 3)),
    ),
    max_size=25,
)


# The fixture's database is shared between examples: each begins where the one before it ended, which is a state too.
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(steps=STEPS)
def test_whoever_follows_in_any_batches_ends_with_everything(catalogue: Catalogue, steps: list[tuple]) -> None:  # type: ignore[type-arg]
    followers = [
        Follower(encoder_id, catalogue.revision(), everything(catalogue, encoder_id))
        for encoder_id in (ENCODER, OTHER_ENCODER)
    ]
    tracks = [track.id for track in catalogue.list_tracks(limit=100)]
    for seed, (verb, *rest) in enumerate(steps):
        if verb == "add":
            with catalogue.writing() as writing:
                path = f"/{len(tracks)}-{seed}-{catalogue.revision()}"
                tracks.append(writing.add(file_at(path), details(), {name: embedding(seed) for name in rest[0]}))
        elif verb == "update" and tracks:
            track = catalogue.track(tracks[rest[0] % len(tracks)])
            content = f"content-{seed}" if rest[2] else track.content_hash
            with catalogue.writing() as writing:
                writing.update(track.id, file_at(track.path, content=content), details(), {rest[1]: embedding(seed)})
        elif verb == "forget" and tracks:
            catalogue.forget([tracks.pop(rest[0] % len(tracks))])
        elif verb == "follow":
            for follower in followers:
                for _ in range(rest[1]):
                    change = catalogue.changes_since(follower.encoder_id, follower.revision, limit=rest[0])
                    if change is not None:
                        follower.take(change)
    for follower in followers:
        follower.catch_up(catalogue, limit=3)
        assert same(follower.vectors, everything(catalogue, follower.encoder_id))


def test_whoever_follows_while_many_write_misses_nothing(catalogue: Catalogue, catalogue_url: str) -> None:
    follower = Follower()
    ended = threading.Event()
    problems: list[BaseException] = []

    def write(writer: int) -> None:
        try:
            with Catalogue.open(catalogue_url) as own:
                for number in range(15):
                    track_id = add(own, f"/{writer}/{number}", 100 * writer + number)
                    if number % 3 == 0:
                        own.forget([track_id])
        except BaseException as error:
            problems.append(error)

    def follow() -> None:
        try:
            while not ended.is_set():
                follower.catch_up(catalogue, limit=5)
        except BaseException as error:
            problems.append(error)

    writers = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    following = threading.Thread(target=follow)
    for thread in (*writers, following):
        thread.start()
    for thread in writers:
        thread.join()
    ended.set()
    following.join()
    follower.catch_up(catalogue)
    assert problems == []
    assert len(follower.vectors) == 4 * 10
    assert same(follower.vectors, everything(catalogue))


def test_every_vector_comes_once_in_batches(catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [add(catalogue, f"/{number}", number) for number in range(8)]
    monkeypatch.setattr(changes, "VECTORS_AT_ONCE", 3)
    batches = list(catalogue.all_embeddings(ENCODER))
    assert [len(batch_ids) for batch_ids, _ in batches] == [3, 3, 2]
    found = {track_id: vector for some, vectors in batches for track_id, vector in zip(some, vectors, strict=True)}
    assert same(found, {track_id: embedding(number).vector for number, track_id in enumerate(ids)})


def test_a_folder_is_what_lies_under_it_and_not_its_namesakes(catalogue: Catalogue) -> None:
    inside = [add(catalogue, path) for path in ("/m/a/1.mp3", "/m/a/b/2.mp3", "/m/a/\udcff.mp3")]
    others = [add(catalogue, path) for path in ("/m/a.mp3", "/m/ab/3.mp3", "/m/a0", "/m/A/4.mp3")]
    assert catalogue.track_ids_under(Path("/m/a")) == inside
    assert catalogue.track_ids_under(Path("/m/a.mp3")) == others[:1]
    assert catalogue.track_ids_under(Path("/")) == inside + others
    assert catalogue.track_ids_under(Path("/n")) == []


def test_a_known_file_tells_whether_there_is_anything_to_do(catalogue: Catalogue) -> None:
    path, failing = Path("/a"), Path("/b")
    track_id, failing_id = add(catalogue, path), add(catalogue, failing)
    with catalogue.writing() as writing:
        writing.record(IngestResult(failing, Outcome.FAILED, code="silent", message="it is silent"))
    known = catalogue.known_files([path, failing, Path("/c")], ENCODER)
    assert known == {
        path: KnownFile(track_id, 123, 1_700_000_000_123_456_789, is_embedded=True, has_failed=False),
        failing: KnownFile(failing_id, 123, 1_700_000_000_123_456_789, is_embedded=True, has_failed=True),
    }
    assert not catalogue.known_files([path], OTHER_ENCODER)[path].is_embedded


def test_failures_are_listed_and_counted_until_the_file_is_well(catalogue: Catalogue) -> None:
    failures = [
        IngestResult(Path(f"/{n}"), Outcome.FAILED, code=c, message=m)
        for n, c, m in [(1, "silent", "s"), (2, "not_audio", "n"), (3, "silent", "t")]
    ]
    with catalogue.writing() as writing:
        for result in failures:
            writing.record(result)
    assert catalogue.failures.every() == failures
    assert catalogue.failures.count() == {"not_audio": 1, "silent": 2}
    with catalogue.writing() as writing:
        writing.record(IngestResult(Path("/1"), Outcome.ADDED, track_id="x"))
        writing.record(IngestResult(Path("/2"), Outcome.UNCHANGED, track_id="y"))
    assert catalogue.failures.every() == failures[2:]
    catalogue.failures.forget([Path("/3")])
    assert catalogue.failures.count() == {}


def test_forgetting_a_track_forgets_what_ingest_said_of_its_file(catalogue: Catalogue) -> None:
    track_id = add(catalogue, "/a")
    with catalogue.writing() as writing:
        writing.record(IngestResult(Path("/a"), Outcome.FAILED, code="silent", message="it is silent"))
    assert catalogue.forget([track_id, "unknown"]) == 1
    assert catalogue.failures.every() == []


def test_a_locked_database_is_said_to_be_so(catalogue_url: str) -> None:
    with (
        Catalogue.open(catalogue_url) as holder,
        Catalogue.open(catalogue_url, busy_seconds=0.05) as other,
        holder.writing(),
        pytest.raises(CatalogueUnavailableError, match=r"(database is|due to) lock.*; what was written before stands"),
        other.writing(),
    ):
        pass


def test_reading_goes_on_while_someone_writes(catalogue: Catalogue) -> None:
    track_id = add(catalogue, "/a")
    with catalogue.writing() as writing:
        writing.add(file_at("/b"), details(), {ENCODER: embedding(1)})
        assert [track.id for track in catalogue.list_tracks(limit=9)] == [track_id]


def test_a_file_that_is_no_database_is_said_to_be_so(tmp_path: Path) -> None:
    (tmp_path / "c.db").write_bytes(b"This is no database. " * 100)
    with pytest.raises(CatalogueUnavailableError, match="file is not a database"):
        Catalogue.open(f"sqlite:///{tmp_path / 'c.db'}")


def test_sqlite_keeps_what_was_committed_and_the_references_between_tables(tmp_path: Path) -> None:
    with (
        Catalogue.open(f"sqlite:///{tmp_path / 'c.db'}", create=True) as catalogue,
        catalogue._database.reading() as session,
    ):
        pragmas = {
            name: session.connection().exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


def test_tracks_with_labels_are_listed_page_by_page_in_their_order(catalogue: Catalogue) -> None:
    ids = sorted(add(catalogue, f"/music/{number}.flac") for number in range(9))
    with catalogue.writing() as writing:
        for number, track_id in enumerate(ids):
            labels = ["Grüße  von %"] * (number % 2) + ["new"] * (number % 3 == 0)
            writing.set_labels(track_id, labels)
    odd, both = ids[1::2], [ids[3]]

    def pages(labels: list[str], limit: int) -> list[list[str]]:
        found: list[list[str]] = [[track.id for track in catalogue.list_tracks(limit=limit, labels=labels)]]
        while found[-1]:
            page = catalogue.list_tracks(limit=limit, labels=labels, after=found[-1][-1])
            found.append([track.id for track in page])
        return found[:-1]

    assert pages(["GRÜSSE von %"], 3) == [odd[:3], odd[3:]]
    assert pages(["grüße von %", "NEW"], 3) == [both]
    assert pages(["new"], 1) == [[each] for each in ids[::3]]
    assert pages(["ne"], 3) == pages(["%"], 3) == []
    catalogue.forget([ids[1]])
    assert pages(["grüße von %"], 5) == [odd[1:]]
