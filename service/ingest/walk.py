"""Folders and files, as a person names them, become the files that `run` looks at, one by one."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

# What music comes in. Films are left to those who name them one by one: a folder of them is seldom meant as music.
# fmt: off
AUDIO_SUFFIXES = frozenset({
    ".3ga", ".aac", ".ac3", ".aif", ".aifc", ".aiff", ".amr", ".ape", ".au", ".bwf", ".caf", ".dff", ".dsf", ".dts",
    ".eac3", ".ec3", ".flac", ".m4a", ".m4b", ".m4r", ".mka", ".mp+", ".mp2", ".mp3", ".mpa", ".mpc", ".oga",
    ".ogg", ".opus", ".ra", ".rf64", ".shn", ".snd", ".spx", ".tak", ".tta", ".voc", ".w64", ".wav",
    ".wave", ".weba", ".wma", ".wv",
})
# fmt: on


@dataclass(frozen=True)
class Found:
    """A path of the walk.

    Attributes:
        path: Absolute.
        is_audio: Whether to look at it: its name says audio, or a person named it. The rest of a folder is cover art,
            playlists, texts.
        error: Why a folder could not be read.
    """

    path: Path
    is_audio: bool
    error: OSError | None = None


def walk(roots: Sequence[Path]) -> Iterator[Found]:
    """Every file at or under these paths, each once.

    A folder that is reached by a link counts under its real path, so it comes once however it is reached, and a circle
    of links ends. A linked file keeps the name it has there. Hidden files and folders (`.name`) are passed over unless
    they are named themselves. Files that are named come first, whatever they are called; a folder's files come before
    its folders, both in the order of their names.

    Args:
        roots: Files and folders.
    """
    named: set[Path] = set()
    folders: list[str] = []
    for root in roots:
        if root.is_dir():
            folders.append(os.path.realpath(root))
        elif (file := known_path(root)) not in named:
            named.add(file)
            yield Found(file, is_audio=True)
    visited: set[str] = set()
    # Last in, first out: what a folder holds comes before its neighbour.
    waiting = folders[::-1]
    while waiting:
        folder = waiting.pop()
        if folder in visited:
            continue
        visited.add(folder)
        try:
            with os.scandir(folder) as entries:
                visible = sorted((entry for entry in entries if not entry.name.startswith(".")), key=_name)
        except OSError as error:
            yield Found(Path(folder), is_audio=False, error=error)
            continue
        inner = []
        for entry in visible:
            if _is_folder(entry):
                inner.append(os.path.realpath(entry.path) if entry.is_symlink() else entry.path)
            elif (file := Path(entry.path)) not in named:
                yield Found(file, is_audio=_is_audio(entry))
        waiting.extend(inner[::-1])


def known_path(path: Path) -> Path:
    """The path by which the catalogue knows a file: its folder's real path and the name it has there."""
    return path.parent.resolve() / path.name


def _name(entry: os.DirEntry[str]) -> str:
    return entry.name


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link in a circle of links, or a disk that does not answer: looked at as a file, it says why
        return False


def _is_audio(entry: os.DirEntry[str]) -> bool:
    if os.path.splitext(entry.name)[1].lower() not in AUDIO_SUFFIXES:  # noqa: PTH122  quicker than a Path
        return False
    try:
        # A link to nowhere counts: whoever reads it says that it is one. A pipe or a device does not.
        return entry.is_file() or entry.is_symlink()
    except OSError:
        return True
