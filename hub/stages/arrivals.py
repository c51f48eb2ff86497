"""What arrives outside of sources, a stream or a call, counted as batches."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hub.events.envelope import Event
from hub.ledger import batches, kept_bytes, quarantine
from hub.ledger.batches import Arrival
from hub.ledger.engine import Ledger
from hub.ledger.quarantine import Entry


@dataclass(frozen=True, slots=True)
class Origins:
    """Where events come from: `batch_id` is the id the hub gave; an event may bring its sender's own instead."""

    system: str
    source: str
    label: str
    batch_id: str | None

    def arrivals(self, events: Iterable[Event], *, quarantined: int = 0, whole: bool = False) -> list[Arrival]:
        """Return what came under each id; the hub's own takes what was quarantined."""
        found: dict[str, Arrival] = {}
        if quarantined and self.batch_id:
            found[self.batch_id] = self._arrival(self.batch_id)
            found[self.batch_id].rows = found[self.batch_id].quarantined = quarantined
        for event in events:
            id_ = event.extensions.get("batchid")
            if not id_:
                continue
            arrival = found.get(id_)
            if arrival is None:
                arrival = found[id_] = self._arrival(id_)
                arrival.whole = whole and id_ == self.batch_id
            arrival.rows += 1
            arrival.events[event.type] += 1
        return list(found.values())

    def end(self) -> Arrival:
        """Return the end of the hub's own batch."""
        arrival = self._arrival(self.batch_id or "")
        arrival.whole = True
        return arrival

    def _arrival(self, id_: str) -> Arrival:
        return Arrival(self.system, self.source, id_, self.label)


@dataclass(frozen=True, slots=True)
class Original:
    """The bytes of an event whose data was put into the city's characters."""

    system: str
    event_id: str
    raw: bytes


def keep(
    ledger: Ledger,
    arrivals: Sequence[Arrival],
    entries: Sequence[Entry] = (),
    *,
    at: int,
    originals: Sequence[Original] = (),
) -> list[int]:
    """Store what came and what was refused in one transaction; return the quarantine's numbers.

    `at` is in milliseconds. Raises `LedgerUnavailable`.
    """
    with ledger.write() as connection:
        for each in originals:
            kept_bytes.keep(connection, each.system, "", [(each.event_id, each.raw)], at)
        batches.record(connection, arrivals, at)
        return quarantine.record(connection, entries, ledger.now(connection)) if entries else []
