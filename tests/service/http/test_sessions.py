"""What stands in for a key where none can be sent: a browser's session, and the addresses in a playlist."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import httpx
import numpy as np
import pytest

from service.safety import sealing
from service.safety.api_keys import Scope
from service.safety.key_store import KeyStore
from service.safety.sealing import COOKIE
from service.settings import Settings
from tests.service.http.running import Service, encoded, running_service, tune

SOUND = encoded(tune(np.random.default_rng(3)))
HERE = {"origin": "http://localhost", "sec-fetch-site": "same-origin"}


@pytest.fixture
def store(settings: Settings) -> Iterator[KeyStore]:
    opened = KeyStore.open(settings.catalogue_url)
    yield opened
    opened.close()


@pytest.fixture
def key(store: KeyStore) -> str:
    return store.create("laptop", Scope.ADMIN)


@contextmanager
def signed_in(settings: Settings, key: str) -> Iterator[tuple[Service, dict[str, str]]]:
    """A service, and the headers of a browser that gave it a key."""
    with running_service(settings) as service:
        answer = service.request("POST", "/session", headers={"authorization": f"Bearer {key}"})
        assert answer.status_code == 204, answer.text
        service.forget_cookies()
        yield service, {"cookie": answer.headers["set-cookie"].partition(";")[0]}


def outcome(answer: httpx.Response) -> tuple[int, str | None]:
    return answer.status_code, answer.json().get("code")


def test_a_browser_gives_its_key_once_and_then_reads(settings: Settings, key: str) -> None:
    with signed_in(settings, key) as (service, cookie):
        assert outcome(service.get("/tracks")) == (401, "key_needed")
        track_id = service.get("/tracks", headers=cookie).json()["items"][0]["id"]
        assert service.get(f"/tracks/{track_id}/audio", headers=cookie).status_code == 200
        assert service.post_clip("/clips", SOUND, headers={**cookie, **HERE}).status_code == 201
        assert service.get("/session", headers=cookie).json() == {"is_signed_in": True}
        assert service.get("/session").json() == {"is_signed_in": False}


def test_a_session_opens_reading_and_no_more_whatever_its_key_opens(settings: Settings, key: str) -> None:
    with signed_in(settings, key) as (service, cookie):
        track_id = service.get("/tracks", headers=cookie).json()["items"][0]["id"]
        for method, address, options in [
            ("DELETE", f"/tracks/{track_id}", {}),
            ("PATCH", f"/tracks/{track_id}", {"json": {"labels": ["x"]}}),
            ("POST", "/tracks", {"files": {"file": SOUND}}),
            ("POST", "/query", {"json": {"tags": {"rock": 1}, "filters": {"path_prefix": "/"}}}),
        ]:
            answer = service.request(method, address, headers={**cookie, **HERE}, **options)
            assert outcome(answer) == (403, "insufficient_scope"), address
        # Nor does it begin another one, which would never end.
        assert outcome(service.request("POST", "/session", headers={**cookie, **HERE})) == (401, "key_needed")


def test_another_site_s_page_cannot_use_it(settings: Settings, key: str) -> None:
    with signed_in(settings, key) as (service, cookie):
        for headers in (
            {"sec-fetch-site": "same-site", "origin": "http://localhost:3000"},
            {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "audio"},
            {"origin": "https://evil.example"},
        ):
            assert outcome(service.get("/tracks", headers={**cookie, **headers})) == (403, "other_site")


def test_the_cookie_says_how_it_is_to_be_kept(settings: Settings, key: str) -> None:
    bearer = {"authorization": f"Bearer {key}"}
    with running_service(settings) as service:
        told = service.request("POST", "/session", headers=bearer).headers["set-cookie"]
        fields = {field.strip().lower() for field in told.split(";")[1:]}
        assert fields == {"httponly", "samesite=strict", "path=/", f"max-age={sealing.SESSION_SECONDS}"}
        assert key not in told
        told = service.request("POST", "https://localhost/session", headers=bearer).headers["set-cookie"]
        assert "; Secure" in told
        told = service.request("DELETE", "/session").headers["set-cookie"]
        assert told.startswith(f'{COOKIE}=""; ')
        assert "Max-Age=0" in told


def test_it_ends_with_its_key_and_is_none_of_one_made_anew(settings: Settings, store: KeyStore, key: str) -> None:
    with signed_in(settings, key) as (service, cookie):
        store.revoke("laptop")
        service.until(lambda: service.get("/tracks", headers=cookie).status_code == 401)
        store.forget("laptop")
        again = store.create("laptop", Scope.READ)
        bearer = {"authorization": f"Bearer {again}"}
        service.until(lambda: service.get("/tracks", headers=bearer).status_code == 200)
        assert outcome(service.get("/tracks", headers=cookie)) == (401, "key_needed")


def test_it_ends_after_its_time(settings: Settings, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "SESSION_SECONDS", -1)
    with signed_in(settings, key) as (service, cookie):
        assert outcome(service.get("/tracks", headers=cookie)) == (401, "key_needed")


def test_nothing_changed_or_made_up_passes_for_one(settings: Settings, key: str) -> None:
    with signed_in(settings, key) as (service, cookie):
        until, seal, name = cookie["cookie"].partition("=")[2].split(".")
        for made_up in (
            f"{int(until) + 1}.{seal}.{name}",
            f"{until}.{seal}.other",
            f"{until}.{'0' * 32}.{name}",
            f"{until}..{name}",
            "",
            "x" * 5000,
            "1.2.3",
            f"٣.{seal}.{name}",
        ):
            headers = {"cookie": f"{COOKIE}={made_up}".encode()}
            assert outcome(service.get("/tracks", headers=headers)) == (401, "key_needed")


def test_where_no_key_is_needed_a_cookie_takes_nothing_away(settings: Settings) -> None:
    with running_service(settings) as service:
        headers = {"cookie": f"{COOKIE}=1.{'0' * 32}.x"}
        body = {"tags": {"rock": 1}, "filters": {"path_prefix": "/"}}
        assert service.request("POST", "/query", json=body, headers=headers).status_code == 200
        assert outcome(service.request("POST", "/session")) == (401, "key_needed")


def addresses(playlist: str) -> list[str]:
    return [line for line in playlist.splitlines() if line.startswith("http")]


def test_a_playlist_plays_without_a_key_for_a_day_and_only_its_tracks(settings: Settings, key: str) -> None:
    bearer = {"authorization": f"Bearer {key}"}
    with running_service(settings) as service:
        answer = service.get("/search?tag=rock&limit=3", headers={**bearer, "accept": "audio/x-mpegurl"})
        first, second, _ = addresses(answer.text)
        part = service.get(first, headers={"range": "bytes=0-3"})
        assert (part.status_code, part.content) == (206, b"RIFF")
        # Under whatever name the service is asked: a player is no browser, and the address cannot be made up.
        assert service.get(first.replace("localhost", "music.lan")).status_code == 200
        query = first.partition("?")[2]
        for wrong in (
            f"{second.partition('?')[0]}?{query}",
            first.partition("?")[0],
            first.replace("until=", "until=1"),
            first.replace("/audio", ""),
            f"/tracks?{query}",
        ):
            assert service.get(wrong).status_code in (401, 400), wrong
        assert service.request("DELETE", f"{first.partition('/audio')[0]}?{query}").status_code == 400
        assert service.get(first).status_code == 200
        later = datetime.now(UTC) + timedelta(seconds=sealing.ADDRESS_SECONDS + 1)
        track_id = first.partition("/tracks/")[2].partition("/")[0]
        secret = b"x"
        made = sealing.sealed_query(track_id, secret=secret, now=datetime.now(UTC))
        path = f"/tracks/{track_id}/audio"
        assert sealing.is_sealed_address(path, made, secret=secret, now=datetime.now(UTC))
        assert not sealing.is_sealed_address(path, made, secret=secret, now=later)
        assert not sealing.is_sealed_address(path, made, secret=b"y", now=datetime.now(UTC))


def test_a_playlist_of_chosen_tracks_is_sealed_where_it_must_be(settings: Settings, store: KeyStore) -> None:
    with running_service(settings) as service:
        ids = [item["id"] for item in service.get("/tracks?limit=2").json()["items"]]
        wanted = {"track_ids": [ids[1], ids[0], ids[1]]}
        open_to_all = service.request("POST", "/playlist", json=wanted).text
        assert addresses(open_to_all) == [f"http://localhost/tracks/{each}/audio" for each in (ids[1], ids[0])]
        key = store.create("a", Scope.READ)
        service.until(lambda: service.get("/tracks").status_code == 401)
        sealed = service.request("POST", "/playlist", json=wanted, headers={"x-api-key": key}).text
        assert all("&seal=" in each and service.get(each).status_code == 200 for each in addresses(sealed))
        assert open_to_all.splitlines()[:2] == sealed.splitlines()[:2]
