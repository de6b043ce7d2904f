"""Million Song Dataset with the fifty most used tags of Last.fm, in both layouts of its published splits.

Input is the folder of split and label files, and one of audio previews, which are not published; output goes to
`manifest_files`. Artists, albums and years come from `million_song_metadata`.

**choi** (keunwoochoi/MSD_split_for_tagging): `{train,valid,test}_x_msd_id.txt`, one id per line, and
`{train,valid,test}_y.npy`, `(tracks, 50)` bool; 201,680, 12,634 and 28,540 tracks. `{...}_x_filename.txt` has the names
of the previews.

**lee** (jongpillee/music_dataset_split, MSD_split): the tracks of those with more than 29.1 s of audio. Pickles of
Python 2, which are read without being unpickled: `filtered_list_train.cP` (the first 201,680 are train, the other
11,774 valid), `filtered_list_test.cP` (28,435), `msd_id_to_tag_vector.cP`. Where the last is missing, choi's labels
serve, of which these tracks are a part.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.datasets.gathering import DatasetLayoutError, Gathered, Gathering, expect_file
from training.datasets.inert_array import InertArray, InertPickleError
from training.datasets.inert_pickle import read_inert
from training.datasets.manifest import Split
from training.datasets.million_song_metadata import NoSongMetadata, SongMetadata
from training.vocabulary import SHIPPED, read_vocabulary

LEE_TRAIN_TRACKS = 201_680
# Where the Million Song Dataset puts the file of a track: three letters of its id, then the id.
MSD_PATTERN = "{a}/{b}/{c}/{id}.mp3"

_TAG_LIST = "50tagList.txt"
_LEE_LISTS = ("filtered_list_train.cP", "filtered_list_test.cP")
_TRACK_ID = re.compile(rb"TR[A-Z0-9]{16}")

Row = tuple[Split, str, NDArray[np.bool_] | None]
PathOf = Callable[[str], str | None]


class MillionSongLayout(StrEnum):
    """Whose split and label files they are."""

    CHOI = "choi"
    LEE = "lee"


class AudioPaths(StrEnum):
    """How a track's file is found."""

    SEVEN_DIGITAL = "7digital"
    """By `MSD_id_to_7D_id.pkl` and `7D_id_to_path.pkl`, beside the labels."""
    FILENAMES = "filenames"
    """By `{train,valid,test}_x_filename.txt`, beside the labels."""
    PATTERN = "pattern"
    """By the track's id alone."""


def read_million_song(
    labels: Path,
    audio: Path,
    *,
    layout: MillionSongLayout | None = None,
    audio_paths: AudioPaths | None = None,
    pattern: str = MSD_PATTERN,
    metadata: SongMetadata | None = None,
    check_audio: bool = True,
    lee_train_tracks: int = LEE_TRAIN_TRACKS,
) -> Gathered:
    """Read the Million Song Dataset.

    Args:
        labels: The folder of split and label files. Halves that are not there are left out, with a remark.
        audio: The folder that the audio's paths start from.
        layout: Of the labels; by default lee's where his lists are there, else choi's.
        audio_paths: By default the first of 7digital, filenames and pattern whose files are there.
        pattern: Of a path, with `{id}`, and `{a}`, `{b}`, `{c}` for its third to fifth letter.
        metadata: Knows artist, album and year by track id.
        check_audio: Whether to look if the audio is there.
        lee_train_tracks: How many of lee's training list are for training; the rest is for validation.

    Raises:
        DatasetLayoutError: If files are missing, contradict each other, or are damaged.
    """
    if layout is None:
        is_lee = any((labels / name).is_file() for name in _LEE_LISTS)
        layout = MillionSongLayout.LEE if is_lee else MillionSongLayout.CHOI
    gathering = Gathering(audio, check_audio=check_audio)
    songs = metadata or NoSongMetadata()
    tags = _tag_names(labels)
    try:
        path_of = _path_finder(labels, audio_paths, pattern)
        if layout is MillionSongLayout.CHOI:
            rows = _choi(labels, gathering)
        else:
            rows = _lee(labels, gathering, lee_train_tracks)
        for split, track_id, vector in rows:
            path = path_of(track_id)
            if vector is None:
                gathering.leave_out(track_id, "no label")
            elif path is None:
                gathering.leave_out(track_id, "no path known")
            else:
                song = songs.of(track_id)
                gathering.add(
                    path,
                    track_id=track_id,
                    artist=song.artist,
                    album=song.album,
                    year=song.year,
                    tags=[tags[column] for column in np.flatnonzero(vector)],
                    split=split,
                )
    except InertPickleError as error:
        raise DatasetLayoutError(str(error)) from error
    return gathering.finish()


def pickled_track_ids(path: Path) -> list[str]:
    """The track ids in a pickle, in their order, found by their form: the pickle is not run.

    Raises:
        DatasetLayoutError: If there is none.
    """
    found = [track_id.decode("ascii") for track_id in _TRACK_ID.findall(path.read_bytes())]
    if not found:
        raise DatasetLayoutError(f"{path} holds no track id (TR and 16 letters or digits); is it the published list?")
    return found


def _tag_names(labels: Path) -> tuple[str, ...]:
    """Of the columns of a label. Both layouts have the order of the vocabulary `lastfm50`."""
    if (path := labels / _TAG_LIST).is_file():
        names = tuple(path.read_text(encoding="utf-8").splitlines())
        if len(names) != 50:
            raise DatasetLayoutError(f"{path} has {len(names)} lines, expected 50")
        return names
    return read_vocabulary(SHIPPED / "lastfm50.toml").tag_names


def _choi(labels: Path, gathering: Gathering) -> Iterator[Row]:
    expect_file(labels, *(f"{split}_x_msd_id.txt" for split in Split))
    for split in Split:
        if not (labels / f"{split}_x_msd_id.txt").is_file():
            gathering.remark(f"{split}_x_msd_id.txt is not there: no {split} tracks.")
            continue
        for track_id, vector in _choi_labels(labels, split).items():
            yield split, track_id, vector


def _choi_labels(labels: Path, split: Split) -> dict[str, NDArray[np.bool_]]:
    ids = (labels / f"{split}_x_msd_id.txt").read_text(encoding="ascii").split()
    path = expect_file(labels, f"{split}_y.npy")
    try:
        vectors = np.load(path, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise DatasetLayoutError(f"{path} is no array of labels: {error}") from error
    if vectors.shape != (len(ids), 50):
        raise DatasetLayoutError(f"{path} is {vectors.shape}; {split}_x_msd_id.txt makes that ({len(ids)}, 50)")
    twins = len(ids) - len(set(ids))
    if twins:
        raise DatasetLayoutError(f"{split}_x_msd_id.txt names {twins} tracks twice")
    return dict(zip(ids, vectors.astype(np.bool_), strict=True))


def _lee(labels: Path, gathering: Gathering, train_tracks: int) -> Iterator[Row]:
    expect_file(labels, *_LEE_LISTS)
    ids: dict[Split, list[str]] = {}
    for name in _LEE_LISTS:
        if not (labels / name).is_file():
            gathering.remark(f"{name} is not there: none of its tracks.")
        elif name == _LEE_LISTS[1]:
            ids[Split.TEST] = pickled_track_ids(labels / name)
        else:
            found = pickled_track_ids(labels / name)
            if len(found) <= train_tracks:
                raise DatasetLayoutError(
                    f"{labels / name} holds {len(found):,} tracks; expected more: the first {train_tracks:,} are for "
                    "training and the others for validation"
                )
            ids[Split.TRAIN], ids[Split.VALID] = found[:train_tracks], found[train_tracks:]
    vectors = _lee_labels(labels, gathering)
    for split in Split:
        for track_id in ids.get(split, ()):
            yield split, track_id, vectors.get(track_id)


def _lee_labels(labels: Path, gathering: Gathering) -> Mapping[str, NDArray[np.bool_]]:
    path = labels / "msd_id_to_tag_vector.cP"
    if not path.is_file():
        splits = [split for split in Split if (labels / f"{split}_x_msd_id.txt").is_file()]
        if not splits:
            expect_file(labels, path.name, "test_x_msd_id.txt")
        gathering.remark(
            f"{path.name} is not there: labels are from {', '.join(f'{split}_y.npy' for split in splits)}."
        )
        return {track_id: vector for split in splits for track_id, vector in _choi_labels(labels, split).items()}
    content = _dictionary(path)
    vectors = {}
    for track_id, value in content.items():
        vector = value.array() if isinstance(value, InertArray) else np.array(value)
        if vector.size != 50:
            raise DatasetLayoutError(f"{path}: the label of {track_id} has {vector.size} numbers, expected 50")
        vectors[track_id] = vector.reshape(50) > 0
    return vectors


def _path_finder(labels: Path, audio_paths: AudioPaths | None, pattern: str) -> PathOf:
    if audio_paths is None:
        if (labels / "MSD_id_to_7D_id.pkl").is_file():
            audio_paths = AudioPaths.SEVEN_DIGITAL
        elif any((labels / f"{split}_x_filename.txt").is_file() for split in Split):
            audio_paths = AudioPaths.FILENAMES
    if audio_paths is AudioPaths.SEVEN_DIGITAL:
        seven_digital = _dictionary(expect_file(labels, "MSD_id_to_7D_id.pkl"))
        path_of = _dictionary(expect_file(labels, "7D_id_to_path.pkl"))
        return lambda track_id: _text(path_of.get(_text(seven_digital.get(track_id)) or ""))
    if audio_paths is AudioPaths.FILENAMES:
        names = _file_names(labels)
        return names.get
    return _pattern_filler(pattern)


def _file_names(labels: Path) -> dict[str, str]:
    """Choi lists the spectrograms he made of the previews: `3/6/36122424.npy` of `3/6/36122424.clip.mp3`."""
    expect_file(labels, *(f"{split}_x_filename.txt" for split in Split))
    names: dict[str, str] = {}
    for split in Split:
        path = labels / f"{split}_x_filename.txt"
        if path.is_file():
            ids = expect_file(labels, f"{split}_x_msd_id.txt").read_text(encoding="ascii").split()
            files = [name.removesuffix(".npy") + ".clip.mp3" for name in path.read_text(encoding="ascii").split()]
            if len(files) != len(ids):
                raise DatasetLayoutError(f"{path} has {len(files)} lines, {split}_x_msd_id.txt has {len(ids)}")
            names.update(zip(ids, files, strict=True))
    return names


def _pattern_filler(pattern: str) -> PathOf:
    def fill(track_id: str) -> str:
        return pattern.format(id=track_id, a=track_id[2], b=track_id[3], c=track_id[4])

    try:
        fill("TRAAAAA00000000000")
    except (AttributeError, IndexError, KeyError, ValueError) as error:
        raise DatasetLayoutError(
            f"pattern {pattern!r} is wrong ({error!r}); it may hold {{id}}, {{a}}, {{b}}, {{c}}"
        ) from error
    return fill


def _dictionary(path: Path) -> dict[str, Any]:
    content = read_inert(path)
    if not isinstance(content, dict):
        raise DatasetLayoutError(f"{path} holds a {type(content).__name__}, expected a dictionary")
    return {_text(key) or "": value for key, value in content.items()}


def _text(value: Any) -> str | None:
    if value is None:
        return None
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)
