"""Seed: the present state of 140,000 residents to one new subscriber."""

from __future__ import annotations

import argparse
import random
import shutil
import sys
from functools import partial

import orjson

from bench import commands
from bench.check import Break, CheckFailed, tamper
from bench.harness import Contestant, Figures, Limit, measure, options
from bench.services import Ground, ground
from bench.town import (
    FIELDS,
    LOCATING,
    PROTECTED,
    Report,
    Routes,
    Rule,
    Stream,
    encoded,
    reports,
    system_name,
    write_city,
)

NEW = 1
OLD_RULES = [Rule(0, "born", ("resident.born",), ("name", "effective_on"))]
NEW_RULE = Rule(NEW, "moved", ("resident.moved",), ("name", "kana", "new_address", "household_no", "effective_on"))


def sizes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--residents", type=int, help="residents (140,000; 1,000 with --quick)")


def moved_in(residents: int) -> Stream:
    """Return one move of every resident, in another order than their numbers'."""
    moves = [report for report in reports(4_000) if report.type == "resident.moved"]
    numbers = list(range(residents))
    random.Random(3).shuffle(numbers)
    made, routes = Stream(OLD_RULES, owed=[[0] * residents]), Routes(OLD_RULES)
    for place, number in enumerate(numbers):
        data = {**moves[place % len(moves)].data, "effective_on": "2026-04-01"}
        report = Report(place, "resident.moved", str(1_000_000 + number), data)
        routes.told(report.type, report.subject, report.data)
        made.kinds.append(report.type)
        made.records.append((report.subject.encode(), encoded(report)))
    return made


def check(own_file: str, content: list[bytes], residents: int) -> None:
    """Hold a seed to the residents: each once, with `action: seed` and the fields of the rule. Raises CheckFailed."""
    due = {str(1_000_000 + number) for number in range(residents)}
    fields = FIELDS["resident.moved"] & set(NEW_RULE.send)
    for line in content:
        said = orjson.loads(line)
        if said["subject"] not in due:
            raise CheckFailed(f"{own_file}: {said['subject']} came twice, or was not to come")
        due.remove(said["subject"])
        sent = fields - (LOCATING if said["subject"] in PROTECTED else set())
        if said["action"] != "seed" or not sent - {"effective_on"} <= said["data"].keys() <= sent:
            raise CheckFailed(f"{own_file}: {line[:300].decode()} is not the seed of a resident")
    if due:
        raise CheckFailed(f"{own_file}: {len(due)} residents are missing, {min(due)} for one")


def run(own: Ground, made: Stream, residents: int, broken: Break | None, _warming: bool) -> Figures:
    commands.need("seed")
    with own.plot("postgresql") as plot:
        commands.settle(plot, made, OLD_RULES)
        shutil.rmtree(plot.folder / "systems")
        write_city(plot.folder, [*OLD_RULES, NEW_RULE], plot.prefix)
        found = commands.timed(own, plot, residents, "seed", system_name(NEW))
        file = plot.folder / "out" / f"{system_name(NEW)}.jsonl"
        if broken:
            tamper([file], broken)
        check(file.name, file.read_bytes().splitlines(), residents)
        return found


def main() -> int:
    asked = options("seed", sizes)
    residents = asked.extra.residents or (1_000 if asked.quick or asked.broken else commands.RESIDENTS)
    made = moved_in(residents)
    with ground() as own:
        contestants = [Contestant("hub seed", partial(run, own, made, residents, asked.broken))]
        limit = Limit("seconds", "hub seed", "seconds", most=30)
        return measure("seed", contestants, asked, {"residents": residents}, [limit])


if __name__ == "__main__":
    sys.exit(main())
