"""Finding deliveries and events for a job: the filters of the lists, without their pages."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import orjson

from hub.errors import NotFound, UsageError
from hub.events.catalogue import TYPES
from hub.events.wire import system_of, type_of
from hub.ledger.protected import Discretion
from hub.ledger.status import DELIVERY, REASONS, delivery_code
from hub.ledger.views import EventFilter, Views
from hub.routing.tokens import did_you_mean
from hub.settings.models import City
from hub.stages.entries import DIGEST, KEY_LIMIT, digest_of, source_in_key
from hub.stages.rulebook import RuleBook
from hub.stages.told import Told, says, told_of

PAGE = 400
SMALL = {"waiting", "held", "scheduled", "unknown"}  # statuses that stand in a small table
_LAST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class DeliveryFilter:
    """Which deliveries; `systems` are receiving ones, `since`/`until` when the event was recorded (milliseconds).

    Of a `party`, a system, only what it is told itself, and what others are told of the events it has reported.
    """

    systems: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    resident: str | None = None
    batch: str | None = None
    since: int | None = None
    until: int | None = None
    error: str | None = None
    party: str | None = None


class Finder:
    """Looks through one ledger."""

    def __init__(self, views: Views, book: RuleBook, discretion: Discretion | None = None) -> None:
        """Open one ledger; `discretion` says whose location is not shown."""
        self._views = views
        self._book = book
        self._register = discretion or Discretion(views.ledger)

    def deliveries(self, wanted: DeliveryFilter) -> Iterator[Told]:
        """Yield deliveries that fit, the newest event first; raises UsageError for a status that is none."""
        for rows in self._rows(wanted):
            states = self._views.states([row.pos for row in rows])
            flags = self._register({row.subject for row in rows})
            for row in rows:
                for told in told_of(row, states, self._book.__getitem__, flags):
                    if concerns(told, wanted) and matches(told, wanted):
                        yield told

    def delivery(self, key: str) -> Told:
        """Return one delivery by its key; raises NotFound, AmbiguousId and UsageError."""
        reference, _, rest = key.rpartition(":")
        reference, _, receiver = reference.rpartition(":")
        if not rest.isdigit() or not reference:
            raise UsageError(f"not a delivery key: {key}", mend="<source system>/<event id>:<system>.<receiver>:<n>")
        row = self._views.event(self._named(reference, key))
        flags = self._register({row.subject})
        for told in told_of(row, self._views.states([row.pos]), self._book.__getitem__, flags):
            if (told.key, told.job) == (receiver, int(rest)):
                return told
        raise NotFound(f"there is no delivery {key}", mend="hub deliveries list")

    def _named(self, reference: str, key: str) -> int:
        """Return the position of the event that a delivery key names, also by the digest of a long id."""
        system, slash, event_id = reference.partition("/")
        source = source_in_key(system) if slash else None
        if source is not None and (pos := self._views.at(source, event_id)) is not None:
            return pos
        digest = event_id if slash else reference
        if len(digest) == DIGEST:
            for name, long_id, pos in self._views.longer(KEY_LIMIT + DIGEST - len(key) if slash else 0, source):
                if digest_of(name, long_id) == digest:
                    return pos
        return self._views.find(reference)

    def events(self, wanted: EventFilter) -> Iterator[Any]:
        """Yield the rows of events that fit, the newest first."""
        after = wanted.after
        while rows := self._views.events(replace(wanted, after=after), PAGE):
            yield from rows
            if len(rows) < PAGE:
                return
            after = (rows[-1].recorded_at, rows[-1].pos)

    def exceptions(self, wanted: DeliveryFilter) -> Callable[[int, int], list[int]] | None:
        """Return what gives positions `(limit, before)` of deliveries that stand in a small table, the newest first.

        None when only all events will do. Raises UsageError for a status that is none.
        """
        if unknown := sorted(set(wanted.statuses) - set(DELIVERY)):
            raise UsageError(f"no such status: {', '.join(unknown)}", mend="one of " + ", ".join(DELIVERY))
        if wanted.statuses and set(wanted.statuses) <= SMALL:
            codes = [code for status in wanted.statuses for code in _codes(status)]
            return partial(self._views.pending_positions, codes, self._numbers(wanted))
        if set(wanted.statuses) == {"dead"}:
            return partial(self._views.rejected_positions, self._numbers(wanted))
        return None

    def is_shut(self, wanted: DeliveryFilter) -> bool:
        """Say whether a receiver that is asked about takes nothing now: what it has not begun is held, in no table."""
        states = (orjson.loads(row.state) for row in self._receivers(wanted))
        return any("shut" in state or "breaker" in state for state in states)

    def _numbers(self, wanted: DeliveryFilter) -> list[int]:
        return [row.no for row in self._receivers(wanted)]

    def _receivers(self, wanted: DeliveryFilter) -> list[Any]:
        rows = self._views.receivers()
        return [row for row in rows if not wanted.systems or row.key.partition(".")[0] in wanted.systems]

    def _rows(self, wanted: DeliveryFilter) -> Iterator[Sequence[Any]]:
        source = self.exceptions(wanted)
        return self._all(wanted) if source is None else self._few(source)

    def _few(self, source: Callable[[int, int], list[int]]) -> Iterator[Sequence[Any]]:
        before = _LAST
        while positions := source(PAGE, before):
            yield self._views.by_position(positions)
            before = positions[-1]

    def _all(self, wanted: DeliveryFilter) -> Iterator[Sequence[Any]]:
        page: list[Any] = []
        for row in self.events(events_of(wanted)):
            page.append(row)
            if len(page) == PAGE:
                yield page
                page = []
        if page:
            yield page


def refuse_unknown(
    city: City, named: tuple[frozenset[str], frozenset[str]], systems: Collection[str], types: Collection[str]
) -> None:
    """Raise `UsageError` for a system or type that neither the city nor its ledger (`named`: types, systems) knows."""
    known = {"system": {*city.systems, *named[1]}, "event type": {*TYPES, *named[0]}}
    for what, asked in {"system": systems, "event type": types}.items():
        unknown = next((text for text in asked if text not in known[what]), None)
        if unknown is not None:
            raise UsageError(f"there is no {what} {unknown}", mend=did_you_mean(unknown, known[what]))


def short(types: Iterable[str]) -> tuple[str, ...]:
    """Return event types in their short form, also those given as on the wire; raises Malformed for none of the two."""
    return tuple(type_of(text)[0] if text.startswith("jp.lg.") else text for text in types)


def events_of(wanted: DeliveryFilter) -> EventFilter:
    """Return the filters on the events of deliveries."""
    return EventFilter(
        subject=wanted.resident, types=wanted.types, batch=wanted.batch, since=wanted.since, until=wanted.until
    )


def concerns(told: Told, wanted: DeliveryFilter) -> bool:
    """Tell whether a delivery found by its state also fits the filters on events."""
    wire = told.entry.wire
    return (
        (wanted.resident is None or wire.subject == wanted.resident)
        and (not wanted.types or type_of(wire.type)[0] in wanted.types)
        and (wanted.batch is None or told.batch_id == wanted.batch)
        and (wanted.since is None or told.recorded_at >= wanted.since)
        and (wanted.until is None or told.recorded_at < wanted.until)
    )


def matches(told: Told, wanted: DeliveryFilter) -> bool:
    """Tell whether a delivery fits the filters on receivers, states, errors and parties."""
    return (
        (not wanted.systems or told.key.partition(".")[0] in wanted.systems)
        and (not wanted.statuses or told.state[0] in wanted.statuses)
        and (wanted.error is None or says(told, wanted.error))
        and (wanted.party is None or wanted.party in (told.key.partition(".")[0], system_of(told.entry.wire.source)))
    )


def _codes(status: str) -> list[int]:
    return [delivery_code(status), *(delivery_code(status, reason) for reason in REASONS.get(status, ()))]
