import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from service.settings import Settings

DOCUMENT = Path(__file__).parents[2] / "docs" / "settings.md"


def test_every_setting_is_documented_and_nothing_else_is():
    documented = set(re.findall(r"^\| `FACET_(\w+)`", DOCUMENT.read_text(), flags=re.MULTILINE))
    assert documented == {name.upper() for name in Settings.model_fields}


def test_the_documented_defaults_are_the_defaults():
    rows = dict(re.findall(r"^\| `FACET_(\w+)` \| `([^`]+)`", DOCUMENT.read_text(), flags=re.MULTILINE))
    assert len(rows) >= 8
    for name, value in rows.items():
        default = Settings.model_fields[name.lower()].default
        assert str(default) == value or float(default) == float(value)


def test_the_environment_is_read(monkeypatch, tmp_path):
    monkeypatch.setenv("FACET_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("FACET_EXCERPTS_PER_TRACK", "all")
    settings = Settings()
    assert settings.catalogue_url == f"sqlite:///{tmp_path}/catalogue.db"
    assert settings.planned_excerpts is None


@pytest.mark.parametrize(
    ("name", "value"),
    [("FACET_PORT", "70000"), ("FACET_DEVICE", "tpu"), ("FACET_THREADS", "0"), ("FACET_EXCERPTS_PER_TRACK", "0")],
)
def test_a_setting_out_of_range_is_refused(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError, match=name.removeprefix("FACET_").lower()):
        Settings()


def test_the_shipped_bundle_is_the_default_model():
    assert (Settings().model / "bundle.json").is_file()
