"""Notes in the ledger that the stages are at work and whether Kafka answers: for people, who must hear when not."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection

from hub.errors import BrokerUnavailable, LedgerUnavailable
from hub.ledger import attendance
from hub.ledger.desk import now_ms
from hub.ledger.engine import Ledger
from hub.stages.patience import pause

log = logging.getLogger(__name__)
EVERY = 5.0  # seconds between looks


class Attending:
    """Looks now and then whether Kafka answers.

    `revive`, of a city with a Kafka of its own, starts that again if it has ended by itself, and tells whether it did.
    """

    def __init__(
        self,
        ledger: Ledger,
        stages: Collection[str],
        bootstrap: str,
        answers: Callable[[], bool],
        revive: Callable[[], bool] | None = None,
    ) -> None:
        self._ledger, self._stages, self._bootstrap = ledger, stages, bootstrap
        self._answers, self._revive = answers, revive
        self._silent: int | None = None  # since when, in milliseconds
        self._told = ""

    async def run(self, stop: asyncio.Event) -> None:
        """Look until asked to stop."""
        while not stop.is_set():
            await self.look()
            await pause(stop, EVERY)

    async def look(self) -> None:
        """Look once."""
        answers = await asyncio.to_thread(self._answers)
        await self._note(answers=answers)
        if not answers and self._revive is not None and await self._revived(self._revive):
            await self._note(answers=True)

    async def _note(self, *, answers: bool) -> None:
        self._silent = None if answers else self._silent or now_ms()
        silent = {"bootstrap": self._bootstrap, "managed": self._revive is not None, "since": self._silent}
        try:
            await asyncio.to_thread(attendance.note, self._ledger, self._stages, None if answers else silent)
        except LedgerUnavailable as error:
            log.debug("it cannot be noted that the stages are at work: %s", error)

    async def _revived(self, revive: Callable[[], bool]) -> bool:
        """Start Kafka again if it has ended by itself, and say whether it answers at its old address."""
        try:
            if not await asyncio.to_thread(revive):
                return False
        except BrokerUnavailable as error:
            if str(error) != self._told:
                log.warning("Kafka has ended and cannot be started again: %s", error)
            self._told = str(error)
            return False
        log.warning("Kafka had ended by itself and was started again")
        self._told = ""
        return await asyncio.to_thread(self._answers)
