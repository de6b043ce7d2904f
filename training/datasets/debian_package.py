"""Debian packages with music in them: which there are, and how one is unpacked. `debian` reads what was unpacked.

`debian_packages.toml` lists them. A package's file is an ar archive with a tar archive in it, so Debian is not needed.
"""

import hashlib
import shutil
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from pydantic import BaseModel, ConfigDict, Field

from training.datasets.manifest import Split
from training.datasets.tagged_folder import SUFFIXES

PACKAGES = Path(__file__).parent / "debian_packages.toml"

_AR_MAGIC = b"!<arch>\n"
_AR_HEADER_BYTES = 60
# What Python unpacks by itself.
_COMPRESSIONS = frozenset(("", ".gz", ".bz2", ".xz", ".lzma"))


class PackageError(ValueError):
    """A file is no Debian package, or of a kind that is not read here."""


class DebianPackage(BaseModel):
    """One package.

    Attributes:
        name: Of the package, and of the folder it is unpacked into.
        deb: The file that was measured with.
        sha256: Of that file.
        side: Where all its tracks are.
        licence: Of the music, in words.
        music: Globs from the package's root, of all files that are music.
        artist: Of every track of which nothing else tells one.
        artists: Globs, and whose the files they take in are; above what a file says of itself.
        left_out: Globs within `music`, and why the files they take in are no tracks.
        zip: An archive in the package that holds the music; it is unpacked in its place.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    deb: str
    sha256: str
    side: Split
    licence: str
    music: tuple[str, ...]
    artist: str = ""
    artists: dict[str, str] = {}
    left_out: dict[str, str] = {}
    zip: str | None = None


class PackageList(BaseModel):
    """What `debian_packages.toml` says.

    Attributes:
        packages: Every one.
        aliases: Other names of an artist, and the one to use.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    packages: tuple[DebianPackage, ...] = Field(alias="package")
    aliases: dict[str, str] = {}


def read_package_list(path: Path = PACKAGES) -> PackageList:
    """The packages that ship with Facet, or those of a file like it.

    Raises:
        ValueError: If the file says something else.
    """
    return PackageList.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))


def sha256_of(path: Path) -> str:
    """Of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def unpack(deb: Path, folder: Path, *, inner_zip: str | None = None) -> None:
    """Unpack the audio of a package, and what is told of it: `copyright`, and the `.music` files of SuperTuxKart.

    Args:
        deb: The package's file.
        folder: Made; appears when all is in it.
        inner_zip: The path of an archive in the package whose audio is unpacked in its place.

    Raises:
        PackageError: If the file is no package, is damaged, or is compressed in a way that Python does not know.
    """
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    # Of a run that was killed.
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    try:
        with deb.open("rb") as file:
            _find_data(file, deb)
            with tarfile.open(fileobj=file, mode="r|*") as archive:
                archive.extraction_filter = tarfile.data_filter
                for member in archive:
                    if member.isfile() and (_is_wanted(member.name) or _plain(member.name) == inner_zip):
                        archive.extract(member, unfinished)
        if inner_zip is not None:
            if not (unfinished / inner_zip).is_file():
                raise PackageError(f"{deb} holds no {inner_zip} where it should")
            unpack_zip(unfinished / inner_zip)
    except (tarfile.TarError, zipfile.BadZipFile, EOFError) as error:
        raise PackageError(f"{deb} is damaged: {error}; download it again") from error
    unfinished.rename(folder)


def _find_data(file: BinaryIO, deb: Path) -> None:
    """Go where `data.tar` begins, which by Debian's policy comes last."""
    if file.read(len(_AR_MAGIC)) != _AR_MAGIC:
        raise PackageError(f"{deb} is no Debian package")
    for name, size in _ar_members(file, deb):
        if name.startswith("data.tar"):
            compression = name.removeprefix("data.tar")
            if compression not in _COMPRESSIONS:
                raise PackageError(f"{deb} is compressed as {name}; unpack it with `dpkg-deb -x` and name the folder")
            return
        # Members begin at even places.
        file.seek(size + size % 2, 1)
    raise PackageError(f"{deb} holds no data.tar; download it again")


def _ar_members(file: BinaryIO, deb: Path) -> Iterator[tuple[str, int]]:
    while len(header := file.read(_AR_HEADER_BYTES)) == _AR_HEADER_BYTES:
        # Name, time, user, group, mode, size, each padded with blanks; then ` and a line's end.
        size = header[48:58].strip()
        if not size.isdigit():
            raise PackageError(f"{deb} is damaged; download it again")
        yield header[:16].decode(errors="replace").strip().rstrip("/"), int(size)


def unpack_zip(path: Path) -> None:
    """Unpack the audio of an archive beside it, and take the archive away.

    Raises:
        zipfile.BadZipFile: If it is damaged.
    """
    with zipfile.ZipFile(path) as archive:
        # Zip members cannot leave the folder: `extract` takes .. and leading slashes away.
        for name in archive.namelist():
            if _is_wanted(name):
                archive.extract(name, path.parent)
    path.unlink()


def _is_wanted(name: str) -> bool:
    path = PurePosixPath(name)
    return path.suffix.casefold() in SUFFIXES or path.suffix == ".music" or path.name == "copyright"


def _plain(name: str) -> str:
    return name.removeprefix("./")
