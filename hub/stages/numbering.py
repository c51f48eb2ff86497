"""Deliveries to a system that knows residents by its own numbers (`ids:`): what needs one that is not known waits.

Asked just before the call, so that a number learned meanwhile is told. What was planned without it gets it then, and is
kept so: what a batch was made of must be there after a crash.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from hub.errors import Rejected
from hub.events.wire import Lazy, type_of
from hub.ledger.numbers import Numbers
from hub.ledger.status import delivery_code
from hub.routing.expressions import ExpressionFault
from hub.routing.identity import is_provisional
from hub.routing.plan import View
from hub.stages.entries import Entry, Item
from hub.stages.scene import attributes

ID_UNKNOWN = delivery_code("held", "id-unknown")
REFUSED = Rejected("the system's own number of the resident is not known", code="id-unknown")


class Work(Protocol):
    """A delivery under way."""

    entry: Entry
    item: Item
    subject: str


@dataclass(slots=True)
class Sorted:
    """What becomes of deliveries, by their places: they go, some completed with their numbers; or do not.

    Those are held, follow a held one, are refused, or are faulty: their expression breaks over the number.
    """

    going: list[int] = field(default_factory=list)
    completed: dict[int, Item] = field(default_factory=dict)
    held: list[int] = field(default_factory=list)
    following: list[int] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)
    faulty: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Numbering:
    """The numbers of one receiver's system; `missing` is its policy where the receiver itself writes the number."""

    system: str
    missing: str
    numbers: Numbers

    def known(self, subjects: Iterable[str]) -> set[str]:
        """Return those residents whose number is known."""
        return self.numbers.known(self.system, list(subjects))

    def sort(self, works: Sequence[Work]) -> Sorted:
        """Say of each delivery, by its place, what becomes of it; nothing of a resident passes a held one."""
        found = Sorted()
        policies = [self._policy(work) for work in works]
        asked = {work.subject for work, policy in zip(works, policies, strict=True) if policy}
        known = self.known(asked) if asked else set()
        blocked: set[str] = set()
        for at, (work, policy) in enumerate(zip(works, policies, strict=True)):
            if work.subject in blocked:
                found.following.append(at)
            elif not policy:
                found.going.append(at)
            elif work.subject in known:
                try:
                    completed = _completed(work)
                except ExpressionFault as fault:
                    blocked.add(work.subject)
                    found.faulty[at] = f"{fault.place}: {fault.message}"
                    continue
                found.going.append(at)
                if completed is not None:
                    found.completed[at] = completed
            elif policy == "hold":
                blocked.add(work.subject)
                found.held.append(at)
            else:
                found.refused.append(at)
        return found

    def _policy(self, work: Work) -> str:
        """Return `hold` or `reject` where the number is needed, else nothing. Nobody unidentified has one."""
        if is_provisional(work.subject):
            return ""
        return self.missing or work.entry.rules.ruleset.rules[work.item.rule].ids


def _completed(work: Work) -> Item | None:
    """Return a delivery with the numbers that its plan lacks, None where it lacks none."""
    rules, wire, item = work.entry.rules, work.entry.wire, work.item
    short, version = type_of(wire.type)
    view = View(short, version, wire.subject, attributes(wire), Lazy(wire.data))
    there = item.values or {} if item.made is None else item.made["data"]
    lacking = {name: value for name, value in rules.router.numbers(item.rule, view).items() if there.get(name) is None}
    if not lacking:
        return None
    made = item.made
    if made is not None:
        made = {**made, "data": {**made["data"], **lacking}}
    values = {**(item.values or {}), **lacking}
    return Item(item.receiver, item.rule, values, item.hold, item.detail, item.suppressed, made, item.due)
