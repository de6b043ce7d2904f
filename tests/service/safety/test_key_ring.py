"""The keys of a running service, read again as seldom as the promise allows."""

import time

import anyio
import pytest

from service.safety import key_ring
from service.safety.api_keys import ApiKey
from service.safety.key_ring import KeyRing
from service.safety.key_store import KeyStore


class SlowStore(KeyStore):
    """A database that takes its time."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.reads = 0

    def every(self) -> list[ApiKey]:
        self.reads += 1
        time.sleep(self.seconds)
        return []


def test_a_crowd_that_comes_while_the_keys_are_read_waits_for_one_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    # Reading takes longer than keys count as fresh, as it may on a machine that is out of breath.
    monkeypatch.setattr(key_ring, "FRESH_SECONDS", 0.05)

    async def crowd() -> int:
        store = SlowStore(0.3)
        ring = KeyRing(store)
        before = store.reads
        await anyio.sleep(0.1)
        async with anyio.create_task_group() as tasks:
            for _ in range(100):
                tasks.start_soon(ring.keys)
        return store.reads - before

    assert anyio.run(crowd) == 1


def test_keys_are_read_once_while_they_are_fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_ring, "FRESH_SECONDS", 3600.0)

    async def asked() -> int:
        store = SlowStore(0)
        ring = KeyRing(store)
        for _ in range(100):
            await ring.keys()
        return store.reads

    assert anyio.run(asked) == 1
