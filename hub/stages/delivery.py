"""Delivery: one owner a receiver, by lease; it alone calls the sink and says what became of each delivery.

A receiver reads the event log like a consumer group. What fails goes to `pending` and holds that resident's later
deliveries; a receiver that does not answer stands still with its breaker open and probes with the head of what waits.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from hub.errors import HubError
from hub.ledger import commands
from hub.ledger.desk import LEASE, Desk, Lease
from hub.ledger.revision import HEAD
from hub.ledger.upkeep import analyse_grown
from hub.stages.entries import ActiveRules
from hub.stages.log import LogReader
from hub.stages.offering import Offering
from hub.stages.receiver import Worker
from hub.stages.receiver_port import ReceiverPort
from hub.stages.watch import Watch
from hub.stages.writer import Writer

log = logging.getLogger(__name__)
SPARE_THREADS = 16
RENEW = LEASE / 1000 / 4  # seconds
WATCH = 0.1
UPKEEP = 1.0  # seconds between looks at how the ledger's tables have grown


@dataclass(slots=True)
class _Running:
    worker: Worker
    task: asyncio.Task[None]


class Delivery:
    """The delivery stage of one process."""

    def __init__(
        self,
        desk: Desk,
        reader: LogReader,
        ports: Sequence[ReceiverPort],
        rules: Callable[[int], ActiveRules],
        refresh: Callable[[], None] = lambda: None,
    ) -> None:
        # `hub db upgrade --post` sees by the revision that an older process is still at work
        self.owner = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}@{HEAD}"
        self._desk = desk
        self._reader = reader
        self._rules = rules
        self._refresh = refresh
        self._writer = Writer(desk)
        self._ports = {port.no: port for port in ports}
        self._running: dict[int, _Running] = {}
        self._watches: dict[Callable[..., dict[str, bool]], Watch] = {}  # receivers that ask the same ask together
        self.fault: HubError | None = None
        self._looked = False

    @property
    def workers(self) -> list[Worker]:
        """Return the workers of the receivers this process owns."""
        return [running.worker for running in self._running.values()]

    @property
    def busy(self) -> bool:
        """Tell whether there may be work in hand: before the first look at the leases nobody knows."""
        return not self._looked or any(running.worker.busy for running in self._running.values())

    @property
    def crowded(self) -> bool:
        """Tell whether most receivers are at work: what comes now would only be in their way."""
        return sum(running.worker.busy for running in self._running.values()) * 2 > len(self._running)

    async def run(self, stop: asyncio.Event) -> None:
        """Own and serve receivers until `stop`; then finish what is under way and give the leases back."""
        # Sinks that hang, one thread each, must leave threads for the ledger: the leases depend on it.
        threads = ThreadPoolExecutor(len(self._ports) + SPARE_THREADS, thread_name_prefix="hub")
        asyncio.get_running_loop().set_default_executor(threads)
        with contextlib.suppress(HubError):
            await asyncio.to_thread(self._refresh)
        watch = asyncio.create_task(self._watch(stop))
        try:
            while not stop.is_set():
                await self._renew()
                await _wait(stop, RENEW if self.fault is None else 1.0)
        finally:
            watch.cancel()
            await self._end()

    async def _renew(self) -> None:
        loop = asyncio.get_running_loop()
        asked = loop.time()
        try:
            held, taken = await asyncio.to_thread(self._desk.renew, self.owner, list(self._ports))
        except HubError as error:
            self.fault = error
            log.warning("leases cannot be renewed: %s", error)
            return
        self.fault = None
        self._looked = True
        fresh = {lease.no for lease in taken}
        for no, running in list(self._running.items()):
            if running.task.done() or no not in held or no in fresh or held[no] != running.worker.epoch:
                await self._stop(no)
            else:
                running.worker.valid_until = asked + LEASE / 1000
        for lease in taken:
            self._start(lease, asked)
        for no in held.keys() - self._running.keys():
            restarted = await asyncio.to_thread(self._desk.lease, no, self.owner, held[no])
            if restarted is not None:
                self._start(restarted, asked)

    def _start(self, lease: Lease, asked: float) -> None:
        port = self._ports[lease.no]
        kind = Offering if port.features.pulled else Worker
        watch = self._watches.setdefault(port.protection, Watch(port.protection))
        worker = kind(port, lease, self.owner, self._desk, self._writer, self._reader, self._rules, watch)
        worker.valid_until = asked + LEASE / 1000
        self._running[lease.no] = _Running(worker, asyncio.create_task(worker.run(), name=lease.key))

    async def _stop(self, no: int, grace: float = 0.0) -> bool:
        """Stop a worker; False when its sink still works (a thread cannot be ended)."""
        running = self._running.pop(no)
        running.worker.stop()
        if not running.task.done():
            await asyncio.wait([running.task], timeout=grace)
        if not running.task.done():
            running.task.cancel()
            await asyncio.wait([running.task], timeout=1.0)
        if running.task.done() and not running.task.cancelled() and (error := running.task.exception()):
            log.error("%s ended with a fault: %s", running.worker.key, error)
        return running.task.done()

    async def _watch(self, stop: asyncio.Event) -> None:
        """Look for what other processes have dispatched, and for what operators hold back."""
        looked = -UPKEEP
        while not stop.is_set():
            try:
                await self._reader.refresh()
                await asyncio.to_thread(self._refresh)
                await self._pass_on()
                if (now := asyncio.get_running_loop().time()) >= looked + UPKEEP:
                    looked = now
                    await asyncio.to_thread(analyse_grown, self._desk.ledger)
            except HubError as error:
                log.debug("the ledger cannot be read: %s", error)
            except Exception:
                log.exception("a fault of the hub while it looked around; looking again")
            await asyncio.sleep(WATCH)

    async def _pass_on(self) -> None:
        """Tell the workers of commands that people have given."""
        called = await asyncio.to_thread(commands.called, self._desk.ledger)
        mine = called & self._running.keys()
        for no in mine:
            self._running[no].worker.ask()
        if mine:
            self._reader.nudge()

    async def _end(self) -> None:
        """Stop every worker; a lease whose sink still works is not given back, it runs out by itself."""
        mine = list(self._running)
        for running in self._running.values():
            running.worker.stop()
        self._reader.nudge()  # who waits for the log need not wait on, nor who waits for a turn
        self._reader.open()
        ended = await asyncio.gather(*(self._stop(no, grace=5.0) for no in mine))
        free = [no for no, whole in zip(mine, ended, strict=True) if whole]
        try:
            await asyncio.wait_for(asyncio.to_thread(self._desk.release, self.owner, free), 3)
        except (HubError, TimeoutError) as error:
            log.warning("leases were not given back, they run out by themselves: %s", error)


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
