"""MagnaTagATune: 25,863 clips of 29 s from the label Magnatune, tagged by players of a game. Output: `manifest_files`.

Published are `annotations_final.csv` (a row for each clip, a column of 0 and 1 for each of 188 tags) and
`clip_info_final.csv` (title, artist, album), both with tabs between the cells, and the clips in sixteen folders, 0 to
f. The common split goes by these folders, 12 : 1 : 3, and so by albums: an artist can be on two sides.
"""

import csv
from collections.abc import Iterator
from pathlib import Path

from training.datasets.gathering import DatasetLayoutError, Gathered, Gathering, expect_file
from training.datasets.manifest import Split

ANNOTATIONS = "annotations_final.csv"
CLIP_INFO = "clip_info_final.csv"
FOLDERS = {
    **dict.fromkeys("0123456789ab", Split.TRAIN),
    "c": Split.VALID,
    **dict.fromkeys("def", Split.TEST),
}


def read_magnatagatune(metadata: Path, audio: Path, *, check_audio: bool = True) -> Gathered:
    """Read MagnaTagATune, with all 188 tags: a vocabulary chooses among them.

    Args:
        metadata: The folder that holds `annotations_final.csv`, and `clip_info_final.csv` for artists and albums.
        audio: The folder that holds the folders 0 to f.
        check_audio: Whether to look if the audio is there. Three of the published clips are empty files.

    Raises:
        DatasetLayoutError: If a file is missing or in another form.
    """
    annotations = expect_file(metadata, ANNOTATIONS)
    gathering = Gathering(audio, check_audio=check_audio)
    albums: dict[str, tuple[str, str]] = {}
    if (metadata / CLIP_INFO).is_file():
        rows = _rows(metadata / CLIP_INFO, "clip_id", "artist", "album")
        albums = {row["clip_id"]: (row["artist"], row["album"]) for row in rows}
    else:
        gathering.remark(f"{CLIP_INFO} is not there: artists and albums are unknown.")
    for row in _rows(annotations, "clip_id", "mp3_path"):
        clip_id, path = row.pop("clip_id"), row.pop("mp3_path")
        if not path:
            gathering.leave_out(clip_id, "no path known")
            continue
        folder = path.split("/", maxsplit=1)[0]
        if folder not in FOLDERS:
            raise DatasetLayoutError(f"{annotations}: clip {clip_id} lies in {path}, expected a folder 0 to f")
        tags = [tag for tag, is_there in row.items() if is_there == "1"]
        artist, album = albums.get(clip_id, ("", ""))
        gathering.add(path, track_id=clip_id, artist=artist, album=album, tags=tags, split=FOLDERS[folder])
    return gathering.finish()


def _rows(path: Path, *columns: str) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t")
        missing = [column for column in columns if column not in (rows.fieldnames or ())]
        if missing:
            raise DatasetLayoutError(f"{path} has no column {missing[0]!r} between tabs; is it the published file?")
        for number, row in enumerate(rows, start=1):
            if None in row or None in row.values():
                raise DatasetLayoutError(f"{path}, row {number}: the cells are more or fewer than the header's")
            yield row
