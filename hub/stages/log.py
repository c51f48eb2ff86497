"""Reading the event log: the newest stretches from memory, the rest from the ledger, shared by all receivers.

Dispatch hands over what it has just committed (`append`); a receiver that is behind reads from the ledger. Receivers
share what was read: who stands anywhere in a stretch that is in memory goes on in it, and of several streams those
come first whose next stretch is there, so that all who are behind go through the log together. Memory is bounded
whatever waits.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable
from contextlib import suppress

from hub.ledger.log import EventLog
from hub.ledger.places import OFFSET_BITS, generation_of
from hub.stages.entries import PIECES, ActiveRules, Chunk, Entry

TAIL_EVENTS = 12_000  # kept in memory over all streams; a large one counts as several
COMMON = 4_096  # bytes of an event that counts as one
READ_EVENTS = 2_000  # read from the ledger at once
READ_BYTES = 8 << 20  # after which no more are read at once
READ_CHUNKS = 12  # remembered for receivers within them


class LogReader:
    """The log as receivers read it. All methods run on the event loop."""

    def __init__(self, log: EventLog, rules: Callable[[int], ActiveRules]) -> None:
        self._log = log
        self._rules = rules  # by number; may read the ledger
        self._tails: dict[int, deque[Chunk]] = {}
        self._tail_events = 0
        self._order: deque[Chunk] = deque()
        self._read: OrderedDict[tuple[int, int], asyncio.Future[Chunk]] = OrderedDict()
        self._near: dict[int, dict[int, int]] = {}  # stream → receiver → end of the last stretch it took from
        self.ends: dict[int, int] = {}  # stream → last committed pos
        self._changed = asyncio.Event()
        self._open = asyncio.Event()
        self._open.set()
        self._opening: asyncio.TimerHandle | None = None

    def append(self, chunk: Chunk) -> None:
        """Take over what dispatch has just committed."""
        tail = self._tails.setdefault(chunk.stream, deque())
        if tail and tail[-1].upto != chunk.after:
            self._drop(chunk.stream)
            tail = self._tails.setdefault(chunk.stream, deque())
        tail.append(chunk)
        self._order.append(chunk)
        self._tail_events += _size(chunk)
        self._advance(chunk.stream, chunk.upto)
        while self._tail_events > TAIL_EVENTS and len(self._order) > 1:
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        oldest = self._order.popleft()
        tail = self._tails.get(oldest.stream)
        if tail and tail[0] is oldest:
            tail.popleft()
            self._tail_events -= _size(oldest)

    def _drop(self, stream: int) -> None:
        self._tail_events -= sum(map(_size, self._tails.pop(stream, ())))
        self._order = deque(chunk for chunk in self._order if chunk.stream != stream)

    def _advance(self, stream: int, upto: int) -> None:
        if upto > self.ends.get(stream, -1):
            self.ends[stream] = upto
            self._changed.set()

    def nudge(self) -> None:
        """Wake the receivers: there is something else than the log to look at."""
        self._changed.set()

    async def refresh(self) -> None:
        """Look in the ledger how far the streams have come (another process may dispatch)."""
        for stream, offset in (await asyncio.to_thread(self._log.positions)).items():
            self._advance(stream, (stream << OFFSET_BITS) + offset - 1)

    async def wait(self, seconds: float) -> None:
        """Wait until the log grows or the time is over."""
        event = self._changed
        try:
            async with asyncio.timeout(seconds):
                await event.wait()
        except TimeoutError:
            return
        if self._changed is event:
            self._changed = asyncio.Event()

    def shut(self, seconds: float) -> None:
        """Let who can wait for its `turn` do so until `open`, or for so long; who waits already goes on waiting."""
        if self._opening is not None:
            self._opening.cancel()
        self._open.clear()
        self._opening = asyncio.get_running_loop().call_later(seconds, self.open)

    def open(self) -> None:
        """Let those who wait for their turn go on."""
        if self._opening is not None:
            self._opening.cancel()
            self._opening = None
        self._open.set()

    async def turn(self) -> bool:
        """Wait while the log is shut, since dispatch plans a large poll in this process; say whether it was."""
        if self._open.is_set():
            return False
        return await self._open.wait()

    def behind(self, cursor: dict[int, int]) -> list[int]:
        """Return the streams in which a cursor has not reached the end.

        Those of an earlier topic come first, then those whose next stretch was read from the ledger for somebody.
        """
        left = (stream for stream, end in self.ends.items() if cursor.get(stream, -1) < end)
        return sorted(left, key=lambda stream: self._rank(stream, cursor.get(stream, -1)))

    def _rank(self, stream: int, after: int) -> tuple[int, bool, int]:
        return generation_of(stream), self._being_read(stream, _from(stream, after)) is None, stream

    def distance(self, cursor: dict[int, int]) -> int:
        """Return how many events, at most, lie behind a cursor."""
        return sum(
            end - _from(stream, cursor.get(stream, -1))
            for stream, end in self.ends.items()
            if cursor.get(stream, -1) < end
        )

    async def next(self, stream: int, after: int) -> Chunk | None:
        """Return the stretch that holds the first event behind `after`, or None at the end."""
        after = _from(stream, after)
        end = self.ends.get(stream, -1)
        if after >= end:
            return None
        upto, tail = end, self._tails.get(stream)
        if tail and after < tail[-1].upto:  # else another process has dispatched what follows
            if after >= tail[0].after:
                return next(chunk for chunk in reversed(tail) if chunk.after <= after)
            upto = tail[0].after
        return await self._from_ledger(stream, after, upto)

    def pieces(self, chunk: Chunk, receiver: int, start: int, stop: int) -> list[bytes] | None:
        """Return what a receiver is sent of a part of its share, if it was made with the others'; nothing of the odd.

        When the first of them takes from a stretch, it is made for all that have lately taken from the one before, and
        kept until each has taken its own. Who has never taken from the stream is thought to be here, for a while.
        """
        near = self._near.setdefault(chunk.stream, {})
        if chunk.pieces is None:
            for each in chunk.planned:
                near.setdefault(each, chunk.after)
            others = {each for each, upto in near.items() if chunk.after - TAIL_EVENTS <= upto < chunk.upto}
            if others - {receiver}:
                chunk.make({receiver, *others})
        near[receiver] = chunk.upto
        pieces = chunk.pieces or {}
        made = pieces.get(receiver)
        if made is None:
            return None
        if PIECES * stop == len(made):
            del pieces[receiver]
        return made[PIECES * start : PIECES * stop]

    async def _from_ledger(self, stream: int, after: int, upto: int) -> Chunk:
        key = (stream, after)
        if key not in self._read and (earlier := self._being_read(stream, after)) is not None:
            with suppress(Exception):  # of another place: who stands there meets it
                chunk = await asyncio.shield(earlier)
                if after < chunk.upto:  # else it ended before, by its bytes
                    return chunk
        future = self._read.get(key)
        if future is None:
            future = asyncio.ensure_future(asyncio.to_thread(self._load, stream, after, upto))
            self._read[key] = future
            while len(self._read) > READ_CHUNKS:
                self._read.popitem(last=False)
        try:
            return await asyncio.shield(future)
        except BaseException:
            if future.done():  # else only who waited is cancelled
                self._read.pop(key, None)
            raise

    def _being_read(self, stream: int, after: int) -> asyncio.Future[Chunk] | None:
        """Return a stretch that was read, or is, and that holds what follows `after`."""
        for (of, start), future in self._read.items():
            if of == stream and start <= after:
                if not future.done():
                    upto = start + READ_EVENTS  # or less
                elif future.cancelled() or future.exception() is not None:
                    continue
                else:
                    upto = future.result().upto
                if after < upto:
                    return future
        return None

    def _load(self, stream: int, after: int, upto: int) -> Chunk:
        rows = self._log.read(stream, after, upto, READ_EVENTS, READ_BYTES)
        whole = len(rows) < READ_EVENTS and sum(len(row.body) for row in rows) < READ_BYTES
        chunk = Chunk(stream, after, upto if whole else rows[-1].pos, 0)
        for row in rows:
            rules = self._rules(row.ruleset)
            chunk.add(Entry.of(row.pos, row.body, rules), rules.stored(row.plan), len(row.body))
        return chunk


def _from(stream: int, after: int) -> int:
    """Return the place before the stream's first event where a cursor has not met it."""
    return max(after, (stream << OFFSET_BITS) - 1)


def _size(chunk: Chunk) -> int:
    return max(chunk.events, chunk.size // COMMON, 1)  # a stretch of mere repeats takes room, too
