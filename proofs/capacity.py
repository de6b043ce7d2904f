"""Twice as many questions as the service can answer: those it takes are answered, the others refused with a code.

First it is measured how many it answers if each asker waits for an answer before the next question; then questions come
at twice that rate, whether answered or not. Meanwhile `/livez` is asked every second, as whoever watches over it does.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import httpx
import numpy as np

from index.model import ModelBundle
from proofs.processes import memory_bytes, processor_seconds, run_facet, serving
from proofs.proving import check, tell
from proofs.small_catalogue import add_made_up_tracks, small_catalogue
from service.catalogue.repository import Catalogue

Result = TypeVar("Result")

TRACKS = 5000
ASKERS = 8
MEASURED_SECONDS = 5.0
OVERLOAD = 2.0
# What comes while as many as this wait is not even sent: a client of that many connections is many clients.
WAITING_AT_MOST = 400
ANSWER_SECONDS = 60.0
# Of whoever watches over a service: less than the five seconds after which a container counts as unwell.
ALIVE_SECONDS = 4.0
MEMORY_GROWTH_BYTES = 200 * 10**6
QUESTION = "/search?tag=rock&limit=20"
# Refusals that say that it is too much at the moment.
TOO_MUCH = frozenset({429, 503})


def prove(size: int, folder: Path) -> None:
    """Ask too much for `size` seconds.

    Raises:
        NotProvenError: If an answer is missing or wrong, or the service suffers lastingly.
    """
    small = small_catalogue(folder, files=3)
    check(run_facet("ingest", small.music, environment=small.environment).returncode == 0, "nothing was ingested")
    with Catalogue.open(small.url) as catalogue:
        add_made_up_tracks(catalogue, ModelBundle.open(small.model), TRACKS, rng=np.random.default_rng(7))
    with serving(folder, small.environment) as served:
        used = processor_seconds(served.process.pid)
        capacity, before = _run(_measured(served.address))
        used = processor_seconds(served.process.pid) - used
        tell("capacity", f"{capacity:.0f} answers a second to {ASKERS} askers; median {before * 1000:.1f} ms")
        # On a machine that does other things as well, answers a second tell as much of those.
        tell("at rest", _by_processor(capacity * MEASURED_SECONDS, used, seconds=MEASURED_SECONDS))
        memory, used = memory_bytes(served.process.pid), processor_seconds(served.process.pid)
        overload = _Overload(served.address, rate=OVERLOAD * capacity)
        began = time.monotonic()
        _run(overload.ask(seconds=size))
        seconds, used = time.monotonic() - began, processor_seconds(served.process.pid) - used
        tell("overloaded", _by_processor(overload.answers[200], used, seconds=seconds))
        check(served.process.poll() is None, "the service ended")
        grown = memory_bytes(served.process.pid) - memory
        _, after = _run(_measured(served.address))
    overload.tell()
    tell("memory grew by", f"{grown / 1e6:.0f} MB; median afterwards {after * 1000:.1f} ms")
    check(grown < MEMORY_GROWTH_BYTES, f"memory grew by {grown / 1e6:.0f} MB")
    check(overload.answers[200] >= 0.5 * capacity * size, "it answers less than half of what it could")
    check(max(overload.alive) < ALIVE_SECONDS, f"/livez took {max(overload.alive):.1f} s")


def _by_processor(answers: float, used: float, *, seconds: float) -> str:
    return f"{answers / max(used, 0.01):.0f} answers a second of a core, of which it had {used / seconds:.0%}"


class _Overload:
    """Questions at a rate, and what became of them."""

    def __init__(self, address: str, *, rate: float) -> None:
        self._address = address
        self._rate = rate
        self.answers: Counter[int] = Counter()
        self.waits: list[float] = []
        self.alive: list[float] = []
        self.unsent = 0
        self._waiting = 0

    async def ask(self, *, seconds: float) -> None:
        """Ask for so long, and wait for the last answers."""
        # The service closes a connection that was idle for five seconds: a request that is sent at that very moment is
        # lost, which is between the two of them and no matter of load. So none is kept that long.
        limits = httpx.Limits(max_connections=WAITING_AT_MOST, keepalive_expiry=1.0)
        alone = httpx.Limits(max_keepalive_connections=0)
        async with (
            httpx.AsyncClient(base_url=self._address, timeout=ANSWER_SECONDS, limits=limits) as client,
            httpx.AsyncClient(base_url=self._address, timeout=ANSWER_SECONDS, limits=alone) as watching,
            asyncio.TaskGroup() as tasks,
        ):
            tasks.create_task(self._watch(watching, until=time.monotonic() + seconds))
            began = time.monotonic()
            sent = 0
            while (passed := time.monotonic() - began) < seconds:
                while sent < passed * self._rate:
                    sent += 1
                    if self._waiting < WAITING_AT_MOST:
                        self._waiting += 1
                        tasks.create_task(self._ask_once(client))
                    else:
                        self.unsent += 1
                await asyncio.sleep(0.005)

    def tell(self) -> None:
        """The figures."""
        refused = sum(count for status, count in self.answers.items() if status in TOO_MUCH)
        total = self.answers.total() + self.unsent
        tell("questions", f"{total}: {self.answers[200]} answered, {refused} refused, {self.unsent} not even sent")
        shares = ", ".join(f"p{share} {np.percentile(self.waits, share):.2f} s" for share in (50, 99, 100))
        tell("those that were answered waited", shares)
        tell("/livez", f"{len(self.alive)} times, at most {max(self.alive):.2f} s")

    async def _ask_once(self, client: httpx.AsyncClient) -> None:
        began = time.monotonic()
        try:
            answer = await client.get(QUESTION)
        except httpx.HTTPError as error:
            check(False, f"a question was not answered at all: {error!r}")
        finally:
            self._waiting -= 1
        self.answers[answer.status_code] += 1
        if answer.status_code == 200:
            self.waits.append(time.monotonic() - began)
            check(len(answer.json()["items"]) == 20, "an answer is not whole")
        else:
            check(answer.status_code in TOO_MUCH and "code" in answer.json(), f"{answer.status_code}: {answer.text}")
            check("retry-after" in answer.headers, f"{answer.status_code} without Retry-After")

    async def _watch(self, client: httpx.AsyncClient, *, until: float) -> None:
        while time.monotonic() < until:
            began = time.monotonic()
            try:
                check((await client.get("/livez")).status_code == 200, "/livez fails")
            except httpx.HTTPError as error:
                check(False, f"/livez was not answered: {error!r}")
            self.alive.append(time.monotonic() - began)
            await asyncio.sleep(1.0)


def _run(work: Coroutine[Any, Any, Result]) -> Result:
    """Run it; of what goes wrong at the same time, the first is told."""
    try:
        return asyncio.run(work)
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from errors


async def _measured(address: str) -> tuple[float, float]:
    """Answers a second, and the median of the seconds that one takes, if each asker waits for its answer."""
    waits: list[float] = []
    give_up = time.monotonic() + MEASURED_SECONDS

    async def ask_on(client: httpx.AsyncClient) -> None:
        while time.monotonic() < give_up:
            began = time.monotonic()
            check((await client.get(QUESTION)).status_code in TOO_MUCH | {200}, "a question fails at rest")
            waits.append(time.monotonic() - began)

    async with httpx.AsyncClient(base_url=address, timeout=ANSWER_SECONDS) as client, asyncio.TaskGroup() as tasks:
        for _ in range(ASKERS):
            tasks.create_task(ask_on(client))
    return len(waits) / MEASURED_SECONDS, float(np.median(waits))
