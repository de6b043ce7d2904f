"""What every reader does besides reading: look whether the audio is there, count what is left out, make a manifest.

A track that a reader leaves out is never lost sight of: it stands in `Gathered.left_out` with the reason.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from training.datasets.manifest import NO_YEAR, Manifest, ManifestError, Split

# The reason given for a track whose audio file is not there, or holds not a byte.
MISSING_AUDIO = "audio file missing or empty"


class DatasetLayoutError(ValueError):
    """A source's files are not there, or are not laid out as it is published."""


@dataclass(frozen=True, eq=False)
class Gathered:
    """What a reader found.

    Attributes:
        manifest: The tracks that can be used.
        left_out: Reasons, and for each the tracks it kept out; `MISSING_AUDIO` is one.
        remarks: What a person should know of this reading, a sentence each.
    """

    manifest: Manifest
    left_out: Mapping[str, tuple[str, ...]]
    remarks: tuple[str, ...]


class Gathering:
    """Takes tracks one by one.

    Args:
        audio: The folder that the tracks' paths start from.
        check_audio: Whether to look if each file is there. Without, a manifest can be made where the audio is not.

    Raises:
        DatasetLayoutError: If that folder is not there.
    """

    def __init__(self, audio: Path, *, check_audio: bool = True) -> None:
        if check_audio and not audio.is_dir():
            raise DatasetLayoutError(f"there is no folder {audio}; name the one that holds the audio")
        self._audio = audio
        self._check_audio = check_audio
        self._columns: dict[str, list[object]] = {
            column: [] for column in ("path", "track_id", "artist", "album", "year", "tags", "split")
        }
        self._left_out: dict[str, list[str]] = {}
        self._remarks: list[str] = []
        self._first_missing: str | None = None

    def add(
        self,
        *paths: str,
        track_id: str,
        artist: str = "",
        album: str = "",
        year: int = NO_YEAR,
        tags: Iterable[str] = (),
        split: Split | None = None,
    ) -> None:
        """Take a track, or leave it out if its audio is missing.

        Args:
            *paths: Where its audio may be, from the audio folder, likeliest first.
            track_id: Its id in the source.
            artist: Empty where unknown.
            album: Empty where unknown.
            year: `NO_YEAR` where unknown.
            tags: A tag that comes twice is taken once; so is the space around one taken away.
            split: Its side in the published split.
        """
        path = paths[0]
        if self._check_audio:
            found = next((path for path in paths if self._is_there(path)), None)
            if found is None:
                self._first_missing = self._first_missing or paths[0]
                self.leave_out(track_id, MISSING_AUDIO)
                return
            path = found
        clean_tags = tuple(dict.fromkeys(tag.strip() for tag in tags if tag.strip()))
        row = (path, track_id, artist.strip(), album.strip(), year, clean_tags, split)
        for column, value in zip(self._columns.values(), row, strict=True):
            column.append(value)

    def leave_out(self, track_id: str, reason: str) -> None:
        """Count a track that cannot be used."""
        self._left_out.setdefault(reason, []).append(track_id)

    def remark(self, sentence: str) -> None:
        """Tell the person who reads the report."""
        self._remarks.append(sentence)

    def finish(self) -> Gathered:
        """All that was taken.

        Raises:
            DatasetLayoutError: If that is nothing, or contradicts itself.
        """
        if not self._columns["path"]:
            raise DatasetLayoutError(self._nothing())
        try:
            manifest = Manifest.of(self._audio, **self._columns)  # type: ignore[arg-type]
        except ManifestError as error:
            raise DatasetLayoutError(f"the source contradicts itself: {error}") from error
        left_out = {reason: tuple(tracks) for reason, tracks in self._left_out.items()}
        return Gathered(manifest, left_out, tuple(self._remarks))

    def _is_there(self, path: str) -> bool:
        try:
            return os.stat(os.path.join(self._audio, path)).st_size > 0  # noqa: PTH116, PTH118  (200,000 times)
        except (OSError, ValueError):
            return False

    def _nothing(self) -> str:
        if self._first_missing is not None:
            return (
                f"not one of {len(self._left_out[MISSING_AUDIO]):,} tracks has its audio in {self._audio}; "
                f"the first was looked for at {self._audio / self._first_missing}"
            )
        reasons = ", ".join(f"{reason}: {len(tracks):,}" for reason, tracks in self._left_out.items())
        return f"no track can be used ({reasons or 'there is none'})"


def expect_file(folder: Path, *names: str) -> Path:
    """The first of these files that a folder holds.

    Raises:
        DatasetLayoutError: If it holds none, or is not there.
    """
    for name in names:
        if (folder / name).is_file():
            return folder / name
    if not folder.is_dir():
        raise DatasetLayoutError(f"there is no folder {folder}; expected one that holds {names[0]}")
    found = sorted(entry.name for entry in folder.iterdir())
    listed = ", ".join(found[:5]) + (f" and {len(found) - 5} more" if len(found) > 5 else "")
    raise DatasetLayoutError(f"expected {' or '.join(names)} in {folder}; there is {listed or 'nothing'}")
