"""Finding deliveries and events for a job: the filters of the lists, without their pages."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from hub.errors import NotFound, UsageError
from hub.ledger.protected import Register
from hub.ledger.status import DELIVERY, REASONS, delivery_code
from hub.ledger.views import EventFilter, Views
from hub.stages.inquiry import DeliveryFilter, concerns, matches
from hub.stages.rulebook import RuleBook
from hub.stages.told import Told, told_of

PAGE = 400
SMALL = {"waiting", "held", "scheduled", "unknown"}  # statuses that stand in a small table
_LAST = 2**63 - 1


class Finder:
    """Looks through one ledger."""

    def __init__(self, views: Views, book: RuleBook) -> None:
        self._views = views
        self._book = book
        self._register = Register(views.ledger)

    def deliveries(self, wanted: DeliveryFilter) -> Iterator[Told]:
        """Yield deliveries that fit, the newest event first; raises UsageError for a status that is none."""
        if unknown := sorted(set(wanted.statuses) - set(DELIVERY)):
            raise UsageError(f"no such status: {', '.join(unknown)}", mend="one of " + ", ".join(DELIVERY))
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
        row = self._views.event(self._views.find(reference))
        flags = self._register({row.subject})
        for told in told_of(row, self._views.states([row.pos]), self._book.__getitem__, flags):
            if (told.key, told.job) == (receiver, int(rest)):
                return told
        raise NotFound(f"there is no delivery {key}", mend="hub deliveries list")

    def events(self, wanted: EventFilter) -> Iterator[Any]:
        """Yield the rows of events that fit, the newest first."""
        after = wanted.after
        while rows := self._views.events(replace(wanted, after=after), PAGE):
            yield from rows
            if len(rows) < PAGE:
                return
            after = (rows[-1].recorded_at, rows[-1].pos)

    def _rows(self, wanted: DeliveryFilter) -> Iterator[Sequence[Any]]:
        if wanted.statuses and set(wanted.statuses) <= SMALL:
            codes = [code for status in wanted.statuses for code in _codes(status)]
            return self._few(partial(self._views.pending_positions, codes), wanted)
        if set(wanted.statuses) == {"dead"}:
            return self._few(self._views.rejected_positions, wanted)
        return self._all(wanted)

    def _few(
        self, source: Callable[[Sequence[int], int, int], list[int]], wanted: DeliveryFilter
    ) -> Iterator[Sequence[Any]]:
        numbers = [
            row.no
            for row in self._views.receivers()
            if not wanted.systems or row.key.partition(".")[0] in wanted.systems
        ]
        before = _LAST
        while positions := source(numbers, PAGE, before):
            yield self._views.by_position(positions)
            before = positions[-1]

    def _all(self, wanted: DeliveryFilter) -> Iterator[Sequence[Any]]:
        events = EventFilter(
            subject=wanted.resident, types=wanted.types, batch=wanted.batch, since=wanted.since, until=wanted.until
        )
        page: list[Any] = []
        for row in self.events(events):
            page.append(row)
            if len(page) == PAGE:
                yield page
                page = []
        if page:
            yield page


def _codes(status: str) -> list[int]:
    return [delivery_code(status), *(delivery_code(status, reason) for reason in REASONS.get(status, ()))]
