"""Subscriptions under lint: they can match, send what exists, and say why."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from hub.events.catalogue import TYPES
from hub.routing import lint_comparisons
from hub.routing.conditions import conjuncts, judge
from hub.routing.lint_expressions import Notes, Text
from hub.routing.plan import ROOTS
from hub.routing.projection import Sent, sent
from hub.routing.protection import locates_person
from hub.routing.shapes import DATA, FACTS, Shape, Unknown, is_locating, look_up, meant
from hub.routing.tokens import literal, tokens_of

if TYPE_CHECKING:
    from hub.routing.expressions import Compiled
    from hub.routing.values import Path
    from hub.settings.models import Subscription, System

UNCONFIRMED = "要確認"


class RuleLint:
    """Checks the rules of one system, in order."""

    def __init__(self, notes: Notes, system: System, published: frozenset[str]) -> None:
        self.notes = notes
        self.system = system
        self.published = published
        self.tests: dict[str, Compiled | None] = {}

    def check(self) -> None:
        """Note every problem of the system's rules."""
        for number, rule in enumerate(self.system.subscribes):
            types = self._types(rule)
            self._because(rule)
            self._receivers(rule)
            self._when(rule, types)
            self._sends(rule, types)
            self._require(rule, types)
            if types == list(rule.on):
                self._shadowed(rule, self.system.subscribes[:number])

    def _types(self, rule: Subscription) -> list[str]:
        """Return the known types a rule is on; note the others, and those nobody publishes."""
        known = []
        for index, type_ in enumerate(rule.on):
            place = rule.place_of("on", index)
            if type_ not in TYPES:
                self.notes.error(place, f"there is no event type `{type_}`", meant(type_, TYPES), "type-unknown")
                continue
            known.append(type_)
            if type_.startswith("event."):
                message = f"no rule is asked for `{type_}`: it reaches everyone who was told of the original"
                self.notes.warning(place, message, f"remove {type_} from `on`", "on-amendment")
            elif type_ not in self.published:
                message = f"nobody in the city publishes `{type_}`"
                self.notes.warning(
                    place, message, "have a system publish it, or leave the rule for later", "unpublished"
                )
        return known

    def _because(self, rule: Subscription) -> None:
        because = rule.because
        if because is None or not because.purpose.strip():
            mend = "write `because: {purpose: …, provision: …}`; 要確認 where the provision is not certain"
            self.notes.error(
                rule.place_of("because"), f"the rule `{rule.id}` does not say why", mend, "because-missing"
            )
        elif UNCONFIRMED in because.purpose + because.provision:
            message = f"why the rule `{rule.id}` may tell is not confirmed"
            mend = f"have {self.system.owner or 'the department'} confirm the provision, then remove {UNCONFIRMED}"
            self.notes.warning(rule.place_of("because"), message, mend, "because-unconfirmed")

    def _receivers(self, rule: Subscription) -> None:
        receivers = self.system.receives
        if not receivers:
            message = f"the rule `{rule.id}` tells nobody: the system has no receiver"
            self.notes.error(rule.place, message, "write `receives:`, or remove the rule", "receiver-missing")
            return
        for index, name in enumerate(rule.to):
            if name not in receivers:
                mend = meant(name, receivers)
                place = rule.place_of("to", index)
                self.notes.error(place, f"there is no receiver `{name}`", mend, "receiver-unknown")

    def _when(self, rule: Subscription, types: list[str]) -> None:
        self.tests[rule.id] = None
        if rule.when is None:
            return
        text = Text(rule.when, rule.place_of("when"), "`when`")
        compiled = self.notes.compiled(text, ROOTS)
        if compiled is None:
            return
        self.tests[rule.id] = compiled
        self.notes.paths(text, compiled, lambda path: _in_types(types, path))
        lint_comparisons.check(self.notes, text, lambda path: _shapes(types, path))
        if reason := _never(compiled, rule, types):
            mend = "mend the condition; to switch a rule off, write `enabled: false`"
            self.notes.error(text.place, f"the rule `{rule.id}` can never match: {reason}", mend, "never")

    def _sends(self, rule: Subscription, types: list[str]) -> None:
        names: dict[str, Sent] = {}
        locating: list[str] = []
        for index, written in enumerate(rule.send):
            for item in sent([written]):
                place = rule.place_of("send", index, *([item.name] if item.expression is not None else []))
                if item.name in names:
                    self.notes.error(
                        place, f"`{item.name}` is sent twice", "remove one, or name it differently", "send-twice"
                    )
                names[item.name] = item
                if self._item(types, item, place):
                    locating.append(item.name)
        if locating and rule.protected is None and self.system.protected is None:
            message = (
                f"the rule `{rule.id}` sends where a person is ({', '.join(locating)}) and has no own `protected:`"
            )
            mend = "write `protected: {mode: without-location}` or what the department needs for protected residents"
            self.notes.warning(rule.place_of("send"), message, mend, "protected-missing")

    def _item(self, types: list[str], item: Sent, place: str) -> bool:
        """Check one item of `send`; say whether it tells where a person is."""
        if item.expression is None:
            found = _in_types(types, item.out)
            if types and isinstance(found, Unknown):
                message = f"{_listed(types)} has no field `{item.name}` to send"
                self.notes.error(place, message, _send_mend(found, types), "field-unknown")
            return any(is_locating(type_, item.out) for type_ in types)
        text = Text(item.expression, place, f"`send: {item.name}`")
        compiled = self.notes.compiled(text, ROOTS)
        if compiled is None:
            return False
        self.notes.paths(text, compiled, lambda path: _in_types(types, path))
        lint_comparisons.check(self.notes, text, lambda path: _shapes(types, path))
        return any(locates_person(types, path) for path in compiled.paths)

    def _require(self, rule: Subscription, types: list[str]) -> None:
        names = {item.name for item in sent(rule.send)}
        for index, name in enumerate(rule.require):
            if name not in names and types and isinstance(_in_types(types, tuple(name.split("."))), Unknown):
                message = f"`{name}` is required, but the rule does not send it"
                mend = meant(name, names) or "add it to `send`"
                self.notes.error(rule.place_of("require", index), message, mend, "require-unknown")

    def _shadowed(self, rule: Subscription, earlier: tuple[Subscription, ...]) -> None:
        """Note a rule all of whose events go, at all of its receivers, to earlier rules."""
        left = {(type_, receiver) for type_ in rule.on for receiver in rule.to or self.system.receives}
        by: list[str] = []
        for other in earlier:
            if not other.enabled or not rule.enabled or not self._at_least(other, rule):
                continue
            taken = left & {(type_, receiver) for type_ in other.on for receiver in other.to or self.system.receives}
            if taken:
                by.append(other.id)
                left -= taken
        if by and not left:
            message = (
                f"the rule `{rule.id}` can never match: the first rule wins, and {_listed(by)} before it takes all"
            )
            mend = "put the narrower rule first, or remove one"
            self.notes.error(rule.place, message, mend, "shadowed")

    def _at_least(self, other: Subscription, rule: Subscription) -> bool:
        """Say whether one rule matches whenever another does."""
        if other.when is None:
            return True
        compiled = self.tests.get(other.id)
        if compiled is None:
            return False
        if not compiled.paths and compiled.pure:
            return judge(compiled, {}, None).answer == "true"
        same = _words(other.when) == _words(rule.when or "")
        return same and rule.unknown in {"skip", other.unknown}


def _in_types(types: list[str], path: Path) -> Shape | Unknown:
    """Return what stands at a path of data in the first type that has it; `open` while no type is known."""
    unknown: list[Unknown] = []
    for type_ in types:
        found = look_up(DATA[type_], path)
        if not isinstance(found, Unknown):
            return found
        unknown.append(found)
    if not unknown:
        return "open"
    deepest = max(unknown, key=lambda each: len(each.before))
    known = {name for each in unknown if each.before == deepest.before for name in each.known}
    return Unknown(deepest.name, deepest.before, tuple(known))


def _shapes(types: list[str], path: Path) -> list[Shape | Unknown]:
    """Return what may stand at a path of a rule's expression, in each of its types."""
    root, below = path[0], path[1:]
    if root == "data":
        return [look_up(DATA[type_], below) for type_ in types]
    if root in {"facts", "after"}:
        return [look_up(FACTS, below)]
    return ["text" if path == ("subject",) else "open"]


def _send_mend(found: Unknown, types: list[str]) -> str:
    if found.before:
        return meant(found.name, found.known) or f"`{'.'.join(found.before)}` has no parts"
    near = meant(found.name, found.known)
    if near.startswith("did"):
        return near
    facts = " or write {name: facts.resident.…} for what the hub knows"
    return f"{_listed(types)} has " + ", ".join(sorted(found.known)) + ";" + facts


def _listed(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _words(text: str) -> list[str]:
    return [token.text for token in tokens_of(text) if token.kind != "space"]


def _never(compiled: Compiled, rule: Subscription, types: list[str]) -> str:
    """Return why a test can never be true, "" if that cannot be told."""
    if not compiled.paths and compiled.pure:
        verdict = judge(compiled, {}, None)
        return "" if verdict.answer == "true" else f"the condition is always {verdict.fault or verdict.answer}"
    wanted: dict[str, str] = {}
    for path, value in _terms(rule.when or ""):
        if wanted.setdefault(path, value) != value:
            return f"`{path}` cannot be both {wanted[path]} and {value}"
        if path == "event.type" and types == list(rule.on) and (literal(value) or value) not in types:
            return f"the rule is on {_listed(types)}, never on {value}"
    return ""


def _terms(text: str) -> Iterator[tuple[str, str]]:
    """Yield the terms at the top of a conjunction that say what a path must be: the path and a literal."""
    for term in conjuncts([token for token in tokens_of(text) if token.kind != "space"]):
        words = [token.text for token in term]
        denied = words[:1] == ["!"]
        if "==" not in words:
            path, value = words[denied:], ["false" if denied else "true"]
        else:
            at = words.index("==")
            path, value = (words[:at], words[at + 1 :]) if _is_path(words[:at]) else (words[at + 1 :], words[:at])
            if len(value) == 1 and value[0][0] in "\"'":
                value = [f'"{literal(value[0])}"']
        if _is_path(path) and len(value) == 1 and (value[0][0] in '"0123456789' or value[0] in {"true", "false"}):
            yield "".join(path), value[0]


def _is_path(words: list[str]) -> bool:
    return len(words) % 2 == 1 and all(word.isidentifier() for word in words[::2]) and set(words[1::2]) <= {"."}
