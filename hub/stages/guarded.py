"""When a resident was protected for certain: what was delivered then left out what its rule may not tell.

Judged by the reports of protection alone, and only where nothing casts doubt on them: a disclosure must name too much
as sent rather than too little.
"""

from __future__ import annotations

from dataclasses import dataclass

from hub.events.wire import Lazy, decode, type_of
from hub.ledger.protected import declarers_of
from hub.ledger.status import event_word
from hub.ledger.views import EventFilter, Views
from hub.stages.planning import PROTECTING, STARTED, protected_by

SETTLED = 600_000  # milliseconds after a report until no call is under way any more that was made before it
MOST = 500  # reports of one resident that are looked at


@dataclass(frozen=True, slots=True)
class Spans:
    """From when until when, in milliseconds; until None: still."""

    known: tuple[tuple[int, int | None], ...] = ()

    def __contains__(self, at: object) -> bool:
        return isinstance(at, int) and any(start <= at and (end is None or at < end) for start, end in self.known)


def spans_of(views: Views, subject: str) -> Spans:
    """Return when a resident was protected by reports of their own, or of those they are protected with."""
    declarers = {subject, *declarers_of(views.ledger, subject)}
    return Spans(tuple(span for each in declarers for span in _spans(views, subject, each)))


def _spans(views: Views, subject: str, declarer: str) -> list[tuple[int, int | None]]:
    """Return the spans that one resident's reports make: from each start that names `subject` to the next end.

    A report that was taken back or put right begins nothing: what held then is not known here.
    """
    found: list[tuple[int, int | None]] = []
    start: int | None = None
    rows = views.events(EventFilter(subject=declarer, types=tuple(PROTECTING)), MOST)
    relations = views.relations([row.pos for row in rows])
    for row in reversed(rows):
        if event_word(row.status) not in {"accepted", "unmatched"}:
            continue
        wire = decode(bytes(row.body))
        amended = any(not acts for *_, acts in relations[row.pos])
        if start is not None and (amended or type_of(wire.type)[0] != STARTED):
            found.append((start, row.recorded_at))
            start = None
        elif start is None and not amended and subject in protected_by(declarer, Lazy(wire.data)):
            start = row.recorded_at + SETTLED
    return found if start is None else [*found, (start, None)]
