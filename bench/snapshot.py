"""Full extracts: a register compared with what is known of it, when nothing and when one row in a hundred changed.

The clock starts when the file is there and stops when it was put away; up to a second of it is its `every`.
The baseline is a command of its own, with its start.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from bench import hubs
from bench.check import Break, CheckFailed
from bench.harness import Contestant, Figures, Goal, Lacking, Limit, measure, options
from bench.intake import keys, subject
from bench.meter import Meter
from bench.services import Ground, Plot, fill_hub, ground
from bench.town import CITY, SOURCE
from bench.waiting import until

HEADER = ("宛名番号", "履歴番号", "氏名", "生年月日", "住所", "世帯番号", "続柄", "異動日")
ROWS = 140_000
CHANGED = "1 in 100 changed"
CITY_FILE = f"""system: {SOURCE}
owner: 市民課
sources:
  zenken: {{adapter: csv, path: in/*.csv, every: 1s, mode: snapshot, key: row.宛名番号,
           compare: [氏名, 住所, 世帯番号, 続柄],
           on_change: publish, on_new: publish, on_missing: review}}
publishes:
  - from: zenken
    event: resident.moved
    subject: row.宛名番号
    map: {{name: row.氏名, old_address: address(was.住所), new_address: address(row.住所), effective_on: row.異動日}}
receives: {{}}
"""


def sizes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rows", type=int, help="rows of the extract (140,000; 5,000 with --quick)")


def write_extract(file: Path, rows: int, changed: int) -> None:
    with file.open("w", encoding="utf-8", newline="") as stream:
        written = csv.writer(stream)
        written.writerow(HEADER)
        for number in range(rows):
            street = "京阪本通二丁目5番5号" if number < changed else "大日町一丁目1番1号"
            home = f"大阪府守口市{street} 大日マンション{number % 900}号"
            written.writerow(
                (subject(number), 1, f"守口 {number}", "1980-04-01", home, number // 2, "本人", "2026-04-01")
            )


def city(plot: Plot) -> None:
    (plot.folder / "systems").mkdir()
    (plot.folder / "in").mkdir()
    (plot.folder / "hub.yaml").write_text(f"city: {CITY}\nkafka: {{prefix: {plot.prefix}}}\n")
    (plot.folder / f"systems/{SOURCE}.yaml").write_text(CITY_FILE)
    asyncio.run(fill_hub(plot.folder, plot.environment, []))


def take_baseline(plot: Plot, rows: int) -> float:
    """Take the extract as known and return the seconds that took."""
    write_extract(plot.folder / "in/ZENKEN_1.csv", rows, 0)
    begin = time.time()
    done = hubs.command(plot, "source", "baseline", f"{SOURCE}.zenken")
    if done.returncode:
        raise Lacking(f"`hub source baseline` ended with {done.returncode}: {done.stderr[-300:]}")
    return time.time() - begin


def hub(own: Ground, database: str, rows: int, changed: int, broken: Break | None, warming: bool) -> Figures:
    rows, changed = (rows // 10, changed // 10) if warming else (rows, changed)
    with own.plot(database) as plot:
        city(plot)
        baseline = take_baseline(plot, rows)
        write_extract(plot.folder / "rows", rows, changed)
        with hubs.running(plot, [("intake",)]) as processes, Meter({**processes.pids, **own.roots()}) as meter:
            processes.wait_until_serving()
            (plot.folder / "rows").rename(plot.folder / "in/ZENKEN_2.csv")
            begin = time.time()
            until(lambda: True if (plot.folder / "in/done/ZENKEN_2.csv").exists() else None, processes.assert_alive)
            end = time.time()
        check(plot, changed, broken)
        cpu = meter.between(begin, end)
        return {
            "rows/s": rows / (end - begin),
            "seconds": end - begin,
            "baseline seconds": baseline,
            **{f"CPU µs a row, {name}": used / rows * 1e6 for name, used in cpu.items()},
            **{f"peak MB, {name}": size for name, size in meter.peak().items()},
        }


def check(plot: Plot, changed: int, broken: Break | None) -> None:
    """Hold the topic's keys to the changed rows: every one once. Raises CheckFailed."""
    found = asyncio.run(keys(plot, changed)) if changed else []
    if broken and found:
        found[7:8] = [] if broken == "drop" else [found[7], found[7]]
    due = sorted(subject(number).encode() for number in range(changed))
    if sorted(found) != due:
        raise CheckFailed(f"{len(found)} events where {len(due)} rows changed")


def contestants(own: Ground, rows: int, broken: Break | None) -> Sequence[Contestant]:
    shapes = (("a tenth of it", rows // 10, rows // 1000), ("nothing changed", rows, 0))
    return [
        Contestant(f"{name}, {database}", partial(hub, own, database, count, changed, broken))
        for database in ("postgresql", "sqlite")
        for name, count, changed in (*shapes, (CHANGED, rows, rows // 100))
    ]


def main() -> int:
    asked = options("snapshot", sizes)
    rows = asked.extra.rows or (5_000 if asked.quick or asked.broken else ROWS)
    goals: list[Goal | Limit] = [
        Limit(f"an extract, {database}, s", f"{CHANGED}, {database}", "seconds", most=60)
        for database in ("postgresql", "sqlite")
    ]
    memory, whole, part = "peak MB, hub intake", f"{CHANGED}, postgresql", "a tenth of it, postgresql"
    goals.append(Goal("memory, ten times as many rows", memory, whole, part, most=1.3))
    # On SQLite the process also holds pages of the ledger: up to 64 MB a connection.
    goals.append(Limit("memory on SQLite, with the ledger's pages, MB", f"{CHANGED}, sqlite", memory, most=200))
    with ground() as own:
        return measure("snapshot", contestants(own, rows, asked.broken), asked, {"rows": rows}, goals)


if __name__ == "__main__":
    sys.exit(main())
