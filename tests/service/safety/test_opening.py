"""What a service that strangers could reach is told to do: for the catalogue that it would serve."""

from pathlib import Path

import pytest

from service.catalogue.database import Database
from service.catalogue.migrating import upgrade
from service.safety.opening import OpenToStrangersError, refuse_to_be_open
from service.settings import Settings


def made(settings: Settings) -> Settings:
    settings.data_dir.mkdir(parents=True)
    database = Database(settings.catalogue_url)
    try:
        upgrade(database)
    finally:
        database.close()
    return settings


def test_the_usual_catalogue_needs_no_word_about_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACET_DATA_DIR", str(tmp_path / "usual"))
    with pytest.raises(OpenToStrangersError, match=r"Run `facet keys create NAME"):
        refuse_to_be_open(made(Settings(host="0.0.0.0")))  # noqa: S104


def test_the_demonstrations_own_catalogue_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACET_DATA_DIR", str(tmp_path / "usual"))
    settings = Settings(host="0.0.0.0", data_dir=tmp_path / "usual" / "demo")  # noqa: S104
    with pytest.raises(OpenToStrangersError) as caught:
        refuse_to_be_open(made(settings))
    assert f"Run `FACET_DATA_DIR={tmp_path}/usual/demo facet keys create NAME --scope write`" in str(caught.value)
