"""One source's reader: read, map, publish, store the position, acknowledge; in this order, one batch at a time."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from hub.adapters.contract import SourceBatch
from hub.errors import HubError, Transient, Unavailable
from hub.ledger import batches, quarantine, sources
from hub.ledger.batches import Arrival
from hub.ledger.sources import Tally
from hub.settings.models import Guard
from hub.stages import residue
from hub.stages.acknowledging import Acknowledging
from hub.stages.clock import timestamp
from hub.stages.deadline import Deadline
from hub.stages.gate import Gate
from hub.stages.identifying import origin_of
from hub.stages.patience import Stopping, pause
from hub.stages.records import Prepared, fault, prepare, publish_sound
from hub.stages.services import Services, SourceRunner, SourceStatus
from hub.stages.steps import Steps

T = TypeVar("T")
_DRAIN_RETRIES = (0.2, 1.0)  # seconds: a file being written or a table locked for a moment
_LOOK = 2.0  # seconds between looks whether a held batch was decided


class Reader:
    """Reads one source, in one thread of its own."""

    def __init__(self, runner: SourceRunner, services: Services) -> None:
        self.key = f"{runner.system}.{runner.name}"
        self.status = SourceStatus(runner.system, runner.name)
        self._runner = runner
        self._services = services
        self._origin = origin_of(runner.system, runner.name, services.city, runner.mappers, services.ledger)
        self._pool: ThreadPoolExecutor | None = None
        self._stored: str | None = "?"  # the fault the ledger shows; at first one of an earlier process, maybe
        guard = runner.guard or (Guard() if runner.protection else None)
        self._gate = Gate(runner.system, runner.name, guard, services, runner.protection) if guard else None
        by = guard.missing_file_by if guard else None
        self._deadline = Deadline(runner.system, runner.name, by, services) if by else None
        self._answers = None
        if runner.answers is not None:
            self._answers = Acknowledging(runner.system, runner.name, runner.answers, services)
            self._deadline = self._answers.deadline()

    async def run(self, stop: asyncio.Event) -> None:
        """Read at the source's pace until asked to stop."""
        while not stop.is_set():
            await self._pass(stop, None)
            await pause(stop, min(self._runner.every, _LOOK) if self.status.held else self._runner.every)

    async def exhaust(self, patience: float) -> None:
        """Read until nothing new is there, or until a fault persists (it stands in the status).

        Raises `Unavailable` when Kafka or the ledger stays away for `patience` seconds.
        """
        retries = iter(_DRAIN_RETRIES)
        while True:
            moved = await self._pass(asyncio.Event(), patience)
            if self.status.fault is not None:
                delay = next(retries, None)
                if delay is None:
                    return
                await asyncio.sleep(delay)
            elif not moved:
                return

    def close(self) -> None:
        """Let go of the thread; a reading that hangs is not waited for."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None

    async def _pass(self, stop: asyncio.Event, patience: float | None) -> bool:
        """Read what is there now and tell whether the source moved on; what it does wrong goes into its status."""
        moved = False
        try:
            moved = await self._read(Steps(self._threaded, stop, self._waiting, patience))
        except Stopping:
            return False
        except Exception as error:
            if patience is not None and isinstance(error, Unavailable):
                raise
            await self._fault(_named(error))
        else:
            self.status.read_at = self._services.clock()
            await self._fault(None)
        await self._look_for_missing()
        return moved

    async def _read(self, steps: Steps) -> bool:
        runner, services = self._runner, self._services
        if await self._held(steps):
            return False
        begun = await steps.lasting(sources.load, services.ledger, runner.system, runner.name)
        position, rows = begun.position, 0
        units = await steps.once(lambda: iter(runner.source.read(begun.position)))
        try:
            while not steps.stop.is_set() and (batch := await steps.once(_next, units)) is not None:
                now = timestamp(services.clock())
                prepared = await steps.lasting(lambda: prepare(batch, runner.mappers, self._origin, now=now))  # noqa: B023
                tally = await self._keep(batch, prepared, steps)
                if tally is not None:
                    self.status.tally += tally
                    await steps.once(runner.source.acknowledge, batch)
                    position, rows = batch.position, rows + tally.rows
                if batch.last and self._gate is not None and await self._held(steps):
                    break
        finally:
            if self._gate is not None:
                await self._gate.abandon(steps)
            if self._answers is not None:
                self._answers.abandon()
            await steps.once(_end, units)
        return rows > 0 and position != begun.position

    async def _held(self, steps: Steps) -> bool:
        """Tell whether a batch waits for a person: what came after it must not reach Kafka before it."""
        runner = self._runner
        found = await steps.lasting(batches.unpublished, self._services.ledger, runner.system, runner.name)
        self.status.held = found
        return found is not None

    async def _keep(self, batch: SourceBatch, prepared: Prepared, steps: Steps) -> Tally | None:
        """Make the rows durable and return the counts; None while what counts as a whole is not read to its end."""
        if self._answers is not None:
            self._answers.add(batch)
            return await steps.lasting(self._answers.settle, batch) if batch.last else None
        if self._gate is not None:
            return await self._gate.take(batch, prepared, steps, self._origin)
        await steps.outlast(lambda: self._publish(prepared))
        await steps.lasting(self._store, batch, prepared)
        return prepared.tally

    async def _publish(self, prepared: Prepared) -> None:
        refused = await publish_sound(self._services.producer, self._services.topic, prepared.records)
        for index, error in refused.items():
            prepared.entries.append(self._origin.entry(prepared.origins[index], fault("produce", error)))
        prepared.drop(refused)

    def _store(self, batch: SourceBatch, prepared: Prepared) -> None:
        """Store what was refused, what came, and how far the source is read, in one transaction."""
        services, runner, tally = self._services, self._runner, prepared.tally
        with services.ledger.write() as connection:
            at = services.ledger.now(connection)
            if prepared.entries:
                quarantine.record(connection, prepared.entries, at)
            residue.record(connection, self._origin, prepared, at)
            if batch.batch_id:
                events = Counter(prepared.types)
                arrival = Arrival(
                    runner.system,
                    runner.name,
                    batch.batch_id,
                    batch.label,
                    tally.rows,
                    events,
                    tally.quarantined,
                    batch.last,
                )
                batches.record(connection, [arrival], services.now)
            sources.advance(connection, runner.system, runner.name, position=batch.position, tally=tally, at=at)
        self._stored = None

    async def _look_for_missing(self) -> None:
        if self._deadline is None or self.status.held:
            return
        try:
            await self._threaded(self._deadline.check, self.status.fault)
        except Unavailable:
            return  # the next pass looks again

    def _waiting(self, error: Unavailable | None) -> None:
        self.status.note(error, self._services.clock())

    async def _fault(self, error: HubError | None) -> None:
        self.status.note(error, self._services.clock())
        text = None if error is None else str(error)
        if text == self._stored:
            return
        runner = self._runner
        try:
            await self._threaded(sources.set_fault, self._services.ledger, runner.system, runner.name, error)
        except Unavailable:
            return  # the status has it; the next pass stores it
        self._stored = text

    async def _threaded(self, call: Callable[..., T], *arguments: Any) -> T:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, thread_name_prefix=f"intake-{self.key}")
        return await asyncio.get_running_loop().run_in_executor(self._pool, call, *arguments)


def _named(error: Exception) -> HubError:
    if isinstance(error, HubError):
        return error
    if isinstance(error, OSError):
        return Transient(f"cannot be read: {error}", code="unreadable")
    return Transient(f"{type(error).__name__}: {error}", code="fault")


def _next(units: Iterator[SourceBatch]) -> SourceBatch | None:
    return next(units, None)


def _end(units: Iterator[SourceBatch]) -> None:
    close = getattr(units, "close", None)
    if close is not None:
        close()
