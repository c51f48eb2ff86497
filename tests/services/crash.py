"""A process that dies at a named point."""

from __future__ import annotations

import inspect
import os
import signal
from collections.abc import Callable
from typing import Any

Seen = Callable[[tuple[Any, ...], Any], bool]  # of a call's arguments and its result: is it the one?


def kill() -> None:
    """End this process as `kill -9` does, with nothing written, closed or given back."""
    os.kill(os.getpid(), signal.SIGKILL)
    signal.pause()  # this thread does no more while the signal is on its way


def die_after(owner: Any, name: str, wanted: int) -> None:
    """Kill this process with -9 right after a function, plain or not, has been called so often."""
    calls: list[int] = []

    def reached(_arguments: tuple[Any, ...], _result: Any) -> bool:
        calls.append(1)
        return len(calls) == wanted

    die_around(owner, name, reached)


def die_around(
    owner: Any, name: str, only: Seen, *, before: bool = False, death: Callable[[tuple[Any, ...]], None] | None = None
) -> None:
    """Kill this process with -9 before or after the first call of a function, plain or not, that `only` picks.

    `death` takes the call's arguments and does the killing.
    """
    call: Callable[..., Any] = getattr(owner, name)
    die = death or (lambda _: kill())

    def at(arguments: tuple[Any, ...], result: Any) -> None:
        if only(arguments, result):
            die(arguments)

    async def awaited(*arguments: Any, **named: Any) -> Any:
        if before:
            at(arguments, None)
            return await call(*arguments, **named)
        result = await call(*arguments, **named)
        at(arguments, result)
        return result

    def called(*arguments: Any, **named: Any) -> Any:
        if before:
            at(arguments, None)
            return call(*arguments, **named)
        result = call(*arguments, **named)
        at(arguments, result)
        return result

    setattr(owner, name, awaited if inspect.iscoroutinefunction(call) else called)
