"""What `doctor` looks at of what answers: the model, the decoder, the index, and whether a service runs."""

import tempfile
import time
import wave
from collections.abc import Iterable
from pathlib import Path

import httpx
import numpy as np

from index.analysis import Analyser
from index.audio import AudioError
from index.bundle_manifest import BundleError, BundleMissingError
from index.decoder import DecoderStartError
from index.model import DeviceUnavailableError, ModelBundle
from index.snapshot import SnapshotError, list_snapshots, open_snapshot
from service.bundles.keeping import answering_bundle
from service.catalogue.errors import CatalogueError
from service.catalogue.repository import Catalogue
from service.indexing.compacting import worthwhile
from service.indexing.rebuilding import snapshots_root
from service.listening import open_bundle, open_decoder
from service.operations.findings import Finding, problem, warning, well
from service.safety.opening import OpenToStrangersError, refuse_to_be_open
from service.settings import Settings

REBUILD = "`facet index rebuild` makes it anew; a service that starts does so too"
READY_SECONDS = 3.0
TONE_SECONDS = 4


def model(settings: Settings) -> Iterable[Finding]:
    """Whether the bundle is there, whole, runs on its device, and hears a tone."""
    name = "model"
    try:
        bundle = open_bundle(settings, threads=1)
    except BundleMissingError as error:
        yield problem(name, "model_missing", str(error), "name the folder of a bundle: FACET_MODEL")
        return
    except BundleError as error:
        yield problem(name, error.code, str(error), "install Facet anew, or copy the bundle again")
        return
    except DeviceUnavailableError as error:
        yield problem(name, "device_unavailable", str(error), "install the driver, or set FACET_DEVICE=cpu")
        return
    yield well(name, f"{bundle.name} from {settings.model} is whole")
    yield _heard(settings, bundle)


def index(settings: Settings) -> Iterable[Finding]:
    """Whether the newest snapshot is whole, of this catalogue, and not far behind it."""
    name = "index"
    try:
        with Catalogue.open(settings.catalogue_url) as catalogue:
            bundle = answering_bundle(settings, catalogue, threads=1)
            revision, tracks = catalogue.revision(), catalogue.count_tracks()
            embedded = catalogue.count_embeddings(bundle.encoder_id)
            root = snapshots_root(settings.snapshots_dir, catalogue=catalogue, encoder_id=bundle.encoder_id)
    except (BundleError, DeviceUnavailableError, CatalogueError):
        return  # said by the checks of those
    if embedded == 0 < tracks:
        says = f"none of the catalogue's {tracks} tracks is analysed with the model {bundle.name!r}"
        yield problem(name, "bundle_unheard", says, "run `facet reembed`, or go back to the model")
        return
    if embedded < tracks:
        says = f"{tracks - embedded} of {tracks} tracks are not analysed with the model {bundle.name!r}, nor found"
        remedy = "a service tries again every hour, `facet reembed` at once, and says why each cannot be heard"
        yield warning(name, "tracks_unheard", says, remedy)
    yield from _snapshots(name, root, bundle, revision=revision, embedded=embedded)


def service(settings: Settings) -> Iterable[Finding]:
    """Whether a service answers where one would."""
    name = "service"
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104
    address = f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"
    try:
        refuse_to_be_open(settings)
    except CatalogueError:
        pass  # said by the check of the catalogue
    except OpenToStrangersError as error:
        yield problem(
            name, "open_to_strangers", f"it does not start: {error}", "`facet keys create NAME --scope write`"
        )
        return
    try:
        answer = httpx.get(f"{address}/readyz", timeout=READY_SECONDS, trust_env=False)
        told = answer.json()
        # Where keys are asked for, it tells strangers no more than yes or no.
        is_silent = answer.status_code != httpx.codes.OK and told["code"] == "not_ready" and "checks" not in told
        checks = {"service": {"ready": False, "reason": "its log says why"}} if is_silent else told["checks"]
        parts = {part: check["reason"] for part, check in checks.items() if not check["ready"]}
    except httpx.ConnectError:
        yield well(name, f"none runs at {address}")
    except httpx.HTTPError as error:
        says = f"something at {address} does not answer: {error or type(error).__name__}"
        yield problem(name, "service_silent", says, "look at its log; restart it if /livez does not answer either")
    except (ValueError, KeyError, TypeError, AttributeError):
        says = f"what answers at {address} is not Facet"
        yield warning(name, "port_taken", says, "choose another port for Facet: FACET_PORT")
    else:
        if parts:
            says = "; ".join(f"{part}: {reason}" for part, reason in parts.items())
            remedy = "mend that; it goes on by itself then, unless it says otherwise"
            yield problem(name, "service_not_ready", f"at {address}, {says}", remedy)
        else:
            yield well(name, f"one answers at {address}, and is ready")


def whole_index(settings: Settings) -> Iterable[Finding]:
    """Whether every snapshot is whole, and the newest one says what the catalogue says; it takes reading them all."""
    from service.indexing.verifying import verify_index

    name = "snapshots"
    try:
        with Catalogue.open(settings.catalogue_url) as catalogue:
            bundle = answering_bundle(settings, catalogue, threads=1)
            root = snapshots_root(settings.snapshots_dir, catalogue=catalogue, encoder_id=bundle.encoder_id)
            if not list_snapshots(root):
                return
            verified = verify_index(catalogue, root, encoder_id=bundle.encoder_id, subspaces=bundle.subspaces)
    except (BundleError, DeviceUnavailableError, CatalogueError):
        return
    if verified.is_sound:
        yield well(name, f"{verified.snapshots} are whole and say what the catalogue says")
    else:
        says = "they are damaged, or not what the catalogue says"
        yield warning(name, "snapshot_differs", says, f"`facet index verify` says how; {REBUILD}")


def _snapshots(name: str, root: Path, bundle: ModelBundle, *, revision: int, embedded: int) -> Iterable[Finding]:
    newest = next(iter(list_snapshots(root)), None)
    many = worthwhile(embedded)
    if newest is None:
        if embedded > many:
            yield warning(name, "index_absent", f"there is no snapshot of {embedded} tracks yet", REBUILD)
        else:
            yield well(name, f"{embedded} tracks need no snapshot")
        return
    try:
        manifest = open_snapshot(newest, encoder_id=bundle.encoder_id, subspaces=bundle.subspaces).manifest
    except SnapshotError as error:
        yield warning(name, "snapshot_corrupted", str(error), REBUILD)
        return
    behind = revision - manifest.revision
    if behind < 0:
        says = f"the newest snapshot is {-behind} changes ahead of the catalogue: a database was put in its place"
        yield warning(name, "index_ahead", says, REBUILD)
    elif behind > many:
        says = f"the newest snapshot is {behind} changes behind the catalogue"
        yield warning(name, "index_stale", says, f"if a service runs, its log says what keeps it; {REBUILD}")
    else:
        yield well(name, f"a snapshot of {manifest.tracks} tracks, {behind} changes behind the catalogue")


def _heard(settings: Settings, bundle: ModelBundle) -> Finding:
    """Whether a file makes its way through a decoder process and the model."""
    name = "listening"
    began = time.monotonic()
    try:
        with (
            tempfile.TemporaryDirectory(prefix="facet-doctor-") as folder,
            open_decoder(settings, processes=1, file_bytes=settings.upload_bytes) as decoder,
        ):
            Analyser(bundle, decoder, excerpts_per_track=1).analyse(_tone(Path(folder)))
    except DecoderStartError as error:
        return problem(name, "decoder_does_not_start", str(error), "start it by hand, as it says, to see why")
    except (AudioError, OSError) as error:
        remedy = "raise FACET_DECODE_SECONDS or FACET_DECODE_MEMORY_BYTES, or see whether TMPDIR can be written"
        return problem(name, "tone_not_heard", f"a tone was not heard: {error}", remedy)
    return well(name, f"a tone was decoded and heard in {time.monotonic() - began:.1f} s")


def _tone(folder: Path) -> Path:
    rate = 22_050
    moments = np.arange(TONE_SECONDS * rate) / rate
    samples = (0.3 * np.sin(2 * np.pi * 440 * moments) * 32_767).astype("<i2")
    path = folder / "tone.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, rate, len(samples), "NONE", "not compressed"))
        file.writeframes(samples.tobytes())
    return path
