"""A manifest on disk: CSV or Parquet, by the ending of its name. What is read is checked, what is written is whole.

Columns may stand in any order; only `path` and `track_id` must be there.
"""

import os
from contextlib import suppress
from pathlib import Path

from index.durable import sync
from training.datasets.manifest import Manifest, ManifestError
from training.datasets.manifest_csv import read_csv, write_csv
from training.datasets.text_column import TextColumn


def read_manifest(path: Path) -> Manifest:
    """Read a manifest and check it. Its relative paths start from the folder it lies in.

    Args:
        path: Ends in `.csv` or `.parquet`.

    Raises:
        ManifestError: If the file is missing, is in neither format, lacks a column, or a value is wrong; the message
            names file, row (the first below the header is 1) and column.
    """
    ending = _ending(path)
    try:
        if ending == ".csv":
            return read_csv(path)
        from training.datasets.manifest_parquet import read_parquet

        return read_parquet(path)
    except FileNotFoundError as error:
        raise ManifestError(f"{path} does not exist") from error
    except IsADirectoryError as error:
        raise ManifestError(f"{path} is a folder; name the manifest in it") from error
    except UnicodeDecodeError as error:
        raise ManifestError(f"{path} is not UTF-8: {error}") from error
    except ManifestError as error:
        raise ManifestError(f"{path}: {error}") from error


def write_manifest(manifest: Manifest, path: Path) -> None:
    """Write a manifest: the file is either the old one or the new one, whole, whenever the machine stops.

    Relative paths are rewritten to start from where the manifest will lie: relative where the audio lies in or below
    that folder, absolute elsewhere.

    Args:
        manifest: What to write.
        path: Ends in `.csv` or `.parquet`. A file that stands there is replaced, a folder that is not there is made.

    Raises:
        ManifestError: If the ending is another.
        OSError: If it cannot be written.
    """
    ending = _ending(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    paths = _paths_from(manifest, path.parent)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        if ending == ".csv":
            write_csv(manifest, paths, partial)
        else:
            from training.datasets.manifest_parquet import write_parquet

            write_parquet(manifest, paths, partial)
        sync(partial)
        partial.replace(path)
    finally:
        with suppress(FileNotFoundError):
            partial.unlink()
    sync(path.parent)


def _ending(path: Path) -> str:
    ending = path.suffix.casefold()
    if ending not in (".csv", ".parquet"):
        raise ManifestError(f"{path}: a manifest's name ends in .csv or .parquet, this one in {ending or 'nothing'}")
    return ending


def _paths_from(manifest: Manifest, folder: Path) -> TextColumn:
    """The paths as they read from another folder."""
    old, new = manifest.folder.resolve(), folder.resolve()
    if old == new:
        return manifest.path
    start = old.relative_to(new) if old.is_relative_to(new) else old
    return TextColumn.of(path if path.startswith("/") else f"{start.as_posix()}/{path}" for path in manifest.path)
