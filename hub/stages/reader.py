"""One source's reader: read, map, publish, store the position, acknowledge; in this order, one batch at a time."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
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
from hub.stages.extracts import Extracts
from hub.stages.gate import Gate
from hub.stages.identifying import origin_of
from hub.stages.learning import Learner
from hub.stages.lists import ListWatch, keeps_rows
from hub.stages.patience import Stopping, pause
from hub.stages.records import Prepared, fault, prepare, publish_sound
from hub.stages.services import Services, SourceRunner, SourceStatus
from hub.stages.steps import Steps

T = TypeVar("T")
_DRAIN_RETRIES = (0.2, 1.0)  # seconds: a file being written or a table locked for a moment
_SETTLING = "files are left alone until they have settled: wait longer than {:g} seconds (`--wait`), or use a `trigger`"
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
        self._extract = Extracts(runner, runner.extract, services) if runner.extract else None
        gated = guard is not None and self._extract is None
        by_changes = runner.protection is not None and keeps_rows(runner.source)
        self._gate = (
            Gate(runner.system, runner.name, guard, services, runner.protection, by_changes=by_changes)
            if guard and gated
            else None
        )
        self._list = ListWatch(runner, runner.protection, services) if runner.protection and by_changes else None
        self._learner = Learner(runner.system, runner.shared, services) if runner.shared else None
        self.first: Reader | None = None  # the source whose differences are read before an extract is judged
        self._quiet: contextlib.AsyncExitStack | None = None  # of the reading during which that one rests
        self._turn = asyncio.Lock()
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

        Files that the source leaves alone until they have settled are waited for, `patience` seconds at most. Raises
        `Unavailable` when Kafka or the ledger stays away for that long.
        """
        retries, waited = iter(_DRAIN_RETRIES), 0.0
        while True:
            moved = await self._pass(asyncio.Event(), patience)
            if self.status.fault is not None:
                delay = next(retries, None)
                if delay is None:
                    return
                await asyncio.sleep(delay)
            elif settling := getattr(self._runner.source, "settling", 0.0):
                waited = settling if moved else waited + settling
                if waited > patience:
                    await self._fault(Transient(_SETTLING.format(patience), code="settling"))
                    return
                await asyncio.sleep(settling)
            elif not moved:
                return

    def close(self) -> None:
        """Let go of the thread; a reading that hangs is not waited for."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None

    async def _pass(self, stop: asyncio.Event, patience: float | None) -> bool:
        """Read what is there now and tell whether the source moved on; what it does wrong goes into its status."""
        async with self._turn:
            return await self._passed(stop, patience)

    async def _passed(self, stop: asyncio.Event, patience: float | None) -> bool:
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
            if self._list is not None:
                await self._list.look(steps, held=True)
            return False
        begun = await steps.lasting(sources.load, services.ledger, runner.system, runner.name)
        position, rows = begun.position, 0
        units = await steps.once(lambda: iter(runner.source.read(begun.position)))
        quiet = contextlib.AsyncExitStack()
        try:
            while not steps.stop.is_set() and (batch := await steps.once(_next, units)) is not None:
                await self._differences_first(quiet, steps)
                tally = await self._take(batch, steps)
                if tally is not None:
                    self.status.tally += tally
                    await steps.once(runner.source.acknowledge, batch)
                    position, rows = batch.position, rows + tally.rows
                if batch.last and (self._gate or self._extract) is not None and await self._held(steps):
                    break
        finally:
            await quiet.aclose()
            await self._forget_unfinished(steps)
            await steps.once(_end, units)
        if self._list is not None:
            await self._list.look(steps, held=await self._held(steps))
            await self._held(steps)
        elif runner.protection is not None:
            await self._note_again(steps)
        return rows > 0 and position != begun.position

    async def _forget_unfinished(self, steps: Steps) -> None:
        """Forget what counts as a whole and was not read to its end."""
        for part in (self._gate, self._extract):
            if part is not None:
                await part.abandon(steps)
        if self._answers is not None:
            self._answers.abandon()

    async def _note_again(self, steps: Steps) -> None:
        """Count a list of protected residents as read that came again as it was, if it was believed then."""
        again: list[str] = getattr(self._runner.source, "seen_again", [])
        if again:
            await steps.lasting(self._refresh, again)

    def _refresh(self, again: list[str]) -> None:
        ledger, system, name = self._services.ledger, self._runner.system, self._runner.name
        found = [batches.find(ledger, system, name, id_) for id_ in again]
        if any(item is not None and item.status == "done" for item in found):
            with ledger.write() as connection:
                sources.refresh(connection, system, name, ledger.now(connection))

    async def _held(self, steps: Steps) -> bool:
        """Tell whether a batch waits for a person: what came after it must not reach Kafka before it."""
        runner = self._runner
        if runner.extract is not None and runner.extract.baseline:
            return False
        waiting = batches.unpublished if self._extract is None else batches.held  # an extract is released by reading it
        found = await steps.lasting(waiting, self._services.ledger, runner.system, runner.name)
        self.status.held = found
        return found is not None

    async def _differences_first(self, quiet: contextlib.AsyncExitStack, steps: Steps) -> None:
        """Read what the source has that shares the state, and let it rest until this one is done.

        Raises `Transient` when that cannot be read: what it has not told yet would be told by the extract.
        """
        first = self.first
        if first is None or self._quiet is quiet:
            return
        self._quiet = quiet
        await quiet.enter_async_context(first.resting(steps))
        if first.status.fault is not None or first.status.held is not None:
            why = first.status.fault.message if first.status.fault else f"its batch {first.status.held} is held"
            raise Transient(f"{first.key} is read before a full extract is judged, but {why}", code="differences")

    @contextlib.asynccontextmanager
    async def resting(self, steps: Steps) -> AsyncIterator[None]:
        """Read once what is there, and then nothing while the block runs."""
        async with self._turn:
            await self._passed(steps.stop, steps.patience)
            yield

    async def _take(self, batch: SourceBatch, steps: Steps) -> Tally | None:
        if self._extract is not None:
            return await self._extract.take(batch, steps)
        now = timestamp(self._services.clock())
        prepared = await steps.lasting(lambda: prepare(batch, self._runner.mappers, self._origin, now=now))
        return await self._keep(batch, prepared, steps)

    async def _keep(self, batch: SourceBatch, prepared: Prepared, steps: Steps) -> Tally | None:
        """Make the rows durable and return the counts; None while what counts as a whole is not read to its end."""
        if self._answers is not None:
            self._answers.add(batch)
            return await steps.lasting(self._answers.settle, batch) if batch.last else None
        if self._gate is not None:
            await steps.lasting(self._learn, prepared)
            return await self._gate.take(batch, prepared, steps, self._origin)
        await steps.outlast(lambda: self._publish(prepared))
        await steps.lasting(self._store, batch, prepared)
        return prepared.tally

    def _learn(self, prepared: Prepared) -> None:
        """Learn of a guarded source's rows as they are read: once read they are told, or a person decides."""
        if self._learner is not None:
            book = self._learner.open()
            with self._services.ledger.write() as connection:
                at = self._services.ledger.now(connection)
                self._learner.learn(connection, book, prepared.origins, prepared.types, at)

    async def _publish(self, prepared: Prepared) -> None:
        refused = await publish_sound(self._services.producer, self._services.topic, prepared.records)
        for index, error in refused.items():
            prepared.entries.append(self._origin.entry(prepared.origins[index], fault("produce", error)))
        prepared.drop(refused)

    def _store(self, batch: SourceBatch, prepared: Prepared) -> None:
        """Store what was refused, what came, and how far the source is read, in one transaction."""
        services, runner, tally = self._services, self._runner, prepared.tally
        book = self._learner.open() if self._learner is not None else None
        with services.ledger.write() as connection:
            at = services.ledger.now(connection)
            if self._learner is not None and book is not None:
                self._learner.learn(connection, book, prepared.origins, prepared.types, at)
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
