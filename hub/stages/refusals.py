"""What dispatch refuses, as quarantine keeps it: with where it came from, and once however often it comes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hub.errors import HubError, Malformed
from hub.events.wire import Wire, content, decode, system_of
from hub.ledger import batches
from hub.ledger.commands import parts
from hub.ledger.engine import storable
from hub.ledger.quarantine import Entry
from hub.ledger.tables import event


@dataclass(slots=True)
class Refused:
    """A record that cannot be an event; `reuses` is the position of the event that has its id, for other content."""

    partition: int
    offset: int
    raw: bytes
    error: HubError
    reuses: int | None = None


def entries(connection: Connection, refused: Sequence[Refused], topic: str) -> list[Entry]:
    """Return the quarantine entries of what one poll refused; `connection` sees the poll's own events."""
    wires = [_wire(each.raw) for each in refused]
    firsts = _batches_of(connection, [each.reuses for each in refused if each.reuses is not None])
    ids = {wire.batchid for wire in wires if wire is not None and wire.batchid} | set(firsts.values())
    labels = batches.labels(connection, ids)
    found = []
    for each, wire in zip(refused, wires, strict=True):
        place = f"{topic}/{each.partition}@{each.offset}"
        if wire is not None and wire.batchid:
            place += f", {_shown(wire.batchid, labels)}"
        first = f", in {_shown(firsts[each.reuses], labels)}" if each.reuses in firsts else ""
        message = each.error.message + first + (f" ({each.error.mend})" if each.error.mend else "")
        system = "" if wire is None else system_of(wire.source)
        found.append(Entry("dispatch", system, "", place, each.error.code, message, each.raw, _same(wire)))
    return found


def _same(wire: Wire | None) -> bytes | None:
    """Return what makes a refused event the same when it comes again; its time may be the hub's own, another then."""
    try:
        return None if wire is None else wire.id.encode() + b"\n" + content(wire)
    except Exception:  # noqa: BLE001 - what holds no JSON is known by its bytes
        return None


def _wire(raw: bytes) -> Wire | None:
    try:
        return decode(raw)
    except Malformed:
        return None


def _shown(id_: str, labels: dict[str, str]) -> str:
    label = labels.get(storable(id_))
    return f"batch {id_} ({label})" if label and label not in id_ else f"batch {id_}"


def _batches_of(connection: Connection, positions: Sequence[int]) -> dict[int | None, str]:
    """Return the batches of those events that came in one."""
    found: dict[int | None, str] = {}
    for part in parts(positions):
        query = sa.select(event.c.pos, event.c.batch_id).where(event.c.pos.in_(part), event.c.batch_id.is_not(None))
        found.update((row.pos, row.batch_id) for row in connection.execute(query))
    return found
