"""Databases to test with: SQLite's file, and PostgreSQL on a real server; what is asked of the one is asked of both."""

import logging
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from service.catalogue.repository import Catalogue
from tests.postgresql_server import HOW_TO_INSTALL, PostgresqlServer, named_server, postgresql_programs, started_server


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol() -> Generator[None, object, object]:
    """What a test sets up for the log is gone after it: a command that it calls sets up the log of its process.

    Around all of the test, fixtures of modules included, whose setting up a fixture would come too late to see.
    """
    root, service = logging.getLogger(), logging.getLogger("service")
    handlers, levels = root.handlers[:], (root.level, service.level)
    try:
        return (yield)
    finally:
        root.handlers[:] = handlers
        root.setLevel(levels[0])
        service.setLevel(levels[1])


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgresqlServer]:
    """The server that FACET_TEST_POSTGRES_URL names, or one that is started for this session."""
    pytest.importorskip("psycopg", reason="psycopg is not installed here: `make test` installs it")
    server = named_server()
    if server is not None:
        yield server
        server.close()
        return
    programs = postgresql_programs()
    if programs is None:
        pytest.skip(HOW_TO_INSTALL)
    with started_server(programs) as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database without a table."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'catalogue.db'}"
        return
    with request.getfixturevalue("postgresql").database() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def catalogue_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A catalogue without a track."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'catalogue.db'}"
        Catalogue.open(url, create=True).close()
        yield url
        return
    with request.getfixturevalue("postgresql").database(is_catalogue=True) as url:
        yield url
