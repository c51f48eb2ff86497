"""Who is protected, asked just before each of the many calls of a round."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from itertools import chain


class Watch:
    """The protection of residents, asked anew for every call; calls that ask at the same time share a question.

    An answer serves those only who had asked before the question was put to the ledger.
    """

    def __init__(self, ask: Callable[[Iterable[str]], dict[str, bool]]) -> None:
        self._ask = ask
        self._wanted: list[Iterable[str]] = []
        self._flags: Mapping[str, bool] = {}
        self._questions = 0  # put so far
        self._answered = 0  # the last of them that was answered
        self._asking = asyncio.Lock()

    async def flags(self, subjects: Iterable[str]) -> Mapping[str, bool]:
        """Return who is protected (True) or not known to the list (False), of others too; raises LedgerUnavailable.

        `subjects` are gone through when the ledger is asked, and again if it does not answer: no iterator.
        """
        self._wanted.append(subjects)
        before = self._questions
        async with self._asking:
            if self._answered <= before:
                await self._put()
            return self._flags

    async def _put(self) -> None:
        asked, self._wanted = self._wanted, []
        self._questions += 1
        try:
            self._flags = await asyncio.to_thread(self._ask, chain.from_iterable(asked))
        except BaseException:
            # whoever waited for this answer asks anew
            self._wanted = [set(chain.from_iterable([*asked, *self._wanted]))]
            raise
        self._answered = self._questions
