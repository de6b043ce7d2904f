"""Gives memory that was freed back to the system. The service calls it once a clip has been embedded.

An encoder's layers need tens of megabytes for a fraction of a second. The C library keeps them for the next call, in
every thread's heap separately, so that a small service would grow to several times its size.
"""

import ctypes
from collections.abc import Callable


def _find_trim() -> Callable[[int], int] | None:
    """The GNU C library's `malloc_trim`; other systems' libraries have none, and keep less."""
    try:
        trim: Callable[[int], int] = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        return None
    return trim


_trim = _find_trim()


def give_back_memory() -> None:
    """Return what is free in all heaps; takes a few milliseconds, and lets other threads run meanwhile."""
    if _trim is not None:
        _trim(0)
