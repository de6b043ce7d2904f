"""The way back: which tracks and failures a person means by paths, ids, and what is missing. `facet forget` asks."""

import os
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from service.catalogue.records import Track
from service.catalogue.repository import Catalogue
from service.ingest.reading import is_gone
from service.ingest.walk import known_path

TRACKS_AT_ONCE = 500


@dataclass(frozen=True)
class Meant:
    """What names stand for.

    Attributes:
        track_ids: Tracks, each once.
        failures: Files that could not be ingested.
        unknown: Names that stand for nothing in the catalogue.
    """

    track_ids: list[str]
    failures: list[Path]
    unknown: list[Path]


def meant(catalogue: Catalogue, names: Sequence[Path], *, only_missing: bool) -> Meant:
    """What names stand for.

    Args:
        catalogue: Where to look.
        names: Files, folders (for all that lies under them, whether they are still there or not) and track ids. None at
            all stand for the whole catalogue.
        only_missing: Leave out what has its file. A file that may not be looked at is not missing.
    """
    every_failure = [result.path for result in catalogue.failures.every()]
    track_ids: dict[str, None] = {}
    failures: dict[Path, None] = {}
    unknown = []
    for name in names:
        paths = {known_path(name), Path(os.path.realpath(name))}
        found = [track_id for path in paths for track_id in catalogue.track_ids_under(path)]
        if _is_track_id(name):
            found.extend(catalogue.tracks([str(name)]))
        failed = [failure for failure in every_failure if any(failure.is_relative_to(path) for path in paths)]
        if not found and not failed:
            unknown.append(name)
        track_ids.update(dict.fromkeys(found))
        failures.update(dict.fromkeys(failed))
    if not names:
        failures = dict.fromkeys(every_failure)
    if not only_missing:
        return Meant(list(track_ids), list(failures), unknown)
    tracks = _tracks(catalogue, list(track_ids)) if names else every_track(catalogue)
    return Meant(
        [track.id for track in tracks if is_gone(track.path)],
        [failure for failure in failures if is_gone(failure)],
        unknown,
    )


def every_track(catalogue: Catalogue) -> Iterator[Track]:
    """The whole catalogue in the order it was added, a page in memory at a time."""
    after = None
    while page := catalogue.list_tracks(limit=TRACKS_AT_ONCE, after=after):
        yield from page
        after = page[-1].id


def _tracks(catalogue: Catalogue, track_ids: list[str]) -> Iterator[Track]:
    for first in range(0, len(track_ids), TRACKS_AT_ONCE):
        yield from catalogue.tracks(track_ids[first : first + TRACKS_AT_ONCE]).values()


def _is_track_id(name: Path) -> bool:
    try:
        return str(uuid.UUID(str(name))) == str(name)
    except ValueError:
        return False
