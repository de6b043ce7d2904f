"""Freely licensed music out of Debian's packages, to measure on real recordings. Output: `manifest_files`.

It is the music of games. It bears no labels worth the name: what can be measured on it is which excerpts, tracks and
artists are found beside each other, and how far one model agrees with another. A track's album is its package.
"""

import html
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path

from index.audio import ExcerptPlan, open_audio
from index.waveform import AudioError, AudioMetadata
from training.datasets.debian_package import (
    DebianPackage,
    PackageError,
    PackageList,
    read_package_list,
    sha256_of,
    unpack,
    unpack_zip,
)
from training.datasets.gathering import DatasetLayoutError, Gathered, Gathering
from training.datasets.manifest import NO_YEAR, Split
from training.datasets.plain_names import plain_name

# Shorter ones are jingles.
SHORTEST_SECONDS = 20.0

# Of two tracks of which only one may stay, that on the earlier of these sides does.
_PRECEDENCE = (Split.TEST, Split.VALID, Split.TRAIN)

# Only what the files say of themselves is wanted, so how they would be cut does not matter.
_ANY_PLAN = ExcerptPlan(sample_rate=16_000, excerpt_samples=48_000)

# SuperTuxKart's .music files. They look like XML, but hold letters that XML does not allow.
_MUSIC_FIELD = re.compile(r'\b(composer|file)\s*=\s*"([^"]*)"')


@dataclass(frozen=True, kw_only=True)
class _Track:
    path: str
    package: DebianPackage
    artist: str
    year: int


def read_debian(folder: Path, *, debs: Path | None = None, listed: PackageList | None = None) -> Gathered:
    """Read the music of every package that is there. The path of a file from the folder is the track's id.

    Left out are: sounds and speech, tracks of less than `SHORTEST_SECONDS`, stems and variants of other tracks, files
    that are there twice, and a track whose artist has tracks on a side that is kept farther from training.

    Args:
        folder: Holds a folder for each package, of the package's name.
        debs: The packages' files, to unpack into `folder` what is not there yet, the folder included; by default
            `folder` too.
        listed: Which packages there are; by default those that Facet knows.

    Raises:
        DatasetLayoutError: If not one package is there, or one cannot be unpacked.
    """
    listed = listed or read_package_list()
    if debs is not None and debs.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
    gathering = Gathering(folder)
    missing = [package for package in listed.packages if not _is_there(package, folder, debs or folder, gathering)]
    if missing:
        gathering.remark(f"{len(missing)} packages are not there: {', '.join(package.name for package in missing)}.")
    tracks = [
        track
        for side in _PRECEDENCE
        for package in listed.packages
        if package.side is side and package not in missing
        for track in _tracks(package, folder, listed.aliases, gathering)
    ]
    for track in _one_side_each(_without_copies(tracks, folder, gathering), gathering):
        gathering.add(
            track.path,
            track_id=track.path,
            artist=track.artist,
            album=track.package.name,
            year=track.year,
            split=track.package.side,
        )
    return gathering.finish()


def _is_there(package: DebianPackage, folder: Path, debs: Path, gathering: Gathering) -> bool:
    """Whether a package's folder is there, after unpacking it where only its file is."""
    if (folder / package.name).is_dir():
        # Whoever unpacked it by other means left the archive within it as it was.
        if package.zip is not None and (archive := folder / package.name / package.zip).is_file():
            try:
                unpack_zip(archive)
            except (PackageError, zipfile.BadZipFile) as error:
                raise DatasetLayoutError(f"{package.name}: {archive} is damaged: {error}") from error
        return True
    # Another version has another name.
    found = next(iter(sorted(debs.glob(f"{package.name}_*.deb"))), None)
    if found is None:
        return False
    if sha256_of(found) != package.sha256:
        gathering.remark(f"{found.name} is not the file that Facet was measured with, which is {package.deb}.")
    try:
        unpack(found, folder / package.name, inner_zip=package.zip)
    except PackageError as error:
        raise DatasetLayoutError(str(error)) from error
    return True


def _tracks(package: DebianPackage, folder: Path, aliases: dict[str, str], gathering: Gathering) -> list[_Track]:
    root = folder / package.name
    artists = {path: artist for glob, artist in package.artists.items() for path in root.glob(glob)}
    left_out = {path: reason for glob, reason in package.left_out.items() for path in root.glob(glob)}
    composers = _composers(root)
    tracks = []
    for path in sorted({path for glob in package.music for path in root.glob(glob)}):
        track_id = path.relative_to(folder).as_posix()
        if path in left_out:
            gathering.leave_out(track_id, left_out[path])
            continue
        about = _about(path)
        if about is None:
            gathering.leave_out(track_id, "no audio that can be read")
        elif (about.duration_seconds or 0) < SHORTEST_SECONDS:
            gathering.leave_out(track_id, f"shorter than {SHORTEST_SECONDS:g} s")
        else:
            artist = artists.get(path) or about.artist or composers.get(path) or package.artist
            tracks.append(
                _Track(path=track_id, package=package, artist=aliases.get(artist, artist), year=about.year or NO_YEAR)
            )
    return tracks


def _about(path: Path) -> AudioMetadata | None:
    try:
        with open_audio(path, _ANY_PLAN) as excerpts:
            return excerpts.metadata
    except (AudioError, OSError):
        return None


def _composers(root: Path) -> dict[Path, str]:
    """What .music files beside the audio say of it."""
    composers = {}
    for path in sorted(root.rglob("*.music")):
        fields = dict(_MUSIC_FIELD.findall(path.read_text(encoding="utf-8", errors="replace")))
        if "file" in fields:
            composers[path.parent / fields["file"]] = html.unescape(fields.get("composer", "")).strip()
    return composers


def _without_copies(tracks: list[_Track], folder: Path, gathering: Gathering) -> list[_Track]:
    first: dict[str, _Track] = {}
    for track in tracks:
        if first.setdefault(sha256_of(folder / track.path), track) is not track:
            gathering.leave_out(track.path, "the same file as another track")
    return list(first.values())


def _one_side_each(tracks: list[_Track], gathering: Gathering) -> list[_Track]:
    """Tracks come in the order of `_PRECEDENCE`: an artist stays where it is met first."""
    sides: dict[str, Split] = {}
    kept = []
    for track in tracks:
        name = plain_name(track.artist)
        if name and sides.setdefault(name, track.package.side) is not track.package.side:
            gathering.leave_out(track.path, "artist is on another side too")
        else:
            kept.append(track)
    return kept
