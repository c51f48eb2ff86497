"""A town for tests of the engine: a ledger, rules, an event log fed by hand, and receivers driven one by one."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import sqlalchemy as sa

from hub.adapters import registry
from hub.adapters.contract import Batch, Delivery, Features, Outcome, Site
from hub.errors import OutcomeUnknown, Transient
from hub.ledger import quarantine
from hub.ledger.desk import Desk, Hold, Lease
from hub.ledger.engine import Ledger
from hub.ledger.log import EventLog
from hub.ledger.tables import dedup, ending, event, fact, household, receiver
from hub.routing.rules import RuleSet
from hub.settings.models import City, Receiver, Retry, Subscription, System
from hub.stages import refusals
from hub.stages.dispatch import Dispatcher
from hub.stages.inquiry import Inquiry
from hub.stages.log import LogReader
from hub.stages.receiver import Worker
from hub.stages.receiver_port import ReceiverPort
from hub.stages.refusals import Refused
from hub.stages.rulebook import RuleBook
from hub.stages.writer import Writer

TOPIC = "hub.events"
TOKYO = ZoneInfo("Asia/Tokyo")
SOON = Retry(delays=(0.02,), then=0.02)


@dataclass(frozen=True, slots=True)
class Record:
    """A record of `hub.events`."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None


class Topic:
    """The partitions of `hub.events`."""

    def __init__(self) -> None:
        self.partitions: dict[int, list[Record]] = {}

    def add(self, value: bytes | dict[str, Any], partition: int = 0) -> Record:
        """Append a record."""
        log = self.partitions.setdefault(partition, [])
        body = value if isinstance(value, bytes) else orjson.dumps(value)
        record = Record(partition, len(log), b"", body)
        log.append(record)
        return record

    def since(self, places: dict[int, int]) -> list[Record]:
        """Return what stands in these partitions from these offsets on."""
        return [
            record for partition, offset in places.items() for record in self.partitions.get(partition, [])[offset:]
        ]


def died(number: str | int, subject: str = "1000001", *, system: str = "juki", **more: Any) -> dict[str, Any]:
    """Return a report of a death, with `more` in its data."""
    data = {"name": f"守口 {number}", "died_on": "2026-04-01", "effective_on": "2026-04-01", **more}
    return report("resident.died", number, subject, data, system=system)


def report(
    type_: str, number: str | int, subject: str, data: dict[str, Any], *, system: str = "juki", **attributes: Any
) -> dict[str, Any]:
    """Return an event as it stands in Kafka."""
    return {
        "specversion": "1.0",
        "id": str(number),
        "source": f"/systems/{system}",
        "type": f"jp.lg.moriguchi.{type_}.v1",
        "subject": subject,
        "time": "2026-04-01T09:00:00+09:00",
        **attributes,
        "data": data,
    }


def rule(system: str, **settings: Any) -> Subscription:
    """Return a rule; by default on deaths, sending name and date."""
    return Subscription(system=system, **{"id": "r", "on": ("resident.died",), "send": ("name", "died_on"), **settings})


def listens(name: str, *rules: Subscription, receives: dict[str, Receiver] | None = None, **settings: Any) -> System:
    """Return a system that is told of deaths unless it says otherwise; `settings` are those of its receiver."""
    receives = receives or {
        "main": Receiver(name="main", system=name, **{"adapter": "jsonl", "retry": SOON, **settings})
    }
    return System(system=name, subscribes=rules or (rule(name),), receives=receives)


class Town:
    """One ledger with its rules; `again()` is another process on the same ledger."""

    def __init__(self, url: str, folder: Path, *systems: System, lock_timeout: float = 30.0) -> None:
        self.url = url
        self.folder = folder
        self.city = City(city="moriguchi", systems={system.system: system for system in systems})
        self.ledger = Ledger(url, lock_timeout=lock_timeout)
        self.log = EventLog(self.ledger)
        self.desk = Desk(self.ledger)
        self.desk.folds = True  # no older program is at work
        self.book = RuleBook(self.ledger, self.desk)
        self.generation = self.log.open_generation(TOPIC, "uuid-1", 6)
        self.rules = self.book.activate(RuleSet.of(self.city))
        self.topic = Topic()
        self.reader = LogReader(self.log, self.book.__getitem__)
        self.towns: list[Town] = []

    def again(self, *systems: System, lock_timeout: float = 30.0) -> Town:
        """Return another process on the same ledger and topic, with the same rules unless it is given others."""
        other = Town(self.url, self.folder, *(systems or self.city.systems.values()), lock_timeout=lock_timeout)
        other.topic = self.topic
        self.towns.append(other)
        return other

    def close(self) -> None:
        """Let go of the ledger."""
        for town in self.towns:
            town.close()
        self.ledger.close()

    # --- dispatch ----------------------------------------------------------------------------------------------

    def dispatcher(
        self, partitions: Sequence[int] = (0,), log: EventLog | None = None, *, hands_on: bool = True
    ) -> Dispatcher:
        """Return a dispatcher that stands where the ledger says."""
        dispatcher = Dispatcher(
            log or self.log,
            self.rules,
            self.generation,
            book=self.book,
            quarantine=self.refuse,
            topic=TOPIC,
            hands_on=hands_on,
        )
        dispatcher.assign(partitions)
        return dispatcher

    def refuse(self, connection: sa.Connection, refused: list[Refused]) -> None:
        """Quarantine as app.py does."""
        entries = refusals.entries(connection, refused, TOPIC)
        quarantine.record(connection, entries, self.ledger.now(connection))

    def dispatch(self, *events: bytes | dict[str, Any], partition: int = 0) -> list[Any]:
        """Append events to the topic, commit them as one poll, and let this process's receivers see them."""
        for each in events:
            self.topic.add(each, partition)
        dispatcher = self.dispatcher([partition])
        chunks = dispatcher.handle(self.topic.since(dispatcher.assign([partition])))
        for chunk in chunks:
            self.reader.append(chunk)
        return chunks

    # --- the ledger --------------------------------------------------------------------------------------------

    def rows(self, table: sa.Table, *columns: str) -> list[tuple[Any, ...]]:
        """Return a table's rows by its primary key."""
        picked = [table.c[name] for name in columns] or list(table.c)
        with self.ledger.read() as connection:
            return [tuple(row) for row in connection.execute(sa.select(*picked).order_by(*table.primary_key))]

    def contents(self) -> dict[str, list[tuple[Any, ...]]]:
        """Return all that dispatch writes."""
        tables = (event, dedup, fact, household)
        return {table.name: self.rows(table) for table in tables} | {"position": sorted(self.log.positions().items())}

    def quarantined(self) -> list[tuple[str, str, int]]:
        """Return `(place, code, seen)` of what is in quarantine."""
        items, _ = quarantine.listing(self.ledger)
        return sorted((item.place, item.code, item.seen) for item in items)

    def outcomes(self, key: str = "") -> dict[int, tuple[int, int]]:
        """Return offset → (status, no) of a receiver's finished deliveries."""
        number = self.number(key)
        query = sa.select(ending.c.pos, ending.c.status, ending.c.no).where(ending.c.receiver == number)
        with self.ledger.read() as connection:
            rows = connection.execute(query.order_by(ending.c.pos, ending.c.job)).all()
        return {pos & (1 << 40) - 1: (status, no) for pos, status, no in rows}

    def number(self, key: str = "") -> int:
        """Return the number of a receiver, the only one unless named."""
        return next(no for no, known in self.rules.keys.items() if not key or known == key)

    def holds(self, key: str = "") -> list[Hold]:
        """Return what waits at a receiver."""
        return self.desk.holds(self.number(key))

    def expire(self, key: str = "") -> None:
        """Let a lease run out, as when its owner has died."""
        with self.ledger.write() as connection:
            connection.execute(sa.update(receiver).where(receiver.c.no == self.number(key)).values(until=0))

    @property
    def inquiry(self) -> Inquiry:
        """Return what answers questions."""
        return Inquiry(self.ledger, self.book)

    # --- delivery ----------------------------------------------------------------------------------------------

    def receiver_of(self, key: str = "") -> Receiver:
        """Return a receiver's settings, the only one's unless named."""
        return next(each for each in self.city.receivers() if not key or each.key == key)

    def port(self, sink: Any = None, key: str = "") -> ReceiverPort:
        """Return the port of a receiver: a sink lent by the test, or its adapter's own."""
        settings = self.receiver_of(key)
        number = self.number(settings.key)
        if sink is not None:
            return ReceiverPort(number, settings, lambda: sink, sink.features, TOKYO)
        site = Site(self.folder, TOKYO, settings.system, settings.name, "moriguchi", ("name", "died_on"))
        features = registry.find(settings.adapter).features
        return ReceiverPort(
            number, settings, lambda: registry.open_sink(settings.adapter, settings.options, site), features, TOKYO
        )

    def lease(self, key: str = "", owner: str = "a") -> Lease:
        """Take over a receiver."""
        _, taken = self.desk.renew(owner, [self.number(key)])
        return taken[0]

    @contextlib.asynccontextmanager
    async def working(
        self,
        sink: Any = None,
        key: str = "",
        *,
        owner: str = "a",
        port: ReceiverPort | None = None,
        desk: Desk | None = None,
        writer: Writer | None = None,
    ) -> AsyncIterator[Worker]:
        """Run the worker of one receiver while the block runs; then its process is gone without a goodbye."""
        port = port or self.port(sink, key)
        lease = await asyncio.to_thread(self.lease, port.settings.key, owner)
        await self.reader.refresh()
        desk = desk or self.desk
        worker = Worker(port, lease, owner, desk, writer or Writer(desk), self.reader, self.book.__getitem__)
        worker.valid_until = asyncio.get_running_loop().time() + 3600
        task = asyncio.create_task(worker.run())
        try:
            yield worker
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await asyncio.to_thread(self.expire, port.settings.key)

    async def deliver(self, sink: Any = None, key: str = "") -> None:
        """Deliver until nothing is under way."""
        async with self.working(sink, key) as worker:
            await until(lambda: not worker.busy)


class Shelf:
    """A sink that remembers what took effect; `answer` says of each delivery with what error it fails (None: not)."""

    def __init__(self, answer: Callable[[Delivery], Any] | None = None, **features: Any) -> None:
        self.features = Features(sink=True, **{"idempotent": True, "batch": 100, **features})
        self.answer = answer or (lambda _: None)
        self.taken: list[Delivery] = []
        self.calls: list[list[str]] = []
        self.asked: list[list[str]] = []
        self.truth: Callable[[Delivery], Outcome | None] = lambda _: None

    @property
    def ids(self) -> list[str]:
        """Return the event ids that took effect, in order."""
        return [delivery.event_id for delivery in self.taken]

    async def deliver(self, batch: Batch) -> list[Outcome]:
        """Take what does not fail, and none of a resident's behind one that may go later."""
        self.calls.append([delivery.event_id for delivery in batch.deliveries])
        held: set[str] = set()
        outcomes = []
        for delivery in batch.deliveries:
            if delivery.subject in held:
                outcomes.append(Outcome(delivery.key, Transient("an earlier one has failed", reached=True)))
                continue
            outcomes.append(await self._one(delivery))
            if isinstance(outcomes[-1].error, Transient | OutcomeUnknown):
                held.add(delivery.subject)
        return outcomes

    async def _one(self, delivery: Delivery) -> Outcome:
        error = self.answer(delivery)
        if asyncio.iscoroutine(error):
            error = await error
        if error is None:
            self.taken.append(delivery)
        return Outcome(delivery.key, error)

    async def confirm(self, batch: Batch) -> list[Outcome | None]:
        """Answer what the test says is true."""
        self.asked.append([delivery.event_id for delivery in batch.deliveries])
        return [self.truth(delivery) for delivery in batch.deliveries]

    async def close(self) -> None:
        """Have nothing to let go of."""


async def until(condition: Callable[[], Any], limit: float = 20.0) -> None:
    """Wait for a condition; it is asked on the event loop and must be quick."""
    end = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < end, "not in time"
        await asyncio.sleep(0.005)


@dataclass
class Fuse:
    """Burns at the given step: from then on nothing of the process takes effect."""

    left: int
    blown: bool = field(default=False, init=False)
    steps: list[str] = field(default_factory=list)

    def step(self, name: str) -> None:
        """Pass a step, or die there."""
        if not self.blown:
            self.steps.append(name)
            self.left -= 1
            self.blown = self.left < 0
        if self.blown:
            raise Died(name)


class Died(Exception):  # noqa: N818
    """The process is no more."""
