import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text

from service.catalogue.database import Database
from service.catalogue.errors import CatalogueError, CatalogueNotMigratedError
from service.catalogue.migrating import Upgrade, alembic_config, upgrade
from service.catalogue.records import IngestResult, Outcome
from service.catalogue.repository import Catalogue
from service.catalogue.tables import SCHEMA_REVISION, Table
from tests.service.rehearsing import REHEARSED, rehearse, shape_of, what_is_in
from tests.service.test_catalogue import ENCODER, add


def differences(connection: Connection) -> list[object]:
    """What a migration would still have to do, by Alembic's own comparison of the tables with the models."""
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    return list(compare_metadata(context, Table.metadata))


def test_the_steps_make_exactly_the_tables_of_the_models(empty_database_url: str) -> None:
    database = Database(empty_database_url)
    assert upgrade(database) == Upgrade(before=None, after=SCHEMA_REVISION)
    with database.engine.connect() as connection:
        assert differences(connection) == []
        foreign_keys = {
            (table, key["referred_table"], key["options"].get("ondelete"))
            for table in Table.metadata.tables
            for key in inspect(connection).get_foreign_keys(table)
        }
        assert foreign_keys == {
            ("embeddings", "tracks", "CASCADE"),
            ("embeddings", "embedding_spaces", None),
            ("track_labels", "tracks", "CASCADE"),
            ("embedding_failures", "tracks", "CASCADE"),
        }
    database.close()


def test_a_missing_table_is_noticed_by_the_comparison(empty_database_url: str) -> None:
    database = Database(empty_database_url)
    upgrade(database)
    with database.engine.begin() as connection:
        connection.execute(text("DROP TABLE deletions"))
        assert differences(connection) != []
    database.close()


def test_upgrade_downgrade_upgrade_is_clean(empty_database_url: str) -> None:
    database = Database(empty_database_url)
    upgrade(database)
    with database.engine.begin() as connection:
        command.downgrade(alembic_config(connection), "base")
    with database.engine.connect() as connection:
        assert inspect(connection).get_table_names() == ["alembic_version"]
    assert upgrade(database) == Upgrade(before=None, after=SCHEMA_REVISION)
    with database.engine.connect() as connection:
        assert differences(connection) == []
    database.close()
    Catalogue.open(empty_database_url).close()


def test_an_upgrade_of_what_is_up_to_date_does_nothing(catalogue_url: str) -> None:
    database = Database(catalogue_url)
    assert upgrade(database) == Upgrade(before=SCHEMA_REVISION, after=SCHEMA_REVISION)
    database.close()


def test_the_program_needs_the_newest_step(empty_database_url: str) -> None:
    database = Database(empty_database_url)
    with database.engine.connect() as connection:
        assert ScriptDirectory.from_config(alembic_config(connection)).get_heads() == [SCHEMA_REVISION]
    database.close()


def test_two_who_make_the_tables_at_once_do_not_meet(empty_database_url: str) -> None:
    upgrades: list[Upgrade] = []
    problems: list[Exception] = []
    together = threading.Barrier(4)

    def make() -> None:
        database = Database(empty_database_url)
        together.wait()
        try:
            upgrades.append(upgrade(database))
        except Exception as error:
            problems.append(error)
        finally:
            database.close()

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert sorted(each.before or "" for each in upgrades) == ["", *[SCHEMA_REVISION] * 3]


def test_a_step_that_fails_leaves_nothing_behind(empty_database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    database = Database(empty_database_url)

    def stumble(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    # The last statement of the first step: every table but one is made by then.
    monkeypatch.setattr("alembic.op.bulk_insert", stumble)
    with pytest.raises(ZeroDivisionError):
        upgrade(database)
    with database.engine.connect() as connection:
        assert inspect(connection).get_table_names() == []
    database.close()


@pytest.fixture
def filled_url(catalogue_url: str) -> str:
    """A catalogue with something in every table."""
    with Catalogue.open(catalogue_url) as catalogue:
        for number in range(20):
            add(catalogue, f"/{number}", number)
        catalogue.forget([add(catalogue, "/gone")])
        labelled = add(catalogue, "/labelled", 21)
        with catalogue.writing() as writing:
            writing.set_labels(labelled, ["party"])
            writing.jobs.add("1", content_hash="0", size_bytes=1, file_name="a.mp3", labels=["b"], most_open=2)
            writing.record(IngestResult(Path("/b"), Outcome.FAILED, code="silent", message="it is silent"))
    return catalogue_url


def test_steps_up_and_down_keep_every_row(filled_url: str) -> None:
    database = Database(filled_url)
    rehearse(database, "0001")
    shape, first = shape_of(database), what_is_in(database)
    rehearse(database, REHEARSED)
    assert database.step() == REHEARSED
    kept = what_is_in(database, only={name: columns for name, columns in shape.items() if name != "alembic_version"})
    assert kept == {name: digest for name, digest in first.items() if name != "alembic_version"}
    assert set(shape_of(database)["embeddings"]) - set(shape["embeddings"]) >= {"excerpts"}
    rehearse(database, "0001")
    assert (shape_of(database), what_is_in(database)) == (shape, first)
    upgrade(database)
    with database.engine.connect() as connection:
        assert differences(connection) == []
    database.close()
    with Catalogue.open(filled_url) as catalogue:
        assert (catalogue.count_tracks(), catalogue.count_embeddings(ENCODER)) == (21, 21)


def test_a_migration_that_is_killed_before_it_is_kept_leaves_nothing_behind(filled_url: str) -> None:
    database = Database(filled_url)
    before = shape_of(database), what_is_in(database)
    with subprocess.Popen(
        [sys.executable, "-m", "tests.service.rehearsing", "pause", filled_url],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(2)] == ["begins\n", "paused\n"]
        process.send_signal(signal.SIGKILL)
    assert (shape_of(database), what_is_in(database)) == before
    assert database.step() == SCHEMA_REVISION
    rehearse(database, REHEARSED)
    assert database.step() == REHEARSED
    database.close()


def test_a_step_that_would_leave_something_without_its_track_is_not_kept(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'c.db'}"
    with Catalogue.open(url, create=True) as catalogue:
        track_id = add(catalogue, "/a")
    database = Database(url)

    def lose() -> None:
        with database.changing_tables() as connection:
            connection.execute(text("DELETE FROM tracks"))

    with pytest.raises(CatalogueError, match="a row of embeddings would refer to a row of tracks that is not there"):
        lose()
    database.close()
    with Catalogue.open(url) as catalogue:
        assert catalogue.embeddings([track_id], ENCODER).keys() == {track_id}


def test_a_catalogue_that_is_not_there_is_not_made_by_looking_at_it(tmp_path: Path) -> None:
    file = tmp_path / "not there" / "c.db"
    with pytest.raises(
        CatalogueNotMigratedError, match=r"there is no catalogue at .* yet; `facet ingest FOLDER` makes"
    ):
        Catalogue.open(f"sqlite:///{file}")
    assert not file.parent.exists()
    Catalogue.open(f"sqlite:///{file}", create=True).close()
    Catalogue.open(f"sqlite:///{file}").close()


def test_an_older_database_is_refused_and_says_what_to_run(catalogue_url: str) -> None:
    set_step(catalogue_url, "0000")
    for create in (False, True):
        with pytest.raises(
            CatalogueNotMigratedError, match=f"at step 0000, .* needs step {SCHEMA_REVISION}; run `facet db"
        ):
            Catalogue.open(catalogue_url, create=create)


def test_a_newer_database_is_not_touched(catalogue_url: str) -> None:
    set_step(catalogue_url, "9999")
    database = Database(catalogue_url)
    with pytest.raises(CatalogueError, match=r"at step 9999, .*written by a newer Facet"):
        upgrade(database)
    assert database.step() == "9999"
    database.close()


def test_somebody_elses_database_is_not_touched(empty_database_url: str) -> None:
    database = Database(empty_database_url)
    with database.engine.begin() as connection:
        connection.execute(text("CREATE TABLE invoices (id INTEGER)"))
    with pytest.raises(CatalogueError, match="holds tables that are not Facet's"):
        Catalogue.open(empty_database_url, create=True)
    with database.engine.connect() as connection:
        assert inspect(connection).get_table_names() == ["invoices"]
    database.close()


def test_a_password_is_not_shown() -> None:
    for url in ("user:secret@nowhere.invalid/facet", "user:***@nowhere.invalid/facet?password=secret"):
        database = Database(f"postgresql+psycopg://{url}")
        assert database.name == "postgresql+psycopg://user:***@nowhere.invalid/facet"


@pytest.mark.parametrize("url", ["not a url", "sqlite+nothing:///a.db", "nosuchengine://host/name"])
def test_a_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(CatalogueError, match="the database URL cannot be used"):
        Catalogue.open(url)


def set_step(url: str, step: str) -> None:
    database = Database(url)
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :step"), {"step": step})
    database.close()
