"""Waiting for a condition, with a limit."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(look: Callable[[], T | None], alive: Callable[[], None] = lambda: None, limit: float = 60.0) -> T:
    """Return the first answer of `look` that is not None; raises RuntimeError after `limit` seconds."""
    end = time.monotonic() + limit
    while (found := look()) is None:
        alive()
        if time.monotonic() > end:
            raise RuntimeError(f"waited {limit:.0f} s in vain")
        time.sleep(0.05)
    return found
