import io
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from rich.console import Console

import facet
from service.catalogue.database import Database
from service.catalogue.records import IngestResult, Outcome
from service.catalogue.repository import Catalogue
from service.catalogue.tables import SCHEMA_REVISION
from service.ingest.progress import shown_progress
from service.settings import Settings
from tests.service.small_facet import SmallBundle, open_small_analyser, write_tone
from tests.service.test_migrations import set_step

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def music(tmp_path: Path) -> Path:
    folder = tmp_path.resolve() / "music"
    folder.mkdir()
    return folder


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the commands keep the catalogue; `facet ingest` has the small ear."""
    monkeypatch.setenv("FACET_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("FACET_THREADS", "2")
    monkeypatch.setattr("service.ingest.session.open_analyser", open_small_analyser)
    return tmp_path / "data"


@pytest.fixture
def url(data_dir: Path) -> str:
    return Settings(data_dir=data_dir).catalogue_url


def run(*arguments: str | Path, answer: str | None = None) -> Result:
    result = CliRunner().invoke(facet.main, [str(each) for each in arguments], input=answer)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def rows(output: str) -> dict[str, int]:
    """The table of an ingest: its lines of a word and a number."""
    lines = [line.split() for line in output.splitlines()]
    return {line[0]: int(line[1]) for line in lines if len(line) == 2 and line[1].isdigit()}


def command(*arguments: str | Path) -> list[str]:
    """A command in a process of its own, with the small ear."""
    return [sys.executable, "-m", "tests.service.small_facet", *map(str, arguments)]


def tones(folder: Path, count: int) -> list[Path]:
    return [write_tone(folder / f"{number:03}.wav", 150 + 20 * number) for number in range(count)]


@pytest.mark.usefixtures("data_dir")
def test_the_first_ingest_makes_the_catalogue_and_counts_what_it_did(music: Path) -> None:
    tones(music, 3)
    shutil.copy(music / "000.wav", music / "copy.wav")
    (music / "cover.jpg").touch()
    result = run("ingest", music)
    assert (result.exit_code, result.stderr) == (0, "")
    assert rows(result.stdout) == {"added": 4, "updated": 0, "moved": 0, "unchanged": 0, "failed": 0, "ignored": 1}
    (music / "000.wav").rename(music / "renamed.wav")
    write_tone(music / "001.wav", 3000, title="Another")
    result = run("ingest", music)
    assert rows(result.stdout) == {"added": 0, "updated": 1, "moved": 1, "unchanged": 2, "failed": 0, "ignored": 1}


@pytest.mark.usefixtures("data_dir")
def test_failures_are_counted_by_code_and_the_first_are_shown(music: Path) -> None:
    for number in range(12):
        (music / f"{number:02}.wav").write_text(f"no audio {number}")
    write_tone(music / "short.wav", 200, seconds=0.1)
    write_tone(music / "well.wav", 300)
    result = run("ingest", music)
    assert result.exit_code == 1
    table = rows(result.stdout)
    assert {name: table[name] for name in ("added", "failed", "not_audio", "too_short")} == {
        "added": 1, "failed": 13, "not_audio": 12, "too_short": 1,
    }  # fmt: skip
    shown = [line for line in result.stdout.splitlines() if line.startswith(str(music))]
    assert len(shown) == 10
    assert "and 3 more: `facet list --failed` shows them all" in result.stdout


@pytest.mark.usefixtures("data_dir")
def test_a_command_that_makes_no_sense_is_refused(music: Path) -> None:
    assert run("ingest").exit_code == 2
    assert run("ingest", music / "nothing here").exit_code == 2
    assert run("forget").exit_code == 2


@pytest.mark.usefixtures("data_dir")
def test_the_report_accounts_for_every_file(music: Path, tmp_path: Path, url: str) -> None:
    odd = write_tone(music / os.fsdecode(b"caf\xe9.wav"), 200)
    (music / "bad.wav").write_text("no audio")
    (music / "cover.jpg").touch()
    report = tmp_path / "report.json"
    result = run("ingest", music, "--report", report)
    assert result.exit_code == 1
    listed = json.loads(report.read_text(encoding="ascii"))
    assert (listed["format"], listed["ended"]) == (1, "complete")
    assert listed["counts"] == {"added": 1, "updated": 0, "moved": 0, "unchanged": 0, "failed": 1, "ignored": 1}
    files = {os.fsencode(entry["path"]): entry for entry in listed["files"]}
    assert files.keys() == {os.fsencode(odd), os.fsencode(music / "bad.wav"), os.fsencode(music / "cover.jpg")}
    with Catalogue.open(url) as catalogue:
        [track] = catalogue.list_tracks(limit=9)
    assert files[os.fsencode(odd)]["track_id"] == track.id
    assert (files[os.fsencode(music / "bad.wav")]["code"], files[os.fsencode(odd)]["code"]) == ("not_audio", None)
    assert [path.name for path in tmp_path.iterdir() if "partial" in path.name] == []


@pytest.mark.usefixtures("data_dir")
def test_a_report_that_cannot_be_written_is_said_to_be_so_at_once(music: Path, tmp_path: Path) -> None:
    tones(music, 1)
    result = run("ingest", music, "--report", tmp_path / "no such folder" / "report.json")
    assert result.exit_code == 1
    assert "cannot be written: No such file or directory" in result.stderr


def test_an_outdated_database_is_not_written(music: Path, url: str) -> None:
    tones(music, 1)
    assert run("db", "upgrade").exit_code == 0
    set_step(url, "0000")
    for arguments in (("ingest", str(music)), ("list",), ("forget", str(music))):
        result = run(*arguments)
        assert result.exit_code == 1
        assert "run `facet db upgrade`" in result.stderr


def test_the_database_is_made_and_named_by_db(data_dir: Path) -> None:
    assert "there is no catalogue at" in run("db", "current").stdout
    assert not data_dir.exists()
    assert f"made the catalogue at {data_dir / 'catalogue.db'}, at step" in run("db", "upgrade").stdout
    assert "there was nothing to do" in run("db", "upgrade").stdout
    assert f"is at step {SCHEMA_REVISION}, which is the one" in run("db", "current").stdout


@pytest.mark.usefixtures("data_dir")
def test_nothing_is_listed_before_there_is_a_catalogue() -> None:
    result = run("list")
    assert result.exit_code == 1
    assert "`facet ingest FOLDER` makes and fills one" in result.stderr


@pytest.mark.usefixtures("data_dir")
def test_tracks_and_failures_are_listed(music: Path, url: str) -> None:
    write_tone(music / "a.wav", 200, seconds=65, title="A Title", artist="Somebody")
    odd = write_tone(music / os.fsdecode(b"b\n\xff.wav"), 300)
    (music / os.fsdecode(b"bad\xff.wav")).write_text("no audio")
    run("ingest", music)
    with Catalogue.open(url) as catalogue:
        by_path = {track.path: track for track in catalogue.list_tracks(limit=9)}
    lines = [line.split("\t") for line in run("list").stdout.splitlines()]
    assert sorted(lines, key=lambda line: line[4]) == [
        [by_path[music / "a.wav"].id, "Somebody", "A Title", "1:05", f"{music}/a.wav"],
        [by_path[odd].id, "-", "b\\n\ufffd", "0:00", f"{music}/b\\n\\xff.wav"],
    ]
    as_json = {os.fsencode(each["path"]): each for each in map(json.loads, run("list", "--json").stdout.splitlines())}
    assert as_json[os.fsencode(odd)]["id"] == by_path[odd].id
    assert as_json[os.fsencode(music / "a.wav")]["duration_seconds"] == 65.0
    [failed] = run("list", "--failed").stdout.splitlines()
    assert failed.startswith(f"not_audio\t{music}/bad\\xff.wav\tbad\ufffd.wav is no audio")
    [failed] = run("list", "--failed", "--json").stdout.splitlines()
    assert json.loads(failed)["path"] == str(music / os.fsdecode(b"bad\xff.wav"))


@pytest.mark.usefixtures("data_dir")
def test_tracks_are_forgotten_by_file_folder_and_id_and_the_files_stay(music: Path, url: str) -> None:
    for number, name in enumerate(("a.wav", "b/1.wav", "b/2.wav", "c.wav", "d.wav")):
        write_tone(music / name, 200 + 100 * number)
    (music / "b" / "bad.wav").write_text("no audio")
    run("ingest", music)
    files = sorted(music.rglob("*"))
    with Catalogue.open(url) as catalogue:
        ids = {track.path.name: track.id for track in catalogue.list_tracks(limit=9)}
        result = run("forget", music / "a.wav", music / "b", ids["c.wav"])
        assert (result.exit_code, result.stdout) == (0, "forgot 4 tracks and 1 failures; no file was touched\n")
        assert [track.path.name for track in catalogue.list_tracks(limit=9)] == ["d.wav"]
        assert catalogue.failures.every() == []
        assert catalogue.count_embeddings(SmallBundle().encoder_id) == 1
    assert sorted(music.rglob("*")) == files


@pytest.mark.usefixtures("data_dir")
def test_what_the_catalogue_does_not_know_cannot_be_forgotten(music: Path) -> None:
    tones(music, 1)
    run("ingest", music)
    result = run("forget", music / "nothing", "0190b6a0-0000-7000-8000-000000000000")
    assert result.exit_code == 1
    assert result.stderr.count("the catalogue knows no such file, folder or track") == 2
    assert len(run("list").stdout.splitlines()) == 1


@pytest.mark.usefixtures("data_dir")
def test_only_what_is_missing_is_forgotten(music: Path) -> None:
    for number, name in enumerate(("stays.wav", "gone.wav", "album/gone.wav")):
        write_tone(music / name, 200 + 100 * number)
    (music / "bad.wav").write_text("no audio")
    run("ingest", music)
    (music / "gone.wav").unlink()
    (music / "bad.wav").unlink()
    shutil.rmtree(music / "album")
    assert run("forget", "--missing", music / "album").stdout.startswith("forgot 1 tracks and 0 failures")
    assert run("forget", "--missing").stdout.startswith("forgot 1 tracks and 1 failures")
    assert run("forget", "--missing").stdout.startswith("forgot 0 tracks and 0 failures")
    assert [line.split("\t")[4] for line in run("list").stdout.splitlines()] == [str(music / "stays.wav")]


@pytest.mark.usefixtures("data_dir")
def test_forgetting_many_is_asked_for_first(music: Path) -> None:
    first = write_tone(music / "0.wav", 200)
    for number in range(1, 101):
        shutil.copy(first, music / f"{number}.wav")
    run("ingest", music)
    result = run("forget", music, answer="n\n")
    assert result.exit_code == 1
    assert "Forget 101 tracks?" in result.stdout
    assert len(run("list").stdout.splitlines()) == 101
    assert run("forget", music, "--yes").stdout == "forgot 101 tracks and 0 failures; no file was touched\n"


def test_to_list_the_catalogue_neither_the_model_nor_the_index_is_loaded(music: Path, data_dir: Path) -> None:
    tones(music, 1)
    run("ingest", music)
    program = (
        "import sys, facet; facet.main(['list'], standalone_mode=False); "
        "print(sorted({'faiss', 'onnxruntime', 'av', 'alembic', 'fastapi', 'rich'} & set(sys.modules)))"
    )
    listed = subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert listed.stdout.splitlines()[1:] == ["[]"]
    assert data_dir.exists()


@pytest.mark.usefixtures("data_dir")
def test_ctrl_c_keeps_what_is_done_and_the_next_run_does_the_rest(
    music: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    tones(music, 200)
    monkeypatch.setenv("SMALL_ANALYSER_SECONDS", "0.02")
    report = tmp_path / "report.json"
    process = start(command("ingest", music, "--report", report))
    wait_for_tracks(url, process)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in stdout + stderr
    assert "finishing what is under way" in stderr
    listed = json.loads(report.read_text(encoding="ascii"))
    assert listed["ended"] == "interrupted"
    assert 0 < rows(stdout)["added"] == len(listed["files"]) < 200
    with Catalogue.open(url) as catalogue:
        assert catalogue.count_tracks() == rows(stdout)["added"]
    table = rows(run("ingest", music).stdout)
    assert table["unchanged"] == rows(stdout)["added"]
    assert table["added"] + table["unchanged"] == 200


@pytest.mark.usefixtures("data_dir")
def test_a_second_ctrl_c_drops_what_is_under_way(music: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tones(music, 5)
    run("ingest", music)
    write_tone(music / "long.wav", 3000)
    monkeypatch.setenv("SMALL_ANALYSER_SECONDS", "5")
    monkeypatch.setenv("SMALL_ANALYSER_TELLS", "1")
    process = start(command("ingest", music))
    assert process.stderr is not None
    for expected in ("listening to long.wav", "finishing what is under way"):
        while expected not in process.stderr.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in stdout + stderr
    assert (rows(stdout)["unchanged"], rows(stdout)["added"]) == (5, 0)


@pytest.mark.usefixtures("data_dir")
def test_a_full_disk_ends_the_run_and_not_the_files(music: Path) -> None:
    tones(music, 300)
    run("db", "upgrade")

    def let_no_file_grow() -> None:
        # No file may grow beyond this, as if the disk had no room for more.
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))

    process = start(command("ingest", music), preexec_fn=let_no_file_grow)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "Traceback" not in stderr
    assert "cannot be used now" in stderr
    assert "what was written before stands" in stderr
    before = rows(stdout)
    assert 0 < before["added"] < 300
    assert before["failed"] == 0
    after = rows(run("ingest", music).stdout)
    assert (after["added"] + before["added"], after["unchanged"], after["failed"]) == (300, before["added"], 0)


def start(arguments: Sequence[str], **options: object) -> subprocess.Popen[str]:
    return subprocess.Popen(  # type: ignore[call-overload, no-any-return]
        arguments, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    )


def wait_for_tracks(url: str, process: subprocess.Popen[str]) -> None:
    """Until the first track is in the catalogue."""
    database = Database(url)
    while process.poll() is None:
        if database.step() == SCHEMA_REVISION:
            with Catalogue.open(url) as catalogue:
                if catalogue.count_tracks():
                    break
        time.sleep(0.02)
    database.close()


def test_without_a_terminal_progress_is_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.ingest.progress.LINE_SECONDS", -1.0)
    written = io.StringIO()
    with shown_progress(2, Console(file=written, width=200)) as advance:
        advance(IngestResult(Path("/a"), Outcome.ADDED))
        advance(IngestResult(Path("/b"), Outcome.UNCHANGED))
        advance(IngestResult(Path("/c"), Outcome.ADDED))  # it appeared after they were counted
    lines = written.getvalue().splitlines()
    assert [line.split(" files, ")[0] for line in lines] == ["1 of 2", "2 of 2", "3 of 3"]
    assert all("tracks a minute" in line for line in lines)


def test_without_a_terminal_a_short_run_says_nothing_before_its_table() -> None:
    written = io.StringIO()
    with shown_progress(1, Console(file=written, width=200)) as advance:
        advance(IngestResult(Path("/a"), Outcome.ADDED))
    assert written.getvalue() == ""


def test_a_terminal_shows_a_bar() -> None:
    written = io.StringIO()
    console = Console(file=written, width=120, force_terminal=True)
    with shown_progress(2, console) as advance:
        advance(IngestResult(Path("/a"), Outcome.ADDED))
    assert "1/2 files" in written.getvalue().replace("\x1b[32m", "").replace("\x1b[0m", "")
    assert "tracks/min" in written.getvalue()
