"""What the benches of bulk commands share: a city already served, one command, and whether the hub has it at all."""

from __future__ import annotations

import asyncio
import time

from bench import hubs
from bench.harness import Figures, Lacking
from bench.meter import Meter
from bench.services import Ground, Plot, fill_hub
from bench.town import Rule, Stream, write_city
from hub.cli import reserved

RESIDENTS = 140_000


def need(name: str) -> None:
    """Raise Lacking when the hub has no such command yet."""
    if name in reserved.NAMES:
        raise Lacking(f"the hub has no `hub {name}` yet")


def settle(plot: Plot, made: Stream, ruleset: list[Rule]) -> None:
    """Let the hub take in and deliver a stream, by the rules as they were before what is measured."""
    write_city(plot.folder, ruleset, plot.prefix)
    asyncio.run(fill_hub(plot.folder, plot.environment, made.records))
    with hubs.running(plot, hubs.TOGETHER) as processes:
        hubs.wait_until_delivered(plot, len(made.records), processes)


def timed(own: Ground, plot: Plot, deliveries: int, *words: str) -> Figures:
    """Run a command beside a running hub, until all it brings about is delivered."""
    with hubs.running(plot, hubs.TOGETHER) as processes, Meter({**processes.pids, **own.roots()}) as meter:
        begin = time.time()
        done = hubs.command(plot, *words)
        if done.returncode:
            raise RuntimeError(f"hub {' '.join(words)} ended with {done.returncode}: {done.stderr[-1000:]}")
        said = time.time()
        _wait_for_lines(plot, deliveries, processes)
        end = time.time()
    return {
        "seconds": end - begin,
        "seconds of the command": said - begin,
        "deliveries/s": deliveries / (end - begin),
        **{f"CPU s, {name}": used for name, used in meter.between(begin, end).items()},
        **{f"peak MB, {name}": size for name, size in meter.peak().items()},
    }


def _wait_for_lines(plot: Plot, lines: int, processes: hubs.Running, limit: float = 600.0) -> None:
    """Wait until the sinks' files have so many lines, or no more have come for a while."""
    seen, since = -1, time.monotonic()
    while True:
        count = sum(file.read_bytes().count(b"\n") for file in (plot.folder / "out").glob("*.jsonl"))
        if count >= lines:
            return
        processes.assert_alive()
        if count != seen:
            seen, since = count, time.monotonic()
        elif time.monotonic() - since > limit / 10:
            return  # the check says what is missing
        time.sleep(0.1)
