"""What the service holds open while it runs, and how a call gets at it. `app` opens it, endpoints depend on it."""

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Annotated

import anyio
import anyio.to_thread
from fastapi import Depends, Request

from index.analysis import Analyser
from index.model import ModelBundle
from service.catalogue.repository import Catalogue
from service.clips import ClipListener
from service.http.refusals import NotReadyError
from service.indexing.follower import IndexFollower
from service.indexing.rebuilding import snapshots_root
from service.listening import open_bundle, open_decoder
from service.map.drawing import maps_folder
from service.map.keeping import MapKeeper
from service.peaks.kept import KeptPeaks
from service.peaks.outlines import Outlines
from service.search.searcher import Searcher
from service.search.track_facts import FactsKeeper
from service.settings import Settings

# Calls that wait for the database or send a file take a thread each; search itself is bound by cores.
WORKER_THREADS = 16
# Clips analysed at the same time, even on one core: one that hangs its decoder must not stop all others.
CLIPS_AT_ONCE = 2
# Files decoded whole at the same time, for their outlines: what is only looked at leaves cores to what is asked.
PEAKS_AT_ONCE = 1


@dataclass(frozen=True)
class Resources:
    """Everything open."""

    settings: Settings
    catalogue: Catalogue
    bundle: ModelBundle
    clips: ClipListener
    follower: IndexFollower
    facts: FactsKeeper
    # The one thread of whoever asks how the service is.
    scraping: anyio.CapacityLimiter
    outlines: Outlines
    maps: MapKeeper


@asynccontextmanager
async def opened_resources(settings: Settings) -> AsyncIterator[Resources]:
    """Open everything, and close it at the end. The index catches up meanwhile.

    Raises:
        BundleError: If the model bundle cannot be used.
        CatalogueError: If the catalogue cannot.
    """
    anyio.to_thread.current_default_thread_limiter().total_tokens = WORKER_THREADS
    bundle = await anyio.to_thread.run_sync(partial(open_bundle, settings, threads=settings.threads))
    catalogue = await anyio.to_thread.run_sync(Catalogue.open, settings.catalogue_url)
    at_once = max(CLIPS_AT_ONCE, settings.threads)
    with (
        catalogue,
        open_decoder(settings, processes=at_once, file_bytes=settings.upload_bytes) as decoder,
        # Its children start when the first outline is wanted.
        open_decoder(settings, processes=PEAKS_AT_ONCE, file_bytes=settings.track_bytes) as peaks_decoder,
    ):
        decoder.warm()
        analyser = Analyser(bundle, decoder, excerpts_per_track=settings.planned_excerpts)
        follower = IndexFollower(
            catalogue,
            snapshots_root(settings.snapshots_dir, catalogue=catalogue, encoder_id=bundle.encoder_id),
            encoder_id=bundle.encoder_id,
            subspaces=bundle.subspaces,
            threads=settings.threads,
        )
        facts = FactsKeeper(catalogue, encoder_id=bundle.encoder_id)
        warming = threading.Thread(target=facts.warm, name="facts-warmer")
        follower.start()
        warming.start()
        try:
            yield Resources(
                settings=settings,
                catalogue=catalogue,
                bundle=bundle,
                clips=ClipListener(analyser, at_once=at_once),
                follower=follower,
                facts=facts,
                scraping=anyio.CapacityLimiter(1),
                outlines=Outlines(peaks_decoder, KeptPeaks(settings.peaks_file), at_once=PEAKS_AT_ONCE),
                maps=MapKeeper(
                    maps_folder(settings.maps_dir, catalogue=catalogue, encoder_id=bundle.encoder_id),
                    bundle,
                ),
            )
        finally:
            facts.stop()
            await anyio.to_thread.run_sync(warming.join)
            await anyio.to_thread.run_sync(follower.close)


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
    return Searcher(resources.catalogue, resources.bundle, resources.follower.index, resources.facts)


IndexSearcher = Annotated[Searcher, Depends(get_searcher)]
