"""`facet backup`, `restore` and `doctor`, for whoever keeps a catalogue. What is slow to import is imported inside."""

import json
import os
import shutil
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from service.commands.command_line import command_settings, in_plain_words
from service.settings import Settings

if TYPE_CHECKING:
    from service.catalogue.kept_files import KeptFolders

REPLACE = "--replace"


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(REPLACE, is_flag=True, help="Replace a file of this name, once the new one is complete.")
@click.option(
    "--without-files", is_flag=True, help="Leave uploaded files and models out: something else copies DATA/uploads."
)
def backup(file: Path, *, replace: bool, without_files: bool) -> None:
    """Write the catalogue into FILE, while it is served and filled.

    What is written is of one moment, read again and checked. In it are the tracks, what is heard in them, and all else
    that the database holds; the tracks that were uploaded, file and all; and the models that answered. Not in it are
    the music in folders of your own, and the index, the maps and the waveforms, which are made anew. The file can be
    restored into SQLite and PostgreSQL, wherever it came from.
    """
    settings = command_settings()
    began = time.monotonic()
    with in_plain_words():
        from service.catalogue.backup import back_up
        from service.catalogue.database import Database

        database = Database(settings.catalogue_url)
        try:
            folders = None if without_files else _kept_folders(settings)
            content = back_up(database, file, replace=replace, folders=folders)
        finally:
            database.close()
    click.echo(
        f"{file} holds the catalogue at {database.name} as of {content.made_at:%Y-%m-%d %H:%M:%S} UTC: "
        f"{content.tables['tracks'].rows} tracks, {content.files.rows if content.files else 'no'} files, "
        f"{file.stat().st_size} bytes, checked, "
        f"in {time.monotonic() - began:.1f} s"
    )


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(REPLACE, is_flag=True, help="Replace a catalogue that has tracks in it.")
def restore(file: Path, *, replace: bool) -> None:
    """Make FILE, which `facet backup` wrote, the catalogue that FACET_DATA_DIR or FACET_DATABASE_URL names.

    Stop the service and every ingest first. The backup is checked before anything is touched; until all of it is in,
    the catalogue is what it was, whatever happens. One of an earlier Facet is brought to what this one needs.
    """
    settings = command_settings()
    began = time.monotonic()
    with in_plain_words():
        from service.catalogue.database import Database
        from service.catalogue.restoring import restore as restore_into
        from service.safety.key_store import KeyStore

        database = Database(settings.catalogue_url)
        try:
            done = restore_into(file, database, replace=replace, folders=_kept_folders(settings))
            now = datetime.now(UTC)
            active = sum(key.state(now) == "active" for key in KeyStore(database).every())
        finally:
            database.close()
    if done.replaced_identity is not None:
        # The index and the maps of what was there: there is nothing to make them of any more.
        for kept in (settings.snapshots_dir, settings.maps_dir):
            shutil.rmtree(kept / done.replaced_identity, ignore_errors=True)
    click.echo(
        f"the catalogue at {database.name} is that of {done.content.made_at:%Y-%m-%d %H:%M:%S} UTC again: "
        f"{done.tracks} tracks, in {time.monotonic() - began:.1f} s; the service makes its index when it starts"
    )
    click.echo(
        f"its API keys are those of that time, too, {active} of them active: one that was revoked since opens again, "
        "one that was made since is gone; look at `facet keys list` before you start the service"
    )


def _kept_folders(settings: Settings) -> "KeptFolders":
    from service.catalogue.kept_files import KeptFolders

    # As the service says where an uploaded track lies.
    return KeptFolders(Path(os.path.realpath(settings.uploads_dir)), settings.bundles_dir)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object: ok, and the checks.")
@click.option("--thorough", is_flag=True, help="Also read the whole database and every snapshot through.")
@click.pass_context
def doctor(context: click.Context, *, as_json: bool, thorough: bool) -> None:
    """Say in words what is wrong with this Facet, and what to do. Nothing is changed.

    Exit status: 0 if all is well, or there are only warnings; 1 if something must be mended.
    """
    settings = command_settings()
    from service.operations.doctor import Verdict, examine

    findings = list(examine(settings, thorough=thorough))
    is_well = all(finding.verdict is not Verdict.PROBLEM for finding in findings)
    if as_json:
        click.echo(json.dumps({"ok": is_well, "checks": [finding.as_fields() for finding in findings]}, indent=2))
    else:
        for finding in findings:
            click.echo(f"{finding.verdict.value:8} {finding.check}: {finding.says}")
            if finding.remedy is not None:
                click.echo(f"{'':8} → {finding.remedy}")
    context.exit(0 if is_well else 1)
