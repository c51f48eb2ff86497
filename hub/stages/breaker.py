"""Whether a system takes what it is sent: a breaker opens when it does not, and single deliveries are its probes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from hub.adapters.contract import Outcome
from hub.errors import Malformed, Rejected, Transient
from hub.ledger.deadletters import public_code

PROBES = (1.0, 2.0, 5.0, 10.0, 15.0)  # seconds between probes of a system that does not answer
OPEN_AFTER = 5  # refusals in a row that may pass, without a success, before the breaker opens


@dataclass(slots=True)
class Breaker:
    """An open breaker: since when, in milliseconds, why, and what its probes were."""

    since: int
    error: str = ""
    code: str = ""
    probes: int = 0
    next: int = 0  # when the next probe is due, in milliseconds
    passed: set[tuple[int, int]] = field(default_factory=set)  # whose fault it may be: others are probes before them
    all_passed: bool = False  # the next probe comes from the log


@dataclass(slots=True)
class Health:
    """What calls have shown of a system: its breaker while it is open, and when it last took something."""

    breaker: Breaker | None = None
    failures: int = 0  # in a row, that may pass
    succeeded: int = 0  # when something last got through, in milliseconds
    takes: int = 0  # calls that took effect

    def judge(self, outcomes: Sequence[Outcome], now: int) -> None:
        """Open the breaker when the system does not answer or only refuses; close it at the first success."""
        for outcome in outcomes:
            error = outcome.error
            if error is None or isinstance(error, Rejected | Malformed):
                self.failures = 0
                self.breaker = None
                if error is None:
                    self.succeeded = now
                    self.takes += 1
            elif isinstance(error, Transient):
                self.failures += 1
                if not error.reached or self.failures >= OPEN_AFTER:
                    self._open(error, now)
        if self.breaker is not None:
            self.breaker.probes += 1

    def _open(self, error: Transient, now: int) -> None:
        breaker = self.breaker = self.breaker or Breaker(now)
        breaker.error, breaker.code = str(error), error.code and public_code(error.code)
        breaker.next = now + int(max(self.delay(), error.retry_after or 0.0) * 1000)

    def delay(self) -> float:
        """Return the seconds until the next probe."""
        probes = self.breaker.probes if self.breaker else 0
        return PROBES[min(probes, len(PROBES) - 1)]
