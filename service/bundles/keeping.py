"""A copy of every bundle that was used is kept in the data folder, so that it can answer until another one takes over.

Bundles are replaced where they lie: by a new version of Facet, a new image, a new export. The copy is the few files
that `ModelBundle.open` reads, and is verified like any bundle when it is opened.
"""

import os
import shutil
import tempfile
from pathlib import Path

from index.bundle_manifest import CARD_FILE, MANIFEST_FILE, BundleError
from index.model import ModelBundle
from service.catalogue.bundles import Standing
from service.catalogue.repository import Catalogue
from service.listening import open_bundle
from service.operations.logs import get_logger
from service.settings import Settings

log = get_logger(__name__)


def want_bundle(settings: Settings, catalogue: Catalogue, bundle: ModelBundle) -> str | None:
    """Say that the bundle of these settings is to answer, and keep a copy of it.

    Returns:
        What to tell whoever runs this, if the catalogue goes over from another bundle; None if it does not.

    Raises:
        CatalogueUnavailableError: If the catalogue cannot be written.
    """
    try:
        _keep(settings.model, settings.bundles_dir, bundle)
    except OSError as error:
        # It answers all the same; only once another one is wanted will it be missed.
        log.warning("bundle_not_kept", bundle=bundle.name, error=str(error))
    before = catalogue.bundles.standing()
    with catalogue.writing() as writing:
        writing.bundles.want(bundle.encoder_id, bundle.name)
        writing.bundles.change_over(bundle.encoder_id)
    return _goes_over(catalogue, before, bundle)


def open_kept(settings: Settings, encoder_id: str, *, threads: int) -> ModelBundle:
    """Open the copy of a bundle.

    Raises:
        BundleError: If there is none, or it is damaged.
        DeviceUnavailableError: If the device is not to be had.
    """
    return ModelBundle.open(settings.bundles_dir / encoder_id, threads=threads, device=settings.device)


def answering_bundle(settings: Settings, catalogue: Catalogue, *, threads: int) -> ModelBundle:
    """The bundle that answers, for what is made of its vectors; the one of these settings if its copy is lost.

    Raises:
        BundleError: If neither can be used.
        CatalogueUnavailableError: If the catalogue cannot be read.
        DeviceUnavailableError: If the device is not to be had.
    """
    answering = catalogue.bundles.standing().answering
    if answering is None:
        return open_bundle(settings, threads=threads)
    try:
        return open_kept(settings, answering, threads=threads)
    except BundleError:
        return open_bundle(settings, threads=threads)


def bundle_to_begin_with(settings: Settings, catalogue: Catalogue, wanted: ModelBundle) -> ModelBundle:
    """The bundle that a service answers with when it starts: the one that answers, until the wanted one is complete.

    Args:
        settings: Of the service.
        catalogue: What says which one answers.
        wanted: The bundle of these settings.

    Raises:
        CatalogueUnavailableError: If the catalogue cannot be written.
    """
    want_bundle(settings, catalogue, wanted)
    answering = catalogue.bundles.standing().answering
    if answering in (None, wanted.encoder_id):
        return wanted
    try:
        return open_kept(settings, str(answering), threads=settings.threads)
    except BundleError as error:
        # It answers with as much as is embedded with it.
        log.warning("bundle_missing", error=str(error), answering=wanted.name)
        return wanted


def _goes_over(catalogue: Catalogue, before: Standing, bundle: ModelBundle) -> str | None:
    """In a sentence, how the catalogue goes over to a bundle; None if it was wanted and answers."""
    answering = catalogue.bundles.standing().answering
    is_complete = answering == bundle.encoder_id
    former = before.wanted if is_complete else answering
    if former in (None, bundle.encoder_id):
        return None
    names = [catalogue.bundles.name(str(former)), bundle.name]
    if names[0] == names[1]:
        names = [f"{bundle.name} ({encoder_id[:12]})" for encoder_id in (str(former), bundle.encoder_id)]
    how = (
        f"{names[1]} answers from now on" if is_complete else f"it goes over to {names[1]} once all is embedded with it"
    )
    was = "was to be answered" if is_complete else "is answered"
    return f"This catalogue {was} by {names[0]}; {how} (FACET_MODEL says which; docs/tracks.md#another-model)"


def _keep(folder: Path, root: Path, bundle: ModelBundle) -> None:
    kept = root / bundle.encoder_id
    manifest = (folder / MANIFEST_FILE).read_bytes()
    if kept.is_dir() and (kept / MANIFEST_FILE).read_bytes() == manifest:
        return
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root, prefix=".copying-") as place:
        copy = Path(place) / bundle.encoder_id
        copy.mkdir()
        for name in (*bundle.manifest.files, CARD_FILE):
            if (folder / name).is_file():
                shutil.copyfile(folder / name, copy / name)
                _sync(copy / name)
        (copy / MANIFEST_FILE).write_bytes(manifest)
        _sync(copy / MANIFEST_FILE)
        if kept.is_dir():
            # The same encoder under other words, tags say. Who opens it in between tries again.
            kept.rename(Path(place) / "before")
        try:
            copy.rename(kept)
        except OSError:
            if not kept.is_dir():  # else another process was quicker
                raise


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
