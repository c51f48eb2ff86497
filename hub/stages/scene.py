"""An event as rules see it when it is told another time: its values as they stand, and the facts around them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from hub.events.wire import Wire, system_of, type_of
from hub.ledger.facts import FactBook
from hub.routing.plan import View
from hub.routing.rules import RuleSet
from hub.stages.entries import ActiveRules, Item, is_dated
from hub.stages.history import Past

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Scene:
    """An earlier event with the values it is to be told with; `facts` without it, `after` with it."""

    past: Past
    data: Mapping[str, Any]
    facts: Json
    after: Json

    @classmethod
    def before(cls, past: Past, data: Mapping[str, Any], facts: Json, households: FactBook) -> Scene:
        """Return an event with the facts just before it; the households are today's."""
        return cls(past, data, *households.around(past.type, past.wire.subject, data, facts))

    @classmethod
    def now(cls, past: Past, data: Mapping[str, Any], facts: Json, households: FactBook) -> Scene:
        """Return what an event of the type would say of facts that hold already."""
        known, _ = households.around("", past.wire.subject, data, facts)
        return cls(past, data, known, known)

    def plan(self, rules: ActiveRules, timezone: dt.tzinfo | None = None) -> list[Item]:
        """Return who is told by these rules; with a time zone also when, where that is the effective date."""
        effective = str(self.data.get("effective_on") or self.past.wire.time[:10])
        return [
            Item.of(one, due_on(rules.ruleset, one, effective, timezone) if timezone is not None else None)
            for one in rules.router.plan(self._view, self.facts, self.after)
        ]

    def fields(self, rules: ActiveRules, rule: int) -> tuple[Json, list[str]]:
        """Return what a rule sends of this, computed anew, and the faults of its expressions."""
        values, faults = rules.router.values(rule, self._view, self.facts, self.after)
        return projected(rules, rule, values, self.data), faults

    @property
    def _view(self) -> View:
        wire = self.past.wire
        return View(self.past.type, type_of(wire.type)[1], wire.subject, attributes(wire), self.data)


def projected(rules: ActiveRules, rule: int, values: Mapping[str, Any] | None, data: Mapping[str, Any]) -> Json:
    """Return the fields of a rule's `send` from an event's values and what was computed."""
    raw = {name: orjson.dumps(value) for name, value in data.items() if value is not None}
    found: Json = orjson.loads(rules.projections[rule].data(raw, values))
    return found


def due_on(rules: RuleSet, one: Any, effective: str, timezone: dt.tzinfo) -> int | None:
    """Return when a planned delivery is due (milliseconds) if it waits for its effective date."""
    if not is_dated(rules, one):
        return None
    midnight = dt.datetime.fromisoformat(effective).replace(tzinfo=timezone)
    return int(midnight.timestamp() * 1000)


def attributes(wire: Wire) -> Json:
    """Return the attributes of an event as expressions see them under `event`."""
    found: Json = {"id": wire.id, "source": wire.source, "system": system_of(wire.source), "time": wire.time}
    if wire.sequence is not None:
        found["sequence"] = wire.sequence
    if wire.batchid is not None:
        found["batchid"] = wire.batchid
    return found
