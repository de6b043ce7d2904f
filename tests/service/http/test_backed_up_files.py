"""A backup holds the files that only Facet has, and a restore brings them where they are wanted, or leaves none."""

import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from facet import main
from service.catalogue import restoring
from service.settings import Settings
from tests.service.http.running import encoded, running_service, tune

SOUND = encoded(tune(np.random.default_rng(31)))


def run(settings: Settings, *arguments: str | Path) -> Result:
    environment = {"FACET_DATA_DIR": str(settings.data_dir), "FACET_MODEL": str(settings.model), "FACET_THREADS": "1"}
    return CliRunner().invoke(main, [str(each) for each in arguments], env=environment)


def files_in(settings: Settings) -> dict[str, bytes]:
    return {
        str(path.relative_to(settings.data_dir)): path.read_bytes()
        for folder in (settings.uploads_dir, settings.bundles_dir)
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def uploaded(settings: Settings) -> str:
    """The id of a track that was uploaded."""
    with running_service(settings) as service:
        job = service.post_clip("/tracks?label=mine", SOUND).json()
        track_id: str = service.finished(job["id"])["track_id"]
    return track_id


@pytest.fixture
def backup(settings: Settings, uploaded: str, tmp_path: Path) -> Path:
    assert uploaded
    # Of no track and no job: a process was killed at the wrong moment.
    (settings.uploads_dir / "ff").mkdir()
    (settings.uploads_dir / "ff" / ("f" * 64)).write_bytes(b"nobody's")
    done = run(settings, "backup", tmp_path / "kept.facet")
    assert done.exit_code == 0, done.output
    assert " 31 tracks, 4 files, " in done.output
    return tmp_path / "kept.facet"


@pytest.fixture
def elsewhere(settings: Settings, tmp_path: Path) -> Settings:
    return settings.model_copy(update={"data_dir": tmp_path / "elsewhere"})


def test_an_uploaded_track_and_the_models_come_back_in_another_folder(
    settings: Settings, uploaded: str, backup: Path, elsewhere: Settings, tmp_path: Path
) -> None:
    before = files_in(settings)
    del before[f"uploads/ff/{'f' * 64}"]
    assert {name.partition("/")[0] for name in before} == {"uploads", "bundles"}
    settings.data_dir.rename(tmp_path / "gone")
    done = run(elsewhere, "restore", backup)
    assert done.exit_code == 0, done.output
    assert files_in(elsewhere) == before
    with running_service(elsewhere) as service:
        assert service.get(f"/tracks/{uploaded}/audio").content == SOUND
        assert service.get(f"/tracks/{uploaded}").json()["labels"] == ["mine"]
        # It is known for an upload: its file goes with it.
        assert service.request("DELETE", f"/tracks/{uploaded}").status_code == 204
    assert not [name for name in files_in(elsewhere) if name.startswith("uploads")]


def test_a_flipped_byte_of_a_file_is_noticed_before_anything_is_touched(backup: Path, elsewhere: Settings) -> None:
    whole = backup.read_bytes()
    place = whole.index(SOUND[200:300])
    backup.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
    refused = run(elsewhere, "restore", backup)
    assert refused.exit_code == 1
    assert "is damaged" in refused.output
    assert not elsewhere.data_dir.exists()


def test_a_name_that_leads_out_of_its_folder_is_refused(backup: Path, elsewhere: Settings) -> None:
    with closing(sqlite3.connect(backup)) as connection, connection:
        connection.execute("UPDATE facet_files SET name = '../../x'")
    refused = run(elsewhere, "restore", backup)
    assert refused.exit_code == 1
    assert "is damaged" in refused.output
    assert not elsewhere.data_dir.exists()


def test_a_restore_that_fails_leaves_no_files(
    backup: Path, elsewhere: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise restoring.CatalogueError("no")

    monkeypatch.setattr(restoring, "_replace", fail)
    assert run(elsewhere, "restore", backup).exit_code == 1
    assert files_in(elsewhere) == {}


def test_files_that_cannot_be_put_in_their_place_leave_the_catalogue_as_it_was(
    backup: Path, elsewhere: Settings
) -> None:
    elsewhere.data_dir.mkdir()
    elsewhere.uploads_dir.write_text("not a folder")
    refused = run(elsewhere, "restore", backup)
    assert refused.exit_code == 1
    assert "cannot be written" in refused.output
    assert not (elsewhere.data_dir / "catalogue.db").exists() or "no catalogue" in run(elsewhere, "list").output


def test_without_files_there_are_rows_alone(settings: Settings, uploaded: str, elsewhere: Settings) -> None:
    file = settings.data_dir / "rows.facet"
    done = run(settings, "backup", "--without-files", file)
    assert (done.exit_code, " no files, " in done.output) == (0, True)
    assert run(elsewhere, "restore", file).exit_code == 0
    assert files_in(elsewhere) == {}
    assert uploaded in run(elsewhere, "list").output
