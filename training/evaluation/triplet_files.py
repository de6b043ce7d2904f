"""Triplets as a CSV file, so that others can answer the same ones. `triplets` draws and answers them.

Two kinds of file, told apart by their header: `notion,anchor_id,positive_id,negative_id` of tracks, and
`anchor_id,anchor_start_seconds,positive_id,...` of excerpts. Ids are the data set's. Which variant of track triplets a
file of excerpts holds is told by its name, as `triplet_file_name` gives it; under any other name they are plain ones.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from training.evaluation.embedded import EmbeddedTracks
from training.evaluation.evaluation import EvaluationError
from training.evaluation.triplets import SAME_ALBUM, WITHIN_STRETCH, Triplets

_ROLES = ("anchor", "positive", "negative")
_OF_TRACKS = ("notion", *(f"{role}_id" for role in _ROLES))
_OF_EXCERPTS = tuple(f"{role}_{what}" for role in _ROLES for what in ("id", "start_seconds"))

# A track's id and, for an excerpt, where it starts: to the millisecond, whichever way a file rounds.
_Place = tuple[str, int | None]


def triplet_file_name(*, of_excerpts: bool, variant: str | None = None) -> str:
    """What a file of triplets is called: `tag-triplets.csv`, `track-triplets.csv`, `track-triplets-same-album.csv`."""
    words = ["track triplets" if of_excerpts else "tag triplets", variant or ""]
    return "-".join(" ".join(words).split()) + ".csv"


@dataclass(frozen=True, kw_only=True)
class TripletFile:
    """What a file holds of the tracks at hand.

    Attributes:
        triplets: One set for each notion, in the order of the file, or one of excerpts.
        left_out: How many of its triplets name a track or an excerpt that is not at hand.
    """

    triplets: tuple[Triplets, ...]
    left_out: int


def write_triplets(triplets: Sequence[Triplets], tracks: EmbeddedTracks, path: Path) -> None:
    """Write triplets of tracks, or triplets of excerpts.

    Args:
        triplets: All about notions, or all of excerpts.
        tracks: Whose positions they hold.
        path: A file that stands there is replaced; it is never half written.

    Raises:
        EvaluationError: If both kinds are mixed.
    """
    of_excerpts = {each.notion is None for each in triplets}
    if len(of_excerpts) > 1:
        raise EvaluationError(f"{path}: triplets of tracks and of excerpts go to files of their own")
    ids, starts = tracks.track_ids, tracks.starts_seconds.tolist()
    partial = path.with_name(f"{path.name}.partial")
    with partial.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(_OF_EXCERPTS if True in of_excerpts else _OF_TRACKS)
        for each in triplets:
            roles = zip(each.anchor.tolist(), each.positive.tolist(), each.negative.tolist(), strict=True)
            if each.notion is None:
                track = tracks.track.tolist()
                writer.writerows([cell for at in three for cell in (ids[track[at]], starts[at])] for three in roles)
            else:
                writer.writerows([each.notion, *(ids[at] for at in three)] for three in roles)
    partial.replace(path)


def read_triplets(path: Path, tracks: EmbeddedTracks) -> TripletFile:
    """Read triplets, and find their tracks or excerpts among those at hand.

    Raises:
        EvaluationError: If the file is missing, is no such CSV, a start is no number, a notion is empty, or none of its
            triplets is of the tracks at hand.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = csv.reader(file, strict=True)
            header = tuple(next(lines, ()))
            if header not in (_OF_TRACKS, _OF_EXCERPTS):
                raise EvaluationError(
                    f"{path} begins with {','.join(header)!r}; expected {','.join(_OF_TRACKS)!r} "
                    f"or {','.join(_OF_EXCERPTS)!r}"
                )
            rows = [(number, row) for number, row in enumerate(lines, 1) if row]
    except FileNotFoundError as error:
        raise EvaluationError(f"{path} does not exist") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise EvaluationError(f"{path} is no CSV file in UTF-8: {error}") from error
    position_of = _places_of(tracks, of_excerpts=header == _OF_EXCERPTS)
    found: dict[str | None, list[tuple[int, ...]]] = {}
    for number, row in rows:
        notion, places = _parsed(row, header, f"{path}, row {number}")
        if all(place in position_of for place in places):
            found.setdefault(notion, []).append(tuple(position_of[place] for place in places))
    kept = sum(map(len, found.values()))
    if kept == 0:
        raise EvaluationError(f"{path}: none of its {len(rows)} triplets is of the tracks at hand; is it of this data?")
    variants = {triplet_file_name(of_excerpts=True, variant=each): each for each in (WITHIN_STRETCH, SAME_ALBUM)}
    variant = variants.get(path.name) if header == _OF_EXCERPTS else None
    triplets = []
    for notion, positions in found.items():
        anchor, positive, negative = np.array(positions, dtype=np.int64).T
        triplets.append(Triplets(anchor=anchor, positive=positive, negative=negative, notion=notion, variant=variant))
    return TripletFile(triplets=tuple(triplets), left_out=len(rows) - kept)


def _places_of(tracks: EmbeddedTracks, *, of_excerpts: bool) -> dict[_Place, int]:
    if not of_excerpts:
        return {(track_id, None): position for position, track_id in enumerate(tracks.track_ids)}
    places = zip(tracks.track.tolist(), tracks.starts_seconds.tolist(), strict=True)
    return {(tracks.track_ids[track], _milliseconds(start)): position for position, (track, start) in enumerate(places)}


def _parsed(row: list[str], header: tuple[str, ...], where: str) -> tuple[str | None, list[_Place]]:
    if len(row) != len(header):
        raise EvaluationError(f"{where}: {len(row)} cells, expected {len(header)}")
    if header == _OF_TRACKS:
        if not row[0]:
            raise EvaluationError(f"{where}: no notion; name the dimension that the triplet is about")
        return row[0], [(track_id, None) for track_id in row[1:]]
    try:
        return None, [
            (track_id, _milliseconds(float(start))) for track_id, start in zip(row[::2], row[1::2], strict=True)
        ]
    except (ValueError, OverflowError) as error:
        raise EvaluationError(f"{where}: a start is no number of seconds: {error}") from error


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
