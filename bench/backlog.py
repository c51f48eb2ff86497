"""Backlog: one receiver is dead while events pile up; then it comes back. Memory, drain rate, the others' delay."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from functools import partial
from pathlib import Path

from bench import hubs
from bench.check import Break
from bench.flow import Watch, number_in, percentile, publish_steadily, waits
from bench.harness import Contestant, Figures, Limit, measure, options
from bench.meter import Meter
from bench.services import Ground, Plot, fill_hub, ground
from bench.town import FIELDS, TYPES, Rule, Stream, stream, system_name, write_city
from bench.waiting import until

DEAD = 0
RATE = 50.0  # events a second to the others while the dead one drains
RULES = [
    Rule(DEAD, "all", TYPES, ("effective_on",)),
    *(Rule(system, "born", ("resident.born",), tuple(sorted(FIELDS["resident.born"]))) for system in range(1, 5)),
]


def sizes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--waiting", type=int, help="deliveries that wait (1,000,000; 10,000 with --quick)")


def run(own: Ground, kind: str, made: Stream, waiting: int, broken: Break | None, _warming: bool) -> Figures:
    with own.plot(kind) as plot:
        receives = {DEAD: f"{{adapter: jsonl, path: out/blocked/{system_name(DEAD)}.jsonl}}"}
        write_city(plot.folder, RULES, plot.prefix, receives)
        blocked = plot.folder / "out" / "blocked"
        blocked.parent.mkdir()
        blocked.touch()  # a file where the folder should be: the sink cannot open
        first = sum(1 for _ in _before(made, waiting))
        asyncio.run(fill_hub(plot.folder, plot.environment, made.records[:first]))
        dead = f"{system_name(DEAD)}.main"
        with hubs.running(plot, hubs.TOGETHER) as processes, Meter({**processes.pids, **own.roots()}) as meter:
            hubs.wait_until_delivered(plot, first, processes, besides=[dead])
            piled = meter.peak()
            time.sleep(2)
            blocked.unlink()
            begin = _first_line(plot, processes)
            end, delays = asyncio.run(_drain(plot, made, first, waiting, processes))
        (blocked / f"{system_name(DEAD)}.jsonl").rename(plot.folder / "out" / f"{system_name(DEAD)}.jsonl")
        hubs.check(made, plot.folder / "out", broken)
        name = "hub dispatch+delivery"
        return {
            "drained/s": waiting / (end - begin),
            "seconds": end - begin,
            "peak MB while it piles up": piled[name],
            "peak MB": meter.peak()[name],
            "others p50 ms": percentile(delays, 0.5),
            "others p99 ms": percentile(delays, 0.99),
            **{f"CPU s, {each}": used for each, used in meter.between(begin, end).items()},
        }


def _before(made: Stream, waiting: int) -> list[int]:
    """Return the records that come before the first of the steady ones."""
    seen: set[bytes] = set()
    found = []
    for index, (_, value) in enumerate(made.records):
        seen.add(value[:80])
        if len(seen) > waiting:
            break
        found.append(index)
    return found


def _first_line(plot: Plot, processes: hubs.Running) -> float:
    file = plot.folder / "out" / "blocked" / f"{system_name(DEAD)}.jsonl"
    until(lambda: True if file.exists() and file.stat().st_size else None, processes.assert_alive)
    return time.time()


async def _reached(file: Path, lines: int) -> float:
    """Return the moment at which a growing file has so many lines."""
    with file.open("rb") as stream:
        while True:
            lines -= (await asyncio.to_thread(stream.read, 1 << 24)).count(b"\n")
            if lines <= 0:
                return time.time()
            await asyncio.sleep(0.02)


async def _drain(
    plot: Plot, made: Stream, first: int, waiting: int, processes: hubs.Running
) -> tuple[float, list[float]]:
    watch = Watch([plot.folder / "out" / f"{system_name(system)}.jsonl" for system in range(1, len(made.owed))])
    done = asyncio.Event()
    watching = asyncio.create_task(watch.run(done))
    late = made.records[first:]
    drained = asyncio.create_task(_reached(plot.folder / "out" / "blocked" / f"{system_name(DEAD)}.jsonl", waiting))
    at = await publish_steadily(plot.bootstrap, f"{plot.prefix}.events", late, RATE)
    await asyncio.to_thread(hubs.wait_until_delivered, plot, len(made.records), processes)
    await asyncio.sleep(0.05)
    done.set()
    await watching
    accepted: dict[int, float] = {}
    for (_, value), moment in zip(late, at, strict=True):
        accepted.setdefault(number_in(value), moment)
    return await drained, waits(
        accepted, [{n: t for n, t in seen.items() if n in accepted} for seen in watch.seen.values()]
    )


def main() -> int:
    asked = options("backlog", sizes)
    small = asked.quick or asked.broken
    waiting = asked.extra.waiting or (10_000 if small else 1_000_000)
    made = stream(RULES, waiting + (200 if small else 1_000), residents=140_000)
    with ground() as own:
        contestants = [
            Contestant(f"hub {kind}", partial(run, own, kind, made, waiting, asked.broken))
            for kind in ("postgresql", "sqlite")
        ]
        goals = [Limit(f"memory, MB, {kind}", f"hub {kind}", "peak MB", most=300) for kind in ("postgresql", "sqlite")]
        return measure("backlog", contestants, asked, {"waiting": waiting}, goals)


if __name__ == "__main__":
    sys.exit(main())
