"""Has one model bundle take over from another while a service answers: embeds what is missing, then changes over.

A thread of every service. The bundle that answers and the one that is wanted stand in the catalogue, so all services
on it agree: whichever finds the wanted one complete says that it answers from now on, and each of them makes a live
index of it ready before its own questions go there. What cannot be done now is tried again; the old bundle answers on.
"""

import os
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

from index.analysis import Analyser
from index.bundle_manifest import BundleError
from index.decoder import Decoder, DecoderClosedError, DecoderStartError
from index.memory import give_back_memory
from index.model import DeviceUnavailableError, ModelBundle
from service.bundles.embedding import Embedder
from service.bundles.keeping import open_kept
from service.catalogue.errors import CatalogueError
from service.catalogue.records import Outcome
from service.catalogue.repository import Catalogue
from service.listening import open_bundle, open_decoder
from service.operations.logs import get_logger
from service.settings import Settings

log = get_logger(__name__)

# Between two looks: while a bundle is to take over, and when all is as it should be. To look costs three counts.
CHANGING_SECONDS = 1.0
STEADY_SECONDS = 10.0
# While the catalogue is embedded with one that is to take over, which may take hours.
LOOK_BACK_SECONDS = 10.0
# What could not be embedded is tried again this much later: a disk may have been mounted.
AGAIN_SECONDS = 3600.0
# A file that takes longer when the service stops is left for the next time.
GRACE_SECONDS = 3.0
# Of 19: whatever answers questions goes first.
NICENESS = 15


class Changeover:
    """The thread. `start` and `close` it, or call `step` by hand."""

    def __init__(
        self,
        settings: Settings,
        catalogue: Catalogue,
        *,
        current: Callable[[], str],
        show: Callable[[ModelBundle], bool],
    ) -> None:
        """Prepare.

        Args:
            settings: How to open bundles and decode files.
            catalogue: What is embedded.
            current: The encoder id of the bundle that answers in this process.
            show: Has a bundle answer in this process, once its index is ready; False if the service stops before.
        """
        self._settings = settings
        self._catalogue = catalogue
        self._current = current
        self._show = show
        self._again_at: dict[str, float] = {}
        self._look_back_at = 0.0
        self._decoder: Decoder | None = None
        self._complained: str | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._go_on, name="changeover")

    @property
    def stopping(self) -> threading.Event:
        """Set once the service stops."""
        return self._stopping

    def start(self) -> None:
        """Look after it from now on, in a thread."""
        self._thread.start()

    def close(self) -> None:
        """Stop. A file that is being listened to is finished, if that takes no longer than seconds."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(GRACE_SECONDS)
            if self._decoder is not None:
                self._decoder.close()
            self._thread.join()

    def step(self) -> bool:
        """Do what is to be done now.

        Returns:
            Whether the bundle that is wanted answers in this process.

        Raises:
            CatalogueError: If the catalogue cannot be read or written.
            BundleError: If a bundle cannot be opened.
            DecoderStartError: If no decoder process can be started.
        """
        bundles = self._catalogue.bundles
        standing = bundles.standing()
        if standing.answering is not None:
            self._unless_missing(self._answer_with, standing.answering)
        # First what the bundle that answers lacks, which was ingested with the one that is wanted.
        for encoder_id in dict.fromkeys([self._current(), standing.wanted]):
            if encoder_id is not None and not self._stopping.is_set():
                self._unless_missing(self._embed, encoder_id)
        if standing.wanted is not None and standing.wanted != standing.answering:
            with self._catalogue.writing() as writing:
                has_changed = writing.bundles.change_over(standing.wanted)
            if has_changed:
                log.info("bundle_changed_over", bundle=bundles.name(standing.wanted))
                self._answer_with(standing.wanted)
        return self._current() == standing.wanted

    def _go_on(self) -> None:
        while not self._stopping.is_set():
            pause = CHANGING_SECONDS
            try:
                if self.step():
                    pause = STEADY_SECONDS
                    self._complained = None
            except DecoderClosedError:
                return
            except (CatalogueError, BundleError, DeviceUnavailableError, DecoderStartError, OSError) as error:
                self._complain(error)
            except Exception:  # a thread that died would leave the old bundle for ever, and silently
                log.exception("changeover_stumbled")
                pause = STEADY_SECONDS
            self._stopping.wait(pause)

    def _unless_missing(self, work: Callable[[str], None], encoder_id: str) -> None:
        """Do something with a bundle. One that is not here (any more) does not keep another from becoming complete."""
        try:
            work(encoder_id)
        except BundleError as error:
            self._complain(error)

    def _answer_with(self, encoder_id: str) -> None:
        if encoder_id == self._current():
            return
        began = time.monotonic()
        bundle = self._opened(encoder_id, threads=self._settings.threads)
        if self._show(bundle):
            log.info("bundle_answers", bundle=bundle.name, seconds=round(time.monotonic() - began, 2))

    def _embed(self, encoder_id: str) -> None:
        bundles = self._catalogue.bundles
        again = time.monotonic() >= self._again_at.get(encoder_id, 0.0)
        progress = bundles.progress(encoder_id)
        if again:
            self._again_at[encoder_id] = time.monotonic() + AGAIN_SECONDS
        if progress.is_complete and not (again and progress.failed):
            return
        bundle = self._opened(encoder_id, threads=1)
        embedded = failed = 0
        log.info("embedding_began", bundle=bundle.name, missing=progress.tracks - progress.embedded)
        with (
            open_decoder(self._settings, processes=1, file_bytes=self._settings.track_bytes) as decoder,
            ThreadPoolExecutor(1, thread_name_prefix="embedder", initializer=_step_back) as executor,
        ):
            self._decoder = decoder
            analyser = Analyser(bundle, decoder, excerpts_per_track=self._settings.planned_excerpts)
            embedder = Embedder(self._catalogue, analyser, executor=executor, workers=1)
            with closing(embedder.run(stop=self._stopping, again=again)) as results:
                for result in results:
                    embedded += result.outcome is Outcome.UPDATED
                    failed += result.outcome is Outcome.FAILED
                    if self._is_something_else_due(encoder_id):
                        break
        give_back_memory()
        log.info("embedding_ended", bundle=bundle.name, embedded=embedded, failed=failed)

    def _is_something_else_due(self, encoder_id: str) -> bool:
        """Whether tracks came that the bundle that answers lacks, or another bundle is wanted by now."""
        if time.monotonic() < self._look_back_at or encoder_id == self._current():
            return False
        self._look_back_at = time.monotonic() + LOOK_BACK_SECONDS
        bundles = self._catalogue.bundles
        return bundles.standing().wanted != encoder_id or not bundles.progress(self._current()).is_complete

    def _opened(self, encoder_id: str, *, threads: int) -> ModelBundle:
        try:
            return open_kept(self._settings, encoder_id, threads=threads)
        except BundleError:
            bundle = open_bundle(self._settings, threads=threads)
            if bundle.encoder_id != encoder_id:
                raise
            return bundle

    def _complain(self, error: Exception) -> None:
        """Log what is in the way, once."""
        if str(error) != self._complained:
            log.warning("changeover_waits", error=str(error))
        self._complained = str(error)


def _step_back() -> None:
    """Have this thread, and the processes that it starts, run when the others have nothing to do."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
