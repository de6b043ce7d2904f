"""`facet ingest`, `forget`, `list` and `db`: the catalogue's commands. What takes long to import is imported inside."""

import json
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from service.commands.command_line import command_settings, in_plain_words, stopping_on_signals
from service.ingest.terminal_text import printable

if TYPE_CHECKING:
    from service.catalogue.records import Track

# To forget a few by mistake is mended by an ingest in a moment; more than this are asked for first.
FORGET_UNASKED = 100


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--report",
    type=click.Path(dir_okay=False, path_type=Path),
    help="List every file and what became of it in this JSON file.",
)
@click.option("--watch", is_flag=True, help="Go on with what is added, changed or moved, until Ctrl-C.")
@click.option(
    "--poll",
    type=click.FloatRange(min=1),
    metavar="SECONDS",
    help="With --watch: look this often, where the system does not tell of changes (network folders).",
)
@click.pass_context
def ingest(
    context: click.Context, paths: tuple[Path, ...], report: Path | None, *, watch: bool, poll: float | None
) -> None:
    """Bring files and folders of music into the catalogue. The files are only read.

    Folders are walked through, linked ones too. Hidden files are passed over, and what is not called like audio is
    ignored; a file that is named itself is always tried.

    Files that are as they were cost next to nothing, so run this again whenever music was added, changed, renamed or
    moved. What was interrupted, in whatever way, goes on where it was.

    FACET_MODEL says which model listens. If another one answers, a running service goes over to this one once the
    whole catalogue is analysed with it; a line says so.

    With --watch it goes on until Ctrl-C, and takes a file two seconds after it has stopped growing. As always, a track
    whose file is deleted stays until `facet forget --missing`.

    Exit status: 0 if all is well; 1 if a file failed, or the run could not go on; 2 if the command makes no sense; 130
    after Ctrl-C, unless that is how a watch ended.
    """
    if poll is not None and not watch:
        raise click.UsageError("--poll says how --watch finds what changed; give both")
    if watch and (files := [path for path in paths if not path.is_dir()]):
        raise click.UsageError(f"{files[0]} is a file; with --watch, name folders")
    # Files are listened to side by side, a thread each.
    settings = command_settings(threads_per_library=1)
    with in_plain_words(), stopping_on_signals() as stop:
        from index.bundle_manifest import BundleError
        from index.decoder import DecoderStartError
        from index.model import DeviceUnavailableError
        from service.catalogue.records import Outcome
        from service.ingest.report import Ending, ReportNotWrittenError
        from service.ingest.session import Watching, ingest_paths

        watching = Watching(poll_seconds=poll) if watch else None
        try:
            done = ingest_paths(settings, paths, report_file=report, stop=stop, watching=watching)
        except (BundleError, DeviceUnavailableError, DecoderStartError, ReportNotWrittenError) as error:
            raise click.ClickException(str(error)) from error
    if done.ending is Ending.INTERRUPTED:
        # As a shell says it: 128 and the signal's number, which is 2 for Ctrl-C.
        context.exit(128 + (stop.signal_number or signal.SIGINT))
    context.exit(1 if done.counts[Outcome.FAILED] else 0)


@click.command()
@click.argument("names", metavar="[PATH|ID]...", nargs=-1, type=click.Path(path_type=Path))
@click.option("--missing", is_flag=True, help="Only what has lost its file: of these paths, or of the whole catalogue.")
@click.option("--yes", is_flag=True, help=f"Do not ask before forgetting more than {FORGET_UNASKED} tracks.")
@click.pass_context
def forget(context: click.Context, names: tuple[Path, ...], *, missing: bool, yes: bool) -> None:
    """Take tracks out of the catalogue: those at or under these paths, or with these ids. Their files stay.

    Only what was uploaded to the service is deleted, since Facet's copy is nobody else's file.
    What is known of failures there is forgotten too. A disk that is not mounted looks like one whose files are gone:
    mount it before you use --missing.
    """
    if not names and not missing:
        raise click.UsageError("name paths or track ids, or give --missing")
    settings = command_settings()
    with in_plain_words():
        from service.catalogue.repository import Catalogue
        from service.ingest.forgetting import meant
        from service.jobs.store import UploadStore, forget_tracks

        with Catalogue.open(settings.catalogue_url) as catalogue:
            found = meant(catalogue, names, only_missing=missing)
            count = len(found.track_ids)
            if count > FORGET_UNASKED and not yes:
                click.confirm(f"Forget {count} tracks? Their files stay where they are", abort=True)
            forgotten = forget_tracks(catalogue, UploadStore(settings.uploads_dir), found.track_ids)
            catalogue.failures.forget(found.failures)
    click.echo(f"forgot {forgotten} tracks and {len(found.failures)} failures; no file was touched")
    for name in found.unknown:
        click.echo(f"{printable(str(name))}: the catalogue knows no such file, folder or track", err=True)
    context.exit(1 if found.unknown else 0)


@click.command("list")
@click.option("--failed", is_flag=True, help="Show the files whose latest ingest failed, and why.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def list_(*, failed: bool, as_json: bool) -> None:
    """Show the catalogue in the order it was filled: id, artist, title, duration and path, with tabs between.

    With --failed: code, path and message of the files that could not be ingested.
    """
    settings = command_settings()
    with in_plain_words():
        from service.catalogue.repository import Catalogue
        from service.ingest.forgetting import every_track

        with Catalogue.open(settings.catalogue_url) as catalogue:
            if failed:
                for result in catalogue.failures.every():
                    fields = {"code": result.code, "path": str(result.path), "message": result.message}
                    _show(fields, list(fields.values()), as_json=as_json)
            else:
                for track in every_track(catalogue):
                    columns = [track.id, track.artist, track.title, _duration(track.duration_seconds), str(track.path)]
                    _show(_fields(track), columns, as_json=as_json)


@click.group()
def db() -> None:
    """Look after the catalogue's database."""


@db.command("upgrade")
def db_upgrade() -> None:
    """Bring the database to what this version of Facet needs, or make it. Make a backup first."""
    settings = command_settings()
    with in_plain_words():
        from service.catalogue.database import Database
        from service.catalogue.migrating import upgrade

        database = Database(settings.catalogue_url)
        try:
            done = upgrade(database)
        finally:
            database.close()
    if done.before is None:
        click.echo(f"made the catalogue at {database.name}, at step {done.after}")
    elif done.before == done.after:
        click.echo(f"the catalogue at {database.name} is at step {done.after} already; there was nothing to do")
    else:
        click.echo(f"the catalogue at {database.name} went from step {done.before} to step {done.after}")


@db.command("current")
def db_current() -> None:
    """Say which step the database is at, and which one this version of Facet needs."""
    settings = command_settings()
    with in_plain_words():
        from service.catalogue.database import Database
        from service.catalogue.tables import SCHEMA_REVISION

        database = Database(settings.catalogue_url)
        try:
            step = database.step()
        finally:
            database.close()
    if step is None:
        click.echo(f"there is no catalogue at {database.name} yet; this Facet makes one at step {SCHEMA_REVISION}")
    elif step == SCHEMA_REVISION:
        click.echo(f"the catalogue at {database.name} is at step {step}, which is the one this Facet needs")
    else:
        click.echo(f"the catalogue at {database.name} is at step {step}; this Facet needs step {SCHEMA_REVISION}")


@db.command("prune")
def db_prune() -> None:
    """Delete what former models heard, and their copies. Only the one that answers stays: the way back is long then."""
    settings = command_settings()
    with in_plain_words():
        from service.bundles.pruning import prune
        from service.catalogue.repository import Catalogue

        with Catalogue.open(settings.catalogue_url) as catalogue:
            pruned = prune(settings, catalogue)
    names = ", ".join(pruned.models) or "none"
    click.echo(f"former models: {names}; {pruned.embeddings} embeddings of theirs were deleted")


def _fields(track: "Track") -> dict[str, Any]:
    return {
        "id": track.id,
        "path": str(track.path),
        "title": track.title,
        "artist": track.artist,
        "album": track.album,
        "year": track.year,
        "labels": list(track.labels),
        "duration_seconds": track.duration_seconds,
        "skipped_packets": track.skipped_packets,
        "content_hash": track.content_hash,
        "added_at": track.added_at.isoformat(),
    }


def _duration(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def _show(fields: dict[str, Any], columns: list[str | None], *, as_json: bool) -> None:
    click.echo(json.dumps(fields) if as_json else "\t".join(printable(column or "-") for column in columns))
