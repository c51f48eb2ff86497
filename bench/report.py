"""Write the measured figures into docs/performance.md, from what the benches left in `results/`.

Each block between `<!-- figures: NAME -->` and `<!-- end -->` is replaced; a bench that has not run at full size
leaves its block as it is. `--quick` takes the results of quick runs, to look at, not to commit.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from bench.harness import RESULTS, number

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
BLOCK = re.compile(r"(<!-- figures: (?P<name>[a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
COLUMNS: Mapping[str, Sequence[str]] = {
    "fan-out": ("deliveries/s", "µs an event"),
    "publish-drain": ("deliveries/s", "seconds", "seconds of publish", "seconds of drain"),
    "latency": ("p50 ms", "p99 ms", "p99.9 ms"),
    "rules": ("deliveries/s", "µs an event"),
    "writes": ("deliveries/s", "dispatch, µs an event", "delivery, µs a delivery"),
    "ledger": ("µs an event", "bytes a delivery", "deliveries list of a resident, ms", "events show, ms"),
    "backlog": ("drained/s", "peak MB", "others p50 ms", "others p99 ms"),
    "catch-up": ("deliveries/s", "seconds", "peak MB"),
    "load": ("seconds", "rows/s"),
    "seed": ("seconds", "deliveries/s"),
    "replay": ("seconds", "deliveries/s"),
    "start-up": ("seconds", "CPU s"),
    "intake": ("events/s",),
    "snapshot": ("seconds", "rows/s", "peak MB, hub intake"),
    "transports": ("rows/s", "grown MB"),
}


def filled(page: str, results: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the page with the figures of the results given, by bench."""

    def block(match: re.Match[str]) -> str:
        result = results.get(match["name"])
        return match[0] if result is None else f"{match[1]}{figures(result)}{match[3]}"

    return BLOCK.sub(block, page)


def figures(result: Mapping[str, Any]) -> str:
    """Return one bench's figures as Markdown: sizes and machine, a table, the goals."""
    machine, sizes = result["machine"], result["sizes"]
    shape = ", ".join(f"{name} {value:,}" for name, value in sizes.items() if name not in {"quick", "runs"})
    began = result["began"][:10]
    lines = [
        f"{began}, {machine['cores']} cores of {machine['processor']}, {machine['memory_gb']:g} GB, "
        f"Python {machine['python']}; median of {sizes['runs']} [least – most]" + (f"; {shape}." if shape else "."),
        "",
    ]
    columns = [name for name in COLUMNS[result["bench"]] if any(name in each for each in result["summary"].values())]
    used = sorted({name for each in result["summary"].values() for name in each if name.startswith("CPU µs a")})
    lines += [f"| | {' | '.join(columns)} | CPU |", "|---|" + "---|" * (len(columns) + 1)]
    for name, spread in result["summary"].items():
        cells = [_cell(spread.get(column)) for column in columns]
        lines.append(f"| {name} | {' | '.join(cells)} | {_cpu(spread, used)} |")
    goals = [each for each in result["goals"] if each["value"] is not None]
    if goals:
        lines += ["", "| goal | asked | measured |", "|---|---|---|"]
        lines += [f"| {g['text']} | {g['asked']} | {g['value']:.2f} {'✓' if g['met'] else '✗'} |" for g in goals]
    return "\n".join(lines) + "\n"


def _cell(spread: Sequence[float] | None) -> str:
    return "" if spread is None else f"{number(spread[0])} [{number(spread[1])} – {number(spread[2])}]"


def _cpu(spread: Mapping[str, Sequence[float]], used: Sequence[str]) -> str:
    parts = [f"{name.split(', ', 1)[1]} {number(spread[name][0])}" for name in used if name in spread]
    unit = used[0].split(",", maxsplit=1)[0].removeprefix("CPU ") if parts else ""
    return f"{unit}: {', '.join(parts)}" if parts else ""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.report", description=__doc__)
    parser.add_argument("--quick", action="store_true")
    ending = ".quick.json" if parser.parse_args().quick else ".json"
    results = {}
    for name in COLUMNS:
        path = RESULTS / f"{name}{ending}"
        if path.exists():
            results[name] = orjson.loads(path.read_bytes())
    PAGE.write_text(filled(PAGE.read_text(), results))
    print(f"{PAGE.name}: {', '.join(results) or 'nothing measured yet'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
