"""Hearing on the page: playback from the matched excerpt, the playlist, the microphone, a path between two tracks."""

import re
import uuid
from collections.abc import Callable

from playwright.sync_api import Page, Response, Route, expect

Opened = Callable[..., Page]


def is_audio(response: Response) -> bool:
    return response.url.partition("#")[0].endswith("/audio")


def test_a_click_plays_from_the_matched_excerpt_with_a_range_of_bytes(opened: Opened) -> None:
    page = opened()
    page.locator("#rows .more-like").first.click()
    expect(page.locator("#rows .why").first).to_be_visible()
    with page.expect_response(is_audio) as heard:
        page.locator("#rows .round").first.click()
    assert heard.value.status == 206
    assert heard.value.request.all_headers()["range"].startswith("bytes=")
    page.wait_for_function("() => document.getElementById('audio').currentTime > 0.2")
    began = float(page.get_attribute("#audio", "src").partition("#t=")[2])  # type: ignore[union-attr]
    assert page.evaluate("document.getElementById('audio').currentTime") >= began
    expect(page.locator("#rows .row").first).to_have_class(re.compile("is-current"))
    expect(page.locator("#rows .round").first).to_have_attribute("aria-label", re.compile("^Pause"))
    page.locator("#rows .round").first.click()
    page.wait_for_function("() => document.getElementById('audio').paused")


def test_the_playlist_is_downloaded_as_m3u_that_any_player_can_follow(opened: Opened, address: str) -> None:
    page = opened()
    for place in (0, 2, 4):
        page.locator("#rows .enqueue").nth(place).click()
    page.locator("#rows .enqueue").nth(2).click()
    expect(page.locator("#queue-count")).to_have_text("3")
    page.click("#queue-open")
    with page.expect_download() as saved:
        page.click("text=Download (M3U)")
    assert saved.value.suggested_filename == "facet.m3u"
    lines = saved.value.path().read_text().splitlines()
    assert lines[0] == "#EXTM3U"
    assert len(lines) == 7
    assert [line for line in lines[1::2] if not re.match(r"#EXTINF:\d+,\S", line)] == []
    for line in lines[2::2]:
        assert line.startswith(address)
        assert page.request.get(line, headers={"Range": "bytes=0-99"}).status == 206
    page.keyboard.press("Escape")
    expect(page.locator("#queue")).to_be_hidden()


def test_a_track_that_left_the_catalogue_is_named_and_taken_out_of_the_playlist(opened: Opened) -> None:
    page = opened("/?view=about", may_fail=True)
    gone = str(uuid.uuid4())

    def with_one_that_is_gone(route: Route) -> None:
        answer = route.fetch().json()
        answer["items"][1] |= {"id": gone, "title": "Farewell"}
        route.fulfill(json=answer)

    page.route("**/tracks?*", with_one_that_is_gone)
    page.click("text=Search")
    for place in (0, 1, 2):
        page.locator("#rows .enqueue").nth(place).click()
    page.click("#queue-open")
    for _ in range(2):
        page.click("text=Download (M3U)")
        expect(page.locator("#queue .notice")).to_contain_text("“Farewell” is no longer in the catalogue")
    with page.expect_download() as saved:
        page.click("text=Take it out and download")
    assert saved.value.path().read_text().count("/audio") == 2
    expect(page.locator("#queue li")).to_have_count(2)
    expect(page.locator("#queue .notice")).to_have_count(0)


def test_what_the_microphone_hears_is_searched_for(opened: Opened) -> None:
    page = opened()
    page.click("#record")
    expect(page.locator("#hearing")).to_contain_text("Recording")
    page.wait_for_timeout(1500)
    page.click("#record")
    expect(page.locator("#examples")).to_contain_text("Your recording")
    expect(page.locator("#rows .why").first).to_be_visible()


def test_a_path_leads_from_one_track_to_another_and_is_saved(opened: Opened) -> None:
    page = opened("/?view=path")
    expect(page.locator("#path")).to_contain_text("Choose two tracks")
    for side, name in (("from", "lanterns"), ("to", "orchard")):
        page.fill(f"#path-{side}", name)
        expect(page.locator(f"#path-{side}-names [role=option]").first).to_contain_text(re.compile(name, re.IGNORECASE))
        page.press(f"#path-{side}", "Enter")
    expect(page.locator("#path .row")).to_have_count(8)
    ends = page.eval_on_selector_all("#path .row", "rows => [rows[0], rows[rows.length - 1]].map(r => r.dataset.track)")
    assert f"from={ends[0]}" in page.url
    assert f"to={ends[1]}" in page.url
    with page.expect_download() as saved:
        page.locator("#path").get_by_text("Download (M3U)").click()
    assert saved.value.path().read_text().count("/audio") == 8
    page.locator("#path").get_by_text("Add all to the playlist").click()
    expect(page.locator("#queue-count")).to_have_text("8")
