"""The composition root: the only place where concrete parts meet.

`Hub` is one process's view of a city: its ledger, its Kafka, its stages. Commands ask it for what they need; everything
it opens it closes.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal
from zoneinfo import ZoneInfo

from sqlalchemy.engine import Connection

from hub.adapters import registry
from hub.adapters.alerting import channels
from hub.adapters.beside import Beside
from hub.adapters.contract import Batch, Called, Delivery, Expressions, Site, Source, Topics
from hub.adapters.text import taking, writing
from hub.errors import HubError, LedgerUnavailable, Malformed, OutcomeUnknown, Transient, Unavailable, UsageError
from hub.ledger import attendance, identities, jobs, quarantine, reviews, schema
from hub.ledger.desk import Desk, now_ms
from hub.ledger.engine import LOCKED, Ledger
from hub.ledger.log import EventLog
from hub.ledger.numbers import Numbers
from hub.ledger.places import stream_of
from hub.ledger.progress import Backlog, backlog, deaths
from hub.ledger.protected import Discretion, Register
from hub.ledger.reviews import Item
from hub.ledger.sources import Tally
from hub.ledger.views import Views
from hub.ledger.work import Offer
from hub.ledger.work import put as put_work
from hub.routing.expressions import Environment, ExpressionFault, Missing, compile_expression
from hub.routing.identity import Known
from hub.routing.mapping import Expression, Mapper, kept_columns
from hub.routing.plan import Router
from hub.routing.protection import told
from hub.routing.rules import RuleSet, numbers_needed
from hub.settings import models as settings
from hub.settings.calendars import CITY_CALENDAR
from hub.settings.layouts import layout_name
from hub.settings.models import City, Receiver, System
from hub.settings.shapes import in_seconds
from hub.settings.spots import spots
from hub.stages import refusals, reviewing
from hub.stages.alerts import Alarm
from hub.stages.amending import publish_open
from hub.stages.attendance import Attending
from hub.stages.calls import Callee, Calls
from hub.stages.clock import utc_now
from hub.stages.comparing import Comparer
from hub.stages.confirming import Confirmer
from hub.stages.deadletters import announce, announce_some
from hub.stages.delivery import Delivery as DeliveryStage
from hub.stages.dispatch import Dispatcher
from hub.stages.drain import Drained, drain
from hub.stages.entries import ActiveRules
from hub.stages.expected import Expected
from hub.stages.feeds import Feeds
from hub.stages.finding import Finder
from hub.stages.foreman import Foreman
from hub.stages.hours import Hours
from hub.stages.identifying import Residents, kept_for
from hub.stages.inquiry import Inquiry
from hub.stages.intake import Counts, Intake, Services, SourceRunner
from hub.stages.later import LaterProducer
from hub.stages.linking import publish_deeds
from hub.stages.loading import Loader
from hub.stages.log import LogReader
from hub.stages.marks import load_key
from hub.stages.numbering import Numbering
from hub.stages.patience import pause
from hub.stages.planning import Policy
from hub.stages.polls import Polls
from hub.stages.protecting import ProtectingProducer
from hub.stages.publish import PublishResult, publish_stream
from hub.stages.receiver_port import ReceiverPort
from hub.stages.reconciling import Reconciled, Reconciliation, reconcile
from hub.stages.records import UNSURE
from hub.stages.refusals import Refused
from hub.stages.residue import learn_tables
from hub.stages.resubmit import UNSAID, Decision, Resubmission, Resubmitter
from hub.stages.reviewing import Decided
from hub.stages.robots import Robots
from hub.stages.rulebook import RuleBook
from hub.stages.services import Answers, Comparing, SourceStatus
from hub.stages.shutters import Shutters, list_of
from hub.stages.trial import Trial, resident_in
from hub.stages.whole import Whole

if TYPE_CHECKING:
    from hub.kafka.consumer import Consumer
    from hub.kafka.local import LocalBroker
    from hub.kafka.producer import Producer
    from hub.kafka.reading import TopicReader
    from hub.kafka.topics import TopicInfo

log = logging.getLogger(__name__)
EVERY_FILE = settings.Source.model_fields["every"].default  # seconds: how often a source is read
EVERY_QUERY = 3600.0  # a query that gives everything, where nothing is said
JOBS_EVERY = 2.0  # seconds between looks for what jobs have to publish
STAGES = ("intake", "dispatch", "delivery", "console")
SINK_ROOTS = frozenset({"event", "data", "subject", "delivery", "batch"})


class Hub:
    """A city at work in this process. Opens the ledger at once, Kafka when a stage needs it."""

    def __init__(
        self,
        city: City,
        broker: LocalBroker | None = None,
        *,
        lock_timeout: float = LOCKED,
        say: Callable[[str], None] | None = None,
    ) -> None:
        """Open a city; `broker` is its local one if that is starting already.

        `lock_timeout` is how long a locked ledger is waited for, in seconds; `say` hears how a start of Kafka goes.
        """
        self.city = city
        self.broker = broker
        self.folder = Path(city.folder)
        self.timezone = ZoneInfo(city.timezone)
        self.ledger = Ledger(city.ledger_url, lock_timeout=lock_timeout)
        self.log = EventLog(self.ledger)
        self.desk = Desk(self.ledger)
        self.book = RuleBook(self.ledger, self.desk, city.timezone)
        self.numbers = Numbers(self.ledger)
        self.environment = Environment(
            city.tables, self.numbers.resident, self.numbers.local_id, timezone=city.timezone
        )
        self.topic = f"{city.prefix}.events"
        self.held = self.folder / "var" / "held"
        self.bootstrap = city.bootstrap or ""  # of the managed broker only while it serves
        self.clock = utc_now
        self._say = say

    def close(self) -> None:
        """Let go of the ledger."""
        self.ledger.close()

    # --- Kafka -------------------------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def kafka(self, *, adopt: bool = False) -> AsyncIterator[Bus]:
        """Give the bus of the city: its Kafka (the managed one is started if need be), its topics, its generation.

        `adopt` takes a topic that was made anew for the city's own.
        Raises BrokerUnavailable, LedgerUnavailable, and ConfigurationError when the topic is another ledger's.
        """
        from hub.kafka.local import LocalBroker  # noqa: PLC0415 - commands that do without Kafka start faster
        from hub.kafka.producer import Producer  # noqa: PLC0415
        from hub.kafka.topics import ensure_topics  # noqa: PLC0415

        ledger_id = await asyncio.to_thread(schema.ready, self.ledger)
        with contextlib.ExitStack() as stack:
            bootstrap = self.city.bootstrap
            if bootstrap is None:
                broker = self.broker or LocalBroker(self.folder / "var", say=self._say)
                bootstrap = await asyncio.to_thread(stack.enter_context, broker.lease())
            self.bootstrap = bootstrap
            told = sorted({each.system for each in self.city.receivers() if each.adapter == "kafka"})
            topic = await ensure_topics(bootstrap, self.city.prefix, self.city.city, ledger_id, told=told)
            generation = await asyncio.to_thread(
                partial(self.log.open_generation, topic.name, topic.uuid, topic.partitions, adopt=adopt)
            )
            producer = Producer(bootstrap)
            await producer.start()
            try:
                yield Bus(bootstrap, topic, generation, ProtectingProducer(producer, self.ledger), producer)
            finally:
                await producer.stop()

    # --- commands ----------------------------------------------------------------------------------------------

    async def publish(
        self,
        stream: BinaryIO,
        *,
        system: str | None,
        name: str,
        facts_only: bool,
        progress: Callable[[int], None] | None = None,
    ) -> PublishResult:
        """Publish a stream of CloudEvents; returns when Kafka has them. `progress` hears how many were handled.

        A file is read while Kafka starts; another stream after that, since whoever writes it may take long.
        """
        publishing = partial(
            publish_stream,
            stream,
            city=self.city.city,
            ledger=self.ledger,
            topic=self.topic,
            system=system,
            name=name,
            facts_only=facts_only,
            progress=progress,
            inward=taking(self.city),
        )
        if not stream.seekable():
            async with self.kafka() as bus:
                return await publishing(producer=bus.producer)
        await asyncio.to_thread(schema.ready, self.ledger)
        later = LaterProducer()
        task = asyncio.create_task(publishing(producer=later))
        try:
            async with self.kafka() as bus:
                later.begin(bus.producer)
                return await task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def resubmit(
        self, no: int, replacement: bytes | None = None, decision: Decision = UNSAID, *, dry_run: bool = False
    ) -> Resubmission:
        """Publish what a quarantine entry holds, or what a person put in its place, the way it came at first."""
        async with self.kafka() as bus:
            city, producer, inward = self.city.city, bus.producer, taking(self.city)
            doing = Resubmitter(city, self.folder, self.ledger, producer, self.topic, self._reopen, inward)
            return await doing.resubmit(no, replacement, decision, dry_run=dry_run)

    def _reopen(self, system: str, name: str, file: Path) -> tuple[Source | None, Sequence[Mapper]]:
        """Open a source of files on another file, with its mappers; of any other source the mappers alone."""
        source = self.city.systems[system].sources.get(name) if system in self.city.systems else None
        if source is None:
            raise UsageError(f"the city has no source {system}.{name} any more")
        if source.mode == "snapshot":
            message = "a row of a full extract is compared with the next extract, not published by itself"
            raise UsageError(message, mend="discard the entry")
        mappers = self._mappers(self.city.systems[system], source)
        if "path" not in source.options:
            return None, mappers
        site = reading(self._site(system, name, source), mappers)
        return registry.open_file(source.adapter, source.options, file, site, place=source.place_of), mappers

    async def accept(self, numbers: Sequence[int], *, who: str, why: str) -> Decided:
        """Accept reviews, each by itself, and publish their events, once. Raises Unavailable.

        What was accepted when Kafka went away is published later.
        """
        await asyncio.to_thread(schema.ready, self.ledger)
        deciding = partial(reviewing.each, numbers, partial(self._accept, who=who, why=why))
        if not await asyncio.to_thread(reviewing.have_events, self.ledger, numbers):
            return await asyncio.to_thread(deciding)
        async with self.kafka() as bus:
            done = await asyncio.to_thread(deciding)
            await reviewing.publish_accepted(self.ledger, bus.producer, self.topic)
        return await asyncio.to_thread(reviewing.as_they_are, self.ledger, done)

    def _accept(self, no: int, *, who: str, why: str) -> Item:
        if reviews.show(self.ledger, no).kind == UNSURE:
            return self._confirmer.confirm(no, {}, None, who=who, why=why)
        return reviewing.accept(self.ledger, no, who=who, why=why)

    async def confirm(
        self, no: int, values: Mapping[str, str], document: bytes | None = None, *, who: str, why: str
    ) -> Item:
        """Publish what a source was not sure of, with the values (and the document) a person has put right, once.

        Raises NotFound, UsageError, Unavailable, and `Malformed` for what makes no event yet, which changes nothing.
        """
        await asyncio.to_thread(schema.ready, self.ledger)
        async with self.kafka() as bus:
            await asyncio.to_thread(partial(self._confirmer.confirm, no, values, document, who=who, why=why))
            await reviewing.publish_accepted(self.ledger, bus.producer, self.topic)
        return await asyncio.to_thread(reviews.show, self.ledger, no)

    @property
    def _confirmer(self) -> Confirmer:
        return Confirmer(self.city.city, self.folder, self.ledger, self._reopen)

    # --- jobs --------------------------------------------------------------------------------------------------

    def foreman(self) -> Foreman:
        """Return who plans jobs, by the city's rules as they are now; makes the ledger's tables if it is new."""
        schema.ready(self.ledger)
        return Foreman(self.ledger, self.city, self.book.activate(RuleSet.of(self.city)), self.book)

    def loading(self, system: str, name: str) -> tuple[Source, Sequence[Mapper]]:
        """Return a source to be read once, with its mappers; raises UsageError when its rows become no events."""
        source = self.city.systems[system].sources.get(name) if system in self.city.systems else None
        mappers = self._mappers(self.city.systems[system], source) if source is not None else ()
        if source is None or not mappers:
            known = sorted(
                f"{each.system}.{publication.source}"
                for each in self.city.systems.values()
                for publication in each.publishes
            )
            raise UsageError(
                f"{system}.{name} is no source whose rows become events", mend="one of: " + ", ".join(known)
            )
        site = reading(self._site(system, name, source), mappers)
        return registry.open_source(source.adapter, source.options, site, place=source.place_of), mappers

    async def work_off(self, job: int) -> None:
        """Publish for jobs until this one has nothing left to publish; raises Unavailable, and what stops the job."""
        async with self.kafka() as bus:
            while job in await asyncio.to_thread(jobs.publishing, self.ledger):
                faults = await self._work_off(bus)
                if job in faults:
                    raise faults[job]
                await asyncio.sleep(0.1)

    async def tell_deeds(self) -> None:
        """Publish what was decided of reports that nobody was identified in; raises Unavailable."""
        async with self.kafka() as bus:
            while await asyncio.to_thread(identities.undone, self.ledger, 1):
                await self._work_off(bus)
                await asyncio.sleep(0.05)

    async def _work_off(self, bus: Bus) -> dict[int, HubError]:
        """Go on with jobs that publish, unless another process does; return why some cannot go on."""
        await reviewing.publish_accepted(self.ledger, bus.producer, self.topic)
        owner = f"{os.getpid()}:{id(self)}"

        async def mine() -> bool:
            return await asyncio.to_thread(jobs.claim, self.ledger, owner)

        if not await asyncio.to_thread(self._has_work) or not await mine():
            return {}
        try:
            await publish_deeds(self.ledger, bus.producer, self.topic, self.city.city, mine)
            await publish_open(self.ledger, bus.producer, self.topic, self.city.city, mine)
            loader = Loader(self.ledger, bus.producer, self.topic, self.city.city, self.loading, mine)
            await loader.load_open()
        finally:
            await asyncio.to_thread(jobs.claim, self.ledger, owner, 0)
        return loader.faults

    def _has_work(self) -> bool:
        return bool(jobs.publishing(self.ledger) or identities.undone(self.ledger, 1))

    async def _keep_working(self, bus: Bus, stop: asyncio.Event) -> None:
        """Go on with jobs that publish, also those another process has begun and left."""
        while not stop.is_set():
            try:
                await self._work_off(bus)
            except Unavailable as error:
                log.warning("jobs cannot go on: %s", error)
            await pause(stop, JOBS_EVERY)

    async def drain(self, *, wait: float = 30.0, began: int | None = None, close_windows: bool = False) -> DrainReport:
        """Read every source, dispatch and deliver until nothing is left that time would mend.

        Deaths are counted since `began` (milliseconds), for a drain that is begun again. Raises Unavailable.
        """
        from hub.kafka import consumer  # noqa: F401, PLC0415 - loaded while Kafka starts

        started = now_ms() if began is None else began
        async with self.kafka() as bus, self._working(bus, closing=close_windows) as work:
            await asyncio.to_thread(attendance.note, self.ledger, attendance.STAGES)
            await self._work_off(bus)
            read = await self.intake(bus).drain(wait=wait)
            keys = [receiver.key for receiver in self.city.receivers() if receiver.enabled]
            drained = await drain(
                ends=lambda: self._ends(bus),
                look=lambda: work.look(self.ledger, keys),
                busy=lambda: work.delivery.busy,
                wait=wait,
                check=work.check,
            )
            if not drained.dispatched:
                await self._ends(bus)  # was it Kafka that is away?
            while await announce_some(self.ledger, self._dead(bus)):
                pass
            await self._alarm().turn()
        died = await asyncio.to_thread(deaths, self.ledger, started)
        return DrainReport(read, work.dispatcher, drained, died)

    async def run(
        self,
        stop: asyncio.Event,
        *,
        only: Sequence[str] = STAGES,
        address: tuple[str, int] = ("127.0.0.1", 8080),
        ready: Callable[[socket.socket | None], None],
    ) -> None:
        """Run the chosen stages until `stop`; `ready` hears once, with the server's socket if there is one.

        Raises UsageError, before anything is started, when the port is taken.
        """
        async with contextlib.AsyncExitStack() as stack:
            listening = await asyncio.to_thread(self._listening, only, address)
            if listening is not None:
                stack.callback(listening.close)
            bus = await stack.enter_async_context(self.kafka())
            work = None
            if "dispatch" in only or "delivery" in only:
                work = await stack.enter_async_context(
                    self._working(bus, dispatching="dispatch" in only, delivering="delivery" in only)
                )
            group = await stack.enter_async_context(asyncio.TaskGroup())
            group.create_task(self._attending(bus, only).run(stop))
            if "delivery" in only:
                group.create_task(announce(self.ledger, self._dead(bus), stop))
                group.create_task(self._alarm().run(stop))
            if "intake" in only:
                group.create_task(self.intake(bus).run(stop))
                group.create_task(self._keep_working(bus, stop))
            if listening is not None:
                producer = bus.producer if "intake" in only else None
                group.create_task(self._serve(listening, stop, bus, work, producer))
            ready(listening)
            await stop.wait()

    def _attending(self, bus: Bus, stages: Collection[str]) -> Attending:
        """Return who notes that stages are at work, and starts a Kafka of the city's own again that has ended."""
        from hub.kafka.local import LocalBroker  # noqa: PLC0415

        revive = LocalBroker(self.folder / "var", say=self._say).revive if self.city.bootstrap is None else None
        return Attending(self.ledger, stages, bus.bootstrap, bus.answers, revive)

    async def adopt(self) -> dict[str, Any]:
        """Go on with the topic as it stands: a new generation if it was made anew, else from what it still holds.

        Returns `{"topic", "generation", "moved": {partition: offset}}`, the places that had to be set.
        """
        from hub.kafka.topics import begin_offsets, end_offsets  # noqa: PLC0415

        async with self.kafka(adopt=True) as bus:
            begins = await begin_offsets(bus.bootstrap, bus.topic.name)
            ends = await end_offsets(bus.bootstrap, bus.topic.name)
            held = {partition: (begin, ends[partition]) for partition, begin in begins.items()}
            generation, moved = await asyncio.to_thread(self.log.adopt, bus.generation, held)
        return {"topic": bus.topic.name, "generation": generation, "moved": moved}

    async def _ends(self, bus: Bus) -> dict[int, int]:
        from hub.kafka.topics import end_offsets  # noqa: PLC0415

        offsets = await end_offsets(bus.bootstrap, bus.topic.name)
        return {stream_of(bus.generation, partition): offset for partition, offset in offsets.items()}

    # --- HTTP --------------------------------------------------------------------------------------------------

    def _listening(self, only: Sequence[str], address: tuple[str, int]) -> socket.socket | None:
        """Return the server's socket, or None where nothing is to be served."""
        from hub.server.serve import bind  # noqa: PLC0415 - a command without a server does without the framework
        from hub.server.wiring import fetched_over_http, reported_over_http  # noqa: PLC0415

        fetched = "delivery" in only and fetched_over_http(self.city)
        if "console" in only or fetched or ("intake" in only and reported_over_http(self.city, self.ledger)):
            return bind(*address)
        return None

    async def _serve(
        self,
        listening: socket.socket,
        stop: asyncio.Event,
        bus: Bus,
        work: Work | None,
        producer: ProtectingProducer | None,
    ) -> None:
        from hub.server.app import create_app  # noqa: PLC0415
        from hub.server.ports import Check  # noqa: PLC0415
        from hub.server.serve import serve  # noqa: PLC0415
        from hub.server.wiring import Parts, ports_of  # noqa: PLC0415

        def checks() -> list[Check]:
            broker = bus.answers()
            found = [Check("broker", broker, "" if broker else f"{bus.bootstrap} does not answer")]
            if work is not None and work.consumer is not None:
                found.append(Check("dispatch", not work.consumer.state.why, work.consumer.state.why))
            if work is not None:
                fault = work.delivery.fault
                found.append(Check("delivery", fault is None, fault.message if fault else ""))
            return found

        inquiry = Inquiry(self.ledger, self.book, self.held, self._discretion())
        calls = self._calls(bus) if producer is not None else None
        delivers = work is not None and work.delivers
        feeds = Feeds(self.city, self.ledger, self.book, self._protection(), writing(self.city)) if delivers else None
        robots = Robots(self.city, self.ledger, self.book, self._protection()) if delivers else None
        parts = Parts(
            self.city, self.ledger, inquiry, self.topic, producer, calls, feeds, robots, checks, self.foreman,
            taking(self.city),
        )  # fmt: skip
        await serve(create_app(ports_of(parts)), listening, stop)

    def _discretion(self) -> Discretion:
        """Return whose location people are not shown; also what older rules permitted is held to the city's of now."""
        self.book.permit(RuleSet.of(self.city))
        return Discretion(self.ledger, list_of(self.ledger, self.city.protection))

    # --- stages ------------------------------------------------------------------------------------------------

    def intake(self, bus: Bus) -> Intake:
        """Return the intake of every source of the city."""
        services = self._services(bus)
        systems = self.city.systems.values()
        numbers = self.desk.register([receiver.key for receiver in self.city.receivers()])
        opened = [each for system in systems for each in self._runners(system)]
        runners = [each for each in opened if not isinstance(each.source, Called)]
        runners += [each for system in systems for each in self._answering(system, numbers)]
        return Intake(runners, services, self._beside({f"{each.system}.{each.name}" for each in runners}).look)

    def _beside(self, read: Collection[str]) -> Beside:
        """Return what looks for files beside those of the city's sources, of which some are `read` now."""
        found = []
        for system in self.city.systems.values():
            looking = {each.name: (each.adapter, each.options) for each in system.sources.values()}
            for receiver in system.receives.values():
                if (said := receiver.acknowledged) is not None:
                    looking[f"{receiver.name}.acknowledged"] = str(said.from_["adapter"]), said.from_
            for name, (adapter, options) in looking.items():
                key = f"{system.system}.{name}"
                found.append(registry.looking(key, adapter, options, read=key in read))
        receivers = [each for system in self.city.systems.values() for each in system.receives.values()]
        paths = [path for each in receivers if isinstance(path := each.options.get("path"), str) and "://" not in path]
        # the path of a sink is a folder, or a file of one: with a dot it may be either
        outs = {
            out for path in paths for out in (path, path.rpartition("/")[0]) if out == path or "." in Path(path).name
        }
        return Beside(self.folder, [each for each in found if each is not None], outs)

    def _services(self, bus: Bus) -> Services:
        return Services(
            bus.producer,
            self.ledger,
            self.topic,
            self.city.city,
            self.clock,
            held=self.held,
            timezone=self.timezone,
            is_open=self.city.calendars.get(self.city.calendar, CITY_CALENDAR).is_open,
        )

    def _calls(self, bus: Bus) -> Calls:
        """Return what takes the calls of systems that report by calling."""
        runners = [each for system in self.city.systems.values() for each in self._runners(system)]
        callees = {
            (each.system, each.name): Callee(each.source, each.mappers)
            for each in runners
            if isinstance(each.source, Called)
        }
        return Calls(self._services(bus), callees)

    def _answering(self, system: System, numbers: Mapping[str, int]) -> Iterator[SourceRunner]:
        """Yield the sources of acknowledgements of a system's receivers."""
        for receiver in system.receives.values():
            said = receiver.acknowledged
            if said is None or not receiver.enabled:
                continue
            name = f"{receiver.name}.acknowledged"
            place = said.place_of("from")
            options = {key: value for key, value in said.from_.items() if key != "adapter"}
            opened = registry.open_source(
                str(said.from_["adapter"]), {"after": "move", **options}, self._site(system.system, name), place=place
            )
            by: Literal["key", "no"] = "no" if "no" in said.match else "key"
            value = self._answer(said.match[by], said.place_of("match", by))
            answers = Answers(
                numbers[receiver.key],
                by,
                partial(value, what="`match`"),
                said.lists,
                taken=self._answer(said.taken, said.place_of("taken")) if said.taken else None,
                error=self._answer(said.error, said.place_of("error")) if said.error else None,
                warning=self._answer(said.warning, said.place_of("warning")) if said.warning else None,
                about=self._about(said.about, said.place_of("about")) if said.about else None,
            )
            if said.by is not None:
                calendar = self.city.calendars[said.by.calendar or self.city.calendar]
                gives_up = said.by.unanswered == "dead"
                answers = replace(answers, due=said.by.at, is_open=calendar.is_open, gives_up=gives_up)
            yield SourceRunner(system.system, name, opened, (), answers=answers)

    def _answer(self, text: str, place: str) -> Callable[..., Any]:
        """Return an expression on a row of an answer; `what` names it where it must not be empty."""
        expression = Expression(text, self.environment, place)

        def value(row: dict[str, Any], what: str = "") -> Any:
            return expression.needed(row, self._today, what) if what else expression.value(row, self._today)

        return value

    def _about(self, text: str, place: str) -> Callable[[str], Any]:
        """Return an expression on the name of a file of answers."""
        compiled = compile_expression(text, roots=frozenset({"file"}), env=self.environment, place=place)

        def batch(file: str) -> Any:
            try:
                return compiled.evaluate({"file": file}, today=self._today)
            except (Missing, ExpressionFault) as error:
                raise Malformed(f"`about` of {file}: {error}", place=place, code="expression") from None

        return batch

    def _today(self) -> str:
        return datetime.now(self.timezone).date().isoformat()

    def _runners(self, system: System) -> list[SourceRunner]:
        runners = []
        for name, source in system.sources.items():
            mappers = self._mappers(system, source)
            if not system.reads(source):
                continue
            if source.mode == "snapshot":
                runners.append(self._extracting(system, source, mappers))
            else:
                opened = self.opened(system.system, source)
                key = f"{system.system}.{name}"
                protection = self.city.protection
                listed = protection if protection is not None and protection.list_ == key else None
                shared = self._shared(system, name)
                runners.append(
                    SourceRunner(
                        system.system, name, opened, mappers, source.every, source.guard, listed, shared=shared
                    )
                )
        return runners

    def _extracting(
        self, system: System, source: settings.Source, mappers: tuple[Mapper, ...], *, baseline: bool = False
    ) -> SourceRunner:
        """Return the runner of a source in `mode: snapshot`."""
        files = registry.reads_files(source.adapter)
        opened = self.opened(system.system, source)
        if baseline or not files:
            opened = Whole(opened, files=files)
        comparing = replace(self._comparing(system, source, mappers), files=files, baseline=baseline)
        every = source.every if files or source.every != EVERY_FILE else EVERY_QUERY
        return SourceRunner(system.system, source.name, opened, mappers, every, source.guard, extract=comparing)

    def _shared(self, system: System, name: str) -> Comparing | None:
        """Return how the differences of a source teach what is known of the rows of a full extract, if they do."""
        for source in system.sources.values():
            if source.mode == "snapshot" and source.shares_state_with == name:
                own = system.sources[name]
                comparing = self._comparing(system, source, self._mappers(system, source))
                as_of = self._in_row(own, own.as_of, "as_of") if own.as_of else None
                return replace(comparing, as_of=as_of)
        return None

    def _comparing(self, system: System, source: settings.Source, mappers: tuple[Mapper, ...]) -> Comparing:
        """Return how the rows of a full extract are compared with what is known."""
        key = self._in_row(source, source.key or "", "key")
        on = {"changed": source.on_change, "new": source.on_new, "missing": source.on_missing}
        publications = [each for each in system.publishes if each.source == source.name]
        shared = [each for each in system.publishes if each.source == source.shares_state_with]
        sequence = next((each for each in (*publications, *shared) if each.sequence), None)
        subject = next((each for each in (*publications, *shared) if each.subject), None)
        return Comparing(
            source.name,
            key,
            source.compare,
            load_key(self.folder / "var"),
            self.folder / "var" / "extracts",
            self._in_row(source, source.as_of, "as_of") if source.as_of else None,
            self._in_row(sequence, sequence.sequence or "", "sequence") if sequence else None,
            self._in_row(subject, subject.subject, "subject") if subject else None,
            kept_columns(key, mappers, missing=source.on_missing != "report"),
            on,
            source.shares_state_with,
        )

    def _in_row(self, model: settings.Model, text: str, key: str) -> Expression:
        roots = frozenset({"row", "batch"}) if key == "as_of" else frozenset({"row"})
        return Expression(text, self.environment, model.place_of(key), roots)

    def reconcile(self, system: str, name: str | None, file: Path | None, *, limit: int) -> Reconciled:
        """Compare a system's full extract, in `file` or where its source has it, with what the system was told.

        Raises `UsageError` when the system has no such source, or nothing of it can be compared.
        """
        schema.ready(self.ledger)
        mine = self.city.systems.get(system)
        if mine is None:
            raise UsageError(f"there is no system {system}", mend="one of: " + ", ".join(sorted(self.city.systems)))
        sources = [each for each in mine.sources.values() if each.mode == "snapshot" and name in (None, each.name)]
        if len(sources) != 1:
            names = ", ".join(each.name for each in mine.sources.values() if each.mode == "snapshot")
            mend = f"--source: {names}" if names else "give it a source with `mode: snapshot`, `key` and `compare`"
            raise UsageError(f"{system} has {len(sources)} sources of full extracts to compare with", mend=mend)
        columns = {each.key: self._told_columns(sources[0], each) for each in mine.receives.values()}
        if mine.receives and not any(columns.values()):
            mend = "write at the source `reconcile: {column: data.…}`"
            raise UsageError(f"nothing says which column of {system}.{sources[0].name} holds what was told", mend=mend)
        comparing = self._comparing(mine, sources[0], self._mappers(mine, sources[0]))
        comparer = Comparer(system, comparing, Services(NOBODY, self.ledger, self.topic, self.city.city))
        doing = Reconciliation(system, sources[0].name, columns, comparer.whom, limit)
        expected = Expected(comparing.folder, f"{system}.{sources[0].name}.reconcile")
        try:
            finder = Finder(Views(self.ledger), self.book, self._discretion())
            return reconcile(self.ledger, finder, self._extracts_of(system, sources[0], file), expected, doing)
        finally:
            expected.close()

    def _told_columns(self, source: settings.Source, receiver: Receiver) -> dict[str, Callable[[Delivery, Batch], Any]]:
        """Return the columns of a full extract and how each is found in a receiver's deliveries."""
        columns = source.reconcile or receiver.options.get("columns") or {}
        expressions = {name: text for name, text in columns.items() if isinstance(text, str)}
        return {name: self._sink_expression(text, receiver) for name, text in expressions.items()}

    def _extracts_of(self, system: str, source: settings.Source, file: Path | None) -> Iterator[Source]:
        """Yield where an extract may lie: in a file that is named, where it comes, or where read files go."""
        site = self._site(system, source.name, source)
        if file is not None:
            yield registry.open_file(source.adapter, source.options, file, site, place=source.place_of)
            return
        yield self.opened(system, source)
        pattern = source.options.get("path")
        if source.after == "move" and isinstance(pattern, str) and "://" not in pattern:
            folder, _, name = pattern.rpartition("/")
            for read in sorted((self.folder / folder / "done").glob(name), reverse=True):
                yield registry.open_file(source.adapter, source.options, read, site, place=source.place_of)

    def opened(self, system: str, source: settings.Source) -> Source:
        """Open a source as intake does."""
        options = {**source.options, "after": source.after}
        mappers = self._mappers(self.city.systems[system], source)
        site = reading(self._site(system, source.name, source), mappers)
        return registry.open_source(source.adapter, options, site, place=source.place_of)

    async def baseline(self, system: str, name: str, *, dry_run: bool = False) -> SourceStatus:
        """Take the extract a source has now as known, without an event; needs no Kafka. Raises `UsageError`.

        A dry run only counts its rows.
        """
        await asyncio.to_thread(schema.ready, self.ledger)
        source = self.city.systems[system].sources.get(name) if system in self.city.systems else None
        if source is None or source.mode != "snapshot":
            sources = [(key, each) for key, of in self.city.systems.items() for each in of.sources.values()]
            known = [f"{key}.{each.name}" for key, each in sources if each.mode == "snapshot"]
            mend = "one of: " + ", ".join(known) if known else "write `mode: snapshot`, `key` and `compare` at a source"
            raise UsageError(f"{system}.{name} is no source in `mode: snapshot`", mend=mend)
        mine = self.city.systems[system]
        runner = self._extracting(mine, source, self._mappers(mine, source), baseline=True)
        if dry_run:
            rows = await asyncio.to_thread(lambda: sum(len(batch.rows) for batch in runner.source.read(None)))
            return SourceStatus(system, name, Tally(rows))
        services = Services(NOBODY, self.ledger, self.topic, self.city.city, self.clock, timezone=self.timezone)
        intake = Intake([runner], services)
        await intake.drain(wait=30.0 + in_seconds(source.options.get("settle", 0)))
        return intake.status()[0]

    def _mappers(self, system: System, source: settings.Source) -> tuple[Mapper, ...]:
        return mappers_of(self.city, system, source, self.environment, Residents(self.log))

    @contextlib.asynccontextmanager
    async def _working(
        self, bus: Bus, *, dispatching: bool = True, delivering: bool = True, closing: bool = False
    ) -> AsyncIterator[Work]:
        """Run dispatch and delivery while the block runs."""
        rules = await asyncio.to_thread(self.book.activate, RuleSet.of(self.city))
        await asyncio.to_thread(learn_tables, self.ledger, self.city)
        reader = LogReader(self.log, self.book.__getitem__)
        dispatcher = Dispatcher(
            self.log,
            rules,
            bus.generation,
            book=self.book,
            policy=Policy(self.city.city, self.timezone, self.city.authority, kept_for(self.city)),
            quarantine=self._quarantine,
            hands_on=delivering,
        )
        shutters = Shutters.of(self.city, self.ledger, closing=closing)
        ports = self._ports(rules, bus, shutters)
        delivery = DeliveryStage(self.desk, reader, ports, self.book.__getitem__, shutters.refresh)
        work = Work(dispatcher, delivery, reader, shutters, delivers=delivering)
        stop = asyncio.Event()
        serving = asyncio.create_task(delivery.run(stop)) if delivering else None
        try:
            if dispatching:
                work.consumer = self._consumer(bus, dispatcher, reader, delivery, work.lose)
                await work.consumer.start()
            yield work
        finally:
            stop.set()
            if work.consumer is not None:
                await work.consumer.stop()
            if serving is not None:
                await serving

    def _consumer(
        self,
        bus: Bus,
        dispatcher: Dispatcher,
        reader: LogReader,
        delivery: DeliveryStage,
        lost: Callable[[HubError], None],
    ) -> Consumer:
        from hub.kafka.consumer import Consumer  # noqa: PLC0415

        async def positions(partitions: list[int]) -> dict[int, int]:
            return await asyncio.to_thread(dispatcher.assign, partitions)

        group = f"{self.city.prefix}.dispatch"
        return Consumer(
            bus.bootstrap,
            bus.topic.name,
            group,
            handler=Polls(dispatcher, reader).take,
            positions=positions,
            on_lost=lost,
            crowded=lambda: delivery.crowded,
        )

    def _dead(self, bus: Bus) -> Callable[[bytes, bytes], Awaitable[None]]:
        """Return the way dead letters are announced: class and code only."""

        async def publish(key: bytes, value: bytes) -> None:
            await bus.sender.publish_one(f"{self.city.prefix}.dead", key, value)

        return publish

    def _alarm(self) -> Alarm:
        ways = channels(self.city.alerts)
        hours = {receiver.key: Hours.of(receiver, self.city) for receiver in self.city.receivers()}
        return Alarm(self.ledger, self.city.alerts, ways, hours, city=self.city.city)

    def _quarantine(self, connection: Connection, refused: list[Refused]) -> None:
        entries = refusals.entries(connection, refused, self.topic)
        quarantine.record(connection, entries, self.ledger.now(connection))

    def _ports(self, rules: ActiveRules, bus: Bus, shutters: Shutters) -> list[ReceiverPort]:
        numbers, protection = {key: no for no, key in rules.keys.items()}, self._protection().around
        return [
            ReceiverPort(
                numbers[receiver.key],
                receiver,
                _opener(
                    receiver,
                    self._site(receiver.system, receiver.name),
                    self._lent(receiver, bus, numbers[receiver.key]),
                ),
                registry.find(receiver.adapter).features,
                self.timezone,
                protection,
                shutters,
                shutters.halt,
                self._numbering(receiver),
            )
            for receiver in self.city.receivers()
            if receiver.enabled
        ]

    def _numbering(self, receiver: Receiver) -> Numbering | None:
        system = self.city.systems[receiver.system]
        if system.ids is None or system.ids.missing == "blank":
            return None
        layout = self.city.layouts.get(layout_name(receiver.options))
        fields = [[each.value for each in layout.record], layout.columns_by] if layout is not None else []
        missing = numbers_needed(system, [receiver.options, fields])
        return Numbering(receiver.system, missing, self.numbers)

    def _protection(self) -> Register:
        settings = self.city.protection
        return Register(self.ledger, listed=settings is not None and settings.list_ is not None)

    def _lent(self, receiver: Receiver, bus: Bus, number: int) -> Any:
        if receiver.adapter == "kafka":
            return _Publisher(bus.sender)
        if receiver.adapter == "rpa":
            return WorkQueue(self.ledger, number)
        return Expressions(lambda text, place="": self._sink_expression(text, receiver, place))

    def _sink_expression(self, text: str, receiver: Receiver, place: str = "") -> Callable[[Delivery, Batch], Any]:
        place = place or next((receiver.place_of(*path) for path in spots(receiver.options, text)), receiver.place)
        compiled = compile_expression(text, roots=SINK_ROOTS, env=self.environment, place=place)

        def value(delivery: Delivery, batch: Batch) -> Any:
            try:
                return compiled.evaluate(sink_scope(delivery, batch), today=batch.date)
            except Missing:
                return None
            except ExpressionFault as fault:
                raise Malformed(fault.message, place=fault.place or place, code="expression") from None

        return value

    def _site(self, system: str, name: str, source: settings.Source | None = None) -> Site:
        return site_of(self.city, system, name, _Topics(lambda: self.bootstrap), source)


@dataclass(slots=True)
class Bus:
    """The city's Kafka as this process has it."""

    bootstrap: str
    topic: TopicInfo
    generation: int
    producer: ProtectingProducer  # for events
    sender: Producer  # for everything else

    def answers(self) -> bool:
        """Say whether any of its servers answers, within seconds."""
        from hub.kafka.asking import serves  # noqa: PLC0415

        return any(serves(each.strip()) for each in self.bootstrap.split(","))


@dataclass(slots=True)
class Work:
    """The stages running in this process."""

    dispatcher: Dispatcher
    delivery: DeliveryStage
    reader: LogReader
    shutters: Shutters
    consumer: Consumer | None = None
    delivers: bool = True
    lost: HubError | None = None  # the ledger's position is outside the log

    def look(self, ledger: Ledger, keys: Sequence[str]) -> Backlog:
        """Return what is not finished, by what shuts receivers now: a list that was just read shuts none."""
        self.shutters.refresh()
        return backlog(ledger, keys, self.shutters)

    def check(self) -> None:
        """Raise what no waiting mends."""
        if self.lost is not None:
            raise self.lost

    def lose(self, error: HubError) -> None:
        """Note that dispatch cannot go on without a person."""
        self.lost = error


@dataclass(frozen=True, slots=True)
class DrainReport:
    """What a drain did: read, dispatched, and what is left; `died` deliveries were rejected during it."""

    read: Counts
    dispatcher: Dispatcher
    drained: Drained
    died: int
    at: datetime = field(default_factory=datetime.now)

    @property
    def backlog(self) -> Backlog:
        """Return what is left."""
        return self.drained.backlog

    @property
    def clear(self) -> bool:
        """Tell whether nothing is left and nothing died."""
        return self.drained.clear and not self.died and not self.read.faults


class _Topics:
    """The look into topics that the `kafka` source is lent; the client is loaded when it is used."""

    def __init__(self, bootstrap: Callable[[], str]) -> None:
        self._bootstrap = bootstrap

    def bounds(self, topic: str, brokers: str | None = None) -> dict[int, tuple[int, int]]:
        return self._reader().bounds(topic, brokers)

    def identity(self, topic: str, brokers: str | None = None) -> str | None:
        return self._reader().identity(topic, brokers)

    def read(
        self, topic: str, spans: Mapping[int, tuple[int, int]], brokers: str | None = None
    ) -> Iterator[tuple[list[Any], dict[int, int]]]:
        return self._reader().read(topic, spans, brokers)

    def _reader(self) -> TopicReader:
        from hub.kafka.reading import TopicReader  # noqa: PLC0415

        return TopicReader(self._bootstrap)


def sink_scope(delivery: Delivery, batch: Batch) -> dict[str, Any]:
    """Return what the expressions of a receiver see of a delivery, by name (`SINK_ROOTS`)."""
    return {
        "event": {**delivery.event, "type": delivery.type},
        "data": delivery.data,
        "subject": delivery.subject,
        "delivery": {"key": delivery.key, "no": delivery.no, "action": delivery.action},
        "batch": {"no": batch.no, "date": batch.date},
    }


class _Nobody:
    """Stands for Kafka where nothing is published."""

    async def publish(self, topic: str, records: Sequence[tuple[bytes, bytes]], _headers: Any = ()) -> Any:
        """Refuse what nobody should ask for."""
        raise RuntimeError(f"{len(records)} records for {topic}, where none were to come")


NOBODY = _Nobody()


class WorkQueue:
    """The way into a receiver's work queue that the `rpa` sink is lent."""

    def __init__(self, ledger: Ledger, number: int) -> None:
        self._ledger = ledger
        self._number = number

    async def put(self, deliveries: Sequence[Delivery]) -> None:
        """Add deliveries; what is there already stays."""
        offers = [
            Offer(each.event["source"], each.event_id, int(each.key.rpartition(":")[2]), each.subject)
            for each in deliveries
        ]
        try:
            await asyncio.to_thread(put_work, self._ledger, self._number, offers)
        except LedgerUnavailable as error:
            raise Transient(error.message, code="ledger-away") from error


class _Publisher:
    """The way into Kafka that the `kafka` sink is lent."""

    def __init__(self, producer: Producer) -> None:
        self._producer = producer

    async def publish(self, topic: str, key: bytes, value: bytes, headers: Sequence[tuple[str, bytes]]) -> None:
        from hub.kafka.producer import Unanswered  # noqa: PLC0415

        try:
            await self._producer.publish_one(topic, key, value, headers)
        except Unanswered as error:
            raise OutcomeUnknown(error.message, mend=error.mend, code="no-answer") from error


def mappers_of(
    city: City, system: System, source: settings.Source, environment: Environment, known: Known | None = None
) -> tuple[Mapper, ...]:
    """Return what makes events of a source's rows: one mapper for each publication that names it.

    `known` says what is known of a resident, where the source asks who its rows are about; without it, nobody is.
    """
    return tuple(
        Mapper(system, publication, source, environment, city.city, timezone=city.timezone, known=known)
        for publication in system.publishes
        if publication.source == source.name
    )


def site_of(
    city: City, system: str, name: str, topics: Topics | None = None, source: settings.Source | None = None
) -> Site:
    """Return where a source or receiver of the city works; `topics` is its way to Kafka, where there is one.

    `source` is given where it may say itself how it writes characters (`text`).
    """
    owner = city.systems[system]
    return Site(
        Path(city.folder),
        ZoneInfo(city.timezone),
        system,
        name,
        city.city,
        tuple(map(".".join, told(owner, name))),
        city.prefix,
        city.layouts,
        topics,
        (source.text if source is not None else None) or owner.text,
        city.tables,
    )


def reading(site: Site, mappers: Sequence[Mapper]) -> Site:
    """Return the place of a source whose rows these mappers make events of: it knows the columns they read."""
    return replace(site, needs=tuple(need for mapper in mappers for need in mapper.needs))


def on_trial(
    city: City, system: System, source: settings.Source, sample: Path, *, now: str, lang: str
) -> tuple[Source, Trial]:
    """Return a sample opened as the source would read it, and what tries its rows; nothing else is opened.

    For a source that reads no files, the sample holds its rows: `.csv` as the adapter `csv` reads them by default, any
    other as JSON lines. Raises ConfigurationError when a rule or an expression does not compile.
    """
    environment = Environment(city.tables, timezone=city.timezone)
    facts: dict[str, dict[str, Any]] = {}  # of what the sample has said so far
    mappers = mappers_of(city, system, source, environment, partial(resident_in, facts))
    adapter, options = source.adapter, source.options
    if "path" not in options:
        adapter, options = ("csv" if sample.suffix.lower() == ".csv" else "jsonl"), {}
    site = reading(site_of(city, system.system, source.name, source=source), mappers)
    opened = registry.open_file(adapter, options, sample, site, place=source.place_of)
    return opened, Trial(Router(RuleSet.of(city), environment), mappers, city.city, now, lang, facts)


def _opener(receiver: Receiver, site: Site, lent: Any) -> Callable[[], Any]:
    return lambda: registry.open_sink(receiver.adapter, receiver.options, site, lent, place=receiver.place_of)
