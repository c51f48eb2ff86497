"""Rules: the same stream and the same deliveries with 60 rules and with 6,000; the rest speak for nobody."""

from __future__ import annotations

import argparse
import sys
from functools import partial

from bench import hubs
from bench.harness import Contestant, Figures, Goal, measure, options
from bench.services import ground
from bench.town import rules, stream


def sizes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--events", type=int, help="different events (30,000; 5,000 with --quick)")
    parser.add_argument("--rules", type=int, default=6000, help="rules of the large city")


def main() -> int:
    asked = options("rules", sizes)
    count = asked.extra.events or (5_000 if asked.quick or asked.broken else 30_000)
    many = asked.extra.rules
    streams = {number: stream(rules(total=number), count) for number in (60, many)}
    with ground() as own:

        def hub(number: int, _warming: bool) -> Figures:
            found = hubs.fan_out(own, "postgresql", hubs.TOGETHER, streams[number], count // 10, asked.broken)
            return {**found, "µs an event": 1e6 / found["events/s"]}

        contestants = [Contestant(f"hub, {number} rules", partial(hub, number)) for number in (60, many)]
        goal = Goal(
            f"time an event: {many} rules over 60", "µs an event", f"hub, {many} rules", "hub, 60 rules", most=1.3
        )
        return measure("rules", contestants, asked, {"events": count, "rules": many}, [goal])


if __name__ == "__main__":
    sys.exit(main())
