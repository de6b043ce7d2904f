"""Debian's packages: unpacked as `dpkg-deb` does, read as their list says, every track on one side."""

import hashlib
import io
import re
import shutil
import subprocess
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
import soundfile

from training.datasets.card import read_card
from training.datasets.debian import read_debian
from training.datasets.debian_package import PackageError, PackageList, read_package_list, unpack
from training.datasets.gathering import DatasetLayoutError
from training.datasets.manifest import Split


def audio(seconds: float, *, seed: int = 0, kind: str = "OGG", **tags: str) -> bytes:
    """Quiet noise; with `seed` other noise."""
    content = io.BytesIO()
    with soundfile.SoundFile(content, "w", samplerate=8000, channels=1, format=kind) as file:
        for name, value in tags.items():
            setattr(file, name, value)
        file.write(np.random.default_rng(seed).uniform(-0.1, 0.1, int(8000 * seconds)))
    return content.getvalue()


def deb(files: dict[str, bytes], *, compression: str = "xz") -> bytes:
    """A package as Debian's policy describes it: an ar archive of three members."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode=f"w:{compression}") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"./{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    ending = f".{compression}" if compression else ""
    package = b"!<arch>\n"
    for name, content in (
        ("debian-binary", b"2.0\n"),
        ("control.tar.xz", b"odd"),
        (f"data.tar{ending}", data.getvalue()),
    ):
        header = f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(content):<10}`\n"
        package += header.encode() + content + b"\n" * (len(content) % 2)
    return package


def listed(*packages: dict[str, object], aliases: dict[str, str] | None = None) -> PackageList:
    plain = {"deb": "x_1_all.deb", "sha256": "0" * 64, "licence": "free", "music": ["music/**/*.ogg"], "side": "test"}
    return PackageList.model_validate({"package": [plain | package for package in packages], "aliases": aliases or {}})


def lay(folder: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def rows(gathered) -> dict[str, tuple[str, str, str]]:
    manifest = gathered.manifest
    sides = {row: side.value for side in Split for row in manifest.on(side).tolist()}
    return {
        track: (manifest.artist[row], manifest.album[row], sides[row]) for row, track in enumerate(manifest.track_id)
    }


def test_a_package_is_unpacked_but_for_what_is_no_audio(tmp_path: Path) -> None:
    files = {"usr/music/a.ogg": b"audio", "usr/doc/copyright": b"free", "usr/a.music": b"<music>", "usr/x.png": b"no"}
    (tmp_path / "p.deb").write_bytes(deb(files))
    unpack(tmp_path / "p.deb", tmp_path / "p")
    found = {path.relative_to(tmp_path / "p").as_posix(): path.read_bytes() for path in (tmp_path / "p").rglob("*.*")}
    found["usr/doc/copyright"] = (tmp_path / "p/usr/doc/copyright").read_bytes()
    assert found == {name: content for name, content in files.items() if not name.endswith("png")}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["p", "p.deb"]


def test_what_a_killed_run_left_is_not_taken_for_the_packages(tmp_path: Path) -> None:
    lay(tmp_path / "p.unfinished", {"usr/old.ogg": b"half a file"})
    (tmp_path / "p.deb").write_bytes(deb({"usr/new.ogg": b"audio"}))
    unpack(tmp_path / "p.deb", tmp_path / "p")
    assert [path.name for path in tmp_path.rglob("*.ogg")] == ["new.ogg"]


@pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="dpkg-deb is not installed")
@pytest.mark.parametrize("compression", ["xz", "gz", "bz2"])
def test_what_is_unpacked_is_what_dpkg_unpacks(tmp_path: Path, compression: str) -> None:
    for name in ("tree/DEBIAN/control", "tree/usr/music/deep/a.ogg", "tree/usr/share/doc/copyright"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"some content " * 1000)
    control = "Package: p\nVersion: 1\nArchitecture: all\nMaintainer: a <a@b>\nDescription: d\n"
    (tmp_path / "tree/DEBIAN/control").write_text(control)
    if compression == "bz2":
        (tmp_path / "p.deb").write_bytes(deb({"usr/music/deep/a.ogg": b"some content " * 1000}, compression="bz2"))
    else:
        build = {"xz": "xz", "gz": "gzip"}[compression]
        subprocess.run(["dpkg-deb", f"-Z{build}", "--build", tmp_path / "tree", tmp_path / "p.deb"], check=True)
        subprocess.run(["dpkg-deb", "-x", tmp_path / "p.deb", tmp_path / "theirs"], check=True)
    unpack(tmp_path / "p.deb", tmp_path / "ours")
    assert (tmp_path / "ours/usr/music/deep/a.ogg").read_bytes() == b"some content " * 1000
    if compression != "bz2":
        ours, theirs = (
            {path.relative_to(root): path.read_bytes() for path in root.rglob("*") if path.is_file()}
            for root in (tmp_path / "ours", tmp_path / "theirs")
        )
        assert ours == theirs


def test_an_archive_in_a_package_is_unpacked_in_its_place(tmp_path: Path) -> None:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("audio/music/a.ogg", b"audio")
        archive.writestr("art/x.png", b"no")
        archive.writestr("../outside.ogg", b"must stay inside")
    (tmp_path / "p.deb").write_bytes(deb({"usr/public.zip": inner.getvalue(), "other.zip": b"not looked at"}))
    unpack(tmp_path / "p.deb", tmp_path / "p", inner_zip="usr/public.zip")
    found = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*") if path.is_file())
    assert found == ["p.deb", "p/usr/audio/music/a.ogg", "p/usr/outside.ogg"]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "is no Debian package"),
        (b"!<arch>\n", "holds no data.tar"),
        (b"!<arch>\n" + b"x" * 60, "is damaged"),
        (
            deb({"a.ogg": b"x"}).replace(b"data.tar.xz ", b"data.tar.zst"),
            "is compressed as data.tar.zst; unpack it with",
        ),
        (deb({"a.ogg": bytes(range(256)) * 400})[:-300], "is damaged"),
    ],
    ids=["empty", "nothing in it", "no size", "unknown compression", "torn"],
)
def test_what_cannot_be_unpacked_is_told_and_leaves_no_folder(tmp_path: Path, content: bytes, complaint: str) -> None:
    (tmp_path / "p.deb").write_bytes(content)
    with pytest.raises(PackageError, match=complaint):
        unpack(tmp_path / "p.deb", tmp_path / "p")
    assert not (tmp_path / "p").exists()


def test_a_member_cannot_leave_the_folder(tmp_path: Path) -> None:
    (tmp_path / "p.deb").write_bytes(deb({"../../outside.ogg": b"x"}))
    with pytest.raises(PackageError, match="damaged"):
        unpack(tmp_path / "p.deb", tmp_path / "deep" / "p")
    assert not list(tmp_path.rglob("outside.ogg"))


def test_music_of_twenty_seconds_is_read_and_its_album_is_the_package(tmp_path: Path) -> None:
    lay(
        tmp_path,
        {
            "p/music/a.ogg": audio(21, artist="Ana", title="A", date="2007"),
            "p/music/deep/b.ogg": audio(21, seed=1),
            "p/music/jingle.ogg": audio(19, seed=2),
            "p/music/broken.ogg": b"no audio",
            "p/sounds/rain.ogg": audio(30, seed=3),
        },
    )
    gathered = read_debian(tmp_path, listed=listed({"name": "p"}))
    assert rows(gathered) == {"p/music/a.ogg": ("Ana", "p", "test"), "p/music/deep/b.ogg": ("", "p", "test")}
    assert gathered.manifest.year.tolist() == [2007, 0]
    assert not any(gathered.manifest.tags)
    assert gathered.left_out == {
        "no audio that can be read": ("p/music/broken.ogg",),
        "shorter than 20 s": ("p/music/jingle.ogg",),
    }


def test_stems_and_variants_are_left_out_for_the_reason_in_the_list(tmp_path: Path) -> None:
    lay(tmp_path, {f"p/music/{name}.ogg": audio(21, seed=seed) for seed, name in enumerate(("song", "guitar"))})
    gathered = read_debian(tmp_path, listed=listed({"name": "p", "left_out": {"**/guitar.ogg": "stem"}}))
    assert list(rows(gathered)) == ["p/music/song.ogg"]
    assert gathered.left_out == {"stem": ("p/music/guitar.ogg",)}


def test_an_artist_is_what_the_list_says_else_the_file_else_its_music_file_else_the_package(tmp_path: Path) -> None:
    music = '<music title="x"\n composer = "Zo&amp;Co <http://z>"\n file = "{}.ogg"/>'
    lay(
        tmp_path,
        {
            "p/music/list.ogg": audio(21, artist="Uploader"),
            "p/music/file.ogg": audio(21, seed=1, artist="Ana"),
            "p/music/file.music": music.format("file").encode(),
            "p/music/xml.ogg": audio(21, seed=2),
            "p/music/other-name.music": music.format("xml").encode(),
            "p/music/none.ogg": audio(21, seed=3),
        },
    )
    package = {"name": "p", "artist": "The Band", "artists": {"**/list.ogg": "Composer"}}
    found = rows(read_debian(tmp_path, listed=listed(package, aliases={"Zo&Co <http://z>": "Zo & Co"})))
    assert {PurePosixPath(track).stem: artist for track, (artist, *_) in found.items()} == {
        "list": "Composer",
        "file": "Ana",
        "xml": "Zo & Co",
        "none": "The Band",
    }


def test_an_artist_stays_on_the_side_that_is_kept_farthest_from_training(tmp_path: Path) -> None:
    sides = ("train", "valid", "test")
    for seed, side in enumerate(sides):
        lay(
            tmp_path,
            {
                f"{side}/music/shared.ogg": audio(
                    21, seed=10 + seed, artist=("ANA  Rios", "Ana Rios", "ana rios")[seed]
                ),
                f"{side}/music/own.ogg": audio(21, seed=20 + seed, artist=side),
                f"{side}/music/unknown.ogg": audio(21, seed=30 + seed),
            },
        )
    gathered = read_debian(tmp_path, listed=listed(*({"name": side, "side": side} for side in sides)))
    assert gathered.left_out == {"artist is on another side too": ("valid/music/shared.ogg", "train/music/shared.ogg")}
    assert {track: side for track, (*_, side) in rows(gathered).items()} == {
        f"{side}/music/{name}.ogg": side
        for side in sides
        for name in ("own", "unknown", *(("shared",) if side == "test" else ()))
    }


def test_of_two_files_of_the_same_bytes_one_is_a_track(tmp_path: Path) -> None:
    content = audio(21)
    lay(tmp_path, {"a/music/x.ogg": content, "b/music/y.ogg": content})
    same = read_debian(tmp_path, listed=listed({"name": "a", "side": "train"}, {"name": "b", "side": "test"}))
    assert list(rows(same)) == ["b/music/y.ogg"]
    assert same.left_out == {"the same file as another track": ("a/music/x.ogg",)}


def test_packages_are_unpacked_once_and_missing_ones_are_told(tmp_path: Path) -> None:
    debs, folder = tmp_path / "debs", tmp_path / "none" / "yet"
    debs.mkdir()
    content = deb({"music/a.ogg": audio(21)})
    (debs / "p_2_all.deb").write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    packages = listed({"name": "p", "deb": "p_2_all.deb", "sha256": digest}, {"name": "gone"}, {"name": "lost"})
    first = read_debian(folder, debs=debs, listed=packages)
    assert list(rows(first)) == ["p/music/a.ogg"]
    assert first.remarks == ("2 packages are not there: gone, lost.",)
    (debs / "p_2_all.deb").unlink()
    assert rows(read_debian(folder, debs=debs, listed=packages)) == rows(first)


def test_another_version_of_a_package_is_read_with_a_remark(tmp_path: Path) -> None:
    (tmp_path / "p_3_all.deb").write_bytes(deb({"music/a.ogg": audio(21)}))
    gathered = read_debian(tmp_path, listed=listed({"name": "p", "deb": "p_2_all.deb"}))
    assert gathered.remarks == ("p_3_all.deb is not the file that Facet was measured with, which is p_2_all.deb.",)
    assert len(gathered.manifest) == 1


def test_a_folder_without_any_package_or_with_a_broken_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetLayoutError, match="no track can be used"):
        read_debian(tmp_path, listed=listed({"name": "p"}))
    (tmp_path / "p_1_all.deb").write_bytes(b"not a package")
    with pytest.raises(DatasetLayoutError, match=r"p_1_all\.deb is no Debian package"):
        read_debian(tmp_path, listed=listed({"name": "p"}))
    with pytest.raises(DatasetLayoutError, match="there is no folder"):
        read_debian(tmp_path / "none", listed=listed({"name": "p"}))


def test_the_list_that_ships_has_every_package_on_the_side_it_was_given() -> None:
    packages = read_package_list().packages
    sides = {side: {package.name for package in packages if package.side is side} for side in Split}
    assert sides == {
        Split.TEST: {
            "0ad-data",
            "flare-game",
            "fretsonfire-songs-muldjord",
            "fretsonfire-songs-sectoid",
            "hedgewars-data",
            "marsshooter-data",
            "openclonk-data",
            "unknown-horizons",
            "wesnoth-1.16-music",
        },
        Split.VALID: {"freedroidrpg-data", "megaglest-data"},
        Split.TRAIN: {
            "amoebax-data",
            "ardentryst",
            "asc-music",
            "btanks-data",
            "caveexpress-data",
            "colobot-common-sounds",
            "enigma-data",
            "extremetuxracer-data",
            "fillets-ng-data",
            "frozen-bubble-data",
            "glob2-data",
            "gunroar-data",
            "hex-a-hop-data",
            "hyperrogue-music",
            "lincity-ng-data",
            "lordsawar-data",
            "lugaru-data",
            "mu-cade-data",
            "naev-data",
            "pink-pony-data",
            "planetblupi-music-ogg",
            "plee-the-bear-data",
            "powermanga-data",
            "raincat-data",
            "scorched3d-data",
            "singularity-music",
            "starfighter-data",
            "supertux-data",
            "supertuxkart-data",
            "torcs-data",
            "warmux-data",
            "warzone2100-music",
            "widelands-data",
            "wizznic-data",
            "wordwarvi-sound",
            "xmoto-data",
            "zaz-data",
        },
    }
    for package in packages:
        assert package.deb.startswith(f"{package.name}_")
        assert len(bytes.fromhex(package.sha256)) == 32
        assert package.licence


def test_an_artist_of_the_test_side_is_known_in_a_training_package_by_its_file_names(tmp_path: Path) -> None:
    theirs = "wesnoth-1.16-music/usr/share/games/wesnoth/1.16/data/core/music/the_king_is_dead.ogg"
    etr = "extremetuxracer-data/usr/share/games/etr/music"
    lay(
        tmp_path,
        {
            theirs: audio(21, artist="http://zhaymusic.com/"),
            f"{etr}/race1-jt.ogg": audio(21, seed=1),
            f"{etr}/calmrace-ks.ogg": audio(21, seed=2),
        },
    )
    gathered = read_debian(tmp_path)
    assert list(rows(gathered)) == [theirs, f"{etr}/calmrace-ks.ogg"]
    assert gathered.left_out == {"artist is on another side too": (f"{etr}/race1-jt.ogg",)}


def test_the_card_and_the_guide_name_every_package_of_the_list() -> None:
    listed_names = {package.name for package in read_package_list().packages}
    fetched = read_card("debian").how_to_get.split("apt-get download ")[1].split(" (")[0]
    assert set(fetched.split()) == listed_names
    guide = (Path(__file__).parents[3] / "docs/datasets.md").read_text(encoding="utf-8")
    for side in Split:
        row = re.search(rf"^\| {side.value} \| ([^|]*) \|", guide, re.MULTILINE)
        assert row is not None
        assert set(row[1].split(", ")) == {p.name for p in read_package_list().packages if p.side is side}
