"""`subscribes` and `receives` of a system: what it is told, and how it is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hub.settings.models import (
    Acknowledged,
    AnswerBy,
    Because,
    Flush,
    Protected,
    Receiver,
    Retry,
    Subscription,
    Within,
)
from hub.settings.reader import Reader, meant, written
from hub.settings.shapes import (
    Shape,
    attempts,
    days,
    duration,
    expression,
    listed,
    mapped,
    one_or_more,
    seconds,
    send_item,
    truth,
    word,
)
from hub.settings.timing import read_maintenance, read_window

if TYPE_CHECKING:
    from hub.settings.yaml import Node

ENTRY = "an entry of `subscribes`"
PROTECTED_SHAPES: dict[str, Shape] = {"send_flag": truth}
SUBSCRIPTION_SHAPES: dict[str, Shape] = {
    "id": word,
    "on": one_or_more(word),
    "when": expression,
    "send": listed(send_item),
    "require": one_or_more(word),
    "to": one_or_more(word),
    "unidentified": truth,
    "enabled": truth,
}
RETRY_SHAPES: dict[str, Shape] = {"delays": listed(duration), "then": duration, "give_up": attempts}
RECEIVER_SHAPES: dict[str, Shape] = {"adapter": word, "enabled": truth}


class ReceivingReader:
    """Reads the rules and receivers of a system; `protected` is what its rules inherit."""

    def __init__(self, reader: Reader, system: Node, name: str, protected: Protected | None) -> None:
        self.reader = reader
        self.system = name
        self.protected = protected
        self.receivers = self.read_receivers(system.items.get("receives"))
        entries = reader.entries(system.items.get("subscribes"), "`subscribes`")
        self.subscriptions = [self.subscription(node) for node in entries]
        self.check_ids()

    def subscription(self, node: Node) -> Subscription | None:
        """Return a rule, or None with the problems noted."""
        if not self.reader.mapping(node, ENTRY):
            return None
        nested, parts = self.reader.nested, node.items
        apart = {
            "because": nested(Because, parts.get("because"), {}, short="purpose"),
            "within": nested(Within, parts.get("within"), within_shapes(parts.get("within")), short="days"),
            "protected": nested(Protected, parts.get("protected"), PROTECTED_SHAPES, short="mode") or self.protected,
        }
        self.check_on(node)
        self.check_to(node.items.get("to"))
        head = node.without(apart)
        return self.reader.build(
            Subscription, head, ENTRY, SUBSCRIPTION_SHAPES, system=self.system, written=node, **written(apart)
        )

    def check_on(self, node: Node) -> None:
        """Note a rule on no event at all, which nobody would ever notice."""
        if "on" in node.items and node.items["on"].value == []:
            self.reader.note(node.key_place("on"), "`on` is empty", "name an event type, or write `enabled: false`")

    def check_to(self, node: Node | None) -> None:
        """Note a `to` that names no receiver of this system."""
        if node is None:
            return
        for part in node.items.values() if isinstance(node.value, list) else [node]:
            if isinstance(part.value, str) and part.value not in self.receivers:
                mend = meant(part.value, self.receivers) if self.receivers else "write `receives:`"
                self.reader.note(part.place, f"there is no receiver `{part.value}`", mend, code="receiver-unknown")

    def check_ids(self) -> None:
        """Note an id that two rules of the system share."""
        first: dict[str, str] = {}
        for rule in filter(None, self.subscriptions):
            if rule.id in first:
                mend = f"the first is at {first[rule.id]}"
                self.reader.note(rule.place_of("id"), f"the rule `{rule.id}` stands twice", mend, code="rule-twice")
            first.setdefault(rule.id, rule.place_of("id"))

    def read_receivers(self, node: Node | None) -> dict[str, Receiver | None]:
        """Return the receivers by name; one mapping with `adapter` is the receiver `main`."""
        parts = self.reader.named(node, "`receives`")
        if node is None or not parts:
            return {}
        if "adapter" in parts:
            return {"main": self.receiver("main", node, node.place)}
        if not any(isinstance(part.value, dict) for part in parts.values()):
            self.reader.note(node.place, "`receives` needs `adapter`", "write `adapter:`", code="key-missing")
            return {}
        for name in parts:
            self.reader.name(name, node.key_place(name), "receiver")
        return {name: self.receiver(name, part, node.key_place(name)) for name, part in parts.items()}

    def receiver(self, name: str, node: Node, place: str) -> Receiver | None:
        """Return a receiver, or None with the problems noted."""
        what = f"the receiver `{name}`"
        if not self.reader.mapping(node, what):
            return None
        nested, parts = self.reader.nested, node.items
        answers: dict[str, Shape] = {
            "from": self.reader.options,
            "match": mapped(expression),
            "error": expression,
            "warning": expression,
            "about": expression,
            "by": lambda part: nested(AnswerBy, part, {"calendar": word}, "at"),
        }
        apart = {
            "retry": nested(Retry, parts.get("retry"), RETRY_SHAPES),
            "window": read_window(self.reader, parts.get("window")),
            "maintenance": read_maintenance(self.reader, parts.get("maintenance")),
            "flush": nested(Flush, parts.get("flush"), {"seconds": seconds}),
            "acknowledged": nested(Acknowledged, parts.get("acknowledged"), answers),
        }
        self.check_answers(parts.get("acknowledged"))
        return self.reader.with_options(
            Receiver, node, what, RECEIVER_SHAPES, apart, name=name, system=self.system, place=place
        )

    def check_answers(self, node: Node | None) -> None:
        """Note an acknowledgement that comes from nowhere, or is tied to a delivery in no way, or in two."""
        if node is None or not isinstance(node.value, dict):
            return
        come, match = node.items.get("from"), node.items.get("match")
        if come is not None and isinstance(come.value, dict) and "adapter" not in come.value:
            self.reader.note(come.place, "`from` needs `adapter`", "write `adapter:`", code="key-missing")
        if match is None or not isinstance(match.value, dict) or set(match.value) not in ({"key"}, {"no"}):
            place = match.place if match is not None else node.place
            mend = "write `match: {no: …}` or `match: {key: …}`, an expression on `row`"
            self.reader.note(place, "`match` ties an answer to a delivery by its `key` or its `no`", mend)


def within_shapes(node: Node | None) -> dict[str, Shape]:
    """`within: 14d` says its days as a duration, `within: {days: 14}` as a number."""
    return {} if node is None or isinstance(node.value, dict) else {"days": days}
