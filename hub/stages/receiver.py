"""The owner of one receiver: gathers what is next, hands it to the sink, records what became of it."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import logging
import random
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import orjson

from hub.adapters.contract import Batch, Delivered, Delivery, Outcome
from hub.errors import (
    Fenced,
    HubError,
    LedgerUnavailable,
    Malformed,
    OutcomeUnknown,
    Rejected,
    Transient,
)
from hub.events.wire import Lazy, type_of
from hub.ledger import deaths
from hub.ledger.desk import Desk, Hold, Intent, Lease, Noted, Settlement, now_ms
from hub.ledger.log import Logged
from hub.ledger.places import OFFSET_BITS
from hub.ledger.status import (
    ALTERED,
    BREAKER,
    CANCELLED,
    CONFIRMED,
    DEAD_EXHAUSTED,
    DEAD_REJECTED,
    DEATHS,
    DELIVERED,
    DIED,
    EARLIER_WAITING,
    SCHEDULED,
    SUPERSEDED,
    UNKNOWN,
    UNREACHED,
    WAITING,
    WARNING,
    delivery_code,
)
from hub.stages.answers import STOPPED
from hub.stages.breaker import Breaker, Health
from hub.stages.entries import (
    ActiveRules,
    Chunk,
    Entry,
    Item,
    Share,
    cut_for,
    pack_made,
    unpack_made,
    unpack_plan,
)
from hub.stages.judgement import kind_of
from hub.stages.lanes import Lanes, Scheduled
from hub.stages.log import COMMON, LogReader
from hub.stages.masking import mask, masked, named
from hub.stages.numbering import ID_UNKNOWN, REFUSED
from hub.stages.orders import QUEUED, Orders, Waiting
from hub.stages.receiver_port import ReceiverPort
from hub.stages.record import Record
from hub.stages.retry import Schedule
from hub.stages.rounds import Made, Round, Work
from hub.stages.shutters import Shut
from hub.stages.sink_calls import Fault, NotTried, SinkCalls, in_doubt, untried, went_out
from hub.stages.watch import Watch
from hub.stages.writer import Writer

log = logging.getLogger(__name__)
_RANDOM = random.Random()  # noqa: S311 - spreads retries, hides nothing

NOTHING = Share()
NUMBERS_AGAIN = 0.5  # seconds between looks for numbers that are waited for
UNKNOWN_AGAIN = 60_000  # milliseconds until a resident not known to the protection list is looked for again
LANE_ROWS = 256  # deliveries taken at once for a sink that takes them one by one
BATCH_ROWS = 4_000  # for a sink that takes batches, unless it says less
MANY = 1_000  # deliveries of a round that keep the interpreter busy for long
TOGETHER = 100  # deliveries of a batch from which on rows stand for many, where no system answers for single ones
BATCH_BYTES = 32 << 20  # of events in a batch, after which it ends; one event it may always have
LARGEST = 256 << 10  # bytes of an event, at most
KEPT = 0.5  # seconds until a ledger that is away is asked again to take outcomes
STANDS = (5.0, 15.0, 60.0, 300.0)  # seconds that a receiver stands still after faults in a row
MEND = "see the hub's log; mend the adapter or its settings: it is tried again by itself, and nothing is sent meanwhile"
ASKED_FIRST = 5_000  # milliseconds until a system is asked whether it has what it took
ASKED_LAST = 14_400_000  # and at most between two times that it is asked of the same


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
        watch: Watch | None = None,
    ) -> None:
        """Serve a lease; `watch` asks who is protected for several receivers together."""
        self.port = port
        self.key = lease.key
        self.epoch = lease.epoch
        self.valid_until = 0.0
        self.busy = True
        self.fault = ""
        self._fault_code = ""
        self._fault_since = 0  # milliseconds; of the first fault since something was settled
        self._asked = True  # there may be commands
        self._orders = Orders(port.no, desk.ledger)
        self._lease = lease
        self._owner = owner
        self._desk = desk
        self._writer = writer
        self._reader = reader
        self._rules = rules
        self._sink = SinkCalls(self.key, port, self._ends_calls, self._protection_changed)
        self._stopping = False
        self._wake = asyncio.Event()
        self._health = Health()
        self._lanes = Lanes()
        self._scheduled = Scheduled()
        self._shut: Shut | None = None
        self._collected: float | None = None  # since when what comes is collected
        self._schedule = Schedule.of(port.settings.retry)
        self._cursor: dict[int, int] = {}
        self._saved: dict[int, int] = {}
        self._next_no = 1
        self._next_batch = 1
        self._carry = Record()  # gathered, not settled yet: goes with the next settlement, which moves the cursor
        self._most: int | None = None  # deliveries a batch may hold while the one that the sink cannot take is sought
        self._stood = 0  # faults in a row that nobody named
        self._suspects: dict[tuple[int, int], int] = {}  # what a sink could not take alone → its takes until then
        self._asked_numbers = 0.0  # when numbers that are waited for were last asked for
        self._watch = watch or Watch(port.protection)  # of those whose deliveries are in hand
        self._until_confirmed = port.settings.order_until == "confirmed"
        self._weight = 0  # bytes of events gathered from the log
        self._ahead: set[int] = set()  # events behind the cursor whose delivery has ended before it was read
        self._in_hand: set[str] = set()  # with `order_until: confirmed`: whose delivery is gathered, one at a time

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
                    await self._stand(HubError(f"{named(error)} ({MEND})", code="fault"), self._longer())
        finally:
            await self._sink.close()

    def _longer(self) -> float:
        """Return how long to stand after a fault that nobody named: longer each time until something is settled."""
        self._stood += 1
        return STANDS[min(self._stood, len(STANDS)) - 1]

    async def _stand(self, error: HubError, seconds: float) -> None:
        """Stand still for a while, then read the lease again."""
        self.fault, self._fault_code = str(error), error.code
        self._fault_since = self._fault_since or now_ms()
        log.warning("%s stands still: %s", self.key, error)
        await self._sink.close()
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

    async def _serve(self) -> None:
        await self._take_over()
        waited = False
        while not self._stopping:
            if self._asked and not self._intent_open:  # what is half done is finished first
                await self._obey()
            if self.port.shut(self.key):
                await self._stand_shut()
                continue
            if not self._sink.is_open or self._shut is not None:
                await self._open()
                continue
            if self._collecting():
                await self._pause(min(0.2, self.port.settings.flush.seconds or 0.0))
                continue
            if not waited and self._sink.features.prepared and self._limit >= MANY and await self._reader.turn():
                waited = True  # what was looked at may be another by now
                continue
            waited = False
            works = await self._gather()
            if works:
                self.busy = True
                await self._deliver(works)
            elif self._cursor != self._saved or self._carry.any():
                await self._settle(Record())
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
            self._orders.carry_out(asked, self._waiting())
            await self._settle(Record())

    def _waiting(self) -> Waiting:
        """Return what commands may change."""
        settings = self.port.settings
        stops, answers = settings.on_dead == "stop", settings.acknowledged is not None
        how = (self._end_untried, self._end_unread, stops, answers, self._until_confirmed)
        return Waiting(self._lanes, self._scheduled, self._carry, *how)

    def _end_unread(self, pos: int) -> bool:
        """End a planned delivery that the log still holds before this receiver; False when it has been read."""
        if pos <= self._cursor.get(pos >> OFFSET_BITS, -1) or pos in self._ahead:
            return False
        self._ahead.add(pos)
        self._carry.finish(CANCELLED, 0, pos, 0)
        return True

    # --- taking over -------------------------------------------------------------------------------------------

    async def _take_over(self) -> None:
        lease = self._lease
        self._cursor = dict(lease.cursor)
        self._saved = dict(lease.cursor)
        self._next_no, self._next_batch = lease.next_no, lease.next_batch
        self._carry, self._health.breaker = Record(), None
        self.fault, self._shut = "", None
        self._ahead = await asyncio.to_thread(self._desk.ahead, self.port.no, self._cursor)
        self._orders = Orders(self.port.no, self._desk.ledger)  # what it remembers may never have been settled
        holds = await asyncio.to_thread(self._desk.holds, self.port.no)
        if not self._until_confirmed:  # nor did it always: what waited for an answer holds nobody any more
            self._carry.released += [(hold.pos, hold.job) for hold in holds if hold.answered]
            holds = [hold for hold in holds if not hold.answered]
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
        if not self._sink.is_open:
            self._sink.open()
            self._await_as_set()
        if self._lease.intent is not None:
            await self._finish_intent(self._lease.intent)
        elif stood:
            await self._settle(Record())

    def _await_as_set(self) -> None:
        """Let what waits for an answer wait for it in the way the settings say now, whatever they said then."""
        for hold in [hold for hold in self._lanes if hold.answered and (hold.due is not None) != self._asks]:
            self._lanes.add(replace(hold, due=now_ms() if self._asks else None))

    @property
    def _asks(self) -> bool:
        """Say whether the system is asked what it has for good; else it says so by itself."""
        return self._sink.features.confirms and self.port.settings.acknowledged is None

    async def _finish_intent(self, intent: Intent) -> None:
        """Finish what a former owner was in the middle of when it ended."""
        works = Round(await self._rebuild(intent.members))
        batch = self._batch(works, intent.batch, intent.date, then=True)  # byte for byte as it was prepared
        if intent.token is not None:
            # Of protected residents less may be permitted by now than then.
            doubtful = any(work.cut for work in works) or await self._protection_changed(works)
            if doubtful and await self._sink.withdraw(batch, intent.token):
                await self._release_intent(works)
                return
            outcomes = await self._sink.recover(batch, intent.token)
        elif self._sink.features.confirms:
            flags = await self._flags(works)
            for work in works:  # it asks for what it sent before, and tells nothing that it may not tell by now
                work.cut = work.cut or work.subject in flags
            answers = await self._sink.known(self._batch(works, intent.batch, intent.date))
            outcomes = [answer or in_doubt(each) for answer, each in zip(answers, batch.deliveries, strict=True)]
        else:
            outcomes = [in_doubt(each) for each in batch.deliveries]
        await self._record(works, outcomes, batch.no)

    async def _rebuild(self, members: Sequence[tuple[int, int, int, bool]]) -> list[Work]:
        waiting = {(hold.pos, hold.job): hold for hold in self._lanes}
        holds = [waiting.get((pos, job)) for pos, job, _, _ in members]
        found = await self._entries([member[0] for member in members], holds)
        return [
            Work(entry, item, job, no, hold, cut)
            for (entry, item), hold, (_, job, no, cut) in zip(found, holds, members, strict=True)
        ]

    async def _release_intent(self, works: Round) -> None:
        """Let a withdrawn batch be delivered anew: all of it waits in its lanes and is due now."""
        record, now = Record(), now_ms()
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

    async def _gather(self) -> Round:
        """Return what is next: what has waited and is due, then the log, as far as nothing earlier holds it."""
        limit = self._limit
        self._come_due()
        await self._look_for_numbers()
        due = await self._due(limit)
        works = Round(due or None)
        self._weight = sum(work.entry.size for work in due)
        self._in_hand = {work.subject for work in due} if self._until_confirmed else self._in_hand
        breaker = self._health.breaker
        if breaker is None or breaker.all_passed:
            for stream in self._reader.behind(self._cursor):
                if not await self._from_log(stream, works, limit if breaker is None else 1):
                    break
        if breaker is not None and breaker.all_passed:
            breaker.all_passed = False
            if not works and not self._carry.any():  # nothing new: begin again with the earliest
                breaker.passed.clear()
        return works

    @property
    def _limit(self) -> int:
        """Return how many deliveries a round takes at most."""
        settings, features = self.port.settings, self._sink.features
        limit = settings.flush.rows or (LANE_ROWS if features.batch == 1 else min(features.batch, BATCH_ROWS))
        return min(limit, settings.max_rows or limit, self._most or limit)

    async def _due(self, limit: int) -> list[Work]:
        holds = self._lanes.take(now_ms(), limit) if self._health.breaker is None else self._probe(self._health.breaker)
        if len(holds) > BATCH_BYTES // LARGEST:
            holds = await self._as_many_as_fit(holds)
        if not holds:
            return []
        found = await self._entries([hold.pos for hold in holds], holds)
        return [Work(entry, item, hold.job, hold.no, hold) for (entry, item), hold in zip(found, holds, strict=True)]

    async def _as_many_as_fit(self, holds: list[Hold]) -> list[Hold]:
        """Return the first of what is due, as far as a batch holds it; the rest stays due."""
        sizes = await asyncio.to_thread(self._desk.sizes, [hold.pos for hold in holds])
        total = 0
        for at, hold in enumerate(holds):
            total += sizes.get(hold.pos, 0)
            if at and total > BATCH_BYTES:
                for left in holds[at:]:
                    self._lanes.add(left)
                return holds[:at]
        return holds

    def _probe(self, breaker: Breaker) -> list[Hold]:
        if now_ms() < breaker.next:
            return []
        head = self._lanes.probe(breaker.passed)
        if head is None and self._lanes.probe() is None:  # a person took away what it opened for
            self._health.breaker = None
        breaker.all_passed = head is None
        return [] if head is None else [head]

    async def _from_log(self, stream: int, works: Round, limit: int) -> bool:
        """Take what is next of a stream; say whether another may be read in this round, which may be of a later log."""
        while len(works) < limit and len(self._carry) < limit and self._weight <= BATCH_BYTES:
            after = self._cursor.get(stream, -1)
            chunk = await self._reader.next(stream, after)
            if chunk is None:
                return True
            share = chunk.planned.get(self.port.no, NOTHING)
            entries = share.entries
            start = bisect_right(entries, after, key=_position) if entries and after > chunk.after else 0
            stop = self._fitting(chunk, entries, start, min(len(entries), start + limit - len(works)))
            if stop == start < len(entries):
                return False
            self._take_all(chunk, start, stop, works)
            reached = self._cursor[stream] = chunk.upto if stop == len(entries) else entries[stop - 1].pos
            if chunk.vital and await self._mind_deaths([each for each in chunk.vital if after < each.pos <= reached]):
                return False
        return False

    def _fitting(self, chunk: Chunk, entries: Sequence[Entry], start: int, stop: int) -> int:
        """Return how far a batch goes on in a stretch of the log: it is bounded in bytes, too."""
        if chunk.size <= (stop - start) * COMMON:  # the commonest: none is worth a look
            self._weight += chunk.size
            return stop
        for at in range(start, stop):
            before, self._weight = self._weight, self._weight + entries[at].size
            if before and self._weight > BATCH_BYTES:
                return at
        return stop

    def _take_all(self, chunk: Chunk, start: int, stop: int, works: Round) -> None:
        share = chunk.planned.get(self.port.no, NOTHING)
        entries, items = share.entries[start:stop], share.items[start:stop]
        if self._ahead or self._until_confirmed:
            for entry, item in zip(entries, items, strict=True):
                if entry.pos not in self._ahead and self._goes(entry, item, works):
                    works.append(Work(entry, item, 0, 0))
                    if self._until_confirmed:
                        self._in_hand.add(entry.subject)
            return
        odd = [place - start for place in share.odd if start <= place < stop]
        pieces = self._reader.pieces(chunk, self.port.no, start, stop)
        part = Round.of(entries, items, pieces, chunk, odd)
        staying = {at for at in self._doubtful(entries, odd) if not self._goes(entries[at], items[at], works)}
        works.join(part.without(staying))

    def _doubtful(self, entries: Sequence[Entry], odd: Sequence[int]) -> list[int]:
        """Return the places of those of which it is not plain that they go out: the odd, and whose residents wait.

        An odd one may begin to wait; then its resident's later ones wait with it.
        """
        if not odd and self._lanes.empty and not self._scheduled:
            return []
        lanes, scheduled, also = self._lanes, self._scheduled, {entries[place].subject for place in odd}
        subjects = enumerate(entry.subject for entry in entries)
        return [at for at, subject in subjects if subject in lanes or subject in scheduled or subject in also]

    def _goes(self, entry: Entry, item: Item, works: Round) -> bool:
        """Say whether a delivery of the log goes out in this round; if not, it has ended, or waits."""
        subject, now = entry.subject, now_ms()
        if item.made is not None and self._collapse(entry, item, works):
            return False
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
        elif subject in self._lanes or subject in self._in_hand:
            self._hold(entry, EARLIER_WAITING, _about((item.made or {}).get("target")))
        else:
            return True
        return False

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
        amended = {entry.subject for entry in vital if entry.type != "resident.died"}
        died = {entry.subject for entry in vital if self._scheduled.of(entry.subject)} if self._scheduled else set()
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

    def _collapse(self, entry: Entry, item: Item, works: Round) -> bool:
        """End a pair of which nothing was ever tried: nobody need hear that what they never heard is not so.

        What goes out in this very round is left alone: who is told of it is told of what follows, too.
        """
        made = item.made or {}
        target = made.get("target")
        subject = entry.wire.subject
        waiting = [*self._scheduled.of(subject), *self._lanes.of(subject)]
        untried = [
            hold
            for hold in waiting
            if (hold.pos == target or hold.detail == _about(target))
            and not (hold.attempts or hold.no or hold.job)
            and all(work.entry.pos != hold.pos or work.job != hold.job for work in works.waited)
        ]
        original = any(hold.pos == target for hold in untried)
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

    async def _protect(self, works: Round) -> Round:
        """Mark the protected residents' deliveries, and hold or end those that may not go out."""
        flags = await self._flags(works)
        staying = set()
        for place in works.about(flags):
            work = works.work(place)
            if not flags[work.subject]:
                self._keep(work, delivery_code("held", "protection-unknown"), now_ms() + UNKNOWN_AGAIN)
                staying.add(place)
            elif (cut := cut_for(work.entry, work.item, self._rules)).suppressed:
                self._end(work, delivery_code("suppressed", "protected"), self._carry)
                staying.add(place)
            else:
                works.cut(place, cut)
        return works.without(staying)

    async def _protection_changed(self, works: Round) -> bool:
        """Say whether deliveries hold what a resident, protected since they were made, must not have told."""
        flags = await self._flags(works)
        return not all(map(works.is_cut, works.about(flags)))

    async def _flags(self, works: Round) -> Mapping[str, bool]:
        return await self._watch.flags(works.subjects)

    def _keep(self, work: Work, status: int, due: int | None, detail: str = "") -> None:
        hold = replace(work.waiting(now_ms()), status=status, detail=detail, due=due)
        self._lanes.add(hold)
        self._carry.holds.append(hold)

    # --- the system's own numbers of residents -------------------------------------------------------------------

    async def _numbered(self, works: Round) -> Round:
        """Hold or end what needs a number that is not known; complete what was planned without it."""
        if self.port.numbering is None or not works:
            return works
        found = await asyncio.to_thread(self.port.numbering.sort, works)
        for at, status in [(at, ID_UNKNOWN) for at in found.held] + [(at, EARLIER_WAITING) for at in found.following]:
            self._keep(works[at], status, None)
        for at, why in found.faulty.items():
            self._keep(works[at], delivery_code("held", "ask"), None, masked(why, [self._made_of(works[at])]))
        for at in found.refused:
            self._carry.fail(works[at], "rejected", REFUSED, now_ms())
            self._end(works[at], DEAD_REJECTED, self._carry)
            if self.port.settings.on_dead == "stop":
                self._carry.pause = STOPPED
        for at, item in found.completed.items():
            self._complete(works[at], item)
        return Round([works[at] for at in found.going])

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

    def _batch(self, works: Round, number: int, date: str = "", *, then: bool = False) -> Batch:
        date = date or dt.datetime.now(self.port.timezone).date().isoformat()
        if works.is_plain:
            self._next_no += works.begin(self._next_no)
            return Batch(self.key, number, date, Made(works))
        deliveries, following = [], self._next_no
        for work in works:
            if not work.no:
                work.no = following
                following += 1
            made = self._made_of(work, then=then) if work.cut else work.entry.delivery(work.item, work.no, work.job)
            deliveries.append(made)
        self._next_no = following
        return Batch(self.key, number, date, deliveries)

    def _made_of(self, work: Work, *, then: bool = False) -> Delivery:
        """Return what is sent; of a protected resident without what the receiver may not be told, now or `then`."""
        cut = cut_for(work.entry, work.item, self._rules, then=then) if work.cut else None
        return work.entry.delivery(work.item, work.no, work.job, cut)

    async def _deliver(self, works: Round) -> None:
        works = await self._unconfirmed(works)
        if self._carry.pause:  # what was heard stops the receiver, and with it what came in the same round
            await self._record(works, [self._untried(work) for work in works], 0)
            return
        works = await self._doubted(await self._numbered(await self._protect(works)))
        if not works:
            await self._settle(Record())
            return
        batch = self._batch(works, self._next_batch)
        self._next_batch += 1
        self._check_lease()
        try:
            outcomes = await (self._prepared if self._sink.features.prepared else self._direct)(works, batch)
            if outcomes is not None and len(outcomes) != len(works):
                raise Fault(f"the adapter answered {len(outcomes)} outcomes for {len(works)}", code="fault")  # noqa: TRY301
        except (Transient, Rejected, Malformed, OutcomeUnknown) as error:
            if self._sink.features.prepared and self._intent_open:
                raise  # the batch may stand half-way: it is finished from its intent
            outcomes = [Outcome(delivery.key, error) for delivery in batch.deliveries]
        except Fault as fault:
            if self._intent_open:
                raise
            outcomes = self._narrow(works, batch, fault)
        else:
            self._most = self._most * 2 if self._most and self._most < BATCH_ROWS else None
        if outcomes is not None:
            await self._record(works, outcomes, batch.no)

    async def _unconfirmed(self, works: Round) -> Round:
        """Ask a system that can be asked for what it took and holds its residents' next until it has it for good."""
        asked = Round([work for work in works.waited if work.hold is not None and work.hold.answered])
        if not asked:
            return works
        for work in asked:
            work.cut = True  # a question needs nothing that locates anybody
        answers: Sequence[Outcome | None]
        batch = self._batch(asked, 0)
        try:
            answers = await self._sink.confirm(batch)
        except (HubError, Fault) as error:
            log.warning("%s cannot be asked what it has: %s", self.key, error)
            answers = [None] * len(asked)
        for work, answer in zip(asked, answers, strict=True):
            self._hear(work, answer, now_ms())
        return Round([work for work in works if work not in asked])

    def _hear(self, work: Work, answer: Outcome | None, now: int) -> None:
        """Confirm or refuse what a system was asked for, or keep it to ask again, less often the longer it lasts."""
        error = answer.error if answer is not None else OutcomeUnknown("nothing is known of it")
        waited = work.waiting(now)
        if error is None or isinstance(error, Rejected | Malformed):
            taken = WARNING if waited.status == ALTERED else CONFIRMED
            self._carry.answer(taken if error is None else DEAD_REJECTED, work.job, work.entry.pos, work.no)
            self._carry.released.append((work.entry.pos, work.job))
            self._lanes.remove(work.subject, work.entry.pos, work.job)
            if error is not None:
                self._carry.fail(work, "rejected", error, now)
                self._carry.pause = STOPPED if self.port.settings.on_dead == "stop" else ""
            return
        due = now + min(max(ASKED_FIRST, now - waited.since), ASKED_LAST)
        self._lanes.add(replace(waited, due=due))  # when it is asked next need not outlive the process

    async def _doubted(self, works: Round) -> Round:
        """Ask the system about what a person lets go again after a call; what it took then is not sent twice."""
        waited = works.waited
        again = Round([work for work in waited if work.hold and work.hold.put_by is not None and work.hold.attempts])
        if not again or not self._sink.features.confirms:
            return works
        batch = self._batch(again, 0)
        try:
            answers = await self._sink.confirm(batch)
        except (Transient, Rejected, Malformed, OutcomeUnknown, Fault) as error:
            # All of the round is put back: the cursor has passed what it took from the log.
            waits = error if isinstance(error, Transient) else Transient(str(error), reached=True, code="confirm")
            asked = {id(work) for work in again}
            outcomes = [self._untried(work, waits if id(work) in asked else None) for work in works]
            await self._record(works, outcomes, 0)
            return Round([])
        now, taken = now_ms(), []
        self._mask(again, [answer or in_doubt(each) for answer, each in zip(answers, batch.deliveries, strict=True)])
        for work, answer in zip(again, answers, strict=True):
            if answer and answer.error is None:
                self._arrive(work, self._carry, now, answer)
                taken.append(work)
        return Round([work for work in works if work not in taken])

    def _untried(self, work: Work, error: HubError | None = None) -> Outcome:
        return Outcome(work.entry.key(self.port.no, work.job), error or NotTried(""))

    def _narrow(self, works: Round, batch: Batch, fault: Fault) -> Sequence[Outcome]:
        """Seek the delivery that the sink cannot take, by half a batch at a time: alone it waits, the others go.

        It is refused when it cannot be taken again after the sink took others: until then the sink may be at fault.
        """
        self._most = max(1, len(batch.deliveries) // 2)
        if len(batch.deliveries) > 1:
            return untried(batch)
        log.error("%s: a fault of the adapter: %s", self.key, fault.message, exc_info=fault.__cause__)
        at = (works[0].entry.pos, works[0].job)
        if self._health.takes > self._suspects.setdefault(at, self._health.takes) and not self._health.failures:
            del self._suspects[at]
            return [Outcome(batch.deliveries[0].key, Rejected(fault.message, code="fault"))]
        if self._health.breaker is not None:
            self._health.breaker.passed.add(at)
        return [Outcome(batch.deliveries[0].key, Transient(fault.message, reached=True, code="fault"))]

    async def _prepared(self, works: Round, batch: Batch) -> Sequence[Outcome] | None:
        """Deliver in two steps; None when somebody became protected between them, and it begins anew."""
        token = await self._sink.prepare(batch)
        await self._settle(Record(), intent=works.intent(batch.no, token, batch.date))
        if await self._protection_changed(works) and await self._sink.withdraw(batch, token):
            await self._release_intent(works)
            return None
        self._check_lease()
        return await self._sink.commit(batch, token)

    async def _direct(self, works: Round, batch: Batch) -> Sequence[Outcome]:
        if not self._sink.features.idempotent:
            await self._settle(Record(), intent=works.intent(batch.no, None, batch.date))
            self._check_lease()
        return await self._sink.deliver(works, batch)

    def _ends_calls(self) -> bool:
        """Say whether no more calls are made in this round, of which there may be many."""
        return self._stopping or self._lapsed or self.port.shut(self.key) is not None

    @property
    def _lapsed(self) -> bool:
        return asyncio.get_running_loop().time() > self.valid_until - 1

    def _check_lease(self) -> None:
        if self._lapsed:
            raise Fenced(f"the lease of {self.key} could not be renewed in time")

    # --- recording ---------------------------------------------------------------------------------------------

    async def _record(self, works: Round, outcomes: Sequence[Outcome], batch: int) -> None:
        record = Record(batch)
        now = now_ms()
        left: list[Work] = []
        tried: list[Outcome] = []  # a resident's later ones say nothing of the system: they follow their head's fate
        blocked: set[str] = set()
        if isinstance(outcomes, Delivered) or all(each.error is None and not each.detail for each in outcomes):
            self._all_well(works, record, now)
            works, tried = Round([]), list(outcomes[:1])
        self._mask(works, outcomes)
        for work, outcome in zip(works, outcomes, strict=False):
            if work.subject not in blocked:
                tried.append(outcome)
            if not went_out(outcome.error, behind=work.subject in blocked):
                left.append(work)
            elif outcome.error is None:
                self._arrive(work, record, now, outcome)
            elif isinstance(outcome.error, Rejected | Malformed):
                self._end(work, DEAD_REJECTED, record)
                record.fail(work, "rejected", outcome.error, now)
            else:
                blocked.add(work.subject)
                self._wait(work, outcome.error, record, now)
        was_open = self._health.breaker is not None
        self._health.judge(tried, now)
        for work in left:
            self._again(work, record, now, waits=work.subject in blocked)
        stops = self.port.settings.on_dead == "stop" and any(failure.kind in DEATHS for failure in record.failures)
        record.pause = STOPPED if stops else ""
        await self._settle(record, intent=False if self._intent_open else None)
        if was_open and self._health.breaker is None:
            self._lanes.wake(now_ms())

    def _mask(self, works: Sequence[Work], outcomes: Sequence[Outcome]) -> None:
        """Take out of errors and remarks what was sent: they are kept, listed and logged."""
        for work, outcome in zip(works, outcomes, strict=False):
            if outcome.error is not None and not isinstance(outcome.error, NotTried):
                mask(outcome.error, [self._made_of(work)])
            elif outcome.detail:
                outcome.detail = masked(outcome.detail, [self._made_of(work)])

    def _all_well(self, works: Round, record: Record, now: int) -> None:
        """Note the commonest ending, without a question for each."""
        if works.is_plain:
            record.arrived = works.positions, works.numbers
            record.together = len(works) >= TOGETHER and self._desk.folds and self._is_final
            return
        if self._until_confirmed:
            for work in works:
                self._arrive(work, record, now)
            return
        first = [work for work in works if work.hold is None]
        record.arrived = ([work.entry.pos for work in first], [work.no for work in first])
        if len(first) < len(works):
            for work in works:
                if work.hold is not None:
                    self._end(work, DELIVERED, record)

    @property
    def _is_final(self) -> bool:
        """Say whether nobody will say more of what has arrived: no system answers, nobody is asked, no robot works."""
        return self._sink.features.prepared and self.port.settings.acknowledged is None

    def _arrive(self, work: Work, record: Record, now: int, outcome: Outcome | None = None) -> None:
        """Note that the system has it, and what of it is not as it was.

        With `order_until: confirmed` it holds its resident's next until the answer.
        """
        status = record.remark(work, outcome, now)
        if not self._until_confirmed:
            self._end(work, status, record)
            return
        record.finish(status, work.job, work.entry.pos, work.no)
        self._suspects.pop((work.entry.pos, work.job), None)
        due = now + ASKED_FIRST if self._asks else None
        hold = replace(work.waiting(now), status=status, detail="", since=now, due=due, put_by=None)
        self._lanes.add(hold)
        record.holds.append(hold)

    def _end(self, work: Work, status: int, record: Record) -> None:
        record.finish(status, work.job, work.entry.pos, work.no)
        if work.hold is not None:
            record.released.append((work.entry.pos, work.job))
            self._suspects.pop((work.entry.pos, work.job), None)
        if work.hold is not None or self._until_confirmed:  # what followed it from the same round waits in its lane
            self._lanes.remove(work.subject, work.entry.pos, work.job)

    def _wait(self, work: Work, error: HubError | None, record: Record, now: int) -> None:
        """Put a failed delivery into `pending`: waiting with a time, or unknown until it is confirmed."""
        attempts = work.attempts
        if isinstance(error, OutcomeUnknown):
            status, due, kind = UNKNOWN, None, "unknown"
            attempts += 1
        else:
            counted = self._health.breaker is None and isinstance(error, Transient) and error.reached
            attempts += counted
            after = error.retry_after if isinstance(error, Transient) else None
            if counted and self._exhausted(work, attempts):
                self._end(work, DEAD_EXHAUSTED, record)
                record.fail(work, "exhausted", error, now)
                return
            delay = self._schedule.delay(attempts, after, _RANDOM) if counted else self._health.delay()
            status, due, kind = WAITING, now + int(delay * 1000), "transient" if counted else UNREACHED
        again = replace(work.waiting(now), status=status, detail=str(error), due=due, attempts=attempts)
        self._lanes.add(again)
        record.holds.append(again)
        record.fail(work, kind, error, now)

    def _again(self, work: Work, record: Record, now: int, *, waits: bool) -> None:
        """Keep what was not tried: behind its lane's head, or behind the receiver's breaker, or due at once."""
        if work.hold is not None and not waits:
            self._lanes.add(work.hold)
            return
        breaker = self._health.breaker  # what it holds goes with its head
        shut = self.port.shut(self.key) if breaker is None else None
        idle = delivery_code("held", shut.reason) if shut else BREAKER
        status = EARLIER_WAITING if waits else idle
        due = None if waits or breaker else now
        hold = replace(work.waiting(now), status=status, detail="", due=due)
        self._lanes.add(hold)
        record.holds.append(hold)

    def _exhausted(self, work: Work, attempts: int) -> bool:
        """Say whether a delivery is given up: tried often enough while others to the same receiver got through."""
        limit = self._schedule.give_up
        since = work.hold.since if work.hold else now_ms()
        return limit is not None and attempts >= limit and self._health.succeeded > since

    @property
    def _intent_open(self) -> bool:
        return self._lease.intent is not None

    async def _settle(self, record: Record, *, intent: Intent | bool | None = None) -> None:
        """Write what happened; afterwards the ledger's cursor stands where ours does."""
        carry, self._carry = self._carry, Record()
        now = now_ms()
        cursor, pause = dict(self._cursor), record.pause or carry.pause
        settlement = Settlement(
            receiver=self.port.no,
            owner=self._owner,
            epoch=self.epoch,
            cursor=cursor,
            next_no=self._next_no,
            next_batch=self._next_batch,
            state=self._state(),
            intent=intent,
            finished=[*carry.endings(now), *record.endings(now)],
            holds=[*carry.holds, *record.holds],
            released=[*carry.released, *record.released],
            failures=[*carry.failures, *record.failures],
            obeyed=carry.obeyed,
            noted=carry.noted,
            pause=pause,
        )
        if not await self._write(settlement):
            raise Fenced(f"{self.key} has another owner")
        self._saved = cursor
        self._stood = self._fault_since = 0
        if intent is not None:
            self._lease.intent = intent if isinstance(intent, Intent) else None
        if pause:
            await asyncio.to_thread(self.port.halt, self.key, pause)

    async def _write(self, settlement: Settlement) -> bool:
        """Write a settlement; what became of calls that nobody can be asked about is kept until the ledger takes it.

        Answers False when the lease has moved.
        """
        while True:
            try:
                return await self._writer.settle(settlement)
            except LedgerUnavailable as error:
                if settlement.intent is not False or not self._unrepeatable or self._stopping:
                    raise
                log.warning("%s keeps what became of its calls: %s", self.key, error)
            found = await self._lease_again()
            if found is None or found.intent is None:  # taken over; or it was written, and only the answer was lost
                return found is not None

    @property
    def _unrepeatable(self) -> bool:
        """Say whether what is under way would be in doubt if it were forgotten."""
        return self._lease.intent is not None and self._lease.intent.token is None

    async def _lease_again(self) -> Lease | None:
        """Wait until the ledger answers, and return the lease as it stands there, None when it has moved."""
        while True:
            await self._pause(KEPT)
            try:
                return await asyncio.to_thread(self._desk.lease, self.port.no, self._owner, self.epoch)
            except LedgerUnavailable:
                if self._stopping:
                    raise

    def _state(self) -> str:
        found: dict[str, Any] = {}
        if breaker := self._health.breaker:
            found["breaker"] = {"since": breaker.since, "error": breaker.error, "code": breaker.code}
        if self._shut is not None:
            found["shut"] = {name: value for name, value in asdict(self._shut).items() if name != "by" or value}
        if self.fault:
            found |= {"fault": self.fault, "fault_code": self._fault_code, "fault_since": self._fault_since}
        return orjson.dumps(found).decode()

    # --- waiting -----------------------------------------------------------------------------------------------

    async def _idle(self) -> None:
        self.busy = False
        due = self._health.breaker.next if self._health.breaker else self._lanes.next_due()
        due = min((at for at in (due, self._scheduled.next_due()) if at is not None), default=None)
        seconds = 1.0 if due is None else min(1.0, max(0.0, (due - now_ms()) / 1000))
        await self._reader.wait(seconds) if self._health.breaker is None else await self._pause(seconds)

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            return


def _about(target: int | None) -> str:
    """Return the note of a correction that waits: the event it is about."""
    return "" if target is None else f"target:{target}"


def _kind(entry: Entry, item: Item) -> str:
    """Return what a scheduled delivery may be overtaken by: another of its kind, or what ends its target."""
    target = (item.made or {}).get("target")
    return _about(target) or kind_of(type_of(entry.wire.type)[0], Lazy(entry.wire.data))


def _position(entry: Entry) -> int:
    return entry.pos
