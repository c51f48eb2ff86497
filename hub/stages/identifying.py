"""Who a record is about, asked of the ledger; and the queue of what it does not answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import orjson
import sqlalchemy as sa

from hub.adapters.contract import Row
from hub.events.envelope import Event, encode
from hub.events.facts import empty, merge
from hub.ledger import identities
from hub.ledger.engine import Ledger
from hub.ledger.log import EventLog
from hub.ledger.tables import event as events
from hub.routing.identity import PROVISIONAL, Unidentified
from hub.settings.models import City
from hub.stages.ports import RowMapper
from hub.stages.records import Origin

Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Residents:
    """What the ledger knows of residents, as dispatch has it now."""

    log: EventLog

    def __call__(self, subject: str) -> Mapping[str, Any] | None:
        """Return `facts.resident` of a resident, None for one of whom there is no event."""
        with self.log.ledger.read() as connection:
            heard = connection.execute(sa.select(events.c.pos).where(events.c.subject == subject).limit(1)).first()
        if heard is None:
            return None
        facts = empty()
        for _, _, _, _, said in sorted(self.log.facts([subject]), key=lambda row: (row[2], row[3], row[1])):
            facts = merge(facts, orjson.loads(said))
        resident: Mapping[str, Any] = facts["resident"]
        return resident


def kept_for(city: City) -> frozenset[Path]:
    """Return the facts that are kept because some source asks by them who a record is about."""
    sources = [source for system in city.systems.values() for source in system.sources.values()]
    return frozenset(
        ("resident", name) for source in sources if source.identify is not None for name in source.identify.verify
    )


def origin_of(system: str, source: str, city: str, mappers: Sequence[RowMapper], ledger: Ledger) -> Origin:
    """Return whose rows a source's are, with the queue where one of its mappers asks who they are about."""
    origin = Origin(system, source, city)
    if not any(getattr(mapper, "asks", False) for mapper in mappers):
        return origin
    return replace(origin, park=partial(_park, ledger), is_parked=partial(identities.is_parked, ledger))


def _park(ledger: Ledger, origin: Origin, found: Unidentified, row: Row) -> Event | None:
    """Keep a report in the queue; return it under its provisional subject if it is told all the same."""
    event = found.event
    no, provisional = identities.park(
        ledger,
        identities.Entry(
            origin.system,
            origin.source,
            row.place,
            event.id,
            event.type,
            found.reason,
            found.given,
            found.found,
            found.checked,
            found.provisional,
            encode(event, origin.city),
            row.raw,
        ),
    )
    if not provisional:
        return None
    about(event, f"{PROVISIONAL}{origin.system}:{no}")
    return event


def about(event: Event, subject: str) -> None:
    """Let an event be about a resident; a correction names its target by the same one."""
    if event.data.get("subject") == event.subject:
        event.data["subject"] = subject
    event.subject = subject
