"""What `kills` kills that writes tables and files: ingest, migration, backup and restore."""

import random
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from benchmarks.migrations import fill
from index.model import ModelBundle
from proofs.killed_snapshots import BATCH, TRACKS
from proofs.killing import Command, check_database
from proofs.processes import run_facet
from proofs.proving import check, folder_in
from proofs.small_catalogue import add_made_up_tracks, small_catalogue
from service.catalogue.backup_file import opened_backup
from service.catalogue.database import Database
from service.catalogue.migrating import upgrade
from service.catalogue.repository import Catalogue
from service.catalogue.tables import SCHEMA_REVISION
from tests.service.catalogue_content import rows_in, tracks_in
from tests.service.rehearsing import REHEARSED, rehearse, shape_of, what_is_in
from tests.service.small_facet import write_tone

TONES = 120


class Ingests:
    """Files come into the catalogue; each path keeps the id that it was once seen with."""

    def __init__(self, folder: Path, rng: random.Random) -> None:
        self._rng = rng
        self._seen: dict[Path, str] = {}
        self._data = folder / "data"
        self._music = folder_in(folder, "music")
        for number in range(TONES):
            write_tone(self._music / f"{number}.wav", 150 + 20 * number)
        arguments = ["-m", "tests.service.small_facet", "ingest", str(self._music)]
        environment = {"FACET_DATA_DIR": str(self._data), "FACET_THREADS": "2", "SMALL_ANALYSER_SECONDS": "0.02"}
        self._command = Command.timed(arguments, environment)
        self._url = f"sqlite:///{self._data / 'catalogue.db'}"
        self._whole = {path: vector for path, (_, vector) in tracks_in(self._url).items()}
        self._begin_anew()

    def kill_once(self) -> bool:
        """Kill it at a random moment and look at what is left; whether that came amid its work."""
        if len(self._seen) == TONES:
            self._begin_anew()
        was_killed = self._command.kill(self._rng)
        ids = {path: track_id for path, (track_id, _) in tracks_in(self._url).items()}
        check(self._seen.items() <= ids.items(), "a track was lost, or got another id")
        check_database(self._data / "catalogue.db")
        self._seen = ids
        return was_killed and 0 < len(ids) < TONES

    def finish(self) -> None:
        """Do it to its end, and look at all of it."""
        self._command.run()
        left = tracks_in(self._url)
        check(left.keys() == self._whole.keys(), "not every file is in the catalogue in the end")
        check(all(np.array_equal(left[path][1], self._whole[path]) for path in left), "a vector is another one")

    def _begin_anew(self) -> None:
        shutil.rmtree(self._data)
        self._seen = {}


class Migrations:
    """The tests' rehearsed step, which makes both large tables anew."""

    def __init__(self, folder: Path, rng: random.Random) -> None:
        self._rng = rng
        self._database = Database(f"sqlite:///{folder / 'catalogue.db'}")
        upgrade(self._database)
        fill(self._database, TRACKS)
        self._before = what_is_in(self._database), shape_of(self._database)
        self._command = Command.timed(["-m", "tests.service.rehearsing", "upgrade", str(self._database.url)], {})
        rehearse(self._database, SCHEMA_REVISION)

    def kill_once(self) -> bool:
        """Kill it at a random moment and look at what is left; whether that came amid its work."""
        was_killed = self._command.kill(self._rng)
        if self._database.step() == REHEARSED:
            was_killed = False
            rehearse(self._database, SCHEMA_REVISION)
        check(self._database.step() == SCHEMA_REVISION, "a killed migration left its step")
        check((what_is_in(self._database), shape_of(self._database)) == self._before, "a migration is half done")
        return was_killed

    def finish(self) -> None:
        """Do it to its end, and look at all of it."""
        self._command.run()
        check(self._database.step() == REHEARSED, "the step cannot be taken any more")
        self._database.close()


class Backups:
    """`facet backup --replace`, while somebody writes: the file is the old one or the new one, and whole."""

    def __init__(self, folder: Path, rng: random.Random) -> None:
        self._rng = rng
        self._small = small_catalogue(folder, files=0)
        self._bundle = ModelBundle.open(self._small.model)
        self._small.data.mkdir()
        self._file = folder / "kept.facet"
        with Catalogue.open(self._small.url, create=True) as catalogue:
            add_made_up_tracks(catalogue, self._bundle, TRACKS, rng=np.random.default_rng(1))
        arguments = ["facet.py", "backup", "--replace", str(self._file)]
        self._command = Command.timed(arguments, self._small.environment)
        self._tracks = self._tracks_kept()

    def kill_once(self) -> bool:
        """Kill it at a random moment and look at what is left; whether that came amid its work."""
        with self._somebody_writing():
            was_killed = self._command.kill(self._rng)
        tracks = self._tracks_kept()
        check(tracks >= self._tracks, "a backup is older than the one before")
        self._tracks = tracks
        for partial in self._file.parent.glob(".*.partial"):
            partial.unlink()  # the next backup clears it away after a day
        check_database(self._small.data / "catalogue.db")
        return was_killed

    def finish(self) -> None:
        """Do it to its end, and look at all of it."""
        self._command.run()
        with Catalogue.open(self._small.url) as catalogue:
            check(self._tracks_kept() == catalogue.count_tracks(), "the last backup does not hold everything")

    def _tracks_kept(self) -> int:
        """Tracks in the file, which is read through."""
        with opened_backup(self._file) as (_, described):
            tracks = described.tables["tracks"].rows
            check(tracks == described.tables["embeddings"].rows, "a track is half in a backup")
            check((tracks - TRACKS) % BATCH == 0, "a transaction is half in a backup")
            return tracks

    @contextmanager
    def _somebody_writing(self) -> Iterator[None]:
        stop = threading.Event()

        def write_on() -> None:
            rng = np.random.default_rng(self._rng.randrange(2**32))
            with Catalogue.open(self._small.url) as catalogue:
                while not stop.wait(0.3):
                    add_made_up_tracks(catalogue, self._bundle, BATCH, rng=rng)

        writer = threading.Thread(target=write_on)
        writer.start()
        try:
            yield
        finally:
            stop.set()
            writer.join()


class Restores:
    """`facet restore --replace`: the catalogue is what it was, or what the backup holds."""

    def __init__(self, folder: Path, rng: random.Random) -> None:
        self._rng = rng
        source = Database(f"sqlite:///{folder / 'source.db'}")
        upgrade(source)
        fill(source, TRACKS)
        source.close()
        file = folder / "kept.facet"
        made = run_facet("backup", file, environment={"FACET_DATABASE_URL": f"sqlite:///{folder / 'source.db'}"})
        check(made.returncode == 0, made.stderr)
        self._data = folder / "data"
        self._url = f"sqlite:///{self._data / 'catalogue.db'}"
        environment = {"FACET_DATA_DIR": str(self._data)}
        self._command = Command.timed(["facet.py", "restore", "--replace", str(file)], environment)
        self._whole = rows_in(self._url)
        self._before = self._other_content()

    def kill_once(self) -> bool:
        """Kill it at a random moment and look at what is left; whether that came amid its work."""
        was_killed = self._command.kill(self._rng)
        left = rows_in(self._url)
        check(left in (self._before, self._whole), "a restore is half done")
        check_database(self._data / "catalogue.db")
        if left == self._whole:
            self._before = self._other_content()
        return was_killed and left != self._whole

    def finish(self) -> None:
        """Do it to its end, and look at all of it."""
        self._command.run()
        check(rows_in(self._url) == self._whole, "the restored catalogue is not what the backup holds")

    def _other_content(self) -> dict[str, str]:
        """Make the catalogue another one."""
        with Catalogue.open(f"sqlite:///{self._data / 'catalogue.db'}") as catalogue:
            catalogue.forget([track.id for track in catalogue.list_tracks(limit=TRACKS)][::2])
        return rows_in(self._url)
