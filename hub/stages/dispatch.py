"""Dispatch: one poll of Kafka becomes one transaction of new events, their plans, the facts learned and the positions.

Exactly once: the positions are compared and set in that transaction, so a poll that was handled before, or by another
process, changes nothing. Identity is `(source, id)`: the same pair again is counted on the original, the same pair with
other content is quarantined as `id-reused`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from sqlalchemy.engine import Connection

from hub.errors import ConfigurationError, Fenced, HubError, Malformed, Problem, Unavailable
from hub.events.wire import Wire, content, decode, digest, source_of, system_of, type_of
from hub.ledger.desk import now_ms
from hub.ledger.log import DispatchBatch, EventLog, IdTaken
from hub.ledger.names import Names
from hub.ledger.places import partition_of, position_of, stream_of
from hub.stages.entries import ActiveRules, Chunk, Entry
from hub.stages.planning import STARTED, UNMATCHED, New, Planner, Policy, report_of
from hub.stages.refusals import Refused
from hub.stages.rulebook import RuleBook

TRIES = 20  # of one poll, each time another dispatcher was first with an id


class Record(Protocol):
    """A Kafka record as the bus hands it on."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None


def _nobody() -> None:
    """Tell nobody."""


@dataclass(slots=True)
class Counts:
    """What dispatch has done since it started."""

    events: int = 0
    duplicates: int = 0
    quarantined: int = 0
    planned: int = 0
    unmatched: int = 0


@dataclass(slots=True)
class _Poll:
    """One poll on its way into the ledger."""

    at: int
    batch: DispatchBatch = field(default_factory=DispatchBatch)
    chunks: dict[int, Chunk] = field(default_factory=dict)
    refused: list[Refused] = field(default_factory=list)
    counts: Counts = field(default_factory=Counts)


class Dispatcher:
    """Plans records into the ledger. Synchronous: called in one worker thread, one poll at a time.

    Unless it `hands_on`, nobody in this process delivers: what a receiver is to be sent is not put together.
    """

    def __init__(
        self,
        log: EventLog,
        rules: ActiveRules,
        generation: int,
        *,
        book: RuleBook,
        policy: Policy | None = None,
        quarantine: Callable[[Connection, list[Refused]], None],
        topic: str = "hub.events",
        hands_on: bool = True,
    ) -> None:
        self._log = log
        self._rules = rules
        self._generation = generation
        self._quarantine = quarantine
        self._topic = topic
        self._hands_on = hands_on
        self._sources = Names(log.ledger, "source")
        self._types = Names(log.ledger, "type")
        self._planner = Planner(log, rules, book, policy or Policy())
        self._next: dict[int, int] = {}
        self.counts = Counts()

    def assign(self, partitions: Sequence[int]) -> dict[int, int]:
        """Return where to read the partitions from: the ledger's positions. Forgets all that was remembered.

        Raises ConfigurationError for a partition that the ledger has not recorded.
        """
        positions = self._log.positions()
        streams = {partition: stream_of(self._generation, partition) for partition in partitions}
        self._planner.forget()
        if new := [partition for partition, stream in streams.items() if stream not in positions]:
            where = f"partition {new[0]} of {self._topic}"
            mend = "stop the hub, and run `hub kafka adopt`"
            raise ConfigurationError([Problem(where, "it was added since the hub began with this topic", mend)])
        for stream in streams.values():
            self._next[stream] = positions[stream]
        return {partition: self._next[stream] for partition, stream in streams.items()}

    def handle(self, records: Sequence[Record], writes: Callable[[], object] = _nobody) -> list[Chunk]:
        """Commit one poll and return its stretches of the log, as far as they are handed on.

        When all is planned and is to be written now, `writes` is called; it must not fail. Raises Unavailable (nothing
        was kept; wait and seek back) and Fenced (another process has the partition). Any other error is bisected down
        to its record, which is quarantined.
        """
        try:
            return self._commit(records, Counts(), writes=writes)
        except (Unavailable, Fenced):
            self._planner.forget()
            raise
        except Exception as error:  # noqa: BLE001 - bisected: a fault in one record must not stop the rest
            self._planner.forget()
            if len(records) == 1:
                record = records[0]
                fault = Malformed(f"{type(error).__name__}: {error}", code="fault")
                return self._commit([], Counts(), [self._refuse(record, fault)], passed=record)
            middle = len(records) // 2
            return [*self.handle(records[:middle], writes), *self.handle(records[middle:], writes)]

    def _commit(
        self,
        records: Sequence[Record],
        counts: Counts,
        refused: list[Refused] | None = None,
        passed: Record | None = None,
        writes: Callable[[], object] = _nobody,
    ) -> list[Chunk]:
        poll = _Poll(now_ms(), counts=counts, refused=refused or [])
        decoded = self._decode(records, poll)
        unreadable = list(poll.refused)
        for again in reversed(range(TRIES)):
            try:
                self._plan(decoded, poll)
                self._positions([*records, *([passed] if passed else [])], poll)
                if poll.batch.days:  # also of partitions that bring nothing: they must be ours still
                    poll.batch.positions = {each: (at, at) for each, at in self._next.items()} | poll.batch.positions
                writes()
                self._log.commit(poll.batch, partial(self._put_aside, poll) if poll.refused else None)
                break
            except IdTaken:  # another dispatcher was first with one of the ids: look again, plan again
                if not again:
                    raise
                self._planner.forget()
                poll = _Poll(now_ms(), refused=list(unreadable))
        self._planner.settle()
        for stream, (_, following) in poll.batch.positions.items():
            self._next[stream] = following
        self._count(poll)
        return list(poll.chunks.values()) if self._hands_on else []

    def _put_aside(self, poll: _Poll, connection: Connection) -> None:
        self._quarantine(connection, poll.refused)

    def _count(self, poll: _Poll) -> None:
        done = poll.counts
        self.counts.events += len(poll.batch.events)
        self.counts.duplicates += done.duplicates
        self.counts.planned += done.planned
        self.counts.unmatched += done.unmatched
        self.counts.quarantined += len(poll.refused)

    # --- reading -----------------------------------------------------------------------------------------------

    def _refuse(self, record: Record, error: HubError, reuses: int | None = None) -> Refused:
        return Refused(record.partition, record.offset, record.value or b"", error, reuses)

    def _decode(self, records: Sequence[Record], poll: _Poll) -> list[tuple[Record, Wire]]:
        decoded = []
        for record in records:
            try:
                wire = decode(record.value or b"")
                type_of(wire.type)
            except Malformed as error:
                poll.refused.append(self._refuse(record, error))
            else:
                decoded.append((record, wire))
        return decoded

    def _positions(self, records: Sequence[Record], poll: _Poll) -> None:
        """Note how far each stream has come, and open a chunk also where nothing was planned."""
        last: dict[int, int] = {}
        for record in records:
            last[record.partition] = max(last.get(record.partition, -1), record.offset)
        for partition, offset in last.items():
            stream = stream_of(self._generation, partition)
            expected = self._next[stream]
            poll.batch.positions[stream] = (expected, max(expected, offset + 1))
        for stream, (_, following) in poll.batch.positions.items():
            chunk = self._chunk(poll, stream)
            chunk.upto = (stream << 40) + following - 1

    def _chunk(self, poll: _Poll, stream: int) -> Chunk:
        chunk = poll.chunks.get(stream)
        if chunk is None:
            after = (stream << 40) + self._next[stream] - 1
            chunk = poll.chunks[stream] = Chunk(stream, after, after, 0)
        return chunk

    # --- planning ----------------------------------------------------------------------------------------------

    def _plan(self, decoded: list[tuple[Record, Wire]], poll: _Poll) -> None:
        numbers = {wire.source: 0 for _, wire in decoded}
        for name in numbers:
            numbers[name] = self._sources.number(source_of(name))
        known: dict[tuple[str, int], tuple[int, bytes, Wire | None]] = {
            key: (pos, mark, None)
            for key, (pos, mark) in self._log.known((wire.id, numbers[wire.source]) for _, wire in decoded).items()
        }
        bases = {part: position_of(self._generation, part, 0) for part in {record.partition for record, _ in decoded}}
        fresh: list[tuple[int, Wire, int, bytes]] = []
        seen: dict[tuple[str, int], int] = {}
        for record, wire in decoded:
            source = numbers[wire.source]
            key = (wire.id, source)
            mark = digest(wire, record.value or b"")
            pos = bases[record.partition] + record.offset
            earlier = known.get(key)
            if earlier is None:
                known[key] = (pos, mark, wire)
                fresh.append((pos, wire, source, record.value or b""))
                poll.batch.ids.append((wire.id, source, pos, mark, 1))
            elif earlier[1] == mark or self._same(wire, earlier):
                seen[key] = seen.get(key, 0) + 1
                poll.counts.duplicates += 1
            else:
                poll.refused.append(self._refuse(record, _reused(wire), earlier[0]))
        poll.batch.repeats = [(times, event_id, source) for (event_id, source), times in seen.items()]
        news = [New.of(*each) for each in fresh]
        self._planner.load(news)
        self._planner.dawn(poll.batch, [partition_of(stream) for stream in self._next])
        for new in news:
            self._plan_one(new, poll)
        poll.batch.arrived = self._arrived(decoded, {each.raw for each in poll.refused})

    @staticmethod
    def _arrived(decoded: list[tuple[Record, Wire]], refused: set[bytes]) -> list[tuple[str]]:
        """Return the reports whose early marks end; a start that was refused keeps its own until a person has looked.

        A correction's ends in any case: what it came to is known now.
        """
        kinds = {kind for kind in {wire.type for _, wire in decoded} if ".event.c" in kind or STARTED in kind}
        return [
            (report_of(wire),)
            for record, wire in (decoded if kinds else ())
            if wire.type in kinds and (".event.c" in wire.type or (record.value or b"") not in refused)
        ]

    def _same(self, wire: Wire, earlier: tuple[int, bytes, Wire | None]) -> bool:
        """Compare by value what differs in bytes (key order, spacing)."""
        pos, _, original = earlier
        return content(wire) == content(original or decode(self._log.body(pos)))

    def _plan_one(self, new: New, poll: _Poll) -> None:
        try:
            planned = self._planner.plan(new, poll.batch)
        except Malformed as error:
            poll.refused.append(Refused(self._partition(new.pos), self._offset(new.pos), new.body, error))
            poll.batch.ids = [each for each in poll.batch.ids if each[2] != new.pos]
            return
        wire, status, rules = new.wire, planned.status, planned.rules or self._rules
        poll.counts.planned += len(planned.items)
        poll.counts.unmatched += status == UNMATCHED
        plan, number = rules.plan(planned.items), self._types.number(new.type)
        row = (new.pos, wire.id, new.source, number, wire.subject, poll.at, status, rules.no, wire.batchid)
        poll.batch.events.append((*row, plan.packed, new.body))
        if self._hands_on:
            self._chunk(poll, new.pos >> 40).add(Entry(new.pos, wire, rules), plan, len(new.body))

    @staticmethod
    def _partition(pos: int) -> int:
        return partition_of(pos >> 40)

    @staticmethod
    def _offset(pos: int) -> int:
        return pos & ((1 << 40) - 1)


def _reused(wire: Wire) -> Malformed:
    return Malformed(
        f"the id {wire.id} was used before by {system_of(wire.source)} for other content",
        code="id-reused",
        mend="see whether the system's database was restored; give the report a new id if it is a new fact",
    )
