"""Keeps the live index in step with the catalogue: opens, follows, and starts over where it must.

A thread of its own asks the catalogue for its revision about twice a second, so a change made by any process is
searchable within a second. The searcher takes `index`; the health endpoint takes what is wrong.
"""

import threading
import time
from dataclasses import dataclass
from pathlib import Path

from index.live import LiveIndex
from index.snapshot import SnapshotCorruptedError, SnapshotError, delete_snapshot, list_snapshots, prune_snapshots
from index.subspaces import Subspaces
from index.threads import cap_threads
from service.catalogue.errors import CatalogueError, CatalogueReplacedError, RevisionAheadError
from service.catalogue.repository import Catalogue
from service.indexing.compacting import Compactor, StoppingError, worthwhile
from service.indexing.rebuilding import drop_snapshots, publish_from_catalogue
from service.operations.logs import get_logger

log = get_logger(__name__)

POLL_SECONDS = 0.5
# A database that takes this long to tell its revision is out of reach.
SILENT_SECONDS = 5.0


@dataclass(frozen=True)
class PartProblem:
    """Why a part of the service cannot answer.

    Attributes:
        code: Stable, for programs; one of `health.readiness.CODES`.
        reason: In words, without a name of a host, user or file.
    """

    code: str
    reason: str


class IndexFollower:
    """Owns the live index. `start` and `close` it, or call `follow` by hand."""

    def __init__(
        self,
        catalogue: Catalogue,
        root: Path,
        *,
        encoder_id: str,
        subspaces: Subspaces,
        threads: int = 1,
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        """Begin with an empty index.

        Args:
            catalogue: What is followed.
            root: Folder of the snapshots of this catalogue in this embedding space.
            encoder_id: The embedding space.
            subspaces: Its names and slices.
            threads: For building FAISS indices.
            poll_seconds: Time between two looks at the catalogue.
        """
        self.caught_up = threading.Event()
        self.catalogue_tracks = 0
        # When the catalogue was last read, in seconds since 1970, and the revision it was at.
        self.seen_at: float | None = None
        self.seen_revision = 0
        self._index_problem: PartProblem | None = None
        self._catalogue_problem: PartProblem | None = PartProblem(
            "catalogue_unavailable", "the catalogue has not been read yet"
        )
        self._asked_at: float | None = None
        self._catalogue = catalogue
        self._root = root
        self._encoder_id = encoder_id
        self._subspaces = subspaces
        self._threads = threads
        self._poll_seconds = poll_seconds
        self._index = self._empty()
        self._is_open = False
        self._corrupted: list[Path] = []
        self._followed = 0
        self._stopping = threading.Event()
        self._woken = threading.Event()
        self._follower = threading.Thread(target=self._follow_on, name="index-follower")
        self._compactor = Compactor(
            root, current=lambda: self._index, between_steps=self._give_up_if_stopping, threads=threads
        )

    @property
    def index(self) -> LiveIndex:
        """The index as of now. After starting over it is another one: take it anew for every question."""
        return self._index

    @property
    def index_problem(self) -> PartProblem | None:
        """Why the index cannot answer, or None if it can, which is never before `caught_up` is set."""
        problem = self._index_problem
        if problem is None and not self.caught_up.is_set():
            return PartProblem("index_behind", "the index has not caught up with the catalogue yet")
        return problem

    @property
    def catalogue_problem(self) -> PartProblem | None:
        """Why the catalogue cannot be read, or None if it can."""
        asked_at = self._asked_at
        if asked_at is not None and (seconds := time.monotonic() - asked_at) > SILENT_SECONDS:
            return PartProblem("catalogue_unavailable", f"the catalogue has not answered for {seconds:.0f} s")
        return self._catalogue_problem

    def start(self) -> None:
        """Follow from now on, in a thread."""
        self._follower.start()

    def close(self) -> None:
        """Stop following. A snapshot that is being made is given up, which takes seconds at most."""
        self._stopping.set()
        self._woken.set()
        if self._follower.is_alive():
            self._follower.join()
        self._compactor.close()

    def wake(self) -> None:
        """Look at the catalogue now: this process has changed it."""
        self._woken.set()

    def follow(self) -> None:
        """Bring the index in step with the catalogue once.

        Never raises: `catalogue_problem` and `index_problem` tell what is wrong, and the next call tries again.
        """
        try:
            if not self._is_open:
                self._open()
            self._catch_up()
        except StoppingError:
            return
        except RevisionAheadError as error:
            # The database was replaced by an older one: nothing that was followed counts.
            self.caught_up.clear()
            self._is_open = False
            reason = "the catalogue was replaced by an older one; the index is being made anew"
            self._note(index=PartProblem("index_behind", reason), error=error)
        except CatalogueReplacedError as error:
            reason = "the catalogue was replaced by a restored one; start the service again"
            self._note(catalogue=PartProblem("catalogue_replaced", reason), error=error)
        except CatalogueError as error:
            reason = "the catalogue cannot be read; the service's log says why"
            self._note(catalogue=PartProblem("catalogue_unavailable", reason), error=error)
        except Exception as error:  # a follower that died would leave the index behind for ever, and silently
            reason = "the index could not follow the catalogue; the service's log says why"
            self._note(index=PartProblem("index_stuck", reason), error=error)
        else:
            self._note()
            self.caught_up.set()

    def compact_if_worthwhile(self) -> None:
        """Publish a snapshot in the background once enough has changed since the last one."""
        self._compactor.compact_if_worthwhile()

    def _follow_on(self) -> None:
        cap_threads(self._threads)
        while not self._stopping.is_set():
            self._woken.clear()
            self.follow()
            self.compact_if_worthwhile()
            if not self._stopping.is_set():
                self._woken.wait(self._poll_seconds)

    def _revision(self) -> int:
        self._asked_at = time.monotonic()
        try:
            self.seen_revision = self._catalogue.revision()
        finally:
            self._asked_at = None
        self.seen_at = time.time()
        return self.seen_revision

    def _open(self) -> None:
        """Stand on the newest snapshot that verifies, or make one where too much came since."""
        listed = list_snapshots(self._root)
        drop_snapshots(listed, after_revision=self._revision())
        self._followed = 0
        self._corrupted = []
        self._index = self._newest()
        tracks = self._catalogue.count_embeddings(self._encoder_id)
        if tracks - len(self._index) > worthwhile(tracks):
            self._index = self._made_anew()
        self._catch_up()
        tracks = self._catalogue.count_embeddings(self._encoder_id)
        if len(self._index) != tracks and self._revision() == self._followed:
            # A backup was restored, and written to until its revision passed the snapshot's.
            log.warning("index_differs", index_tracks=len(self._index), catalogue_tracks=tracks)
            drop_snapshots(list_snapshots(self._root), after_revision=-1)
            self._followed = 0
            self._index = self._made_anew()
        # Nobody can use them; left alone, they would be tried, and told of, at every start.
        for path in self._corrupted:
            delete_snapshot(path)
            log.warning("snapshot_deleted", snapshot=path.name)
        self._is_open = True

    def _newest(self) -> LiveIndex:
        for path in list_snapshots(self._root):
            index = self._empty()
            try:
                index.open(path)
            except SnapshotError as error:
                log.warning("snapshot_skipped", snapshot=path.name, error=str(error))
                if isinstance(error, SnapshotCorruptedError):
                    self._corrupted.append(path)
                continue
            log.info("snapshot_opened", snapshot=path.name, tracks=len(index), revision=index.revision)
            return index
        return self._empty()

    def _made_anew(self) -> LiveIndex:
        """An index on a new snapshot of the whole catalogue; an empty one if no snapshot can be written."""
        index = self._empty()
        try:
            index.open(
                publish_from_catalogue(
                    self._catalogue,
                    self._root,
                    encoder_id=self._encoder_id,
                    subspaces=self._subspaces,
                    between_steps=self._give_up_if_stopping,
                )
            )
            prune_snapshots(self._root)
        except (OSError, SnapshotError) as error:
            log.warning("snapshot_not_published", error=str(error))
        return index

    def _catch_up(self) -> None:
        revision = self._revision()
        if revision == self._followed:
            return
        before = self._index.revision
        while not self._stopping.is_set():
            change = self._catalogue.changes_since(self._encoder_id, self._index.revision)
            if change is None:
                self.catalogue_tracks = self._catalogue.count_tracks()
                self._followed = revision
                break
            self._index.apply(change)
        if self._index.revision != before:
            log.info("index_followed", revision=self._index.revision, tracks=len(self._index))

    def _give_up_if_stopping(self) -> None:
        if self._stopping.is_set():
            raise StoppingError

    def _empty(self) -> LiveIndex:
        return LiveIndex(self._root, encoder_id=self._encoder_id, subspaces=self._subspaces)

    def _note(
        self,
        *,
        catalogue: PartProblem | None = None,
        index: PartProblem | None = None,
        error: Exception | None = None,
    ) -> None:
        """Remember what is wrong, and log it once: when it begins, and when it is over."""
        if (catalogue, index) != (self._catalogue_problem, self._index_problem):
            wrong = catalogue or index
            if wrong is not None:
                log.error("follower_stuck", problem=wrong.reason, error=str(error), exc_info=error)
            else:
                log.info("follower_in_step", revision=self._index.revision, tracks=len(self._index))
        self._catalogue_problem, self._index_problem = catalogue, index
