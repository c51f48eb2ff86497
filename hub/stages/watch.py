"""Who is protected, watched while a receiver works through many calls: an answer serves for a second."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

SERVES = 1.0  # seconds


class Watch:
    """The protection of some residents, asked again when the answer is older than `SERVES`."""

    def __init__(self, ask: Callable[[Iterable[str]], dict[str, bool]], subjects: Iterable[str]) -> None:
        self._ask = ask
        self._subjects = set(subjects)
        self._flags: dict[str, bool] = {}
        self._at: float | None = None
        self._asking = asyncio.Lock()

    async def flags(self) -> dict[str, bool]:
        """Return who is protected (True) or not known to the list (False); raises LedgerUnavailable."""
        async with self._asking:
            now = asyncio.get_running_loop().time()
            if self._at is None or now - self._at > SERVES:
                self._flags = await asyncio.to_thread(self._ask, self._subjects)
                self._at = now
        return self._flags
