"""When a delivery that failed is tried again, and when it is given up."""

from __future__ import annotations

import datetime as dt
import random
from dataclasses import dataclass

from hub.settings.models import Retry

SPREAD = 0.1  # of the delay, either way, so that what failed together does not come back together
LONGEST_ASKED = 86_400.0  # seconds; a `Retry-After` beyond a day is looked at again after a day


@dataclass(frozen=True, slots=True)
class Schedule:
    """A receiver's retries; delays are in seconds, `give_up` is a number of attempts or None for never."""

    delays: tuple[float, ...]
    then: float
    give_up: int | None = None

    @classmethod
    def of(cls, retry: Retry) -> Schedule:
        """Return the schedule a receiver's settings say."""
        return cls(retry.delays, retry.then, None if retry.give_up == "never" else retry.give_up)

    def due(
        self,
        attempt: int,
        now: dt.datetime,
        retry_after: float | None,
        rng: random.Random,
        *,
        others_succeed: bool,
    ) -> dt.datetime | None:
        """Return when the next attempt is due, None when the delivery is exhausted.

        `attempt` counts those that reached the system while it was open, this one included. `retry_after` is what the
        system asked for, in seconds. `others_succeed` tells whether another delivery to the same receiver succeeded
        since this one's attempt before: while nothing gets through, the fault is the system's, nothing is given up.
        """
        if self.give_up is not None and attempt >= self.give_up and others_succeed:
            return None
        return now + dt.timedelta(seconds=self.delay(attempt, retry_after, rng))

    def delay(self, attempt: int, retry_after: float | None, rng: random.Random) -> float:
        """Return the seconds until the next attempt.

        A system's `Retry-After` goes before the schedule: never sooner than asked, nor sooner than the first delay.
        """
        if retry_after is not None:
            asked = min(max(retry_after, self._planned(1)), LONGEST_ASKED)
            return asked * rng.uniform(1.0, 1.0 + SPREAD)
        return self._planned(attempt) * rng.uniform(1.0 - SPREAD, 1.0 + SPREAD)

    def _planned(self, attempt: int) -> float:
        index = max(attempt, 1) - 1
        return self.delays[index] if index < len(self.delays) else self.then
