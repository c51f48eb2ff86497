"""The gate of a guarded source: a whole file or query is read before any of it goes into Kafka, or is held.

The list of protected residents passes it, too. The records wait in a spool. Within the guard they are published from
there, and the source moves on as without a guard; until it does, a crash only reads the unit again. Outside it, the
spool is made durable, and one transaction holds the batch and moves the source on: from then on the batch is the
ledger's to answer for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hub.adapters.contract import SourceBatch
from hub.ledger import batches, quarantine, sources
from hub.ledger.batches import Arrival
from hub.ledger.protected import believe, last_list, protect_early
from hub.ledger.quarantine import Entry
from hub.ledger.sources import Tally
from hub.settings.models import Guard, Protection
from hub.stages import residue, spool
from hub.stages.clock import new_batch_id
from hub.stages.guards import EARLIER, Listed, breaches, list_breaches
from hub.stages.protecting import marks_in
from hub.stages.records import Origin, Prepared, fault, publish_sound, wording
from hub.stages.services import Services
from hub.stages.spool import Spool
from hub.stages.steps import Steps


@dataclass(slots=True)
class _Unit:
    """What is being read: its counts and records so far."""

    batch_id: str
    arrival: Arrival
    spool: Spool
    ignored: int = 0
    waiting: int = 0
    unsure: int = 0
    sealed: bool = False
    named: set[str] = field(default_factory=set)  # residents

    def add(self, prepared: Prepared) -> None:
        self.spool.add(prepared.records)
        self.named.update(key.decode() for key, _ in prepared.records)
        self.arrival.rows += prepared.rows
        self.arrival.events.update(prepared.types)
        self.arrival.quarantined += len(prepared.entries)
        self.ignored += prepared.ignored
        self.waiting += prepared.waiting
        self.unsure += len(prepared.drafts)

    def tally(self, refused: int = 0) -> Tally:
        arrival = self.arrival
        told, lost = arrival.events.total() - refused, arrival.quarantined + refused
        return Tally(arrival.rows, told, self.ignored, lost, self.waiting, self.unsure)


class Gate:
    """The gate of one source; it takes one batch of rows after the other."""

    def __init__(
        self,
        system: str,
        source: str,
        guard: Guard,
        services: Services,
        protection: Protection | None = None,
        *,
        by_changes: bool = False,
    ) -> None:
        """Open the gate of a source; `protection` is set for the one that brings the list of protected residents.

        `by_changes` says that what comes is not the whole list: `ListWatch` looks at that.
        """
        if services.held is None:
            raise ValueError("a guarded source needs a folder for held batches")
        self._system = system
        self._source = source
        self._guard = guard
        self._protection = protection
        self._by_changes = by_changes
        self._key = f"{system}.{source}"
        self._services = services
        self._folder = services.held
        self._unit: _Unit | None = None

    async def take(
        self, batch: SourceBatch, prepared: Prepared, steps: Steps, origin: Origin | None = None
    ) -> Tally | None:
        """Take the next rows; return the counts of their unit once all of it is durable, in Kafka or held.

        None means that the unit goes on, or that another process holds a batch of this source: then it is read again.
        """
        unit = await self._continued(batch, steps)
        if prepared.entries:
            await steps.lasting(quarantine.add, self._services.ledger, prepared.entries)
        if prepared.learned or prepared.kept or prepared.drafts:
            await steps.lasting(self._keep_residue, origin or Origin(self._system, self._source, ""), prepared)
        await steps.once(unit.add, prepared)
        return await self._settle(unit, batch.position, steps) if batch.last else None

    def _keep_residue(self, origin: Origin, prepared: Prepared) -> None:
        with self._services.ledger.write() as connection:
            residue.record(connection, origin, prepared, self._services.ledger.now(connection))

    async def abandon(self, steps: Steps) -> None:
        """Forget a unit that was not read to its end."""
        unit, self._unit = self._unit, None
        # A sealed spool may be the ledger's already: it keeps its lock until this process ends.
        if unit is not None and not unit.sealed:
            await steps.once(unit.spool.remove)

    async def _continued(self, batch: SourceBatch, steps: Steps) -> _Unit:
        if self._unit is not None and self._unit.batch_id == batch.batch_id:
            return self._unit
        await self.abandon(steps)
        id_ = batch.batch_id or new_batch_id(self._source, self._services.clock())
        made = await steps.once(spool.create, self._folder, self._key)
        self._unit = _Unit(batch.batch_id, Arrival(self._system, self._source, id_, batch.label), made)
        return self._unit

    async def _settle(self, unit: _Unit, position: dict[str, Any], steps: Steps) -> Tally | None:
        waits, known, earlier = await steps.lasting(self._look, unit)
        if not unit.arrival.rows and known:
            await self.abandon(steps)  # what is left of a unit that was settled before a crash
            return Tally()
        if waits:
            await self.abandon(steps)
            return None
        reasons = breaches(self._guard, unit.arrival, earlier)
        if self._protection is not None and not self._by_changes:
            last = await steps.lasting(last_list, self._services.ledger, self._key)
            found = Listed(unit.arrival.rows, unit.named, last, earlier, unit.arrival.quarantined)
            reasons += list_breaches(self._protection, found)
        if reasons:
            return await self._hold(unit, position, "; ".join(reasons), steps)
        return await self._let_through(unit, position, steps)

    def _look(self, unit: _Unit) -> tuple[bool, bool, list[int]]:
        """Return whether another batch of the source waits, whether this one is known, and how large others were."""
        ledger, arrival = self._services.ledger, unit.arrival
        waiting = batches.unpublished(ledger, self._system, self._source)
        known = batches.find(ledger, self._system, self._source, arrival.id)
        earlier = batches.sizes(ledger, self._system, self._source, besides=arrival.id, limit=EARLIER)
        return waiting not in (None, arrival.id), known is not None and known.status != "open", earlier

    async def _hold(self, unit: _Unit, position: dict[str, Any], reason: str, steps: Steps) -> Tally:
        whole = {} if self._protection is None else {"list": not self._by_changes}
        token = {**await steps.once(unit.spool.seal), **whole}
        unit.sealed = True
        await steps.lasting(self._protect, unit)
        mine = await steps.lasting(self._keep_held, unit, position, reason, token)
        self._unit = None
        await steps.once(unit.spool.close if mine else unit.spool.remove)
        return unit.tally()

    def _protect(self, unit: _Unit) -> None:
        """Protect at once whom a held batch protects: a person may take days, and nothing may be told meanwhile."""
        for chunk in unit.spool.chunks():
            protect_early(self._services.ledger, marks_in(chunk))

    def _keep_held(self, unit: _Unit, position: dict[str, Any], reason: str, token: Mapping[str, Any]) -> bool:
        services = self._services
        read_at = sources.load(services.ledger, self._system, self._source).read_at
        with services.ledger.write() as connection:
            mine = batches.hold(connection, unit.arrival, services.now, reason=reason, spool=token)
            # What is held does not count as read: a list of protected residents must not look fresh by it.
            self._advance(connection, position, unit.tally(), read_at)
        return mine

    async def _let_through(self, unit: _Unit, position: dict[str, Any], steps: Steps) -> Tally:
        refused = await publish_spool(unit.spool, unit.arrival, self._services, steps)
        await steps.lasting(self._keep_published, unit, position, refused)
        await self.abandon(steps)
        return unit.tally(refused.total())

    def _keep_published(self, unit: _Unit, position: dict[str, Any], refused: Counter[str]) -> None:
        services, arrival = self._services, unit.arrival
        read_at = sources.load(services.ledger, self._system, self._source).read_at
        count = refused.total()
        counted = Arrival(
            arrival.system,
            arrival.source,
            arrival.id,
            arrival.label,
            arrival.rows,
            arrival.events - refused,
            arrival.quarantined + count,
            whole=True,
        )
        with services.ledger.write() as connection:
            batches.record(connection, [counted], services.now)
            in_part = self._protection is not None and self._by_changes
            if self._protection is not None and not in_part:
                believe(connection, self._key, unit.named)
            self._advance(
                connection, position, unit.tally(count), read_at if in_part else services.ledger.now(connection)
            )

    def _advance(self, connection: Any, position: dict[str, Any], tally: Tally, at: int) -> None:
        sources.advance(connection, self._system, self._source, position=position, tally=tally, at=at)
        if self._guard.missing_file_by is not None:
            batches.come(connection, self._system, self._source)


async def publish_spool(held: Spool, arrival: Arrival, services: Services, steps: Steps) -> Counter[str]:
    """Publish a spool in order; return by type what Kafka refused for good, which is in quarantine then."""
    refused: Counter[str] = Counter()
    number = 0
    chunks = held.chunks()
    while (chunk := await steps.once(next, chunks, None)) is not None:
        wrong = await steps.outlast(lambda: publish_sound(services.producer, services.topic, chunk))
        entries = []
        for index, error in wrong.items():
            value, named = chunk[index][1], fault("produce", error)
            place = f"{arrival.label or arrival.id}: event {number + index + 1}"
            entries.append(Entry("intake", arrival.system, arrival.source, place, named.code, wording(named), value))
            refused[spool.short_type_of(value)] += 1
        if entries:
            await steps.lasting(quarantine.add, services.ledger, entries)
        number += len(chunk)
    return refused
