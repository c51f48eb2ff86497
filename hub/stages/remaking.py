"""What a replay sends in the place of what was planned: projected by today's rules and facts, or edited by a person."""

from __future__ import annotations

import copy
import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hub.errors import Malformed
from hub.events.envelope import event_from
from hub.events.wire import Lazy, type_of
from hub.ledger.facts import FactBook
from hub.ledger.log import EventLog
from hub.routing.plan import View
from hub.routing.projection import Sent, sent
from hub.routing.protection import FLAGS
from hub.stages.entries import ActiveRules, Item
from hub.stages.history import AMENDMENTS
from hub.stages.scene import attributes, projected
from hub.stages.told import Told

Json = dict[str, Any]


class Today:
    """Projects by the rules that are active and the facts that are known now; corrections stay as planned."""

    def __init__(self, log: EventLog, rules: ActiveRules, today: dt.date) -> None:
        self._rules = rules
        self._facts = FactBook(log)
        self._date = today.isoformat()

    def __call__(self, told: Told, rules: ActiveRules, item: Item) -> tuple[ActiveRules, Item] | str:
        """Return the delivery as it would be planned today, or why it would not."""
        if item.made is not None:
            return rules, item
        wire = told.entry.wire
        type_, version = type_of(wire.type)
        data = Lazy(wire.data)
        self._facts.load({wire.subject})
        facts = self._facts.at(wire.subject, self._date)
        facts, after = self._facts.around(type_, wire.subject, data, facts)
        view = View(type_, version, wire.subject, attributes(wire), data)
        for one in self._rules.router.plan(view, facts, after):
            if self._rules.numbers[one.receiver] != told.receiver:
                continue
            if one.suppressed is not None or one.hold is not None:
                return f"today {one.suppressed or one.hold}"
            planned = Item(one.receiver, one.rule, one.values)
            planned.made = {"action": "new", "data": projected(self._rules, planned.rule, planned.values, data)}
            return self._rules, planned
        return "no rule today"


@dataclass(frozen=True, slots=True)
class Edit:
    """Fields in the place of those planned (None takes one away), or, `whole`, all of them."""

    fields: Json
    city: str
    whole: bool = False

    @classmethod
    def of(cls, document: Any, city: str) -> Edit:
        """Read an edit: an object of fields, or a whole projected CloudEvent with its `data`. Raises Malformed."""
        if not isinstance(document, dict):
            raise Malformed("an edit is a JSON object", code="edit", mend='write {"field": value}')
        if "specversion" in document:
            fields = document.get("data")
            if not isinstance(fields, dict):
                raise Malformed("the edited event has no data", code="edit", mend="give it the object `data`")
            return cls(fields, city, whole=True)
        return cls(document, city)

    def __call__(self, told: Told, rules: ActiveRules, item: Item) -> tuple[ActiveRules, Item]:
        """Return the edited delivery; raises Malformed when it is not what this receiver may get."""
        made = item.made or {
            "action": "new",
            "data": projected(rules, item.rule, item.values, Lazy(told.entry.wire.data)),
        }
        rule = rules.ruleset.rules[item.rule]
        data = _completed(told, made["data"], self.fields) if self.whole else {**made["data"], **self.fields}
        data = {name: value for name, value in data.items() if value is not None}
        self._check(told, list(sent(rule.send)), made["data"], data)
        edited = Item(item.receiver, item.rule, item.values, item.hold, item.detail, None, {**made, "data": data})
        return rules, edited

    def _check(self, told: Told, items: list[Sent], before: Mapping[str, Any], data: Json) -> None:
        unknown = sorted(data.keys() - {item.out[0] for item in items} - before.keys())
        if unknown:
            raise Malformed(
                f"{told.delivery.key}: {unknown[0]} is not sent to this receiver",
                code="edit",
                mend="one of " + ", ".join(dict.fromkeys(item.out[0] for item in items)),
            )
        wire = told.entry.wire
        if type_of(wire.type)[0] in AMENDMENTS:
            return
        full = copy.deepcopy(dict(Lazy(wire.data)))
        for item in items:
            if item.field is not None:
                _put(full, item.field, _get(data, item.out))
        document = {"specversion": "1.0", "id": wire.id, "source": wire.source, "type": wire.type}
        event_from(
            {**document, "subject": wire.subject, "time": wire.time, "data": full}, city=self.city, now=wire.time
        )


def _completed(told: Told, before: Json, said: Json) -> Json:
    """Return the whole data a person gave; what nobody was shown of a protected resident stays as it was."""
    if told.veil is None:
        return said
    given = {name: value for name, value in said.items() if name not in FLAGS}  # those are put in anew
    found = {**{name: before[name] for name in told.withheld if name in before}, **given}
    if isinstance(given.get("restored"), dict) and isinstance(before.get("restored"), dict):
        found["restored"] = _completed(told, before["restored"], given["restored"])
    return found


def _get(data: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        data = data.get(name) if isinstance(data, dict) else None
    return data


def _put(data: Json, path: tuple[str, ...], value: Any) -> None:
    """Set a value where it stands in the event, if one is given; what is not sent stays as reported."""
    if value is None:
        return
    for name in path[:-1]:
        data = data.setdefault(name, {})
    data[path[-1]] = value
