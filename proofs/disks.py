"""A disk that is full, and one that can only be read: clear errors, nothing lost, and all is well once there is room.

The disk is a small one in memory, mounted where nobody else sees it: the proof runs in a mount namespace of its own.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

from proofs.processes import ROOT, Serving, run_facet, serving
from proofs.proving import NotPossibleHereError, NotProvenError, check, folder_in, tell
from proofs.small_catalogue import SmallCatalogue, small_catalogue
from service.catalogue.repository import Catalogue

DISK_BYTES = 160 * 2**20
# Room for some pages of a database, not for a catalogue.
LEFT_BYTES = 48 * 1024
FILES = 60
SECONDS = 3000


def prove(size: int, folder: Path) -> None:
    """Fill a disk `size` times, and make it read-only as often.

    Raises:
        NotProvenError: If something is lost, or not said clearly.
        NotPossibleHereError: If no small disk can be mounted.
    """
    apart = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--mount", "--user", "--map-root-user"]
    if shutil.which("unshare") is None or subprocess.run([*apart, "true"], check=False, capture_output=True).returncode:
        raise NotPossibleHereError("it takes Linux, and the right to mount in a namespace of one's own (`unshare`)")
    done = subprocess.run(
        [*apart, sys.executable, "-m", "proofs.disks", str(size), str(folder)],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    check(done.returncode == 0, done.stderr.strip())


def prove_apart(size: int, folder: Path) -> None:
    """The same, in a namespace of its own."""
    disk = folder_in(folder, "disk")
    _mount("-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(disk))
    small = small_catalogue(folder, files=FILES, data=disk / "data")
    # The doctor asks whether a service answers: at a port where nothing does.
    small.environment.update(TMPDIR=str(folder_in(disk, "tmp")), FACET_PORT="9")
    clip = next(small.music.iterdir()).read_bytes()
    for number in range(size):
        _prove_full(small, folder, disk, clip, number)
        _prove_read_only(small, disk)
    tell("full disk", f"{size} rounds: ingest, index rebuild, backup, restore and uploads refused, searches answered")
    tell("read-only disk", f"{size} rounds: ingest, backup and service refused; all is well after it")


def _prove_full(small: SmallCatalogue, folder: Path, disk: Path, clip: bytes, number: int) -> None:
    shutil.rmtree(small.data, ignore_errors=True)
    small.data.mkdir()
    some = folder_in(folder, f"some-{number}")
    for path in sorted(small.music.iterdir())[:10]:
        shutil.copy(path, some)
    check(run_facet("ingest", some, environment=small.environment).returncode == 0, "nothing was ingested")
    elsewhere = folder / f"kept-{number}.facet"
    check(run_facet("backup", elsewhere, environment=small.environment).returncode == 0, "no backup was made")
    with serving(folder, small.environment) as served:
        # Python looks for a folder of temporary files when it first needs one, and would pass over a full one.
        check(httpx.post(f"{served.address}/tags", files={"file": clip}, timeout=60).status_code == 200, "a clip fails")
        with _filled(disk, left_bytes=LEFT_BYTES):
            failed = run_facet("ingest", small.music, environment=small.environment)
            check(failed.returncode == 1 and "full" in failed.stderr, f"ingest on a full disk: {failed.stderr}")
            check("Traceback" not in failed.stderr, failed.stderr)
        with _filled(disk, left_bytes=0):
            _answers(served, "/search?tag=rock", 200, "a full disk stopped a search")
            _answers(served, "/readyz", 200, "a full disk made the service not ready")
            refused = httpx.post(f"{served.address}/tags", files={"file": clip}, timeout=60)
            check(refused.status_code == 507 and refused.json()["code"] == "no_room", refused.text)
            for arguments in (("backup", disk / "x.facet"), ("index", "rebuild")):
                failed = run_facet(*arguments, environment=small.environment)
                check(failed.returncode == 1 and "Traceback" not in failed.stderr, f"{arguments}: {failed.stderr}")
                check("No space left" in failed.stderr or "full" in failed.stderr, failed.stderr)
            check(not (disk / "x.facet").exists() and not list(disk.glob(".*partial")), "half a backup was left")
            found = run_facet("doctor", environment=small.environment)
            check(found.returncode == 1 and "is full" in found.stdout, found.stdout + found.stderr)
        heard = httpx.post(f"{served.address}/tags", files={"file": clip}, timeout=60)
        check(heard.status_code == 200, f"with room again, a clip is refused: {heard.text}")
        _all_is_well(small, FILES + 10)
        served.stop()
    before = _tracks(small)
    with _filled(disk, left_bytes=0):
        failed = run_facet("restore", elsewhere, "--replace", environment=small.environment)
        check(failed.returncode == 1 and "Traceback" not in failed.stderr, f"restore: {failed.stderr}")
    check(_tracks(small) == before, "a restore without room changed the catalogue")
    done = run_facet("restore", elsewhere, "--replace", environment=small.environment)
    check(done.returncode == 0 and len(_tracks(small)) == 10, f"with room again: {done.stderr}")


def _prove_read_only(small: SmallCatalogue, disk: Path) -> None:
    before = _tracks(small)
    _mount("-o", "remount,ro", str(disk))
    try:
        for arguments in (("ingest", small.music), ("backup", disk / "x.facet"), ("serve", "--port", "0")):
            refused = run_facet(*arguments, environment={**small.environment, "TMPDIR": "/tmp"})  # noqa: S108
            check(refused.returncode == 1, f"{arguments[0]} on a read-only disk: {refused.returncode}")
            check(refused.stderr.strip() and "Traceback" not in refused.stderr, f"{arguments[0]}: {refused.stderr}")
        found = run_facet("doctor", environment=small.environment)
        check(found.returncode == 1 and "cannot be written" in found.stdout, found.stdout + found.stderr)
    finally:
        _mount("-o", "remount,rw", str(disk))
    check(_tracks(small) == before, "a read-only disk changed the catalogue")
    _all_is_well(small, None)


def _all_is_well(small: SmallCatalogue, tracks: int | None) -> None:
    """Ingest takes all there is; the database and the index are whole."""
    done = run_facet("ingest", small.music, environment=small.environment)
    check(done.returncode == 0, f"with room again, ingest fails: {done.stdout}{done.stderr}")
    check(tracks is None or len(_tracks(small)) == tracks, f"there are {len(_tracks(small))} tracks, not {tracks}")
    found = run_facet("doctor", "--thorough", environment=small.environment)
    check("database file: " in found.stdout and "is whole" in found.stdout, found.stdout + found.stderr)
    check(found.returncode == 0, found.stdout + found.stderr)


def _tracks(small: SmallCatalogue) -> list[str]:
    with Catalogue.open(small.url) as catalogue:
        return [track.id for track in catalogue.list_tracks(limit=10_000)]


def _answers(served: Serving, address: str, status: int, otherwise: str) -> None:
    answer = httpx.get(served.address + address, timeout=60)
    check(answer.status_code == status, f"{otherwise}: {answer.status_code} {answer.text}")


@contextmanager
def _filled(disk: Path, *, left_bytes: int) -> Iterator[None]:
    """The disk has no more room than this."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        # Until the system says so: what a disk in memory says is free is an estimate.
        with suppress(OSError):
            while file.write(bytes(2**20)):
                pass
        file.truncate(file.tell() - left_bytes)
    try:
        yield
    finally:
        filler.unlink()


def _mount(*arguments: str) -> None:
    done = subprocess.run(["mount", *arguments], check=False, capture_output=True, text=True)
    check(done.returncode == 0, f"mount {' '.join(arguments)}: {done.stderr}")


if __name__ == "__main__":
    try:
        prove_apart(int(sys.argv[1]), Path(sys.argv[2]))
    except NotProvenError as error:
        sys.exit(str(error))
