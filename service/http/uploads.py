"""A clip arrives: one multipart field `file`, spooled to a temporary file as it comes, and always deleted.

The clip goes to `clips`, which analyses it. What is wrong with an upload is noticed while it arrives, not after: the
first byte too many, the wrong field, a second file. The client's file name never becomes a path; it is shown to people.
"""

import hashlib
import os
import re
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.concurrency import run_in_threadpool

from service.http.arriving import arriving
from service.http.refusals import RefusalError, UnknownFieldError

FIELD = "file"
# The request body, for the OpenAPI document.
CLIP_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": [FIELD],
                    "additionalProperties": False,
                    "properties": {
                        FIELD: {"type": "string", "format": "binary", "description": "An audio file of any format."}
                    },
                }
            }
        },
    }
}
# What may surround the clip in the body: boundaries and the part's own headers.
MULTIPART_OVERHEAD_BYTES = 64 * 1024
# Bytes gathered before they go to the disk together, in a thread.
WRITE_BYTES = 2**20
# Of a name that is shown, in characters.
LONGEST_FILE_NAME = 200


class UploadTooLargeError(RefusalError):
    """The clip has more bytes than a request may upload."""

    code = "upload_too_large"


class NotMultipartError(RefusalError):
    """The body is not `multipart/form-data`."""

    code = "not_multipart"


class MalformedUploadError(RefusalError):
    """The body is not what its content type says, or ends too early."""

    code = "malformed_upload"


class MissingFileError(RefusalError):
    """There is no clip in the body."""

    code = "missing_file"


class EmptyFileError(RefusalError):
    """The clip has no bytes."""

    code = "empty_file"


class SeveralFilesError(RefusalError):
    """There is more than one clip in the body."""

    code = "several_files"


@dataclass(frozen=True)
class Clip:
    """An uploaded file, for as long as its request lasts.

    Attributes:
        path: Where it lies.
        content_hash: sha256, hexadecimal.
        size_bytes: At least 1.
        file_name: What the client calls it, fit for showing; None if it does not say.
    """

    path: Path
    content_hash: str
    size_bytes: int
    file_name: str | None


@asynccontextmanager
async def received_clip(request: Request, *, limit_bytes: int, folder: Path | None = None) -> AsyncIterator[Clip]:
    """Receive the clip of a request; it is deleted when the context ends, however it ends, unless it was moved away.

    Args:
        request: Its body must not have been read yet.
        limit_bytes: Largest clip.
        folder: Where it is spooled; the system's for temporary files, if left out.

    Raises:
        RefusalError: One of this module's, as soon as it is known.
        ClientDisconnect: If the client went away.
    """
    boundary = _boundary(request)
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > limit_bytes + MULTIPART_OVERHEAD_BYTES:
        raise _too_large(limit_bytes)
    descriptor, name = tempfile.mkstemp(prefix="facet-clip-", dir=folder)
    path = Path(name)
    try:
        part = _ClipPart(limit_bytes)
        digest = hashlib.sha256()
        with os.fdopen(descriptor, "wb") as file:
            async for content in _contents(request, boundary, part):
                await run_in_threadpool(digest.update, content)
                await run_in_threadpool(file.write, content)
        yield Clip(path=path, content_hash=digest.hexdigest(), size_bytes=part.size_bytes, file_name=part.file_name)
    finally:
        path.unlink(missing_ok=True)


def _boundary(request: Request) -> bytes:
    kind, options = parse_options_header(request.headers.get("content-type"))
    if kind != b"multipart/form-data":
        raise NotMultipartError(
            f"the body is {kind.decode('latin-1') or 'of no content type'}, expected multipart/form-data with the file "
            f"in the field {FIELD!r}, as `curl -F {FIELD}=@clip.mp3` sends it"
        )
    if not options.get(b"boundary"):
        raise MalformedUploadError("the content type multipart/form-data lacks its boundary")
    return options[b"boundary"]


async def _contents(request: Request, boundary: bytes, part: "_ClipPart") -> AsyncIterator[bytes]:
    """The clip's bytes, a good portion at a time."""
    try:
        parser = MultipartParser(boundary, part.callbacks())
        async for received in arriving(request):
            parser.write(received)
            if len(part.buffer) >= WRITE_BYTES:
                yield part.taken()
    except FormParserError as error:
        raise MalformedUploadError(f"the body is not well-formed multipart/form-data: {error}") from error
    part.check_complete()
    yield part.taken()


class _ClipPart:
    """What the multipart parser calls back: keeps the clip's bytes until they are taken, and refuses all else."""

    def __init__(self, limit_bytes: int) -> None:
        self.buffer = bytearray()
        self.size_bytes = 0
        self.file_name: str | None = None
        self._limit_bytes = limit_bytes
        self._has_file = False
        self._is_complete = False
        self._header_name = bytearray()
        self._header_value = bytearray()
        self._disposition = b""

    def callbacks(self) -> Any:
        """For `MultipartParser`."""
        return {
            "on_part_begin": self._on_part_begin,
            "on_header_field": self._on_header_field,
            "on_header_value": self._on_header_value,
            "on_header_end": self._on_header_end,
            "on_headers_finished": self._on_headers_finished,
            "on_part_data": self._on_part_data,
            "on_end": self._on_end,
        }

    def taken(self) -> bytes:
        """The bytes gathered so far, which are then forgotten."""
        content = bytes(self.buffer)
        self.buffer.clear()
        return content

    def check_complete(self) -> None:
        """Refuse a body that ended without a whole clip."""
        if not self._has_file:
            raise MissingFileError(
                f"the body has no field {FIELD!r} with a file; `curl -F {FIELD}=@clip.mp3` sends one"
            )
        if not self._is_complete:
            raise MalformedUploadError(f"the body ends after {self.size_bytes} bytes of the file, before its boundary")
        if self.size_bytes == 0:
            raise EmptyFileError("the file has no bytes")

    def _on_part_begin(self) -> None:
        self._disposition = b""

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _on_header_end(self) -> None:
        if self._header_name.lower() == b"content-disposition":
            self._disposition = bytes(self._header_value)
        self._header_name.clear()
        self._header_value.clear()

    def _on_headers_finished(self) -> None:
        _, options = parse_options_header(self._disposition)
        if b"name" not in options:
            raise MalformedUploadError("a part of the body has no name in its Content-Disposition")
        name = options[b"name"].decode("utf-8", errors="replace")
        if name != FIELD:
            raise UnknownFieldError(
                f"the body has a field {name!r}, expected only {FIELD!r}", found=name, known=(FIELD,)
            )
        if b"filename" not in options:
            raise MissingFileError(f"the field {FIELD!r} is text, not a file; `curl -F {FIELD}=@clip.mp3` sends a file")
        if self._has_file:
            raise SeveralFilesError("the body has more than one file; send them one by one")
        self._has_file = True
        self.file_name = _shown_name(options[b"filename"])

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        self.size_bytes += end - start
        if self.size_bytes > self._limit_bytes:
            raise _too_large(self._limit_bytes)
        self.buffer += data[start:end]

    def _on_end(self) -> None:
        self._is_complete = True


def _shown_name(sent: bytes) -> str | None:
    """A client's file name, fit for showing: without its folders, and nothing in it that cannot be printed."""
    name = re.split(r"[/\\]", sent.decode("utf-8", errors="replace"))[-1]
    printable = "".join(character if character.isprintable() else " " for character in name)
    return " ".join(printable.split())[:LONGEST_FILE_NAME] or None


def _too_large(limit_bytes: int) -> UploadTooLargeError:
    return UploadTooLargeError(
        f"the file is larger than the {limit_bytes} bytes that a request may upload; send a shorter or compressed one"
    )
