"""`missing_file_by`, and `by` of an acknowledgement: an entry for a person when nothing has come by its time of day."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time

from hub.errors import HubError
from hub.ledger import batches
from hub.stages.services import Services

_LAST = "23:59"  # a deadline at the end of the day is still on that day


class Deadline:
    """The deadline of one source: on every open day, in the city's time zone.

    `is_open` is its own calendar before the city's; `awaited(midnight)` says whether anything is expected on a day;
    `missed(midnight)` is told that the time is over, once the source could be read.
    """

    def __init__(
        self,
        system: str,
        source: str,
        by: str,
        services: Services,
        is_open: Callable[[date], bool] | None = None,
        awaited: Callable[[int], bool] = lambda _midnight: True,
        missed: Callable[[int], None] | None = None,
    ) -> None:
        self._system = system
        self._source = source
        self._by = time.fromisoformat(min(by, _LAST))
        self._services = services
        self._is_open = is_open or services.is_open
        self._awaited = awaited
        self._missed = missed
        self._settled: date | None = None

    def check(self, fault: HubError | None) -> None:
        """Enter that today's file is missing, once, if it is. Raises `LedgerUnavailable`."""
        services = self._services
        now = services.clock().astimezone(services.timezone)
        today = now.date()
        if today == self._settled or now.time() < self._by or not self._is_open(today):
            return
        midnight = datetime.combine(today, time(), services.timezone)
        since = int(midnight.timestamp() * 1000)
        if not batches.arrived(services.ledger, self._system, self._source, since) and self._awaited(since):
            reason = f"nothing had come on {today} by {self._by:%H:%M}" + (f" ({fault})" if fault else "")
            batches.miss(
                services.ledger, self._system, self._source, day=today.isoformat(), reason=reason, at=services.now
            )
        if self._missed is not None:
            if fault is not None:  # an answer may lie there and could not be read: nobody is silent yet
                return
            self._missed(since)
        self._settled = today
