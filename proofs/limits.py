"""One caller asks for three times its share: past it, it gets 429 with Retry-After; another one is served as before.

The limits are those that ship. Each caller has a key of its own; the polite one asks a few times a second, first alone,
then beside the flood.
"""

import asyncio
import threading
import time
from collections import Counter
from pathlib import Path

import httpx
import numpy as np

from index.model import ModelBundle
from proofs.processes import run_facet, serving
from proofs.proving import check, tell
from proofs.small_catalogue import SmallCatalogue, add_made_up_tracks, small_catalogue
from service.catalogue.repository import Catalogue
from service.safety.rate_limits import BURST_SECONDS
from service.settings import Settings

TRACKS = 5000
OVERLOAD = 3.0
# A person who clicks quickly.
POLITE_PER_SECOND = 5.0
QUESTION = "/search?tag=rock&limit=20"
ANSWER_SECONDS = 60.0
# More than a caller may have under way.
WAITING_AT_MOST = 100
# The flood is sent from the same machine, whose cores it takes as well.
SLOWER_AT_MOST = 10.0
QUICK_SECONDS = 0.25


def prove(size: int, folder: Path) -> None:
    """Flood for `size` seconds.

    Raises:
        NotProvenError: If the flood is not turned away as it should be, or the other caller notices it.
    """
    small = small_catalogue(folder, files=3)
    check(run_facet("ingest", small.music, environment=small.environment).returncode == 0, "nothing was ingested")
    with Catalogue.open(small.url) as catalogue:
        add_made_up_tracks(catalogue, ModelBundle.open(small.model), TRACKS, rng=np.random.default_rng(7))
    flooding, polite = _key(small, "flooding"), _key(small, "polite")
    per_second = float(Settings.model_fields["requests_per_second"].default)
    shipped = {"FACET_REQUESTS_PER_SECOND": str(per_second)}
    at_once = {"FACET_REQUESTS_AT_ONCE": str(Settings.model_fields["requests_at_once"].default)}
    with serving(folder, {**small.environment, **shipped, **at_once}) as served:
        alone = _asked_politely(served.address, polite, seconds=min(size, 10))
        flood = _Flood(served.address, flooding, rate=OVERLOAD * per_second)
        flooded = threading.Thread(target=lambda: asyncio.run(flood.go_on(seconds=size)), daemon=True)
        flooded.start()
        beside = _asked_politely(served.address, polite, seconds=size)
        flooded.join()
        check(served.process.poll() is None, "the service ended")
    taken = flood.answers[200]
    tell(
        "the flood",
        f"{flood.answers.total()} questions in {flood.seconds:.0f} s: {taken} answered, {flood.answers[429]} refused",
    )
    for who, waits in (("alone", alone), ("beside the flood", beside)):
        shares = ", ".join(f"p{share} {np.percentile(waits, share) * 1000:.0f} ms" for share in (50, 95, 100))
        tell(f"the polite one, {who}", f"{len(waits)} questions, all answered; {shares}")
    check(not flood.wrong, f"the flood was answered otherwise: {flood.wrong[:1]}")
    check(set(flood.answers) <= {200, 429}, f"the flood was answered with {dict(flood.answers)}")
    check(flood.answers[429] > 0, "the flood was not turned away")
    check(taken <= per_second * (flood.seconds + BURST_SECONDS) + 1, "the flood was given more than its share")
    slowest = max(SLOWER_AT_MOST * float(np.median(alone)), QUICK_SECONDS)
    check(float(np.median(beside)) <= slowest, "who was being served had to wait")


def _key(small: SmallCatalogue, name: str) -> str:
    done = run_facet("keys", "create", name, "--scope", "read", environment=small.environment)
    check(done.returncode == 0, f"no key was made: {done.stderr}")
    return done.stdout.strip()


def _asked_politely(address: str, key: str, *, seconds: float) -> list[float]:
    """How long each answer took; none is refused."""
    waits: list[float] = []
    until = time.monotonic() + seconds
    with httpx.Client(base_url=address, headers={"x-api-key": key}, timeout=ANSWER_SECONDS) as client:
        while time.monotonic() < until:
            began = time.monotonic()
            answer = client.get(QUESTION)
            waits.append(time.monotonic() - began)
            check(answer.status_code == 200, f"a caller within its share is refused: {answer.text}")
            time.sleep(1 / POLITE_PER_SECOND)
    return waits


class _Flood:
    """Questions at a rate, whether answered or not."""

    def __init__(self, address: str, key: str, *, rate: float) -> None:
        self._address = address
        self._key = key
        self._rate = rate
        self.answers: Counter[int] = Counter()
        self.wrong: list[str] = []
        self.seconds = 0.0
        self._waiting = 0

    async def go_on(self, *, seconds: float) -> None:
        """Ask for so long, and wait for the last answers."""
        headers = {"authorization": f"Bearer {self._key}"}
        # Idle connections are closed by the service after five seconds, which is no matter of limits.
        limits = httpx.Limits(max_connections=WAITING_AT_MOST, keepalive_expiry=1.0)
        began, sent = time.monotonic(), 0
        async with (
            httpx.AsyncClient(base_url=self._address, headers=headers, timeout=ANSWER_SECONDS, limits=limits) as client,
            asyncio.TaskGroup() as tasks,
        ):
            while (passed := time.monotonic() - began) < seconds:
                while sent < passed * self._rate:
                    sent += 1
                    if self._waiting < WAITING_AT_MOST:
                        self._waiting += 1
                        tasks.create_task(self._ask_once(client))
                await asyncio.sleep(0.01)
        # Until the last answer: what waited for a connection was asked later than it was due.
        self.seconds = time.monotonic() - began

    async def _ask_once(self, client: httpx.AsyncClient) -> None:
        try:
            answer = await client.get(QUESTION)
        except httpx.HTTPError as error:
            self.wrong.append(repr(error))
            return
        finally:
            self._waiting -= 1
        self.answers[answer.status_code] += 1
        if answer.status_code == 429 and not (
            answer.json().get("code") in ("too_many_requests", "too_busy")
            and int(answer.headers.get("retry-after", 0)) >= 1
        ):
            self.wrong.append(f"{answer.headers} {answer.text}")
