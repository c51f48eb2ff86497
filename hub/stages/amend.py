"""Corrections: what an `event.corrected`, an `event.cancelled` or a better report does to those who were told before.

They go to everyone the original was planned for, plus those the right one concerns, and travel behind the original in
its lanes (contract 7). On `correct` the data holds the right values; on `cancel` the values that were wrong, and beside
them `restored`: the same fields from the facts as they stand now.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from hub.errors import Malformed
from hub.events.envelope import identity
from hub.events.facts import restated
from hub.events.wire import SYSTEMS, Wire, system_of
from hub.stages.entries import ActiveRules, Item
from hub.stages.history import Past


def targets_of(wire: Wire, data: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return how a correction may name its target, the likeliest first: `(form, source, id or number)`.

    `form` is `id` or `sequence`. A bare `event_id` is of the correction's own source; ids may hold slashes.
    """
    if data.get("event_id"):
        text = str(data["event_id"])
        cuts = [index for index, letter in enumerate(text) if letter == "/" and index]
        return [("id", wire.source, text), *(("id", _source(text[:cut]), text[cut + 1 :]) for cut in cuts)]
    if data.get("source"):
        source = _source(str(data["source"]))
        return [("id", source, identity(system_of(source), data["identity"]))]
    return [("sequence", wire.source, str(data["sequence"]))]


def _source(text: str) -> str:
    return text if "/" in text else SYSTEMS + text


def refuse_other_subject(wire: Wire, target: Past) -> None:
    """Raise Malformed when a correction is about another resident than its target (contract 7)."""
    if wire.subject != target.wire.subject:
        raise Malformed(
            f"this correction is about another resident than {target.name}",
            code="subject-other",
            mend="cancel the event under its own subject and publish a new one under the right one",
        )


def told(target: Past) -> dict[str, tuple[Item, ActiveRules]]:
    """Return who was to be told of an event or of a correction of it: receiver key → the planned delivery."""
    found: dict[str, tuple[Item, ActiveRules]] = {}
    for item, rules in target.also:
        if (item.made or {}).get("action") in {"new", "seed"}:
            found[rules.ruleset.receivers[item.receiver]] = (item, rules)
    for past in (target, *target.amended_by):
        for item in past.items:
            action = (item.made or {}).get("action", "new")
            if item.suppressed is None and action != "cancel":
                found[past.rules.ruleset.receivers[item.receiver]] = (item, past.rules)
    return found


def cancellation(target: Past, facts: Mapping[str, Any], rules: ActiveRules) -> list[Item]:
    """Return the plan of a cancellation; `facts` are the resident's with the target taken out."""
    now = restated(target.type, facts, target.data)
    items = []
    for key, (item, planned_by) in told(target).items():
        wrong = project(planned_by, item, target.data)
        restored = project(planned_by, item, now)
        made = _made("cancel", target, planned_by, item)
        found = _here(rules, planned_by, key, item)
        if found is not None:
            items.append(Item(*found, made={**made, "data": {**wrong, "restored": restored}}))
    return items


def correction(target: Past, right: Mapping[str, Any], planned: Iterable[Item], rules: ActiveRules) -> list[Item]:
    """Return the plan of a correction: `right` are the right values, `planned` who they concern by today's rules."""
    before = told(target)
    items = []
    keys = set()
    for item in planned:
        key = rules.ruleset.receivers[item.receiver]
        keys.add(key)
        made = _made("correct" if key in before else "new", target, rules, item)
        item.made = {**made, "data": project(rules, item, right)}
        items.append(item)
    for key, (item, planned_by) in before.items():
        found = _here(rules, planned_by, key, item)
        if key not in keys and found is not None:
            made = {
                "action": "correct",
                "corrects": target.name,
                "target": target.pos,
                "by": [planned_by.no, item.rule],
            }
            items.append(Item(*found, made={**made, "data": project(planned_by, item, right)}))
    return items


def enrichment(target: Past, merged: Mapping[str, Any], rules: ActiveRules) -> list[Item]:
    """Return the plan of a report that adds fields: corrections to those whose projection changes."""
    items = []
    for key, (item, planned_by) in told(target).items():
        better = project(planned_by, item, merged)
        found = _here(rules, planned_by, key, item)
        if found is not None and better != project(planned_by, item, target.data):
            made = {
                "action": "correct",
                "corrects": target.name,
                "target": target.pos,
                "by": [planned_by.no, item.rule],
            }
            items.append(Item(*found, made={**made, "data": better}))
    return items


def restatement(
    items: Iterable[Item], type_: str, data: Mapping[str, Any], facts: Mapping[str, Any], rules: ActiveRules
) -> list[Item]:
    """Return the plan of a late event: receivers get the present state, or what they asked for (`late:`)."""
    now = {**restated(type_, facts, data)}
    found = []
    for item in items:
        policy = rules.ruleset.receiver_entries[item.receiver].late
        if policy == "review" and item.hold is None:
            item.hold, item.detail = "ask", "an event older than what this receiver was told"
        elif policy == "restate":
            item.made = {"action": "correct", "data": project(rules, item, now)}
        found.append(item)
    return found


def _made(action: str, target: Past, planned_by: ActiveRules, item: Item) -> dict[str, Any]:
    """Return what a correction says besides its data; `by` is the rule that projects it, which cuts it too."""
    by = [planned_by.no, item.rule]
    return {"action": action, "corrects": target.name, "target": target.pos, "by": by}


def project(rules: ActiveRules, item: Item, data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a rule's `send` from these values."""
    raw = {name: orjson.dumps(value) for name, value in data.items() if value is not None}
    found: dict[str, Any] = orjson.loads(rules.projections[item.rule].data(raw, item.values))
    return found


def _here(rules: ActiveRules, planned_by: ActiveRules, key: str, item: Item) -> tuple[int, int] | None:
    """Return receiver and rule by today's numbers; a receiver or rule that is gone is told no more."""
    if rules is planned_by:
        return item.receiver, item.rule
    name = planned_by.ruleset.rules[item.rule].name
    numbers = {rule.name: number for number, rule in enumerate(rules.ruleset.rules)}
    if key not in rules.ruleset.receivers or name not in numbers:
        return None
    return rules.ruleset.receivers.index(key), numbers[name]
