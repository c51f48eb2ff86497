"""Rule tests: `tests/*.yaml` say who is told of an event, with exactly which fields, and who is not.

Each file is a list of tests (contract.md): `test` (what it shows), `given: {facts}` over a resident nothing is known
of, `event`, `expect` (system or system.receiver → exactly these fields), `held` (the same → the reason), `not`
(systems). A resident who is `protected`, or whom the event protects, is told of as at delivery: by the rule's own
`protected:`. Nothing is read but the city's files, and nothing is sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from hub.errors import ConfigurationError, Malformed, Problem
from hub.events.envelope import event_from
from hub.events.facts import delta, empty, merge
from hub.routing.expressions import Environment
from hub.routing.plan import Planned, Router, View, attributes_of
from hub.routing.projection import Projection
from hub.routing.protection import as_told
from hub.routing.rules import RuleSet
from hub.routing.shapes import FACTS, Choice, Shape, is_day, meant
from hub.settings.yaml import Node, read_yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from hub.events.envelope import Event
    from hub.routing.explain import Explanation
    from hub.settings.models import City

KEYS: dict[str, tuple[type, str]] = {
    "test": (str, "a text"),
    "given": (dict, "a mapping"),
    "event": (dict, "a mapping"),
    "expect": (dict, "a mapping"),
    "held": (dict, "a mapping"),
    "not": (list, "a list"),
}

KINDS: dict[str, tuple[type, str]] = {  # of facts
    "text": (str, "put it in quotes"),
    "number": (int, "write a whole number, without quotes"),
    "flag": (bool, "write true or false, without quotes"),
    "list": (list, "write it in brackets: [...]"),
}

_WORDS = {
    "ja": {
        "unplanned": "伝わりません: {why}",
        "planned": "ルール {rule} により伝わります: {fields}",
        "held": "ルール {rule} により保留されます（{hold}）: {detail}",
        "free": "保留されず、ルール {rule} により伝わります",
        "hold": "保留の理由が違います: {detail}",
        "absent": "送られません",
        "extra": "余分に送られます",
        "other": "値が違います",
        "event": "イベントが受け付けられません: {why}",
        "protected": "支援措置の対象者なので、ルール {rule}（protected: none）は何も伝えません",
    },
    "en": {
        "unplanned": "is not told: {why}",
        "planned": "is told by rule {rule}: {fields}",
        "held": "is held by rule {rule} ({hold}): {detail}",
        "free": "is not held, but told by rule {rule}",
        "hold": "is held for another reason: {detail}",
        "absent": "is not sent",
        "extra": "is sent too",
        "other": "differs",
        "event": "the event is refused: {why}",
        "protected": "the resident is protected, and rule {rule} tells nothing of such (protected: none)",
    },
}


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as expected; `field` is "" when it concerns the whole delivery.

    `expected` and `actual` are JSON values, None where there is none (or a null).
    """

    place: str
    receiver: str
    field: str
    message: str
    expected: Any = None
    actual: Any = None


@dataclass(frozen=True, slots=True)
class RuleTestResult:
    """What came of one test: it passed when nothing differs."""

    name: str
    place: str
    differences: tuple[Difference, ...] = ()

    @property
    def passed(self) -> bool:
        """Say whether everything was as expected."""
        return not self.differences

    def lines(self) -> Iterator[str]:
        """Yield the differences for people: `-` is what was expected, `+` what would be sent."""
        last = None
        for each in self.differences:
            if each.receiver != last:
                last = each.receiver
                yield f"{each.receiver} ({each.place})" if each.receiver else each.place
            yield f"    {each.field}: {each.message}" if each.field else f"    {each.message}"
            if each.expected is not None:
                yield f"      - {_json(each.expected)}"
            if each.actual is not None:
                yield f"      + {_json(each.actual)}"


def run_tests(city: City, lang: str = "en") -> list[RuleTestResult]:
    """Run every test of the city's `tests/` folder, in order; messages in `ja` or `en`.

    Raises ConfigurationError for files that are no tests: unknown keys, systems and facts, with their mends.
    """
    router = Router(RuleSet.of(city), _numbers(city))
    nodes, problems = _read(city, router.rules)
    if problems:
        raise ConfigurationError(problems)
    return [run_test(node, router, city, lang) for node in nodes]


def problems_of_tests(city: City) -> list[Problem]:
    """Return what makes files of the `tests/` folder of a city, whose rules are in order, no tests."""
    return _read(city, RuleSet.of(city))[1]


def _read(city: City, rules: RuleSet) -> tuple[list[Node], list[Problem]]:
    folder = Path(city.folder)
    problems: list[Problem] = []
    nodes: list[Node] = []
    for path in sorted((folder / "tests").glob("*.yaml")):
        try:
            file = read_yaml(path, folder=folder)
        except ConfigurationError as error:
            problems += error.problems
            continue
        found = list(file.items.values()) if isinstance(file.value, list) else [file]
        problems += [problem for node in found for problem in check_test(node, rules)]
        nodes += found
    return nodes, problems


def _numbers(city: City) -> Environment:
    """Return who is who in which system, as far as tables say it (`ids: {table: …}`); the rest is not known."""
    known = {
        name: {row.code: row.value for row in city.tables.get(system.ids.table or "", ())}
        for name, system in city.systems.items()
        if system.ids is not None
    }
    residents = {name: {number: subject for subject, number in rows.items()} for name, rows in known.items()}
    return Environment(
        resident=lambda system, number: residents.get(system, {}).get(number),
        local_id=lambda system, subject: known.get(system, {}).get(subject),
        timezone=city.timezone,
    )


def check_test(node: Node, rules: RuleSet) -> list[Problem]:
    """Return what makes a node no test of this rule set."""
    problems = list(_check_shape(node))
    if not problems:
        problems = [*_check_names(node, rules), *_check_given(node)]
    return problems


def _check_shape(node: Node) -> Iterator[Problem]:
    if not isinstance(node.value, dict):
        yield Problem(node.place, "a test is a mapping", "begin it with `- test: what it shows`", code="test")
        return
    for key, value in node.value.items():
        if key not in KEYS:
            yield from _unknown(key, KEYS, node.key_place(key), "a test has no key")
        elif not isinstance(value, KEYS[key][0]):
            yield Problem(node.place_of(key), f"`{key}` must be {KEYS[key][1]}", code="test")
    if "event" not in node.value:
        mend = "write event: {type: …, subject: …, data: {…}}"
        yield Problem(node.place, "a test needs an `event`", mend, code="test")
    if not any(node.value.get(key) for key in ("expect", "held", "not")):
        yield Problem(node.place, "the test expects nothing", "write `expect:`, `held:` or `not:`", code="test")


def _check_names(node: Node, rules: RuleSet) -> Iterator[Problem]:
    receivers = [*rules.systems, *rules.receivers]
    for key in ("expect", "held"):
        for name, value in node.value.get(key, {}).items():
            place = node.items[key].key_place(name)
            yield from _unknown(name, receivers, place, "there is no system or receiver")
            if key == "expect" and not isinstance(value, dict):
                yield Problem(place, "the fields that are sent must be a mapping", "write {} for none", code="test")
    for index, name in enumerate(node.value.get("not", [])):
        yield from _unknown(name, receivers, node.place_of("not", index), "there is no system or receiver")


def _check_given(node: Node) -> Iterator[Problem]:
    given = node.items.get("given")
    if given is None:
        return
    for key in given.value:
        yield from _unknown(key, ("facts",), given.key_place(key), "`given` has no key")
    facts = given.items.get("facts")
    if facts is None:
        return
    if not isinstance(facts.value, dict):
        yield Problem(facts.place, "`facts` must be a mapping", code="test")
        return
    for group, known in facts.items.items():
        if group not in FACTS:
            yield from _unknown(group, FACTS, facts.key_place(str(group)), "there are no facts called")
        else:
            yield from _check_fact(known, FACTS[str(group)], f"facts.{group}")


def _check_fact(node: Node, shape: Shape, name: str) -> Iterator[Problem]:
    """Note what no resident has: a fact that does not exist, or that is of another kind."""
    value = node.value
    if isinstance(shape, Mapping):
        if not isinstance(value, dict):
            yield Problem(node.place, f"`{name}` must be a mapping", "write {fact: value}", code="test")
        for key, part in node.items.items():
            below = shape.get(str(key), shape.get("*"))
            if below is None:
                message = f"there is no fact `{name}.{key}`"
                yield Problem(node.key_place(str(key)), message, meant(str(key), shape), code="test")
            else:
                yield from _check_fact(part, below, f"{name}.{key}")
    elif value is not None and (wanted := _misfit(value, shape)):
        yield Problem(node.place, f"`{name}` cannot be {_json(value)}", wanted, code="test")


def _misfit(value: Any, shape: Shape) -> str:
    """Return the mend for a value that a fact of this shape never has, or nothing."""
    if isinstance(shape, Choice):
        return "" if value in shape.values else f"write one of {', '.join(shape.values)}"
    if shape == "date":
        return "" if isinstance(value, str) and is_day(value) else "write YYYY-MM-DD"
    kind, mend = KINDS[str(shape)]
    return "" if isinstance(value, kind) and (kind is bool or not isinstance(value, bool)) else mend


def _unknown(name: Any, known: Iterable[str], place: str, message: str) -> Iterator[Problem]:
    known = list(known)
    if name not in known:
        near = get_close_matches(str(name), known, n=1)
        mend = f"did you mean {near[0]}?" if near else "one of: " + ", ".join(known)
        yield Problem(place, f"{message} `{name}`", mend, code="test")


def run_test(node: Node, router: Router, city: City, lang: str = "en") -> RuleTestResult:
    """Run one test that `check_test` found nothing against."""
    name = str(node.value.get("test") or node.place)
    words = _WORDS.get(lang, _WORDS["en"])
    try:
        event = _event(node.value["event"], city)
    except Malformed as error:
        why = f"{error.message} ({error.mend})" if error.mend else error.message
        return RuleTestResult(
            name, node.place, (Difference(node.place_of("event"), "", "", words["event"].format(why=why)),)
        )
    given = (node.value.get("given") or {}).get("facts") or {}
    facts = merge(empty(), given)
    after = merge(facts, delta(event.type, event.data))
    view = View(event.type, event.version, event.subject, attributes_of(event), event.data)
    explanation = router.explain(view, facts, after, lang)
    comparison = _Comparison(node, router, event, explanation, words, is_protected=bool(after.get("protected")))
    return RuleTestResult(name, node.place, tuple(comparison.differences()))


def _event(written: Mapping[str, Any], city: City) -> Event:
    """Return the event of a test; what a test need not say is filled in."""
    data = written.get("data")
    day = data.get("effective_on") if isinstance(data, dict) else None
    filled = {"specversion": "1.0", "id": "test", "source": "/systems/test", **written}
    return event_from(filled, city=city.city, now=f"{day or '2026-04-01'}T09:00:00+09:00")


class _Comparison:
    """What one test expects, held against one plan."""

    def __init__(
        self,
        node: Node,
        router: Router,
        event: Event,
        explanation: Explanation,
        words: Mapping[str, str],
        *,
        is_protected: bool,
    ) -> None:
        self.node = node
        self.rules = router.rules
        self.raw = {field: orjson.dumps(value) for field, value in event.data.items()}
        self.explanation = explanation
        self.words = words
        self.is_protected = is_protected

    def differences(self) -> Iterator[Difference]:
        """Yield everything that is not as the test says."""
        for name, fields in self.node.value.get("expect", {}).items():
            yield from self._expected(name, fields, self.node.items["expect"].key_place(name))
        for name, reason in self.node.value.get("held", {}).items():
            yield from self._held(name, reason, self.node.items["held"].key_place(name))
        for index, name in enumerate(self.node.value.get("not", [])):
            for planned in self._planned(name):
                yield self._difference(self.node.place_of("not", index), planned, self._state(planned))

    def _planned(self, name: str) -> list[Planned]:
        """Return the deliveries to a system, or to one receiver of it, that are sent."""
        return [planned for planned in self._meant(name) if self._sent(planned) is not None]

    def _meant(self, name: str) -> list[Planned]:
        return [
            planned
            for planned in self.explanation.planned
            if planned.suppressed is None
            and name in {self.rules.receivers[planned.receiver], self.rules.rules[planned.rule].system}
        ]

    def _expected(self, name: str, fields: Mapping[str, Any], place: str) -> Iterator[Difference]:
        found = self._planned(name)
        if not found:
            yield Difference(place, name, "", self.words["unplanned"].format(why=self._why(name)), expected=fields)
        for planned in found:
            if planned.hold is not None:
                yield self._difference(place, planned, self._state(planned))
            else:
                yield from self._compared(place, planned, fields)

    def _compared(self, place: str, planned: Planned, fields: Mapping[str, Any]) -> Iterator[Difference]:
        sent = self._sent(planned) or {}
        for field in dict.fromkeys([*fields, *sent]):
            expected, actual = fields.get(field), sent.get(field)
            if field not in sent:
                yield self._difference(place, planned, self.words["absent"], field, expected)
            elif field not in fields:
                yield self._difference(place, planned, self.words["extra"], field, actual=actual)
            elif _json(expected) != _json(actual):  # as JSON, 1 is not true
                yield self._difference(place, planned, self.words["other"], field, expected, actual)

    def _held(self, name: str, reason: str, place: str) -> Iterator[Difference]:
        found = self._planned(name)
        if not found:
            yield Difference(place, name, "", self.words["unplanned"].format(why=self._why(name)), expected=reason)
        for planned in found:
            if planned.hold is None:
                rule = self.rules.rules[planned.rule].id
                yield self._difference(place, planned, self.words["free"].format(rule=rule), expected=reason)
            elif planned.hold != reason:
                message = self.words["hold"].format(detail=planned.detail)
                yield self._difference(place, planned, message, "", reason, planned.hold)

    def _difference(
        self, place: str, planned: Planned, message: str, field: str = "", *values: Any, **named: Any
    ) -> Difference:
        return Difference(place, self.rules.receivers[planned.receiver], field, message, *values, **named)

    def _state(self, planned: Planned) -> str:
        rule = self.rules.rules[planned.rule].id
        if planned.hold is not None:
            return self.words["held"].format(rule=rule, hold=planned.hold, detail=planned.detail)
        return self.words["planned"].format(rule=rule, fields=_json(self._sent(planned)))

    def _sent(self, planned: Planned) -> dict[str, Any] | None:
        """Return what is sent; None when that is nothing, since the resident is protected."""
        rule = self.rules.rules[planned.rule]
        sent: dict[str, Any] = orjson.loads(Projection(rule).data(self.raw, planned.values))
        return as_told(self.rules, planned.rule, sent) if self.is_protected else sent

    def _why(self, name: str) -> str:
        if untold := self._meant(name):
            return self.words["protected"].format(rule=self.rules.rules[untold[0].rule].id)
        system = name.partition(".")[0]
        return next((each["why"] for each in self.explanation.not_told if each["system"] == system), name)


def _json(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
