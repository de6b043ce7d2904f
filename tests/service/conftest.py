"""Catalogues to test with: SQLite always, PostgreSQL where FACET_TEST_POSTGRES_URL names a server to try it on."""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text

from service.catalogue.repository import Catalogue


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database without a table; of PostgreSQL, a schema of its own."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'catalogue.db'}"
        return
    server = os.environ.get("FACET_TEST_POSTGRES_URL")
    if server is None:
        pytest.skip("FACET_TEST_POSTGRES_URL names no server")
    schema = f"facet_{uuid.uuid4().hex}"
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE SCHEMA {schema}"))
    yield (
        make_url(server).update_query_dict({"options": f"-csearch_path={schema}"}).render_as_string(hide_password=False)
    )
    with engine.connect() as connection:
        connection.execute(text(f"DROP SCHEMA {schema} CASCADE"))
    engine.dispose()


@pytest.fixture
def catalogue_url(empty_database_url: str) -> str:
    """A catalogue without a track."""
    Catalogue.open(empty_database_url, create=True).close()
    return empty_database_url


@pytest.fixture
def catalogue(catalogue_url: str) -> Iterator[Catalogue]:
    """The same, open."""
    with Catalogue.open(catalogue_url) as opened:
        yield opened
