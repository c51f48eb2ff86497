"""Running the hub's work in this process."""

from __future__ import annotations

import ctypes
import gc
import os
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

_GLIBC = {  # by the variables of the environment that say the same: parameters of malloc.h, and values
    "MALLOC_ARENA_MAX": (-8, 1),  # an arena for each thread leaves room that is free lying scattered
    "MALLOC_MMAP_THRESHOLD_": (-3, 256 << 10),  # bytes; else it grows, and what a batch needed once stays in the heap
    "MALLOC_TRIM_THRESHOLD_": (-1, 8 << 20),
}
COLLECT_AFTER = 1_000_000  # new objects; records pass through in large numbers and hold no cycles


def collect_seldom() -> None:
    """Let the collector look for cycles seldom: also what a command loads, and what a job goes through, holds none."""
    gc.set_threshold(COLLECT_AFTER, 50, 50)


def keep_memory_small() -> None:
    """Have the C library give back what batches needed for a moment; glibc alone can be told.

    What the environment says of it is left as it is.
    """
    if os.name == "posix" and hasattr(library := ctypes.CDLL(None), "mallopt"):
        for name, parameter in _GLIBC.items():
            if name not in os.environ:
                library.mallopt(*parameter)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end on the fastest loop there is, with what is loaded out of the collector's sight."""
    keep_memory_small()
    gc.collect()
    gc.freeze()
    try:
        return _loop()(work)
    finally:
        gc.freeze()  # what is left need not be looked through when the command ends


def _loop() -> Callable[[Coroutine[Any, Any, T]], T]:
    try:
        import uvloop
    except ImportError:  # not made for Windows
        import asyncio

        return asyncio.run
    return uvloop.run
