"""`facet reembed`, in this process, on both databases."""

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

import facet
from index.model import ModelBundle
from service.catalogue import bundles
from service.catalogue.bundles import EmbeddingFailure, Progress
from service.catalogue.repository import Catalogue
from tests.service.http.running import encoded, tune
from tests.service.http.tiny_bundle import write_tiny_bundle


@pytest.fixture
def music(tmp_path: Path) -> Path:
    folder = tmp_path / "music"
    folder.mkdir()
    rng = np.random.default_rng(3)
    for number in range(5):
        (folder / f"{number}.wav").write_bytes(encoded(tune(rng)))
    return folder


@pytest.fixture
def old(tmp_path: Path, music: Path, catalogue_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A catalogue that was ingested with one model; the settings say another. The encoder id of the first."""
    monkeypatch.setenv("FACET_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("FACET_DATABASE_URL", catalogue_url)
    monkeypatch.setenv("FACET_THREADS", "2")
    first = write_tiny_bundle(tmp_path / "old", seed=1)
    monkeypatch.setenv("FACET_MODEL", str(first))
    assert run("ingest", str(music)).exit_code == 0
    monkeypatch.setenv("FACET_MODEL", str(write_tiny_bundle(tmp_path / "new", seed=2)))
    return ModelBundle.open(first).encoder_id


def run(*arguments: str) -> Result:
    return CliRunner().invoke(facet.main, list(arguments))


def answering(url: str) -> str | None:
    with Catalogue.open(url) as catalogue:
        return catalogue.bundles.standing().answering


def test_it_embeds_beside_the_old_bundle_and_changes_over(old: str, catalogue_url: str, tmp_path: Path) -> None:
    assert answering(catalogue_url) == old
    done = run("reembed")
    assert (done.exit_code, done.stdout) == (
        0,
        "5 of 5 tracks are analysed with tiny; 0 failed\ntiny answers\n",
    )
    new = ModelBundle.open(tmp_path / "new").encoder_id
    assert answering(catalogue_url) == new
    with Catalogue.open(catalogue_url) as catalogue:
        assert catalogue.count_embeddings(old) == catalogue.count_embeddings(new) == 5
    # Nothing is left to do.
    assert run("reembed").exit_code == 0


def test_what_fails_is_told_and_too_much_of_it_is_for_a_person(old: str, catalogue_url: str, music: Path) -> None:
    (music / "2.wav").unlink()
    (music / "3.wav").write_bytes(b"another")
    done = run("reembed")
    assert done.exit_code == 1
    assert "3 of 5 tracks are analysed with tiny; 2 failed" in done.stdout
    assert "  changed 1\n  not_found 1\n" in done.stdout
    assert f"{music.resolve() / '2.wav'}: 2.wav is not there any more" in done.stdout
    assert "answers on" in done.stdout
    assert answering(catalogue_url) == old
    decided = run("reembed", "--switch")
    assert decided.exit_code == 0
    assert answering(catalogue_url) != old


def test_a_file_that_was_only_touched_is_still_the_same(old: str, catalogue_url: str, music: Path) -> None:
    (music / "1.wav").touch()
    assert run("reembed").exit_code == 0
    assert answering(catalogue_url) != old


def test_an_ingest_with_the_new_bundle_is_as_good(old: str, catalogue_url: str, music: Path) -> None:
    assert run("ingest", str(music)).exit_code == 0
    assert answering(catalogue_url) == old
    assert run("reembed").exit_code == 0
    assert answering(catalogue_url) != old


def test_an_ingest_that_has_the_catalogue_go_over_to_another_model_says_so(
    old: str, music: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = ModelBundle.open(tmp_path / "new").encoder_id
    few = tmp_path / "few"
    few.mkdir()
    (few / "0.wav").write_bytes((music / "0.wav").read_bytes())
    first = run("ingest", str(few))
    assert f"answered by tiny ({old[:12]}); it goes over to tiny ({new[:12]}) once all" in first.stderr
    assert "FACET_MODEL" in first.stderr
    # The former one is wanted again, and answers on.
    monkeypatch.setenv("FACET_MODEL", str(tmp_path / "old"))
    back = run("ingest", str(music), str(few))
    assert f"was to be answered by tiny ({new[:12]}); tiny ({old[:12]}) answers from now on" in back.stderr
    assert run("ingest", str(music), str(few)).stderr == ""


def test_an_empty_catalogue_goes_over_at_once_and_that_is_said_too(
    tmp_path: Path, music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACET_DATA_DIR", str(tmp_path / "data"))
    (tmp_path / "empty").mkdir()
    for seed, name in enumerate(("one", "two")):
        monkeypatch.setenv("FACET_MODEL", str(write_tiny_bundle(tmp_path / name, seed=seed)))
        said = run("ingest", str(tmp_path / "empty" if name == "one" else music)).stderr
        assert ("answers from now on" in said) == (name == "two")


def test_two_at_once_do_not_both_go_on(old: str, catalogue_url: str, tmp_path: Path) -> None:
    new = ModelBundle.open(tmp_path / "new").encoder_id
    with Catalogue.open(catalogue_url) as catalogue:
        with catalogue.writing() as writing:
            writing.bundles.want(new, "tiny")
            assert writing.bundles.hold(new, "one")
            assert not writing.bundles.hold(new, "other")
            assert writing.bundles.hold(new, "other", first=True)
            assert not writing.bundles.hold(new, "one")
            writing.bundles.let_go(new, "one")
            assert not writing.bundles.hold(new, "one")
            writing.bundles.let_go(new, "other")
            assert writing.bundles.hold(new, "one")
        assert catalogue.bundles.name(new) == "tiny"
        assert catalogue.bundles.name(old) == "tiny"
        assert catalogue.bundles.name("unheard of") == "unheard of"
        assert [track.title for track in catalogue.bundles.missing(new, limit=2)] == [
            track.title for track in catalogue.list_tracks(limit=2)
        ]


def test_what_former_models_left_is_pruned_once_they_are_not_needed(
    old: str, catalogue_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundles, "FORGOTTEN_AT_ONCE", 2)
    assert run("db", "prune").output == "former models: none; 0 embeddings of theirs were deleted\n"
    new = ModelBundle.open(tmp_path / "new").encoder_id
    with Catalogue.open(catalogue_url) as catalogue:
        with catalogue.writing() as writing:
            writing.bundles.want(new, "tiny")
        refused = run("db", "prune")
        assert (refused.exit_code, "is to take over" in refused.output) == (1, True)
        assert run("reembed").exit_code == 0
        assert sorted(path.name for path in (tmp_path / "data" / "bundles").iterdir()) == sorted([old, new])
        assert run("db", "prune").output == "former models: tiny; 5 embeddings of theirs were deleted\n"
        assert (catalogue.count_embeddings(old), catalogue.count_embeddings(new)) == (0, 5)
        assert catalogue.bundles.others(new) == {}
    assert [path.name for path in (tmp_path / "data" / "bundles").iterdir()] == [new]


def test_a_track_that_was_embedded_meanwhile_has_not_failed(old: str, catalogue_url: str) -> None:
    with Catalogue.open(catalogue_url) as catalogue:
        (first, *_, last) = catalogue.list_tracks(limit=10)
        with catalogue.writing() as writing:
            writing.bundles.want("new", "new")
            for track in catalogue.list_tracks(limit=10):
                if track.id != last.id:
                    writing.put_embedding(track.id, "new", writing.embeddings_of(track.id)[old])
            # Who tried it while another one embedded it comes to tell.
            writing.bundles.fail("new", EmbeddingFailure(first.id, "timed_out", "slow"))
            assert not writing.bundles.change_over("new")
        assert catalogue.bundles.progress("new") == Progress(tracks=5, embedded=4, failed=0)
        assert [track.id for track in catalogue.bundles.missing("new", limit=9)] == [last.id]
