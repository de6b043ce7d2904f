"""What the databases themselves can do to a catalogue: their limits, their absence, their users."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, event, make_url, text

from service.catalogue import changes, database
from service.catalogue.database import Database
from service.catalogue.errors import CatalogueError, CatalogueUnavailableError, TrackNotFoundError
from service.catalogue.records import IngestResult, Outcome
from service.catalogue.repository import Catalogue
from tests.postgresql_server import PostgresqlServer
from tests.service.test_catalogue import ENCODER, add, details, embedding, file_at


@pytest.fixture
def postgresql_url(postgresql: PostgresqlServer) -> Iterator[str]:
    """A catalogue without a track."""
    with postgresql.database(is_catalogue=True) as url:
        yield url


def execute(url: str, statement: str) -> None:
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement))
    engine.dispose()


def end_connections(url: str) -> None:
    """As a server that is restarted does."""
    execute(
        url,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )


def test_a_question_with_a_character_zero_finds_nothing(catalogue: Catalogue) -> None:
    add(catalogue, "/a", artist="Zero")
    with pytest.raises(TrackNotFoundError):
        catalogue.track("no\0id")
    assert catalogue.tracks(["\0"]) == {}
    assert catalogue.track_ids_by_artist("Zero\0") == []


def test_a_text_with_a_character_zero_is_kept_without_it(catalogue: Catalogue) -> None:
    with catalogue.writing() as writing:
        track_id = writing.add(file_at("/a"), details(title="one\0two"), {ENCODER: embedding(0)})
        writing.record(IngestResult(Path("/b"), Outcome.FAILED, code="silent", message="\0"))
    assert catalogue.track(track_id).title == "one\ufffdtwo"
    assert catalogue.failures.every()[0].message == "\ufffd"


def test_every_vector_is_read_as_of_one_moment(catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "VECTORS_AT_ONCE", 2)
    before = [add(catalogue, f"/{number}", number) for number in range(5)]
    seen: list[str] = []
    for ids, _ in catalogue.all_embeddings(ENCODER):
        seen += ids
        add(catalogue, f"/new {len(seen)}")
        catalogue.forget(before[-1:])
    assert sorted(seen) == before


def test_a_server_sends_vectors_as_they_are_asked_for(postgresql_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from psycopg import ServerCursor

    monkeypatch.setattr(changes, "VECTORS_AT_ONCE", 2)
    with Catalogue.open(postgresql_url) as catalogue:
        for number in range(5):
            add(catalogue, f"/{number}", number)
        cursors: list[Any] = []

        @event.listens_for(catalogue._database.engine, "before_cursor_execute")
        def remember(connection: Any, cursor: Any, *_: Any) -> None:  # noqa: ARG001
            cursors.append(cursor)

        assert [len(ids) for ids, _ in catalogue.all_embeddings(ENCODER)] == [2, 2, 1]
    assert [type(cursor) for cursor in cursors] == [ServerCursor]


def test_more_ask_at_once_than_there_are_connections(catalogue_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "CONNECTIONS", 3)
    with Catalogue.open(catalogue_url) as catalogue, ThreadPoolExecutor(12) as threads:
        track_id = add(catalogue, "/a")
        together = threading.Barrier(12)

        def ask(_: int) -> str:
            together.wait(10)
            return catalogue.track(track_id).id

        assert set(threads.map(ask, range(12))) == {track_id}
        if catalogue_url.startswith("postgresql"):
            assert catalogue._database.engine.pool.checkedin() <= 3  # type: ignore[attr-defined]


def test_a_server_that_was_restarted_is_connected_to_anew(postgresql_url: str) -> None:
    with Catalogue.open(postgresql_url) as catalogue:
        track_id = add(catalogue, "/a")
        end_connections(postgresql_url)
        assert catalogue.track(track_id).id == track_id
        end_connections(postgresql_url)
        add(catalogue, "/b")
        assert catalogue.count_tracks() == 2


def test_a_server_that_goes_away_in_between_takes_nothing_halfway(postgresql_url: str) -> None:
    with Catalogue.open(postgresql_url) as catalogue:

        def write() -> None:
            with catalogue.writing() as writing:
                writing.add(file_at("/a"), details(), {ENCODER: embedding(0)})
                end_connections(postgresql_url)

        with pytest.raises(CatalogueUnavailableError, match="what was written before stands"):
            write()
        assert (catalogue.count_tracks(), catalogue.revision()) == (0, 0)


def test_a_server_that_is_not_there_is_said_to_be_so(tmp_path: Path) -> None:
    pytest.importorskip("psycopg")
    for nowhere in (f"postgresql://user:secret@/facet?host={tmp_path}", "postgresql://user:secret@127.0.0.1:1/facet"):
        with pytest.raises(CatalogueUnavailableError, match="cannot be used now: connection") as caught:
            Catalogue.open(nowhere)
        assert "secret" not in str(caught.value)


def test_a_user_who_may_not_make_tables_is_told_who_may(postgresql: PostgresqlServer) -> None:
    with postgresql.database() as url:
        execute(url, "REVOKE CREATE ON SCHEMA public FROM PUBLIC")
        # A role that every server has, in whose name the connection acts.
        as_another = make_url(url).update_query_dict({"options": "-c role=pg_monitor"})
        with pytest.raises(CatalogueUnavailableError, match=r"permission denied.*make this user the owner"):
            Catalogue.open(as_another.render_as_string(hide_password=False), create=True)


def test_a_database_that_has_not_every_letter_is_not_taken(postgresql: PostgresqlServer) -> None:
    with postgresql.database(encoding="SQL_ASCII") as url:
        with pytest.raises(CatalogueError, match=r"keeps its text as SQL_ASCII.*createdb --encoding=UTF8"):
            Catalogue.open(url, create=True)
        with closing(Database(url)) as database:
            assert database.step() is None


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://user:secret@host:port/facet", "its port is not a number"),
        ("mysql://user:secret@host/facet", r"of mysql\+mysqldb, and Facet knows sqlite and postgresql\+psycopg"),
        ("postgresql+psycopg2://user:secret@host/facet", r"of postgresql\+psycopg2, and Facet knows"),
    ],
)
def test_a_url_that_cannot_be_used_says_why_and_keeps_its_secret(url: str, said: str) -> None:
    with pytest.raises(CatalogueError, match=said) as caught:
        Database(url)
    assert "sec" not in str(caught.value)


def test_a_migration_gives_up_when_somebody_else_migrates_for_too_long(catalogue_url: str) -> None:
    from service.catalogue.migrating import upgrade

    holder, other = Database(catalogue_url), Database(catalogue_url, busy_seconds=0.05)
    with holder.changing_tables() as connection:
        if not holder.is_sqlite:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": 0xFACE7})
        began = time.monotonic()
        with pytest.raises(CatalogueUnavailableError, match="what was written before stands"):
            upgrade(other)
        assert time.monotonic() - began < 10
    for each in (holder, other):
        each.close()
