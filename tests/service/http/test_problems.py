"""Every refusal is a problem with its code, says what was wrong, and is documented where it can happen."""

import errno
import re
import shutil
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from index.audio import AudioErrorCode
from service.bundles.changeover import Changeover
from service.http.problems import KINDS, nearest_names
from service.http.refusals import RefusalError
from service.search.question import Example, Filters, Question
from service.settings import Settings
from tests.service.http.running import Service, encoded, ingested, running_service, tune
from tests.service.http.tiny_bundle import SLICES, TAGS, write_tiny_bundle

GONE = "00000000-0000-7000-8000-000000000000"
SOUND = encoded(tune(np.random.default_rng(3)))
CLIP = {"files": {"file": ("clip", SOUND)}}
RAW = {"content-type": "multipart/form-data; boundary=b"}


def multipart(*parts: str, end: str = "--b--\r\n") -> bytes:
    return ("".join(f"--b\r\n{part}\r\n" for part in parts) + end).encode()


def disposition(name: str, content: str = "x", *, filename: str | None = "a.wav") -> str:
    file = "" if filename is None else f'; filename="{filename}"'
    return f'Content-Disposition: form-data; name="{name}"{file}\r\n\r\n{content}'


REFUSED: list[tuple[str, int, str, str, dict[str, Any]]] = [
    ("unknown_parameter", 400, "GET", "/search?tag=rock&dimensions=x", {}),
    ("unknown_parameter", 400, "GET", "/tracks?offset=3", {}),
    ("unknown_parameter", 400, "GET", "/livez?x=1", {}),
    ("unknown_parameter", 400, "GET", "/docs?x=1", {}),
    ("unknown_parameter", 400, "GET", f"/tracks/{GONE}?limit=1", {}),
    ("unknown_parameter", 400, "GET", "/search?tag=rock&dimension=x", {}),
    ("unknown_parameter", 400, "POST", "/similar?exclude_same_artist=true", CLIP),
    ("unknown_parameter", 400, "POST", "/tags?weights=era:1", CLIP),
    ("unknown_parameter", 400, "GET", "/tags?dimension=era", {}),
    ("unknown_parameter", 400, "GET", f"/tracks/{GONE}/tags?excerpts=true", {}),
    ("invalid_parameter", 400, "GET", "/search", {}),
    ("invalid_parameter", 400, "GET", "/search?tag=rock&limit=0", {}),
    ("invalid_parameter", 400, "GET", "/search?tag=rock&limit=101", {}),
    ("invalid_parameter", 400, "GET", "/search?tag=rock&limit=ten", {}),
    ("invalid_parameter", 400, "GET", "/search?tag=rock&limit=1&limit=2", {}),
    ("invalid_parameter", 400, "GET", "/search?tag=rock&weights=", {}),
    ("invalid_parameter", 400, "GET", "/search?tag=rock&weights=x:1,x:2", {}),
    ("invalid_parameter", 400, "GET", "/search?tag=rock&weights=x:-1", {}),
    ("invalid_parameter", 400, "GET", "/search?tag=rock&weights=x:nan", {}),
    ("invalid_parameter", 400, "GET", "/search?tag=rock&weights=x:0", {}),
    ("invalid_parameter", 400, "GET", "/search?tag=rock&weights=x", {}),
    ("invalid_parameter", 400, "GET", f"/tracks/{GONE}/similar?exclude_same_artist=perhaps", {}),
    ("invalid_parameter", 400, "POST", "/tags?limit=0", CLIP),
    ("invalid_parameter", 400, "POST", "/tags?at_least=1.01", CLIP),
    ("invalid_parameter", 400, "POST", "/tags?at_least=nan", CLIP),
    ("invalid_parameter", 400, "POST", "/tags?excerpts=some", CLIP),
    ("invalid_parameter", 400, "GET", f"/clips/{'0' * 32}/tags?limit=many", {}),
    ("invalid_parameter", 400, "GET", f"/tracks/{GONE}/tags?at_least=0.1&at_least=0.2", {}),
    ("conflicting_parameters", 400, "POST", "/similar?dimension=x&weights=x:1", CLIP),
    ("conflicting_parameters", 400, "GET", "/search?tag=rock&weights=era:1", {}),
    ("conflicting_parameters", 400, "GET", "/search?tag=rock&weights=groove:tight:1,era:1", {}),
    ("invalid_cursor", 400, "GET", "/search?tag=rock&cursor=xyz", {}),
    ("invalid_cursor", 400, "GET", "/search?tag=rock&cursor=W10", {}),
    ("invalid_cursor", 400, "GET", "/tracks?cursor=%C3%A9", {}),
    ("unknown_tag", 400, "GET", "/search?tag=electronica", {}),
    ("unknown_dimension", 400, "POST", "/similar?dimension=eras", CLIP),
    ("unknown_dimension", 400, "GET", f"/tracks/{GONE}/similar?weights=eras:1", {}),
    ("unknown_dimension", 400, "POST", "/tags?dimension=eras", CLIP),
    ("unknown_dimension", 400, "GET", f"/clips/{'0' * 32}/tags?dimension=", {}),
    ("unknown_dimension", 400, "GET", f"/tracks/{GONE}/tags?dimension=era&dimension=ERA", {}),
    ("clip_not_found", 404, "GET", f"/clips/{'0' * 32}/tags", {}),
    ("not_found", 404, "GET", "/nothing", {}),
    ("not_found", 404, "GET", "/tracks/", {}),
    ("not_found", 404, "GET", "/static-offline-docs/nothing.js", {}),
    ("track_not_found", 404, "GET", f"/tracks/{GONE}", {}),
    ("track_not_found", 404, "GET", "/tracks/%00", {}),
    ("track_not_found", 404, "GET", f"/tracks/{GONE}/similar", {}),
    ("track_not_found", 404, "GET", f"/tracks/{GONE}/tags", {}),
    ("track_not_found", 404, "GET", f"/tracks/{GONE}/audio", {}),
    ("method_not_allowed", 405, "POST", "/search?tag=rock", {}),
    ("method_not_allowed", 405, "GET", "/similar", {}),
    ("method_not_allowed", 405, "PUT", f"/tracks/{GONE}", {}),
    ("not_multipart", 415, "POST", "/tracks", {"json": {}}),
    ("empty_file", 400, "POST", "/tracks", {"files": {"file": b""}}),
    ("missing_file", 400, "POST", "/tracks", {"content": multipart(), "headers": RAW}),
    ("upload_too_large", 413, "POST", "/tracks", {"files": {"file": bytes(2**20 + 1)}}),
    ("invalid_parameter", 400, "POST", "/tracks?label=%20", CLIP),
    ("unknown_parameter", 400, "POST", "/tracks?labels=a", CLIP),
    ("track_not_found", 404, "DELETE", f"/tracks/{GONE}", {}),
    ("track_not_found", 404, "PATCH", f"/tracks/{GONE}", {"json": {}}),
    ("unknown_field", 400, "PATCH", f"/tracks/{GONE}", {"json": {"label": ["a"]}}),
    ("not_json", 415, "PATCH", f"/tracks/{GONE}", {}),
    ("job_not_found", 404, "GET", f"/jobs/{GONE}", {}),
    ("job_not_found", 404, "GET", "/jobs/nonsense", {}),
    ("invalid_cursor", 400, "GET", "/jobs?cursor=xyz", {}),
    ("invalid_parameter", 400, "GET", "/jobs?state=lost", {}),
    ("not_multipart", 415, "POST", "/similar", {}),
    ("not_multipart", 415, "POST", "/similar", {"content": SOUND, "headers": {"content-type": "audio/wav"}}),
    ("not_multipart", 415, "POST", "/tags", {"json": {}}),
    (
        "malformed_upload",
        400,
        "POST",
        "/similar",
        {"content": b"x", "headers": {"content-type": "multipart/form-data"}},
    ),
    ("malformed_upload", 400, "POST", "/similar", {"content": b"no boundary", "headers": RAW}),
    ("malformed_upload", 400, "POST", "/similar", {"content": multipart(disposition("file"), end=""), "headers": RAW}),
    ("malformed_upload", 400, "POST", "/similar", {"content": multipart("A: b\r\n\r\nx"), "headers": RAW}),
    ("missing_file", 400, "POST", "/similar", {"content": multipart(), "headers": RAW}),
    ("missing_file", 400, "POST", "/similar", {"content": b"", "headers": RAW}),
    (
        *("missing_file", 400, "POST", "/similar"),
        {"content": multipart(disposition("file", filename=None)), "headers": RAW},
    ),
    ("unknown_field", 400, "POST", "/similar", {"files": {"fiel": SOUND}}),
    ("unknown_field", 400, "POST", "/similar", {"files": {"file": SOUND}, "data": {"dimension": "era"}}),
    ("several_files", 400, "POST", "/tags", {"files": [("file", SOUND), ("file", SOUND)]}),
    ("empty_file", 400, "POST", "/tags", {"files": {"file": b""}}),
    ("upload_too_large", 413, "POST", "/similar", {"files": {"file": bytes(2**20 + 1)}}),
    ("not_audio", 415, "POST", "/similar", {"files": {"file": b"Thirty spokes share one hub."}}),
    ("too_short", 422, "POST", "/similar", {"files": {"file": encoded(np.full(800, 0.5, np.float32))}}),
    ("silent", 422, "POST", "/tags", {"files": {"file": encoded(np.zeros(24_000, np.float32))}}),
]


def refused_question(code: str, status: int, question: object) -> tuple[str, int, str, str, dict[str, Any]]:
    return (code, status, "POST", "/query", {"json": question})


JSON = {"content-type": "application/json"}
ROCK = {"tags": {"rock": 1}}
REFUSED += [
    ("unknown_parameter", 400, "POST", "/query?offset=1", {"json": ROCK}),
    ("invalid_parameter", 400, "POST", "/query?limit=0", {"json": ROCK}),
    ("invalid_cursor", 400, "POST", "/query?cursor=xyz", {"json": ROCK}),
    ("invalid_cursor", 400, "POST", "/query?cursor=xyz", {"json": {**ROCK, "diversity": 0.5}}),
    ("not_json", 415, "POST", "/query", {}),
    ("not_json", 415, "POST", "/query", CLIP),
    ("malformed_json", 400, "POST", "/query", {"content": b'{"tags": ', "headers": JSON}),
    ("malformed_json", 400, "POST", "/query", {"content": b'{"tags": {"rock": NaN}}', "headers": JSON}),
    ("malformed_json", 400, "POST", "/query", {"content": b'{"tags": {"rock": 1, "rock": 2}}', "headers": JSON}),
    ("malformed_json", 400, "POST", "/query", {"content": b"\xff\xfe", "headers": JSON}),
    ("malformed_json", 400, "POST", "/query", {"content": b"[" * 100_000, "headers": JSON}),
    ("body_too_large", 413, "POST", "/query", {"content": b" " * (2**18 + 1), "headers": JSON}),
    refused_question("invalid_parameter", 400, []),
    refused_question("invalid_parameter", 400, {}),
    refused_question("invalid_parameter", 400, {"positive": [{}]}),
    refused_question("invalid_parameter", 400, {"positive": [{"track": GONE, "clip": "x"}]}),
    refused_question("invalid_parameter", 400, {"positive": [{"clip": "x", "start_seconds": 1}]}),
    refused_question("invalid_parameter", 400, {"positive": [{"track": GONE, "start_seconds": 2, "end_seconds": 1}]}),
    refused_question("invalid_parameter", 400, {"positive": [{"track": GONE, "weight": -1}]}),
    refused_question("invalid_parameter", 400, {"tags": {"rock": "much"}}),
    refused_question("invalid_parameter", 400, {"tags": {"rock": 1, "ROCK": 2}}),
    refused_question("invalid_parameter", 400, {"tags": dict.fromkeys(map(str, range(101)), 1)}),
    refused_question("invalid_parameter", 400, {**ROCK, "weights": {"groove:tight": -1}}),
    refused_question("invalid_parameter", 400, {**ROCK, "weights": {"groove:tight": 0}}),
    refused_question("invalid_parameter", 400, {**ROCK, "ceilings": {"groove:tight": 2}}),
    refused_question("invalid_parameter", 400, {**ROCK, "ceilings": {"era": 0.5}}),
    refused_question("invalid_parameter", 400, {**ROCK, "filters": {"year": {"at_least": 2, "at_most": 1}}}),
    refused_question("invalid_parameter", 400, {**ROCK, "filters": {"path_prefix": "music/jazz"}}),
    refused_question("invalid_parameter", 400, {**ROCK, "diversity": 1.5}),
    refused_question("invalid_parameter", 400, {**ROCK, "diversity": 0.5, "group_by": "excerpt"}),
    refused_question("invalid_parameter", 400, {**ROCK, "group_by": "artist"}),
    refused_question("invalid_parameter", 400, {**ROCK, "most_per_artist": 0}),
    refused_question("invalid_parameter", 400, {**ROCK, "duplicates_from": 0}),
    refused_question("invalid_parameter", 400, {**ROCK, "exclude_same_artist": "perhaps"}),
    refused_question("unknown_field", 400, {"tag": {"rock": 1}}),
    refused_question("unknown_field", 400, {**ROCK, "filters": {"yaer": {}}}),
    refused_question("unknown_tag", 400, {"tags": {"electronica": 1}}),
    refused_question("unknown_tag", 400, {**ROCK, "filters": {"tags": {"electronica": {}}}}),
    refused_question("unknown_dimension", 400, {**ROCK, "ceilings": {"eras": 0.5}}),
    refused_question("conflicting_parameters", 400, {**ROCK, "weights": {"era": 1}}),
    refused_question("track_not_found", 404, {"positive": [{"track": GONE}]}),
    refused_question("track_not_found", 404, {"positive": [{"track": "\0"}]}),
    refused_question("clip_not_found", 404, {"negative": [{"clip": "0" * 32}]}),
    refused_question("no_direction", 422, {"tags": {"rock": 0}}),
    ("not_multipart", 415, "POST", "/clips", {"json": {}}),
    ("silent", 422, "POST", "/clips", {"files": {"file": encoded(np.zeros(24_000, np.float32))}}),
    ("invalid_parameter", 400, "GET", "/path", {}),
    ("invalid_parameter", 400, "GET", f"/path?from={GONE}&to=x&steps=1", {}),
    ("invalid_parameter", 400, "GET", f"/path?from={GONE}&to=x&steps=51", {}),
    ("conflicting_parameters", 400, "GET", f"/path?from={GONE}&to={GONE}", {}),
    ("track_not_found", 404, "GET", f"/path?from={GONE}&to=x", {}),
    ("unknown_dimension", 400, "GET", f"/path?from={GONE}&to=x&dimension=eras", {}),
    ("unknown_parameter", 400, "GET", f"/path?start={GONE}&to=x", {}),
]


@pytest.mark.parametrize(("code", "status", "method", "address", "options"), REFUSED)
def test_what_is_wrong_is_refused_with_its_code(
    shared: Service, *, code: str, status: int, method: str, address: str, options: dict[str, Any]
) -> None:
    assert_problem(shared.request(method, address, **options), code, status)


def assert_problem(answer: httpx.Response, code: str, status: int) -> dict[str, Any]:
    problem = dict(answer.json())
    assert (problem["code"], answer.status_code) == (code, status), problem
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["status"] == status
    assert problem["type"] == f"urn:facet:problem:{code}"
    assert problem["title"] == KINDS[code].title
    assert problem["detail"]
    return problem


@pytest.mark.parametrize(
    ("address", "nearest", "known"),
    [
        ("/search?tag=Electronik", ["electronic"], [name for name, _ in TAGS]),
        ("/search?tag=rok", ["rock"], [name for name, _ in TAGS]),
        ("/search?tag=zzz", [], [name for name, _ in TAGS]),
        ("/search?tags=rock", ["tag"], ["tag", "weights", "label", "limit", "cursor"]),
        (f"/tracks/{GONE}/similar?dimension=KLANGFARBE", ["klang farbe"], list(SLICES)),
        (f"/tracks/{GONE}/similar?weights=groove-tight:1", ["groove:tight"], list(SLICES)),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest_and_all_known(
    shared: Service, address: str, nearest: list[str], known: list[str]
) -> None:
    problem = shared.get(address).json()
    assert problem["nearest"] == nearest
    assert problem["known"] == known


@pytest.mark.parametrize(
    ("question", "nearest", "known"),
    [
        ({"tags": {"Electronik": 1}}, ["electronic"], [name for name, _ in TAGS]),
        ({"tags": {"rock": 1}, "weights": {"groove-tight": 1}}, ["groove:tight"], list(SLICES)),
        ({**ROCK, "filters": {"yaer": {}}}, ["year"], list(Filters.model_fields)),
        ({**ROCK, "filters": {"tags": {"rock": {"atleast": 1}}}}, ["at_least"], ["at_least", "at_most"]),
        ({"positve": []}, ["positive"], list(Question.model_fields)),
        ({"positive": [{"trak": "x"}]}, ["track"], list(Example.model_fields)),
    ],
)
def test_an_unknown_name_in_a_question_is_answered_with_the_nearest_and_all_known(
    shared: Service, question: dict[str, Any], nearest: list[str], known: list[str]
) -> None:
    problem = shared.request("POST", "/query", json=question).json()
    assert problem["nearest"][:1] == nearest
    assert problem["known"] == known


def test_a_question_is_described_for_programs(shared: Service) -> None:
    document = shared.get("/openapi.json").json()
    body = document["paths"]["/query"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert body == {"$ref": "#/components/schemas/Question"}
    described = document["components"]["schemas"]["Question"]
    assert set(described["properties"]) == set(Question.model_fields)
    assert "required" not in described
    assert described["additionalProperties"] is False
    answers = document["paths"]["/query"]["post"]["responses"]["200"]["content"]
    assert set(answers) == {"application/json", "audio/x-mpegurl", "application/vnd.apache.parquet"}


def test_of_names_that_differ_only_in_case_both_are_known() -> None:
    assert nearest_names("hous", ["house", "HOUSE", "horse"])[0] in {"house", "HOUSE"}


def test_the_order_of_parts_and_capital_letters_in_headers_do_not_matter(shared: Service) -> None:
    body = b'--B\r\nCONTENT-disposition: form-data; FILENAME="x"; name="file"\r\n\r\n' + SOUND + b"\r\n--B--"
    answer = shared.request(
        "POST", "/tags", content=body, headers={"content-type": "Multipart/Form-Data; boundary=B; charset=utf-8"}
    )
    assert answer.status_code == 200, answer.text


def test_a_method_that_is_not_answered_is_told_which_are(shared: Service) -> None:
    assert shared.request("DELETE", "/search").headers["allow"] == "GET"
    answer = shared.request("DELETE", "/tags")
    assert answer.headers["allow"] == "GET, POST"
    assert "answers GET, POST, not DELETE" in answer.json()["detail"]
    assert shared.request("DELETE", "/docs").headers["allow"] == "GET"


def test_a_track_that_cannot_be_taken_is_not_called_a_clip(shared: Service) -> None:
    problem = shared.request("POST", "/tracks", files={"file": b""}).json()
    assert (problem["title"], problem["detail"]) == ("The file is empty", "the file has no bytes")
    document = shared.get("/openapi.json").json()
    for status, answer in document["paths"]["/tracks"]["post"]["responses"].items():
        assert "clip" not in answer["description"], status


LONG = "x" * 9000


@pytest.mark.parametrize(
    ("method", "address", "options", "says"),
    [
        ("GET", f"/search?tag={LONG}", {}, "should have at most"),
        ("GET", f"/search?tag=rock&weights={LONG}", {}, "weights: "),
        ("GET", f"/search?tag=rock&{LONG}=1", {}, "it takes tag, weights"),
        ("GET", f"/tracks/{LONG}", {}, "in the catalogue"),
        ("GET", f"/{LONG}", {}, "/docs lists every call"),
        ("POST", "/query", {"json": {"positive": [{"track": "x"}] * 5000}}, "at most 100 items, not 5000"),
        ("POST", "/query", {"json": {"positive": [{"track": 1}] * 100}}, "and 95 more"),
        ("POST", "/query", {"json": {"tags": {LONG: 1}}}, "should have at most"),
        ("POST", "/query", {"json": {"tags": {str(n): 1 for n in range(101)}}}, "object should have at most 100"),
        ("POST", "/query", {"json": {LONG: 1}}, "it takes positive, negative"),
        ("POST", "/query", {"json": {"tags": {"rock": 1}, "filters": {"labels": ["a"]}}}, "should be an object"),
        ("POST", "/query", {"json": {"tags": None}}, "should be an object, found null"),
    ],
)
def test_a_mistake_is_named_in_plain_words_and_no_more_of_it_repeated_than_shows_which_it_was(
    shared: Service, *, method: str, address: str, options: dict[str, Any], says: str
) -> None:
    answer = shared.request(method, address, **options)
    detail = answer.json()["detail"]
    assert 400 <= answer.status_code < 500
    assert says in detail
    assert len(detail) <= 1000
    for word in ("dictionary", "instance of", "LabelFilter", "after validation"):
        assert word not in detail


def test_a_disk_without_room_is_said_and_recovered_from(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "/secret/place")

    with monkeypatch.context() as patch:
        patch.setattr("service.http.uploads.tempfile.mkstemp", refuse)
        answer = service.post_clip("/tags", SOUND)
        assert_problem(answer, "no_room", 507)
        assert "secret" not in answer.text
    assert service.post_clip("/tags", SOUND).status_code == 200


def test_an_operating_system_s_other_errors_are_mistakes_of_the_service(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr("service.http.uploads.tempfile.mkstemp", refuse)
    assert_problem(service.post_clip("/tags", SOUND), "internal_error", 500)


def test_every_reason_of_the_decoder_is_a_kind_of_problem() -> None:
    assert {code.value for code in AudioErrorCode} <= set(KINDS)


def test_every_refusal_of_the_domain_is_a_kind_of_problem(shared: Service) -> None:
    assert shared  # everything is imported

    def codes(kind: type[RefusalError]) -> set[str]:
        own = {kind.code} if hasattr(kind, "code") else set()
        return own.union(*(codes(each) for each in kind.__subclasses__()))

    assert codes(RefusalError) <= set(KINDS)


def test_a_decoder_that_takes_too_long_is_a_problem(settings: Settings) -> None:
    with running_service(settings.model_copy(update={"decode_seconds": 1e-6})) as service:
        assert_problem(service.post_clip("/similar", SOUND), "timed_out", 422)


def test_a_track_of_another_model_s_catalogue_is_a_conflict(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Changeover, "start", lambda _: None)
    shutil.rmtree(settings.bundles_dir, ignore_errors=True)
    other = settings.model_copy(update={"model": write_tiny_bundle(tmp_path / "other", seed=2)})
    (tmp_path / "one.wav").write_bytes(SOUND)
    ingested(other, tmp_path / "one.wav")
    with running_service(other) as service:
        statuses: dict[int, list[httpx.Response]] = {}
        for track in service.every_item("/tracks", limit=100):
            told = service.get(f"/tracks/{track['id']}").json()["tags"]
            for call in ("similar", "tags"):
                answer = service.get(f"/tracks/{track['id']}/{call}")
                statuses.setdefault(answer.status_code, []).append(answer)
                assert bool(told) == (answer.status_code == 200)
        assert len(statuses[200]) == 2
        for answer in statuses[409]:
            assert_problem(answer, "track_not_embedded", 409)


def test_an_example_without_a_direction_is_a_problem(settings: Settings) -> None:
    with sqlite3.connect(settings.data_dir / "catalogue.db") as database:
        track_id, vector = database.execute("SELECT track_id, vector FROM embeddings LIMIT 1").fetchone()
        numbers = np.frombuffer(vector, "<f4").copy()
        numbers[slice(*SLICES["era"])] = 0
        database.execute("UPDATE embeddings SET vector = ? WHERE track_id = ?", (numbers.tobytes(), track_id))
    with running_service(settings) as service:
        assert_problem(service.get(f"/tracks/{track_id}/similar?dimension=era"), "no_direction", 422)
        mixed = service.get(f"/tracks/{track_id}/similar?weights=era:1,x:1")
        assert "era" not in mixed.json()["items"][0]["dimensions"]


def test_a_mistake_of_the_service_leaks_nothing(settings: Settings) -> None:
    with sqlite3.connect(settings.data_dir / "catalogue.db") as database:
        (track_id,) = database.execute("SELECT id FROM tracks LIMIT 1").fetchone()
        database.execute("UPDATE tracks SET added_at = 'no moment' WHERE id = ?", (track_id,))
    with running_service(settings) as service:
        answer = service.get(f"/tracks/{track_id}")
        problem = assert_problem(answer, "internal_error", 500)
        assert "moment" not in answer.text
        assert set(problem) == {"type", "title", "status", "detail", "code", "request_id"}


def test_a_catalogue_out_of_reach_is_said_and_recovered_from(service: Service) -> None:
    database = sqlite3.connect(service.settings.data_dir / "catalogue.db", isolation_level=None)
    database.execute("ALTER TABLE catalogue_state RENAME TO hidden_state")
    database.execute("ALTER TABLE tracks RENAME TO hidden_tracks")
    answer = _until(lambda: service.get("/readyz"), 503)
    problem = assert_problem(answer, "not_ready", 503)
    assert problem["checks"]["database"]["ready"] is False
    assert "catalogue cannot be read" in problem["checks"]["database"]["reason"]
    assert int(answer.headers["retry-after"]) > 0
    answer = service.get("/tracks")
    assert_problem(answer, "not_ready", 503)
    assert "sqlite" not in answer.text
    assert service.get("/livez").status_code == 200
    database.execute("ALTER TABLE hidden_state RENAME TO catalogue_state")
    database.execute("ALTER TABLE hidden_tracks RENAME TO tracks")
    database.close()
    _until(lambda: service.get("/readyz"), 200)
    assert service.get("/tracks").status_code == 200


def test_every_problem_is_documented_where_it_can_happen(shared: Service) -> None:
    document = shared.get("/openapi.json").json()
    assert "Problem" in document["components"]["schemas"]
    assert "HTTPValidationError" not in document["components"]["schemas"]
    documented: set[str] = set()
    for path, calls in document["paths"].items():
        for method, call in calls.items():
            responses = call["responses"]
            assert "default" in responses
            for status, response in responses.items():
                if status not in {"200", "201", "202", "204", "206", "304"}:
                    schema = response["content"]["application/problem+json"]["schema"]
                    assert schema == {"$ref": "#/components/schemas/Problem"}
                    documented.update(re.findall(r"`(\w+)`", response["description"]))
            for code, status, refused_method, address, _ in REFUSED:
                template = re.sub(r"/(track|clip|job)s/[^/?]+", r"/\1s/{\1_id}", address).partition("?")[0]
                if (template, refused_method.lower()) == (path, method) and status != 405:
                    assert f"`{code}`" in responses[str(status)]["description"], (path, code)
    # These are of no call: there is none at that address, or none of that method, or it was no request.
    assert documented == set(KINDS) - {"not_found", "method_not_allowed", "malformed_request"}


def test_every_part_that_the_document_refers_to_is_in_it(shared: Service) -> None:
    document = shared.get("/openapi.json").json()
    referred_to = re.findall(r'"#/components/schemas/(\w+)"', shared.get("/openapi.json").text)
    assert referred_to
    assert set(referred_to) <= set(document["components"]["schemas"])


def test_the_documentation_loads_nothing_from_another_host(shared: Service) -> None:
    page = shared.get("/docs").text
    assert "swagger-ui-bundle.js" in page
    addresses = re.findall(r"""(?:src|href)\s*=\s*["']([^"']+)|url\(([^)]+)\)""", page)
    assert addresses
    for address in (first or second for first, second in addresses):
        assert address.startswith("/")
        assert not address.startswith("//")
        assert shared.get(address).status_code == 200
    assert "://" not in page
    # Swagger's own badge would ask a validator elsewhere.
    assert '"validatorUrl": null' in page
    assert "url(http" not in shared.get("/static-offline-docs/swagger-ui.css").text


def _until(ask: Callable[[], httpx.Response], status: int) -> httpx.Response:
    deadline = time.monotonic() + 5
    while (answer := ask()).status_code != status:
        assert time.monotonic() < deadline, answer.text
        time.sleep(0.02)
    return answer
