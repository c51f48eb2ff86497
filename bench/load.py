"""Load: what nine systems hold of 140,000 residents, into facts; nothing is planned."""

from __future__ import annotations

import argparse
import asyncio
import csv
import sys
import time
from functools import partial

from bench import commands, hubs
from bench.check import Break, CheckFailed
from bench.harness import Contestant, Figures, Limit, measure, options
from bench.meter import Meter
from bench.services import Ground, Plot, fill_hub, ground
from bench.town import CITY, Condition

SOURCES = 9
SYSTEM = """system: {name}
owner: 課
sources:
  all: {{adapter: csv, path: {name}/*.csv, identity: '[row.番号]'}}
publishes:
  - from: all
    event: insurance.enrolled
    subject: row.番号
    map: {{scheme: '"{scheme}"', certificate_no: row.証番号, effective_on: row.資格取得日}}
receives: {{}}
"""
_SCHEMES = tuple(f"scheme{number}" for number in range(SOURCES))


def sizes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--residents", type=int, help="residents (140,000; 500 with --quick)")


def write_city(plot: Plot, residents: int) -> None:
    """Write nine systems with a file each, and one that is told by what they hold, so that it is kept."""
    (plot.folder / "systems").mkdir()
    (plot.folder / "hub.yaml").write_text(f"city: {CITY}\nkafka: {{prefix: {plot.prefix}}}\n")
    rules = []
    for number, scheme in enumerate(_SCHEMES):
        (plot.folder / f"systems/k{number}.yaml").write_text(SYSTEM.format(name=f"k{number}", scheme=scheme))
        when = Condition("insured", scheme).cel
        rules.append(f"  - {{id: r{number}, on: [resident.died], when: '{when}', send: [name], because: 試験}}")
        folder = plot.folder / f"k{number}"
        folder.mkdir()
        with (folder / "all.csv").open("w", encoding="utf-8", newline="") as stream:
            written = csv.writer(stream)
            written.writerow(("番号", "証番号", "資格取得日"))
            written.writerows((1_000_000 + each, f"{number}{each:09d}", "2020-04-01") for each in range(residents))
    (plot.folder / "systems/told.yaml").write_text(
        "\n".join(
            ["system: told", "owner: 課", "subscribes:", *rules, "receives: {adapter: jsonl, path: out/told.jsonl}"]
        )
    )
    asyncio.run(fill_hub(plot.folder, plot.environment, []))


def check(plot: Plot, residents: int, broken: Break | None) -> None:
    """Hold the facts to the files: each resident by each source, once; nothing planned. Raises CheckFailed."""
    if broken:
        one = "(SELECT min(pos) FROM fact)"
        fields = "valid_from, place, delta"
        plot.run(
            f"DELETE FROM fact WHERE pos = {one}"
            if broken == "drop"
            else f"INSERT INTO fact(subject, pos, {fields}) SELECT subject, -pos, {fields} FROM fact WHERE pos = {one}"
        )
    rows, known = plot.query("SELECT count(*), count(DISTINCT subject) FROM fact")[0]
    if (rows, known) != (residents * SOURCES, residents):
        raise CheckFailed(f"{rows} facts of {known} residents, not {residents * SOURCES} of {residents}")
    if told := plot.query("SELECT count(*) FROM ending")[0][0]:
        raise CheckFailed(f"{told} deliveries came of a load")


def run(own: Ground, residents: int, broken: Break | None, _warming: bool) -> Figures:
    commands.need("load")
    with own.plot("postgresql") as plot:
        write_city(plot, residents)
        with hubs.running(plot, hubs.TOGETHER) as processes, Meter({**processes.pids, **own.roots()}) as meter:
            begin = time.time()
            for number in range(SOURCES):
                done = hubs.command(plot, "load", f"k{number}.all", "--as-of", "2026-04-01")
                if done.returncode:
                    raise RuntimeError(f"hub load ended with {done.returncode}: {done.stderr[-1000:]}")
            end = hubs.wait_until_delivered(plot, residents * SOURCES, processes)
        check(plot, residents, broken)
        return {
            "seconds": end - begin,
            "rows/s": residents * SOURCES / (end - begin),
            **{f"CPU s, {name}": used for name, used in meter.between(begin, end).items()},
            **{f"peak MB, {name}": size for name, size in meter.peak().items()},
        }


def main() -> int:
    asked = options("load", sizes)
    residents = asked.extra.residents or (500 if asked.quick or asked.broken else commands.RESIDENTS)
    with ground() as own:
        contestants = [Contestant("hub load", partial(run, own, residents, asked.broken))]
        limit = Limit("seconds", "hub load", "seconds", most=120)
        return measure("load", contestants, asked, {"residents": residents, "sources": SOURCES}, [limit])


if __name__ == "__main__":
    sys.exit(main())
