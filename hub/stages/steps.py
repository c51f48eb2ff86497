"""How a pass over a source does its steps: in the source's own thread, waiting out what is away."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from hub.errors import Unavailable
from hub.stages.patience import outlast

T = TypeVar("T")


class Threaded(Protocol):
    """Calls a function that may block, in a thread."""

    async def __call__(self, call: Callable[..., T], *arguments: Any) -> T:
        """Return what the function returns."""
        ...


@dataclass(frozen=True, slots=True)
class Steps:
    """The steps of one pass; `patience` in seconds as in `outlast`."""

    threaded: Threaded
    stop: asyncio.Event
    tell: Callable[[Unavailable | None], None]
    patience: float | None

    async def once(self, call: Callable[..., T], *arguments: Any) -> T:
        """Call in the thread, whatever comes of it."""
        return await self.threaded(call, *arguments)

    async def lasting(self, call: Callable[..., T], *arguments: Any) -> T:
        """Call in the thread until the service it needs is there."""
        return await self.outlast(lambda: self.threaded(call, *arguments))

    async def outlast(self, step: Callable[[], Awaitable[T]]) -> T:
        """Await the step until the service it needs is there."""
        return await outlast(step, self.stop, tell=self.tell, patience=self.patience)
