"""What the catalogue hands out: plain values, free of any database session."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from index.subspaces import Vectors


@dataclass(frozen=True)
class Track:
    """A file of music that is in the catalogue.

    Attributes:
        id: A UUID minted at ingest; never derived from the file.
        path: Absolute; may hold surrogates where a name is not UTF-8.
        content_hash: sha256 of the file, hexadecimal.
        size_bytes: Of the file, when it was read.
        modified_ns: The file's mtime, when it was read.
        duration_seconds: Of the audio.
        skipped_packets: Packets the decoder could not read.
        labels: A person's own, in the order in which they were given.
    """

    id: str
    path: Path
    content_hash: str
    size_bytes: int
    modified_ns: int
    title: str
    artist: str | None
    album: str | None
    year: int | None
    duration_seconds: float
    skipped_packets: int
    added_at: datetime
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class TrackEmbedding:
    """A track in one bundle's embedding space.

    Attributes:
        vector: `(width,)` float32, unit slices: the track as a whole.
        excerpt_vectors: `(n, width)`, unit slices.
        excerpt_starts: `(n,)` seconds.
        tag_probabilities: `(tags,)` float32: the mean over the excerpts.
    """

    vector: Vectors
    excerpt_vectors: Vectors
    excerpt_starts: NDArray[np.float32]
    tag_probabilities: Vectors


class Outcome(StrEnum):
    """What an ingest did with a file."""

    ADDED = "added"
    UPDATED = "updated"
    MOVED = "moved"
    UNCHANGED = "unchanged"
    FAILED = "failed"


@dataclass(frozen=True)
class IngestResult:
    """What became of one file; `code` and `message` say why it failed."""

    path: Path
    outcome: Outcome
    track_id: str | None = None
    code: str | None = None
    message: str | None = None


class JobState(StrEnum):
    """How far a job is."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True)
class Job:
    """An upload on its way into the catalogue.

    Attributes:
        id: A UUID; later jobs have larger ones.
        content_hash: sha256 of the upload, hexadecimal.
        file_name: What the client called the file, made fit for showing; None if it did not say.
        labels: For the track that comes of it.
        attempts: How often it was begun: more than once if the process that did it ended amid the work.
        outcome: Of a job that is done: what became of the file.
        code: Of a job that failed: why, for programs.
        message: Of a job that failed: why, for people.
        revision: Of a job that is done: the catalogue's afterwards. An index that stands there has its track.
    """

    id: str
    state: JobState
    content_hash: str
    size_bytes: int
    file_name: str | None
    labels: tuple[str, ...]
    submitted_at: datetime
    finished_at: datetime | None = None
    attempts: int = 0
    outcome: str | None = None
    track_id: str | None = None
    code: str | None = None
    message: str | None = None
    revision: int | None = None
