"""MTG-Jamendo: 55,000 whole tracks under Creative Commons licences, tagged by their makers. Output: `manifest_files`.

The repository of the data set holds `data/autotagging.tsv`, its subsets, and `data/splits/split-0` to `split-4`, five
ways to deal the tracks out that keep artists together. A row is: track, artist, album, path, duration, then a tag in
each further cell: `genre---rock`, `instrument---piano`, `mood/theme---happy`. The decades stand among the genres; the
vocabulary `mtg-jamendo` makes an era of them.
"""

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

from training.datasets.gathering import DatasetLayoutError, Gathered, Gathering, expect_file
from training.datasets.manifest import FIRST_YEAR, LAST_YEAR, NO_YEAR, Split

HEADER = ["TRACK_ID", "ARTIST_ID", "ALBUM_ID", "PATH", "DURATION", "TAGS"]
NAMES_HEADER = ["TRACK_ID", "ARTIST_ID", "ALBUM_ID", "TRACK_NAME", "ARTIST_NAME", "ALBUM_NAME", "RELEASEDATE", "URL"]
NAMES = "raw.meta.tsv"
PUBLISHED_SIDES = {Split.TRAIN: "train", Split.VALID: "validation", Split.TEST: "test"}


class JamendoSubset(StrEnum):
    """Which of the published files."""

    ALL = "autotagging"
    GENRE = "autotagging_genre"
    INSTRUMENT = "autotagging_instrument"
    MOODTHEME = "autotagging_moodtheme"
    TOP50 = "autotagging_top50tags"


def read_mtg_jamendo(
    metadata: Path,
    audio: Path,
    *,
    subset: JamendoSubset = JamendoSubset.ALL,
    split: int | None = 0,
    check_audio: bool = True,
) -> Gathered:
    """Read MTG-Jamendo. Tags lose their category: `genre---rock` becomes `rock`.

    Args:
        metadata: The repository, or its folder `data`.
        audio: The folder that holds the folders 00 to 99, with `00/7400.mp3` or, of the smaller download,
            `00/7400.low.mp3`.
        subset: Which tags and tracks.
        split: 0 to 4; None takes all tracks of the subset, on no side.
        check_audio: Whether to look if the audio is there.

    Raises:
        DatasetLayoutError: If a file is missing or in another form.
    """
    data = metadata / "data" if (metadata / "data").is_dir() else metadata
    gathering = Gathering(audio, check_audio=check_audio)
    years = _years(data / NAMES) if (data / NAMES).is_file() else {}
    categories: dict[str, set[str]] = {}
    if split is None:
        files: list[tuple[Split | None, Path]] = [(None, expect_file(data, f"{subset}.tsv"))]
    else:
        folder = data / "splits" / f"split-{split}"
        files = [(side, expect_file(folder, f"{subset}-{name}.tsv")) for side, name in PUBLISHED_SIDES.items()]
    for side, file in files:
        for track_id, artist, album, path, _, *labels in _rows(file, HEADER):
            for label in labels:
                category, _, tag = label.partition("---")
                if not tag:
                    raise DatasetLayoutError(f"{file}: {track_id} has tag {label!r}, expected category---tag")
                categories.setdefault(tag, set()).add(category)
            gathering.add(
                path,
                path.removesuffix(".mp3") + ".low.mp3",
                track_id=track_id,
                artist=artist,
                album=album,
                year=years.get(track_id, NO_YEAR),
                tags=[label.partition("---")[2] for label in labels],
                split=side,
            )
    for tag, of in categories.items():
        if len(of) > 1:
            gathering.remark(f"Tag {tag!r} is of {' and '.join(sorted(of))}; in the manifest it is one tag.")
    return gathering.finish()


def _rows(path: Path, header: list[str]) -> Iterator[list[str]]:
    """Cells between tabs. Quotes stand for themselves: names hold single ones."""
    with path.open(encoding="utf-8", newline="") as file:
        first = file.readline().rstrip("\r\n")
        if first.split("\t") != header:
            raise DatasetLayoutError(f"{path} begins with {first[:60]!r}, expected {' '.join(header)} between tabs")
        for number, line in enumerate(file, start=1):
            cells = line.rstrip("\r\n").split("\t")
            if len(cells) < len(header) - 1:
                raise DatasetLayoutError(
                    f"{path}, row {number}: {len(cells)} cells, expected {len(header) - 1} or more"
                )
            yield cells


def _years(path: Path) -> dict[str, int]:
    """Of the releases. Some names hold a tab, so the date is counted from the end."""
    years = {}
    for cells in _rows(path, NAMES_HEADER):
        year = cells[-2][:4]
        if year.isascii() and year.isdigit() and FIRST_YEAR <= int(year) <= LAST_YEAR:
            years[cells[0]] = int(year)
    return years
