import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import text

from service.catalogue.database import Database
from tests.service.catalogue_content import tracks_in
from tests.service.small_facet import write_tone

REPOSITORY = Path(__file__).parents[2]
FILES = 150
KILLS = {"sqlite": 5, "postgresql": 3}


def start_ingest(music: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.service.small_facet", "ingest", str(music)],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.timeout(300)
def test_an_ingest_that_is_killed_again_and_again_ends_like_one_that_was_not(
    empty_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    music = tmp_path.resolve() / "music"
    for number in range(FILES):
        write_tone(music / f"{number // 10}" / f"{number}.wav", 150 + 20 * number)
    for number in range(0, FILES, 10):
        shutil.copy(music / f"{number // 10}" / f"{number}.wav", music / f"copy of {number}.wav")
    monkeypatch.setenv("FACET_THREADS", "2")
    # 150 contents of 20 ms on 2 threads: 1.5 seconds of work, written to the catalogue about every half.
    monkeypatch.setenv("SMALL_ANALYSER_SECONDS", "0.02")
    monkeypatch.setenv("SMALL_ANALYSER_TELLS", "1")
    monkeypatch.setenv("FACET_DATA_DIR", str(tmp_path / "killed"))
    monkeypatch.setenv("FACET_DATABASE_URL", empty_database_url)
    database = Database(empty_database_url)
    rng = random.Random(20)
    seen: dict[Path, str] = {}
    progress = []
    for kill in range(KILLS[database.url.get_backend_name()]):
        process = start_ingest(music)
        assert process.stderr is not None
        if kill == 0:
            # This one meets the making of the tables.
            while not is_being_made(database):
                assert process.poll() is None
                time.sleep(0.002)
        else:
            # So many files after it began to listen, and then some: anywhere between and within transactions.
            unheard = FILES - len(seen)
            for _ in range(rng.randint(1, max(1, unheard * 2 // 3))):
                assert process.stderr.readline().startswith("listening to")
        time.sleep(rng.uniform(0, 0.05))
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=30)
        assert process.returncode == -signal.SIGKILL
        ids = {path: track_id for path, (track_id, _) in tracks_in(empty_database_url).items()}
        # What was there stays what it was.
        assert seen.items() <= ids.items()
        seen = ids
        progress.append(len(ids))
    assert any(0 < count < FILES for count in progress), f"no kill came amid the work: {progress}"
    monkeypatch.delenv("SMALL_ANALYSER_TELLS")
    process = start_ingest(music)
    _, stderr = process.communicate(timeout=60)
    assert (process.returncode, stderr) == (0, "")

    whole_url = f"sqlite:///{tmp_path / 'whole.db'}"
    monkeypatch.setenv("FACET_DATABASE_URL", whole_url)
    process = start_ingest(music)
    process.communicate(timeout=60)
    assert process.returncode == 0
    killed, whole = tracks_in(empty_database_url), tracks_in(whole_url)
    assert killed.keys() == whole.keys()
    assert len(killed) == FILES + FILES // 10
    assert all(np.array_equal(killed[path][1], whole[path][1]) for path in whole)
    assert seen.items() <= {path: track_id for path, (track_id, _) in killed.items()}.items()
    if database.file is not None:
        with sqlite3.connect(database.file) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        connection.close()
    database.close()


def is_being_made(database: Database) -> bool:
    """Whether somebody makes the tables now, or has made them."""
    if database.file is not None:
        return database.file.exists()
    with database.reading() as session:
        locks = session.execute(
            text(
                "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' "
                "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            )
        )
        return locks.scalar_one() > 0 or database.step() is not None
