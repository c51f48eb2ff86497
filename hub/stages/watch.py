"""Who is protected, asked just before each of the many calls of a round."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping


class Watch:
    """The protection of residents, asked anew for every call; calls that ask at the same time share a question.

    An answer serves those only who had asked before the question was put to the ledger.
    """

    def __init__(self, ask: Callable[[Iterable[str]], dict[str, bool]]) -> None:
        self._ask = ask
        self._wanted: set[str] = set()
        self._flags: Mapping[str, bool] = {}
        self._questions = 0
        self._asking = asyncio.Lock()

    async def flags(self, subjects: Iterable[str]) -> Mapping[str, bool]:
        """Return who is protected (True) or not known to the list (False); raises LedgerUnavailable."""
        self._wanted.update(subjects)
        before = self._questions
        async with self._asking:
            if self._questions == before:
                await self._put()
            return self._flags

    async def _put(self) -> None:
        asked, self._wanted = self._wanted, set()
        self._questions += 1
        try:
            self._flags = await asyncio.to_thread(self._ask, asked)
        except BaseException:
            self._questions -= 1  # whoever waited for this answer asks anew
            self._wanted |= asked
            raise
