"""Latency: 200 events a second, from Kafka's acknowledgement to the line in the file; once with one system dead."""

from __future__ import annotations

import argparse
import asyncio
import sys
from functools import partial

from bench import hubs
from bench.check import CheckFailed
from bench.flow import Watch, number_in, percentile, publish_steadily, waits
from bench.harness import Contestant, Figures, Goal, Limit, measure, options
from bench.meter import Meter
from bench.services import Ground, Plot, fill_hub, ground
from bench.town import Stream, rules, stream, system_name, write_city

DEAD = 19
PARTS = {"p50 ms": 0.5, "p99 ms": 0.99, "p99.9 ms": 0.999}
HTTP = "{adapter: http, url: 'http://127.0.0.1:9/dead'}"  # the discard port: nobody listens


def sizes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rate", type=float, default=200.0, help="events a second")
    parser.add_argument("--seconds", type=float, help="how long (60; 8 with --quick)")


async def flow(plot: Plot, made: Stream, rate: float, warm: int, dead: bool, processes: hubs.Running) -> list[float]:
    """Publish, wait until every living system has all, and return the waits of what followed the warm events."""
    living = [system for system in range(len(made.owed)) if not (dead and system == DEAD)]
    files = [plot.folder / "out" / f"{system_name(system)}.jsonl" for system in living]
    watch, done = Watch(files), asyncio.Event()
    watching = asyncio.create_task(watch.run(done))
    at = await publish_steadily(plot.bootstrap, f"{plot.prefix}.events", made.records, rate)
    besides = [f"{system_name(DEAD)}.main"] if dead else []
    await asyncio.to_thread(hubs.wait_until_delivered, plot, len(made.records), processes, besides=besides)
    await asyncio.sleep(0.05)
    done.set()
    await watching
    accepted: dict[int, float] = {}
    for (_, value), moment in zip(made.records, at, strict=True):
        accepted.setdefault(number_in(value), moment)
    late = {number: moment for number, moment in accepted.items() if number >= warm}
    return waits(late, [{n: t for n, t in seen.items() if n in late} for seen in watch.seen.values()])


def run(own: Ground, kind: str, made: Stream, rate: float, dead: bool, broken: object, _warming: bool) -> Figures:
    with own.plot(kind) as plot:
        write_city(plot.folder, made.ruleset, plot.prefix, {DEAD: HTTP} if dead else None)
        asyncio.run(fill_hub(plot.folder, plot.environment, []))
        with hubs.running(plot, hubs.TOGETHER) as processes, Meter({**processes.pids, **own.roots()}) as meter:
            processes.wait_until_serving()
            found = asyncio.run(flow(plot, made, rate, made.events // 10, dead, processes))
        if dead:
            if (plot.folder / "out" / f"{system_name(DEAD)}.jsonl").exists():
                raise CheckFailed("the dead system got something")
            made = Stream(made.ruleset, made.records, made.kinds, made.owed[:DEAD])
        hubs.check(made, plot.folder / "out", broken)  # type: ignore[arg-type]
        begin, end = meter.samples[0].at, meter.samples[-1].at
        cpu = {f"CPU s, {name}": used for name, used in meter.between(begin, end).items()}
        rss = {f"peak MB, {name}": size for name, size in meter.peak().items()}
        return {**{name: percentile(found, part) for name, part in PARTS.items()}, "max ms": found[-1], **cpu, **rss}


def main() -> int:
    asked = options("latency", sizes)
    seconds = asked.extra.seconds or (8 if asked.quick or asked.broken else 60)
    made = stream(rules(), int(asked.extra.rate * seconds))
    with ground() as own:
        contestants = [
            Contestant(
                f"hub {kind}{', one dead' if dead else ''}",
                partial(run, own, kind, made, asked.extra.rate, dead, asked.broken),
            )
            for kind in ("postgresql", "sqlite")
            for dead in (False, True)
        ]
        goals: list[Goal | Limit] = [
            Limit("p99 on PostgreSQL, ms", "hub postgresql", "p99 ms", most=100),
            Limit("p99 on SQLite, ms", "hub sqlite", "p99 ms", most=100),
            Goal("p99 with a dead system", "p99 ms", "hub postgresql, one dead", "hub postgresql", most=1.2),
        ]
        return measure("latency", contestants, asked, {"rate": asked.extra.rate, "seconds": seconds}, goals)


if __name__ == "__main__":
    sys.exit(main())
