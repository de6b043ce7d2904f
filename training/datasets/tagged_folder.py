"""A folder of your own music, labelled by what its files say of themselves: genre, mood. Output: `manifest_files`.

Nobody checked such tags, and shops and rippers spell them as they like: a table of renamed tags (see `labels`) brings
them to a vocabulary's spelling. Which dimension a tag belongs to is the vocabulary's affair.
"""

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import av
import av.error
from av.audio.stream import AudioStream

from index.ffmpeg_container import DEMUXERS
from index.waveform import AudioMetadata, clean_tag
from training.datasets.gathering import DatasetLayoutError, Gathered, Gathering
from training.datasets.manifest import FIRST_YEAR, NO_YEAR

# FFmpeg's names; TMOO is how it passes on ID3's mood.
LABEL_FIELDS = ("genre", "mood", "tmoo", "style")

# FFmpeg puts ; between several values of a field, though of an ID3v2.4 field it gives only the first. People write the
# other signs.
SEPARATORS = ";,/|"

# fmt: off
SUFFIXES = frozenset((
    ".aac", ".aif", ".aiff", ".ape", ".caf", ".dsf", ".flac", ".m4a", ".m4b", ".mka", ".mp2", ".mp3", ".mp4", ".mpc",
    ".oga", ".ogg", ".opus", ".tta", ".wav", ".wma", ".wv",
))
# fmt: on


def read_tagged_folder(
    folder: Path,
    *,
    fields: Iterable[str] = LABEL_FIELDS,
    separators: str = SEPARATORS,
    with_decade: bool = False,
) -> Gathered:
    """Read the tags of every audio file under a folder. Its path from there is a track's id.

    Args:
        folder: Looked through with all folders in it, except hidden ones.
        fields: Whose values become tags, by FFmpeg's names, in any case.
        separators: Letters between several tags in one value.
        with_decade: Whether the year makes a tag too, such as `80s`. Files often bear the year of a reissue.

    Raises:
        DatasetLayoutError: If the folder is not there, or holds no audio file that can be read.
    """
    gathering = Gathering(folder)
    splitter = re.compile(f"[{re.escape(separators)}\0]")
    wanted = {field.casefold() for field in fields}
    if not wanted:
        raise DatasetLayoutError("no field is named whose values would become tags")
    for path in _audio_files(folder):
        try:
            track_id = path.relative_to(folder).as_posix()
            track_id.encode()
        except UnicodeEncodeError:
            gathering.leave_out(repr(path), "name is not UTF-8")
            continue
        try:
            values = _file_tags(path)
        except (av.error.FFmpegError, OSError, ValueError):
            gathering.leave_out(track_id, "no audio that FFmpeg reads")
            continue
        about = AudioMetadata.of(values, codec="", sample_rate=1, channels=1, claimed_samples=None)
        tags = [
            clean_tag(part)
            for name, value in values.items()
            if name.casefold() in wanted
            for part in splitter.split(value)
        ]
        if with_decade and about.year:
            tags.append(decade_tag(about.year))
        gathering.add(
            track_id,
            track_id=track_id,
            artist=about.artist or "",
            album=about.album or "",
            year=about.year or NO_YEAR,
            tags=tags,
        )
    return gathering.finish()


def decade_tag(year: int) -> str:
    """A year's decade as Last.fm's listeners write it: 1984 is of the `80s`, 2003 of the `00s`.

    Raises:
        ValueError: If that would not be a year.
    """
    if year < FIRST_YEAR:
        raise ValueError(f"year {year} is before {FIRST_YEAR}")
    return f"{year % 100 // 10}0s"


def _audio_files(folder: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith(".") and os.path.splitext(name)[1].casefold() in SUFFIXES:  # noqa: PTH122  (a name)
                yield Path(parent, name)


def _file_tags(path: Path) -> dict[str, str]:
    """What container and audio stream say, by FFmpeg's names.

    Raises:
        ValueError: If it holds no audio.
    """
    with av.open(
        f"file:{path}",
        metadata_errors="surrogateescape",
        options={"protocol_whitelist": "file", "format_whitelist": DEMUXERS},
    ) as container:
        stream = container.streams.best("audio")
        if not isinstance(stream, AudioStream):
            raise ValueError(f"{path} holds no audio")
        # Ogg's tags belong to the stream, the others' to the container.
        return {**container.metadata, **stream.metadata}
