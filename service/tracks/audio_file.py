"""The sound of an ingested track, or a part of it, straight from its file. `endpoints` sends what is opened here."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from service.catalogue.records import Track
from service.http.refusals import RefusalError

CHUNK_BYTES = 64 * 1024
UNKNOWN_MEDIA_TYPE = "application/octet-stream"

# By the file's first bytes, since a name may say anything: offset, bytes, media type.
_SIGNATURES = (
    (0, b"ID3", "audio/mpeg"),
    (0, b"fLaC", "audio/flac"),
    (0, b"OggS", "audio/ogg"),
    (8, b"WAVE", "audio/wav"),
    (8, b"AIFF", "audio/aiff"),
    (8, b"AIFC", "audio/aiff"),
    (4, b"ftyp", "audio/mp4"),
    (0, b"\x1a\x45\xdf\xa3", "audio/webm"),
    (0, b"\x30\x26\xb2\x75", "audio/x-ms-wma"),
    (0, b"wvpk", "audio/x-wavpack"),
    (0, b"MAC ", "audio/x-ape"),
)
_RANGE = re.compile(r"bytes=\s*(?P<first>\d*)\s*-\s*(?P<last>\d*)\s*", re.IGNORECASE | re.ASCII)


class AudioMissingError(RefusalError):
    """The track's file is not where it was ingested."""

    code = "audio_missing"


class AudioChangedError(RefusalError):
    """There is a file where the track was ingested, but it has another size or time: it may be another track."""

    code = "audio_changed"


class RangeNotSatisfiableError(RefusalError):
    """A range of bytes begins behind the file's end.

    Attributes:
        size_bytes: The file's.
    """

    code = "range_not_satisfiable"

    def __init__(self, size_bytes: int) -> None:
        super().__init__(f"the file has {size_bytes} bytes, the range begins behind them")
        self.size_bytes = size_bytes


@dataclass(frozen=True)
class AudioFile:
    """An open file, and what to say of it.

    Attributes:
        file: For reading, unbuffered; the owner closes it.
        size_bytes: Of the whole.
        media_type: By its first bytes.
        etag: A strong entity tag.
    """

    file: FileIO
    size_bytes: int
    media_type: str
    etag: str

    def read(self, part: range) -> Iterator[bytes]:
        """The bytes of a part, a chunk at a time; closes the file."""
        with self.file:
            self.file.seek(part.start)
            remaining = len(part)
            while remaining > 0 and (chunk := self.file.read(min(CHUNK_BYTES, remaining))):
                remaining -= len(chunk)
                yield chunk


def open_audio(track: Track) -> AudioFile:
    """Open the file of a track, if it is still the one that was ingested: same size, same time of change.

    Raises:
        AudioMissingError: If there is no file, or it may not be read.
        AudioChangedError: If it is another one.
    """
    try:
        file = _open_regular(track.path)
    except OSError as error:
        raise AudioMissingError(
            f"the file of track {track.id} is not where it was ingested; run `facet ingest` on where it is now"
        ) from error
    status = os.fstat(file.fileno())
    if (status.st_size, status.st_mtime_ns) != (track.size_bytes, track.modified_ns):
        file.close()
        raise AudioChangedError(f"the file of track {track.id} was changed since it was ingested; run `facet ingest`")
    return AudioFile(
        file=file,
        size_bytes=status.st_size,
        media_type=_media_type(file.read(16)),
        etag=f'"{track.content_hash}"',
    )


def requested_part(audio: AudioFile, *, range_header: str | None, if_range: str | None) -> range | None:
    """The part of a file that a request asks for, or None for the whole.

    Several ranges at once and ranges in other units than bytes are answered with the whole file, as RFC 9110 allows.

    Args:
        audio: The file.
        range_header: `Range`, such as `bytes=0-1023`.
        if_range: `If-Range`: the part is wanted only of the file with this entity tag.

    Raises:
        RangeNotSatisfiableError: If the range begins behind the end.
    """
    if range_header is None or (if_range is not None and if_range != audio.etag):
        return None
    found = _RANGE.fullmatch(range_header)
    if found is None or (not found["first"] and not found["last"]):
        return None
    if not found["first"]:
        start, stop = max(0, audio.size_bytes - int(found["last"])), audio.size_bytes
    else:
        start = int(found["first"])
        stop = min(int(found["last"]) + 1, audio.size_bytes) if found["last"] else audio.size_bytes
        if found["last"] and int(found["last"]) < start:
            return None
    if start >= audio.size_bytes:
        raise RangeNotSatisfiableError(audio.size_bytes)
    return range(start, stop)


def _open_regular(path: Path) -> FileIO:
    # Opening a pipe that took the file's place would wait for its writer.
    return FileIO(path, opener=lambda name, flags: os.open(name, flags | getattr(os, "O_NONBLOCK", 0)))


def _media_type(first_bytes: bytes) -> str:
    for offset, signature, media_type in _SIGNATURES:
        if first_bytes[offset:].startswith(signature):
            return media_type
    if len(first_bytes) > 1 and first_bytes[0] == 0xFF and first_bytes[1] & 0xE0 == 0xE0:
        # Eleven set bits begin a frame; the layer's two bits are 0 in AAC only.
        return "audio/aac" if first_bytes[1] & 0x06 == 0 else "audio/mpeg"
    return UNKNOWN_MEDIA_TYPE
