"""Replay: 100,000 dead letters of one receiver, sent again by one command."""

from __future__ import annotations

import argparse
import sys
from functools import partial

from bench import commands
from bench.check import Break, tamper, verify
from bench.harness import Contestant, Figures, Limit, measure, options
from bench.services import Ground, ground
from bench.town import TYPES, Rule, Stream, stream, system_name
from hub.ledger.status import DEAD_REJECTED

RULES = [Rule(0, "all", TYPES, ("effective_on",))]


def sizes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dead", type=int, help="dead letters (100,000; 1,000 with --quick)")


def run(own: Ground, made: Stream, broken: Break | None, _warming: bool) -> Figures:
    """Deliver, let the ledger say that all of it was refused, take the file away, replay.

    `--even-if-stale`: a later delivery of the same type and resident would else leave an earlier one out.
    """
    commands.need("replay")
    with own.plot("postgresql") as plot:
        commands.settle(plot, made, RULES)
        file = plot.folder / "out" / f"{system_name(0)}.jsonl"
        file.unlink()
        plot.run(
            "INSERT INTO outcome(receiver, pos, job, status, at, no, batch) "
            "SELECT receiver, pos, job, status, at, no, batch FROM ending ON CONFLICT DO NOTHING",
            "DELETE FROM delivered",
            f"UPDATE outcome SET status = {DEAD_REJECTED}",
            "INSERT INTO attempt(receiver, pos, job, n, at, kind, code, message) "
            "SELECT receiver, pos, job, 1, at, 'rejected', 'bench', 'refused' FROM outcome",
        )
        words = ("replay", "--system", system_name(0), "--status", "dead", "--even-if-stale")
        found = commands.timed(own, plot, made.deliveries, *words)
        if broken:
            tamper([file], broken)
        verify(made, plot.folder / "out", protecting=True)
        return found


def main() -> int:
    asked = options("replay", sizes)
    dead = asked.extra.dead or (1_000 if asked.quick or asked.broken else 100_000)
    made = stream(RULES, dead, residents=commands.RESIDENTS)
    with ground() as own:
        contestants = [Contestant("hub replay", partial(run, own, made, asked.broken))]
        limit = Limit("seconds", "hub replay", "seconds", most=30)
        return measure("replay", contestants, asked, {"dead letters": dead}, [limit])


if __name__ == "__main__":
    sys.exit(main())
