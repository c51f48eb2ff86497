"""Catch up: every receiver is behind by a whole backlog, as after a weekend or a restore; then all are delivered to."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from functools import partial

from bench import hubs
from bench.check import Break
from bench.harness import Contestant, Figures, Goal, Limit, measure, options
from bench.meter import Meter
from bench.services import Ground, fill_hub, ground
from bench.town import Stream, rules, stream, system_name, write_city

KINDS = ("postgresql", "sqlite")
RATE = "deliveries/s"
GOALS: tuple[Goal | Limit, ...] = (
    *(Goal(f"behind, over in step, {kind}", RATE, f"behind {kind}", f"in step {kind}", least=1.0) for kind in KINDS),
    *(Limit(f"memory, MB, {kind}", f"behind {kind}", "peak MB", most=300) for kind in KINDS),
)


def sizes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--events", type=int, help="different events (150,000; 10,000 with --quick)")


def behind(own: Ground, kind: str, made: Stream, broken: Break | None) -> Figures:
    """Dispatch everything while nobody delivers, then deliver; the clock starts when the hub says that it runs."""
    receivers = [f"{system_name(system)}.main" for system in range(len(made.owed))]
    with own.plot(kind) as plot:
        write_city(plot.folder, made.ruleset, plot.prefix)
        asyncio.run(fill_hub(plot.folder, plot.environment, made.records))
        with hubs.running(plot, (("dispatch",),)) as processes:
            hubs.wait_until_delivered(plot, len(made.records), processes, besides=receivers)
        with hubs.running(plot, hubs.TOGETHER) as processes, Meter({**processes.pids, **own.roots()}) as meter:
            processes.wait_until_serving()
            begin = time.time()
            end = hubs.wait_until_delivered(plot, len(made.records), processes)
        hubs.check(made, plot.folder / "out", broken)
        done, used = made.deliveries, meter.between(begin, end)
        return {
            RATE: done / (end - begin),
            "seconds": end - begin,
            "peak MB": meter.peak()["hub dispatch+delivery"],
            **{f"CPU µs a delivery, {name}": seconds / done * 1e6 for name, seconds in used.items()},
        }


def in_step(own: Ground, kind: str, made: Stream, broken: Break | None) -> Figures:
    """Dispatch and deliver the same in one process, as it comes."""
    found = hubs.fan_out(own, kind, hubs.TOGETHER, made, made.events // 10, broken)
    return {**found, "peak MB": found["peak MB, hub dispatch+delivery"]}


def main() -> int:
    asked = options("catch-up", sizes)
    events = asked.extra.events or (10_000 if asked.quick or asked.broken else 150_000)
    made, little = stream(rules(), events), stream(rules(), 5_000)
    with ground() as own:

        def run(way: partial[Figures], warming: bool) -> Figures:
            return way(made=little if warming else made)

        contestants = [
            Contestant(f"{name} {kind}", partial(run, partial(way, own, kind, broken=asked.broken)))
            for kind in KINDS
            for name, way in (("behind", behind), ("in step", in_step))
        ]
        shape = {"events": events, "deliveries": made.deliveries, "systems": len(made.owed)}
        return measure("catch-up", contestants, asked, shape, GOALS)


if __name__ == "__main__":
    sys.exit(main())
