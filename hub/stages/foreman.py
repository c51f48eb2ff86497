"""What people may ask for in bulk: each method returns the plan of a job, which is also its preview."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from hub.errors import UsageError
from hub.ledger import jobs
from hub.ledger.engine import Ledger
from hub.ledger.log import EventLog
from hub.ledger.views import Views
from hub.settings.models import City
from hub.stages import replay
from hub.stages.entries import ActiveRules
from hub.stages.finding import Finder
from hub.stages.inquiry import DeliveryFilter
from hub.stages.jobs import Plan
from hub.stages.remaking import Edit, Today
from hub.stages.replay import Choice
from hub.stages.rulebook import RuleBook
from hub.stages.told import Told


class Foreman:
    """Plans jobs for one city, by the rules it has now."""

    def __init__(self, ledger: Ledger, city: City, rules: ActiveRules, book: RuleBook) -> None:
        self._ledger = ledger
        self._city = city
        self._rules = rules
        self._log = EventLog(ledger)
        self._finder = Finder(Views(ledger), book)

    # --- deliveries --------------------------------------------------------------------------------------------

    def replay(
        self,
        wanted: DeliveryFilter,
        keys: Sequence[str] = (),
        *,
        now: bool = False,
        edit: Any = None,
        rate: float | None = None,
        even_if_stale: bool = False,
        include_outward: bool = False,
    ) -> Plan:
        """Plan a replay of deliveries by filter or by key; `now` projects by today's rules, `edit` is JSON.

        Raises UsageError when nothing says which, NotFound for a key, Malformed for an edit.
        """
        if not keys and wanted == DeliveryFilter():
            raise UsageError("which deliveries?", mend="name delivery keys, or filters such as --system and --status")
        found: Iterable[Told] = (
            [self._finder.delivery(key) for key in keys] if keys else self._finder.deliveries(wanted)
        )
        remakes: list[replay.Remake] = []
        if now:
            today = dt.datetime.now(ZoneInfo(self._city.timezone)).date()
            remakes.append(Today(self._log, self._rules, today))
        if edit is not None:
            remakes.append(Edit.of(edit, self._city.city))
        receivers = [each for each in self._city.receivers() if each.enabled]
        named = {self._finder.delivery(key).state[0] for key in keys} if keys else set(wanted.statuses)
        choice = Choice(
            named=frozenset(named),
            live=frozenset(each.key for each in receivers),
            outward=frozenset(each.key for each in receivers if each.effects == "outward"),
            include_outward=include_outward,
            even_if_stale=even_if_stale,
            rate=rate,
        )
        return replay.plan(self._ledger, found, choice, remakes)

    def decide(self, what: str, keys: Sequence[str]) -> Plan:
        """Plan a person's decision on single deliveries: `release`, `drop` or `confirm`."""
        plan = Plan("settle", {})
        for key in keys:
            told = self._finder.delivery(key)
            order = jobs.Order(told.receiver, what, told.entry.pos, told.job)
            plan.add(what, order, {"id": told.delivery.key, "status": told.state[0]}, told.key)
        return plan
