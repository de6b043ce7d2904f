"""Places for work: a crowd is sent away at once, and those who have a place are as quick as without it."""

import time

import anyio
import pytest

from service.http.refusals import TooBusyError
from service.safety.places import Places

WORK_SECONDS = 0.05


async def timed(places: Places, served: list[float], refused: list[float]) -> None:
    began = time.monotonic()
    try:
        async with places.place():
            await anyio.sleep(WORK_SECONDS)
        served.append(time.monotonic() - began)
    except TooBusyError:
        refused.append(time.monotonic() - began)


def test_past_the_queue_one_is_sent_away_at_once_and_nobody_served_waits_for_it() -> None:
    served: list[float] = []
    refused: list[float] = []

    async def crowd() -> None:
        places = Places(2, waiting_at_most=4, work="questions wait")
        async with anyio.create_task_group() as tasks:
            for _ in range(500):
                tasks.start_soon(timed, places, served, refused)

    anyio.run(crowd)
    assert (len(served), len(refused)) == (6, 494)
    # Two at a time: whoever came last of the six waits for two before, and for none of the five hundred.
    assert 3 * WORK_SECONDS <= max(served) < 3 * WORK_SECONDS + 1
    assert max(refused) < 1


def test_a_place_is_given_back_whatever_happens_there() -> None:
    async def fail() -> None:
        places = Places(1, waiting_at_most=1, work="questions wait")
        for _ in range(5):
            with pytest.raises(ZeroDivisionError):
                async with places.place():
                    raise ZeroDivisionError
        async with places.place():
            pass

    anyio.run(fail)


def test_who_gives_up_waiting_frees_the_queue() -> None:
    async def give_up() -> None:
        places = Places(1, waiting_at_most=1, work="questions wait")
        async with places.place():
            for _ in range(5):
                with anyio.move_on_after(0.01):
                    async with anyio.create_task_group() as tasks:
                        tasks.start_soon(timed, places, [], [])
        async with places.place():
            pass

    anyio.run(give_up)
