"""What `doctor` looks at of what a service does beside answering: uploads, and another model that is made ready."""

from collections.abc import Iterable

from index.bundle_manifest import BundleError
from index.model import DeviceUnavailableError
from service.bundles.keeping import open_kept
from service.catalogue.errors import CatalogueError
from service.catalogue.repository import Catalogue
from service.jobs.store import UploadStore
from service.listening import open_bundle
from service.operations.findings import Finding, problem, warning, well
from service.settings import Settings


def uploads(settings: Settings) -> Iterable[Finding]:
    """Whether every uploaded track has its file, which only Facet keeps."""
    name = "uploads"
    store = UploadStore(settings.uploads_dir)
    try:
        with Catalogue.open(settings.catalogue_url) as catalogue:
            tracks = catalogue.tracks(catalogue.track_ids_under(store.root)).values()
            waiting = catalogue.jobs.count_open()
    except CatalogueError:
        return  # said by the check of the catalogue
    missing = [track.path for track in tracks if store.holds(track.path) and not track.path.is_file()]
    if missing:
        says = f"{len(missing)} of {len(tracks)} uploaded tracks have lost their files in {store.root}"
        remedy = (
            f"put that folder back, or `facet restore` a backup; `facet forget --missing {store.root}` gives them up"
        )
        yield problem(name, "uploads_missing", says, remedy)
    elif tracks or waiting:
        yield well(name, f"{len(tracks)} tracks have their files; {waiting} uploads wait for a service to analyse them")


def takeover(settings: Settings) -> Iterable[Finding]:
    """Whether the model that answers is kept, and how far the one is that is to take over from it."""
    name = "models"
    try:
        with Catalogue.open(settings.catalogue_url) as catalogue:
            bundles = catalogue.bundles
            standing = bundles.standing()
            bundle = open_bundle(settings, threads=1)
            if standing.answering in (None, bundle.encoder_id):
                return
            progress, answering = bundles.progress(bundle.encoder_id), bundles.name(str(standing.answering))
    except (BundleError, CatalogueError, DeviceUnavailableError):
        return  # said by the checks of those
    try:
        open_kept(settings, str(standing.answering), threads=1)
    except BundleError as error:
        remedy = "a service answers with the new model, as far as that is; `facet reembed` is the quickest way to all"
        yield problem(name, "answering_model_lost", f"the copy of {answering}, which answers, is lost: {error}", remedy)
        return
    says = (
        f"{answering} answers until {bundle.name} has heard all: "
        f"{progress.embedded} of {progress.tracks} tracks so far, {progress.failed} in vain"
    )
    if progress.is_complete and progress.has_lost_too_many:
        remedy = "mend what keeps their files away (a disk that is not mounted?), or decide: `facet reembed --switch`"
        yield warning(name, "takeover_undecided", says, remedy)
    else:
        yield well(name, f"{says}; a service goes on with it, and `facet reembed` with all cores")
