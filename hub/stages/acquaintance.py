"""What the hub has heard of one resident, for a person who must judge a report: the facts of all reports that stand."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from hub.ledger.desk import Desk
from hub.ledger.engine import Ledger
from hub.ledger.log import EventLog
from hub.routing.protection import locates_person
from hub.settings.front import TIMEZONE
from hub.stages.clock import utc_now
from hub.stages.history import Archive, History
from hub.stages.rulebook import RuleBook

SHOWN = ("name", "kana", "birth_date", "address", "household_no")  # of `facts.resident`


class Acquaintances:
    """Asks one ledger."""

    def __init__(self, ledger: Ledger, timezone: str = TIMEZONE) -> None:
        """Ask of the day that it is in a time zone."""
        self._timezone = ZoneInfo(timezone)
        self._archive = Archive(EventLog(ledger), RuleBook(ledger, Desk(ledger)))

    def of(self, subject: str, *, hidden: bool = False) -> dict[str, Any] | None:
        """Return what holds today of a resident (`SHOWN`), None when there was never a report of them.

        Where it is `hidden`, without what locates them.
        """
        history = History(*self._archive.of(subject))
        if not history.events:
            return None
        known = history.facts(until=utc_now().astimezone(self._timezone).date().isoformat())["resident"]
        names = [name for name in SHOWN if not (hidden and locates_person((), ("facts", "resident", name)))]
        return {name: known[name] for name in names if name in known}
