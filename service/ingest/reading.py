"""The two tasks of an ingest that read a file: its content hash, and what is heard in it. `run` has them done.

They are functions of this module and take plain values, so that an executor of other processes can run them too.
"""

import hashlib
import os
import stat
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from service.catalogue.writing import FileState

if TYPE_CHECKING:  # it brings the decoder and the model's runtime along, which who only looks at files does without
    from index.analysis import Analysis


# PostgreSQL's indices take 2,704 bytes at most. The same limit for SQLite, so that a catalogue can change its engine.
LONGEST_PATH_BYTES = 2600


class FileErrorCode(StrEnum):
    """Why a file was not listened to, or not to its end; beside the codes of `index.audio.AudioErrorCode`."""

    NOT_FOUND = "not_found"
    """It was there when its folder was read, and is not any more; or it is a link to nowhere."""
    NOT_READABLE = "not_readable"
    """The operating system does not give it: permissions, a broken disk, a pipe that is called like music."""
    PATH_TOO_LONG = "path_too_long"
    """Beyond what the catalogue's databases can tell apart quickly."""
    CHANGED_WHILE_READ = "changed_while_read"
    """It was written to meanwhile: a download under way, say. The next ingest takes it."""
    CHANGED = "changed"
    """It is not the file any more that was ingested: only where a track is analysed again without an ingest."""
    INTERNAL_ERROR = "internal_error"
    """A defect of Facet."""


class FileError(Exception):
    """A file could not be read: `code` says why to machines, the message to people."""

    def __init__(self, code: FileErrorCode, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return self.message


class TrackAnalyser(Protocol):
    """Listens to a file; `index.analysis.Analyser` does."""

    def analyse(self, path: Path) -> "Analysis":
        """What is heard in a file.

        Raises:
            AudioError: If nothing is.
        """
        ...


def read_state(path: Path) -> FileState:
    """Read a file through, and say what its content is.

    Raises:
        FileError: not_found, not_readable, path_too_long or changed_while_read.
    """
    if (length := len(os.fsencode(path))) > LONGEST_PATH_BYTES:
        message = f"its path is {length} bytes long, at most {LONGEST_PATH_BYTES} can be kept; shorten a folder's name"
        raise FileError(FileErrorCode.PATH_TOO_LONG, message)
    try:
        before = path.stat()
        # To open a pipe or a device could wait for ever.
        if not stat.S_ISREG(before.st_mode):
            raise FileError(FileErrorCode.NOT_READABLE, f"{path.name} is no regular file; name the audio file itself")
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise as_file_error(path, error) from error
    file = FileState(path, content_hash=digest, size_bytes=before.st_size, modified_ns=before.st_mtime_ns)
    _check_unchanged(file)
    return file


def analyse(analyser: TrackAnalyser, file: FileState) -> "Analysis":
    """Listen to a file whose state was read before.

    Raises:
        AudioError: If nothing is heard.
        FileError: not_found, not_readable or changed_while_read.
    """
    try:
        analysis = analyser.analyse(file.path)
    except OSError as error:
        raise as_file_error(file.path, error) from error
    _check_unchanged(file)
    return analysis


def as_file_error(path: Path, error: OSError) -> FileError:
    """What the operating system says, as a coded error."""
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return FileError(FileErrorCode.NOT_FOUND, f"{path.name} is not there any more")
    reason = error.strerror or str(error)
    return FileError(FileErrorCode.NOT_READABLE, f"{path.name} cannot be read: {reason}")


def is_gone(path: Path) -> bool:
    """Whether there surely is no file here: one that may not be looked at could still be there."""
    try:
        os.stat(path)  # noqa: PTH116  a link whose target is gone is gone too; Path.exists swallows other errors
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def _check_unchanged(file: FileState) -> None:
    try:
        now = file.path.stat()
    except OSError as error:
        raise as_file_error(file.path, error) from error
    if (now.st_size, now.st_mtime_ns) != (file.size_bytes, file.modified_ns):
        raise FileError(
            FileErrorCode.CHANGED_WHILE_READ,
            f"{file.path.name} was written to while it was read; ingest it again once that is over",
        )
