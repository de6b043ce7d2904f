"""How much one caller may ask for: so many requests a second, and so many at the same time. `gate` asks here.

Both are counted in this process alone. For use on one event loop.
"""

import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from functools import partial

from service.http.refusals import TooManyRequestsError

# What may come at once is what may come in so many seconds.
BURST_SECONDS = 5.0
# Callers that are remembered: some 200 bytes each. Who was forgotten begins anew with a full bucket.
REMEMBERED = 10_000
RETRY_AFTER_SECONDS = 1.0


class RequestRates:
    """A token bucket for each caller: full at first, refilled evenly, a token for a request."""

    def __init__(self, per_second: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with full buckets.

        Args:
            per_second: What each caller may ask for in the long run.
            clock: Seconds that never go back.
        """
        self._per_second = per_second
        self._most = max(1.0, per_second * BURST_SECONDS)
        self._clock = clock
        # Tokens and when there were so many, those used last at the end.
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, caller: str) -> None:
        """Count a request.

        Raises:
            TooManyRequestsError: If the caller's bucket is empty; it then costs nothing.
        """
        now = self._clock()
        tokens, since = self._buckets.get(caller, (self._most, now))
        tokens = min(self._most, tokens + (now - since) * self._per_second)
        is_granted = tokens >= 1
        self._buckets[caller] = (tokens - 1 if is_granted else tokens, now)
        self._buckets.move_to_end(caller)
        if len(self._buckets) > REMEMBERED:
            self._buckets.popitem(last=False)
        if not is_granted:
            raise TooManyRequestsError(
                f"a caller may make {self._per_second:g} requests a second; try again a little later",
                retry_after_seconds=max(RETRY_AFTER_SECONDS, (1 - tokens) / self._per_second),
            )


class RequestsAtOnce:
    """How many requests of each caller are being answered."""

    def __init__(self, most: int, *, what: str = "requests") -> None:
        """Begin with none.

        Args:
            most: Of each caller.
            what: What they are called.
        """
        self._most = most
        self._what = what
        self._under_way: Counter[str] = Counter()

    def enter(self, caller: str) -> Callable[[], None]:
        """Count a request as being answered.

        Returns:
            What to call once it is answered.

        Raises:
            TooManyRequestsError: If the caller has as many under way as it may.
        """
        if self._under_way[caller] >= self._most:
            raise TooManyRequestsError(
                f"{self._most} {self._what} of this caller are being answered already; wait for one of them",
                retry_after_seconds=RETRY_AFTER_SECONDS,
            )
        self._under_way[caller] += 1
        return partial(self._leave, caller)

    def _leave(self, caller: str) -> None:
        self._under_way[caller] -= 1
        if not self._under_way[caller]:
            del self._under_way[caller]
