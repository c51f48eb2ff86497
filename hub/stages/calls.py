"""Takes what systems report by calling the hub: proved, once, and answered when all of it is in Kafka or quarantine."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from hub.adapters.contract import Called, SourceBatch
from hub.errors import NotFound, Rejected
from hub.events.wire import decode
from hub.ledger import batches, calls, quarantine, sources
from hub.ledger.batches import Arrival
from hub.stages import residue
from hub.stages.clock import timestamp
from hub.stages.identifying import origin_of
from hub.stages.ports import RowMapper
from hub.stages.records import Origin, Prepared, fault, prepare, publish_sound
from hub.stages.services import Services

GRACE = 2  # a call is remembered for so many windows: its time may lie one ahead of ours, ours may be set back


@dataclass(slots=True)
class Taken:
    """What became of a call: its events' ids, how many rows are in quarantine or wait, whether it was a repeat."""

    accepted: list[str] = field(default_factory=list)
    quarantined: int = 0
    repeated: bool = False
    waiting: int = 0  # for a person to say who they are about


@dataclass(frozen=True, slots=True)
class Callee:
    """A source that is called, and the mappers of the publications that name it."""

    source: Called
    mappers: Sequence[RowMapper]


class Calls:
    """The sources of a city that are called, by `(system, source)`."""

    def __init__(self, services: Services, callees: Mapping[tuple[str, str], Callee]) -> None:
        self._services = services
        self._callees = callees

    async def receive(self, system: str, name: str, headers: Mapping[str, str], body: bytes) -> Taken:
        """Take a call; return when all of it is safe. A repeat of one that was taken changes nothing.

        Raises `NotFound`, `Rejected` (`signature`, `timestamp`, `replayed`), `Malformed` when the body as a whole is
        none, and `Unavailable`, after which it is safe to call again.
        """
        callee = self._callees.get((system, name))
        if callee is None:
            raise NotFound(f"no source {system}.{name} is called")
        now = self._services.clock().timestamp()
        id_ = await asyncio.to_thread(callee.source.verify, headers, body, now)
        digest = hashlib.sha256(body).digest()
        before = await asyncio.to_thread(calls.taken, self._services.ledger, f"{system}.{name}", id_)
        if before is not None:
            if before != digest:
                raise Rejected("another call had this id", code="replayed")
            return Taken(repeated=True)
        unit = f"call-{hashlib.sha256(id_.encode()).hexdigest()[:16]}"
        origin = origin_of(system, name, self._services.city, callee.mappers, self._services.ledger)
        batch, prepared = await asyncio.to_thread(self._prepare, callee, body, unit, origin)
        refused = await publish_sound(self._services.producer, self._services.topic, prepared.records)
        for index, error in refused.items():
            prepared.entries.append(origin.entry(prepared.origins[index], fault("produce", error)))
        prepared.drop(refused)
        until = int((now + GRACE * callee.source.window) * 1000)
        await asyncio.to_thread(self._keep, origin, batch, prepared, (id_, digest, until))
        ids = [decode(value).id for _, value in prepared.records]
        return Taken(ids, len(prepared.entries), waiting=prepared.waiting)

    def _prepare(self, callee: Callee, body: bytes, unit: str, origin: Origin) -> tuple[SourceBatch, Prepared]:
        batch = SourceBatch(callee.source.rows(body), {}, "call", unit)
        return batch, prepare(batch, callee.mappers, origin, now=timestamp(self._services.clock()))

    def _keep(self, origin: Origin, batch: SourceBatch, prepared: Prepared, call: tuple[str, bytes, int]) -> None:
        """Store what was refused, what came, and the call itself, in one transaction."""
        services, tally = self._services, prepared.tally
        id_, digest, until = call
        with services.ledger.write() as connection:
            at = services.ledger.now(connection)
            if prepared.entries:
                quarantine.record(connection, prepared.entries, at)
            residue.record(connection, origin, prepared, at)
            arrival = Arrival(
                origin.system,
                origin.source,
                batch.batch_id,
                batch.label,
                tally.rows,
                Counter(prepared.types),
                tally.quarantined,
                whole=True,
            )
            batches.record(connection, [arrival], services.now)
            calls.take(connection, f"{origin.system}.{origin.source}", id_, digest, until=until, now=services.now)
            sources.advance(connection, origin.system, origin.source, position={}, tally=tally, at=at)
