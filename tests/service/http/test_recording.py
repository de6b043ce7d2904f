"""Every request has an id that is in the answer, in the log and in a problem, and is counted under few names."""

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from service.http.request_record import REQUEST_ID_HEADER
from service.operations.logs import log_formatter
from service.settings import Settings
from tests.service.http.running import Service, running_service
from tests.service.http.test_problems import SOUND

SOUGHT = "sesame-of-the-query-string"


class Lines(logging.Handler):
    """The log as a program reads it."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(log_formatter(is_text=False))
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))

    def events(self, name: str) -> list[dict[str, Any]]:
        return [event for event in map(json.loads, self.lines) if event["event"] == name]


@pytest.fixture
def log() -> Iterator[Lines]:
    handler = Lines()
    logger = logging.getLogger("service")
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(before)


def figures(service: Service) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    answer = service.get("/metrics")
    assert answer.status_code == 200
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def figure(found: dict[tuple[str, frozenset[tuple[str, str]]], float], name: str, **labels: str) -> float:
    return found.get((name, frozenset(labels.items())), 0.0)


def test_an_answer_has_the_id_that_the_client_gave(shared: Service) -> None:
    answer = shared.get("/livez", headers={REQUEST_ID_HEADER: "4bf92f35-77b3:1"})
    assert answer.headers[REQUEST_ID_HEADER] == "4bf92f35-77b3:1"


@pytest.mark.parametrize("sent", ["", "a b", "x" * 129, "é", '"', "-x", "a\tb", "{}"])
def test_an_id_that_could_be_mistaken_for_something_else_is_replaced(shared: Service, sent: str) -> None:
    ids = {
        shared.get("/livez", headers={REQUEST_ID_HEADER: sent.encode()}).headers[REQUEST_ID_HEADER] for _ in range(2)
    }
    assert len(ids) == 2
    assert all(len(each) == 32 and int(each, 16) for each in ids)


@pytest.mark.parametrize("address", ["/nothing", "/search?tag=no-such-tag", "/tracks/x", "/search?x=1"])
def test_a_problem_has_the_request_s_id(shared: Service, address: str) -> None:
    answer = shared.get(address)
    assert answer.status_code >= 400
    assert answer.json()["request_id"] == answer.headers[REQUEST_ID_HEADER]


def test_a_request_is_one_event_without_what_was_asked(shared: Service, log: Lines) -> None:
    answer = shared.get(f"/search?tag=rock&cursor={SOUGHT}")
    assert answer.status_code == 400
    shared.post_clip("/similar?dimension=era", SOUND)
    shared.get("/nothing/" + SOUGHT)
    refused, found, lost = log.events("request_answered")
    assert (refused["route"], refused["status"], refused["problem"]) == ("/search", 400, "invalid_cursor")
    assert refused["request_id"] == answer.headers[REQUEST_ID_HEADER]
    assert (refused["level"], refused["method"]) == ("info", "GET")
    assert 0 < refused["seconds"] < 10
    assert (found["route"], found["status"], found["dimension"]) == ("/similar", 200, "era")
    assert (lost["route"], lost["status"]) == ("(none)", 404)
    assert not any(SOUGHT in line for line in log.lines)


def test_what_is_asked_every_second_is_told_to_those_who_want_everything(shared: Service, log: Lines) -> None:
    for address in ("/livez", "/readyz", "/metrics"):
        shared.get(address)
    assert [event["level"] for event in log.events("request_answered")] == ["debug"] * 3


def test_a_mistake_of_the_service_is_logged_under_its_request_and_answered(
    settings: Settings, log: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a defect")

    with running_service(settings) as service:
        monkeypatch.setattr("service.catalogue.repository.Catalogue.list_tracks", break_down)
        answer = service.get("/tracks")
        assert answer.status_code == 500
        assert answer.json()["code"] == "internal_error"
        assert "defect" not in answer.text
        (failed,) = log.events("request_failed")
        assert "ZeroDivisionError: a defect" in failed["exception"]
        assert failed["request_id"] == answer.headers[REQUEST_ID_HEADER] == answer.json()["request_id"]
        found = figures(service)
        assert figure(found, "facet_requests_total", method="GET", route="/tracks", status="500") == 1
        assert figure(found, "facet_problems_total", code="internal_error") == 1


def test_requests_are_counted_by_route_and_timed_by_dimension(service: Service) -> None:
    before = figures(service)
    for address in ("/search?tag=rock", "/search?tag=rock", "/tracks/x", "/tracks/y", "/a", "/b"):
        service.get(address)
    service.post_clip("/similar?dimension=era", SOUND)
    service.post_clip("/similar", SOUND)
    service.post_clip("/similar", b"Thirty spokes share one hub.")
    service.request("BREW", "/livez")
    after = figures(service)

    def rose(name: str, **labels: str) -> float:
        return figure(after, name, **labels) - figure(before, name, **labels)

    assert rose("facet_requests_total", method="GET", route="/search", status="200") == 2
    assert rose("facet_requests_total", method="GET", route="/tracks/{track_id}", status="404") == 2
    assert rose("facet_requests_total", method="GET", route="(none)", status="404") == 2
    assert rose("facet_requests_total", method="(unknown)", route="/livez", status="405") == 1
    assert rose("facet_request_seconds_count", route="/similar", dimension="era") == 1
    assert rose("facet_request_seconds_count", route="/similar", dimension="(several)") == 1
    assert rose("facet_request_seconds_sum", route="/similar", dimension="era") > 0
    assert rose("facet_decode_failures_total", code="not_audio") == 1
    assert rose("facet_problems_total", code="track_not_found") == 2


def test_the_state_of_the_service_is_told(service: Service) -> None:
    found = figures(service)
    assert {figure(found, "facet_ready", part=part) for part in ("database", "bundle", "index")} == {1.0}
    assert figure(found, "facet_catalogue_tracks") == figure(found, "facet_index_tracks") == 30
    assert figure(found, "facet_catalogue_revision") == figure(found, "facet_index_revision") == 30
    assert 0 <= figure(found, "facet_catalogue_age_seconds") < 5
    assert figure(found, "facet_clips_waiting") == 0
    assert figure(found, "facet_requests_in_flight") == 1  # this very one
    assert ("facet_snapshot_age_seconds", frozenset()) not in found  # so few tracks need no snapshot


def test_openmetrics_is_spoken_to_who_asks_for_it(shared: Service) -> None:
    answer = shared.get("/metrics", headers={"accept": "application/openmetrics-text; version=1.0.0"})
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")
