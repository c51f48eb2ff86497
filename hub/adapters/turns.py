"""Blocking work of a sink, one piece at a time, so that none of it goes on behind a sink that was closed.

A call that is cancelled leaves its work running in a thread. Were the sink closed meanwhile, that work would take its
lock or its connection anew, and keep it from whoever comes next.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from hub.errors import Transient

P = ParamSpec("P")
T = TypeVar("T")


class Turns:
    """The turns of one sink: `run` waits for the turn before, `close` for all; what has not begun then never does."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._times = 0  # it was closed

    async def run(self, work: Callable[P, T], *args: P.args, **options: P.kwargs) -> T:
        """Do the work in a worker thread; raises `Transient` when the sink was closed before its turn."""
        times = self._times

        def turn() -> T:
            with self._turn:
                if times != self._times:
                    raise Transient("it was closed before this was begun", code="closed")
                return work(*args, **options)

        return await asyncio.to_thread(turn)

    async def close(self, work: Callable[[], None]) -> None:
        """Let go, when what has begun is done."""
        self._times += 1

        def turn() -> None:
            with self._turn:
                work()

        await asyncio.to_thread(turn)
