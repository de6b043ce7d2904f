"""Which requests without a key are taken for those of another site's page."""

import pytest
from starlette.datastructures import Headers

from service.http.refusals import OtherSiteError, RefusalError, UnknownHostError
from service.safety.addresses import client_network, host_name, is_from_this_machine, is_loopback, is_own_name
from service.safety.browsers import refuse_other_names, refuse_other_sites

HERE = "127.0.0.1:8000"


def refusal(headers: dict[str, str], method: str = "GET", **names: tuple[str, ...]) -> type[RefusalError] | None:
    try:
        refuse_other_names(Headers(headers), hosts=names.get("hosts", ()))
        refuse_other_sites(Headers(headers), method, cors_origins=names.get("cors_origins", ()))
    except RefusalError as error:
        return type(error)
    return None


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8000", "127.0.0.1", "localhost:8000", "LOCALHOST", "[::1]:8000", "[::1]", "192.168.1.5:8000"]
)
def test_an_address_and_localhost_are_the_service_s_own_names(host: str) -> None:
    assert refusal({"host": host}) is None


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "evil.example:8000", "127.0.0.1.evil.example", "localhost.evil.example", "evil.localhost"),
        *(
            "",
            "127.1",
            "0x7f000001",
            "2130706433",
            "localhost@evil.example",
            "[evil.example]",
            "127.0.0.1 evil.example",
        ),
    ],
)
def test_a_name_that_somebody_may_have_made_is_not(host: str) -> None:
    assert refusal({"host": host}) is UnknownHostError


def test_names_can_be_given() -> None:
    hosts = ("music.lan", "Api")
    for host in ("music.lan", "music.lan.:8000", "MUSIC.LAN:80", "api:8000"):
        assert refusal({"host": host}, hosts=hosts) is None
    assert refusal({"host": "other.lan"}, hosts=hosts) is UnknownHostError


@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"sec-fetch-site": "same-origin", "origin": f"http://{HERE}", "sec-fetch-mode": "cors"},
        {"sec-fetch-site": "none", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"},
        {"origin": f"http://{HERE}"},
        {"origin": f"https://{HERE}"},  # behind a proxy with TLS
    ],
)
def test_programs_and_the_service_s_own_pages_may_ask(method: str, headers: dict[str, str]) -> None:
    assert refusal({"host": HERE, **headers}, method) is None


@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "cors", "origin": "https://evil.example"},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"},
        # Another program's page on this machine.
        {"sec-fetch-site": "same-site", "sec-fetch-mode": "cors", "origin": "http://127.0.0.1:3000"},
        {"sec-fetch-site": "unheard-of"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:3000"},
        {"origin": ""},
    ],
)
def test_another_site_s_page_may_not(method: str, headers: dict[str, str]) -> None:
    assert refusal({"host": HERE, **headers}, method) is OtherSiteError


def test_a_link_may_be_followed_but_a_form_may_not_be_sent() -> None:
    followed = {
        "host": HERE,
        "sec-fetch-site": "cross-site",
        "sec-fetch-mode": "navigate",
        "sec-fetch-dest": "document",
    }
    assert refusal(followed) is None
    assert refusal({**followed, "origin": "https://evil.example"}, "POST") is OtherSiteError


def test_origins_can_be_let_in() -> None:
    headers = {"host": HERE, "sec-fetch-site": "cross-site", "origin": "https://mine.example"}
    assert refusal(headers, "POST", cors_origins=("https://mine.example",)) is None
    assert refusal(headers, "POST", cors_origins=("https://mine.example.evil",)) is OtherSiteError


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        *(("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("localhost", True)),
        *(("0.0.0.0", False), ("::", False), ("192.168.0.1", False), ("example.org", False), ("", False)),  # noqa: S104
    ],
)
def test_loopback_is_told_from_the_rest(host: str, *, expected: bool) -> None:
    assert is_loopback(host) is expected


@pytest.mark.parametrize("header", ["X-Forwarded-For", "X-Real-IP", "Forwarded"])
def test_what_a_proxy_hands_on_is_not_from_this_machine(header: str) -> None:
    scope = {"type": "http", "server": ("127.0.0.1", 8000), "headers": []}
    assert is_from_this_machine(scope)
    assert not is_from_this_machine({**scope, "headers": [(header.lower().encode(), b"8.8.8.8")]})
    assert not is_from_this_machine({**scope, "server": ("10.0.0.3", 8000)})
    assert not is_from_this_machine({**scope, "server": None})


def test_an_ipv6_network_is_one_client() -> None:
    def of(address: str) -> str:
        return client_network({"client": (address, 1)})

    assert of("2001:db8::1") == of("2001:db8::ffff:1") != of("2001:db8:0:1::1")
    assert of("::ffff:10.0.0.1") == of("10.0.0.1") != of("10.0.0.2")
    assert client_network({"client": None}) == client_network({})


@pytest.mark.parametrize("host", ["", "[", "[::1", ":", ":::", "a" * 5000, "\x00"])
def test_a_damaged_host_is_nobody_s_name(host: str) -> None:
    host_name(host)
    assert is_own_name(host, ()) is (host == "[::1")
