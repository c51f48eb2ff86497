"""A resident's events as they stand: what was cancelled is out, what was corrected has its right values.

Read from the ledger only when a correction, a late report or another system's report needs it, and completed with the
events of the running poll that are not written yet.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from hub.events.facts import delta, empty, merge
from hub.events.wire import Lazy, Wire, decode, system_of, type_of
from hub.ledger import commands
from hub.ledger.log import EventLog
from hub.stages.entries import ActiveRules, Item, unpack_made, unpack_plan
from hub.stages.judgement import family_of, newer
from hub.stages.rulebook import RuleBook

AMENDMENTS = frozenset({"event.cancelled", "event.corrected"})


@dataclass(slots=True)
class Past:
    """One event of a resident. `data` are its values as they stand, `items` who was to be told of it."""

    pos: int
    wire: Wire
    source: int
    rules: ActiveRules
    items: list[Item]
    counts: bool = True  # False for a repeat, an echo or a losing contradiction
    data: dict[str, Any] = field(default_factory=dict)
    amended_by: list[Past] = field(default_factory=list)
    also: list[tuple[Item, ActiveRules]] = field(default_factory=list)  # told by jobs: a newcomer's history or state
    cancelled: bool = False

    def __post_init__(self) -> None:
        self.data = self.data or dict(Lazy(self.wire.data))

    @property
    def type(self) -> str:
        """Return the short type."""
        return type_of(self.wire.type)[0]

    @property
    def name(self) -> str:
        """Return `<source system>/<id>`."""
        return f"{system_of(self.wire.source)}/{self.wire.id}"


@dataclass(frozen=True, slots=True)
class Link:
    """One event's effect on another: cancels, corrects, enriches, contradicts (and won), repeats, echoes."""

    pos: int
    target: int
    kind: str


class History:
    """The events of one resident in order, with their relations applied."""

    def __init__(self, events: Iterable[Past], links: Sequence[Link]) -> None:
        self.events = sorted(events, key=lambda event: event.pos)
        self._by_pos = {event.pos: event for event in self.events}
        for link in sorted(links, key=lambda each: each.pos):
            self._apply(link)

    def _apply(self, link: Link) -> None:
        target, by = self._by_pos.get(link.target), self._by_pos.get(link.pos)
        if target is None or by is None:
            return
        if link.kind in {"repeats", "echoes", "loses"}:
            by.counts = False
            return
        target.amended_by.append(by)
        if link.kind == "cancels":
            target.cancelled = True
        else:
            right = by.data["data"] if link.kind == "corrects" else by.data
            target.data = dict(right) if link.kind == "corrects" else {**target.data, **right}
            by.counts = False

    def at(self, pos: int) -> Past | None:
        """Return the event at a position."""
        return self._by_pos.get(pos)

    def numbered(self, source: int, sequence: Any) -> Past | None:
        """Return the event of a source with a history number."""
        found = [e for e in self.events if e.source == source and str(e.wire.sequence) == str(sequence)]
        return next((e for e in reversed(found) if e.type not in AMENDMENTS), None)

    def place(self, event: Past) -> int:
        """Return an event's order among others of its date: its position, or before the first newer history number."""
        return self._places[event.pos]

    @cached_property
    def _places(self) -> dict[int, int]:
        places = {event.pos: event.pos for event in self.events}
        numbered: dict[tuple[int, str], list[Past]] = {}
        for event in self.events:
            if event.wire.sequence is not None:
                numbered.setdefault((event.source, family_of(event.type)), []).append(event)
        for group in numbered.values():
            first: int | None = None  # the earliest position of a number newer than those that follow
            equal: list[Past] = []
            for event in sorted(group, key=_number, reverse=True):
                if equal and newer(equal[-1].wire.sequence, event.wire.sequence):
                    first = min(each.pos for each in equal) if first is None else min(first, *(e.pos for e in equal))
                    equal = []
                equal.append(event)
                if first is not None:
                    places[event.pos] = min(event.pos, first - 1)
        return places

    @property
    def standing(self) -> list[Past]:
        """Return the events that stand, in their order: no repeats, no corrections, none that was cancelled."""
        standing = [e for e in self.events if e.counts and not e.cancelled and e.type not in AMENDMENTS]
        return sorted(standing, key=lambda e: (_effective(e), self.place(e), e.pos))

    def facts(self, before: Past | None = None) -> dict[str, Any]:
        """Return everything known of the resident now, or just before an event, at its effective date."""
        facts = empty()
        for event in self.standing:
            if before is None or (event.pos < before.pos and _effective(event) <= _effective(before)):
                facts = merge(facts, delta(event.type, event.data))
        return facts


def _effective(event: Past) -> str:
    return str(event.data.get("effective_on", ""))


def stored(log: EventLog, book: RuleBook, subject: str) -> tuple[list[Past], list[Link]]:
    """Return a resident's events as the ledger has them, and their relations."""
    rows, links = log.of_resident(subject)
    events = {row[0]: past_of(row[0], bytes(row[4]), row[1], book[row[2]], unpack_plan(bytes(row[3]))) for row in rows}
    for pos, payload in commands.newcomers(log.ledger, list(events)):
        ruleset, item = unpack_made(payload)
        events[pos].also.append((item, book[ruleset]))
    return list(events.values()), [Link(*link) for link in links]


def _number(event: Past) -> tuple[int, int, str]:
    text = str(event.wire.sequence)
    return (1, int(text), "") if text.lstrip("-").isdecimal() else (0, 0, text)


def past_of(pos: int, body: bytes, source: int, rules: ActiveRules, items: list[Item]) -> Past:
    """Return a stored event."""
    return Past(pos, decode(body), source, rules, items)
