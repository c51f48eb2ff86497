"""Writes: the ledger's two transactions alone, dispatch's of a poll and delivery's of what became of it.

The rows are those that dispatch makes of the benches' stream; making them is not in the time. Into an empty ledger, and
into one that holds millions of deliveries.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice

from sqlalchemy.engine import Connection

from bench import past
from bench.check import Break, CheckFailed
from bench.harness import Contestant, Figures, Goal, Limit, measure, options
from bench.services import Ground, Plot, ground, open_city
from bench.town import Stream, rules, stream, write_city
from hub.app import Hub
from hub.ledger import schema
from hub.ledger.desk import Finished, Settlement
from hub.ledger.log import DispatchBatch, EventLog
from hub.ledger.status import DELIVERED
from hub.routing.rules import RuleSet
from hub.stages.dispatch import Dispatcher
from hub.stages.planning import Policy

POLL = 5_000  # records
PARTITIONS = 12
LEAST = {"postgresql": 60_000, "sqlite": 100_000}  # deliveries/s


@dataclass(slots=True)
class _Record:
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None


@dataclass(frozen=True, slots=True)
class _Poll:
    """What one poll writes: dispatch's rows, and by receiver the positions that delivery ends."""

    batch: DispatchBatch
    owed: dict[int, list[int]]


class _Copy(EventLog):
    """A log that keeps what is committed."""

    batches: list[DispatchBatch]

    def commit(self, batch: DispatchBatch, beside: Callable[[Connection], None] | None = None) -> None:
        """Commit a batch and keep it."""
        super().commit(batch, beside)
        self.batches.append(batch)


def sizes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--events", type=int, help="different events (60,000; 10,000 with --quick)")
    parser.add_argument("--past", type=int, help="deliveries before (5,000,000; 200,000 with --quick)")


def polls_of(plot: Plot, made: Stream) -> list[_Poll]:
    """Return what dispatch writes of a stream, poll by poll, as it did in a ledger of its own."""
    hub = _opened(plot, made)
    try:
        active = hub.book.activate(RuleSet.of(hub.city))
        log = _Copy(hub.ledger)
        log.batches = []
        generation = log.open_generation("events", "uuid", PARTITIONS)
        policy = Policy(hub.city.city, hub.timezone, hub.city.authority)
        dispatcher = Dispatcher(log, active, generation, book=hub.book, policy=policy, quarantine=_refuse)
        dispatcher.assign(range(PARTITIONS))
        found, records = [], iter(_records(made))
        while part := list(islice(records, POLL)):
            owed: dict[int, list[int]] = {}
            for chunk in dispatcher.handle(part):
                for receiver, planned in chunk.planned.items():
                    owed.setdefault(receiver, []).extend(entry.pos for entry, _ in planned)
            found.append(_Poll(log.batches.pop(), owed))
        return found
    finally:
        hub.close()


def _refuse(_: object, refused: Sequence[object]) -> None:
    raise CheckFailed(f"dispatch refused {refused[0]}")


def _records(made: Stream) -> Iterator[_Record]:
    offsets = [0] * PARTITIONS
    for key, value in made.records:
        partition = int(key) % PARTITIONS
        yield _Record(partition, offsets[partition], key, value)
        offsets[partition] += 1


def _opened(plot: Plot, made: Stream) -> Hub:
    write_city(plot.folder, made.ruleset, plot.prefix)
    hub = open_city(plot.folder, plot.environment)
    schema.ready(hub.ledger)
    return hub


def run(own: Ground, kind: str, before: int, made: Stream, polls: Sequence[_Poll], warming: bool) -> Figures:
    with own.plot(kind) as plot:
        hub = _opened(plot, made)
        try:
            if before and not warming:
                past.write(plot, before)
            return _written(hub, plot, polls, made)
        finally:
            hub.close()


def _written(hub: Hub, plot: Plot, polls: Sequence[_Poll], made: Stream) -> Figures:
    hub.log.open_generation("events", "uuid", PARTITIONS)
    numbers = hub.book.activate(RuleSet.of(hub.city)).numbers
    _, leases = hub.desk.renew("bench", list(numbers))
    epochs = {lease.no: lease.epoch for lease in leases}
    done = dict.fromkeys(epochs, 0)
    before = _outcomes(plot)
    dispatch = delivery = 0.0
    for no, poll in enumerate(polls, 1):
        begin = time.perf_counter()
        hub.log.commit(poll.batch)
        dispatch += time.perf_counter() - begin
        settlements = []
        for receiver, positions in poll.owed.items():
            first = done[receiver] + 1
            done[receiver] += len(positions)
            numbers = range(first, done[receiver] + 1)
            ended = Finished(DELIVERED, 0, 1_700_000_000_000, no, positions, numbers, first=True)
            cursor = {position >> 40: position for position in positions}
            settlements.append(
                Settlement(receiver, "bench", epochs[receiver], cursor, done[receiver] + 1, no + 1, finished=[ended])
            )
        begin = time.perf_counter()
        fenced = hub.desk.settle(settlements)
        delivery += time.perf_counter() - begin
        if fenced:
            raise CheckFailed(f"the leases of {fenced} have run out")
    written = _outcomes(plot) - before
    if written != made.deliveries:
        raise CheckFailed(f"{written} deliveries stand in the ledger, {made.deliveries} were planned")
    return {
        "deliveries/s": made.deliveries / (dispatch + delivery),
        "dispatch, µs an event": dispatch / made.events * 1e6,
        "delivery, µs a delivery": delivery / made.deliveries * 1e6,
    }


def _spoil(polls: Sequence[_Poll], how: Break) -> None:
    """Leave out a delivery, or add one that nobody is owed."""
    owed = polls[0].owed
    first, position = min(owed), owed[min(owed)][-1]
    if how == "drop":
        owed[first].pop()
    else:
        next(positions for positions in owed.values() if position not in positions).append(position)


def _outcomes(plot: Plot) -> int:
    return int(plot.query("SELECT count(*) FROM ending")[0][0])


def main() -> int:
    asked = options("writes", sizes)
    small = asked.quick or asked.broken
    count = asked.extra.events or (10_000 if small else 60_000)
    before = asked.extra.past or (200_000 if small else 5_000_000)
    made = stream(rules(), count, residents=past.RESIDENTS)
    with ground() as own:
        with own.plot("sqlite") as plot:
            polls = polls_of(plot, made)
        if asked.broken:
            _spoil(polls, asked.broken)
        contestants = [
            Contestant(f"{kind} {name}", partial(run, own, kind, size, made, polls))
            for kind in LEAST
            for name, size in (("empty", 0), ("full", before))
        ]
        goals: list[Goal | Limit] = [
            Goal(f"full over empty, {kind}", "deliveries/s", f"{kind} full", f"{kind} empty", least=1 / 1.3)
            for kind in LEAST
        ]
        goals += [
            Limit(f"{kind}, writes only", f"{kind} empty", "deliveries/s", least=least) for kind, least in LEAST.items()
        ]
        return measure("writes", contestants, asked, {"events": count, "past deliveries": before}, goals)


if __name__ == "__main__":
    sys.exit(main())
