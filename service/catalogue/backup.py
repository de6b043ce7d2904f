"""A catalogue into one file, while it is read and written. `facet backup` calls this; `restoring` goes the other way.

Everything is read in one transaction, so it is of one moment; nobody waits for it. What can be made again is not in it:
the index, the maps and the waveforms. What people have elsewhere is not in it either: the music that was ingested from
their folders. What was uploaded, and the models that answered, are in it (`kept_files`).
"""

import functools
import glob
import os
import secrets
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from alembic import command
from sqlalchemy import text

from index.durable import sync
from service.catalogue.backup_file import (
    BackupContent,
    BackupError,
    describe,
    opened_backup,
    opened_for_writing,
    written_plainly,
)
from service.catalogue.copying import copy_rows, empty
from service.catalogue.database import Database
from service.catalogue.errors import CatalogueNotMigratedError
from service.catalogue.kept_files import KeptFolders, put_files
from service.catalogue.migrating import alembic_config, refuse_unknown

# A partial file this old belongs to a backup that was killed.
ABANDONED_AFTER_SECONDS = 24 * 3600.0


def back_up(
    database: Database, file: Path, *, replace: bool = False, folders: KeptFolders | None = None
) -> BackupContent:
    """Write a catalogue into a file, which appears whole or not at all.

    Args:
        database: Whose tables may stand at any step that this Facet knows.
        file: Where. It holds paths and names, so only its owner may read it.
        replace: Whether a file of this name may be replaced; it stays until the new one is complete.
        folders: Where the files are that only Facet has; None to leave them out.

    Returns:
        What was written, and read again.

    Raises:
        BackupError: If the file is there already, or cannot be written.
        CatalogueNotMigratedError: If there is no catalogue.
        CatalogueUnavailableError: If it cannot be read.
    """
    file = file.absolute()
    if file.exists() and not (replace and file.is_file()):
        raise BackupError(f"{file} is there already; take another name, or replace it with --replace")
    if database.step() is None:
        raise CatalogueNotMigratedError(f"there is no catalogue at {database.name}, so there is nothing to back up")
    _remove_abandoned(file)
    partial = file.with_name(f".{file.name}.{secrets.token_hex(4)}.partial")
    with written_plainly(file):
        os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    try:
        content = _fill(database, partial, file, folders)
        with written_plainly(file):
            sync(partial)
            if not replace and file.exists():
                raise BackupError(f"{file} came into being meanwhile; it was left as it is")
            partial.replace(file)
            sync(file.parent)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    return content


def _remove_abandoned(file: Path) -> None:
    """Delete what earlier backups to this file left that were killed."""
    for path in file.parent.glob(f".{glob.escape(file.name)}.*.partial"):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > ABANDONED_AFTER_SECONDS:
                path.unlink()


def _fill(database: Database, partial: Path, file: Path, folders: KeptFolders | None) -> BackupContent:
    """Make the tables, copy every row and every file, and read all of it again."""
    with database.reading() as session, opened_for_writing(partial) as target:
        source = session.connection()
        step = source.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
        made_at = datetime.now(UTC)
        refuse_unknown(database, step)
        with written_plainly(file):
            command.upgrade(alembic_config(target), step)
            empty(target)
        writing = functools.partial(written_plainly, file)
        sums = copy_rows(source, target, writing=writing)
        with written_plainly(file):
            target.commit()
    with opened_for_writing(partial) as target:
        files = None if folders is None else put_files(target, folders, writing=writing)
        uploads = None if folders is None else folders.uploads
        with written_plainly(file):
            describe(target, BackupContent(made_at=made_at, step=step, tables=sums, files=files, uploads=uploads))
            target.commit()
    with opened_backup(partial) as (_, content):
        return content
