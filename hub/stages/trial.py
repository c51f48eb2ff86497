"""A source tried on a sample: row → event → who would be told and what. Nothing is published, written or moved.

Facts are those given and what earlier rows of the sample say; no ledger is asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from hub.adapters.contract import Row
from hub.errors import Malformed
from hub.events.envelope import Event
from hub.events.facts import delta, empty, merge
from hub.routing.identity import Unidentified
from hub.routing.plan import Router, View, attributes_of
from hub.routing.projection import Projection
from hub.routing.protection import as_told
from hub.stages.ports import RowMapper
from hub.stages.records import record_of


@dataclass(frozen=True, slots=True)
class Told:
    """One delivery that there would be: `data` are the fields sent, None when nothing may be sent of the resident."""

    receiver: str
    rule: str
    place: str
    because: str
    hold: str | None
    detail: str
    data: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Tried:
    """What became of one row: an event and who is told of it, or why there is none."""

    row: Row
    event: Event | None = None
    ignored: str | None = None
    error: Malformed | None = None
    repeats: str = ""  # the place of the row that was the same report
    told: tuple[Told, ...] = ()
    not_told: tuple[dict[str, Any], ...] = ()

    @property
    def kind(self) -> str:
        """Return `event`, `repeat`, `ignored` or `error`."""
        if self.error is not None:
            return "error"
        if self.ignored is not None:
            return "ignored"
        return "repeat" if self.repeats else "event"

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        event, error = self.event, self.error
        return {
            "place": self.row.place,
            "kind": self.kind,
            "row": self.row.values,
            "event": None if event is None else _plain(event),
            "ignored": self.ignored,
            "repeats": self.repeats or None,
            "doubt": self.row.doubt or None,
            "error": None
            if error is None
            else {"code": error.code, "message": error.message, "place": error.place, "mend": error.mend},
            "told": [{name: getattr(each, name) for name in Told.__slots__} for each in self.told],
            "not_told": list(self.not_told),
        }


@dataclass(slots=True)
class Trial:
    """A city's rules and one source's mappers, tried row by row; `facts` are by resident and grow with the rows."""

    router: Router
    mappers: Sequence[RowMapper]
    city: str
    now: str
    lang: str = "en"
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)
    _seen: dict[str, tuple[tuple[str, str, bytes], str]] = field(default_factory=dict)

    def run(self, rows: Iterable[Row]) -> Iterator[Tried]:
        """Yield what becomes of each row, in order."""
        for row in rows:
            if row.error is not None:
                yield Tried(row, error=row.error)
                continue
            for mapper in self.mappers:
                try:
                    yield self._row(row, mapper)
                except Malformed as error:
                    yield Tried(row, error=error)

    def _row(self, row: Row, mapper: RowMapper) -> Tried:
        event = mapper.map(row.values, as_of_time=self.now)
        if isinstance(event, Unidentified):
            return Tried(row, ignored=_UNIDENTIFIED[event.reason])
        if not isinstance(event, Event):
            return Tried(row, ignored=event.reason)
        record_of(event, self.city)
        content = (event.type, event.subject, orjson.dumps(event.data, option=orjson.OPT_SORT_KEYS))
        known, place = self._seen.setdefault(event.id, (content, row.place))
        if place != row.place:
            if known != content:
                raise Malformed(
                    f"the id {event.id} was used for other content at {place}",
                    code="id-reused",
                    mend="let `identity` (or `id`) name all columns that tell two reports apart",
                )
            return Tried(row, event, repeats=place)
        told, not_told = self._explained(event)
        return Tried(row, event, told=told, not_told=not_told)

    def _explained(self, event: Event) -> tuple[tuple[Told, ...], tuple[dict[str, Any], ...]]:
        facts = self.facts.get(event.subject) or empty()
        after = self.facts[event.subject] = merge(facts, delta(event.type, event.data))
        view = View(event.type, event.version, event.subject, attributes_of(event), event.data)
        found = self.router.explain(view, facts, after, self.lang)
        planned = [each for each in found.planned if each.suppressed is None]
        raw = {name: orjson.dumps(value) for name, value in event.data.items()}
        told = [
            Told(
                said["receiver"],
                said["rule"],
                said["place"],
                said["because"],
                said["hold"],
                said["detail"],
                self._data(plan.rule, raw, plan.values, is_protected=bool(after.get("protected"))),
            )
            for plan, said in zip(planned, found.told, strict=True)
        ]
        return tuple(told), tuple(dict(each) for each in found.not_told)

    def _data(
        self, number: int, raw: Mapping[str, bytes], values: Mapping[str, Any] | None, *, is_protected: bool
    ) -> dict[str, Any] | None:
        data: dict[str, Any] = orjson.loads(Projection(self.router.rules.rules[number]).data(raw, values))
        return as_told(self.router.rules, number, data) if is_protected else data


_UNIDENTIFIED = {
    "unknown": "no earlier row of the sample is about the number it names: nobody can be identified",
    "mismatch": "the number is somebody else's than the row describes: it would wait for a person (`hub identity`)",
}


def resident_in(facts: Mapping[str, Mapping[str, Any]], subject: str) -> Mapping[str, Any] | None:
    """Return what facts by resident say of one; None for one of whom they say nothing."""
    found: Mapping[str, Any] | None = facts[subject]["resident"] if subject in facts else None
    return found


def _plain(event: Event) -> dict[str, Any]:
    head = {name: getattr(event, name) for name in ("id", "source", "type", "subject", "time")}
    return {**head, **event.extensions, "data": event.data}
