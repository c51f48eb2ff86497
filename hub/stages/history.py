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
from hub.stages.judgement import family_of, kind_of, newer
from hub.stages.rulebook import RuleBook

AMENDMENTS = frozenset({"event.cancelled", "event.corrected"})


# How another system's report of the same occurrence stands to the first one. An echo says what its system was told.
REPORTS = frozenset({"repeats", "echoes", "enriches", "contradicts", "loses"})
_RANK = {"": 0, "enriches": 0, "contradicts": 0, "repeats": 1, "loses": 2}  # the lowest that stand are heard


@dataclass(slots=True, eq=False)
class Past:
    """One event of a resident. `said` are its own right values, `items` who was to be told of it.

    With `of` it only reports an earlier event again, `how` says in which way.
    """

    pos: int
    wire: Wire
    source: int
    rules: ActiveRules
    items: list[Item]
    said: dict[str, Any] = field(default_factory=dict)
    of: Past | None = None
    how: str = ""
    taken_back: bool = False  # its own system has cancelled it
    reports: list[Past] = field(default_factory=list)
    amended_by: list[Past] = field(default_factory=list)
    also: list[tuple[Item, ActiveRules]] = field(default_factory=list)  # told by jobs: a newcomer's history or state

    def __post_init__(self) -> None:
        self.said = self.said or dict(Lazy(self.wire.data))

    @property
    def type(self) -> str:
        """Return the short type."""
        return type_of(self.wire.type)[0]

    @property
    def name(self) -> str:
        """Return `<source system>/<id>`."""
        return f"{system_of(self.wire.source)}/{self.wire.id}"

    @property
    def occurrence(self) -> Past:
        """Return the event that stands for what happened: this one, or the one that it reports again."""
        return self.of or self

    @property
    def cancelled(self) -> bool:
        """Say whether it stands no more: nobody says so who did not merely echo it."""
        return not self._standing()

    @property
    def data(self) -> dict[str, Any]:
        """Return the values that stand: what the first said, what others added, and where a higher authority won."""
        return self.without(None)

    def without(self, report: Past | None) -> dict[str, Any]:
        """Return the values as they would stand if one report had not come."""
        if not self.reports:
            return dict(self.said)
        heard = self.heard(report)
        values = dict(heard[0].said)
        for each in heard[1:]:
            wins = each.how == "contradicts"
            values.update((k, v) for k, v in each.said.items() if v is not None and (wins or values.get(k) is None))
        return values

    def heard(self, without: Past | None = None) -> list[Past]:
        """Return the reports whose values count, the winners last; when none stands, those that did."""
        all_ = [each for each in (self, *self.reports) if each.how != "echoes" and each is not without]
        found = [each for each in self._standing() if each is not without] or all_ or [self]
        best = min(_RANK[each.how] for each in found)
        return sorted((e for e in found if _RANK[e.how] == best), key=lambda each: each.how == "contradicts")

    def _standing(self) -> list[Past]:
        return [each for each in (self, *self.reports) if not each.taken_back and each.how != "echoes"]


@dataclass(frozen=True, slots=True)
class Link:
    """One event's effect on another: cancels, corrects, or how it reports it again (`REPORTS`)."""

    pos: int
    target: int
    kind: str


class History:
    """The events of one resident in order, with their relations applied."""

    def __init__(self, events: Iterable[Past], links: Sequence[Link]) -> None:
        self.events = sorted(events, key=lambda event: event.pos)
        self._by_pos = {event.pos: event for event in self.events}
        self._corrected: dict[int, Past] = {}  # correction → what it corrects
        for link in sorted(links, key=lambda each: (each.pos, each.kind != "corrects")):
            self._apply(link)

    def _apply(self, link: Link) -> None:
        target, by = self._by_pos.get(link.target), self._by_pos.get(link.pos)
        if target is None or by is None:
            return
        if link.kind in REPORTS:
            self._report(self._corrected.get(by.pos, by), target, link.kind)
        elif link.kind == "cancels":
            target.taken_back = True
        elif link.kind == "corrects":
            target.said = dict(by.said["data"])
            self._corrected[by.pos] = target
        if by not in target.occurrence.amended_by:
            target.occurrence.amended_by.append(by)

    @staticmethod
    def _report(report: Past, target: Past, how: str) -> None:
        """Note how an event reports another again; a corrected one may do so in another way than before."""
        report.of, report.how = target, how
        if report not in target.reports:
            target.reports.append(report)

    def __getitem__(self, pos: int) -> Past:
        """Return the event at a position; raises KeyError."""
        return self._by_pos[pos]

    def at(self, pos: int) -> Past | None:
        """Return the event at a position."""
        return self._by_pos.get(pos)

    def about(self, pos: int) -> Past:
        """Return the event at a position, of a correction the one that it corrects; raises KeyError."""
        event = self._by_pos[pos]
        return self._corrected.get(pos, event)

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
        standing = [e for e in self.events if e.of is None and e.type not in AMENDMENTS and not e.cancelled]
        if len(standing) > 1:
            standing.sort(key=lambda e: (effective(e), self.place(e), e.pos))
        return standing

    def facts(self, *, before: Past | None = None, until: str | None = None) -> dict[str, Any]:
        """Return what is known of the resident: all of it, or on a day, or just before an event at its date."""
        until = effective(before) if before is not None else until
        return folded(
            event
            for event in self.standing
            if (until is None or effective(event) <= until) and (before is None or event.pos < before.pos)
        )

    def current(self, kind: str, *, until: str | None = None) -> Past | None:
        """Return the newest event of a kind (`kind_of`) that stands, on a day or ever."""
        found = [
            event
            for event in self.standing
            if kind_of(event.type, event.data) == kind and (until is None or effective(event) <= until)
        ]
        return max(found, key=lambda event: (self.place(event), event.pos), default=None)

    def newest(self, source: int, family: str) -> Past | None:
        """Return the event of a source and family with the newest history number that was not taken back."""
        found = [
            event
            for event in self.events
            if (event.source, family_of(event.type)) == (source, family)
            and event.wire.sequence is not None
            and not event.taken_back
        ]
        return max(found, key=_number, default=None)


def households_of(events: Iterable[Past]) -> set[str]:
    """Return the numbers of the households that events name."""
    named = (event.said.get(name) for event in events for name in ("household_no", "to_household"))
    return {str(number) for number in named if number}


def effective(event: Past) -> str:
    """Return an event's effective date."""
    return str(event.data.get("effective_on", ""))


def folded(events: Iterable[Past]) -> dict[str, Any]:
    """Return what events that stand, in their order, say of a resident."""
    facts = empty()
    for event in events:
        facts = merge(facts, delta(event.type, event.data))
    return facts


class Archive:
    """The residents' events as the ledger has them, with their relations: read for many at once, and kept until told.

    Each asking makes them anew: a history changes what it is given.
    """

    def __init__(self, log: EventLog, book: RuleBook) -> None:
        self._log = log
        self._book = book
        self._rows: dict[str, list[Any]] = {}
        self._links: dict[str, list[Link]] = {}
        self._also: dict[int, list[bytes]] = {}

    def load(self, subjects: Iterable[str]) -> None:
        """Bring in residents that are not here."""
        missing = [subject for subject in dict.fromkeys(subjects) if subject not in self._rows]
        if not missing:
            return
        self._rows.update((subject, []) for subject in missing)
        self._links.update((subject, []) for subject in missing)
        rows, links = self._log.of_residents(missing)
        whose = {}
        for row in rows:
            self._rows[row[5]].append((row[0], decode(bytes(row[4])), *row[1:4]))
            whose[row[0]] = row[5]
        for link in links:
            self._links[whose[link[1]]].append(Link(*link))
        for pos, payload in commands.newcomers(self._log.ledger, list(whose)):
            self._also.setdefault(pos, []).append(payload)

    def of(self, subject: str) -> tuple[list[Past], list[Link]]:
        """Return a resident's events and their relations."""
        self.load((subject,))
        return [self._past(*row) for row in self._rows[subject]], list(self._links[subject])

    def _past(self, pos: int, wire: Wire, source: int, ruleset: int, plan: bytes) -> Past:
        past = Past(pos, wire, source, self._book[ruleset], unpack_plan(bytes(plan)))
        for payload in self._also.get(pos, ()):
            number, item = unpack_made(payload)
            past.also.append((item, self._book[number]))
        return past

    def forget(self) -> None:
        """Let go of all of them: what is in the ledger has changed, or they are no longer needed."""
        self._rows.clear()
        self._links.clear()
        self._also.clear()


def _number(event: Past) -> tuple[int, int, str]:
    text = str(event.wire.sequence)
    return (1, int(text), "") if text.lstrip("-").isdecimal() else (0, 0, text)
