"""What people may ask for in bulk: each method returns the plan of a job, which is also its preview."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from hub.errors import UsageError
from hub.ledger import commands, jobs
from hub.ledger.engine import Ledger
from hub.ledger.log import EventLog
from hub.ledger.protected import Discretion
from hub.ledger.upkeep import analyse_grown
from hub.ledger.views import EventFilter, Views
from hub.settings.models import City, Limit
from hub.stages import replay
from hub.stages.amending import Amender
from hub.stages.backfill import Newcomer
from hub.stages.deciding import refuse_idle
from hub.stages.entries import ActiveRules
from hub.stages.finding import Finder, refuse_unknown
from hub.stages.inquiry import DeliveryFilter
from hub.stages.jobs import Plan
from hub.stages.remaking import Edit, Today
from hub.stages.replay import Choice
from hub.stages.rulebook import RuleBook
from hub.stages.shutters import list_of
from hub.stages.told import Told


class Foreman:
    """Plans jobs for one city, by the rules it has now."""

    def __init__(self, ledger: Ledger, city: City, rules: ActiveRules, book: RuleBook) -> None:
        analyse_grown(ledger)
        self._ledger = ledger
        self._city = city
        self._rules = rules
        self._log = EventLog(ledger)
        self._book = book
        self._views = Views(ledger)
        self._discretion = Discretion(ledger, list_of(ledger, city.protection))
        self._finder = Finder(self._views, book, self._discretion)

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

        Raises UsageError when nothing says which, and for a name that nobody knows; NotFound for a key, Malformed for
        an edit.
        """
        if not keys and wanted == DeliveryFilter():
            raise UsageError("which deliveries?", mend="name delivery keys, or filters such as --system and --status")
        refuse_unknown(self._city, self.named(), wanted.systems, wanted.types)
        found: Iterable[Told] = (
            sorted((self._finder.delivery(key) for key in keys), key=lambda told: told.entry.pos)
            if keys
            else self._finder.deliveries(wanted)
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
        """Plan a person's decision on single deliveries: `release`, `drop` or `confirm`.

        Raises UsageError (`undecidable`) when it would change nothing in one of them, and says what would.
        """
        plan = Plan("settle", {})
        answering = {each.key for each in self._city.receivers() if each.acknowledged is not None}
        for key in keys:
            told = self._finder.delivery(key)
            refuse_idle(what, told, answers=told.key in answering)
            order = jobs.Order(told.receiver, what, told.entry.pos, told.job)
            plan.add(what, order, {"id": told.delivery.key, "status": told.state[0]}, told.key)
        return plan

    # --- events ------------------------------------------------------------------------------------------------

    def cancel(self, wanted: EventFilter, references: Sequence[str] = ()) -> Plan:
        """Plan to take events back, by filter or by id. Raises UsageError when nothing says which, NotFound."""
        plan = Plan("cancel", {})
        self._amender().cancel(plan, self._chosen(wanted, references))
        return self._limited(plan, self._city.approval.cancel)

    def correct(self, reference: str, right: Mapping[str, Any]) -> Plan:
        """Plan to put one event right; `right` are all of its values. Raises NotFound and Malformed."""
        plan = Plan("correct", {})
        self._amender().correct(plan, self._rows([reference])[0], right)
        return self._limited(plan, self._city.approval.correct)

    def correct_all(self, wanted: EventFilter, references: Sequence[str], fields: Mapping[str, Any]) -> Plan:
        """Plan to put events right, by filter or by id: these fields replace those that stand, None takes one away.

        Raises UsageError when nothing says which, NotFound and Malformed.
        """
        plan = Plan("correct", {})
        self._amender().correct_all(plan, self._chosen(wanted, references), fields)
        return self._limited(plan, self._city.approval.correct)

    def move(self, reference: str, subject: str, right: Mapping[str, Any]) -> Plan:
        """Plan to cancel an event about the wrong person and to report it of the right one, with all of its values.

        Raises NotFound, Malformed and UsageError.
        """
        plan = Plan("correct", {"subject": subject})
        self._amender().move(plan, self._rows([reference])[0], subject, right)
        return self._limited(plan, self._city.approval.correct, plan.counts["cancel"])

    def again(self, reference: str, right: Mapping[str, Any]) -> Plan:
        """Plan to report an event anew that was cancelled by mistake, with all of its values.

        Raises NotFound and Malformed.
        """
        plan = Plan("correct", {})
        self._amender().again(plan, self._rows([reference])[0], right)
        return self._limited(plan, self._city.approval.correct)

    def named(self) -> tuple[frozenset[str], frozenset[str]]:
        """Return the event types and the systems that the ledger knows."""
        return self._views.named()

    def values(self, reference: str) -> dict[str, Any]:
        """Return the values of an event as they stand; raises NotFound."""
        return self._amender().values(self._rows([reference])[0])

    def _chosen(self, wanted: EventFilter, references: Sequence[str]) -> Iterable[Any]:
        if not references and wanted == EventFilter():
            raise UsageError("which events?", mend="name an event, --batch, or filters such as --system and --since")
        return self._rows(references) if references else self._finder.events(wanted)

    def _rows(self, references: Sequence[str]) -> list[Any]:
        return [self._views.event(self._views.find(reference)) for reference in references]

    def _amender(self) -> Amender:
        return Amender(self._log, self._book, self._rules, self._city, self._discretion)

    @staticmethod
    def _limited(plan: Plan, limit: Limit | None, events: int | None = None) -> Plan:
        """Let a plan about more events than its limit wait for another person."""
        count = len(plan.orders) if events is None else events
        plan.approval = limit is not None and count > limit.above
        return plan

    # --- history and state -------------------------------------------------------------------------------------

    def backfill(self, system: str, since: int, **options: Any) -> Plan:
        """Plan to tell a system of what was recorded since a moment (milliseconds) and it was not told of.

        `options` of these three: `rate` (deliveries a second), `include_outward`, and here `even_if_stale`.
        """
        plan = Plan("backfill", {"system": system, "since": since, **options})
        positions: defaultdict[str, set[int]] = defaultdict(set)
        for row in self._finder.events(EventFilter(since=since)):
            positions[row.subject].add(row.pos)
        self._newcomer(system, plan).history(plan, positions, ZoneInfo(self._city.timezone))
        return plan

    def seed(self, system: str, **options: Any) -> Plan:
        """Plan to tell a system the present state of every resident its rules speak of."""
        plan = Plan("seed", {"system": system, "even_if_stale": True, **options})
        self._newcomer(system, plan).state(plan, self._views.subjects())
        return plan

    def restore(self, system: str, to: int, **options: Any) -> Plan:
        """Plan to send a system again what it took since a moment (milliseconds), which its restored data lacks."""
        plan = Plan("restore", {"system": system, "to": to, "even_if_stale": True, **options})
        for key, number in self._receivers(system, plan).items():
            taken = commands.count_arrived_since(self._ledger, number, to)
            if taken:
                plan.orders.append(jobs.Order(number, "restore"))
                plan.counts["resend"] += taken
                plan.receivers[key] += taken
        return plan

    def _newcomer(self, system: str, plan: Plan) -> Newcomer:
        receivers = set(self._receivers(system, plan).values())
        return Newcomer(self._log, self._book, self._rules, receivers)

    def _receivers(self, system: str, plan: Plan) -> dict[str, int]:
        """Return a system's receivers by key; those with effects outside are left out unless the plan's args say so.

        Raises UsageError when it has none.
        """
        numbers = {key: no for no, key in self._rules.keys.items()}
        found = [each for each in self._city.receivers() if each.system == system and each.enabled]
        if not found:
            known = sorted({each.system for each in self._city.receivers()})
            raise UsageError(f"there is no system {system} that receives", mend="one of: " + ", ".join(known))
        outward = [each.key for each in found if each.effects == "outward" and not plan.args.get("include_outward")]
        plan.left_out.update({f"outward: {key}": 1 for key in outward})
        return {each.key: numbers[each.key] for each in found if each.key not in outward}
