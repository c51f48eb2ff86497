"""Publish and drain: a day's reports as two commands, each with a local Kafka of its own; start-ups are in the time.

`hub publish FILE`, then `hub drain`: 20 systems, 60 rules, 5 % of the ids repeated, a file of JSON lines a system. The
clock starts before the first command and ends with the second.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import orjson

from bench.check import tamper, verify
from bench.harness import Contestant, Figures, Limit, Options, measure, options
from bench.services import Ground, ground
from bench.town import Stream, rules, stream, write_city

EVENTS, QUICK = 20_000, 2_000
LEAST = 15_000  # deliveries a second
KINDS = ("sqlite", "postgresql")
_HUB = Path(sys.executable).with_name("hub")


def main() -> int:
    """Measure on both databases; return the exit code."""
    asked = options("publish-drain", lambda parser: parser.add_argument("--events", type=int))
    count = asked.extra.events or (QUICK if asked.quick else EVENTS)
    made = stream(rules(), count)
    with ground() as own:
        contestants = [Contestant(kind, partial(_run, own, made, asked, kind)) for kind in KINDS]
        goals = [Limit(f"deliveries a second, {kind}", kind, "deliveries/s", least=LEAST) for kind in KINDS]
        sizes = {"events": made.events, "records": len(made.records), "deliveries": made.deliveries}
        return measure("publish-drain", contestants, asked, sizes, goals)


def _run(own: Ground, made: Stream, asked: Options, kind: str, warming: bool) -> Figures:
    """Run both commands in a new city and hold what came to the count."""
    del warming
    with tempfile.TemporaryDirectory(prefix="hub-bench-") as name:
        folder = Path(name)
        city = folder / "city"
        city.mkdir()
        write_city(city, made.ruleset, "hub")
        file = folder / "reports.jsonl"
        file.write_bytes(b"".join(value + b"\n" for _, value in made.records))
        url = own.database(kind, folder)
        environment = {**os.environ, "HUB_CITY": str(city), "HUB_LEDGER": url}
        environment.pop("HUB_KAFKA", None)
        before = time.perf_counter()
        spent = os.times()
        told = _command(environment, "publish", str(file))
        between = time.perf_counter()
        drained = _command(environment, "drain")
        after = time.perf_counter()
        used = os.times()
        assert told["accepted"] == len(made.records), told
        assert drained["clear"], drained
        if asked.broken:
            tamper(sorted((city / "out").glob("*.jsonl")), asked.broken)
        verify(made, city / "out")
        children = used.children_user + used.children_system - spent.children_user - spent.children_system
    return {
        "deliveries/s": made.deliveries / (after - before),
        "seconds": after - before,
        "seconds of publish": between - before,
        "seconds of drain": after - between,
        "CPU s of both commands": children,
    }


def _command(environment: dict[str, str], *words: str) -> dict[str, object]:
    done = subprocess.run([_HUB, *words, "--json"], env=environment, capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(f"hub {' '.join(words)} ended with {done.returncode}: {done.stderr.decode()[-2000:]}")
    return dict(orjson.loads(done.stdout))


if __name__ == "__main__":
    sys.exit(main())
