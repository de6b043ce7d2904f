"""The files that only Facet has, within a backup: uploaded tracks and copies of model bundles. `backup` puts them in.

They stand in two tables of the backup's own, in parts, each file with its sha256. `restoring` puts them where the
settings say, and has the tracks that were uploaded know it.
"""

import hashlib
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from sqlalchemy import Connection, inspect, text

from index.durable import sync
from service.catalogue.copying import TableSum, Tally

FILES_TABLE = "facet_files"
PARTS_TABLE = "facet_file_parts"
PART_BYTES = 2**20
UPLOADS = "uploads"
BUNDLES = "bundles"


@dataclass(frozen=True)
class KeptFolders:
    """Where the files lie that nobody has but Facet.

    Attributes:
        uploads: Of `jobs.store`.
        bundles: Of `bundles.keeping`.
    """

    uploads: Path
    bundles: Path

    @property
    def by_place(self) -> Mapping[str, Path]:
        """Both, by what a backup calls them."""
        return {UPLOADS: self.uploads, BUNDLES: self.bundles}


def put_files(
    target: Connection, folders: KeptFolders, *, writing: Callable[[], AbstractContextManager[None]]
) -> TableSum:
    """Put the files into a backup whose rows are in it already.

    Of the uploads, those that its tracks and jobs need. One that is deleted while this runs is left out, as its track
    was deleted.

    Args:
        target: The backup.
        folders: Where the files are.
        writing: Stands around what is done to `target`.

    Returns:
        What was put in.
    """
    with writing():
        target.exec_driver_sql(
            f"CREATE TABLE {FILES_TABLE} (id INTEGER PRIMARY KEY, place TEXT NOT NULL, name TEXT NOT NULL, "
            "size_bytes INTEGER NOT NULL, modified_ns INTEGER NOT NULL, sha256 TEXT NOT NULL)"
        )
        target.exec_driver_sql(
            f"CREATE TABLE {PARTS_TABLE} (file_id INTEGER NOT NULL, part INTEGER NOT NULL, content BLOB NOT NULL, "
            "PRIMARY KEY (file_id, part))"
        )
        needed = {
            row.content_hash
            for table in ("tracks", "jobs")
            if inspect(target).has_table(table)
            for row in target.execute(text(f"SELECT content_hash FROM {table}"))  # noqa: S608  # two names of our own
        }
    number = 0
    for place, folder in folders.by_place.items():
        for path in _files_below(folder):
            if place == UPLOADS and path.name not in needed:
                continue
            with suppress(FileNotFoundError):
                described = {"id": number + 1, "place": place, "name": path.relative_to(folder).as_posix()}
                _put(target, path, described, writing)
                number += 1
    return _listed(target)


def check_files(connection: Connection, expected: TableSum | None) -> str | None:
    """Read the files of a backup through.

    Args:
        connection: To the backup.
        expected: What it says that it has; None if it is of a Facet that put none in.

    Returns:
        What is wrong with them; None if nothing is.
    """
    if expected is None:
        return None
    if _listed(connection) != expected:
        return f"its files are {_listed(connection)}, expected {expected}"
    for row in connection.execute(text(f"SELECT id, place, name, size_bytes, sha256 FROM {FILES_TABLE}")):  # noqa: S608
        digest, size_bytes = hashlib.sha256(), 0
        for content in _parts(connection, row.id):
            digest.update(content)
            size_bytes += len(content)
        if (size_bytes, digest.hexdigest()) != (row.size_bytes, row.sha256):
            return f"its file {row.place}/{row.name} is not what was put in"
        name = PurePosixPath(row.name)
        if row.place not in (UPLOADS, BUNDLES) or name.is_absolute() or ".." in name.parts:
            return f"it has a file {row.place}/{row.name}, which has no place in Facet"
    return None


def take_files_out(connection: Connection, folders: KeptFolders) -> list[Path]:
    """Put the files of a backup where they belong. What lies there with the same content is left alone.

    Args:
        connection: To a backup that was checked.
        folders: Where they belong.

    Returns:
        The files that were not there before.

    Raises:
        OSError: If one cannot be written; none is left then of those that were not there before.
    """
    if not inspect(connection).has_table(FILES_TABLE):
        return []
    new: list[Path] = []
    try:
        for row in connection.execute(text(f"SELECT id, place, name, modified_ns, sha256 FROM {FILES_TABLE}")).all():  # noqa: S608
            path = folders.by_place[row.place] / row.name
            if path.is_file() and _sha256(path) == row.sha256:
                os.utime(path, ns=(row.modified_ns, row.modified_ns))
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.exists():
                new.append(path)
            partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
            try:
                with partial.open("xb") as file:
                    for content in _parts(connection, row.id):
                        file.write(content)
                # By its size and the time it was written, a track knows its file.
                os.utime(partial, ns=(row.modified_ns, row.modified_ns))
                sync(partial)
                partial.replace(path)
                sync(path.parent)
            finally:
                partial.unlink(missing_ok=True)
    except BaseException:
        remove(new)
        raise
    return new


def remove(paths: list[Path]) -> None:
    """Take away again what was put somewhere in vain."""
    for path in paths:
        path.unlink(missing_ok=True)


def have_uploads_at(target: Connection, before: Path, now: Path) -> None:
    """Have tracks whose file is a stored upload know that the uploads lie in another folder.

    Args:
        target: A catalogue, in the transaction that restores it.
        before: Where they were.
        now: Where they are.
    """
    if before == now:
        return
    moved = [
        {"id": row.id, "path": os.fsencode(_upload(now, row.content_hash))}
        for row in target.execute(text("SELECT id, path, content_hash FROM tracks"))
        if bytes(row.path) == os.fsencode(_upload(before, row.content_hash))
    ]
    if moved:
        target.execute(text("UPDATE tracks SET path = :path WHERE id = :id"), moved)


def _upload(root: Path, content_hash: str) -> Path:
    return root / content_hash[:2] / content_hash


def _files_below(folder: Path) -> Iterator[Path]:
    """Every file below a folder, in the order of names, without those that are being written."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts):
            yield path


def _put(
    target: Connection, path: Path, described: Mapping[str, Any], writing: Callable[[], AbstractContextManager[None]]
) -> None:
    digest, size_bytes, part = hashlib.sha256(), 0, 0
    with path.open("rb") as file:
        modified_ns = os.fstat(file.fileno()).st_mtime_ns
        while content := file.read(PART_BYTES):
            digest.update(content)
            size_bytes += len(content)
            with writing():
                target.execute(
                    text(f"INSERT INTO {PARTS_TABLE} VALUES (:file, :part, :content)"),  # noqa: S608
                    {"file": described["id"], "part": part, "content": content},
                )
            part += 1
    with writing():
        target.execute(
            text(f"INSERT INTO {FILES_TABLE} VALUES (:id, :place, :name, :size, :modified_ns, :sha256)"),  # noqa: S608
            {**described, "size": size_bytes, "modified_ns": modified_ns, "sha256": digest.hexdigest()},
        )


def _listed(connection: Connection) -> TableSum:
    tally = Tally()
    found = connection.execute(text(f"SELECT * FROM {FILES_TABLE}"))  # noqa: S608
    for some in found.mappings().partitions(1000):
        tally.add(dict(row) for row in some)
    return tally.sum


def _parts(connection: Connection, file_id: int) -> Iterator[bytes]:
    """A file's content, a part at a time: one by one, so that no more is in memory."""
    wanted = text(f"SELECT content FROM {PARTS_TABLE} WHERE file_id = :file AND part = :part")  # noqa: S608
    part = 0
    while (content := connection.execute(wanted, {"file": file_id, "part": part}).scalar()) is not None:
        yield content
        part += 1


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
