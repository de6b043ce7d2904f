"""Token buckets against the law they promise, and the count of what is under way."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.http.refusals import TooManyRequestsError
from service.safety import rate_limits
from service.safety.rate_limits import BURST_SECONDS, RequestRates, RequestsAtOnce


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def is_granted(rates: RequestRates, caller: str = "a") -> bool:
    try:
        rates.take(caller)
    except TooManyRequestsError:
        return False
    return True


@given(
    per_second=st.floats(0.1, 1000),
    waits=st.lists(st.floats(0, 3) | st.just(0.0), min_size=1, max_size=200),
)
def test_no_more_is_granted_in_any_stretch_of_time_than_a_burst_and_what_was_refilled(
    per_second: float, waits: list[float]
) -> None:
    clock = Clock()
    rates = RequestRates(per_second, clock=clock)
    granted: list[float] = []
    for wait in waits:
        clock.now += wait
        if is_granted(rates):
            granted.append(clock.now)
    burst = max(1.0, per_second * BURST_SECONDS)
    for first, began in enumerate(granted):
        for last in range(first, len(granted)):
            assert last - first + 1 <= burst + (granted[last] - began) * per_second + 1e-6


@given(per_second=st.floats(0.1, 1000), requests=st.integers(1, 200))
def test_who_keeps_to_the_rate_is_never_refused(per_second: float, requests: int) -> None:
    clock = Clock()
    rates = RequestRates(per_second, clock=clock)
    for _ in range(requests):
        assert is_granted(rates)
        clock.now += 1.001 / per_second


def test_who_waits_as_long_as_told_is_let_in() -> None:
    clock = Clock()
    rates = RequestRates(0.5, clock=clock)
    while is_granted(rates):
        pass
    with pytest.raises(TooManyRequestsError) as refused:
        rates.take("a")
    clock.now += refused.value.retry_after_seconds
    assert is_granted(rates)


def test_one_caller_takes_nothing_from_another() -> None:
    rates = RequestRates(1, clock=Clock())
    while is_granted(rates, "a"):
        pass
    assert is_granted(rates, "b")


def test_callers_without_number_take_no_memory_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limits, "REMEMBERED", 10)
    clock = Clock()
    rates = RequestRates(1, clock=clock)
    while is_granted(rates, "busy"):
        pass
    for number in range(1000):
        assert is_granted(rates, f"stranger {number}")
        # Who is still there is not forgotten for the sake of those who come once.
        assert not is_granted(rates, "busy")
    assert len(rates._buckets) == 10


def test_only_so_many_are_under_way_at_once() -> None:
    at_once = RequestsAtOnce(2)
    leave = [at_once.enter("a"), at_once.enter("a")]
    with pytest.raises(TooManyRequestsError, match="2 requests of this caller"):
        at_once.enter("a")
    at_once.enter("b")()
    leave.pop()()
    leave.append(at_once.enter("a"))
    for each in leave:
        each()
    assert at_once._under_way == {}
