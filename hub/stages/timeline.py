"""`hub resident`: what was reported of a resident, who was told, what waits; and who got which fields (disclosure).

Of a protected resident nothing is shown that tells where they are.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hub.errors import NotFound
from hub.events.wire import Lazy, system_of, type_of
from hub.ledger import identities
from hub.ledger.engine import Ledger
from hub.ledger.numbers import Numbers
from hub.ledger.protected import Discretion
from hub.ledger.status import event_word
from hub.ledger.views import EventFilter, Views
from hub.settings.models import City
from hub.stages.entries import Entry, cut_for
from hub.stages.guarded import Spans, spans_of
from hub.stages.identity_queue import masked, summary
from hub.stages.relations import changes
from hub.stages.rulebook import RuleBook
from hub.stages.times import moment
from hub.stages.told import ARRIVED, Told, told_of

Json = dict[str, Any]
PAGE = 500


class Timeline:
    """What the ledger has of one resident."""

    def __init__(self, ledger: Ledger, book: RuleBook, city: City, discretion: Discretion | None = None) -> None:
        """Open the ledger's books; `discretion` says whose location is not shown: else that of the known protected."""
        self._discretion = discretion or Discretion(ledger)
        self._ledger = ledger
        self._views = Views(ledger)
        self._book = book
        self._city = city

    def of(self, subject: str) -> Json:
        """Return the timeline, the oldest first; raises `NotFound` for a resident of whom there is nothing."""
        flags = self._discretion([subject])
        spans = spans_of(self._views, subject)
        events = [self._event(row, flags, spans) for row in self._rows(subject)]
        linked, _ = identities.listing(self._ledger, statuses=(), subject=subject, limit=PAGE)
        if not events and not linked:
            raise NotFound(f"there is nothing of a resident {subject}", mend="hub events list --resident NUMBER")
        waiting = [
            {"event": event["id"], **delivery}
            for event in events
            for delivery in event["deliveries"]
            if delivery["status"] in {"planned", "scheduled", "sending", "waiting", "held", "unknown"}
        ]
        return {
            "resident": subject,
            "protected": flags.get(subject) is True,
            "numbers": self._numbers(subject),
            "events": events,
            "waiting": waiting,
            "identity": [summary(item) for item in reversed(linked)],
        }

    def disclosure(self, subject: str) -> Json:
        """Return who got which fields of a resident, by purpose, as far as it arrived; raises `NotFound`.

        `withheld` are those that a rule sends and that were left out of a delivery since the resident was protected.
        """
        found: dict[tuple[str, str, str], Json] = {}
        rows = self._rows(subject)
        if not rows:
            raise NotFound(f"there is nothing of a resident {subject}")
        flags, spans = self._discretion([subject]), spans_of(self._views, subject)
        for told in self._told(rows, flags):
            if told.state[0] not in ARRIVED:
                continue
            rule = told.entry.rules.ruleset.rules[told.item.rule]
            system = told.key.partition(".")[0]
            entry = found.setdefault(
                (system, rule.purpose, rule.provision),
                {
                    "system": system,
                    "owner": self._owner(system),
                    "purpose": rule.purpose,
                    "provision": rule.provision,
                    "fields": [],
                    "withheld": [],
                    "deliveries": 0,
                    "first": None,
                    "last": None,
                    "rules": [],
                },
            )
            _add(entry, told, rule.id, self._sent(told, spans))
        items = sorted(found.values(), key=lambda each: (each["system"], each["purpose"]))
        return {"resident": subject, "protected": flags.get(subject) is True, "items": items}

    def _owner(self, system: str) -> str:
        known = self._city.systems.get(system)
        return known.owner if known is not None else ""

    def _numbers(self, subject: str) -> Json:
        systems = [each for each in self._city.systems.values() if each.ids is not None]
        found = {each.system: Numbers(self._ledger).local_id(each.system, subject) for each in systems}
        return {system: number for system, number in found.items() if number is not None}

    def _rows(self, subject: str) -> list[Any]:
        rows: list[Any] = []
        after: tuple[int, int] | None = None
        while True:
            page = self._views.events(EventFilter(subject=subject, after=after), PAGE)
            rows += page
            if len(page) < PAGE:
                return rows[::-1]
            after = (page[-1].recorded_at, page[-1].pos)

    def _told(self, rows: list[Any], flags: dict[str, bool]) -> Iterable[Told]:
        for start in range(0, len(rows), PAGE):
            part = rows[start : start + PAGE]
            states = self._views.states([row.pos for row in part])
            for row in part:
                yield from told_of(row, states, self._book.__getitem__, flags)

    def _sent(self, told: Told, spans: Spans) -> tuple[list[str], list[str]]:
        """Return the fields of a delivery that went, or would go now, and those withheld of a protected resident."""
        cut = told.cut
        if told.state[0] in ARRIVED and told.ended is not None:
            cut = cut_for(told.entry, told.item, self._book.__getitem__) if told.ended.at in spans else None
        whole, sent = (told.entry.delivery(told.item, 0, told.job, each).data.keys() for each in (None, cut))
        return sorted(sent - {"restored"}), sorted(whole - sent - {"restored"})

    def _event(self, row: Any, flags: dict[str, bool], spans: Spans) -> Json:
        entry = Entry.of(row.pos, bytes(row.body), self._book[row.ruleset])
        wire, data = entry.wire, dict(Lazy(entry.wire.data))
        short = type_of(wire.type)[0]
        states = self._views.states([row.pos])
        told = told_of(row, states, self._book.__getitem__, flags)
        relations = self._views.relations([row.pos])[row.pos]
        return {
            "id": f"{system_of(wire.source)}/{wire.id}",
            "type": short,
            "source": system_of(wire.source),
            "effective_on": data.get("effective_on"),
            "notified_on": data.get("notified_on"),
            "recorded_at": moment(row.recorded_at),
            "status": event_word(row.status),
            "data": masked(short, data) if flags else data,
            "relations": [{"kind": kind, "event": other, "acting": acting} for kind, other, acting in relations],
            **changes(relations),
            "deliveries": [_delivery(each, *self._sent(each, spans)) for each in told],
        }


def _delivery(told: Told, fields: list[str], withheld: list[str]) -> Json:
    shown = told.as_dict()
    names = ("id", "system", "receiver", "status", "reason", "rule", "action", "planned_at", "delivered_at", "error")
    rule = told.entry.rules.ruleset.rules[told.item.rule]
    said = {"fields": fields, "withheld": withheld, "purpose": rule.purpose}
    return {**{name: shown[name] for name in names}, **said}


def _add(entry: Json, told: Told, rule: str, parts: tuple[list[str], list[str]]) -> None:
    """Count a delivery that arrived."""
    at = told.as_dict()["delivered_at"]
    for name, fields in zip(("fields", "withheld"), parts, strict=True):
        entry[name] = sorted({*entry[name], *fields})
    entry["rules"] = sorted({*entry["rules"], rule})
    entry["deliveries"] += 1
    entry["first"] = min(filter(None, (entry["first"], at)), default=None)
    entry["last"] = max(filter(None, (entry["last"], at)), default=None)
