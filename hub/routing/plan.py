"""Who is told of an event: a pure function of the event, the facts and the rule set."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec

from hub.errors import ConfigurationError, Problem
from hub.events.catalogue import TYPES
from hub.events.wire import Lazy
from hub.routing.conditions import Claim, Group, Index, Memory, Sources, Test
from hub.routing.explain import Case, Explanation, explain
from hub.routing.expressions import (
    Compiled,
    Environment,
    ExpressionError,
    ExpressionFault,
    Missing,
    compile_expression,
)
from hub.routing.identity import is_provisional
from hub.routing.projection import sent
from hub.routing.values import find

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hub.events.envelope import Event
    from hub.routing.rules import Rule, RuleSet
    from hub.routing.values import Path

EXTENSIONS = ("sequence", "batchid")
COMBINATIONS = 4_096  # of rules that spoke together, remembered for each type
ROOTS = ("event", "data", "subject", "facts", "after")


class View(msgspec.Struct, frozen=True):
    """An event as rules see it: the short type, the CloudEvents attributes, and the fields of data, decoded when asked.

    `attributes` are `id`, `source`, `system`, `time` and those of `EXTENSIONS` that are there; expressions see them as
    `event.*`, with `type`, `version` and `subject`.
    """

    type: str
    version: int
    subject: str
    attributes: Mapping[str, Any]
    data: Mapping[str, Any]


class Planned(msgspec.Struct, frozen=True):
    """One delivery to be: receiver and rule by number.

    `values` holds what `send` takes from anything but the event's own fields, None if nothing. `hold` is None or the
    reason it is held (`ask`, `incomplete`); `suppressed` is None or why it will not be sent (`disabled`); `detail` says
    more for people.
    """

    receiver: int
    rule: int
    values: dict[str, Any] | None = None
    hold: str | None = None
    detail: str = ""
    suppressed: str | None = None


class Router:
    """Plans events by one rule set, compiled once and indexed by event type.

    `env` lends what expressions may ask of the hub (`resident()`, `local_id()`); the tables are the rule set's own.
    `tests` holds each rule's compiled `when` (None: always), `by_type` the rules of a type, both by rule number.
    Raises ConfigurationError listing every expression that does not compile.
    """

    def __init__(self, rules: RuleSet, env: Environment | None = None) -> None:
        self.rules = rules
        compiler = _Compiler(rules, env or Environment())
        self.tests = [compiler.test(number) for number in range(len(rules.rules))]
        computed = [compiler.computed(number) for number in range(len(rules.rules))]
        if compiler.problems:
            raise ConfigurationError(compiler.problems)
        self.by_type: dict[str, list[int]] = {}
        for number, rule in enumerate(rules.rules):
            for type_ in dict.fromkeys(rule.on):
                self.by_type.setdefault(type_, []).append(number)
        memory = Memory()
        self._kinds = {
            type_: _Kind(type_, number, self, memory, [computed[rule] for rule in numbers])
            for number, (type_, numbers) in enumerate(self.by_type.items())
        }
        self.fact_paths: frozenset[Path] = frozenset().union(*(kind.fact_paths for kind in self._kinds.values()))
        self.ready = [each for kind in self._kinds.values() for each in kind.ready]  # what no event makes different

    def fact_paths_of(self, type_: str) -> frozenset[Path]:
        """Return the paths within facts that rules on this type may read; `()` stands for all of them."""
        kind = self._kinds.get(type_)
        return kind.fact_paths if kind else frozenset()

    def uses_household(self, type_: str) -> bool:
        """Say whether a rule on this type reads anything of the household."""
        kind = self._kinds.get(type_)
        return kind is not None and kind.uses_household

    def uses_attributes(self, type_: str) -> bool:
        """Say whether a rule on this type asks for the event's attributes; where none does, `plan` may go without."""
        kind = self._kinds.get(type_)
        return kind is not None and kind.uses_attributes

    def uses_after(self, type_: str) -> bool:
        """Say whether a rule on this type reads `after`; where none does, `plan` may be given None."""
        kind = self._kinds.get(type_)
        return kind is not None and "after" in kind.roots

    def plan(self, view: View, facts: Mapping[str, Any], after: Mapping[str, Any] | None) -> Sequence[Planned]:
        """Return one planned delivery per receiver: of the rules that speak for the event, the first in file order.

        A tuple is one that many events have in common, and the same object each time.

        `facts` are the subject's just before the event, `after` the same with it applied. A rule that is disabled never
        stands before one that is not; alone, it leaves a delivery that is `suppressed`. Of somebody nobody has
        identified only rules with `unidentified: true` speak.
        """
        kind = self._kinds.get(view.type)
        if kind is None:
            return []
        return kind.plan(view, facts, after, unidentified=is_provisional(view.subject))

    def values(
        self, rule: int, view: View, facts: Mapping[str, Any], after: Mapping[str, Any] | None
    ) -> tuple[dict[str, Any], list[str]]:
        """Return what one rule's `send` computes of an event, whether it is told of it or not, and the faults."""
        kind = self._kinds.get(view.type)
        return kind.values(rule, view, facts, after) if kind else ({}, [])

    def numbers(self, rule: int, view: View) -> dict[str, Any]:
        """Return what one rule's `send` computes with a system's own numbers (`local_id`), of the event alone.

        Raises ExpressionFault.
        """
        kind = self._kinds.get(view.type)
        return kind.numbers(rule, view) if kind else {}

    def explain(
        self, view: View, facts: Mapping[str, Any], after: Mapping[str, Any] | None, lang: str = "ja"
    ) -> Explanation:
        """Say who is told and why, and of every other system why not, in Japanese (`ja`) or English (`en`)."""
        case = Case(view, sources_of(view, facts, after), day_of(view), list(self.plan(view, facts, after)))
        return explain(self, case, lang)


def attributes_of(event: Event) -> dict[str, Any]:
    """Return the attributes of an event that is nowhere yet: those that one in Kafka is kept with, and no others."""
    kept = {name: event.extensions[name] for name in EXTENSIONS if event.extensions.get(name) is not None}
    return {"id": event.id, "source": event.source, "system": event.system, "time": event.time, **kept}


def sources_of(view: View, facts: Mapping[str, Any], after: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return what expressions see, by root."""
    event = {**view.attributes, "type": view.type, "version": view.version, "subject": view.subject}
    return {"data": view.data, "facts": facts, "after": after, "subject": view.subject, "event": event}


def day_of(view: View) -> str | None:
    """Return the day `lookup()` reads tables at when it is given none: when the event takes effect, else its time."""
    effective = view.data.get("effective_on")
    return effective if isinstance(effective, str) else str(view.attributes.get("time") or "")[:10] or None


class _Compiler:
    """Compiles the expressions of a rule set; `problems` are those that would not."""

    def __init__(self, rules: RuleSet, env: Environment) -> None:
        self.problems: list[Problem] = []
        self._rules = rules
        self._env = replace(env, tables=rules.tables)

    def test(self, number: int) -> Test | None:
        rule = self._rules.rules[number]
        compiled = self._compile(number, rule.when, "when") if rule.when is not None else None
        return Test(number, compiled, rule.unknown, self._rules.places[number]) if compiled else None

    def computed(self, number: int) -> list[_Computed]:
        computed = []
        for item in sent(self._rules.rules[number].send):
            if item.expression is not None and item.field is None:
                compiled = self._compile(number, item.expression, f"send: {item.name}")
                if compiled is not None:
                    computed.append(_Computed(f"{number}:{item.name}", item.name, compiled))
        return computed

    def _compile(self, number: int, text: str, where: str) -> Compiled | None:
        place = self._rules.places[number]
        try:
            return compile_expression(text, roots=ROOTS, env=self._env, place=place)
        except ExpressionError as error:
            message = f"`{where}`, line {error.line}, column {error.column}: {error.message}"
            self.problems.append(Problem(place, message, error.mend, code="expression"))
            return None


class _Computed:
    """A computed field of `send`: read at a plain path, or evaluated and remembered by the values of its paths."""

    __slots__ = ("compiled", "key", "name", "path")

    def __init__(self, key: str, name: str, compiled: Compiled) -> None:
        self.key = key
        self.name = name
        self.compiled = compiled
        paths = list(compiled.paths)
        self.path = paths[0] if len(paths) == 1 and compiled.source.strip() == ".".join(paths[0]) else None

    def value(self, sources: Sources, today: str | None, memory: Memory) -> Any:
        """Return the value, None when missing; raises ExpressionFault."""
        if self.path is not None:
            value = find(sources, self.path)
            return dict(value) if isinstance(value, Lazy) else value
        try:
            key = (self.key, *self.compiled.values(sources)) if self.compiled.pure else None
        except (ValueError, TypeError):  # a value expressions cannot hold: evaluating it says so
            key = None
        if key is not None and key in memory.answers:
            return memory.answers[key]
        try:
            value = self.compiled.evaluate(sources, today=today)
        except Missing:
            value = None
        if not _is_json(value):
            raise ExpressionFault(f"{self.name} is nothing JSON can carry, in: {self.compiled.source}")
        if key is not None:
            memory.keep(key, value)
        return value


def _is_json(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, list):
        return all(_is_json(item) for item in value)
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_json(item) for key, item in value.items())
    return value is None or isinstance(value, (str, int))


class _Sender:
    """One rule on one event type, ready to be planned."""

    __slots__ = ("computed", "number", "place", "ready", "receivers", "required")

    def __init__(self, number: int, type_: str, rules: RuleSet, computed: list[_Computed]) -> None:
        rule = rules.rules[number]
        self.number = number
        self.place = rules.places[number]
        self.computed = computed
        self.required = _required(rule, type_)
        self.receivers = {receiver: switched_off(rules, receiver, rule) for receiver in rule.receivers}
        self.ready = [
            Planned(receiver, number, detail=off, suppressed="disabled" if off else None)
            for receiver, off in self.receivers.items()
        ]

    def add(
        self, claim: Claim, sources: Sources, today: str | None, memory: Memory, planned: dict[int, Planned]
    ) -> None:
        """Plan a delivery to every receiver of the rule that has none yet."""
        if claim.hold is None and not self.computed and not self.required:
            for each in self.ready:
                if each.receiver not in planned:
                    planned[each.receiver] = each
            return
        values, faults = self.values(sources, today, memory)
        hold, detail = claim.hold, [claim.detail] if claim.detail else []
        if faults:
            hold = "ask"
            detail += faults
        if hold is None and (lacking := self._lacking(sources, values)):
            hold, detail = "incomplete", [f"{self.place}: {', '.join(lacking)} is missing"]
        for each in self.ready:
            if each.receiver in planned:
                continue
            planned[each.receiver] = (
                each
                if each.suppressed
                else Planned(each.receiver, self.number, values or None, hold, "; ".join(detail))
            )

    def values(self, sources: Sources, today: str | None, memory: Memory) -> tuple[dict[str, Any], list[str]]:
        """Return the computed fields that have a value, and what could not be computed."""
        values: dict[str, Any] = {}
        faults: list[str] = []
        for item in self.computed:
            try:
                value = item.value(sources, today, memory)
            except ExpressionFault as fault:
                faults.append(f"{self.place}: {fault.message}")
                continue
            if value is not None:
                values[item.name] = value
        return values, faults

    def _lacking(self, sources: Sources, values: Mapping[str, Any]) -> list[str]:
        return [
            name
            for name, path in self.required
            if (values.get(name) if path is None else find(sources, ("data", *path))) is None
        ]


def switched_off(rules: RuleSet, receiver: int, rule: Rule) -> str:
    """Return why nothing is sent to a receiver by a rule, empty when it is."""
    if not rules.receiver_entries[receiver].enabled:
        return f"the receiver {rules.receivers[receiver]} is disabled"
    return "" if rule.enabled else f"the rule {rule.name} is disabled"


def _required(rule: Rule, type_: str) -> list[tuple[str, Path | None]]:
    """Return the names of `require` with their paths in data (None: computed); a field the type lacks asks nothing."""
    items = {item.name: item for item in sent(rule.send)}
    known = TYPES.get(type_)
    required: list[tuple[str, Path | None]] = []
    for name in rule.require:
        item = items.get(name)
        path = tuple(name.split(".")) if item is None else item.field
        if path is None or known is None or path[0] in known.fields:
            required.append((name, path))
    return required


class _Kind:
    """All rules on one event type."""

    def __init__(
        self, type_: str, number: int, router: Router, memory: Memory, computed: list[list[_Computed]]
    ) -> None:
        rules = router.by_type[type_]
        tests = [test for rule in rules if (test := router.tests[rule])]
        self._memory = memory
        self._senders = {
            rule: _Sender(rule, type_, router.rules, own) for rule, own in zip(rules, computed, strict=True)
        }
        self._disabled = frozenset(rule for rule in rules if not router.rules.rules[rule].enabled)
        self._for_anybody = frozenset(rule for rule in rules if router.rules.rules[rule].unidentified)
        self._plain = [Claim(rule) for rule in rules if router.tests[rule] is None]
        self._index = Index(_groups(tests, number, memory))
        compiled = [test.compiled for test in tests] + [item.compiled for own in computed for item in own]
        paths = {path for each in compiled for path in each.paths}
        self.roots = frozenset(path[0] for path in paths)
        self.fact_paths = frozenset(path[1:] for path in paths if path[0] in {"facts", "after"})
        self.uses_household = any(path[:1] in {(), ("household",)} for path in self.fact_paths)
        self._asks_event = "event" in self.roots
        self._dated = not all(each.pure for each in compiled)
        self.uses_attributes = self._asks_event or self._dated
        self._ready = frozenset(id(each) for each in self.ready)
        self._settled: dict[tuple[Claim, ...], tuple[Planned, ...]] = {}  # what claims come to, whatever the event

    def plan(
        self, view: View, facts: Mapping[str, Any], after: Mapping[str, Any] | None, *, unidentified: bool = False
    ) -> Sequence[Planned]:
        """Return the planned deliveries of one event of this type."""
        sources: dict[str, Any] = (
            sources_of(view, facts, after)
            if self._asks_event
            else {"data": view.data, "facts": facts, "after": after, "subject": view.subject}
        )
        today = day_of(view) if self._dated else None
        claims = self._index.claims(sources, today)
        spoken = tuple(claims)
        settled = self._settled.get(spoken) if not unidentified else None
        if settled is not None:
            return settled
        planned: dict[int, Planned] = {}
        for claim in self._in_order(claims):
            if not unidentified or claim.rule in self._for_anybody:
                self._senders[claim.rule].add(claim, sources, today, self._memory, planned)
        if unidentified:
            return list(planned.values())
        if self._ready.issuperset(map(id, planned.values())) and len(self._settled) < COMBINATIONS:
            return self._settled.setdefault(spoken, tuple(planned.values()))
        return list(planned.values())

    @property
    def ready(self) -> list[Planned]:
        """Return the planned deliveries that are the same objects whatever the event."""
        return [each for sender in self._senders.values() for each in sender.ready]

    def numbers(self, rule: int, view: View) -> dict[str, Any]:
        """Return what one rule's `send` computes with a system's own numbers."""
        sender = self._senders.get(rule)
        mine = [each for each in sender.computed if "local_id" in each.compiled.calls] if sender else []
        if not mine:
            return {}
        sources, today = sources_of(view, {}, {}), day_of(view)
        found = {each.name: each.value(sources, today, self._memory) for each in mine}
        return {name: value for name, value in found.items() if value is not None}

    def values(
        self, rule: int, view: View, facts: Mapping[str, Any], after: Mapping[str, Any] | None
    ) -> tuple[dict[str, Any], list[str]]:
        """Return what one rule's `send` computes, and the faults."""
        sender = self._senders.get(rule)
        return sender.values(sources_of(view, facts, after), day_of(view), self._memory) if sender else ({}, [])

    def _in_order(self, claims: list[Claim]) -> list[Claim]:
        if not claims and not self._disabled:
            return self._plain
        ordered = sorted([*self._plain, *claims])  # a rule claims once, so its number decides
        if self._disabled:
            ordered.sort(key=lambda claim: claim.rule in self._disabled)
        return ordered


def _groups(tests: list[Test], number: int, memory: Memory) -> list[Group]:
    alike: dict[tuple[frozenset[Path], frozenset[Path]], list[Test]] = {}
    for test in tests:
        alike.setdefault((test.compiled.paths, test.compiled.guarded), []).append(test)
    return [Group((number, each), group, memory) for each, group in enumerate(alike.values())]
