"""A process that dies at a named point."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from typing import Any


def die_after(owner: Any, name: str, wanted: int) -> None:
    """Kill this process with -9 right after a function, plain or not, has been called so often."""
    call: Callable[..., Any] = getattr(owner, name)
    calls = []

    def counted() -> None:
        calls.append(1)
        if len(calls) == wanted:
            os.kill(os.getpid(), signal.SIGKILL)

    async def awaited(*arguments: Any, **named: Any) -> Any:
        result = await call(*arguments, **named)
        counted()
        return result

    def called(*arguments: Any, **named: Any) -> Any:
        result = call(*arguments, **named)
        counted()
        return result

    setattr(owner, name, awaited if asyncio.iscoroutinefunction(call) else called)
