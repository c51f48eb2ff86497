"""Questions of people and programs: an event and what became of it, lists of events and deliveries, the state of all.

Answers are plain JSON in contract.md's shapes; times are RFC 3339 in UTC.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson

from hub.errors import NotFound, UsageError
from hub.events.facts import empty, merge
from hub.events.wire import Lazy, system_of, type_of
from hub.ledger import kept_bytes
from hub.ledger.engine import Ledger
from hub.ledger.facts import FactBook
from hub.ledger.log import EventLog
from hub.ledger.protected import Discretion
from hub.ledger.status import event_code, event_word
from hub.ledger.views import EventFilter, EventRow, Party, Views
from hub.routing.plan import View
from hub.routing.protection import withholding, without_location
from hub.stages.entries import Entry, Item, unpack_plan
from hub.stages.finding import DeliveryFilter, Finder, concerns, events_of, matches
from hub.stages.held import STATUS, HeldEvents
from hub.stages.history import Archive, History
from hub.stages.identity_queue import Unlinked
from hub.stages.overview import overview
from hub.stages.relations import NO_RELATIONS, UNCHANGED, changes, related
from hub.stages.rulebook import RuleBook
from hub.stages.scene import attributes
from hub.stages.silence import Silence
from hub.stages.times import moment
from hub.stages.told import Told, told_of
from hub.stages.waiting import WaitingEvents

__all__ = ["DeliveryFilter", "Inquiry"]

Json = dict[str, Any]
PAGE = 200  # events looked through at once
LOOKED = 5_000  # events, of a party its own, looked through for one page of a filtered list
Begun = tuple[int, int, int]  # an event's position, and the receiver and job of the delivery that was shown last
_NEWEST = (2**63 - 1, 2**63 - 2)  # what every event comes after


class Inquiry:
    """Answers from one ledger."""

    def __init__(
        self, ledger: Ledger, book: RuleBook, held: Path | None = None, discretion: Discretion | None = None
    ) -> None:
        """Open the ledger's books; `held` is the folder of held batches on this machine.

        `discretion` says whose location is not shown; without it, that of residents known to be protected.
        """
        self._discretion = discretion or Discretion(ledger)
        self._unlinked = Unlinked(ledger, self._discretion)
        self._unlogged: list[HeldEvents | WaitingEvents | Unlinked] = [WaitingEvents(ledger), self._unlinked]
        if held is not None:
            self._unlogged.insert(0, HeldEvents(ledger, held))
        self._ledger = ledger
        self._views = Views(ledger)
        self._book = book
        self._finder = Finder(self._views, book, self._discretion)
        self._silence = Silence(self._views, book)

    # --- events ------------------------------------------------------------------------------------------------

    def event(self, reference: str, *, lang: str = "ja", by: str | None = None) -> Json:
        """Return one event as `hub events show` tells it; raises NotFound and AmbiguousId.

        Of a protected resident, what locates them is left out and named in `withheld`, unless it is asked for `by` the
        system that reported it; that one is shown no other's, nor what stands, of which others may have a part.
        """
        try:
            row = self._views.event(self._views.find(reference, by))
        except NotFound:
            waiting = self._unlinked.event(reference, by=by)
            if waiting is None:
                raise
            return {**waiting, **NO_RELATIONS, "deliveries": [], "not_told": []}
        entry, _ = self._entry(row)
        states = self._views.states([row.pos])
        event, withheld = _cloud_event(entry), []
        relations = related(self._views.relations([row.pos])[row.pos])
        stands = self._stands(row) if relations["amended"] and by is None else None  # others may have said so
        hidden = by is None and self._protected([row])
        if hidden:
            data = event["data"]
            event["data"] = without_location(entry.type, data)
            withheld = [name for name in data if name not in event["data"]]
            stands = stands and without_location(entry.type, stands)
        return {
            "event": event,
            **({"withheld": withheld} if withheld else {}),
            "status": event_word(row.status),
            "seen": row.seen,
            "recorded_at": moment(row.recorded_at),
            **({} if hidden else self._kept_bytes(entry)),
            **relations,
            "stands": stands,
            "deliveries": [
                each.as_dict() for each in told_of(row, states, self._book.__getitem__, self._protected([row]))
            ],
            "not_told": self.explain(row.pos, lang=lang)["not_told"],
        }

    def _kept_bytes(self, entry: Entry) -> Json:
        """Return the bytes that the event's text cannot give back, if any were kept."""
        raw = kept_bytes.of(self._ledger, system_of(entry.wire.source), entry.wire.id)
        return {} if raw is None else {"source_bytes": base64.b64encode(raw).decode()}

    def _stands(self, row: EventRow) -> Json | None:
        """Return the values of an event as they stand now, None when it was cancelled."""
        archive = Archive(EventLog(self._ledger), self._book)
        past = History(*archive.of(row.subject)).at(row.pos)
        return None if past is None or past.taken_back or past.occurrence.cancelled else past.occurrence.data

    def explain(self, reference: str | int, *, lang: str = "ja") -> Json:
        """Return who is told of an event and why, who is not and why not, by the rules and as it was planned."""
        pos = reference if isinstance(reference, int) else self._views.find(reference)
        row = self._views.event(pos)
        entry, plan = self._entry(row)
        wire, data = entry.wire, Lazy(entry.wire.data)
        short, version = type_of(wire.type)
        facts = self._facts(wire.subject, pos, data.get("effective_on") or wire.time[:10])
        view = View(short, version, wire.subject, attributes(wire), data)
        facts, after = FactBook(EventLog(self._ledger)).around(short, wire.subject, data, facts)
        found = entry.rules.router.explain(view, facts, after, lang).as_dict()
        found = self._silence.applied(found, entry, plan, lang)
        if self._protected([row]):
            found["told"] = withholding(found["told"], entry.rules.ruleset, entry.rules.cut)
        return found

    def _facts(self, subject: str, pos: int, date: str) -> Json:
        facts = empty()
        for valid_from, _, said in self._views.facts_before(subject, pos):
            if valid_from <= date:
                facts = merge(facts, said)
        return facts

    def named(self) -> tuple[frozenset[str], frozenset[str]]:
        """Return the event types and the systems that the ledger knows."""
        return self._views.named()

    def events(self, wanted: EventFilter, *, limit: int = 50, cursor: str | None = None) -> Json:
        """Return a page of events: `{"items": […], "next": cursor or null}`.

        Those of held batches come first, batch by batch, then those that wait for a person, in the review queue or to
        be linked; then what is in the log, the newest first. Each says what it corrects or cancels, and what did that
        to it last.
        """
        page = self._events(wanted, limit, cursor)
        return {**page, "items": [item | {name: item.get(name) for name in UNCHANGED} for item in page["items"]]}

    def _events(self, wanted: EventFilter, limit: int, cursor: str | None) -> Json:
        owner = next((part for part in self._unlogged if cursor is not None and part.owns(cursor)), None)
        if cursor is not None and owner is None:
            return self._logged(wanted, limit, cursor)
        items: list[Json] = []
        for part in self._unlogged[self._unlogged.index(owner) if owner is not None else 0 :]:
            found, following = part.page(wanted, limit=limit - len(items), cursor=cursor if part is owner else None)
            items += found
            if following is not None:
                return {"items": items, "next": following}
            if len(items) >= limit:
                return {"items": items, "next": part.end}
        if wanted.statuses == (event_code(STATUS),):
            return {"items": items, "next": None}
        rest = self._logged(wanted, limit - len(items), None)
        return {"items": items + rest["items"], "next": rest["next"]}

    def _logged(self, wanted: EventFilter, limit: int, cursor: str | None) -> Json:
        rows = self._views.events(replace(wanted, after=_after(cursor)), limit + 1)
        relations = self._views.relations([row.pos for row in rows[:limit]])
        items = [
            {
                **_cloud_event(entry, data=False),
                "status": event_word(row.status),
                "recorded_at": moment(row.recorded_at),
                "batch": row.batch_id,
                "deliveries": len(plan),
                **changes(relations[row.pos]),
            }
            for row in rows[:limit]
            for entry, plan in [self._entry(row)]
        ]
        return {"items": items, "next": _cursor(rows[limit - 1]) if len(rows) > limit else None}

    def _entry(self, row: Any) -> tuple[Entry, list[Item]]:
        return Entry.of(row.pos, bytes(row.body), self._book[row.ruleset]), unpack_plan(bytes(row.plan))

    # --- deliveries --------------------------------------------------------------------------------------------

    def deliveries(self, wanted: DeliveryFilter, *, limit: int = 50, cursor: str | None = None) -> Json:
        """Return a page of deliveries, the newest first. A page may be short and still have a `next`.

        Of a `party`, neither says anything of what others are told: only its own are looked at, counted and named.
        """
        source = self._finder.exceptions(wanted)
        shut = cursor is None and "held" in wanted.statuses and self._finder.is_shut(wanted)
        few = source is not None and not shut and _is_of_few(cursor)
        found = self._few(source, wanted, cursor) if source is not None and few else self._all(wanted, cursor)
        items: list[Json] = []
        last: str | None = None  # behind the last event of which something was shown
        for looked, (row, told) in enumerate(found, 1):
            at = (0 if few else row.recorded_at, row.pos)
            room = limit - len(items)
            if len(told) > room:
                return {"items": items + _texts(told[:room]), "next": _within(at, told, room) or last}
            items += _texts(told)
            last = _cursor_text(at) if told else last
            if looked >= LOOKED and not few:
                return {"items": items, "next": _cursor_text(at)}
        return {"items": items, "next": None}

    def _all(self, wanted: DeliveryFilter, cursor: str | None) -> Iterator[tuple[EventRow, list[Told]]]:
        """Yield events with their deliveries that fit, behind a cursor."""
        events, mine = events_of(wanted), self._views.party(wanted.party) if wanted.party is not None else None
        after, begun = _spot(cursor)
        while True:
            rows = self._views.events(replace(events, after=(after[0], after[1] + (begun is not None))), PAGE)
            yield from self._page(rows if mine is None else self._of(mine, rows), wanted, begun)
            if len(rows) < PAGE:
                return
            after, begun = (rows[-1].recorded_at, rows[-1].pos), None

    def _of(self, mine: Party, rows: Sequence[EventRow]) -> list[EventRow]:
        """Return the events that a system has reported or is told of: what became of others is not even looked up."""
        besides = self._views.told_besides(mine, [row.pos for row in rows])
        return [
            row
            for row in rows
            if row.source in mine.sources
            or row.pos in besides
            or any(number in mine.receivers for number, _ in self._book[row.ruleset].stored(bytes(row.plan)).told)
        ]

    def _few(
        self, source: Callable[[int, int], list[int]], wanted: DeliveryFilter, cursor: str | None
    ) -> Iterator[tuple[EventRow, list[Told]]]:
        """Yield the same from a small table of exceptions instead of looking through all events."""
        (_, before), begun = _spot(cursor)
        while True:
            positions = source(PAGE, before + (begun is not None))
            yield from self._page(self._views.by_position(positions), wanted, begun, narrow=True)
            if len(positions) < PAGE:
                return
            before, begun = positions[-1], None

    def _page(
        self, rows: Sequence[Any], wanted: DeliveryFilter, begun: Begun | None, *, narrow: bool = False
    ) -> list[tuple[Any, list[Told]]]:
        """Return the events with their deliveries that fit; of the event that was `begun`, those that follow."""
        states = self._views.states([row.pos for row in rows])
        flags = self._protected(rows)
        page = []
        for row in rows:
            told = told_of(row, states, self._book.__getitem__, flags)
            if begun is not None and row.pos == begun[0]:
                names = [(each.receiver, each.job) for each in told]
                told = told[names.index(begun[1:]) + 1 :] if begun[1:] in names else told
            if narrow:
                told = [each for each in told if concerns(each, wanted)]
            page.append((row, [each for each in told if matches(each, wanted)]))
        return page

    def delivery(self, key: str) -> Json:
        """Return one delivery by its key, with its attempts; raises NotFound."""
        told = self._finder.delivery(key)
        return {**told.as_dict(), "log": [{**each, "at": moment(each["at"])} for each in told.failures]}

    def _protected(self, rows: Sequence[Any]) -> dict[str, bool]:
        """Return the residents whose payloads are shown without what locates them."""
        return self._discretion(row.subject for row in rows)

    # --- the state of all --------------------------------------------------------------------------------------

    def status(self) -> Json:
        """Return what waits and stands still, from the ledger alone."""
        with self._ledger.read() as connection:
            return overview(lambda question: connection.exec_driver_sql(question).all())


def _cloud_event(entry: Entry, *, data: bool = True) -> Json:
    """Return the event as hub JSON: as published, with the short type."""
    short, _ = type_of(entry.wire.type)
    wire = entry.wire
    event: Json = {"id": wire.id, "source": wire.source, "type": short, "subject": wire.subject, "time": wire.time}
    event = {
        "specversion": "1.0",
        **event,
        **{k: v for k, v in attributes(wire).items() if k in {"sequence", "batchid"}},
    }
    return {**event, "data": dict(Lazy(wire.data))} if data else event


def _texts(found: Sequence[Told]) -> list[Json]:
    return [each.as_dict() for each in found]


def _cursor(row: Any) -> str:
    return _cursor_text((row.recorded_at, row.pos)) or ""


def _within(at: tuple[int, int], found: Sequence[Told], shown: int) -> str | None:
    """Return the cursor behind the last that was shown of an event's deliveries, None where none was."""
    if not shown:
        return None
    last = found[shown - 1]
    return _cursor_text((*at, last.receiver, last.job))


def _is_of_few(cursor: str | None) -> bool:
    """Tell whether a page may come from a small table: the first, or one after another of them (recorded at 0)."""
    return cursor is None or _spot(cursor)[0][0] == 0


def _cursor_text(after: tuple[int, ...] | None) -> str | None:
    return base64.urlsafe_b64encode(orjson.dumps(after)).decode() if after else None


def _after(cursor: str | None) -> tuple[int, int] | None:
    if cursor is None:
        return None
    recorded, pos = _numbers(cursor, 2)
    return recorded, pos


def _spot(cursor: str | None) -> tuple[tuple[int, int], Begun | None]:
    """Return the event a page begins after; or the one that it goes on with, and the delivery shown last of it."""
    if cursor is None:
        return _NEWEST, None
    recorded, pos, *last = _numbers(cursor, 2, 4)
    return (recorded, pos), (pos, last[0], last[1]) if last else None


def _numbers(cursor: str, *lengths: int) -> tuple[int, ...]:
    try:
        numbers = tuple(int(number) for number in orjson.loads(base64.urlsafe_b64decode(cursor)))
    except (ValueError, TypeError):
        numbers = ()
    if len(numbers) not in lengths:
        raise UsageError(f"not a cursor of this list: {cursor}", mend="use the value of `next`")
    return numbers
