"""Who may ask the real application for what, how often, and what every answer tells a browser."""

import base64
import hashlib
import re
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import numpy as np
import pytest
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute, Mount, Route

from service.http.app import create_app
from service.safety import key_ring
from service.safety.api_keys import Scope, new_key
from service.safety.key_store import KeyStore
from service.safety.security_headers import HEADERS
from service.settings import Settings
from tests.service.http.running import Service, encoded, running_service, tune

ROCK = {"tags": {"rock": 1}}
UNDER_A_PATH = {**ROCK, "filters": {"path_prefix": "/music"}}
SOUND = encoded(tune(np.random.default_rng(3)))
ELSEWHERE = "http://192.168.7.7:8000"


@pytest.fixture
def store(settings: Settings) -> Iterator[KeyStore]:
    opened = KeyStore.open(settings.catalogue_url)
    yield opened
    opened.close()


@contextmanager
def running(settings: Settings, **changes: Any) -> Iterator[Service]:
    with running_service(settings.model_copy(update=changes)) as service:
        yield service


def with_key(key: str) -> dict[str, Any]:
    return {"headers": {"authorization": f"Bearer {key}"}}


def outcome(answer: httpx.Response) -> tuple[int, str | None]:
    return answer.status_code, answer.json().get("code")


def test_on_this_machine_without_keys_all_but_the_administration_is_open(shared: Service) -> None:
    assert shared.get("/tracks").status_code == 200
    assert shared.request("POST", "/query", json=UNDER_A_PATH).status_code == 200
    assert shared.post_clip("/tags", SOUND).status_code == 200


@pytest.mark.parametrize(
    "asked",
    [
        ("GET", f"{ELSEWHERE}/tracks", {}),
        ("GET", "/tracks", {"headers": {"x-forwarded-for": "8.8.8.8"}}),
        ("POST", f"{ELSEWHERE}/similar", {"files": {"file": SOUND}}),
        ("POST", f"{ELSEWHERE}/query", {"json": ROCK}),
    ],
)
def test_at_another_address_a_key_is_needed_even_if_nobody_looked_at_the_start(
    shared: Service, asked: tuple[str, str, dict[str, Any]]
) -> None:
    method, address, options = asked
    answer = shared.request(method, address, **options)
    assert outcome(answer) == (401, "key_needed")
    assert answer.headers["www-authenticate"] == 'Bearer realm="Facet"'


def test_scopes_open_what_they_say(settings: Settings, store: KeyStore) -> None:
    keys = {scope: store.create(scope.value, scope) for scope in Scope}
    with running(settings) as service:
        for scope, key in keys.items():
            assert service.get("/search?tag=rock", **with_key(key)).status_code == 200
            assert service.get("/search?tag=rock", headers={"x-api-key": key}).status_code == 200
            assert service.request("POST", "/query", json=ROCK, **with_key(key)).status_code == 200
            answer = service.request("POST", "/query", json=UNDER_A_PATH, **with_key(key))
            assert outcome(answer) == ((403, "insufficient_scope") if scope is Scope.READ else (200, None))
        # There are keys, so being on this machine is no longer enough.
        for method, address, options in [
            ("GET", "/tracks", {}),
            ("GET", "/search?tag=rock", {}),
            ("GET", "/search?tag=nonsense", {}),
            ("GET", "/dimensions", {}),
            ("POST", "/query", {"json": ROCK}),
            ("POST", "/similar", {"files": {"file": SOUND}}),
            ("POST", "/clips", {"content": b"not even multipart"}),
        ]:
            assert outcome(service.request(method, address, **options)) == (401, "key_needed")


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": f"Bearer {new_key()}"},
        {"authorization": "Bearer nonsense"},
        {"authorization": "Bearer "},
        {"authorization": "bearer\tx"},
        {"x-api-key": ""},
        {"x-api-key": new_key()},
        {"x-api-key": new_key()[:-1]},
    ],
)
def test_what_opens_nothing_is_refused_even_where_no_key_is_needed(shared: Service, headers: dict[str, str]) -> None:
    answer = shared.get("/tracks", headers=headers)
    assert outcome(answer) == (401, "invalid_key")
    for value in headers.values():
        assert len(value) < 10 or value.split()[-1] not in answer.text


def test_authorization_for_somebody_else_is_passed_over(settings: Settings, store: KeyStore) -> None:
    key = store.create("a", Scope.READ)
    basic = {"authorization": "Basic dXNlcjpwYXNz"}
    with running(settings) as service:
        assert service.get("/tracks", headers={**basic, "x-api-key": key}).status_code == 200
        assert outcome(service.get("/tracks", headers=basic)) == (401, "key_needed")


def test_a_new_key_is_known_and_a_revoked_one_worth_nothing_within_two_seconds(
    settings: Settings, store: KeyStore
) -> None:
    with running(settings) as service:
        assert service.get("/tracks").status_code == 200
        first = store.create("first", Scope.READ)
        until(lambda: service.get("/tracks").status_code == 401)
        assert service.get("/tracks", **with_key(first)).status_code == 200
        second = store.create("second", Scope.READ)
        until(lambda: service.get("/tracks", **with_key(second)).status_code == 200)
        store.revoke("first")
        until(lambda: outcome(service.get("/tracks", **with_key(first))) == (401, "invalid_key"))
        assert "'first' is revoked" in service.get("/tracks", **with_key(first)).json()["detail"]
        assert service.get("/tracks", **with_key(second)).status_code == 200
        # That no key is good any more does not open the door.
        store.revoke("second")
        until(lambda: service.get("/tracks", **with_key(second)).status_code == 401)
        assert outcome(service.get("/tracks")) == (401, "key_needed")
        store.forget("first")
        store.forget("second")
        until(lambda: service.get("/tracks").status_code == 200)


def test_a_key_runs_out_while_the_service_runs(settings: Settings, store: KeyStore) -> None:
    key = store.create("a", Scope.READ, expires_at=datetime.now(UTC) + timedelta(seconds=6))
    with running(settings) as service:
        assert service.get("/tracks", **with_key(key)).status_code == 200
        until(lambda: outcome(service.get("/tracks", **with_key(key))) == (401, "invalid_key"), seconds=15)
        assert outcome(service.get("/tracks")) == (401, "key_needed")


def test_when_a_key_was_last_used_is_kept_to_the_hour(
    settings: Settings, store: KeyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_ring, "FRESH_SECONDS", 0.05)
    key = store.create("a", Scope.READ)
    store.create("b", Scope.READ)
    with running(settings) as service:

        def used() -> list[datetime | None]:
            service.get("/tracks", **with_key(key))
            return [each.last_used_at for each in store.every()]

        until(lambda: used()[0] is not None)
        first = used()
        assert first[1] is None
        time.sleep(0.2)
        assert used() == used() == first


def test_keys_that_cannot_be_read_let_nobody_in(settings: Settings, store: KeyStore) -> None:
    key = store.create("a", Scope.READ)
    with running(settings) as service:
        assert service.get("/tracks", **with_key(key)).status_code == 200
        database = sqlite3.connect(settings.data_dir / "catalogue.db", isolation_level=None)
        database.execute("ALTER TABLE api_keys RENAME TO hidden")
        until(lambda: outcome(service.get("/dimensions", **with_key(key))) == (503, "not_ready"))
        assert service.get("/livez").status_code == 200
        assert service.get("/readyz").json() == {"ready": True, "checks": {}}
        # Whoever watches over it sees why.
        assert service.get("/metrics", **with_key(key)).status_code == 200
        assert outcome(service.get("/metrics")) == (401, "key_needed")
        database.execute("ALTER TABLE hidden RENAME TO api_keys")
        database.close()
        until(lambda: service.get("/dimensions", **with_key(key)).status_code == 200)


@pytest.mark.parametrize(
    ("word", "reading", "writing"),
    [("anyone-may-read", 200, 401), ("anyone-may-write", 200, 200), ("only-this-machine-reaches-it", 200, 200)],
)
def test_the_word_says_what_strangers_may_do(settings: Settings, word: str, reading: int, writing: int) -> None:
    with running(settings, allow_anonymous=word) as service:
        assert service.get(f"{ELSEWHERE}/search?tag=rock").status_code == reading
        assert service.request("POST", f"{ELSEWHERE}/query", json=UNDER_A_PATH).status_code == writing


def test_where_only_this_machine_asks_a_key_closes_the_door_and_elsewhere_the_word_stands(
    settings: Settings, store: KeyStore
) -> None:
    key = store.create("a", Scope.WRITE)
    with running(settings, allow_anonymous="only-this-machine-reaches-it") as service:
        assert outcome(service.get(f"{ELSEWHERE}/tracks")) == (401, "key_needed")
    with running(settings, allow_anonymous="anyone-may-read") as service:
        assert service.get(f"{ELSEWHERE}/tracks").status_code == 200
        asked = {"json": UNDER_A_PATH}
        assert service.request("POST", f"{ELSEWHERE}/query", **asked).status_code == 401
        assert service.request("POST", f"{ELSEWHERE}/query", **asked, **with_key(key)).status_code == 200


def test_strangers_are_told_that_the_service_is_ready_and_nothing_else(settings: Settings, store: KeyStore) -> None:
    key = store.create("a", Scope.READ)
    with running(settings) as service:
        assert service.get("/livez").text == "alive\n"
        assert service.get("/readyz").json() == {"ready": True, "checks": {}}
        assert service.get("/readyz", **with_key(new_key())).json() == {"ready": True, "checks": {}}
        assert set(service.get("/readyz", **with_key(key)).json()["checks"]) == {"database", "bundle", "index"}
        database = sqlite3.connect(settings.data_dir / "catalogue.db", isolation_level=None)
        database.execute("ALTER TABLE catalogue_state RENAME TO hidden")
        until(lambda: service.get("/readyz").status_code == 503, seconds=5)
        assert set(service.get("/readyz").json()) == {"type", "title", "status", "detail", "code", "request_id"}
        assert "catalogue" not in service.get("/readyz").text
        assert "catalogue" in service.get("/readyz", **with_key(key)).text
        database.close()


def test_a_key_in_letters_of_no_alphabet_of_ours_is_refused(shared: Service) -> None:
    assert outcome(shared.get("/tracks", headers={b"x-api-key": "é".encode()})) == (401, "invalid_key")


def test_another_site_is_told_no_more_of_the_service_s_health_than_a_stranger(shared: Service) -> None:
    assert shared.get("/readyz").json()["checks"] != {}
    for headers in ({"host": "evil.example"}, {"origin": "https://evil.example"}):
        assert shared.get("/readyz", headers=headers).json() == {"ready": True, "checks": {}}


def routes_of(routes: Iterable[BaseRoute]) -> Iterator[BaseRoute]:
    """All routes, those of included routers too."""
    for route in routes:
        included = getattr(route, "original_router", None)
        if included is None:
            yield route
        else:
            yield from routes_of(included.routes)


def test_every_route_says_who_may_ask_it(settings: Settings) -> None:
    # What a page or a monitor loads before anybody could have given it a key, and what is the same for everybody.
    needs_none = {"/livez", "/readyz", "/openapi.json", "/docs", "/docs/oauth2-redirect", "/static-offline-docs"}
    # The page, and what it asks before it can give a key, or to give it up.
    needs_none |= {"/", "/favicon.ico", "/web/{name:path}", "/session"}
    declared: dict[tuple[str, str], set[Scope]] = {}
    for route in routes_of(create_app(settings).routes):
        assert isinstance(route, Route | Mount)
        calls = [each.call for each in route.dependant.dependencies] if isinstance(route, APIRoute) else []
        for method in getattr(route, "methods", None) or {"GET"}:
            declared[method, route.path] = {call.scope for call in calls if hasattr(call, "scope")}
    assert {path for (_, path), scopes in declared.items() if not scopes} <= needs_none
    assert declared["GET", "/search"] == declared["POST", "/session"] == declared["GET", "/metrics"] == {Scope.READ}
    assert declared["POST", "/tracks"] >= {Scope.WRITE}
    del declared["DELETE", "/session"]
    for (method, path), scopes in declared.items():
        if method in {"PUT", "PATCH", "DELETE"}:
            assert scopes & {Scope.WRITE, Scope.ADMIN}, (method, path)


def test_the_openapi_document_says_how_a_key_is_sent(shared: Service) -> None:
    document = shared.get("/openapi.json").json()
    assert document["components"]["securitySchemes"] == {
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "description": "An API key that `facet keys create` made.",
        },
        "header": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "The same, by itself."},
    }
    # Either of them does.
    assert document["paths"]["/search"]["get"]["security"] == [{"bearer": []}, {"header": []}]
    assert "security" not in document["paths"]["/livez"]["get"]


# Other sites


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example"])
def test_a_page_that_had_its_name_point_here_gets_nothing(shared: Service, host: str) -> None:
    for method, address, options in [
        ("GET", "/tracks", {}),
        ("GET", "/docs", {}),
        ("POST", "/query", {"json": ROCK}),
        ("POST", "/similar", {"files": {"file": SOUND}}),
    ]:
        answer = shared.request(method, address, headers={"host": host}, **options)
        assert outcome(answer) == (421, "unknown_host")
        assert "FACET_HOSTS" in answer.json()["detail"]


def test_names_of_the_service_s_own_are_answered_to(settings: Settings, store: KeyStore) -> None:
    with running(settings, hosts=("music.lan",)) as service:
        assert service.get("/tracks", headers={"host": "music.lan:8000"}).status_code == 200
        assert service.get("/tracks", headers={"host": "other.lan"}).status_code == 421
    key = store.create("a", Scope.READ)
    with running(settings) as service:
        # Nobody's page has the key.
        headers = {"host": "other.lan", "x-api-key": key}
        assert service.get("/tracks", headers=headers).status_code == 200
        assert outcome(service.get("/tracks", headers={"host": "other.lan"})) == (401, "key_needed")


@pytest.mark.parametrize("method_and_address", [("POST", "/query"), ("POST", "/clips"), ("GET", "/search?tag=rock")])
def test_another_site_s_page_may_neither_change_nor_ask(shared: Service, method_and_address: tuple[str, str]) -> None:
    method, address = method_and_address
    headers = {"origin": "https://evil.example", "sec-fetch-site": "cross-site", "sec-fetch-mode": "cors"}
    answer = shared.request(method, address, headers=headers)
    assert outcome(answer) == (403, "other_site")
    assert "access-control-allow-origin" not in answer.headers


def test_by_default_no_origin_is_let_in(shared: Service) -> None:
    preflight = {"origin": "https://mine.example", "access-control-request-method": "POST"}
    answer = shared.request("OPTIONS", "/query", headers=preflight)
    assert answer.status_code == 403
    assert not any(name.startswith("access-control") for name in answer.headers)


def test_origins_that_are_named_are_let_in_and_no_others(settings: Settings, store: KeyStore) -> None:
    key = store.create("a", Scope.READ)
    mine = {"origin": "https://mine.example", "sec-fetch-site": "cross-site", "sec-fetch-mode": "cors"}
    with running(settings, cors_origins=("https://mine.example",)) as service:
        preflight = {**mine, "access-control-request-method": "POST", "access-control-request-headers": "authorization"}
        answer = service.request("OPTIONS", "/query", headers=preflight)
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == "https://mine.example"
        assert "access-control-allow-credentials" not in answer.headers
        asked = service.request("POST", "/query", json=ROCK, headers={**mine, "authorization": f"Bearer {key}"})
        assert asked.status_code == 200
        assert asked.headers["access-control-allow-origin"] == "https://mine.example"
        # A page must be able to read why it was refused.
        refused = service.request("POST", "/query", json=ROCK, headers=mine)
        assert outcome(refused) == (401, "key_needed")
        assert refused.headers["access-control-allow-origin"] == "https://mine.example"
        other = service.get("/tracks", headers={"origin": "https://evil.example", "authorization": f"Bearer {key}"})
        assert "access-control-allow-origin" not in other.headers


# What answers tell a browser


def policy(answer: httpx.Response) -> dict[str, list[str]]:
    parts = [part.split() for part in answer.headers["content-security-policy"].split(";")]
    return {name: values for name, *values in parts}


@pytest.mark.parametrize(
    ("method", "address", "options"),
    [
        ("GET", "/tracks", {}),
        ("GET", "/nothing", {}),
        ("GET", "/livez", {}),
        ("GET", "/docs", {}),
        ("GET", "/openapi.json", {}),
        ("GET", "/static-offline-docs/swagger-ui.css", {}),
        ("GET", f"{ELSEWHERE}/tracks", {}),
        ("GET", "/tracks", {"headers": {"host": "evil.example"}}),
        ("POST", "/query", {"content": b"x"}),
        ("OPTIONS", "/query", {}),
    ],
)
def test_every_answer_has_the_headers(shared: Service, method: str, address: str, options: dict[str, Any]) -> None:
    answer = shared.request(method, address, **options)
    for name, value in HEADERS.items():
        assert answer.headers.get_list(name) == [value]
    directives = policy(answer)
    assert directives["default-src"] == ["'none'"]
    assert directives["frame-ancestors"] == ["'none'"]
    assert directives["base-uri"] == ["'none'"]
    assert "'unsafe-inline'" not in directives["script-src"]
    assert "'unsafe-eval'" not in directives["script-src"]
    assert directives["connect-src"] == ["'self'"]
    if not address.startswith("/docs"):
        assert "unsafe" not in answer.headers["content-security-policy"]
    assert len(answer.headers.get_list("content-security-policy")) == 1
    assert "cache-control" in answer.headers
    assert "server" not in answer.headers


def test_an_answer_to_a_defect_has_the_headers_too(settings: Settings) -> None:
    with sqlite3.connect(settings.data_dir / "catalogue.db") as database:
        (track_id,) = database.execute("SELECT id FROM tracks LIMIT 1").fetchone()
        database.execute("UPDATE tracks SET added_at = 'no moment' WHERE id = ?", (track_id,))
    with running(settings) as service:
        answer = service.get(f"/tracks/{track_id}")
        assert answer.status_code == 500
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "script-src 'self'" in answer.headers["content-security-policy"]


def test_the_documentation_s_own_scripts_may_run_and_no_others(shared: Service) -> None:
    answer = shared.get("/docs")
    allowed = set(policy(answer)["script-src"])
    in_page = re.findall(r"<script>(.*?)</script>", answer.text, flags=re.DOTALL)
    assert in_page
    digests = {f"'sha256-{base64.b64encode(hashlib.sha256(each.encode()).digest()).decode()}'" for each in in_page}
    assert allowed == {"'self'", *digests}
    # No script stands in an attribute, where a digest would not do.
    assert not re.search(r"\son\w+=", answer.text)
    assert all(source.startswith("/") for source in re.findall(r'<script src="([^"]+)"', answer.text))
    # The problem that a wrong parameter of the same address gets is no page.
    assert "unsafe-inline" not in shared.get("/docs?x=1").headers["content-security-policy"]


def test_a_microphone_is_for_the_service_s_own_pages(shared: Service) -> None:
    assert "microphone=(self)" in shared.get("/livez").headers["permissions-policy"]
    assert policy(shared.get("/tracks"))["media-src"] == ["'self'", "blob:"]


# Limits


def test_who_asks_for_more_than_its_share_is_told_when_to_come_back(settings: Settings, store: KeyStore) -> None:
    keys = [store.create(name, Scope.READ) for name in "ab"]
    with running(settings, requests_per_second=2.0) as service:
        answers = [service.get("/dimensions", **with_key(keys[0])) for _ in range(14)]
        statuses = [answer.status_code for answer in answers]
        assert statuses[:10] == [200] * 10
        assert 429 in statuses
        refused = next(answer for answer in answers if answer.status_code == 429)
        assert outcome(refused) == (429, "too_many_requests")
        assert int(refused.headers["retry-after"]) >= 1
        # Its share is its own: not another key's, not the health calls'.
        assert service.get("/dimensions", **with_key(keys[1])).status_code == 200
        for _ in range(30):
            assert service.get("/readyz").status_code == 200
        time.sleep(int(refused.headers["retry-after"]))
        assert service.get("/dimensions", **with_key(keys[0])).status_code == 200


def test_the_page_s_own_files_count_against_no_rate(settings: Settings) -> None:
    with running(settings, requests_per_second=1.0) as service:
        named = re.findall(r'(?:href|src)="(/web/[^"]+)"', service.get("/").text)
        for address in ["/", *named] * 3:
            assert service.get(address).status_code == 200, address
        # What the page asks with them does.
        statuses = [service.get("/dimensions").status_code for _ in range(12)]
        assert statuses[:5] == [200] * 5
        assert 429 in statuses
        # So does what only looks like them.
        assert service.request("POST", "/").status_code == 429


def test_whoever_tries_keys_has_no_more_than_a_share(settings: Settings, store: KeyStore) -> None:
    store.create("a", Scope.READ)
    with running(settings, requests_per_second=1.0) as service:
        statuses = [service.get("/tracks", **with_key(new_key())).status_code for _ in range(12)]
        assert statuses[:5] == [401] * 5
        assert 429 in statuses


@pytest.mark.parametrize("what", ["requests_at_once", "uploads_at_once"])
def test_a_caller_has_only_so_many_requests_under_way(settings: Settings, what: str) -> None:
    rng = np.random.default_rng(1)
    clips = [encoded(tune(rng, seconds=30)) for _ in range(8)]
    with running(settings, **{what: 2}) as service, ThreadPoolExecutor(8) as executor:
        answers = list(executor.map(lambda clip: service.post_clip("/tags", clip), clips))
        outcomes = {outcome(answer) for answer in answers}
        assert outcomes == {(200, None), (429, "too_many_requests")}
        assert service.get("/tracks").status_code == 200


def test_an_answer_that_looks_no_deeper_says_so(settings: Settings, shared: Service) -> None:
    whole = shared.request("POST", "/query?limit=100", json=ROCK).json()
    assert whole["ended_at_depth"] is None
    questions = [ROCK, {**ROCK, "most_per_artist": 5}, {**ROCK, "duplicates_from": 1}, {**ROCK, "diversity": 0.5}]
    with running(settings, search_depth=12) as service:
        for question in questions:
            items: list[str] = []
            cursor = ""
            while True:
                answer = service.request("POST", f"/query?limit=5{cursor}", json=question).json()
                items += [item["track"]["id"] for item in answer["items"]]
                if answer["next_cursor"] is None:
                    break
                assert answer["ended_at_depth"] is None
                cursor = f"&cursor={answer['next_cursor']}"
            assert answer["ended_at_depth"] == 12
            assert set(items) == {item["track"]["id"] for item in whole["items"][:12]}
        everything = service.request("POST", "/query", json={**ROCK, "filters": {"duration_seconds": {"at_most": 3.5}}})
        left = everything.json()["filtered"]["left"]
        assert 0 < left <= 12
        assert everything.json()["ended_at_depth"] is None


def test_a_forged_cursor_is_refused(shared: Service) -> None:
    cursor = shared.get("/search?tag=rock&limit=5").json()["next_cursor"]
    fields = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    deep = base64.urlsafe_b64encode(fields.replace(b'"hits":5', b'"hits":5000000')).decode().rstrip("=")
    assert deep != cursor
    assert outcome(shared.get(f"/search?tag=rock&limit=5&cursor={deep}")) == (400, "invalid_cursor")


def test_cursors_hold_across_a_restart_and_in_every_process(settings: Settings) -> None:
    with running(settings) as first:
        cursor = first.get("/search?tag=rock&limit=5").json()["next_cursor"]
    with running(settings) as second:
        assert second.get(f"/search?tag=rock&limit=5&cursor={cursor}").status_code == 200


def test_a_clip_that_lasts_too_long_is_refused(settings: Settings) -> None:
    rng = np.random.default_rng(2)
    with running(settings, upload_seconds=10.0) as service:
        assert service.post_clip("/tags", encoded(tune(rng, seconds=10))).status_code == 200
        for kind in ("WAV", "FLAC"):
            answer = service.post_clip("/tags", encoded(tune(rng, seconds=11), kind=kind))
            assert outcome(answer) == (422, "too_long")
            assert answer.json()["detail"] == "the clip lasts 11 s, at most 10 s are allowed"


def until(holds: Callable[[], bool], *, seconds: float = 2.0) -> None:
    """What is promised within two seconds, from now."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)
