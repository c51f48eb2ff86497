"""What a rule may tell about a protected resident (支援措置): nothing that locates them, unless it says so."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hub.events.catalogue import TYPES
from hub.routing.expressions import Environment, compile_expression
from hub.routing.projection import sent
from hub.routing.shapes import DATA, FACTS, LOCATING_FACTS, Unknown, is_locating, look_up

if TYPE_CHECKING:
    from hub.routing.rules import Rule, RuleSet
    from hub.settings.models import System

ROOTS = ("event", "data", "subject", "facts", "after")
FLAGS = {"protected": True, "do_not_post": True}  # a system that may not see the address must know not to write to it


@dataclass(frozen=True, slots=True)
class Cut:
    """What is left out: `names` are fields of the delivery; `suppressed` means nothing is sent at all."""

    suppressed: bool
    names: frozenset[str]
    everything: bool
    flags: bool

    def __or__(self, other: Cut) -> Cut:
        """Return what both leave out."""
        return Cut(
            self.suppressed or other.suppressed,
            self.names | other.names,
            self.everything or other.everything,
            self.flags or other.flags,
        )

    def apply(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Return the data without what locates the person, and what is to stand again after a cancel likewise."""
        restored = data.get("restored")
        kept = {} if self.everything else {name: value for name, value in data.items() if name not in self.names}
        kept |= FLAGS if self.flags else {}
        return {**kept, "restored": self.apply(restored)} if isinstance(restored, dict) else kept


MODES = ("full", "without-location", "flag-only", "none")  # each tells less than the one before


@dataclass(frozen=True, slots=True)
class Permission:
    """What a rule may tell about a protected resident: `protected:` of settings."""

    mode: str = "without-location"
    send_flag: bool = False

    @classmethod
    def of(cls, rule: Rule) -> Permission:
        """Return a rule's own, or its system's."""
        return cls(rule.protected.get("mode", "without-location"), bool(rule.protected.get("send_flag")))

    def __and__(self, other: Permission) -> Permission:
        """Return what both permit; the flag travels if either says so."""
        return Permission(max(self.mode, other.mode, key=MODES.index), self.send_flag or other.send_flag)


SHOWN = Permission()  # what people are shown of a protected resident, whatever a system may be told


def cut_of(ruleset: RuleSet, number: int, today: Permission | None = None) -> Cut:
    """Return what a rule leaves out about a protected resident, by its own `protected:` or its system's.

    `today` is what the rule of that name permits now, where that is another rule set: what was withdrawn is not told.
    """
    rule = ruleset.rules[number]
    permission = Permission.of(rule) if today is None else Permission.of(rule) & today
    mode = permission.mode
    names = frozenset(_locating(rule, Environment(ruleset.tables))) if mode == "without-location" else frozenset()
    flags = permission.send_flag or mode == "flag-only"
    return Cut(suppressed=mode == "none", names=names, everything=mode in {"flag-only", "none"}, flags=flags)


def withholding(told: Iterable[dict[str, Any]], ruleset: RuleSet, cut: Callable[[int], Cut]) -> list[dict[str, Any]]:
    """Return who is told of a protected resident's event, as `explain` has it, with what is left out in `withheld`.

    `cut(number)` is what a rule leaves out. Of one whose rule permits nothing, nothing is in `fields`.
    """
    numbers = {rule.name: number for number, rule in enumerate(ruleset.rules)}
    found = []
    for each in told:
        part = cut(numbers[f"{each['system']}.{each['rule']}"])
        none = part.suppressed or part.everything
        withheld = [name for name in each["fields"] if none or name.partition(".")[0] in part.names]
        flags = FLAGS if part.flags and not part.suppressed else ()
        kept = [name for name in each["fields"] if name not in withheld]
        found.append({**each, "fields": [*kept, *flags], "withheld": withheld})
    return found


def as_told(ruleset: RuleSet, number: int, data: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what of a delivery's data is sent of a protected resident, None when nothing is sent at all."""
    cut = cut_of(ruleset, number)
    return None if cut.suppressed else cut.apply(data)


def permissions(ruleset: RuleSet) -> dict[str, Permission]:
    """Return what each rule permits, by its name."""
    return {rule.name: Permission.of(rule) for rule in ruleset.rules}


def told(system: System, receiver: str) -> list[tuple[str, ...]]:
    """Return where all that a receiver may be sent stands in a delivery's data: by its rules as written, flags last."""
    rules = [rule for rule in system.subscribes if not rule.to or receiver in rule.to]
    own = [rule.protected or system.protected for rule in rules]
    flags = FLAGS if any(each and (each.send_flag or each.mode == "flag-only") for each in own) else {}
    names = [item.out for rule in rules for item in sent(rule.send)]
    return list(dict.fromkeys([*names, *((flag,) for flag in flags)]))


def without_location(type_: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """Return an event's data without the fields that locate a person, as it is shown."""
    return {name: value for name, value in data.items() if not _locates(type_, name)}


def _locates(type_: str, name: str) -> bool:
    known = TYPES[type_].fields.get(name) if type_ in TYPES else None
    if known is None or known.locating or any(part.locating for part in known.fields.values()):
        return True
    return name == "identity"  # of a target named by its row's values, which may be the whole row


def _locating(rule: Rule, env: Environment) -> list[str]:
    found = []
    for item in sent(rule.send):
        if item.field is not None:
            known = any(is_locating(type_, item.field) for type_ in (*rule.on, *_ANY))
            locates = known or _is_foreign(rule.on, item.field)
        else:
            paths = compile_expression(item.expression or "", roots=ROOTS, env=env, place=rule.name).paths
            locates = any(locates_person(rule.on, path) or _is_foreign_path(rule.on, path) for path in paths)
        if locates:
            found.append(item.out[0])
    return found


def _is_foreign(types: tuple[str, ...], field: tuple[str, ...]) -> bool:
    """Say whether no type here has a field: a newer hub's rule names it, and nobody here knows what it tells."""
    return all(isinstance(look_up(DATA.get(type_, {}), field), Unknown) for type_ in types)


def _is_foreign_path(types: tuple[str, ...], path: tuple[str, ...]) -> bool:
    if path[0] == "data":
        return len(path) > 1 and _is_foreign(types, path[1:])
    return path[0] in {"facts", "after"} and isinstance(look_up(FACTS, path[1:]), Unknown)


_ANY = ("resident.moved",)  # names such as `postal_code` locate whatever the type


def locates_person(types: tuple[str, ...] | list[str], path: tuple[str, ...]) -> bool:
    """Say whether what stands at a path of an expression tells where a person is; a whole group does if a part does."""
    if path[0] == "data":
        return len(path) == 1 or any(is_locating(type_, path[1:]) for type_ in types)
    if path[0] in {"facts", "after"}:
        return any(path[1 : 1 + len(each)] == each[: len(path) - 1] for each in LOCATING_FACTS)
    return False
