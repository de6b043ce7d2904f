"""The page in headless Chromium, on a service in a process of its own that holds half of the samples.

Skipped where Chromium is missing (Debian and Ubuntu: `apt-get install chromium`). Whatever a test does, the page may
write no error to the console and ask nothing of another host.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, Request, sync_playwright

from service.settings import SHIPPED, Settings
from tests.service.http.running import ingested

ROOT = Path(__file__).parents[2]
SAMPLES = SHIPPED / "samples" / "audio"
# Two tunes, each in 24 ways: every neighbour that changes one dimension and keeps the others is among them.
TUNES = ("lanterns", "orchard")
CHROMIUM = os.environ.get("FACET_TEST_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
# A microphone that needs no one to allow it and plays a beep; software in place of a graphics card.
ARGUMENTS = [
    "--no-sandbox",
    "--mute-audio",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
]
WAIT_MS = 15_000


@contextmanager
def served(settings: Settings) -> Iterator[str]:
    """`facet serve` in a process of its own; its address."""
    with subprocess.Popen(
        [sys.executable, str(ROOT / "facet.py"), "serve", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={
            **os.environ,
            "FACET_THREADS": "1",
            "FACET_DATA_DIR": str(settings.data_dir),
            "FACET_MODEL": str(settings.model),
        },
    ) as process:
        try:
            assert process.stdout is not None
            found = None
            while found is None:
                line = process.stdout.readline()
                assert line, f"the service ended with status {process.wait()}"
                found = re.search(r"http://\S+", line)
            yield found[0]
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(15)


@pytest.fixture(scope="session")
def catalogue_settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Of a catalogue that holds the samples of two tunes, and its map."""
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed; the page is tested in it (Debian and Ubuntu: apt-get install chromium)")
    folder = tmp_path_factory.mktemp("page")
    settings = Settings(data_dir=folder, threads=1)
    files = [path for path in sorted(SAMPLES.iterdir()) if path.name.startswith(TUNES)]
    broken = folder / "broken.mp3"
    broken.write_bytes(b"no music")
    results = ingested(settings, *files, broken)
    assert sum(result.track_id is not None for result in results) == 48
    subprocess.run(
        [sys.executable, str(ROOT / "facet.py"), "map"],
        check=True,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "FACET_DATA_DIR": str(folder)},
    )
    return settings


@pytest.fixture(scope="session")
def address(catalogue_settings: Settings) -> Iterator[str]:
    with served(catalogue_settings) as found:
        yield found


@pytest.fixture(scope="module")
def playwright(address: str) -> Iterator[Playwright]:  # noqa: ARG001 - skips where Chromium is missing
    # For one module at a time: while it runs, nothing else can run an event loop in this thread.
    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="module")
def browser(playwright: Playwright) -> Iterator[Browser]:
    launched = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
    yield launched
    launched.close()


Opened = Callable[..., Page]


@pytest.fixture
def opened(browser: Browser, address: str) -> Iterator[Opened]:
    """Opens the page: `opened("/?view=map", width=390, dark=True)`. What went wrong in it fails the test."""
    contexts: list[BrowserContext] = []
    wrong: list[str] = []

    def open_page(
        path: str = "/",
        *,
        at: str = address,
        width: int = 1280,
        height: int = 860,
        dark: bool = False,
        may_fail: bool = False,
    ) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            reduced_motion="reduce",
            accept_downloads=True,
            has_touch=width < 640,
        )
        context.grant_permissions(["microphone"], origin=at)
        context.set_default_timeout(WAIT_MS)
        contexts.append(context)
        page = context.new_page()

        def note_request(request: Request) -> None:
            if not request.url.startswith((at, "data:", "blob:")):
                wrong.append(f"asked for {request.url}")

        page.on("request", note_request)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        if not may_fail:
            page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
        page.goto(at + path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert wrong == []
