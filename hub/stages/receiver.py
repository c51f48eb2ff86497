"""The owner of one receiver: gathers what is next, hands it to the sink, records what became of it."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import logging
import random
from bisect import bisect_right
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import orjson

from hub.adapters.contract import Batch, Delivered, Delivery, Features, Outcome
from hub.errors import (
    Fenced,
    HubError,
    LedgerUnavailable,
    Malformed,
    OutcomeUnknown,
    ReceiverStopped,
    Rejected,
    Transient,
)
from hub.events.wire import Lazy, type_of
from hub.ledger import deaths
from hub.ledger.desk import Desk, Failure, Finished, Hold, Intent, Lease, Noted, Settlement, now_ms
from hub.ledger.log import Logged
from hub.ledger.status import (
    BREAKER,
    CANCELLED,
    DEAD_EXHAUSTED,
    DEAD_REJECTED,
    DEATHS,
    DELIVERED,
    DIED,
    EARLIER_WAITING,
    NOTED,
    SCHEDULED,
    SUPERSEDED,
    UNKNOWN,
    UNREACHED,
    WAITING,
    WARNED,
    WARNING,
    delivery_code,
)
from hub.settings.models import Receiver
from hub.stages.entries import ActiveRules, Entry, Item, cut_for, pack_made, unpack_made, unpack_plan
from hub.stages.judgement import kind_of
from hub.stages.lanes import Lanes, Scheduled
from hub.stages.log import LogReader
from hub.stages.numbering import ID_UNKNOWN, REFUSED, Numbering
from hub.stages.orders import QUEUED, Orders, Waiting
from hub.stages.retry import Schedule
from hub.stages.shutters import Shut
from hub.stages.watch import Watch
from hub.stages.writer import Writer

log = logging.getLogger(__name__)
T = TypeVar("T")
_RANDOM = random.Random()  # noqa: S311 - spreads retries, hides nothing

PROBES = (1.0, 2.0, 5.0, 10.0, 15.0)  # seconds between probes of a system that does not answer
OPEN_AFTER = 5  # refusals in a row that may pass, without a success, before the breaker opens
NUMBERS_AGAIN = 0.5  # seconds between looks for numbers that are waited for
UNKNOWN_AGAIN = 60_000  # milliseconds until a resident not known to the protection list is looked for again
LANE_ROWS = 256  # deliveries taken at once for a sink that takes them one by one
BATCH_ROWS = 4_000  # for a sink that takes batches, unless it says less
STANDS = (5.0, 15.0, 60.0, 300.0)  # seconds that a receiver stands still after faults in a row
MEND = "see the hub's log; mend the adapter or its settings: it is tried again by itself, and nothing is sent meanwhile"
STOPPED = "dead letter (on_dead: stop)"


@dataclass(frozen=True, slots=True)
class ReceiverPort:
    """A receiver as app.py lends it: its number, its settings, how to open its sink, its features, its time zone.

    `protection(subjects)` answers who is protected (True) or not known to the list (False), `shut(key)` why the
    receiver takes nothing now; `halt(key, reason)` says that it was paused (`on_dead: stop`). `numbering` is set
    where its system has numbers of its own (`ids:`).
    """

    no: int
    settings: Receiver
    open: Callable[[], Any]
    features: Features
    timezone: dt.tzinfo
    protection: Callable[[Iterable[str]], dict[str, bool]] = field(default=lambda _: {})
    shut: Callable[[str], Shut | None] = field(default=lambda _: None)
    halt: Callable[[str, str], None] = field(default=lambda *_: None)
    numbering: Numbering | None = None


class Work:
    """One delivery under way. `hold` is set when it comes from `pending`."""

    __slots__ = ("cut", "entry", "hold", "item", "job", "no", "subject")

    def __init__(
        self, entry: Entry, item: Item, job: int, no: int, hold: Hold | None = None, cut: bool = False
    ) -> None:
        self.entry = entry
        self.item = item
        self.job = job
        self.no = no
        self.hold = hold
        self.cut = cut  # the resident is protected: what locates the person is left out
        self.subject = entry.wire.subject

    def waiting(self, now: int) -> Hold:
        """Return it as it waits, or as one that begins to wait and is due now."""
        if self.hold is not None:
            return replace(self.hold, no=self.no)
        return Hold(self.entry.pos, self.job, self.subject, BREAKER, "", now, now, 0, self.no)


@dataclass(slots=True)
class _Breaker:
    since: int
    error: str
    probes: int = 0
    next: int = 0  # when the next probe is due, in milliseconds
    passed: set[tuple[int, int]] = field(default_factory=set)  # whose fault it may be: others are probes before them
    all_passed: bool = False  # the next probe comes from the log


@dataclass(slots=True)
class _Record:
    """What is to be settled: endings by `(status, job)`, what waits, what no longer does, and what failed."""

    batch: int = 0
    finished: dict[tuple[int, int], tuple[list[int], list[int]]] = field(default_factory=dict)
    holds: list[Hold] = field(default_factory=list)
    released: list[tuple[int, int]] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    obeyed: list[tuple[int, str]] = field(default_factory=list)
    noted: list[Noted] = field(default_factory=list)
    pause: str = ""

    def any(self) -> bool:
        """Say whether there is anything to settle."""
        return bool(self.finished or self.holds or self.released or self.failures)

    def finish(self, status: int, job: int, pos: int, no: int) -> None:
        """Note an ending."""
        positions, numbers = self.finished.setdefault((status, job), ([], []))
        positions.append(pos)
        numbers.append(no)

    def __len__(self) -> int:
        return len(self.holds) + sum(len(positions) for positions, _ in self.finished.values())


class Worker:
    """Serves one receiver while its lease lasts."""

    def __init__(
        self,
        port: ReceiverPort,
        lease: Lease,
        owner: str,
        desk: Desk,
        writer: Writer,
        reader: LogReader,
        rules: Callable[[int], ActiveRules],
    ) -> None:
        self.port = port
        self.key = lease.key
        self.epoch = lease.epoch
        self.valid_until = 0.0
        self.busy = True
        self.fault = ""
        self._asked = True  # there may be commands
        self._orders = Orders(port.no, desk.ledger)
        self._lease = lease
        self._owner = owner
        self._desk = desk
        self._writer = writer
        self._reader = reader
        self._rules = rules
        self._sink: Any = None
        self._features = port.features
        self._stopping = False
        self._wake = asyncio.Event()
        self._failures_in_a_row = 0
        self._breaker: _Breaker | None = None
        self._lanes = Lanes()
        self._scheduled = Scheduled()
        self._shut: Shut | None = None
        self._collected: float | None = None  # since when what comes is collected
        self._schedule = Schedule.of(port.settings.retry)
        self._succeeded = 0  # when something last got through, in milliseconds
        self._cursor: dict[int, int] = {}
        self._saved: dict[int, int] = {}
        self._next_no = 1
        self._next_batch = 1
        self._carry = _Record()  # gathered, not settled yet: goes with the next settlement, which moves the cursor
        self._most: int | None = None  # deliveries a batch may hold while the one that the sink cannot take is sought
        self._stood = 0  # faults in a row that nobody named
        self._takes = 0  # rounds in which the sink took something
        self._suspects: dict[tuple[int, int], int] = {}  # what a sink could not take alone → its takes until then
        self._asked_numbers = 0.0  # when numbers that are waited for were last asked for
        self._watch = Watch(port.protection, ())  # of those whose deliveries are in hand

    def ask(self) -> None:
        """Say that there are commands for this receiver."""
        self._asked = True

    def stop(self) -> None:
        """Ask the worker to end after what it is doing."""
        self._stopping = True
        self._wake.set()

    async def run(self) -> None:
        """Serve until stopped or fenced; after a fault start again from what the ledger says."""
        try:
            while not self._stopping:
                try:
                    await self._serve()
                except Fenced:
                    return
                except HubError as error:
                    await self._stand(error, 1.0 if isinstance(error, LedgerUnavailable) else 5.0)
                except Exception as error:
                    log.exception("%s: a fault of the hub; starting again from the ledger", self.key)
                    await self._stand(HubError(f"{type(error).__name__}: {error} ({MEND})"), self._longer())
        finally:
            await self._close()

    def _longer(self) -> float:
        """Return how long to stand after a fault that nobody named: longer each time until something is settled."""
        self._stood += 1
        return STANDS[min(self._stood, len(STANDS)) - 1]

    async def _stand(self, error: HubError, seconds: float) -> None:
        """Stand still for a while, then read the lease again."""
        self.fault = str(error)
        log.warning("%s stands still: %s", self.key, error)
        await self._close()
        with contextlib.suppress(LedgerUnavailable):
            await asyncio.to_thread(self._desk.say, self.port.no, self._owner, self.epoch, self._state())
        while not self._stopping:
            await self._pause(seconds)
            try:
                lease = await asyncio.to_thread(self._desk.lease, self.port.no, self._owner, self.epoch)
            except LedgerUnavailable:
                continue  # what the ledger last said may be old by now: never start again from that
            if lease is None:
                raise Fenced(f"{self.key} has another owner")
            self._lease = lease
            return

    async def _close(self) -> None:
        sink, self._sink = self._sink, None
        if sink is not None:
            await _whole(sink.close())  # half closed, a file would stay locked until this process ends

    async def _serve(self) -> None:
        await self._take_over()
        while not self._stopping:
            if self._asked and not self._intent_open:  # what is half done is finished first
                await self._obey()
            if self.port.shut(self.key):
                await self._stand_shut()
                continue
            if self._sink is None or self._shut is not None:
                await self._open()
                continue
            if self._collecting():
                await self._pause(min(0.2, self.port.settings.flush.seconds or 0.0))
                continue
            works = await self._gather()
            if works:
                self.busy = True
                await self._deliver(works)
            elif self._cursor != self._saved or self._carry.any():
                await self._settle(_Record())
            else:
                await self._idle()

    def _collecting(self) -> bool:
        """Say whether what comes is still collected (`flush`): neither the rows are there yet nor the time over."""
        flush, now = self.port.settings.flush, asyncio.get_running_loop().time()
        behind = self._reader.distance(self._cursor) if flush.seconds and not self._stopping else 0
        if not behind or (flush.rows and behind >= flush.rows) or (self._lanes.next_due() or now_ms() + 1) <= now_ms():
            self._collected = None
            return False
        if self._collected is None:
            self._collected = now
        if now - self._collected >= (flush.seconds or 0.0):
            self._collected = None
            return False
        self.busy = True
        return True

    async def _stand_shut(self) -> None:
        """Keep what comes in the log while the receiver is shut; the ledger says why and until when."""
        shut = self.port.shut(self.key)
        if shut != self._shut:
            self._shut = shut
            await asyncio.to_thread(self._desk.say, self.port.no, self._owner, self.epoch, self._state())
        self.busy = False
        await self._pause(0.25)

    async def _obey(self) -> None:
        """Carry out what people asked of this receiver since the last look."""
        self._asked = False
        while (asked := await asyncio.to_thread(self._orders.look)) is not None:
            self.busy = True
            self._orders.carry_out(asked, Waiting(self._lanes, self._scheduled, self._carry, self._end_untried))
            await self._settle(_Record())

    # --- taking over -------------------------------------------------------------------------------------------

    async def _take_over(self) -> None:
        lease = self._lease
        self._cursor = dict(lease.cursor)
        self._saved = dict(lease.cursor)
        self._next_no, self._next_batch = lease.next_no, lease.next_batch
        self._carry, self._breaker = _Record(), None
        self.fault, self._shut = "", None
        holds = await asyncio.to_thread(self._desk.holds, self.port.no)
        self._scheduled = Scheduled(hold for hold in holds if hold.status == SCHEDULED)
        # What waits for a number is tried again from the start: the number may be known, or not be needed any more.
        now = now_ms()
        fresh = (replace(hold, due=now) if hold.status == ID_UNKNOWN else hold for hold in holds)
        self._lanes = Lanes(hold for hold in fresh if hold.status != SCHEDULED)
        if "breaker" in orjson.loads(lease.state):
            self._lanes.wake(now_ms())

    async def _open(self) -> None:
        """Begin to send, or begin again after the receiver was shut; whoever asks sees that it is open."""
        stood = self._shut is not None or {"shut", "fault"} & orjson.loads(self._lease.state).keys()
        self._shut = None
        if self._sink is None:
            self._sink = self.port.open()
            self._features = getattr(self._sink, "features", self.port.features)  # settings may take a promise back
        if self._lease.intent is not None:
            await self._finish_intent(self._lease.intent)
        elif stood:
            await self._settle(_Record())

    async def _finish_intent(self, intent: Intent) -> None:
        """Finish what a former owner was in the middle of when it ended."""
        works = await self._rebuild(intent.members)
        batch = self._batch(works, intent.batch, intent.date)
        if intent.token is not None:
            if await self._protection_changed(works) and await self._withdraw(batch, intent.token):
                await self._release_intent(works)
                return
            outcomes = await _whole(self._sink.recover(batch, intent.token))
        elif self._features.confirms:
            answers = await self._confirmed(batch)
            outcomes = [answer or _unknown(each) for answer, each in zip(answers, batch.deliveries, strict=True)]
        else:
            outcomes = [_unknown(each) for each in batch.deliveries]
        await self._record(works, outcomes, batch.no)

    async def _rebuild(self, members: Sequence[tuple[int, int, int, bool]]) -> list[Work]:
        waiting = {(hold.pos, hold.job): hold for hold in self._lanes}
        holds = [waiting.get((pos, job)) for pos, job, _, _ in members]
        found = await self._entries([member[0] for member in members], holds)
        return [
            Work(entry, item, job, no, hold, cut)
            for (entry, item), hold, (_, job, no, cut) in zip(found, holds, members, strict=True)
        ]

    async def _withdraw(self, batch: Batch, token: dict[str, Any]) -> bool:
        """Take back a prepared batch of which a reader has seen nothing; False when it stands already."""
        return bool(await _whole(self._sink.withdraw(batch, token)))

    async def _release_intent(self, works: list[Work]) -> None:
        """Let a withdrawn batch be delivered anew: all of it waits in its lanes and is due now."""
        record, now = _Record(), now_ms()
        for work in works:
            hold = work.waiting(now)
            self._lanes.add(replace(hold, due=now))
            record.holds.append(hold)
        await self._settle(record, intent=False)

    async def _entries(self, positions: Sequence[int], holds: Sequence[Hold | None]) -> list[tuple[Entry, Item]]:
        """Return what is to be sent of events: as planned, or as the hold's payload says."""
        return await asyncio.to_thread(self._fetch, positions, holds)

    def _fetch(self, positions: Sequence[int], holds: Sequence[Hold | None]) -> list[tuple[Entry, Item]]:
        rows = self._desk.fetch(positions)
        return [self._made(rows[pos], hold) for pos, hold in zip(positions, holds, strict=True)]

    def _made(self, row: Logged, hold: Hold | None) -> tuple[Entry, Item]:
        if hold is not None and hold.payload is not None:
            ruleset, item = unpack_made(hold.payload)
            return Entry.of(row.pos, row.body, self._rules(ruleset)), item
        entry = Entry.of(row.pos, row.body, self._rules(row.ruleset))
        numbers = entry.rules.numbers
        return entry, next(item for item in unpack_plan(row.plan) if numbers[item.receiver] == self.port.no)

    # --- gathering ---------------------------------------------------------------------------------------------

    async def _gather(self) -> list[Work]:
        """Return what is next: what has waited and is due, then the log, as far as nothing earlier holds it."""
        settings, features = self.port.settings, self._features
        limit = settings.flush.rows or (LANE_ROWS if features.batch == 1 else min(features.batch, BATCH_ROWS))
        limit = min(limit, settings.max_rows or limit, self._most or limit)
        self._come_due()
        await self._look_for_numbers()
        works = await self._due(limit)
        breaker = self._breaker
        if breaker is None or breaker.all_passed:
            for stream in self._reader.behind(self._cursor):
                await self._from_log(stream, works, limit if breaker is None else 1)
        if breaker is not None and breaker.all_passed:
            breaker.all_passed = False
            if not works and not self._carry.any():  # nothing new: begin again with the earliest
                breaker.passed.clear()
        return works

    async def _due(self, limit: int) -> list[Work]:
        holds = self._lanes.take(now_ms(), limit) if self._breaker is None else self._probe(self._breaker)
        if not holds:
            return []
        found = await self._entries([hold.pos for hold in holds], holds)
        return [Work(entry, item, hold.job, hold.no, hold) for (entry, item), hold in zip(found, holds, strict=True)]

    def _probe(self, breaker: _Breaker) -> list[Hold]:
        if now_ms() < breaker.next:
            return []
        head = self._lanes.probe(breaker.passed)
        if head is None and self._lanes.probe() is None:  # a person took away what it opened for
            self._breaker = None
        breaker.all_passed = head is None
        return [] if head is None else [head]

    async def _from_log(self, stream: int, works: list[Work], limit: int) -> None:
        while len(works) < limit and len(self._carry) < limit:
            after = self._cursor.get(stream, -1)
            chunk = await self._reader.next(stream, after)
            if chunk is None:
                return
            planned = chunk.planned.get(self.port.no, ())
            start = bisect_right(planned, after, key=_position) if planned and after > chunk.after else 0
            stop = min(len(planned), start + limit - len(works))
            self._take_all(planned[start:stop], works)
            reached = self._cursor[stream] = chunk.upto if stop == len(planned) else planned[stop - 1][0].pos
            if chunk.vital and await self._mind_deaths([each for each in chunk.vital if after < each.pos <= reached]):
                return

    def _take_all(self, planned: Sequence[tuple[Entry, Item]], works: list[Work]) -> None:
        if self._lanes.empty and not self._scheduled and all(_is_plain(item) for _, item in planned):
            works += [Work(entry, item, 0, 0) for entry, item in planned]  # nothing waits: no question for each
            return
        for entry, item in planned:
            self._take(entry, item, works)

    def _take(self, entry: Entry, item: Item, works: list[Work]) -> None:
        subject, now = entry.wire.subject, now_ms()
        if item.made is not None and self._collapse(entry, item, works):
            return
        if self._scheduled:
            self._overtake(entry, item)
        if item.suppressed is not None:
            self._carry.finish(delivery_code("suppressed", item.suppressed), 0, entry.pos, 0)
        elif item.hold is not None:
            self._hold(entry, delivery_code("held", item.hold), item.detail)
        elif item.due is not None and item.due > now:
            hold = Hold(entry.pos, 0, subject, SCHEDULED, _kind(entry, item), now, item.due, 0, 0)
            self._scheduled.add(hold)
            self._carry.holds.append(hold)
        elif subject in self._lanes:
            self._hold(entry, EARLIER_WAITING, _about((item.made or {}).get("target")))
        else:
            works.append(Work(entry, item, 0, 0))

    def _hold(self, entry: Entry, status: int, detail: str) -> None:
        hold = Hold(entry.pos, 0, entry.wire.subject, status, detail, now_ms(), None, 0, 0)
        self._lanes.add(hold)
        self._carry.holds.append(hold)

    # --- effective dates, and corrections of what was never tried ------------------------------------------------

    def _come_due(self) -> None:
        """Let what was scheduled enter its lane on its day."""
        for hold in self._scheduled.take(now_ms()):
            status = EARLIER_WAITING if hold.subject in self._lanes else SCHEDULED
            entered = replace(hold, status=status, due=None if status == EARLIER_WAITING else hold.due)
            self._lanes.add(entered)
            if status == EARLIER_WAITING:
                self._carry.holds.append(entered)

    def _overtake(self, entry: Entry, item: Item) -> None:
        """End what is scheduled and says less than what is known now: a later one of the same type."""
        if item.made is None and item.suppressed is None:
            for hold in self._scheduled.of(entry.wire.subject):
                if hold.detail == _kind(entry, item) and hold.pos < entry.pos:
                    self._end_untried(hold, SUPERSEDED)

    async def _mind_deaths(self, vital: Sequence[Entry]) -> bool:
        """End what is scheduled for those who have died, schedule it again for those who have not; say if any ended.

        What ended is settled before more is read: a cancelled death looks for it in the ledger.
        """
        amended = {entry.wire.subject for entry in vital if entry.type != "resident.died"}
        died = {entry.wire.subject for entry in vital if self._scheduled.of(entry.wire.subject)}
        if not (amended or died):
            return False
        found = await asyncio.to_thread(deaths.dead, self._desk.ledger, amended | died)
        older = [hold for subject, pos in found.items() for hold in self._scheduled.of(subject) if hold.pos < pos]
        made = await self._entries([hold.pos for hold in older], older)
        ended = [hold for hold, (entry, item) in zip(older, made, strict=True) if not entry.outlives(item)]
        for hold in ended:
            self._end_untried(hold, DIED)
        if alive := amended - found.keys():
            await self._schedule_again(alive)
        return bool(ended)

    async def _schedule_again(self, subjects: set[str]) -> None:
        found = await asyncio.to_thread(deaths.buried, self._desk.ledger, self.port.no, subjects)
        waiting = [hold for each in subjects for hold in (*self._scheduled.of(each), *self._lanes.of(each))]
        here = {(hold.pos, hold.job) for hold in waiting}
        again = [each for each in found if (each.pos, each.job) not in here]  # not given back before
        now = now_ms()
        empty = [Hold(each.pos, each.job, each.subject, SCHEDULED, "", now, None, 0, 0, each.payload) for each in again]
        made = await self._entries([hold.pos for hold in empty], empty)
        for (entry, item), bare in zip(made, empty, strict=True):
            hold = replace(bare, detail=_kind(entry, item), due=item.due or now, put_by=bare.job or None)
            self._scheduled.add(hold)
            self._carry.holds.append(hold)

    def _collapse(self, entry: Entry, item: Item, works: list[Work]) -> bool:
        """End a pair of which nothing was ever tried: nobody need hear that what they never heard is not so."""
        made = item.made or {}
        target = made.get("target")
        subject = entry.wire.subject
        waiting = [*self._scheduled.of(subject), *self._lanes.of(subject)]
        untried = [
            hold
            for hold in waiting
            if (hold.pos == target or hold.detail == _about(target)) and not (hold.attempts or hold.no or hold.job)
        ]
        original = any(hold.pos == target for hold in untried) and all(work.entry.pos != target for work in works)
        for hold in untried:
            if made["action"] == "cancel":
                self._end_untried(hold, CANCELLED)
            elif hold.status == SCHEDULED:
                self._end_untried(hold, SUPERSEDED)
        if made["action"] != "cancel" or not original:
            return False
        self._carry.finish(CANCELLED, 0, entry.pos, 0)
        return True

    def _end_untried(self, hold: Hold, status: int) -> None:
        self._scheduled.remove(hold)
        self._lanes.remove(hold.subject, hold.pos, hold.job)
        self._carry.finish(status, hold.job, hold.pos, hold.no)
        self._carry.holds = [each for each in self._carry.holds if (each.pos, each.job) != (hold.pos, hold.job)]
        self._carry.released.append((hold.pos, hold.job))

    # --- protected residents -------------------------------------------------------------------------------------

    async def _protect(self, works: list[Work]) -> list[Work]:
        """Mark the protected residents' deliveries, and hold or end those that may not go out."""
        self._watch = Watch(self.port.protection, (work.subject for work in works))
        flags = await self._watch.flags()
        if not flags:
            return works
        going = []
        for work in works:
            flag = flags.get(work.subject)
            work.cut = flag is True
            if flag is None:
                going.append(work)
            elif flag is False:
                self._keep(work, delivery_code("held", "protection-unknown"), now_ms() + UNKNOWN_AGAIN)
            elif cut_for(work.entry, work.item, self._rules).suppressed:
                self._end(work, delivery_code("suppressed", "protected"), self._carry)
            else:
                going.append(work)
        return going

    async def _protection_changed(self, works: list[Work]) -> bool:
        """Say whether somebody in a batch has become protected since it was made."""
        self._watch = Watch(self.port.protection, (work.subject for work in works))
        return await self._exposes(works)

    async def _exposes(self, works: list[Work]) -> bool:
        """Say whether deliveries hold what a resident, protected meanwhile, must not have told."""
        flags = await self._watch.flags()
        return bool(flags) and any(work.subject in flags and not work.cut for work in works)

    def _keep(self, work: Work, status: int, due: int | None, detail: str = "") -> None:
        hold = replace(work.waiting(now_ms()), status=status, detail=detail, due=due)
        self._lanes.add(hold)
        self._carry.holds.append(hold)

    # --- the system's own numbers of residents -------------------------------------------------------------------

    async def _numbered(self, works: list[Work]) -> list[Work]:
        """Hold or end what needs a number that is not known; complete what was planned without it."""
        if self.port.numbering is None or not works:
            return works
        found = await asyncio.to_thread(self.port.numbering.sort, works)
        for at, status in [(at, ID_UNKNOWN) for at in found.held] + [(at, EARLIER_WAITING) for at in found.following]:
            self._keep(works[at], status, None)
        for at, why in found.faulty.items():
            self._keep(works[at], delivery_code("held", "ask"), None, why)
        for at in found.refused:
            self._carry.failures.append(_failure(works[at], "rejected", REFUSED, now_ms()))
            self._end(works[at], DEAD_REJECTED, self._carry)
            if self.port.settings.on_dead == "stop":
                self._carry.pause = STOPPED
        for at, item in found.completed.items():
            self._complete(works[at], item)
        return [works[at] for at in found.going]

    def _complete(self, work: Work, item: Item) -> None:
        """Let a delivery be made of this; kept before the call, and afterwards with what was asked of the receiver."""
        work.item, now = item, now_ms()
        payload = pack_made(work.entry.rules.no, item)
        work.hold = replace(work.waiting(now), status=WAITING, detail="", due=now, payload=payload)
        self._lanes.add(work.hold)
        self._carry.holds.append(work.hold)
        self._carry.noted.append(Noted(0, "retry", work.entry.pos, work.job, payload, now, QUEUED))

    async def _look_for_numbers(self) -> None:
        """Let go what waits for a number that has been learned since."""
        now = asyncio.get_running_loop().time()
        if self.port.numbering is None or self._lanes.empty or now < self._asked_numbers + NUMBERS_AGAIN:
            return
        self._asked_numbers = now
        lacking = {hold.subject: hold for hold in self._lanes if hold.status == ID_UNKNOWN and hold.due is None}
        if lacking:
            for subject in await asyncio.to_thread(self.port.numbering.known, lacking):
                self._lanes.add(replace(lacking[subject], due=now_ms()))

    # --- delivering --------------------------------------------------------------------------------------------

    def _batch(self, works: list[Work], number: int, date: str = "") -> Batch:
        date = date or dt.datetime.now(self.port.timezone).date().isoformat()
        deliveries, following = [], self._next_no
        for work in works:
            if not work.no:
                work.no = following
                following += 1
            cut = cut_for(work.entry, work.item, self._rules) if work.cut else None
            deliveries.append(work.entry.delivery(work.item, work.no, work.job, cut))
        self._next_no = following
        return Batch(self.key, number, date, deliveries)

    async def _deliver(self, works: list[Work]) -> None:
        works = await self._doubted(await self._numbered(await self._protect(works)))
        if not works:
            await self._settle(_Record())
            return
        batch = self._batch(works, self._next_batch)
        self._next_batch += 1
        self._check_lease()
        try:
            outcomes = await (self._prepared if self._features.prepared else self._direct)(works, batch)
            if outcomes is not None and len(outcomes) != len(works):
                raise _Fault(f"the adapter answered {len(outcomes)} outcomes for {len(works)}", code="fault")  # noqa: TRY301
        except (Transient, Rejected, Malformed, OutcomeUnknown) as error:
            if self._features.prepared and self._intent_open:
                raise  # the batch may stand half-way: it is finished from its intent
            outcomes = [Outcome(delivery.key, error) for delivery in batch.deliveries]
        except _Fault as fault:
            if self._intent_open:
                raise
            outcomes = self._narrow(works, batch, fault)
        else:
            self._most = self._most * 2 if self._most and self._most < BATCH_ROWS else None
        if outcomes is not None:
            await self._record(works, outcomes, batch.no)

    async def _doubted(self, works: list[Work]) -> list[Work]:
        """Ask the system about what a person lets go again after a call; what it took then is not sent twice."""
        again = [work for work in works if work.hold and work.hold.put_by is not None and work.hold.attempts]
        if not again or not self._features.confirms:
            return works
        batch = self._batch(again, 0)
        try:
            answers = await _named(self._sink.confirm(batch))
        except (Transient, Rejected, Malformed, OutcomeUnknown, _Fault) as error:
            # All of the round is put back: the cursor has passed what it took from the log.
            waits = error if isinstance(error, Transient) else Transient(str(error), reached=True, code="confirm")
            asked = {id(work) for work in again}
            outcomes = [
                Outcome(work.entry.key(self.port.no, work.job), waits if id(work) in asked else _NotTried(""))
                for work in works
            ]
            await self._record(works, outcomes, 0)
            return []
        now, taken = now_ms(), []
        for work, answer in zip(again, answers, strict=True):
            if answer and answer.error is None:
                self._arrive(work, answer, self._carry, now)
                taken.append(work)
        return [work for work in works if work not in taken]

    def _narrow(self, works: list[Work], batch: Batch, fault: _Fault) -> Sequence[Outcome]:
        """Seek the delivery that the sink cannot take, by half a batch at a time: alone it waits, the others go.

        It is refused when it cannot be taken again after the sink took others: until then the sink may be at fault.
        """
        self._most = max(1, len(batch.deliveries) // 2)
        if len(batch.deliveries) > 1:
            return [Outcome(delivery.key, _NotTried("")) for delivery in batch.deliveries]
        log.error("%s: a fault of the adapter: %s", self.key, fault.message, exc_info=fault.__cause__)
        at = (works[0].entry.pos, works[0].job)
        if self._takes > self._suspects.setdefault(at, self._takes) and not self._failures_in_a_row:
            del self._suspects[at]
            return [Outcome(batch.deliveries[0].key, Rejected(fault.message, code="fault"))]
        if self._breaker is not None:
            self._breaker.passed.add(at)
        return [Outcome(batch.deliveries[0].key, Transient(fault.message, reached=True, code="fault"))]

    async def _prepared(self, works: list[Work], batch: Batch) -> Sequence[Outcome] | None:
        """Deliver in two steps; None when somebody became protected between them, and it begins anew."""
        token = await _whole(_named(self._sink.prepare(batch)))
        await self._settle(_Record(), intent=self._intent(works, batch, token))
        if await self._protection_changed(works) and await self._withdraw(batch, token):
            await self._release_intent(works)
            return None
        self._check_lease()
        outcomes: Sequence[Outcome] = await _whole(self._sink.commit(batch, token))
        return outcomes

    async def _direct(self, works: list[Work], batch: Batch) -> Sequence[Outcome]:
        if not self._features.idempotent:
            await self._settle(_Record(), intent=self._intent(works, batch, None))
            self._check_lease()
        return await self._ask_again(batch, await self._call(works, batch))

    async def _call(self, works: list[Work], batch: Batch) -> list[Outcome]:
        if self._features.batch == 1:
            return await self._call_lanes(works, batch)
        if not await self._may_go(works):
            return [Outcome(delivery.key, _NotTried("")) for delivery in batch.deliveries]
        return list(await _named(self._sink.deliver(batch)))

    async def _ask_again(self, batch: Batch, outcomes: list[Outcome]) -> list[Outcome]:
        """Ask the system about what it may or may not have done, where it can be asked."""
        doubtful = [at for at, outcome in enumerate(outcomes) if isinstance(outcome.error, OutcomeUnknown)]
        if not doubtful or not self._features.confirms:
            return outcomes
        asked = Batch(batch.receiver, batch.no, batch.date, [batch.deliveries[at] for at in doubtful])
        try:
            answers = await self._confirmed(asked)
        except Transient as error:  # the intent stays open, and asking goes on from there
            raise ReceiverStopped(f"a delivery cannot be confirmed: {error}", code="confirm") from error
        settled = dict(zip(doubtful, answers, strict=True))
        return [settled.get(at) or outcome for at, outcome in enumerate(outcomes)]

    async def _confirmed(self, batch: Batch) -> Sequence[Outcome | None]:
        """Ask a system what it has; when its adapter breaks over that, nothing is known and a person decides."""
        try:
            return await _named(self._sink.confirm(batch))
        except _Fault as fault:
            log.exception("%s: a fault of the adapter, asked what its system has", self.key)
            doubt = OutcomeUnknown(f"it cannot be asked: {fault.message}", code="confirm")
            return [Outcome(each.key, doubt) for each in batch.deliveries]

    async def _call_lanes(self, works: list[Work], batch: Batch) -> list[Outcome]:
        """Call a one-by-one sink: residents side by side, each resident's deliveries in order, none past a failure."""
        lanes: dict[str, list[int]] = {}
        for index, work in enumerate(works):
            lanes.setdefault(work.subject, []).append(index)
        outcomes: list[Outcome | None] = [None] * len(works)
        gate = asyncio.Semaphore(self.port.settings.parallel)
        away = asyncio.Event()

        async def lane(indices: list[int]) -> None:
            async with gate:
                for index in indices:
                    if away.is_set() or self._ends_calls or not await self._may_go([works[index]]):
                        return
                    outcome = await self._one(batch, batch.deliveries[index])
                    outcomes[index] = outcome
                    if self._ends_all(outcome.error):
                        away.set()
                    if outcome.error is not None and not isinstance(outcome.error, Rejected | Malformed):
                        return

        await asyncio.gather(*(lane(indices) for indices in lanes.values()))
        return [
            outcome or Outcome(each.key, _NotTried(""))
            for outcome, each in zip(outcomes, batch.deliveries, strict=True)
        ]

    async def _may_go(self, works: list[Work]) -> bool:
        """Ask just before a call who is protected by now; what may not go is made anew."""
        try:
            return not await self._exposes(works)
        except LedgerUnavailable:
            return False

    def _ends_all(self, error: HubError | None) -> bool:
        """Say whether an outcome ends the whole round: the system is away, or a dead letter stops the receiver."""
        if isinstance(error, Transient):
            return not error.reached
        return isinstance(error, Rejected | Malformed) and self.port.settings.on_dead == "stop"

    async def _one(self, batch: Batch, delivery: Delivery) -> Outcome:
        try:
            outcomes = await self._sink.deliver(Batch(batch.receiver, batch.no, batch.date, [delivery]))
        except (Transient, Rejected, Malformed, OutcomeUnknown) as error:
            return Outcome(delivery.key, error)
        except Exception as error:
            log.exception("%s: a fault of the adapter", self.key)
            text = f"{type(error).__name__}: {error}"
            if self._features.idempotent:
                return Outcome(delivery.key, Transient(text, reached=True, code="fault"))
            return Outcome(delivery.key, OutcomeUnknown(text, code="fault"))
        return outcomes[0]  # type: ignore[no-any-return]

    @property
    def _ends_calls(self) -> bool:
        """Say whether no more calls are made in this round, of which there may be many."""
        return self._stopping or self._lapsed or self.port.shut(self.key) is not None

    @property
    def _lapsed(self) -> bool:
        return asyncio.get_running_loop().time() > self.valid_until - 1

    def _check_lease(self) -> None:
        if self._lapsed:
            raise Fenced(f"the lease of {self.key} could not be renewed in time")

    def _intent(self, works: list[Work], batch: Batch, token: dict[str, Any] | None) -> Intent:
        return Intent(batch.no, token, [(w.entry.pos, w.job, w.no, w.cut) for w in works], batch.date)

    # --- recording ---------------------------------------------------------------------------------------------

    async def _record(self, works: list[Work], outcomes: Sequence[Outcome], batch: int) -> None:
        record = _Record(batch)
        now = now_ms()
        untried: list[Work] = []
        tried: list[Outcome] = []  # a resident's later ones say nothing of the system: they follow their head's fate
        blocked: set[str] = set()
        if isinstance(outcomes, Delivered) or all(each.error is None and not each.detail for each in outcomes):
            self._all_well(works, record)
            works, tried = [], list(outcomes[:1])
        for work, outcome in zip(works, outcomes, strict=False):
            if work.subject not in blocked:
                tried.append(outcome)
            if outcome.error is None and work.subject not in blocked:
                self._arrive(work, outcome, record, now)
            elif isinstance(outcome.error, _NotTried) or work.subject in blocked:
                untried.append(work)
            elif isinstance(outcome.error, Rejected | Malformed):
                self._end(work, DEAD_REJECTED, record)
                record.failures.append(_failure(work, "rejected", outcome.error, now))
            else:
                blocked.add(work.subject)
                self._wait(work, outcome.error, record, now)
        was_open = self._breaker is not None
        self._judge(tried, now)
        for work in untried:
            self._again(work, record, now, waits=work.subject in blocked)
        stops = self.port.settings.on_dead == "stop" and any(failure.kind in DEATHS for failure in record.failures)
        record.pause = STOPPED if stops else ""
        await self._settle(record, intent=False if self._intent_open else None)
        if was_open and self._breaker is None:
            self._lanes.wake(now_ms())
        if stops:
            await asyncio.to_thread(self.port.halt, self.key, STOPPED)

    def _arrive(self, work: Work, outcome: Outcome, record: _Record, now: int) -> None:
        """Note that a delivery took effect, and what of it did not arrive as it was."""
        self._end(work, WARNING if outcome.detail else DELIVERED, record)
        if outcome.detail:
            record.failures.append(_warning(work, outcome, now))

    def _all_well(self, works: Sequence[Work], record: _Record) -> None:
        """Note the commonest ending, without a question for each."""
        first = [work for work in works if work.hold is None]
        record.finished[DELIVERED, 0] = ([work.entry.pos for work in first], [work.no for work in first])
        if len(first) < len(works):
            for work in works:
                if work.hold is not None:
                    self._end(work, DELIVERED, record)

    def _end(self, work: Work, status: int, record: _Record) -> None:
        record.finish(status, work.job, work.entry.pos, work.no)
        if work.hold is not None:
            record.released.append((work.entry.pos, work.job))
            self._suspects.pop((work.entry.pos, work.job), None)
            self._lanes.remove(work.subject, work.entry.pos, work.job)

    def _wait(self, work: Work, error: HubError | None, record: _Record, now: int) -> None:
        """Put a failed delivery into `pending`: waiting with a time, or unknown until it is confirmed."""
        hold = work.hold
        attempts = hold.attempts if hold else 0
        if isinstance(error, OutcomeUnknown):
            status, due, kind = UNKNOWN, None, "unknown"
            attempts += 1
        else:
            counted = self._breaker is None and isinstance(error, Transient) and error.reached
            attempts += counted
            after = error.retry_after if isinstance(error, Transient) else None
            if counted and self._exhausted(work, attempts):
                self._end(work, DEAD_EXHAUSTED, record)
                record.failures.append(_failure(work, "exhausted", error, now))
                return
            delay = self._schedule.delay(attempts, after, _RANDOM) if counted else self._probe_delay()
            status, due, kind = WAITING, now + int(delay * 1000), "transient" if counted else UNREACHED
        again = replace(work.waiting(now), status=status, detail=str(error), due=due, attempts=attempts)
        self._lanes.add(again)
        record.holds.append(again)
        record.failures.append(_failure(work, kind, error, now))

    def _again(self, work: Work, record: _Record, now: int, *, waits: bool) -> None:
        """Keep what was not tried: behind its lane's head, or behind the receiver's breaker, or due at once."""
        if work.hold is not None and not waits:
            self._lanes.add(work.hold)
            return
        shut = self.port.shut(self.key) if self._breaker is None else None  # what the breaker holds goes with its head
        idle = delivery_code("held", shut.reason) if shut else BREAKER
        status = EARLIER_WAITING if waits else idle
        due = None if waits or self._breaker else now
        hold = replace(work.waiting(now), status=status, detail="", due=due)
        self._lanes.add(hold)
        record.holds.append(hold)

    def _exhausted(self, work: Work, attempts: int) -> bool:
        """Say whether a delivery is given up: tried often enough while others to the same receiver got through."""
        limit = self._schedule.give_up
        since = work.hold.since if work.hold else now_ms()
        return limit is not None and attempts >= limit and self._succeeded > since

    def _probe_delay(self) -> float:
        probes = self._breaker.probes if self._breaker else 0
        return PROBES[min(probes, len(PROBES) - 1)]

    def _judge(self, outcomes: Sequence[Outcome], now: int) -> None:
        """Open the breaker when the system does not answer or only refuses; close it at the first success."""
        for outcome in outcomes:
            error = outcome.error
            if error is None or isinstance(error, Rejected | Malformed):
                self._failures_in_a_row = 0
                self._breaker = None
                if error is None:
                    self._succeeded = now
                    self._takes += 1
            elif isinstance(error, Transient):
                self._failures_in_a_row += 1
                if not error.reached or self._failures_in_a_row >= OPEN_AFTER:
                    self._breaker = self._breaker or _Breaker(now, str(error))
                    self._breaker.error = str(error)
                    wait = max(self._probe_delay(), error.retry_after or 0.0)
                    self._breaker.next = now + int(wait * 1000)
        if self._breaker is not None:
            self._breaker.probes += 1

    @property
    def _intent_open(self) -> bool:
        return self._lease.intent is not None

    async def _settle(self, record: _Record, *, intent: Intent | bool | None = None) -> None:
        """Write what happened; afterwards the ledger's cursor stands where ours does."""
        carry, self._carry = self._carry, _Record()
        now = now_ms()
        cursor = dict(self._cursor)
        settlement = Settlement(
            receiver=self.port.no,
            owner=self._owner,
            epoch=self.epoch,
            cursor=cursor,
            next_no=self._next_no,
            next_batch=self._next_batch,
            state=self._state(),
            intent=intent,
            finished=[
                Finished(status, job, now, one.batch, positions, numbers)
                for one in (carry, record)
                for (status, job), (positions, numbers) in one.finished.items()
            ],
            holds=[*carry.holds, *record.holds],
            released=[*carry.released, *record.released],
            failures=[*carry.failures, *record.failures],
            obeyed=carry.obeyed,
            noted=carry.noted,
            pause=record.pause or carry.pause,
        )
        if not await self._writer.settle(settlement):
            raise Fenced(f"{self.key} has another owner")
        if carry.pause:
            await asyncio.to_thread(self.port.halt, self.key, carry.pause)
        self._saved = cursor
        self._stood = 0
        if intent is not None:
            self._lease.intent = intent if isinstance(intent, Intent) else None

    def _state(self) -> str:
        found: dict[str, Any] = {}
        if self._breaker is not None:
            found["breaker"] = {"since": self._breaker.since, "error": self._breaker.error}
        if self._shut is not None:
            found["shut"] = {"reason": self._shut.reason, "until": self._shut.until, "note": self._shut.note}
        if self.fault:
            found["fault"] = self.fault
        return orjson.dumps(found).decode()

    # --- waiting -----------------------------------------------------------------------------------------------

    async def _idle(self) -> None:
        self.busy = False
        due = self._breaker.next if self._breaker else self._lanes.next_due()
        due = min((at for at in (due, self._scheduled.next_due()) if at is not None), default=None)
        seconds = 1.0 if due is None else min(1.0, max(0.0, (due - now_ms()) / 1000))
        await self._reader.wait(seconds) if self._breaker is None else await self._pause(seconds)

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            return


def _is_plain(item: Item) -> bool:
    """Say whether there is nothing to a planned delivery but to send it."""
    return (item.hold or item.suppressed or item.made or item.due) is None


def _about(target: int | None) -> str:
    """Return the note of a correction that waits: the event it is about."""
    return "" if target is None else f"target:{target}"


def _kind(entry: Entry, item: Item) -> str:
    """Return what a scheduled delivery may be overtaken by: another of its kind, or what ends its target."""
    target = (item.made or {}).get("target")
    return _about(target) or kind_of(type_of(entry.wire.type)[0], Lazy(entry.wire.data))


class _NotTried(HubError):  # noqa: N818 - named for what happened, as the rest of the tree
    """The call was never made: an earlier one of its lane failed, or the system went away."""


class _Fault(HubError):  # noqa: N818 - named for what happened, as the rest of the tree
    """The sink failed with an error that is none of an adapter's: it may be one delivery that it cannot take."""


async def _named(step: Coroutine[Any, Any, T]) -> T:
    """Give what a sink raises a name; raises _Fault."""
    try:
        return await step
    except HubError:
        raise
    except Exception as error:
        raise _Fault(f"{type(error).__name__}: {error}", code="fault") from error


async def _whole(step: Coroutine[Any, Any, T]) -> T:
    """Let a step of a file sink end even when its caller is cancelled: the thread that writes needs the file open."""
    task = asyncio.ensure_future(step)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


def _position(planned: tuple[Entry, Item]) -> int:
    return planned[0].pos


def _unknown(delivery: Delivery) -> Outcome:
    return Outcome(delivery.key, OutcomeUnknown("the hub ended while this was being sent", code="sending"))


def _warning(work: Work, outcome: Outcome, now: int) -> Failure:
    """Return the note on a delivery that took effect, but not all of it as it was."""
    attempts = work.hold.attempts if work.hold else 0
    kind = WARNED if outcome.code.startswith("U+") else NOTED
    return Failure(work.entry.pos, work.job, attempts + 1, now, kind, outcome.code or NOTED, outcome.detail)


def _failure(work: Work, kind: str, error: HubError | None, now: int) -> Failure:
    attempts = work.hold.attempts if work.hold else 0
    code = error.code if error else ""
    return Failure(work.entry.pos, work.job, attempts + 1, now, kind, code, str(error))
