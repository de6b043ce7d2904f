"""Folds what came since the last snapshot into a new one, in a thread of its own. `follower` says when to look."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

from index.live import LiveIndex
from index.snapshot import SnapshotError, delete_snapshot, list_snapshots
from index.threads import cap_threads
from service.operations.logs import get_logger

log = get_logger(__name__)

# Compacting pays when brute force over what is not in the snapshot costs as much as the snapshot itself.
COMPACT_FROM_TRACKS = 2000
COMPACT_FROM_SHARE = 0.1
# After compacting failed (a full disk, say), it is tried again this much later.
COMPACT_AGAIN_SECONDS = 60.0


class StoppingError(Exception):
    """The work of a snapshot is given up, for the service stops."""


class Compactor:
    """Publishes snapshots of a live index, one at a time."""

    def __init__(
        self, root: Path, *, current: Callable[[], LiveIndex], between_steps: Callable[[], None], threads: int
    ) -> None:
        """Nothing is compacted yet.

        Args:
            root: Folder of the snapshots.
            current: The index that questions go to.
            between_steps: Called every few seconds of the work; gives it up with a `StoppingError`.
            threads: For building FAISS indices.
        """
        self._root = root
        self._current = current
        self._between_steps = between_steps
        self._threads = threads
        self._not_before = 0.0
        self._thread: threading.Thread | None = None

    def compact_if_worthwhile(self) -> None:
        """Publish a snapshot in the background once enough has changed since the last one.

        If another process has published a newer one, that is taken instead.
        """
        index = self._current()
        if index.uncompacted <= worthwhile(len(index)) or time.monotonic() < self._not_before:
            return
        if self._thread is not None and self._thread.is_alive():
            return
        self._thread = threading.Thread(target=self._compact, args=(index,), name="index-compactor")
        self._thread.start()

    def close(self) -> None:
        """Wait until nothing is being made any more."""
        if self._thread is not None:
            self._thread.join()

    def _compact(self, index: LiveIndex) -> None:
        cap_threads(self._threads)
        began = time.monotonic()
        try:
            published = next(iter(list_snapshots(self._root)), None)
            if published is not None and (index.snapshot is None or published.name > index.snapshot.path.name):
                index.open(published)
                log.info("snapshot_adopted", snapshot=published.name)
                return
            path = index.compact(between_steps=self._between_steps)
        except StoppingError:
            return
        except (OSError, SnapshotError) as error:
            self._not_before = time.monotonic() + COMPACT_AGAIN_SECONDS
            log.warning("compaction_failed", error=str(error))
            return
        if index is not self._current():
            # The index was made anew meanwhile: this snapshot is of what does not count any more.
            delete_snapshot(path)
            return
        seconds = round(time.monotonic() - began, 2)
        log.info("index_compacted", snapshot=path.name, tracks=len(index), seconds=seconds)


def worthwhile(tracks: int) -> float:
    """Of an index of so many tracks, how many the snapshot may lack before a new one is worth its making."""
    return max(COMPACT_FROM_TRACKS, COMPACT_FROM_SHARE * tracks)
