"""Each thing that can be wrong is made wrong, and the doctor says so, with what to do."""

import json
import shutil
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from facet import main
from index.snapshot import list_snapshots
from service.bundles.keeping import want_bundle
from service.catalogue.bundles import EmbeddingFailure
from service.catalogue.repository import Catalogue
from service.indexing import compacting
from service.listening import open_bundle
from service.operations import answering_checks, machine_checks
from service.operations.doctor import Finding, Verdict, examine
from service.settings import Settings
from tests.service.http.running import encoded, ingested, running_service, tune
from tests.service.http.tiny_bundle import write_tiny_bundle


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A small Facet that is well. Not to be changed: `settings` is a copy."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "music").mkdir()
    rng = np.random.default_rng(2)
    for number in range(3):
        (folder / "music" / f"{number}.wav").write_bytes(encoded(tune(rng)))
    made = Settings(data_dir=folder / "data", model=write_tiny_bundle(folder / "model"), threads=1)
    ingested(made, folder / "music")
    return made


@pytest.fixture
def settings(made: Settings, tmp_path: Path) -> Settings:
    shutil.copytree(made.data_dir, tmp_path / "data")
    shutil.copytree(made.model, tmp_path / "model")
    return made.model_copy(update={"data_dir": tmp_path / "data", "model": tmp_path / "model", "port": free_port()})


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        port: int = listening.getsockname()[1]
        return port


def found(settings: Settings, *, thorough: bool = False) -> dict[str, Finding]:
    return {finding.check: finding for finding in examine(settings, thorough=thorough)}


def rebuilt(settings: Settings) -> Path:
    """The newest snapshot of a catalogue, made as `facet index rebuild` does."""
    environment = {"FACET_DATA_DIR": str(settings.data_dir), "FACET_MODEL": str(settings.model)}
    assert CliRunner().invoke(main, ["index", "rebuild"], env=environment).exit_code == 0
    with Catalogue.open(settings.catalogue_url) as catalogue:
        (root,) = (settings.snapshots_dir / catalogue.identity).iterdir()
    return list_snapshots(root)[0]


def assert_found(finding: Finding, code: str, verdict: Verdict, *words: str) -> None:
    assert (finding.code, finding.verdict) == (code, verdict), finding
    assert finding.remedy
    for word in words:
        assert word in f"{finding.says} {finding.remedy}", finding


def test_all_is_well_with_a_facet_that_is_well(settings: Settings) -> None:
    rebuilt(settings)
    findings = found(settings, thorough=True)
    troubled = {check: finding for check, finding in findings.items() if finding.verdict is not Verdict.OK}
    # Of the machine nothing is promised.
    assert set(troubled) <= {"processor", "memory", "open files", "data folder", "temporary files"}
    assert {"catalogue", "model", "listening", "index", "service", "database file", "snapshots"} <= set(findings)
    assert "3 tracks" in findings["catalogue"].says


def test_nothing_is_changed(settings: Settings) -> None:
    rebuilt(settings)
    before = {path: path.read_bytes() for path in settings.data_dir.rglob("*") if path.is_file()}
    found(settings, thorough=True)
    after = {path: path.read_bytes() for path in settings.data_dir.rglob("*") if path.is_file()}
    # SQLite's own bookkeeping comes and goes.
    assert {p: c for p, c in after.items() if "-wal" not in p.name and "-shm" not in p.name} == before


def test_a_missing_model(settings: Settings) -> None:
    shutil.rmtree(settings.model)
    assert_found(found(settings)["model"], "model_missing", Verdict.PROBLEM, str(settings.model), "FACET_MODEL")


def test_a_corrupted_model(settings: Settings) -> None:
    encoder = settings.model / "encoder.onnx"
    content = bytearray(encoder.read_bytes())
    content[len(content) // 2] ^= 1
    encoder.write_bytes(content)
    assert_found(found(settings)["model"], "bundle_corrupted", Verdict.PROBLEM, "sha256")


def test_a_device_that_is_not_there(settings: Settings) -> None:
    other = settings.model_copy(update={"device": "cuda"})
    assert_found(found(other)["model"], "device_unavailable", Verdict.PROBLEM, "FACET_DEVICE=cpu")


def test_a_pending_migration(settings: Settings) -> None:
    # As a database of before would stand: with a step that this Facet knows, but does not need.
    with sqlite3.connect(settings.data_dir / "catalogue.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0001'")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("service.operations.catalogue_checks.SCHEMA_REVISION", "next")
        assert_found(
            found(settings)["catalogue"], "migration_pending", Verdict.PROBLEM, "facet backup", "facet db upgrade"
        )


def test_a_catalogue_of_a_newer_facet(settings: Settings) -> None:
    with sqlite3.connect(settings.data_dir / "catalogue.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    assert_found(found(settings)["catalogue"], "catalogue_newer", Verdict.PROBLEM, "9999")


def test_no_catalogue_is_how_one_begins(settings: Settings, tmp_path: Path) -> None:
    other = settings.model_copy(update={"data_dir": tmp_path / "nothing"})
    assert_found(found(other)["catalogue"], "no_catalogue", Verdict.WARNING, "facet ingest")
    assert not (tmp_path / "nothing").exists()


def test_a_database_that_does_not_answer(settings: Settings) -> None:
    pytest.importorskip("psycopg")
    other = settings.model_copy(
        update={"database_url": f"postgresql+psycopg://facet:sesame@127.0.0.1:{free_port()}/facet?connect_timeout=2"}
    )
    finding = found(other)["catalogue"]
    assert_found(finding, "database_unavailable", Verdict.PROBLEM, "FACET_DATABASE_URL")
    assert "sesame" not in str(finding)


def test_a_damaged_database(settings: Settings) -> None:
    file = settings.data_dir / "catalogue.db"
    content = bytearray(file.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 8192] = b"\x5a" * 8192
    file.write_bytes(content)
    finding = found(settings, thorough=True)["database file"]
    assert_found(finding, "database_damaged", Verdict.PROBLEM, "facet restore")


def test_a_full_disk(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(settings.data_dir)
    monkeypatch.setattr(machine_checks.shutil, "disk_usage", lambda _: usage._replace(free=10 * 2**20))
    assert_found(found(settings)["data folder"], "disk_full", Verdict.PROBLEM, "10 MiB", "make room")


def test_a_folder_that_cannot_be_written(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(machine_checks.tempfile, "TemporaryFile", refuse)
    assert_found(found(settings)["data folder"], "not_writable", Verdict.PROBLEM, "Read-only file system")


@pytest.mark.parametrize(
    ("flags", "has"),
    [("fpu sse sse2 ssse3 sse4_2 avx", False), ("fpu sse sse2 avx avx2", True), ("", True), ("neon", True)],
)
def test_a_processor_without_avx2(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: str, has: bool
) -> None:
    cpu = tmp_path / "cpuinfo"
    cpu.write_text(f"processor\t: 0\nmodel name\t: One avx2 day\nflags\t\t: {flags}\nbugs\t\t: none\n")
    monkeypatch.setattr(machine_checks, "CPU", cpu)
    said = {finding.code for finding in machine_checks.processor(settings)}
    assert ("no_avx2" in said) is not has


def test_more_threads_than_a_container_was_given(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quota = tmp_path / "cpu.max"
    quota.write_text("150000 100000\n")
    monkeypatch.setattr(machine_checks, "CGROUP_QUOTA", quota)
    monkeypatch.setattr(machine_checks.os, "sched_getaffinity", lambda _: set(range(8)))
    many = settings.model_copy(update={"threads": 8})
    assert_found(found(many)["processor"], "too_many_threads", Verdict.WARNING, "1.5 cores", "FACET_THREADS=1")


def test_a_stale_index(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    rebuilt(settings)
    monkeypatch.setattr(compacting, "COMPACT_FROM_TRACKS", 1)
    with Catalogue.open(settings.catalogue_url) as catalogue:
        catalogue.forget([track.id for track in catalogue.list_tracks(limit=2)])
    assert_found(found(settings)["index"], "index_stale", Verdict.WARNING, "2 changes behind", "facet index rebuild")


def test_a_corrupted_snapshot(settings: Settings) -> None:
    vectors = rebuilt(settings) / "vectors.npy"
    vectors.write_bytes(vectors.read_bytes()[:-1] + b"\xff")
    findings = found(settings, thorough=True)
    assert_found(findings["index"], "snapshot_corrupted", Verdict.WARNING, "facet index rebuild")
    assert_found(findings["snapshots"], "snapshot_differs", Verdict.WARNING, "facet index verify")


def test_a_model_that_has_heard_nothing(settings: Settings, tmp_path: Path) -> None:
    other = settings.model_copy(update={"model": write_tiny_bundle(tmp_path / "other", seed=2)})
    with Catalogue.open(settings.catalogue_url) as catalogue:
        want_bundle(settings, catalogue, open_bundle(settings, threads=1))
    findings = found(other)
    assert findings["index"].verdict is Verdict.OK  # of the model that answers
    assert (findings["models"].verdict, "0 of 3 tracks" in findings["models"].says) == (Verdict.OK, True)
    shutil.rmtree(settings.bundles_dir)
    findings = found(other)
    assert_found(findings["models"], "answering_model_lost", Verdict.PROBLEM, "facet reembed")
    assert_found(findings["index"], "bundle_unheard", Verdict.PROBLEM, "facet reembed")


def test_a_model_that_could_not_hear_enough(settings: Settings, tmp_path: Path) -> None:
    other = settings.model_copy(update={"model": write_tiny_bundle(tmp_path / "other", seed=2)})
    bundle = open_bundle(other, threads=1)
    with Catalogue.open(settings.catalogue_url) as catalogue:
        want_bundle(settings, catalogue, open_bundle(settings, threads=1))
        want_bundle(other, catalogue, bundle)
        with catalogue.writing() as writing:
            for track in catalogue.list_tracks(limit=10):
                writing.bundles.fail(bundle.encoder_id, EmbeddingFailure(track.id, "not_found", "gone"))
    assert_found(found(other)["models"], "takeover_undecided", Verdict.WARNING, "3 in vain", "--switch")


def test_an_uploaded_track_without_its_file(settings: Settings, tmp_path: Path) -> None:
    with running_service(settings) as service:
        job = service.post_clip("/tracks", encoded(tune(np.random.default_rng(8)))).json()
        service.finished(job["id"])
    assert "1 tracks have their files" in found(settings)["uploads"].says
    (file,) = (path for path in settings.uploads_dir.rglob("*") if path.is_file())
    file.rename(tmp_path / "elsewhere")
    assert_found(found(settings)["uploads"], "uploads_missing", Verdict.PROBLEM, "facet restore")


@pytest.fixture
def stranger() -> Iterator[int]:
    """A port where something listens that is not Facet, and says nothing."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        yield listening.getsockname()[1]


def test_a_service_that_does_not_answer(settings: Settings, stranger: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answering_checks, "READY_SECONDS", 0.2)
    silent = settings.model_copy(update={"port": stranger})
    assert_found(found(silent)["service"], "service_silent", Verdict.PROBLEM, "/livez")


def test_a_check_that_fails_does_not_hide_the_others(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> None:
        raise ZeroDivisionError("a defect")

    monkeypatch.setattr(answering_checks, "open_bundle", fail)
    findings = list(examine(settings))
    assert [finding.code for finding in findings].count("not_examined") == 1
    assert any(finding.check == "catalogue" and finding.code == "ok" for finding in findings)


def test_the_command_says_it_in_words_and_in_json(settings: Settings) -> None:
    environment = {
        **{"FACET_DATA_DIR": str(settings.data_dir), "FACET_MODEL": str(settings.model)},
        **{"FACET_PORT": str(settings.port), "FACET_THREADS": "1"},
    }
    done = CliRunner().invoke(main, ["doctor"], env=environment)
    assert done.exit_code == 0, done.output
    shutil.rmtree(settings.model)
    done = CliRunner().invoke(main, ["doctor"], env=environment)
    assert done.exit_code == 1
    assert "problem  model: " in done.output
    assert "→ name the folder of a bundle: FACET_MODEL" in done.output
    told = json.loads(CliRunner().invoke(main, ["doctor", "--json"], env=environment).output)
    assert told["ok"] is False
    assert {"check", "verdict", "code", "says", "remedy"} == set(told["checks"][0])
    assert [each["code"] for each in told["checks"] if each["verdict"] == "problem"] == ["model_missing"]
