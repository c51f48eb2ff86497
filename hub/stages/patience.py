"""Waiting out a service that is away, without holding up a stop."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from hub.errors import Unavailable

T = TypeVar("T")
_FIRST = 0.2
_LONGEST = 10.0


class Stopping(Exception):  # noqa: N818 - no error: the stage was asked to end
    """The stage was asked to stop while it waited."""


async def outlast(
    step: Callable[[], Awaitable[T]],
    stop: asyncio.Event,
    *,
    tell: Callable[[Unavailable | None], None],
    patience: float | None = None,
) -> T:
    """Repeat the step until the service it needs is there, ever more slowly (0.2 s doubling to 10 s, with jitter).

    `tell` hears of each fault, and None when it is over. After `patience` seconds (None: never) the fault is raised.
    Raises `Stopping` when `stop` is set meanwhile.
    """
    delay = _FIRST
    given_up = None if patience is None else time.monotonic() + patience
    waited = False
    while True:
        try:
            result = await step()
        except Unavailable as error:
            tell(error)
            if given_up is not None and time.monotonic() + delay > given_up:
                raise
        else:
            if waited:
                tell(None)
            return result
        waited = True
        if await pause(stop, delay * random.uniform(0.8, 1.2)):  # noqa: S311 - jitter, not a secret
            raise Stopping
        delay = min(delay * 2, _LONGEST)


async def pause(stop: asyncio.Event, seconds: float) -> bool:
    """Wait so long, or until asked to stop; tell whether that was asked."""
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return False
    return True
