"""`facet serve`, `facet demo` and `facet index`. What takes long to import is imported when a command runs."""

import logging
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from service.commands.command_line import command_settings, in_plain_words, stopping_on_signals
from service.settings import Settings

if TYPE_CHECKING:
    from index.model import ModelBundle
    from service.http.resources import Resources

HOST = click.option("--host", help="Address to listen on.  [default: FACET_HOST, or 127.0.0.1]")
PORT = click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help="Port to listen on; 0 for any free one.  [default: FACET_PORT, or 8000]",
)
# The tag of the demonstration's second call, if the model has it.
DEMO_TAG = "electronic"
DEMO_DIMENSION = "instrument"


@click.command()
@HOST
@PORT
def serve(host: str | None, port: int | None) -> None:
    """Answer questions over HTTP, until Ctrl-C."""
    settings = _settings(host=host, port=port)
    with _all_in_plain_words():
        _check_catalogue(settings)
        _open_bundle(settings)
    _serve(settings, ready=lambda address, _: click.echo(f"Facet answers at {address} (all calls: {address}/docs)"))


@click.command()
@HOST
@PORT
def demo(host: str | None, port: int | None) -> None:
    """Answer questions about the music that ships with Facet, from a catalogue of its own."""
    settings = _settings(host=host, port=port)
    settings = settings.model_copy(update={"data_dir": settings.data_dir / "demo", "database_url": None})
    with _all_in_plain_words():
        from service.demo import ingest_samples

        with stopping_on_signals() as stop:
            ingest_samples(settings, tell=click.echo, stop=stop)
    if stop.is_set():
        raise click.Abort
    _serve(settings, ready=_show_demo)


@click.group()
def index() -> None:
    """Rebuild or verify the index, which is a cache of the catalogue."""


@index.command()
def rebuild() -> None:
    """Make a new snapshot from the catalogue alone. A service that is running goes on with what it has."""
    settings = _settings()
    with _all_in_plain_words():
        from index.snapshot import list_snapshots, prune_snapshots
        from service.bundles.keeping import answering_bundle
        from service.catalogue.repository import Catalogue
        from service.indexing.rebuilding import drop_snapshots, publish_from_catalogue, snapshots_root

        with Catalogue.open(settings.catalogue_url) as catalogue:
            bundle = answering_bundle(settings, catalogue, threads=settings.threads)
            root = snapshots_root(settings.snapshots_dir, catalogue=catalogue, encoder_id=bundle.encoder_id)
            drop_snapshots(list_snapshots(root), after_revision=catalogue.revision())
            try:
                published = publish_from_catalogue(
                    catalogue, root, encoder_id=bundle.encoder_id, subspaces=bundle.subspaces
                )
            except OSError as error:
                raise click.ClickException(f"the snapshot cannot be written to {root}: {error.strerror}") from error
        prune_snapshots(root, keep=1)
    click.echo(f"published {published}")


@index.command()
def verify() -> None:
    """Check the snapshots' checksums, and that the newest one says what the catalogue says."""
    settings = _settings()
    with _all_in_plain_words():
        from service.bundles.keeping import answering_bundle
        from service.catalogue.repository import Catalogue
        from service.indexing.rebuilding import snapshots_root
        from service.indexing.verifying import verify_index

        with Catalogue.open(settings.catalogue_url) as catalogue:
            bundle = answering_bundle(settings, catalogue, threads=settings.threads)
            root = snapshots_root(settings.snapshots_dir, catalogue=catalogue, encoder_id=bundle.encoder_id)
            verified = verify_index(catalogue, root, encoder_id=bundle.encoder_id, subspaces=bundle.subspaces)
    if not verified.snapshots:
        click.echo("there is no snapshot; the service builds its index from the catalogue when it starts")
        return
    for problem in verified.unreadable:
        click.echo(problem)
    if verified.is_ahead:
        click.echo("the newest snapshot is of a later revision than the catalogue: a backup was restored")
    for words, track_ids in (("lacks", verified.missing), ("has another vector of", verified.different)):
        for track_id in track_ids:
            click.echo(f"the index {words} track {track_id}")
    if verified.surplus:
        click.echo(f"the index has {verified.surplus} tracks that the catalogue lacks")
    if not verified.is_sound:
        raise click.ClickException("the index is not what the catalogue says; run `facet index rebuild`")
    click.echo(
        f"{verified.snapshots} snapshots are whole; the index says what the catalogue says: {verified.tracks} tracks"
    )


def _settings(*, host: str | None = None, port: int | None = None) -> Settings:
    """Options win over the environment."""
    settings = command_settings()
    logging.getLogger("service").setLevel(settings.log_level.upper())
    given = {"host": host, "port": port}
    return settings.model_copy(update={name: value for name, value in given.items() if value is not None})


@contextmanager
def _all_in_plain_words() -> Iterator[None]:
    """What a person can mend is said without a traceback."""
    from index.bundle_manifest import BundleError
    from index.decoder import DecoderStartError
    from index.model import DeviceUnavailableError
    from service.http.serving import ListenError
    from service.safety.opening import OpenToStrangersError

    with in_plain_words():
        try:
            yield
        except (BundleError, DecoderStartError, DeviceUnavailableError, ListenError, OpenToStrangersError) as error:
            raise click.ClickException(str(error)) from error


def _check_catalogue(settings: Settings) -> None:
    """Say how to begin if there is no catalogue yet, before anything is started."""
    from service.catalogue.database import Database
    from service.catalogue.repository import Catalogue

    database = Database(settings.catalogue_url)
    try:
        if database.step() is None:
            raise click.ClickException(
                f"there is no catalogue at {database.name} yet; make one with `facet ingest ~/Music`, "
                "or try the music that ships with Facet: `facet demo`"
            )
    finally:
        database.close()
    Catalogue.open(settings.catalogue_url).close()


def _open_bundle(settings: Settings) -> "ModelBundle":
    from service.listening import open_bundle

    return open_bundle(settings, threads=settings.threads)


def _serve(settings: Settings, *, ready: "Callable[[str, Resources], None]") -> None:
    from service.http.serving import serve_forever
    from service.safety.opening import refuse_to_be_open, warning

    with _all_in_plain_words():
        refuse_to_be_open(settings)
        if (words := warning(settings)) is not None:
            click.echo(words, err=True)
        serve_forever(settings, ready=ready)


def _show_demo(address: str, resources: "Resources") -> None:
    from service.demo import SAMPLES

    bundle = resources.bundle
    sample = next(path for path in sorted(SAMPLES.rglob("*.mp3")))
    dimension = DEMO_DIMENSION if DEMO_DIMENSION in bundle.subspaces.names else bundle.subspaces.names[0]
    tag = DEMO_TAG if any(tag.name == DEMO_TAG for tag in bundle.tags) else bundle.tags[0].name
    click.echo(f"Facet answers at {address} (all calls: {address}/docs). Try, from another terminal:")
    click.echo(f"  curl -F file=@{shlex.quote(str(sample))} '{address}/similar?dimension={dimension}'")
    click.echo(f"  curl '{address}/search?tag={tag}'")
