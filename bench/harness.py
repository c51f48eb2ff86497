"""What every bench does: warm up, run each contestant in turn three times, print, compare, write the results."""

from __future__ import annotations

import argparse
import datetime as dt
import importlib.metadata
import os
import platform
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import psutil

from bench.check import Break, CheckFailed

RESULTS = Path(__file__).parent / "results"
FAILED, UNSEEN, MISSING = 1, 2, 3  # exit codes: the check failed, a break went unseen, the hub lacks something

Figures = dict[str, float]
_PACKAGES = ("aiokafka", "faststream", "msgspec", "orjson", "psycopg", "sqlalchemy", "uvloop")


class Lacking(Exception):  # noqa: N818 - named for what happened
    """The hub cannot do what the bench asks for."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line asks for."""

    quick: bool
    runs: int
    broken: Break | None
    only: tuple[str, ...]
    extra: argparse.Namespace

    def chosen(self, name: str) -> bool:
        """Say whether a contestant takes part."""
        return not self.only or any(part in name for part in self.only)


@dataclass(frozen=True, slots=True)
class Contestant:
    """One thing that is measured; `run(warming)` returns its figures and raises CheckFailed when they are not true."""

    name: str
    run: Callable[[bool], Figures]


@dataclass(frozen=True, slots=True)
class Goal:
    """A ratio of one figure of two contestants, run by run, and what it should be: at least, or at most."""

    text: str
    figure: str
    over: str
    under: str
    least: float | None = None
    most: float | None = None


@dataclass(frozen=True, slots=True)
class Limit:
    """A figure's median that should not be above (`most`) or below (`least`) something."""

    text: str
    contestant: str
    figure: str
    least: float | None = None
    most: float | None = None


@dataclass(slots=True)
class Results:
    """The figures of all runs, by contestant."""

    runs: dict[str, list[Figures]] = field(default_factory=dict)

    def add(self, name: str, figures: Figures) -> None:
        """Add one run."""
        self.runs.setdefault(name, []).append(figures)

    def spread(self, name: str) -> dict[str, tuple[float, float, float]]:
        """Return median, least and most of each of a contestant's figures."""
        runs = self.runs[name]
        figures = {key for run in runs for key in run}
        columns = {key: [run[key] for run in runs if key in run] for key in sorted(figures)}
        return {key: (statistics.median(values), min(values), max(values)) for key, values in columns.items()}

    def ratio(self, goal: Goal) -> float | None:
        """Return the median of the runs' ratios; None when one of the two did not take part."""
        if goal.over not in self.runs or goal.under not in self.runs:
            return None
        pairs = zip(self.runs[goal.over], self.runs[goal.under], strict=False)
        return statistics.median(over[goal.figure] / under[goal.figure] for over, under in pairs)


def options(name: str, add: Callable[[argparse.ArgumentParser], None] | None = None) -> Options:
    """Read the command line of a bench; `add` adds its own sizes."""
    parser = argparse.ArgumentParser(prog=f"python -m bench.{name.replace('-', '_')}")
    parser.add_argument("--quick", action="store_true", help="small sizes and one run: a look, not a measurement")
    parser.add_argument("--runs", type=int, help="how many runs (3; 1 with --quick)")
    parser.add_argument(
        "--break", dest="broken", choices=("drop", "double"), help="spoil one delivery: the check fails"
    )
    parser.add_argument("--only", default="", help="contestants whose names contain one of these, by commas")
    if add is not None:
        add(parser)
    read = parser.parse_args()
    only = tuple(part for part in read.only.split(",") if part)
    return Options(read.quick, read.runs or (1 if read.quick or read.broken else 3), read.broken, only, read)


def measure(
    name: str,
    contestants: Sequence[Contestant],
    asked: Options,
    sizes: Mapping[str, Any],
    goals: Sequence[Goal | Limit] = (),
    notes: Sequence[str] = (),
) -> int:
    """Warm up, measure side by side, print and write `results/<name>.json`; return the exit code."""
    taking_part = [each for each in contestants if asked.chosen(each.name)]
    results = Results()
    began = dt.datetime.now(dt.UTC)
    try:
        if not (asked.quick or asked.broken):
            for each in taking_part:
                each.run(True)
        for number in range(1, asked.runs + 1):
            for each in taking_part:
                before = os.getloadavg()[0]
                figures = {**each.run(False), "load before": before}
                results.add(each.name, figures)
                print(f"{name} {number}/{asked.runs} {each.name}: {_line(figures)}", flush=True)
    except CheckFailed as fault:
        how = f" (one delivery was spoiled on purpose: {asked.broken})" if asked.broken else ""
        print(f"CHECK FAILED{how}: {fault}")
        return FAILED
    except Lacking as fault:
        print(f"{name}: {fault}")
        return MISSING
    if asked.broken:
        print(f"the check did not see what was spoiled on purpose: {asked.broken}")
        return UNSEEN
    _show(results, goals)
    for note in notes:
        print(note)
    _write(name, results, goals, {"quick": asked.quick, "runs": asked.runs, **sizes}, began)
    return 0


def _line(figures: Figures) -> str:
    return ", ".join(f"{key} {number(value)}" for key, value in figures.items())


def number(value: float) -> str:
    """Return a figure with three or so telling digits."""
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _show(results: Results, goals: Sequence[Goal | Limit]) -> None:
    for name in results.runs:
        print(f"\n{name}")
        for key, (median, least, most) in results.spread(name).items():
            print(f"  {key:42} {number(median):>10}  [{number(least)} – {number(most)}]")
    if goals:
        print()
    for told in [outcome(results, goal) for goal in goals]:
        if told["value"] is not None:
            print(f"  {told['text']}: {told['value']:.2f} ({told['asked']}: {'met' if told['met'] else 'missed'})")


def outcome(results: Results, goal: Goal | Limit) -> dict[str, Any]:
    """Return what became of a goal: its value, what was asked, whether it was met."""
    if isinstance(goal, Goal):
        value = results.ratio(goal)
    else:
        found = results.spread(goal.contestant).get(goal.figure) if goal.contestant in results.runs else None
        value = found[0] if found else None
    asked = f"at least {goal.least:g}" if goal.least is not None else f"at most {goal.most:g}"
    met = None
    if value is not None:
        met = (goal.least is None or value >= goal.least) and (goal.most is None or value <= goal.most)
    return {"text": goal.text, "value": value, "asked": asked, "met": met}


def _write(
    name: str, results: Results, goals: Sequence[Goal | Limit], sizes: Mapping[str, Any], began: dt.datetime
) -> None:
    RESULTS.mkdir(exist_ok=True)
    document = {
        "bench": name,
        "began": began.isoformat(timespec="seconds"),
        "sizes": dict(sizes),
        "machine": machine(),
        "runs": results.runs,
        "summary": {each: results.spread(each) for each in results.runs},
        "goals": [outcome(results, goal) for goal in goals],
    }
    path = RESULTS / f"{name}{'.quick' if sizes['quick'] else ''}.json"
    path.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2) + b"\n")


def machine() -> dict[str, Any]:
    """Return what the figures depend on."""
    memory = psutil.virtual_memory()
    return {
        "cores": os.cpu_count(),
        "processor": _processor(),
        "memory_gb": round(memory.total / 1e9, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "packages": {each: importlib.metadata.version(each) for each in _PACKAGES},
    }


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
