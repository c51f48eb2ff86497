"""One source's reader: read, map, publish, store the position, acknowledge; in this order, one batch at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from hub.adapters.contract import Source, SourceBatch
from hub.errors import HubError, Transient, Unavailable
from hub.ledger import quarantine, sources
from hub.ledger.engine import Ledger
from hub.ledger.sources import Tally
from hub.stages.clock import timestamp, utc_now
from hub.stages.patience import Stopping, outlast, pause
from hub.stages.ports import Producer, RowMapper
from hub.stages.records import Origin, Prepared, fault, prepare, publish_sound

T = TypeVar("T")
_DRAIN_RETRIES = (0.2, 1.0)  # seconds: a file being written or a table locked for a moment


@dataclass(frozen=True, slots=True)
class SourceRunner:
    """One source to be read every so many seconds, and the mappers of the publications that name it."""

    system: str
    name: str
    source: Source
    mappers: tuple[RowMapper, ...]
    every: float = 5.0


@dataclass(frozen=True, slots=True)
class Services:
    """What every reader works with: `topic` is the events' topic, `city` the name in their types."""

    producer: Producer
    ledger: Ledger
    topic: str
    city: str
    clock: Callable[[], datetime] = utc_now


@dataclass(slots=True)
class SourceStatus:
    """What a source has done since this process began, and why it stands still now, if it does."""

    system: str
    source: str
    tally: Tally = field(default_factory=Tally)
    read_at: datetime | None = None
    fault: HubError | None = None
    since: datetime | None = None  # of the fault

    def note(self, fault: HubError | None, at: datetime) -> None:
        """Take down a fault (None: it is over); its beginning stays while it lasts."""
        if fault is None:
            self.since = None
        elif self.fault is None:
            self.since = at
        self.fault = fault


class Reader:
    """Reads one source, in one thread of its own."""

    def __init__(self, runner: SourceRunner, services: Services) -> None:
        self.key = f"{runner.system}.{runner.name}"
        self.status = SourceStatus(runner.system, runner.name)
        self._runner = runner
        self._services = services
        self._origin = Origin(runner.system, runner.name, services.city)
        self._pool: ThreadPoolExecutor | None = None
        self._stored: str | None = "?"  # the fault the ledger shows; at first one of an earlier process, maybe

    async def run(self, stop: asyncio.Event) -> None:
        """Read at the source's pace until asked to stop."""
        while not stop.is_set():
            await self._pass(stop, None)
            await pause(stop, self._runner.every)

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
        try:
            moved = await self._read(stop, patience)
        except Stopping:
            return False
        except Exception as error:
            if patience is not None and isinstance(error, Unavailable):
                raise
            await self._fault(_named(error))
            return False
        self.status.read_at = self._services.clock()
        await self._fault(None)
        return moved

    async def _read(self, stop: asyncio.Event, patience: float | None) -> bool:
        async def lasting(call: Callable[..., T], *arguments: Any) -> T:
            return await outlast(lambda: self._threaded(call, *arguments), stop, tell=self._waiting, patience=patience)

        runner, services = self._runner, self._services
        begun = await lasting(sources.load, services.ledger, runner.system, runner.name)
        position, rows = begun.position, 0
        batches = await self._threaded(lambda: iter(runner.source.read(begun.position)))
        try:
            while not stop.is_set() and (batch := await self._threaded(_next, batches)) is not None:
                now = timestamp(services.clock())
                prepared = await lasting(lambda: prepare(batch, runner.mappers, self._origin, now=now))  # noqa: B023
                await outlast(lambda: self._publish(prepared), stop, tell=self._waiting, patience=patience)  # noqa: B023
                await lasting(self._keep, batch, prepared)
                self.status.tally += prepared.tally
                await self._threaded(runner.source.acknowledge, batch)
                position, rows = batch.position, rows + len(batch.rows)
        finally:
            await self._threaded(_end, batches)
        return rows > 0 and position != begun.position

    async def _publish(self, prepared: Prepared) -> None:
        refused = await publish_sound(self._services.producer, self._services.topic, prepared.records)
        for index, error in refused.items():
            prepared.entries.append(self._origin.entry(prepared.origins[index], fault("produce", error)))
        prepared.drop(refused)

    def _keep(self, batch: SourceBatch, prepared: Prepared) -> None:
        """Store what was refused and how far the source is read, in one transaction."""
        ledger, runner = self._services.ledger, self._runner
        with ledger.write() as connection:
            at = ledger.now(connection)
            if prepared.entries:
                quarantine.record(connection, prepared.entries, at)
            sources.advance(
                connection, runner.system, runner.name, position=batch.position, tally=prepared.tally, at=at
            )
        self._stored = None

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


def _next(batches: Iterator[SourceBatch]) -> SourceBatch | None:
    return next(batches, None)


def _end(batches: Iterator[SourceBatch]) -> None:
    close = getattr(batches, "close", None)
    if close is not None:
        close()
