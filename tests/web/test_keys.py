"""The page on a service that asks for a key: it asks in turn, and then all works, sound and playlist too."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from service.settings import Settings
from tests.web.conftest import ROOT, WAIT_MS, served

Opened = Callable[..., Page]
# Before the first of them, samples are ingested, backed up and restored.
pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def keyed(catalogue_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The address of a service of its own, and a key."""
    folder = tmp_path_factory.mktemp("keyed")
    backup, settings = folder / "kept.facet", catalogue_settings.model_copy(update={"data_dir": folder / "data"})
    facet(catalogue_settings, "backup", "--without-files", backup)
    facet(settings, "restore", backup)
    key = facet(settings, "keys", "create", "laptop", "--scope", "write").strip()
    with served(settings) as address:
        yield address, key


def facet(settings: Settings, *arguments: str | Path) -> str:
    environment = {"FACET_DATA_DIR": str(settings.data_dir), "FACET_MODEL": str(settings.model)}
    return subprocess.run(
        [sys.executable, str(ROOT / "facet.py"), *arguments],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    ).stdout


@pytest.fixture
def page(opened: Opened, keyed: tuple[str, str]) -> Page:
    """The page of somebody who has not given a key yet."""
    return opened("/?with=electronic", at=keyed[0], may_fail=True)


def sign_in(page: Page, key: str) -> None:
    expect(page.get_by_label("API key")).to_be_focused(timeout=WAIT_MS)
    page.keyboard.type(key)
    page.keyboard.press("Enter")


def test_a_key_is_asked_for_and_all_is_as_it_was_asked(page: Page, keyed: tuple[str, str]) -> None:
    dialog = page.get_by_role("dialog", name="This Facet asks for a key")
    expect(dialog).to_be_visible(timeout=WAIT_MS)
    assert page.locator(".notice").count() == 0
    assert Axe().run(page).response["violations"] == []
    sign_in(page, "facet_nonsense")
    expect(dialog.get_by_role("alert")).to_contain_text("that is no API key")
    sign_in(page, "☃")
    expect(dialog.get_by_role("alert")).to_contain_text("no API key")
    sign_in(page, keyed[1])
    expect(dialog).to_be_hidden(timeout=WAIT_MS)
    expect(page.locator("#rows .row[data-track]").first).to_be_visible(timeout=WAIT_MS)
    assert page.url.endswith("/?with=electronic")
    # It is kept where no script can read it.
    assert page.evaluate("document.cookie + JSON.stringify({...localStorage, ...sessionStorage})") == "{}"
    with page.expect_response(lambda answer: answer.url.endswith("/audio")) as sound:
        page.locator("#rows .round").first.click()
    assert sound.value.status in (200, 206)


def test_what_needs_a_key_is_told_once_the_form_is_closed_without_one(page: Page) -> None:
    expect(page.get_by_role("dialog")).to_be_visible(timeout=WAIT_MS)
    page.wait_for_load_state("networkidle")
    assert page.locator(".notice").count() == 0
    page.keyboard.press("Escape")
    expect(page.locator("#notice")).to_contain_text("An API key is needed")
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert "`" not in page.inner_text("body")


def test_signing_out_asks_for_the_key_again(page: Page, keyed: tuple[str, str]) -> None:
    page.goto(f"{keyed[0]}/?view=about")
    sign_in(page, keyed[1])
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("dialog")).to_be_visible(timeout=WAIT_MS)


def test_a_playlist_plays_without_the_key(page: Page, keyed: tuple[str, str]) -> None:
    sign_in(page, keyed[1])
    expect(page.locator("#rows .row[data-track]").first).to_be_visible(timeout=WAIT_MS)
    page.locator("#rows .row[data-track]").first.locator(".enqueue").click()
    page.click("#queue-open")
    with page.expect_download() as saved:
        page.click("text=Download (M3U)")
    address = Path(saved.value.path()).read_text().splitlines()[2]
    assert httpx.get(address).status_code == 200
    assert httpx.get(address.partition("?")[0]).status_code == 401
