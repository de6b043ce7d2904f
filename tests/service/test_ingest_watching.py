"""`facet ingest --watch` on a real folder, in a process of its own, and the parts that decide when a file is taken."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import watchfiles
from click.testing import CliRunner

import facet
from service.catalogue.repository import Catalogue
from service.ingest import watching
from service.ingest.watching import Settling, Watch
from tests.service.small_facet import write_tone

ROOT = Path(__file__).parents[2]


@pytest.fixture
def music(tmp_path: Path) -> Path:
    folder = tmp_path.resolve() / "music"
    write_tone(folder / "first.wav", 300)
    return folder


@pytest.fixture
def environment(tmp_path: Path, catalogue_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of the catalogue."""
    monkeypatch.setenv("FACET_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("FACET_DATABASE_URL", catalogue_url)
    monkeypatch.setenv("FACET_THREADS", "1")
    return catalogue_url


@contextmanager
def watched(*arguments: str, output: list[str]) -> Iterator[subprocess.Popen[str]]:
    """A watch under way; its output is there once it has ended."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.service.small_facet", "ingest", "--watch", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        try:
            while (line := process.stderr.readline()) and "watching" not in line:
                pass
            assert line, "it ended before it watched"
            yield process
        finally:
            process.send_signal(signal.SIGINT)
            output.extend(process.communicate(timeout=60))


def tracks(url: str) -> dict[Path, str]:
    with Catalogue.open(url) as catalogue:
        return {track.path: track.id for track in catalogue.list_tracks(limit=1000)}


def until(holds: Callable[[], bool], *, seconds: float = 100) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.timeout(300)
def test_what_is_added_changed_and_moved_is_followed_until_ctrl_c(environment: str, music: Path) -> None:
    output: list[str] = []
    with watched(str(music), output=output) as process:
        assert tracks(environment).keys() == {music / "first.wav"}
        write_tone(music / "second.wav", 500)
        write_tone(music / "inner" / "deeper" / "third.wav", 700)
        write_tone(music / ".hidden.wav", 900)
        (music / "broken.wav").write_bytes(b"no audio")
        until(lambda: len(tracks(environment)) == 3)
        # Now, for a sweep may have found the others before the system told of changes, and sweeps pass this over.
        (music / "cover.jpg").write_bytes(b"x")
        before = tracks(environment)
        (music / "second.wav").rename(music / "inner" / "renamed.wav")
        (music / "inner").rename(music / "outer")
        until(lambda: music / "outer" / "renamed.wav" in tracks(environment))
        until(lambda: music / "outer" / "deeper" / "third.wav" in tracks(environment))
        after = tracks(environment)
        assert after[music / "outer" / "renamed.wav"] == before[music / "second.wav"]
        assert after[music / "outer" / "deeper" / "third.wav"] == before[music / "inner" / "deeper" / "third.wav"]
        write_tone(music / "first.wav", 1100)
        (music / "outer" / "renamed.wav").unlink()
        write_tone(music / "last.wav", 1300)
        until(lambda: music / "last.wav" in tracks(environment))
    assert process.returncode == 1  # a file failed
    stdout, stderr = output
    assert f"added {music / 'last.wav'}" in stderr
    # A track whose file is deleted stays, as with every ingest.
    assert len(tracks(environment)) == 4
    counts = dict(line.split() for line in stdout.splitlines() if len(line.split()) == 2)
    assert (counts["added"], counts["moved"], counts["failed"], counts["not_audio"]) == ("4", "2", "1", "1")
    assert (counts["updated"], counts["ignored"]) == ("1", "1")


@pytest.mark.timeout(300)
def test_a_watch_that_polls_finds_the_same(environment: str, music: Path) -> None:
    output: list[str] = []
    with watched("--poll", "1", str(music), output=output) as process:
        write_tone(music / "second.wav", 500)
        until(lambda: music / "second.wav" in tracks(environment))
    assert process.returncode == 0
    assert "added" in output[0]


def test_a_file_is_taken_once_it_has_stopped_growing(tmp_path: Path) -> None:
    now = 0.0
    settling = Settling(seconds=2, clock=lambda: now)
    file, gone = tmp_path / "a.wav", tmp_path / "gone.wav"
    settling.note(gone)
    file.write_bytes(b"1")
    settling.note(file)
    for now in (1.0, 2.0, 3.0):
        file.write_bytes(b"1" * (2 + int(now)))
        assert settling.settled() == []
    now = 4.9
    settling.note(file)  # a sweep finds it again
    assert settling.settled() == []
    now = 5.0
    assert settling.settled() == [file]
    assert settling.settled() == []
    settling.note(file)
    file.unlink()
    now = 10.0
    assert settling.settled() == []


@pytest.fixture
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "GLANCE_SECONDS", 0.02)


def swept(watch: Watch, *, rounds: int) -> list[Path]:
    """What a watch gives in so many looks."""
    stop = threading.Event()
    given: list[Path] = []
    for number, files in enumerate(watch.files(stop)):
        given += files
        if number >= rounds:
            stop.set()
    return given


def watch_of(catalogue: Catalogue, folder: Path, *, poll_seconds: float | None, told: list[str]) -> Watch:
    watch = Watch(
        catalogue, [folder], encoder_id="small-1", poll_seconds=poll_seconds, told=told.append, ignored=lambda _: None
    )
    watch._settling = Settling(seconds=0.1)
    return watch


@pytest.mark.usefixtures("quickly")
def test_where_nobody_tells_of_changes_it_looks_by_itself(
    catalogue: Catalogue, music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> Iterator[object]:
        raise OSError("no space left for watches")

    monkeypatch.setattr(watchfiles, "watch", refuse)
    told: list[str] = []
    assert swept(watch_of(catalogue, music, poll_seconds=None, told=told), rounds=20) == [music / "first.wav"]
    assert told == ["the system does not tell of changes here (no space left for watches); looking every 30 s"]


@pytest.mark.usefixtures("quickly")
def test_what_was_tried_in_vain_is_passed_over_until_it_changes(catalogue: Catalogue, music: Path) -> None:
    watch = watch_of(catalogue, music, poll_seconds=0.05, told=[])
    watch.tried_in_vain(music / "first.wav")
    assert swept(watch, rounds=20) == []
    os.utime(music / "first.wav", (1, 1))
    assert swept(watch, rounds=20)[:1] == [music / "first.wav"]


@pytest.mark.parametrize(
    ("arguments", "message"), [(["--poll", "5"], "give both"), (["--watch"], "is a file; with --watch, name folders")]
)
def test_what_makes_no_sense_is_refused(music: Path, arguments: list[str], message: str) -> None:
    done = CliRunner().invoke(facet.main, ["ingest", *arguments, str(music / "first.wav")])
    assert done.exit_code == 2
    assert message in done.output


@pytest.mark.timeout(300)
def test_a_folder_that_is_moved_in_is_taken_whole(environment: str, music: Path, tmp_path: Path) -> None:
    output: list[str] = []
    for number in range(5):
        write_tone(tmp_path / "elsewhere" / str(number % 2) / f"{number}.wav", 400 + 100 * number)
    with watched(str(music), output=output):
        shutil.move(tmp_path / "elsewhere", music / "album")
        until(lambda: len(tracks(environment)) == 6)
