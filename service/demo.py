"""A catalogue of the music that ships with Facet, for trying it out. `facet demo` makes it, then serves it."""

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from index.memory import give_back_memory
from service.bundles.keeping import want_bundle
from service.catalogue.database import Database
from service.catalogue.migrating import upgrade
from service.catalogue.records import Outcome
from service.catalogue.repository import Catalogue
from service.ingest.run import Ingest
from service.listening import open_analyser
from service.map.drawing import draw_map, maps_folder
from service.map.drawn_map import list_maps
from service.settings import SHIPPED, Settings

SAMPLES = SHIPPED / "samples"
# Every so many files it is told how far it is.
TOLD_EVERY = 24
_AT_ONCE = 1_000


def ingest_samples(settings: Settings, *, tell: Callable[[str], None], stop: threading.Event) -> None:
    """Bring the shipped samples into the catalogue of these settings; what it has is not read again.

    Args:
        settings: Of the demonstration, with a data folder of its own.
        tell: Told in words how it goes.
        stop: Once it is set, what is under way is finished, and no more is begun.

    Raises:
        BundleError: If the model bundle cannot be used.
        CatalogueError: If the catalogue cannot be made or upgraded.
        DecoderStartError: If no decoder process can be started.
    """
    database = Database(settings.catalogue_url)
    try:
        upgrade(database)
    finally:
        database.close()
    with (
        open_analyser(settings, workers=settings.threads) as analyser,
        Catalogue.open(settings.catalogue_url) as catalogue,
        ThreadPoolExecutor(settings.threads) as executor,
    ):
        want_bundle(settings, catalogue, analyser.bundle)
        catalogue.forget(of_another_copy(catalogue))
        ingest = Ingest(
            catalogue,
            analyser,
            encoder_id=analyser.bundle.encoder_id,
            executor=executor,
            workers=settings.threads,
        )
        folder = maps_folder(settings.maps_dir, catalogue=catalogue, encoder_id=analyser.bundle.encoder_id)
        outcomes: Counter[Outcome] = Counter()
        for result in ingest.run([SAMPLES], stop=stop, ignored=lambda _: None):
            if result.outcome is Outcome.ADDED and not outcomes[Outcome.ADDED]:
                tell("Listening to the music that ships with Facet; this happens once.")
            outcomes[result.outcome] += 1
            if result.outcome is Outcome.FAILED:
                tell(f"  {result.path.name} failed: {result.message}")
            elif outcomes[Outcome.ADDED] and outcomes.total() % TOLD_EVERY == 0:
                tell(f"  {outcomes.total()} tracks")
        if outcomes[Outcome.ADDED] or not list_maps(folder):
            draw_map(catalogue, analyser.bundle, folder, tell=lambda _: None)
    give_back_memory()


def of_another_copy(catalogue: Catalogue) -> list[str]:
    """Ids of samples that another copy of Facet brought in: the demonstration is the user's, each piece in it once."""
    ours = {path.name for path in (SAMPLES / "audio").iterdir()}
    found: list[str] = []
    after = None
    while tracks := catalogue.list_tracks(limit=_AT_ONCE, after=after):
        after = tracks[-1].id
        found += [
            track.id
            for track in tracks
            if track.path.parts[-3:-1] == ("samples", "audio")
            and track.path.name in ours
            and not track.path.is_relative_to(SAMPLES)
        ]
    return found
