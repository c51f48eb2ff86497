"""What a receiver that came later is told: the history since a day, or the present state of every resident.

Both are planned by today's rules, for its receivers only, from the events as they stand: what was cancelled is not
told, what was corrected is told right. Nobody who was told of an event is told of it again.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Any, NamedTuple

from hub.events.facts import delta, merge, restated
from hub.ledger import commands
from hub.ledger.facts import FactBook
from hub.ledger.jobs import Order
from hub.ledger.log import EventLog
from hub.stages.entries import ActiveRules, Item, pack_made
from hub.stages.history import Archive, History, Past, folded, households_of
from hub.stages.jobs import Plan
from hub.stages.judgement import kind_of
from hub.stages.rulebook import RuleBook
from hub.stages.scene import Scene, due_on, projected

Facts = dict[str, Any]
AT_ONCE = 500  # residents whose events are held in memory at one time


class _Found(NamedTuple):
    """What a receiver is told of an event; `payload` None: what is suppressed, and why."""

    pos: int
    receiver: int
    name: str
    type: str
    payload: bytes | None
    suppressed: str = ""


class Newcomer:
    """Plans what some receivers, by their numbers, are told of what the ledger knows."""

    def __init__(self, log: EventLog, book: RuleBook, rules: ActiveRules, receivers: AbstractSet[int]) -> None:
        self._ledger = log.ledger
        self._archive = Archive(log, book)
        self._rules = rules
        self._receivers = receivers
        self._households = FactBook(log)
        self._with_households = any(path[:1] in {(), ("household",)} for path in rules.router.fact_paths)

    # --- history -----------------------------------------------------------------------------------------------

    def history(self, plan: Plan, positions: Mapping[str, set[int]], timezone: dt.tzinfo) -> None:
        """Add what the receivers would have been told of these events, by resident, had they been there."""
        found: list[_Found] = []
        for history in self._each(positions):
            for past in history.standing:
                if past.pos not in positions[past.wire.subject] or past.wire.hubfactsonly:
                    continue
                effective = str(past.data.get("effective_on") or past.wire.time[:10])
                items = self._planned(past, history.facts(before=past), past.data)
                for number, item in items:
                    item.made = {"action": "new", "data": projected(self._rules, item.rule, item.values, past.data)}
                    item.due = due_on(self._rules.ruleset, item, effective, timezone)
                    item.detail = item.detail or (kind_of(past.type, past.data) if item.due else "")
                    found.append(self._found(number, past, item))
        self._add(plan, "backfill", found)

    # --- state -------------------------------------------------------------------------------------------------

    def state(self, plan: Plan, subjects: Iterable[str]) -> None:
        """Add the present state of these residents: by rule the newest event it speaks of, with today's values."""
        found: list[_Found] = []
        for history in self._each(subjects):
            standing, told = history.standing, set()
            facts = folded(standing)
            for past in reversed(standing):
                data = {**past.data, **restated(past.type, facts, past.data)}
                for number, item in self._planned(past, facts, data):
                    if (number, item.rule) not in told:
                        told.add((number, item.rule))
                        item.made = {"action": "seed", "data": projected(self._rules, item.rule, item.values, data)}
                        found.append(self._found(number, past, item))
        self._add(plan, "seed", found)

    # --- one event ---------------------------------------------------------------------------------------------

    def _each(self, subjects: Iterable[str]) -> Iterator[History]:
        """Yield residents' histories, a part of them in memory at a time."""
        for part in commands.parts(list(subjects), AT_ONCE):
            self._archive.load(part)
            histories = [History(*self._archive.of(subject)) for subject in part]
            self._archive.forget()
            if self._with_households:
                self._households.load_households(households_of(past for each in histories for past in each.events))
            yield from histories

    def _planned(self, past: Past, facts: Facts, data: Facts) -> list[tuple[int, Item]]:
        numbers = self._rules.numbers
        if self._rules.router.uses_household(past.type):
            scene = Scene.before(past, data, facts, self._households)
        else:
            after = merge(facts, delta(past.type, data)) if self._rules.router.uses_after(past.type) else facts
            scene = Scene(past, data, facts, after)
        items = scene.plan(self._rules)
        return [(numbers[i.receiver], i) for i in items if numbers[i.receiver] in self._receivers]

    def _found(self, number: int, past: Past, item: Item) -> _Found:
        """Return it as it is kept until all is found; what the event's own plan says this receiver was told is."""
        told = {past.rules.numbers[each.receiver] for each in past.items if each.suppressed is None}
        why = f"suppressed: {item.suppressed}" if item.suppressed is not None else ""
        why = why or ("told before" if number in told else "")
        payload = None if why else pack_made(self._rules.no, item)
        return _Found(past.pos, number, past.name, past.type, payload, why)

    def _add(self, plan: Plan, what: str, found: list[_Found]) -> None:
        """Add what is new to its receiver, in event order."""
        heard = commands.heard(self._ledger, self._receivers, sorted({each.pos for each in found if each.payload}))
        for one in sorted(found, key=lambda each: each[:2]):
            if one.payload is None:
                plan.left_out[one.suppressed] += 1
            elif (one.receiver, one.pos) in heard:
                plan.left_out["told before"] += 1
            else:
                order = Order(one.receiver, "resend", one.pos, 0, one.payload)
                plan.add(what, order, {"event": one.name, "type": one.type}, self._rules.keys[one.receiver])
