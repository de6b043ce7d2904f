"""Searching on the page: by clip, by name, by tag, by dimension; what an answer shows and the address bar says."""

import csv
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from service.settings import SHIPPED

Opened = Callable[..., Page]
SAMPLES = SHIPPED / "samples"


def rows(page: Page) -> list[str]:
    """Ids of the tracks shown."""
    return page.eval_on_selector_all("#rows .row[data-track]", "rows => rows.map(row => row.dataset.track)")


def pick(page: Page, name: str) -> None:
    """Find a track by its name, from the keyboard."""
    page.fill("#name", name)
    expect(page.locator("#names [role=option]").first).to_contain_text(re.compile(name, re.IGNORECASE))
    page.press("#name", "Enter")
    expect(page.locator("#rows .why").first).to_be_visible()


def shares_of(page: Page, dimension: str) -> list[int]:
    """What the bars of a dimension say, row by row: the share of pairs of tracks that are less alike, in per cent."""
    bars = page.locator(f"#rows [data-dimension={dimension}] .bar")
    return [int(words.split()[0]) for words in bars.evaluate_all("all => all.map(bar => bar.ariaLabel)")]


def set_slider(page: Page, dimension: str, value: int) -> None:
    slider = page.locator(".slider", has_text=re.compile(dimension, re.IGNORECASE)).locator("input")
    slider.evaluate(
        "(input, value) => { input.value = value; input.dispatchEvent(new Event('input', {bubbles: true}));"
        " input.dispatchEvent(new Event('change', {bubbles: true})); }",
        value,
    )


@pytest.mark.alone
def test_first_results_come_within_a_second(opened: Opened, address: str) -> None:
    page = opened()
    expect(page.locator("#rows .row[data-track]").first).to_be_visible()
    # The second time, so that it is not the browser's own start that is measured.
    began = time.perf_counter()
    page.goto(address)
    page.wait_for_selector("#rows .row[data-track]")
    assert time.perf_counter() - began < 1
    expect(page.locator("#rows .row")).to_have_count(20)


def test_a_row_says_what_it_is_and_why(opened: Opened) -> None:
    page = opened()
    pick(page, "lanterns")
    first = page.locator("#rows .row").first
    expect(first.locator("h2")).not_to_be_empty()
    expect(first.locator(".names p")).not_to_be_empty()
    expect(first.locator(".length")).to_have_text(re.compile(r"^\d+:\d\d$"))
    expect(first.locator(".why li")).to_have_count(page.locator(".slider").count())
    expect(page.locator("#found-title")).to_contain_text("Like “")
    # The waveform is drawn once it was measured: more than the flat line of before.
    page.wait_for_function(
        """() => {
          const canvas = document.querySelector('#rows canvas.wave');
          const above = canvas.getContext('2d').getImageData(0, 2, canvas.width, Math.floor(canvas.height / 4));
          return above.data.some((value, i) => i % 4 === 3 && value > 200);
        }"""
    )


def test_a_dropped_clip_is_found_in_the_catalogue(opened: Opened) -> None:
    page = opened()
    clip = SAMPLES / "audio" / "lanterns-jazz-sad-strings-80s.mp3"
    page.set_input_files("#file", clip)
    expect(page.locator("#examples")).to_contain_text(clip.name)
    expect(page.locator("#rows .why").first).to_be_visible()
    assert "like=c%3A" in page.url
    # It is itself in the catalogue, so it is its own nearest.
    with (SAMPLES / "manifest.csv").open(newline="") as file:
        row = next(row for row in csv.DictReader(file) if row["path"].endswith(clip.name))
    expect(page.locator("#rows h2").first).to_have_text(row["title"])


def test_what_is_no_music_is_refused_in_words_and_the_page_goes_on(opened: Opened, tmp_path: Path) -> None:
    page = opened(may_fail=True)
    (tmp_path / "letter.mp3").write_text("Dear Sir or Madam")
    page.set_input_files("#file", tmp_path / "letter.mp3")
    expect(page.locator("#notice")).to_contain_text("not audio")
    pick(page, "orchard")
    expect(page.locator("#notice")).to_be_empty()


def test_a_clip_that_cannot_be_read_leaves_no_former_answer_under_it(opened: Opened, tmp_path: Path) -> None:
    page = opened(may_fail=True)
    pick(page, "lanterns")
    before = rows(page)
    (tmp_path / "letter.mp3").write_text("Dear Sir or Madam")
    page.set_input_files("#file", tmp_path / "letter.mp3")
    expect(page.locator("#found-title")).to_have_text("letter.mp3 cannot be searched for")
    expect(page.locator("#rows .row")).to_have_count(0)
    expect(page.locator("#found-note")).to_be_empty()
    expect(page.locator("#more")).to_be_hidden()
    expect(page.locator("#hearing")).to_be_empty()
    # On whatever view it was dropped, it is told where results stand.
    page.click("nav >> text=Path")
    page.set_input_files("#file", tmp_path / "letter.mp3")
    expect(page.locator("#notice")).to_be_visible()
    expect(page.locator("#rows .row")).to_have_count(0)
    page.click("text=Back to what was shown before")
    expect(page.locator("#found-title")).to_contain_text("Like “")
    assert rows(page) == before


def test_what_an_address_says_that_means_nothing_is_told_and_left_out(opened: Opened) -> None:
    page = opened("/?view=atlas&by=smell:0.5&by=mood:loud&by=era:2&by=genre:-0.5&in=taste&like=x:1&with=electronic")
    expect(page.locator("#rows .why").first).to_be_visible()
    told = page.locator("#unread .notice")
    for each in ("view=atlas", "by=smell:0.5", "by=mood:loud", "by=era:2", "in=taste", "like=x:1"):
        expect(told).to_contain_text(each)
    expect(told).not_to_contain_text("genre:-0.5")
    expect(told).to_contain_text("search, map, path, about")
    assert page.locator(".slider input").evaluate_all("all => all.map(each => each.value)") == [
        "-50",
        "100",
        "100",
        "100",
    ]
    page.click(".tag .with[aria-pressed=true]")
    expect(page.locator("#unread")).to_be_empty()
    assert page.url.endswith("/?by=genre%3A-0.5")


def test_tags_lead_towards_and_away(opened: Opened) -> None:
    page = opened()
    page.click(".tag .with >> nth=0")
    expect(page.locator("#rows .why").first).to_be_visible()
    towards = rows(page)
    page.click(".tag .without >> nth=0")
    expect(page.locator("#found-title")).to_contain_text("Less")
    expect(page.locator(".tag .with").first).to_have_attribute("aria-pressed", "false")
    page.wait_for_function("before => document.querySelector('#rows .row').dataset.track !== before", arg=towards[0])
    page.click(".tag .without >> nth=0")
    expect(page.locator("#found-title")).to_contain_text("Begin")


@pytest.mark.alone
def test_moving_a_slider_ranks_anew_in_less_than_200_ms(opened: Opened) -> None:
    page = opened()
    pick(page, "lanterns")
    took = page.evaluate(
        """async () => {
          const slider = document.querySelector('.slider input');
          const times = [];
          for (const value of [80, 40, 0, -40, 60]) {
            const began = performance.now();
            const done = new Promise((resolve) => {
              const watch = new MutationObserver(() => { watch.disconnect(); resolve(); });
              watch.observe(document.getElementById('rows'), { childList: true });
            });
            slider.value = value;
            slider.dispatchEvent(new Event('input', { bubbles: true }));
            await done;
            times.push(performance.now() - began);
          }
          return times;
        }"""
    )
    assert sorted(took)[len(took) // 2] < 200, took


def test_a_newcomer_asks_for_the_same_instruments_in_another_mood_in_two_steps(opened: Opened) -> None:
    """Like this track, and the slider of the mood to the left: neither needs reading."""
    page = opened()
    liked = page.locator("#rows .row h2").first.inner_text()
    page.locator("#rows .more-like").first.click()
    expect(page.locator("#rows .why").first).to_be_visible()
    before = shares_of(page, "mood")
    assert max(before) > 80
    set_slider(page, "mood", -50)
    expect(page.locator("#found-title")).to_contain_text("another mood")
    page.wait_for_selector("#rows:not(.is-stale)")
    # Half-way to the left: none that is more alike in mood than some 63 % of any two tracks.
    after = shares_of(page, "mood")
    assert len(after) == len(rows(page)) >= 5
    assert max(after) <= 63
    # And what still counts decides the order: the first row is as alike in the rest as any below it.
    rest = [shares_of(page, name) for name in ("genre", "instrument", "era")]
    sums = [sum(each) for each in zip(*rest, strict=True)]
    assert sums[0] > sum(sums) / len(sums)
    # What was asked for is what is found, by the samples' labels; by chance a row in six would be right. Genre and era
    # still count, and three pieces are the same in all but mood and decade.
    with (SAMPLES / "manifest.csv").open(newline="") as file:
        labels = {row["title"]: row for row in csv.DictReader(file)}
    asked = labels[liked]
    for title in page.locator("#rows .row h2").all_inner_texts()[:3]:
        assert labels[title]["instrument"] == asked["instrument"], title
        assert labels[title]["mood"] != asked["mood"], title


def test_more_and_less_like_this_join_the_question(opened: Opened) -> None:
    page = opened()
    page.locator("#rows .more-like").nth(1).click()
    expect(page.locator("#examples .example")).to_have_count(1)
    expect(page.locator("#rows .why").first).to_be_visible()
    page.locator("#rows .less-like").nth(3).click()
    expect(page.locator("#examples .example.away")).to_have_count(1)
    assert "like=" in page.url
    assert "unlike=" in page.url
    page.click("text=Start over")
    expect(page.locator("#examples .example")).to_have_count(0)
    assert "?" not in page.url


def test_the_address_says_the_whole_question_and_back_goes_a_step_back(opened: Opened, address: str) -> None:
    page = opened()
    pick(page, "orchard")
    one = page.url
    set_slider(page, "mood", -60)
    page.click(".tag .with >> nth=2")
    expect(page.locator("#found-title")).to_contain_text("another mood")
    page.wait_for_selector("#rows:not(.is-stale)")
    expected = rows(page)
    shared = opened(page.url.removeprefix(address))
    expect(shared.locator("#rows .why").first).to_be_visible()
    assert rows(shared) == expected
    assert shared.locator(".tag .with[aria-pressed=true]").count() == 1
    assert shared.locator(".slider input").nth(1).input_value() == "-60"
    page.go_back()
    expect(page.locator(".tag .with[aria-pressed=true]")).to_have_count(0)
    page.go_back()
    expect(page.locator(".slider input").nth(1)).to_have_value("100")
    assert page.url == one
    page.go_back()
    expect(page.locator("#found-title")).to_contain_text("Begin")


def test_more_rows_come_when_they_are_wanted(opened: Opened) -> None:
    page = opened()
    pick(page, "lanterns")
    page.click("#more")
    expect(page.locator("#rows .row")).to_have_count(40)
    page.click("#more")
    expect(page.locator("#rows .row")).to_have_count(47)
    expect(page.locator("#more")).to_be_hidden()
    assert len(set(rows(page))) == 47
