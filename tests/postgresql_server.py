"""A real PostgreSQL for the tests: one server a session, a database a test. The fixtures are in `conftest`."""

import os
import shutil
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from sqlalchemy import URL, create_engine, make_url, text
from sqlalchemy.exc import OperationalError

from service.catalogue.repository import Catalogue

HOW_TO_INSTALL = (
    "PostgreSQL is not installed here: install it (Debian and Ubuntu: apt-get install postgresql), or name a server "
    "whose user may create databases in FACET_TEST_POSTGRES_URL"
)
START_SECONDS = 60.0
# A server and the databases of a test take some 100 MB.
ROOM_IN_MEMORY_BYTES = 2**30
# Whoever started the server holds the other end of this program's input, and lets go of it even when killed.
GUARD = 'folder=$1; shift; "$@" & server=$!; cat > /dev/null; kill -INT $server; wait $server; rm -rf "$folder"'


class ServerDidNotStartError(Exception):
    """PostgreSQL's own words say why."""


@dataclass(frozen=True)
class PostgresqlServer:
    """A server whose user may make databases.

    Attributes:
        url: Of a database that is there, to connect to while others are made.
    """

    url: URL
    _made: list[str] = field(default_factory=list)

    @contextmanager
    def database(self, *, is_catalogue: bool = False, encoding: str = "UTF8") -> Iterator[str]:
        """A database for one test, and for whatever processes it starts.

        Args:
            is_catalogue: A catalogue without a track, or else no table at all. All of one server are one by identity.
            encoding: How it keeps text, in PostgreSQL's words.

        Yields:
            Its URL.
        """
        name = self._made_of(self._catalogue if is_catalogue else "template0", encoding=encoding)
        try:
            yield self._url_of(name)
        finally:
            self._drop(name)

    def close(self) -> None:
        """Leave nothing on a server that is not ours."""
        for name in list(self._made):
            self._drop(name)

    @cached_property
    def _catalogue(self) -> str:
        name = self._made_of("template0")
        Catalogue.open(self._url_of(name), create=True).close()
        return name

    def _made_of(self, template: str, *, encoding: str = "UTF8") -> str:
        name = f"facet_test_{uuid.uuid4().hex}"
        # Files are copied quicker than the log of all that is in them is written; older servers do it unasked.
        how = "" if self._version < 15 else " STRATEGY file_copy"
        self._execute(f"CREATE DATABASE {name} TEMPLATE {template} ENCODING '{encoding}'{how}")
        self._made.append(name)
        return name

    def _drop(self, name: str) -> None:
        self._execute(f"DROP DATABASE {name} WITH (FORCE)")
        self._made.remove(name)

    def _url_of(self, name: str) -> str:
        return self.url.set(database=name).render_as_string(hide_password=False)

    @cached_property
    def _version(self) -> int:
        return int(self._execute("SHOW server_version_num")) // 10_000

    def _execute(self, statement: str) -> Any:
        engine = create_engine(self.url, isolation_level="AUTOCOMMIT")
        try:
            with engine.connect() as connection:
                result = connection.execute(text(statement))
                return result.scalar() if result.returns_rows else None
        finally:
            engine.dispose()


def postgresql_programs() -> Path | None:
    """The folder of `initdb` and `postgres`: of Debian's packages the newest, or what PATH has; None if neither."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda program: int(program.parts[-3]))
    found = str(debian[-1]) if debian else shutil.which("initdb")
    return None if found is None else Path(found).resolve().parent


def named_server() -> PostgresqlServer | None:
    """The server that FACET_TEST_POSTGRES_URL names, if it does."""
    url = os.environ.get("FACET_TEST_POSTGRES_URL")
    return PostgresqlServer(make_url(url)) if url else None


@contextmanager
def started_server(programs: Path, *, is_large: bool = False) -> Iterator[PostgresqlServer]:
    """A server of our own, reached by a socket in a folder that nobody else can open. Nothing in it outlives us.

    Args:
        programs: The folder of `initdb` and `postgres`.
        is_large: Whether there will be more in it than should lie in memory.

    Raises:
        ServerDidNotStartError: If it does not.
    """
    folder = Path(tempfile.mkdtemp(prefix="facet-postgresql-", dir=None if is_large else _place()))
    options = _as_whom(folder)
    try:
        cluster = folder / "cluster"
        made = subprocess.run(
            [
                *(programs / "initdb", "-D", cluster, "--username=facet", "--auth=trust"),
                *("--encoding=UTF8", "--no-locale", "--no-sync"),
            ],
            **options,
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode:
            raise ServerDidNotStartError(f"initdb: {made.stderr}")
        # No disk is waited for: what a killed client leaves behind does not depend on it.
        settings = {
            **{"listen_addresses": "", "unix_socket_directories": folder},
            **{"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "autovacuum": "off"},
            **{"shared_buffers": "32MB", "min_wal_size": "32MB", "max_wal_size": "64MB"},
        }
        flags = [f"--{name}={value}" for name, value in settings.items()]
        server: list[str | Path] = [programs / "postgres", "-D", cluster, *flags]
        with (
            (folder / "log").open("w") as log,
            subprocess.Popen(
                ["sh", "-c", GUARD, "sh", folder, *server],
                **options,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                # Ctrl-C is for the tests: the server ends after them.
                start_new_session=True,
            ),
        ):
            url = URL.create("postgresql+psycopg", "facet", database="postgres", query={"host": str(folder)})
            _wait_for(url, folder / "log")
            yield PostgresqlServer(url)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _place() -> str | None:
    """Memory, where there is room in it: a database is hundreds of files, and a test makes and drops one."""
    memory = Path("/dev/shm")  # noqa: S108
    has_room = memory.is_dir() and shutil.disk_usage(memory).free >= ROOM_IN_MEMORY_BYTES
    return str(memory) if has_room else None


def _as_whom(folder: Path) -> dict[str, Any]:
    """How to start PostgreSQL, which refuses to run as root: as somebody else then, to whom the folder is given."""
    options: dict[str, Any] = {"cwd": folder}
    if os.geteuid() == 0:
        import pwd

        names = {each.pw_name for each in pwd.getpwall()}
        somebody = pwd.getpwnam("postgres" if "postgres" in names else "nobody")
        os.chown(folder, somebody.pw_uid, somebody.pw_gid)
        options |= {"user": somebody.pw_uid, "group": somebody.pw_gid, "extra_groups": []}
    return options


def _wait_for(url: URL, log: Path) -> None:
    engine = create_engine(url)
    give_up = time.monotonic() + START_SECONDS
    while True:
        try:
            engine.connect().close()
        except OperationalError as error:
            if time.monotonic() > give_up:
                raise ServerDidNotStartError(log.read_text()) from error
            time.sleep(0.05)
        else:
            engine.dispose()
            return
