"""A backup holds what the catalogue held, whatever goes on meanwhile; a restore brings all of it back, or nothing."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from sqlalchemy import text

from facet import main
from service.catalogue.backup import ABANDONED_AFTER_SECONDS, back_up
from service.catalogue.backup_file import BackupError, opened_backup
from service.catalogue.database import Database
from service.catalogue.errors import CatalogueNotMigratedError, CatalogueReplacedError
from service.catalogue.records import IngestResult, Outcome, TrackEmbedding
from service.catalogue.repository import Catalogue
from service.catalogue.restoring import RestoreRefusedError, is_open_elsewhere, restore
from service.catalogue.writing import FileState, TrackDetails
from service.safety.api_keys import Scope
from service.safety.key_store import KeyStore
from tests.postgresql_server import PostgresqlServer
from tests.service.catalogue_content import rows_in
from tests.service.rehearsing import what_is_in

ROOT = Path(__file__).parents[2]
ENCODER = "made-up"
WIDTH = 8
# Names as files have them: of every script, not UTF-8 at all, with what JSON and SQL must quote.
NAMES = [
    b"plain",
    "Björk · Jóga".encode(),
    "坂本龍一".encode(),
    "\U0001f3b5".encode(),
    b"\xff\xfe broken",
    b'it\'s "x"\\\n',
]


def fill(url: str, tracks: int, *, first: int = 0) -> None:
    rng = np.random.default_rng(first)
    with Catalogue.open(url, create=True) as catalogue, catalogue.writing() as writing:
        for number in range(first, first + tracks):
            name = NAMES[number % len(NAMES)] + b" %d" % number
            path = Path("/music") / os.fsdecode(name)
            excerpts = rng.standard_normal((3, WIDTH), dtype=np.float32)
            writing.add(
                FileState(path, content_hash=f"{number:064x}", size_bytes=2**40 + number, modified_ns=-number),
                TrackDetails(
                    title=name.decode(errors="replace"),
                    artist=None if number % 2 else "Ártist",
                    album="",
                    year=None if number % 3 else 1984,
                    duration_seconds=0.1 + number,
                    skipped_packets=0,
                ),
                {ENCODER: TrackEmbedding(excerpts[0], excerpts, np.arange(3, dtype=np.float32), excerpts[1])},
            )
            failed = Path("/music") / os.fsdecode(b"bad " + name)
            writing.record(IngestResult(failed, Outcome.FAILED, code="not_audio", message="Thirty spokes"))


def back_up_at(url: str, file: Path, *, replace: bool = False) -> None:
    database = Database(url)
    try:
        back_up(database, file, replace=replace)
    finally:
        database.close()


def restore_at(file: Path, url: str, *, replace: bool = False) -> str | None:
    database = Database(url)
    try:
        return restore(file, database, replace=replace).replaced_identity
    finally:
        database.close()


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'elsewhere' / 'catalogue.db'}"


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    """Of 40 tracks in SQLite."""
    url = f"sqlite:///{tmp_path / 'original.db'}"
    fill(url, 40)
    back_up_at(url, tmp_path / "backup.facet")
    return tmp_path / "backup.facet"


def test_a_backup_is_restored_into_either_database_and_back(
    empty_database_url: str, sqlite_url: str, tmp_path: Path
) -> None:
    fill(empty_database_url, 120)
    back_up_at(empty_database_url, tmp_path / "one.facet")
    assert restore_at(tmp_path / "one.facet", sqlite_url) is None
    assert rows_in(sqlite_url) == rows_in(empty_database_url)
    # And the way back, over what is there.
    fill(sqlite_url, 30, first=120)
    back_up_at(sqlite_url, tmp_path / "two.facet")
    assert restore_at(tmp_path / "two.facet", empty_database_url, replace=True) is not None
    assert rows_in(empty_database_url) == rows_in(sqlite_url)
    # It can be written to as before.
    fill(empty_database_url, 5, first=150)
    with Catalogue.open(empty_database_url) as catalogue:
        assert (catalogue.count_tracks(), catalogue.revision()) == (155, 155)
        assert [track.path for track in catalogue.list_tracks(limit=2)] == [
            Path("/music/plain 0"),
            Path("/music/Björk · Jóga 1"),
        ]


def test_what_the_checksums_say_is_what_another_reader_says(backup: Path, tmp_path: Path) -> None:
    restore_at(backup, f"sqlite:///{tmp_path / 'restored.db'}")
    original, restored = (Database(f"sqlite:///{tmp_path / name}.db") for name in ("original", "restored"))
    first, second = what_is_in(original), what_is_in(restored)
    assert first.pop("catalogue_state") != second.pop("catalogue_state")  # another identity
    assert first == second
    original.close()
    restored.close()


def test_a_backup_is_of_one_moment_though_somebody_writes(empty_database_url: str, tmp_path: Path) -> None:
    fill(empty_database_url, 200)
    stop = threading.Event()

    def write_on() -> None:
        first = 1000
        while not stop.is_set():
            fill(empty_database_url, 3, first=first)
            first += 3

    writer = threading.Thread(target=write_on)
    writer.start()
    try:
        for number in range(5):
            back_up_at(empty_database_url, tmp_path / f"{number}.facet")
    finally:
        stop.set()
        writer.join()
    counts = []
    for number in range(5):
        with opened_backup(tmp_path / f"{number}.facet") as (connection, described):
            revision = connection.execute(text("SELECT revision FROM catalogue_state")).scalar_one()
            tracks = described.tables["tracks"].rows
            # Every transaction adds three tracks, each of which is a revision and an embedding.
            assert revision == tracks == described.tables["embeddings"].rows
            assert (tracks - 200) % 3 == 0
            counts.append(tracks)
    assert counts == sorted(counts)
    assert counts[-1] > 200


def test_the_file_is_its_owner_s_alone_and_there_whole_or_not_at_all(backup: Path, tmp_path: Path) -> None:
    assert backup.stat().st_mode & 0o777 == 0o600
    before = backup.read_bytes()
    with pytest.raises(BackupError, match="is there already"):
        back_up_at(f"sqlite:///{tmp_path / 'original.db'}", backup)
    with pytest.raises(BackupError, match="cannot be written: No such file or directory"):
        back_up_at(f"sqlite:///{tmp_path / 'original.db'}", tmp_path / "nowhere" / "x")
    assert backup.read_bytes() == before
    back_up_at(f"sqlite:///{tmp_path / 'original.db'}", backup, replace=True)
    assert backup.read_bytes() != before  # made at another moment
    assert not list(tmp_path.glob(".*.partial"))


def test_there_is_no_backup_of_nothing(empty_database_url: str, tmp_path: Path) -> None:
    with pytest.raises(CatalogueNotMigratedError, match="nothing to back up"):
        back_up_at(empty_database_url, tmp_path / "x")
    assert not (tmp_path / "x").exists()


@pytest.mark.usefixtures("backup")
def test_what_a_killed_backup_left_is_cleared_away_after_a_day(tmp_path: Path) -> None:
    old, new = (tmp_path / f".again.facet.{name}.partial" for name in ("old", "new"))
    for path in (old, new):
        path.write_bytes(b"x")
    long_ago = time.time() - ABANDONED_AFTER_SECONDS - 1
    os.utime(old, (long_ago, long_ago))
    back_up_at(f"sqlite:///{tmp_path / 'original.db'}", tmp_path / "again.facet")
    assert (old.exists(), new.exists()) == (False, True)


def test_every_flipped_byte_of_a_backup_is_noticed_before_anything_is_touched(backup: Path, sqlite_url: str) -> None:
    fill(sqlite_url, 2)
    before = rows_in(sqlite_url)
    whole = backup.read_bytes()
    rng = random.Random(6)
    with sqlite3.connect(f"file:{backup}?mode=ro&immutable=1", uri=True) as connection:
        (vector,) = connection.execute("SELECT excerpt_vectors FROM embeddings LIMIT 1").fetchone()
    connection.close()
    # In a row's own bytes, which no structure of SQLite's speaks of; and anywhere.
    places = [whole.index(vector) + 3, *(rng.randrange(len(whole)) for _ in range(60))]
    unnoticed = []
    for place in places:
        damaged = bytearray(whole)
        damaged[place] ^= 0x5A
        backup.write_bytes(damaged)
        try:
            restore_at(backup, sqlite_url, replace=True)
        except BackupError:
            assert rows_in(sqlite_url) == before
        else:
            unnoticed.append(place)
            restore_at(backup, sqlite_url, replace=True)
            restored = rows_in(sqlite_url)
            backup.write_bytes(whole)
            restore_at(backup, sqlite_url, replace=True)
            assert rows_in(sqlite_url) == restored  # the byte was of no row: room that is free
            before = restored
    assert places[0] not in unnoticed
    for length in (0, 100, len(whole) // 2, len(whole) - 4096):
        backup.write_bytes(whole[:length])
        with pytest.raises(BackupError):
            restore_at(backup, sqlite_url, replace=True)


@pytest.mark.parametrize("name", ["original.db", "notes.txt", "none"])
def test_what_is_no_backup_is_refused(backup: Path, sqlite_url: str, tmp_path: Path, name: str) -> None:
    assert backup.exists()
    (tmp_path / "notes.txt").write_text("Thirty spokes share one hub.")
    with pytest.raises(BackupError, match=r"no backup of Facet|there is no file"):
        restore_at(tmp_path / name, sqlite_url)
    assert not Path(sqlite_url.removeprefix("sqlite:///")).exists()


def test_a_catalogue_with_tracks_is_replaced_only_if_told(backup: Path, empty_database_url: str) -> None:
    fill(empty_database_url, 3)
    before = rows_in(empty_database_url)
    with pytest.raises(RestoreRefusedError, match="holds 3 tracks"):
        restore_at(backup, empty_database_url)
    assert rows_in(empty_database_url) == before
    restore_at(backup, empty_database_url, replace=True)
    assert rows_in(empty_database_url) != before


def test_a_catalogue_that_somebody_has_open_is_left_alone(
    backup: Path, empty_database_url: str, tmp_path: Path
) -> None:
    fill(empty_database_url, 3)
    script = (
        # As in another container: one number, and here one host name as well.
        "import os, sys; os.getpid = lambda: int(sys.argv[2])\n"
        "from service.catalogue.repository import Catalogue\n"
        "with Catalogue.open(sys.argv[1]) as catalogue:\n"
        "    catalogue.revision(); print('open', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, empty_database_url, str(os.getpid())],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"open\n"
        with pytest.raises(RestoreRefusedError, match="stop the service"):
            restore_at(backup, empty_database_url, replace=True)
        back_up_at(empty_database_url, tmp_path / "meanwhile.facet")
        other.kill()
    deadline = time.monotonic() + 10
    database = Database(empty_database_url)
    while is_open_elsewhere(database):  # a server takes a moment to notice
        assert time.monotonic() < deadline
        time.sleep(0.05)
    database.close()
    restore_at(backup, empty_database_url, replace=True)


def test_whoever_has_a_catalogue_open_notices_that_it_was_replaced(
    backup: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(sqlite_url, 3)
    with Catalogue.open(sqlite_url) as catalogue:
        assert catalogue.revision() == 3
        monkeypatch.setattr("service.catalogue.restoring.is_open_elsewhere", lambda _: False)
        restore_at(backup, sqlite_url, replace=True)
        with pytest.raises(CatalogueReplacedError, match="restored backup"):
            catalogue.revision()


def test_a_restore_takes_away_the_index_and_the_maps_of_what_it_replaced(backup: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    fill(f"sqlite:///{data / 'catalogue.db'}", 3)
    with Catalogue.open(f"sqlite:///{data / 'catalogue.db'}") as catalogue:
        replaced = catalogue.identity
    for kind in ("snapshots", "maps"):
        for identity in (replaced, "of another catalogue"):
            (data / kind / identity / ENCODER).mkdir(parents=True)
    environment = {"FACET_DATA_DIR": str(data)}
    done = CliRunner().invoke(main, ["restore", "--replace", str(backup)], env=environment)
    assert done.exit_code == 0, done.output
    for kind in ("snapshots", "maps"):
        assert [path.name for path in (data / kind).iterdir()] == ["of another catalogue"]


def test_a_restore_says_how_many_keys_are_active_again(tmp_path: Path) -> None:
    environment = {"FACET_DATA_DIR": str(tmp_path)}
    url = f"sqlite:///{tmp_path / 'catalogue.db'}"
    fill(url, 1)
    back_up_at(url, tmp_path / "without.facet")
    keys = KeyStore.open(url)
    for name in ("a", "b", "c"):
        keys.create(name, Scope.READ)
    keys.create("expired", Scope.READ, expires_at=datetime(2020, 1, 1, tzinfo=UTC))
    keys.revoke("c")
    back_up_at(url, tmp_path / "with.facet")
    keys.revoke("a")
    keys.close()
    for name, active in (("with", 2), ("without", 0)):
        done = CliRunner().invoke(main, ["restore", "--replace", str(tmp_path / f"{name}.facet")], env=environment)
        assert done.exit_code == 0, done.output
        assert f"its API keys are those of that time, too, {active} of them active" in done.output
        assert "facet keys list" in done.output


def test_what_fails_after_an_old_backup_was_brought_up_to_date_is_not_put_down_to_the_backup(
    backup: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError("the network is down")

    monkeypatch.setattr("service.catalogue.restoring.SCHEMA_REVISION", "next")
    monkeypatch.setattr("service.catalogue.restoring._replace", fail)
    with pytest.raises(OSError, match="the network is down"):
        restore_at(backup, sqlite_url)


KILLS = {"sqlite": 6, "postgresql": 3}


@pytest.mark.timeout(300)
def test_a_restore_that_is_killed_leaves_what_was_there(
    empty_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    big = f"sqlite:///{tmp_path / 'big.db'}"
    fill(big, 3000)
    back_up_at(big, tmp_path / "big.facet")
    fill(empty_database_url, 20)
    before, wanted = rows_in(empty_database_url), rows_in(big)
    monkeypatch.setenv("FACET_DATABASE_URL", empty_database_url)
    rng = random.Random(3)
    engine = "sqlite" if empty_database_url.startswith("sqlite") else "postgresql"
    command = [sys.executable, "facet.py", "restore", str(tmp_path / "big.facet"), "--replace"]
    outcomes = set()
    for _ in range(KILLS[engine]):
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        time.sleep(rng.uniform(0.4, 2.5))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        left = rows_in(empty_database_url)
        assert left in (before, wanted)
        outcomes.add(left == wanted)
    deadline = time.monotonic() + 20
    while subprocess.run(command, cwd=ROOT, capture_output=True, check=False).returncode != 0:
        assert time.monotonic() < deadline
    assert rows_in(empty_database_url) == wanted
    assert False in outcomes, "no kill came before the end"


def test_two_databases_of_one_server_do_not_count_for_one_another(backup: Path, postgresql: PostgresqlServer) -> None:
    with postgresql.database() as one, postgresql.database() as other:
        fill(other, 2)
        with Catalogue.open(other) as catalogue:
            catalogue.revision()
            restore_at(backup, one)
