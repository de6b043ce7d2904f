"""The keys as a running service knows them: read again every second, so that a revoked one is soon worth nothing.

`callers` asks it whose key a request carries. When the database cannot be read nobody is let in with a key, and the
promise holds that a revoked key is worth nothing two seconds later.
"""

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

import anyio
import anyio.to_thread

from service.catalogue.errors import CatalogueUnavailableError
from service.safety.api_keys import ApiKey, digest_of
from service.safety.key_store import KeyStore

FRESH_SECONDS = 1.0
# What whoever watches over the service is kept waiting for them.
SOON_SECONDS = 0.25
# A key's last use is written down no more often than this: one write an hour for each, whatever the traffic.
USE_NOTED_EVERY = timedelta(hours=1)
NOTING_AGAIN_AFTER_SECONDS = 60.0
# A writer that ingests holds SQLite for milliseconds; reading keys never waits.
BUSY_SECONDS = 0.5


@dataclass(frozen=True)
class Keys:
    """All keys at one moment.

    Attributes:
        every: Also those that open nothing any more: once there was a key, nobody comes in without one only because it
            ran out.
    """

    every: tuple[ApiKey, ...]

    def key(self, text: str) -> ApiKey | None:
        """The key with this text, whatever its state; None if there is none.

        Takes as long wherever it stands, and whichever bytes of the others differ.
        """
        digest = digest_of(text)
        found = None
        for key in self.every:
            if key.is_of(digest):
                found = key
        return found

    def named(self, name: str) -> ApiKey | None:
        """The key of this name, whatever its state; None if there is none."""
        return next((key for key in self.every if key.name == name), None)


class KeyRing:
    """Keys for use on one event loop."""

    def __init__(self, store: KeyStore) -> None:
        """Read them for the first time.

        Raises:
            CatalogueUnavailableError: If the database cannot be read.
        """
        self._store = store
        self._keys = Keys(tuple(store.every()))
        self._read_at = time.monotonic()
        self._reading = anyio.Lock()
        # Of its own: when all threads are busy with questions, keys are still looked at.
        self._limiter = anyio.CapacityLimiter(1)
        self._used: dict[str, datetime] = {}
        self._noting_from = 0.0
        self._refreshing: asyncio.Task[None] | None = None

    async def keys(self) -> Keys:
        """The keys as they were no more than a second before this call.

        Raises:
            CatalogueUnavailableError: If the database cannot be read.
        """
        # Those who wait while the keys are read are content with that reading, however long it takes.
        needed_from = time.monotonic() - FRESH_SECONDS
        if self._read_at < needed_from:
            async with self._reading:
                if self._read_at < needed_from:
                    began = time.monotonic()
                    self._keys = await anyio.to_thread.run_sync(self._read, limiter=self._limiter)
                    self._read_at = began
        return self._keys

    async def keys_soon(self) -> Keys:
        """The keys for whoever asks how the service is: if the database is slow to tell, those it told last."""
        if self._read_at < time.monotonic() - FRESH_SECONDS:
            if self._refreshing is None or self._refreshing.done():
                self._refreshing = asyncio.create_task(self._refresh())
            await asyncio.wait({self._refreshing}, timeout=SOON_SECONDS)
        return self._keys

    async def _refresh(self) -> None:
        with suppress(CatalogueUnavailableError):
            await self.keys()

    def note_use(self, key: ApiKey) -> None:
        """Remember that a key was used, to be written down with others."""
        now = datetime.now(UTC)
        known = self._used.get(key.name, key.last_used_at)
        if known is None or now - known >= USE_NOTED_EVERY:
            self._used[key.name] = now

    def _read(self) -> Keys:
        if self._used and time.monotonic() >= self._noting_from:
            used, self._used = self._used, {}
            try:
                self._store.mark_used(used, datetime.now(UTC))
            except CatalogueUnavailableError:
                # Somebody else writes for long, or it can only be read. A last use is not worth waiting for; the next
                # one is noted again.
                self._noting_from = time.monotonic() + NOTING_AGAIN_AFTER_SECONDS
        return Keys(tuple(self._store.every()))


async def opened_key_ring(url: str) -> tuple[KeyStore, KeyRing]:
    """The keys of the catalogue at a URL, and what to close at the end.

    Raises:
        CatalogueError: If they cannot be read.
    """
    store = await anyio.to_thread.run_sync(partial(KeyStore.open, url, busy_seconds=BUSY_SECONDS))
    return store, await anyio.to_thread.run_sync(KeyRing, store)
