"""Where uploaded tracks lie: under the data folder, each under the hash of its content. No client names a path.

A file is put here, and taken away, within a writing transaction, and writers come one after the other: so no file goes
that a job or a track still needs. A process that ends just there may leave a file that nobody needs.
"""

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from service.catalogue.repository import Catalogue
from service.catalogue.writing import Writing

# What still lies among the arrivals after a day came from a process that was killed.
ARRIVED_SECONDS = 86_400.0


class UploadStore:
    """The folder of uploads."""

    def __init__(self, root: Path) -> None:
        """Nothing is made before it is needed.

        Args:
            root: The folder; every process that serves this catalogue must have the same one.
        """
        self._root = Path(os.path.realpath(root))

    @property
    def root(self) -> Path:
        """The folder, as tracks name it."""
        return self._root

    @property
    def arrivals(self) -> Path:
        """Where uploads are received: on the same disk, so that they can be renamed. Made if it is not there."""
        folder = self._root / "arriving"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def path_of(self, content_hash: str) -> Path:
        """Where an upload of this content lies."""
        return self._root / content_hash[:2] / content_hash

    def holds(self, path: Path) -> bool:
        """Whether a track's file is a stored upload, and no file of a person's own."""
        return path == self.path_of(path.name)

    def flush(self, received: Path) -> None:
        """Have a file that was received on the disk: before the transaction that keeps it, for it may take a while."""
        with received.open("rb+") as file:
            os.fsync(file.fileno())

    def keep(self, received: Path, content_hash: str) -> None:
        """Put a file that was received and flushed in its place, unless its content lies there already.

        Raises:
            OSError: If it cannot be put there.
        """
        path = self.path_of(content_hash)
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and path.stat().st_size == received.stat().st_size:
            return
        received.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def discard_unless_needed(self, writing: Writing, content_hash: str) -> None:
        """Delete an upload that no track and no unfinished job needs; nothing happens if it is not there."""
        path = self.path_of(content_hash)
        if writing.track_at(path) is None and not writing.jobs.is_expected(content_hash):
            path.unlink(missing_ok=True)

    def sweep(self) -> None:
        """Delete what killed processes were receiving."""
        with suppress(OSError):
            for file in self.arrivals.iterdir():
                if file.stat().st_mtime < time.time() - ARRIVED_SECONDS:
                    file.unlink(missing_ok=True)


def forget_tracks(catalogue: Catalogue, store: UploadStore, track_ids: Sequence[str]) -> int:
    """Take tracks out of the catalogue, and their files if they are stored uploads. A person's own files stay.

    Returns:
        How many there were; unknown ids are passed over.
    """
    uploads = [track.path.name for track in catalogue.tracks(track_ids).values() if store.holds(track.path)]
    forgotten = catalogue.forget(track_ids)
    if uploads:
        with catalogue.writing() as writing:
            for content_hash in uploads:
                store.discard_unless_needed(writing, content_hash)
    return forgotten
