"""Ledger: the same stream into an empty ledger and into one of 10 million deliveries; look-ups; bytes a delivery."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from functools import partial

from bench import hubs, past
from bench.check import Break
from bench.harness import Contestant, Figures, Goal, measure, options
from bench.meter import Meter
from bench.services import Ground, Plot, fill_hub, ground
from bench.town import Stream, event_id, rules, stream, write_city

LOOKS = {
    "events show": ("events", "show", event_id(7), "--json"),
    "deliveries list of a resident": ("deliveries", "list", "--resident", "1000007", "--json"),
    "status": ("status", "--json"),
}


def sizes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--events", type=int, help="different events (30,000; 5,000 with --quick)")
    parser.add_argument("--past", type=int, help="deliveries before (10,000,000; 200,000 with --quick)")


def run(own: Ground, kind: str, before: int, made: Stream, broken: Break | None, warming: bool) -> Figures:
    with own.plot(kind) as plot:
        write_city(plot.folder, made.ruleset, plot.prefix)
        asyncio.run(fill_hub(plot.folder, plot.environment, made.records))
        if before and not warming:
            past.write(plot, before)
        size = _size(plot, kind)
        with hubs.running(plot, hubs.TOGETHER) as processes, Meter({**processes.pids, **own.roots()}) as meter:
            end = hubs.wait_until_delivered(plot, len(made.records), processes)
        grown = _size(plot, kind) - size
        looks = {f"{name}, ms": _timed(plot, words) for name, words in LOOKS.items()}
        hubs.check(made, plot.folder / "out", broken)
        found = hubs.measured(plot, made.events // 10, end, hubs.DELIVERIES, meter)
        return {**found, "µs an event": 1e6 / found["events/s"], "bytes a delivery": grown / made.deliveries, **looks}


def _size(plot: Plot, kind: str) -> int:
    if kind == "sqlite":
        plot.query("PRAGMA wal_checkpoint(TRUNCATE)")
        return (plot.folder / "ledger.db").stat().st_size
    return int(plot.query("SELECT pg_database_size(current_database())")[0][0])


def _timed(plot: Plot, words: tuple[str, ...]) -> float:
    begin = time.perf_counter()
    done = hubs.command(plot, *words)
    if done.returncode:
        raise RuntimeError(f"hub {' '.join(words)}: {done.stderr[-800:]}")
    return (time.perf_counter() - begin) * 1000


def main() -> int:
    asked = options("ledger", sizes)
    small = asked.quick or asked.broken
    count = asked.extra.events or (5_000 if small else 30_000)
    before = asked.extra.past or (200_000 if small else 10_000_000)
    made = stream(rules(), count, residents=past.RESIDENTS)
    with ground() as own:
        contestants = [
            Contestant(f"hub {kind} {name}", partial(run, own, kind, size, made, asked.broken))
            for kind in ("postgresql", "sqlite")
            for name, size in (("empty", 0), ("full", before))
        ]
        goals = [
            Goal(
                f"time an event, full over empty, {kind}",
                "µs an event",
                f"hub {kind} full",
                f"hub {kind} empty",
                most=1.3,
            )
            for kind in ("postgresql", "sqlite")
        ]
        return measure("ledger", contestants, asked, {"events": count, "past deliveries": before}, goals)


if __name__ == "__main__":
    sys.exit(main())
