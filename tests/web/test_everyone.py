"""The page for everyone: keys alone, a phone, accessibility rules, no network, errors that help, a strict policy."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

Opened = Callable[..., Page]
VIEWS = {"start": "/", "map": "/?view=map", "path": "/?view=path", "about": "/?view=about"}
# Where the main states are saved as pictures; `FACET_TEST_SCREENSHOTS=docs/images` renews those of the README.
SCREENSHOTS = os.environ.get("FACET_TEST_SCREENSHOTS")


def asked(page: Page) -> Page:
    page.locator("#rows .more-like").first.click()
    expect(page.locator("#rows .why").first).to_be_visible()
    return page


def loaded(page: Page, view: str) -> None:
    wanted = {"start": "#rows .row[data-track]", "map": "#canvas[data-settled]", "path": "#path .notice"}
    page.wait_for_selector(wanted.get(view, "#about section"))


# Both colour schemes and both layouts; neither depends on the other.
@pytest.mark.parametrize(("dark", "width"), [(False, 1280), (True, 390)])
def test_no_rule_of_accessibility_is_broken(opened: Opened, *, dark: bool, width: int) -> None:
    page = opened(dark=dark, width=width)
    axe = Axe()
    broken = {}
    for view, path in VIEWS.items():
        page.goto(page.url.partition("/?")[0].rstrip("/") + path)
        loaded(page, view)
        results = axe.run(page).response["violations"]
        broken.update({(view, each["id"]): each["nodes"][0]["html"][:200] for each in results})
    page.goto(page.url.partition("?")[0])
    loaded(page, "start")
    asked(page)
    page.locator("#rows .round").first.click()
    page.locator("#rows .enqueue").first.click()
    page.click("#queue-open")
    results = axe.run(page).response["violations"]
    broken.update({("found", each["id"]): each["nodes"][0]["html"][:200] for each in results})
    assert broken == {}


@pytest.mark.parametrize("view", VIEWS)
def test_on_a_phone_nothing_runs_out_of_the_screen(opened: Opened, view: str) -> None:
    page = opened(VIEWS[view], width=390, height=844)
    loaded(page, view)
    if view == "start":
        asked(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_keys_alone_find_play_and_refine(opened: Opened) -> None:
    page = opened()
    expect(page.locator("#rows .row[data-track]").first).to_be_visible()
    page.keyboard.press("/")
    page.keyboard.type("lanterns")
    expect(page.locator("#names [role=option]").first).to_contain_text("Lanterns")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator("#rows .why").first).to_be_visible()
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.matches('.slider input')"):
            break
    before = page.evaluate("document.activeElement.value")
    page.keyboard.press("ArrowLeft")
    assert page.evaluate("document.activeElement.value") != before
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    for _ in range(300):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.matches('#rows .round')"):
            break
    page.wait_for_selector("#rows:not(.is-stale)")
    page.locator("#rows .round").first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator("#rows .row").nth(1)).to_have_class("row is-current")
    followed = page.locator("#rows .row").nth(1).get_attribute("data-track")
    page.keyboard.press("+")
    expect(page.locator("#examples .example")).to_have_count(2)
    # The focus stays where one works: in the results, among the examples, and without any in the results again.
    page.wait_for_function("track => !document.querySelector(`#rows [data-track='${track}']`)", arg=followed)
    assert page.evaluate("document.activeElement.matches('#rows .round')")
    page.locator("#examples .icon").first.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#examples .example")).to_have_count(1)
    assert page.evaluate("document.activeElement.matches('#examples .icon')")
    page.keyboard.press("Enter")
    expect(page.locator("#examples .example")).to_have_count(0)
    assert page.evaluate("document.activeElement.id") == "main"
    page.locator("#rows .enqueue").nth(0).click()
    page.locator("#rows .enqueue").nth(1).click()
    page.click("#queue-open")
    page.locator("#queue li .icon").first.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#queue li")).to_have_count(1)
    assert page.evaluate("document.activeElement.matches('#queue li .icon')")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "queue-open"


def test_offline_is_said_and_mended_by_itself(opened: Opened) -> None:
    page = opened(may_fail=True)
    expect(page.locator("#rows .row[data-track]").first).to_be_visible()
    page.context.set_offline(True)
    page.locator("#rows .more-like").first.click()
    expect(page.locator("#offline")).to_be_visible()
    page.context.set_offline(False)
    expect(page.locator("#offline")).to_be_hidden()
    expect(page.locator("#rows .why").first).to_be_visible()


def test_more_rows_asked_for_in_an_outage_come_back_with_the_service(opened: Opened) -> None:
    page = asked(opened(may_fail=True))
    words = page.inner_text("#found-title")
    page.context.set_offline(True)
    page.click("#more")
    expect(page.locator("#found-title")).to_have_text("The service is away")
    page.context.set_offline(False)
    expect(page.locator("#found-title")).to_have_text(words)
    page.click("#more")
    expect(page.locator("#rows .row")).to_have_count(40)


def test_a_clip_that_was_forgotten_is_told_with_what_to_do(opened: Opened) -> None:
    page = opened(f"/?like=c:{'0' * 32}", may_fail=True)
    expect(page.locator("#notice")).to_contain_text("Drop or record it again")
    page.click("#notice >> text=Start over")
    expect(page.locator("#rows .row[data-track]").first).to_be_visible()
    assert "?" not in page.url


def test_commands_in_errors_are_shown_as_code(opened: Opened) -> None:
    page = opened(may_fail=True)
    problem = {"code": "not_audio", "title": "Not so", "detail": "run `facet doctor`, then `facet serve`"}
    page.route("**/query?*", lambda route: route.fulfill(status=415, json=problem))
    page.locator("#rows .more-like").first.click()
    expect(page.locator("#notice p")).to_have_text("run facet doctor, then facet serve")
    assert page.locator("#notice code").all_inner_texts() == ["facet doctor", "facet serve"]


def test_another_that_leaves_nothing_offers_the_way_back(opened: Opened) -> None:
    page = asked(opened())
    # Whether anything is left depends on the model: the answer is emptied on its way.
    page.route(
        "**/query?*",
        lambda route: route.fulfill(json={**route.fetch().json(), "items": [], "next_cursor": None}),
    )
    page.locator(".slider input").first.evaluate(
        "(input) => { input.value = -100; input.dispatchEvent(new Event('change')); }"
    )
    expect(page.locator("#notice")).to_contain_text("No track is left")
    page.unroute("**/query?*")
    page.click("text=Set all sliders back")
    expect(page.locator("#rows .why").first).to_be_visible()


def test_text_from_files_and_addresses_never_becomes_markup_or_script(opened: Opened) -> None:
    page = opened("/?with=%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E&like=t:%3Cscript%3E", may_fail=True)
    expect(page.locator("#notice .notice")).to_be_visible()
    assert page.locator("#found-title img, #notice img, #examples script").count() == 0
    refused = page.evaluate(
        """() => new Promise((resolve) => {
          document.addEventListener('securitypolicyviolation', (event) => resolve(event.effectiveDirective));
          const script = document.createElement('script');
          script.textContent = 'window.wasRun = true';
          document.head.append(script);
        })"""
    )
    assert refused.startswith("script-src")
    assert page.evaluate("window.wasRun") is None


def test_a_model_that_is_to_take_over_is_told_with_how_far_it_is(opened: Opened) -> None:
    page = opened()
    coming = {
        **{"name": "newer", "encoder_id": "0" * 16, "tracks": 1200, "embedded": 1100, "failed": 2},
        **{"failures": [{"track_id": "x", "code": "not_found", "message": "gone"}], "needs_decision": False},
    }
    page.route("**/model", lambda route: route.fulfill(json={**route.fetch().json(), "next": coming}))
    page.click("text=About")
    expect(page.locator("#about")).to_contain_text("newer has heard 1,100 of 1,200 tracks")
    expect(page.locator("#about")).to_contain_text("2 could not be heard: gone, and others.")
    assert page.locator("#about table").count() >= 2  # the card of the one that answers


def test_the_documentation_of_the_calls_can_be_read_under_its_policy(opened: Opened) -> None:
    page = opened("/docs")
    expect(page.locator(".opblock").first).to_be_visible()
    assert page.locator(".opblock").count() > 25


def test_the_card_and_the_failures_are_told(opened: Opened) -> None:
    page = opened("/?view=about")
    expect(page.locator("#about")).to_contain_text("not_audio")
    expect(page.locator("#about")).to_contain_text("Nothing is lost by leaving them")
    assert page.locator("#about h2").count() > 4
    assert page.locator("#about table").count() >= 2


@pytest.mark.parametrize("state", ["page", "page-dark", "page-phone", "page-map"])
def test_the_main_states_are_pictures(opened: Opened, tmp_path: Path, state: str) -> None:
    is_phone = state == "page-phone"
    page = opened(
        "/?view=map" if state == "page-map" else "/",
        width=390 if is_phone else 1200,
        height=844 if is_phone else 760,
        dark=state == "page-dark",
    )
    if state == "page-map":
        page.locator("input[name=space]").last.check(force=True)
        page.wait_for_selector('#canvas[data-settled]:not([data-settled=""])')
    else:
        asked(page)
        page.locator(".slider input").nth(1).evaluate(
            "(input) => { input.value = -60; input.dispatchEvent(new Event('change')); }"
        )
        page.wait_for_selector("#rows:not(.is-stale)")
        page.locator("#rows .round").first.click()
        page.wait_for_function("() => document.getElementById('audio').currentTime > 0.5")
        page.wait_for_timeout(1500)
    picture = Path(SCREENSHOTS or tmp_path) / f"{state}.png"
    page.screenshot(path=picture)
    # An empty page of this size takes some 5 kB.
    assert 15_000 < picture.stat().st_size < 200_000
