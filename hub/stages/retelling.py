"""Telling again: what receivers hear when what an event says has changed.

Corrections go to everyone the original was planned for, plus those the right one concerns, and travel behind it in its
lanes (contract 7). On `correct` the data holds the right values; on `cancel` the values that were wrong, and beside
them `restored`: the same fields from the facts as they stand now. Whatever a rule computes is computed anew.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hub.events.facts import holds, restated
from hub.events.wire import Wire, system_of
from hub.ledger.facts import FactBook
from hub.routing.plan import switched_off
from hub.stages.entries import ActiveRules, Item
from hub.stages.history import History, Past, effective
from hub.stages.judgement import Judgement, judge, kind_of, rank
from hub.stages.rulebook import RuleBook
from hub.stages.scene import Scene, due_on, projected

Json = dict[str, Any]


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


def judged(report: Past) -> tuple[list[Past], Judgement]:
    """Return the other reports of the same occurrence that count, and how a report stands to what they say now."""
    target = report.occurrence
    others = [each for each in target.heard(report) if each is not report and not each.taken_back]
    return others, judge(report.type, report.said, target.without(report), told=report.how == "echoes")


def weigh(report: Past, authority: Mapping[str, Sequence[str]]) -> tuple[str, bool]:
    """Return how a corrected report now reports its occurrence, and whether a person must decide."""
    others, judgement = judged(report)
    if not others:
        return report.how, False
    if judgement.kind in {"repeats", "echoes", "enriches"}:
        return judgement.kind, False
    return contest(authority, report.type, report.wire, others)


def contest(authority: Mapping[str, Sequence[str]], type_: str, wire: Wire, others: Iterable[Past]) -> tuple[str, bool]:
    """Return whether a contradicting report `contradicts` (and wins) or `loses`, and whether a person must decide."""
    ours = rank(authority, type_, system_of(wire.source))
    theirs = min(rank(authority, type_, system_of(each.wire.source)) for each in others)
    return ("contradicts" if ours < theirs else "loses"), ours == theirs


class Retelling:
    """Plans what receivers hear when what an event says has changed: by today's rules, and by those of the time."""

    def __init__(self, rules: ActiveRules, book: RuleBook, households: FactBook, timezone: dt.tzinfo) -> None:
        self._today = rules
        self._book = book
        self._households = households
        self._timezone = timezone

    def items(
        self, was: Mapping[str, Any], now: Past, history: History, *, everyone: bool = False
    ) -> tuple[list[Item], ActiveRules]:
        """Return the plan, and the rules by which its receivers and rules are counted.

        `was` are the values before. Only those hear of it whose fields change, and those it concerns now; or, of a
        correction of what they were told, `everyone`.
        """
        rules = self._today
        for _, planned_by in told(now).values():
            rules = self._book.keeping(rules, planned_by)
        if now.cancelled:
            return self._cancellation(was, now, history, rules), rules
        if now.data == was and not everyone:
            return [], rules
        return self._correction(was, now, history, rules, everyone=everyone), rules

    def late(self, new: Past, history: History) -> list[Item]:
        """Return the plan of a late event: receivers get what holds, or what they asked for (`late:`).

        What holds is said by the newest event of its kind, which may be the late one: then it is new to everybody.
        """
        rules = self._today
        now, first = self._holding(new, history)
        items = Scene.before(new, new.data, history.facts(before=new), self._households).plan(rules, self._timezone)
        for item in items:
            policy = rules.ruleset.receiver_entries[item.receiver].late
            if policy == "review" and item.hold is None:
                item.hold, item.detail = "ask", "an event older than what this receiver was told"
            elif policy == "restate":
                data, faults = now.fields(rules, item.rule)
                item.made = {"action": "new" if first else "correct", "data": data}
                _ask(item, faults)
        return items

    def _holding(self, late: Past, history: History) -> tuple[Scene, bool]:
        """Return a late event as it would be told if it were told now, and whether it is the newest of its kind itself.

        Fields that facts keep are as known now; the others are those of the event by which it is so, and are left out
        where that is none of its type.
        """
        day = self._day(late.data)
        facts = history.facts(until=day)
        newest = history.current(kind_of(late.type, late.data), until=day) or late
        told = newest.data if holds(late.type, facts, newest.data) else {}
        data = {**told, **restated(late.type, facts, late.data)}
        return Scene.now(late, data, facts, self._households), newest is late and bool(told)

    def _day(self, data: Mapping[str, Any]) -> str:
        """Return the day on which something is asked for: today, or its own when that is to come."""
        return max(dt.datetime.now(self._timezone).date().isoformat(), str(data.get("effective_on", "")))

    def _present(self, past: Past, data: Mapping[str, Any], history: History) -> Scene:
        """Return what an event would say if it told what holds: now, or on its day when that is to come."""
        facts = history.facts(until=self._day(data))
        return Scene.now(past, restated(past.type, facts, data), facts, self._households)

    def _cancellation(self, was: Mapping[str, Any], now: Past, history: History, rules: ActiveRules) -> list[Item]:
        before = told(now)
        if not before:
            return []
        present = self._present(now, was, history)
        items = []
        for key, (item, planned_by) in before.items():
            restored, faults = present.fields(planned_by, item.rule)
            data = {**_said(planned_by, item, was), "restored": restored}
            items.append(_ask(self._amending("cancel", now, rules, planned_by, key, item, data), faults))
        return items

    def _correction(
        self, was: Mapping[str, Any], now: Past, history: History, rules: ActiveRules, *, everyone: bool
    ) -> list[Item]:
        scene = Scene.before(now, now.data, history.facts(before=now), self._households)
        before = told(now)
        items = []
        concerned = {
            self._today.ruleset.receivers[item.receiver]: item for item in scene.plan(self._today, self._timezone)
        }
        for key, item in concerned.items():
            data = projected(self._today, item.rule, item.values, now.data)
            if key not in before or everyone or data != _said(before[key][1], before[key][0], was):
                action = "correct" if key in before else "new"
                item.made = _made(action, now, [self._today.no, item.rule], data)
                items.append(item)
        for key, (item, planned_by) in before.items():
            data, faults = scene.fields(planned_by, item.rule)
            if key not in concerned and (everyone or data != _said(planned_by, item, was)):
                amending = self._amending("correct", now, rules, planned_by, key, item, data)
                amending.due = due_on(planned_by.ruleset, item, effective(now) or now.wire.time[:10], self._timezone)
                items.append(_ask(amending, faults))
        return items

    def _amending(
        self, action: str, target: Past, rules: ActiveRules, planned_by: ActiveRules, key: str, item: Item, data: Json
    ) -> Item:
        """Return a delivery to one who was told by an earlier plan, counted by `rules`, which keep that plan's rule.

        A protected resident is cut by that rule and by today's: of the same name, or that tells the receiver instead.
        """
        ruleset, name = rules.ruleset, planned_by.ruleset.rules[item.rule].name
        receiver = ruleset.receivers.index(key)
        rule = next(number for number, each in enumerate(ruleset.rules) if each.name == name)
        by = [planned_by.no, item.rule]
        if rule >= len(self._today.ruleset.rules):
            telling = (n for n, r in enumerate(ruleset.rules) if receiver in r.receivers and target.type in r.on)
            by = [rules.no, next(telling, rule)]
        off = switched_off(ruleset, receiver, ruleset.rules[rule])
        made = _made(action, target, by, data)
        return Item(receiver, rule, detail=off, suppressed="disabled" if off else None, made=made)


def _said(planned_by: ActiveRules, item: Item, was: Mapping[str, Any]) -> Json:
    """Return what a receiver was told of an event; one that was told the state of a day was told the event, too."""
    made = item.made or {}
    if "target" in made:
        return dict(made["data"])
    return projected(planned_by, item.rule, item.values, was)


def _made(action: str, target: Past, by: list[int], data: Json) -> Json:
    """Return what a correction says besides its data; `by` is the rule that projects it, which cuts it too."""
    return {"action": action, "corrects": target.name, "target": target.pos, "by": by, "data": data}


def _ask(item: Item, faults: Sequence[str]) -> Item:
    """Hold a delivery for a person when a field of it could not be computed."""
    if faults and item.suppressed is None:
        item.hold, item.detail = "ask", "; ".join((*filter(None, (item.detail,)), *faults))
    return item
