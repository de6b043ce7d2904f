"""Keys in the database, on either engine, and the commands that look after them."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import select

from facet import main
from service.catalogue.database import Database
from service.catalogue.errors import CatalogueNotMigratedError
from service.catalogue.repository import Catalogue
from service.catalogue.tables import ApiKeyRow
from service.safety.api_keys import Scope, digest_of, is_well_formed
from service.safety.key_store import KeyNameError, KeyStore


def test_a_key_is_kept_as_its_digest_alone(catalogue_url: str) -> None:
    store = KeyStore.open(catalogue_url)
    expires_at = datetime.now(UTC) + timedelta(days=3)
    key = store.create("laptop", Scope.WRITE, expires_at=expires_at)
    (kept,) = store.every()
    assert (kept.name, kept.scope, kept.expires_at) == ("laptop", Scope.WRITE, expires_at)
    assert kept.digest == digest_of(key)
    store.close()
    database = Database(catalogue_url)
    with database.reading() as session:
        (row,) = session.execute(select(ApiKeyRow.__table__)).all()
    database.close()
    assert key[10:] not in repr(row)
    assert key.startswith(kept.hint)


def test_a_key_in_the_file_of_the_database_cannot_be_found(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'catalogue.db'}"
    Catalogue.open(url, create=True).close()
    store = KeyStore.open(url)
    key = store.create("laptop", Scope.READ)
    store.close()
    content = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert b"laptop" in content
    assert key.encode()[10:] not in content


def test_a_name_is_given_once(catalogue_url: str) -> None:
    store = KeyStore.open(catalogue_url)
    store.create("a", Scope.READ)
    with pytest.raises(KeyNameError, match="there is a key 'a' already"):
        store.create("a", Scope.ADMIN)
    assert [key.scope for key in store.every()] == [Scope.READ]
    store.close()


@pytest.mark.parametrize("name", ["", "a b", "ä", "-a", "a\nb", "x" * 65, "../a"])
def test_what_is_no_name_is_refused(catalogue_url: str, name: str) -> None:
    store = KeyStore.open(catalogue_url)
    with pytest.raises(KeyNameError, match="is no name for a key"):
        store.create(name, Scope.READ)
    assert store.every() == []
    store.close()


def test_a_revoked_key_stays_in_the_list_until_it_is_forgotten(catalogue_url: str) -> None:
    store = KeyStore.open(catalogue_url)
    store.create("a", Scope.READ)
    with pytest.raises(KeyNameError, match="still good"):
        store.forget("a")
    assert store.revoke("a") is True
    (first,) = store.every()
    assert store.revoke("a") is False
    assert store.every() == [first]
    assert first.state(datetime.now(UTC)) == "revoked"
    store.forget("a")
    assert store.every() == []
    for call in (store.revoke, store.forget):
        with pytest.raises(KeyNameError, match="there is no key 'a'"):
            call("a")
    store.close()


def test_an_expired_key_may_be_forgotten(catalogue_url: str) -> None:
    store = KeyStore.open(catalogue_url)
    store.create("a", Scope.READ, expires_at=datetime.now(UTC) - timedelta(seconds=1))
    store.forget("a")
    assert store.every() == []
    store.close()


def test_without_a_catalogue_there_are_no_keys_and_none_is_made(tmp_path: Path) -> None:
    with pytest.raises(CatalogueNotMigratedError):
        KeyStore.open(f"sqlite:///{tmp_path / 'c.db'}")
    assert list(tmp_path.iterdir()) == []


def test_the_commands_make_show_revoke_and_forget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACET_DATA_DIR", str(tmp_path))
    Catalogue.open(f"sqlite:///{tmp_path / 'catalogue.db'}", create=True).close()
    run = CliRunner()

    made = run.invoke(main, ["keys", "create", "laptop", "--scope", "write", "--expires", "30"])
    assert made.exit_code == 0, made.output
    key = made.stdout.strip()
    assert is_well_formed(key)
    assert "not shown again" in made.stderr
    assert key not in made.stderr

    listed = run.invoke(main, ["keys", "list"])
    assert listed.stdout.startswith("laptop\twrite\tactive\t")
    assert key not in listed.stdout
    (fields,) = [json.loads(line) for line in run.invoke(main, ["keys", "list", "--json"]).stdout.splitlines()]
    assert fields["expires"] == (datetime.now(UTC) + timedelta(days=30)).date().isoformat()
    assert fields["last_used"] is None

    again = run.invoke(main, ["keys", "create", "laptop", "--scope", "read"])
    assert again.exit_code == 1
    assert "there is a key 'laptop' already" in again.stderr
    assert run.invoke(main, ["keys", "create", "other"]).exit_code == 2

    assert "opens nothing any more" in run.invoke(main, ["keys", "revoke", "laptop"]).stdout
    assert "was revoked before" in run.invoke(main, ["keys", "revoke", "laptop"]).stdout
    assert "\trevoked\t" in run.invoke(main, ["keys", "list"]).stdout
    assert run.invoke(main, ["keys", "forget", "laptop"]).exit_code == 0
    assert "there are no keys" in run.invoke(main, ["keys", "list"]).stderr
    assert run.invoke(main, ["keys", "revoke", "laptop"]).exit_code == 1
