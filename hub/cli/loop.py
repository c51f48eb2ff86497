"""Running the hub's work in this process."""

from __future__ import annotations

import ctypes
import gc
import os
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

_ARENA_MAX = -8  # M_ARENA_MAX of malloc.h
COLLECT_AFTER = 1_000_000  # new objects; records pass through in large numbers and hold no cycles


def collect_seldom() -> None:
    """Let the collector look for cycles seldom: also what a command loads, and what a job goes through, holds none."""
    gc.set_threshold(COLLECT_AFTER, 50, 50)


def few_arenas() -> None:
    """Let threads share the memory that the C library gives out: with an arena each, room that is free lies scattered.

    glibc alone has arenas; a `MALLOC_ARENA_MAX` of the environment is left as it is.
    """
    if os.name == "posix" and "MALLOC_ARENA_MAX" not in os.environ and hasattr(library := ctypes.CDLL(None), "mallopt"):
        library.mallopt(_ARENA_MAX, 1)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end on the fastest loop there is, with what is loaded out of the collector's sight."""
    few_arenas()
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
