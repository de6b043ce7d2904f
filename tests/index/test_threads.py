"""One number caps every library's threads, in every thread of the process."""

import subprocess
import sys
from pathlib import Path

import pytest

from index.threads import cap_threads

ROOT = Path(__file__).parents[2]

CAPS = """
import os, threading
from index.threads import cap_threads
{before}
cap_threads({threads})
import faiss, numpy
from threadpoolctl import threadpool_info

def caps():
    found = {{faiss.omp_get_max_threads()}} | {{info["num_threads"] for info in threadpool_info()}}
    print(*found)

def in_thread():
    {in_thread}
    caps()

caps()
thread = threading.Thread(target=in_thread)
thread.start()
thread.join()
"""


def caps(*, threads: int, before: str = "", in_thread: str = "pass") -> list[str]:
    """What FAISS, BLAS and OpenMP say in the main thread and in another one."""
    code = CAPS.format(threads=threads, before=before, in_thread=in_thread)
    environment = {"PATH": "", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment, cwd=ROOT
    )
    return done.stdout.split("\n")[:2]


@pytest.mark.parametrize("threads", [1, 2])
def test_what_is_imported_later_keeps_to_the_cap_in_every_thread(threads: int) -> None:
    assert caps(threads=threads) == [str(threads)] * 2


def test_what_was_imported_before_keeps_to_it_in_threads_that_cap_themselves() -> None:
    assert caps(threads=1, before="import faiss, numpy", in_thread="cap_threads(1)") == ["1", "1"]


def test_no_threads_at_all_are_refused() -> None:
    with pytest.raises(ValueError, match="expected 1 or more"):
        cap_threads(0)
