"""Notes in the ledger that the stages are at work and whether Kafka answers: for people, who must hear when not."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection

from hub.errors import BrokerUnavailable, LedgerUnavailable
from hub.ledger import attendance
from hub.ledger.desk import now_ms
from hub.ledger.engine import Ledger
from hub.stages.patience import pause

log = logging.getLogger(__name__)
EVERY = 5.0  # seconds between looks
AGAIN = (0.0, 10.0, 60.0, 300.0)  # seconds until Kafka is started again, by how often it was of late
CALM = 900.0  # seconds after which it is no longer of late


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
        self._tries = 0  # to start Kafka again, of late
        self._tried = 0.0  # when last

    async def run(self, stop: asyncio.Event) -> None:
        """Look until asked to stop."""
        while not stop.is_set():
            await self.look()
            await pause(stop, EVERY)

    async def look(self) -> None:
        """Look once."""
        answers = await asyncio.to_thread(self._answers)
        await self._note(answers=answers)
        if not answers and self._revive is not None and self._may_try() and await self._revived(self._revive):
            await self._note(answers=True)

    def _may_try(self) -> bool:
        """Say whether it is time to start Kafka again: one that ends each time keeps neither machine nor log busy."""
        passed = time.monotonic() - self._tried
        if passed > CALM:
            self._tries = 0
        return passed >= AGAIN[min(self._tries, len(AGAIN) - 1)]

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
            self._count_try()
            if str(error) != self._told:
                log.warning("Kafka has ended and cannot be started again: %s", error)
            self._told = str(error)
            return False
        self._count_try()
        log.warning("Kafka had ended by itself and was started again")
        self._told = ""
        if answers := await asyncio.to_thread(self._answers):
            return answers
        log.warning("it does not answer at %s: if another has that port now, start the hub again", self._bootstrap)
        return False

    def _count_try(self) -> None:
        self._tries, self._tried = self._tries + 1, time.monotonic()
