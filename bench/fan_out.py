"""Fan-out: events stand in Kafka; how fast are they taken in, planned, delivered to files and accounted for."""

from __future__ import annotations

import argparse
import sys
from functools import partial

from bench import hubs, yardsticks
from bench.harness import Contestant, Figures, Goal, measure, options
from bench.services import ground
from bench.town import Stream, rules, stream

FLOOR_TOGETHER, FLOOR_APART = ("dispatch,deliver",), ("dispatch", "deliver")
RATE = "deliveries/s"
GOALS = (
    Goal("PostgreSQL, one process, over the floor", RATE, "hub postgresql 1", "floor postgresql 1", least=1.5),
    Goal("PostgreSQL, two processes, over the floor", RATE, "hub postgresql 2", "floor postgresql 2", least=2.0),
    Goal("SQLite, one process, over the floor", RATE, "hub sqlite 1", "floor sqlite 1", least=1.3),
    Goal("PostgreSQL, over batched FastStream", RATE, "hub postgresql 1", "faststream batches", least=8.0),
    Goal("PostgreSQL, over FastStream by message", RATE, "hub postgresql 1", "faststream each", least=8.0),
    Goal("time an event: long stream over short", "µs an event", "hub postgresql 1 long", "hub postgresql 1", most=1.2),
)


def sizes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--events", type=int, help="different events (50,000; 10,000 with --quick)")
    parser.add_argument("--long", type=int, help="events of the long stream (ten times as many)")


def main() -> int:
    asked = options("fan-out", sizes)
    events = asked.extra.events or (10_000 if asked.quick or asked.broken else 50_000)
    long = asked.extra.long or 10 * events
    made: dict[int, Stream] = {}

    def of(count: int) -> Stream:
        if count not in made:
            made[count] = stream(rules(), count)
        return made[count]

    with ground() as own:

        def hub(kind: str, stages: hubs.Stages, count: int, warming: bool) -> Figures:
            found = hubs.fan_out(own, kind, stages, of(5_000 if warming else count), count // 10, asked.broken)
            return {**found, "µs an event": 1e6 / found["events/s"]}

        def floor(kind: str, roles: tuple[str, ...], warming: bool) -> Figures:
            count = 5_000 if warming else events
            return yardsticks.fan_out(own, kind, "floor", roles, of(count), count // 10, asked.broken)

        def usual(module: str, count: int, warming: bool) -> Figures:
            count = count // 4 if warming else count
            return yardsticks.fan_out(own, "postgresql", module, FLOOR_TOGETHER, of(count), count // 10, asked.broken)

        contestants = [
            Contestant("hub postgresql 1", partial(hub, "postgresql", hubs.TOGETHER, events)),
            Contestant("floor postgresql 1", partial(floor, "postgresql", FLOOR_TOGETHER)),
            Contestant("hub postgresql 2", partial(hub, "postgresql", hubs.APART, events)),
            Contestant("floor postgresql 2", partial(floor, "postgresql", FLOOR_APART)),
            Contestant("hub sqlite 1", partial(hub, "sqlite", hubs.TOGETHER, events)),
            Contestant("floor sqlite 1", partial(floor, "sqlite", FLOOR_TOGETHER)),
            Contestant("faststream batches", partial(usual, "faststream_batches", max(500, events // 20))),
            Contestant("faststream each", partial(usual, "faststream_each", max(50, events // 500))),
        ]
        if not (asked.quick or asked.broken):
            contestants.append(Contestant("hub postgresql 1 long", partial(hub, "postgresql", hubs.TOGETHER, long)))
        shape = {
            "events": events,
            "long": long,
            "deliveries": of(events).deliveries,
            "records": len(of(events).records),
            "rules": 60,
            "systems": 20,
            "bytes an event": sum(len(value) for _, value in of(events).records) // len(of(events).records),
        }
        return measure("fan-out", contestants, asked, shape, GOALS)


if __name__ == "__main__":
    sys.exit(main())
