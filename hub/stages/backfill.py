"""What a receiver that came later is told: the history since a day, or the present state of every resident.

Both are planned by today's rules, for its receivers only, from the events as they stand: what was cancelled is not
told, what was corrected is told right. Nobody who was told of an event is told of it again.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from hub.events.facts import restated
from hub.ledger.commands import parts
from hub.ledger.facts import FactBook
from hub.ledger.jobs import Order
from hub.ledger.log import EventLog
from hub.ledger.status import delivery_words
from hub.ledger.views import Views
from hub.stages.entries import ActiveRules, Item, pack_made, unpack_plan
from hub.stages.history import History, Past, stored
from hub.stages.jobs import Plan
from hub.stages.judgement import kind_of
from hub.stages.rulebook import RuleBook
from hub.stages.scene import Scene, due_on, projected

Facts = dict[str, Any]


class Newcomer:
    """Plans what some receivers, by their numbers, are told of what the ledger knows."""

    def __init__(self, log: EventLog, book: RuleBook, rules: ActiveRules, receivers: AbstractSet[int]) -> None:
        self._log = log
        self._views = Views(log.ledger)
        self._book = book
        self._rules = rules
        self._receivers = receivers
        self._households = FactBook(log)

    # --- history -----------------------------------------------------------------------------------------------

    def history(self, plan: Plan, positions: Mapping[str, set[int]], timezone: dt.tzinfo) -> None:
        """Add what the receivers would have been told of these events, by resident, had they been there."""
        found: list[tuple[int, Past, Item]] = []
        for past, history in self._each(positions):
            if past.pos not in positions[past.wire.subject] or past.wire.hubfactsonly:
                continue
            effective = str(past.data.get("effective_on") or past.wire.time[:10])
            items = self._planned(past, history.facts(before=past), past.data)
            for number, item in items:
                item.made = {"action": "new", "data": projected(self._rules, item.rule, item.values, past.data)}
                item.due = due_on(self._rules.ruleset, item, effective, timezone)
                item.detail = item.detail or (kind_of(past.type, past.data) if item.due else "")
                found.append((number, past, item))
        self._add(plan, "backfill", found)

    # --- state -------------------------------------------------------------------------------------------------

    def state(self, plan: Plan, subjects: Iterable[str]) -> None:
        """Add the present state of these residents: by rule the newest event it speaks of, with today's values."""
        found: list[tuple[int, Past, Item]] = []
        for subject in subjects:
            history = self._history(subject)
            facts, told = history.facts(), set()
            for past in reversed(history.standing):
                data = {**past.data, **restated(past.type, facts, past.data)}
                for number, item in self._planned(past, facts, data):
                    if (number, item.rule) not in told:
                        told.add((number, item.rule))
                        item.made = {"action": "seed", "data": projected(self._rules, item.rule, item.values, data)}
                        found.append((number, past, item))
        self._add(plan, "seed", found)

    # --- one event ---------------------------------------------------------------------------------------------

    def _each(self, subjects: Iterable[str]) -> Iterator[tuple[Past, History]]:
        for subject in subjects:
            history = self._history(subject)
            for past in history.standing:
                yield past, history

    def _history(self, subject: str) -> History:
        return History(*stored(self._log, self._book, subject))

    def _planned(self, past: Past, facts: Facts, data: Facts) -> list[tuple[int, Item]]:
        numbers = self._rules.numbers
        items = Scene.before(past, data, facts, self._households).plan(self._rules)
        return [(numbers[i.receiver], i) for i in items if numbers[i.receiver] in self._receivers]

    def _add(self, plan: Plan, what: str, found: list[tuple[int, Past, Item]]) -> None:
        """Add what is new to its receiver, in event order."""
        heard = self._heard({past.pos for _, past, _ in found})
        for number, past, item in sorted(found, key=lambda each: (each[1].pos, each[0])):
            if item.suppressed is not None:
                plan.left_out[f"suppressed: {item.suppressed}"] += 1
            elif (number, past.pos) in heard:
                plan.left_out["told before"] += 1
            else:
                order = Order(number, "resend", past.pos, 0, pack_made(self._rules.no, item))
                plan.add(what, order, {"event": past.name, "type": past.type}, self._rules.keys[number])

    def _heard(self, positions: set[int]) -> set[tuple[int, int]]:
        """Return `(receiver, event)` of what was planned for a receiver or sent to it by a job."""
        heard: set[tuple[int, int]] = set()
        for part in parts(sorted(positions)):
            for row in self._views.by_position(part):
                numbers = self._book[row.ruleset].numbers
                items = unpack_plan(bytes(row.plan))
                heard |= {(numbers[item.receiver], row.pos) for item in items if item.suppressed is None}
            states = self._views.states(part)
            ended = (at for at, each in states.ended.items() if delivery_words(each.status)[0] != "suppressed")
            heard |= {(number, pos) for number, pos, _ in (*ended, *states.holds)}
        return heard
