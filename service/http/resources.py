"""What the service holds open while it runs, and how a call gets at it. `app` opens it, endpoints depend on it."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from functools import partial
from typing import Annotated

import anyio
import anyio.to_thread
from fastapi import Depends, Request

from index.model import ModelBundle
from service.bundles.changeover import Changeover
from service.bundles.keeping import bundle_to_begin_with
from service.catalogue.repository import Catalogue
from service.clips import ClipListener
from service.http.refusals import NotReadyError
from service.http.stage import Act, Stage
from service.indexing.follower import IndexFollower
from service.jobs.store import UploadStore
from service.jobs.worker import UploadWorker
from service.listening import open_bundle, open_clip_decoder, open_decoder
from service.map.keeping import MapKeeper
from service.peaks.kept import KeptPeaks
from service.peaks.outlines import Outlines
from service.safety.key_ring import KeyRing, opened_key_ring
from service.safety.places import Places
from service.search.facts_keeper import FactsKeeper
from service.search.searcher import Searcher
from service.settings import Settings

# Calls that wait for the database or send a file take a thread each; search itself is bound by cores.
WORKER_THREADS = 16
# Clips analysed at the same time, even on one core: one that hangs its decoder must not stop all others.
CLIPS_AT_ONCE = 2
# Files decoded whole at the same time, for their outlines: what is only looked at leaves cores to what is asked.
PEAKS_AT_ONCE = 1
# A question takes some milliseconds of a core. More at once would only take turns.
QUESTIONS_AT_ONCE = 2
# Whoever came after this many would wait for the better part of a second, or for several where answers are long.
QUESTIONS_WAITING_AT_MOST = 64


@dataclass(frozen=True)
class Resources:
    """Everything open, as of one moment: when another bundle takes over, `app.state` is given another one of these.

    Attributes:
        keys: Who may ask.
        questions: Places for those whose questions are being answered.
        scraping: The one thread of whoever asks how the service is.
    """

    settings: Settings
    catalogue: Catalogue
    bundle: ModelBundle
    clips: ClipListener
    follower: IndexFollower
    facts: FactsKeeper
    maps: MapKeeper
    store: UploadStore
    worker: UploadWorker
    outlines: Outlines
    scraping: anyio.CapacityLimiter
    keys: KeyRing
    questions: Places


@asynccontextmanager
async def opened_resources(settings: Settings, *, publish: Callable[[Resources], None]) -> AsyncIterator[None]:
    """Open everything, and close it at the end. The index catches up meanwhile.

    Args:
        settings: Of the service.
        publish: Given what calls are to work with from now on: at the beginning, and when another bundle takes over.

    Raises:
        BundleError: If the model bundle cannot be used.
        CatalogueError: If the catalogue cannot.
    """
    anyio.to_thread.current_default_thread_limiter().total_tokens = WORKER_THREADS
    wanted = await anyio.to_thread.run_sync(partial(open_bundle, settings, threads=settings.threads))
    key_store, keys = await opened_key_ring(settings.catalogue_url)
    catalogue = await anyio.to_thread.run_sync(Catalogue.open, settings.catalogue_url)
    at_once = max(CLIPS_AT_ONCE, settings.threads)
    store = UploadStore(settings.uploads_dir)
    with (
        closing(key_store),
        catalogue,
        open_clip_decoder(settings, processes=at_once) as decoder,
        # Of its own, so that it never waits behind clips, nor they behind it.
        open_decoder(
            settings,
            processes=1,
            file_bytes=settings.uploaded_track_bytes,
            audio_seconds=settings.uploaded_track_seconds,
        ) as track_decoder,
        # Its children start when the first outline is wanted.
        open_decoder(settings, processes=PEAKS_AT_ONCE, file_bytes=settings.track_bytes) as peaks_decoder,
    ):
        decoder.warm()
        bundle = await anyio.to_thread.run_sync(bundle_to_begin_with, settings, catalogue, wanted)
        outlines = Outlines(peaks_decoder, KeptPeaks(settings.peaks_file), at_once=PEAKS_AT_ONCE)
        scraping = anyio.CapacityLimiter(1)
        questions = Places(
            max(QUESTIONS_AT_ONCE, settings.threads),
            waiting_at_most=QUESTIONS_WAITING_AT_MOST,
            work="questions wait for their answers",
        )

        def act_changed(act: Act) -> None:
            publish(
                Resources(
                    settings=settings,
                    catalogue=catalogue,
                    bundle=act.bundle,
                    clips=act.clips,
                    follower=act.follower,
                    facts=act.facts,
                    maps=act.maps,
                    store=store,
                    worker=worker,
                    outlines=outlines,
                    scraping=scraping,
                    keys=keys,
                    questions=questions,
                )
            )

        def wake_follower() -> None:
            stage.act.follower.wake()

        stage = Stage(
            settings,
            catalogue,
            clip_decoder=decoder,
            track_decoder=track_decoder,
            places=anyio.CapacityLimiter(at_once),
            changed=act_changed,
        )
        worker = UploadWorker(catalogue, store, analyser=lambda: stage.act.analyser, finished=wake_follower)
        changeover = Changeover(
            settings,
            catalogue,
            current=lambda: stage.act.bundle.encoder_id,
            show=lambda bundle: stage.change(bundle, changeover.stopping),
        )
        stage.open(bundle)
        worker.start()
        changeover.start()
        try:
            yield
        finally:
            for close in (changeover.close, partial(worker.close, track_decoder), stage.close):
                await anyio.to_thread.run_sync(close)


# What calls depend on is asked for on the event loop: a call that says how the service is must not wait for a thread
# when all of them wait for the database.
async def get_resources(request: Request) -> Resources:
    """What the service holds open."""
    resources: Resources = request.app.state.resources
    return resources


OpenResources = Annotated[Resources, Depends(get_resources)]


async def get_searcher(resources: OpenResources) -> Searcher:
    """A searcher over the index as of now.

    Raises:
        NotReadyError: If the index has not caught up with the catalogue since the start.
    """
    if not resources.follower.caught_up.is_set():
        raise NotReadyError("the index has not caught up with the catalogue yet; GET /readyz says how it stands")
    return Searcher(
        resources.catalogue,
        resources.bundle,
        resources.follower.index,
        resources.facts,
        deepest=resources.settings.search_depth,
    )


IndexSearcher = Annotated[Searcher, Depends(get_searcher)]


async def take_place(resources: OpenResources) -> AsyncIterator[None]:
    """A place to answer a question, until that is done; not for calls that still wait for their body.

    Raises:
        TooBusyError: If too many questions wait.
    """
    async with resources.questions.place():
        yield


# Given back before the answer is sent: a client that reads slowly keeps nobody waiting.
A_PLACE = Depends(take_place, scope="function")
