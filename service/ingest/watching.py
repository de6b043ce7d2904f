"""What changes under some folders, file by file, once each has stopped changing. `session` ingests what is found here.

Two ways lead to a file: the operating system tells of it (`watchfiles`), or a sweep finds that the catalogue does not
know it as it stands. Sweeps also find what nobody told of, such as a change on a network folder made elsewhere.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import watchfiles

from service.catalogue.repository import Catalogue
from service.ingest.walk import AUDIO_SUFFIXES, known_path, walk

# A copy that pauses for longer is taken twice: as a part, then as a whole.
SETTLE_SECONDS = 2.0
# Of folders that the operating system tells about.
SWEEP_SECONDS = 600.0
# Of folders that it turns out not to tell about.
POLL_SECONDS = 30.0
# How often it is looked whether files have settled, and whether to stop.
GLANCE_SECONDS = 0.5
PATHS_AT_ONCE = 256

# Size and time of change.
_Look = tuple[int, int]


@dataclass
class _Unsettled:
    """A path, how it looked last, and since when it looks so."""

    look: _Look | None
    since: float


class Settling:
    """Paths at which something happened, until they have not changed for a while."""

    def __init__(self, *, seconds: float = SETTLE_SECONDS, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with none.

        Args:
            seconds: How long a path must stay as it is.
            clock: Tells the time.
        """
        self._seconds = seconds
        self._clock = clock
        self._paths: dict[Path, _Unsettled] = {}

    def note(self, path: Path) -> None:
        """Something may have happened at this path. To be told again of what looks as before begins no new wait."""
        look, known = look_at(path), self._paths.get(path)
        if known is None or known.look != look:
            self._paths[path] = _Unsettled(look, self._clock())

    def settled(self) -> list[Path]:
        """Paths that have settled, which are forgotten; so are those where nothing is any more."""
        now = self._clock()
        done = []
        for path, entry in list(self._paths.items()):
            look = look_at(path)
            if look is None:
                del self._paths[path]
            elif look != entry.look:
                entry.look, entry.since = look, now
            elif now - entry.since >= self._seconds:
                del self._paths[path]
                done.append(path)
        return done


class Watch:
    """Watches folders; made for one `facet ingest --watch`."""

    def __init__(
        self,
        catalogue: Catalogue,
        roots: Sequence[Path],
        *,
        encoder_id: str,
        poll_seconds: float | None,
        told: Callable[[str], None],
        ignored: Callable[[Path], None],
    ) -> None:
        """Prepare.

        Args:
            catalogue: What knows the files.
            roots: Folders.
            encoder_id: The embedding space that is being filled.
            poll_seconds: Sweep this often, and expect nobody to tell of changes; None: be told.
            told: Given what a person should know, in words.
            ignored: Told of every file that does not look like audio, once.
        """
        self._catalogue = catalogue
        self._roots = [Path(os.path.realpath(root)) for root in roots]
        self._encoder_id = encoder_id
        self._poll_seconds = poll_seconds
        self._told = told
        self._tell_ignored = ignored
        self._ignored: set[Path] = set()
        self._settling = Settling()
        # Files that were tried in vain, as they were then: a sweep passes over them until they change.
        self._tried: dict[Path, _Look | None] = {}

    def tried_in_vain(self, path: Path) -> None:
        """Do not give this file again before it changes."""
        self._tried[path] = look_at(path)

    def try_again(self, path: Path) -> None:
        """Give this file once more when it has settled."""
        self._settling.note(path)

    def files(self, stop: threading.Event) -> Iterator[list[Path]]:
        """Files to be ingested, as they settle; possibly none, about twice a second.

        Args:
            stop: Once it is set, the iteration ends.
        """
        # What happened since the first run is found by a sweep at once.
        sweep_at = time.monotonic()
        for changed in self._changes(stop):
            for path in changed:
                self._settling.note(path)
            if time.monotonic() >= sweep_at:
                for path in self._unknown(stop):
                    self._settling.note(path)
                sweep_at = time.monotonic() + (SWEEP_SECONDS if self._poll_seconds is None else self._poll_seconds)
            ready: list[Path] = []
            for path in self._settling.settled():
                ready.extend(self._files_at(path))
            yield ready

    def _changes(self, stop: threading.Event) -> Iterator[list[Path]]:
        """Paths that were told of, or none, about twice a second."""
        if self._poll_seconds is None:
            try:
                yield from self._told_changes(stop)
            except (OSError, RuntimeError) as error:
                self._poll_seconds = POLL_SECONDS
                self._told(f"the system does not tell of changes here ({error}); looking every {POLL_SECONDS:g} s")
        while not stop.wait(GLANCE_SECONDS):
            yield []

    def _told_changes(self, stop: threading.Event) -> Iterator[list[Path]]:
        changes = watchfiles.watch(
            *self._roots,
            watch_filter=None,
            step=50,
            debounce=int(1000 * GLANCE_SECONDS),
            rust_timeout=int(1000 * GLANCE_SECONDS),
            yield_on_timeout=True,
            stop_event=stop,
            ignore_permission_denied=True,
        )
        for some in changes:
            # What was deleted stays in the catalogue, as it does with every ingest: its disk may come back.
            paths = [Path(path) for change, path in some if change is not watchfiles.Change.deleted]
            yield [known_path(path) for path in paths if not self._is_hidden(path)]

    def _is_hidden(self, path: Path) -> bool:
        root = next((root for root in self._roots if path.is_relative_to(root)), None)
        return root is not None and any(part.startswith(".") for part in path.relative_to(root).parts)

    def _files_at(self, path: Path) -> Iterator[Path]:
        """A file, if its name says audio; those of a folder."""
        is_folder = path.is_dir()
        for found in walk([path]):
            if found.is_audio and (is_folder or path.suffix.lower() in AUDIO_SUFFIXES):
                yield found.path
            elif found.error is None and found.path not in self._ignored:
                self._ignored.add(found.path)
                self._tell_ignored(found.path)

    def _unknown(self, stop: threading.Event) -> Iterator[Path]:
        """Files that the catalogue does not know as they stand."""
        found = (each.path for each in walk(self._roots) if each.is_audio)
        while not stop.is_set() and (some := list(islice(found, PATHS_AT_ONCE))):
            known = self._catalogue.known_files(some, self._encoder_id)
            for path in some:
                look, file = look_at(path), known.get(path)
                is_known = file is not None and file.is_embedded and (file.size_bytes, file.modified_ns) == look
                if not is_known and not (path in self._tried and self._tried[path] == look):
                    yield path


def look_at(path: Path) -> _Look | None:
    """Size and time of change of what is at a path; None if nothing is, or it may not be looked at."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns
