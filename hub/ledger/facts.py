"""What the hub knows of residents, bitemporal: each fact row says what one event says, from when, and who said it.

The facts at a date, as known at a position, are the merge of the standing rows in order of `(valid_from, pos)`.
"""

from __future__ import annotations

from bisect import insort
from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping
from itertools import islice
from typing import Any

import orjson

from hub.events.facts import delta as facts_delta
from hub.events.facts import empty, merge
from hub.ledger.log import EventLog, Homes

Path = tuple[str, ...]
Row = tuple[str, int, int, bytes]  # valid_from, place, pos, delta as JSON


class _Known:
    """The fact rows of one resident, and their fold, which is made when somebody asks for it."""

    __slots__ = ("_folded", "_upto", "rows")

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self._folded: dict[str, Any] = {}
        self._upto = 0  # rows that are in the fold

    def add(self, row: Row) -> None:
        """Add a row in its place: the rows stand in order."""
        rows = self.rows
        if rows and row[:3] < rows[-1][:3]:
            self._upto = 0
            insort(rows, row, key=_order)
        else:
            rows.append(row)

    def drop(self, positions: Collection[int]) -> None:
        """Take rows out."""
        self.rows = [row for row in self.rows if row[2] not in positions]
        self._upto = 0

    def at(self, date: str) -> dict[str, Any]:
        """Return what holds on a date."""
        rows = self.rows
        if rows and date < rows[-1][0]:
            return _fold(empty(), (row for row in rows if row[0] <= date))
        if self._upto < len(rows):
            self._folded = _fold(self._folded if self._upto else empty(), islice(rows, self._upto, None))
            self._upto = len(rows)
        return self._folded


def _fold(facts: dict[str, Any], rows: Iterable[Row]) -> dict[str, Any]:
    for row in rows:
        facts = merge(facts, _said(row))
    return facts


def _order(row: Row) -> tuple[str, int, int]:
    return row[:3]


def _said(row: Row) -> dict[str, Any]:
    """Return what a fact row says; rows are kept as they are written, since most are never asked."""
    said: dict[str, Any] = orjson.loads(row[3])
    return said


class FactBook:
    """The facts dispatch needs, loaded a batch at a time and remembered while the partition is ours."""

    def __init__(self, log: EventLog, *, keep: int = 20_000) -> None:
        self._log = log
        self._keep = keep
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._nobody = empty()
        self._homes = Homes()  # of the running batch: subject → household, head
        self._members: dict[str, list[tuple[str, int]]] = {}  # of households, as the ledger has them

    def load(self, subjects: set[str]) -> None:
        """Bring in the rows of residents that are not remembered."""
        missing = [subject for subject in subjects if subject not in self._known]
        for subject in missing:
            self._known[subject] = _Known()
        for subject, pos, valid_from, place, said in self._log.facts(missing):
            self._known[subject].add((valid_from, place, pos, bytes(said)))
        for subject in subjects:
            self._known.move_to_end(subject)

    def trim(self) -> None:
        """End a batch that is written: forget the residents not met for longest."""
        self._homes.clear()
        self._members.clear()
        while len(self._known) > self._keep:
            self._known.popitem(last=False)

    def at(self, subject: str, date: str) -> dict[str, Any]:
        """Return a loaded resident's facts at a date (do not change them)."""
        known = self._known.get(subject)
        return known.at(date) if known is not None and known.rows else self._nobody

    def learn(self, subject: str, pos: int, valid_from: str, delta: bytes, place: int) -> None:
        """Add what an event of the running batch says (JSON); `place` orders it among others of the same date.

        Of a resident who is not loaded nothing is remembered: the ledger will have it.
        """
        known = self._known.get(subject)
        if known is not None:
            known.add((valid_from, place, pos, delta))

    def moved_since(self, subject: str, valid_from: str, place: int, today: str) -> bool:
        """Say whether something of a later date, which has come, is known of where a resident lives."""
        known = self._known.get(subject)
        rows = known.rows if known is not None else ()
        later = (_said(row) for row in rows if row[:2] > (valid_from, place) and row[0] <= today)
        return any(_HOME.intersection(said.get("resident") or ()) for said in later)

    def void(self, subject: str, positions: Collection[int]) -> None:
        """Take back what some events said."""
        known = self._known.get(subject)
        if known is not None:
            known.drop(positions)

    def forget(self) -> None:
        """Forget everything: the batch failed, or partitions have moved."""
        self._known.clear()
        self._homes.clear()
        self._members.clear()

    def settle(self, homes: Iterable[tuple[str, str, int]]) -> None:
        """Note who lives where after an event of the running batch: `(subject, household or "", is head)`."""
        self._homes.move(homes)

    def around(
        self, name: str, subject: str, data: Mapping[str, Any], facts: dict[str, Any]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return a resident's facts with the household, and the same after an event of the (short) type."""
        known = {**facts, "household": self.household(facts["resident"].get("household_no"))}
        after = merge(known, facts_delta(name, data))
        number = after["resident"].get("household_no")
        return known, {**after, "household": self.household(number, homes(name, subject, data))}

    def load_households(self, numbers: Collection[str]) -> None:
        """Bring in the members of households, in one question; they are remembered until the batch ends."""
        if len(self._members) > self._keep:
            self._members.clear()
        missing = [number for number in numbers if number not in self._members]
        for number in missing:
            self._members[number] = []
        for number, subject, head in self._log.households(missing) if missing else ():
            self._members[number].append((subject, head))

    def _members_of(self, number: str) -> list[tuple[str, int]]:
        self.load_households([number])
        return self._members[number]

    def household(self, number: str | None, moves: Iterable[tuple[str, str, int]] = ()) -> dict[str, Any]:
        """Return `facts.household`: as of now, not of the event's date; `moves` are those of the event itself."""
        if not number:
            return {}
        members = {subject: head for subject, head in self._members_of(number) if subject not in self._homes}
        moved = {subject: head for subject, (no, head) in self._homes.items() if no == number}
        if any(moved.values()):  # a household has one head: the last who was named
            members = dict.fromkeys(members, 0)
        members.update(moved)
        for subject, no, head in moves:
            if no != number:
                members.pop(subject, None)
                continue
            if head:
                members = dict.fromkeys(members, 0)
            members[subject] = head
        heads = [subject for subject, head in members.items() if head]
        found: dict[str, Any] = {"no": number, "size": len(members), "members": sorted(members)}
        return {**found, "head": heads[0]} if heads else found


_HOME = frozenset({"household_no", "status"})  # facts that tell where a resident lives, or that they do no more
_HEAD = frozenset({"世帯主", "本人"})  # 続柄 as registers write it for the head


def homes(name: str, subject: str, data: Mapping[str, Any]) -> list[tuple[str, str, int]]:
    """Return who lives where after one event, as `(subject, household or "" for none, is head)`."""
    if name in {"resident.died", "resident.moved-out"}:
        return [(subject, "", 0)]
    number = data.get("to_household") if name == "household.changed" else data.get("household_no")
    if not number:
        return []
    if name == "household.changed":
        new_head = data.get("new_head")
        found = [(subject, number, int(subject == new_head or data.get("relationship") in _HEAD))]
        if new_head and new_head != subject:
            found.append((new_head, number, 1))
        old_head = data.get("old_head")
        if old_head and old_head not in {subject, new_head}:
            found.append((old_head, number, 0))
        return found
    return [(subject, number, int(data.get("head") == subject or data.get("relationship") in _HEAD))]


_GROUPS = ("resident", "insurance", "benefits", "contracts", "household", "protected")


def kept_paths(used: frozenset[Path]) -> frozenset[Path]:
    """Return what is to be kept when rules use these paths: `()` is everything; a household needs who is in it."""
    paths = {path for path in used if path}
    if () in used:
        paths |= {(group,) for group in _GROUPS}
    if any(path[0] == "household" for path in paths):
        paths |= {("resident", name) for name in _HOME}
    return frozenset(paths)


class Kept:
    """What is kept of what events say: the parts that some rule or form may use, `used` as `kept_paths` gives them."""

    def __init__(self, used: frozenset[Path]) -> None:
        self._names: dict[str, frozenset[str] | None] = {  # by group; None: all of it
            group: None if (group,) in used else frozenset(path[1] for path in used if path[0] == group)
            for group in {path[0] for path in used}
        }
        self._resident = self._names.get("resident", frozenset())

    def of(self, name: str, data: Mapping[str, Any]) -> dict[str, Any]:
        """Return what an event of the (short) type says, as far as it is kept."""
        part: dict[str, Any] = {}
        for group, said in facts_delta(name, data, self._resident).items():
            if group not in self._names:
                continue
            names = self._names[group]
            if names is None or not isinstance(said, dict):
                part[group] = said
            elif inner := {key: value for key, value in said.items() if key in names}:
                part[group] = inner
        return part
