"""What `kills` kills that publishes snapshots: the follower's compaction, and `facet index rebuild`."""

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np

from index.model import ModelBundle
from index.snapshot import list_snapshots, verify_snapshot
from proofs.killing import Command, check_database
from proofs.processes import run_facet
from proofs.proving import check
from proofs.small_catalogue import SmallCatalogue, add_made_up_tracks, small_catalogue
from service.catalogue.repository import Catalogue
from service.indexing.rebuilding import snapshots_root
from service.indexing.verifying import verify_index

TRACKS = 3000
# Each transaction of `proofs.victim` puts so many tracks in: any other number would be half of one.
BATCH = 250


class _OfSnapshots:
    """A catalogue of made-up tracks, and what is published of it."""

    def __init__(self, folder: Path, rng: random.Random, arguments: Callable[[SmallCatalogue], list[str]]) -> None:
        self._rng = rng
        self._small = small_catalogue(folder, files=0)
        self._bundle = ModelBundle.open(self._small.model)
        self._small.data.mkdir()
        with Catalogue.open(self._small.url, create=True) as catalogue:
            add_made_up_tracks(catalogue, self._bundle, TRACKS, rng=np.random.default_rng(1))
            self._root = snapshots_root(
                self._small.data / "snapshots", catalogue=catalogue, encoder_id=self._bundle.encoder_id
            )
        self._tracks = TRACKS
        self._command = Command.timed(arguments(self._small), self._small.environment)
        self._check()

    def kill_once(self) -> bool:
        """Kill it at a random moment and look at what is left; whether that came amid its work."""
        was_killed = self._command.kill(self._rng)
        half = list(self._root.glob(".partial-*"))
        self._check()
        for path in half:
            shutil.rmtree(path)  # a writer clears it away after an hour
        return was_killed

    def finish(self) -> None:
        """Do it to its end, and look at all of it."""
        check(run_facet("index", "rebuild", environment=self._small.environment).returncode == 0, "no rebuild")
        self._check()

    def _check(self) -> None:
        for path in list_snapshots(self._root):
            verify_snapshot(path)
        check_database(self._small.data / "catalogue.db")
        with Catalogue.open(self._small.url) as catalogue:
            tracks = catalogue.count_tracks()
            check(tracks >= self._tracks and (tracks - TRACKS) % BATCH == 0, f"there are {tracks} tracks")
            check(tracks == catalogue.count_embeddings(self._bundle.encoder_id) == catalogue.revision(), "a half track")
            verified = verify_index(
                catalogue, self._root, encoder_id=self._bundle.encoder_id, subspaces=self._bundle.subspaces
            )
        check(verified.is_sound and verified.tracks == tracks, f"the index is not the catalogue: {verified}")
        self._tracks = tracks


class Compactions(_OfSnapshots):
    """Tracks are put in, and the follower folds them into snapshots, as the service does."""

    def __init__(self, folder: Path, rng: random.Random) -> None:
        super().__init__(
            folder, rng, lambda small: ["-m", "proofs.victim", small.url, str(small.model), str(small.data)]
        )


class Publishes(_OfSnapshots):
    """`facet index rebuild`."""

    def __init__(self, folder: Path, rng: random.Random) -> None:
        super().__init__(folder, rng, lambda _: ["facet.py", "index", "rebuild"])
