"""The hub as a contestant: its own processes, watched from outside until everything is delivered."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.check import Break, tamper, verify
from bench.harness import Figures
from bench.meter import Meter
from bench.services import Ground, Plot, fill_hub, open_city
from bench.town import Stream, system_name, write_city
from bench.waiting import until
from hub.ledger.progress import backlog

ROOT = Path(__file__).parents[1]
HUB = (sys.executable, "-c", "from hub.cli.main import main; main()")  # the checkout's own, whatever is installed
TOGETHER = (("dispatch", "delivery"),)
APART = (("dispatch",), ("delivery",))
_SERVING = re.compile(r"running: |動いています: ")  # what `hub run` says once it serves
_GLANCE = 0.1  # seconds between looks whether all is dispatched, until nearly all is
_NEARLY = 10_000  # records
_LOOK = 0.02  # seconds between looks whether all is delivered, which take a twentieth of a core
_PATIENCE = 120.0  # seconds without progress
Stages = Sequence[Sequence[str]]


class Running:
    """The hub's processes of one run, a process for each group of stages."""

    def __init__(self, plot: Plot, stages: Stages) -> None:
        self._log = plot.folder / "hub.log"
        with self._log.open("ab") as log:
            self._begin = log.tell()  # what stands before is of others on the same plot
            self._processes = {
                "hub " + "+".join(group): subprocess.Popen(
                    [*HUB, "run", "--only", ",".join(group), "--port", "0"],
                    cwd=ROOT,
                    env={**os.environ, **plot.environment},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                )
                for group in stages
            }

    @property
    def pids(self) -> dict[str, int]:
        """Return the process ids, by `hub <stages>`."""
        return {name: process.pid for name, process in self._processes.items()}

    def assert_alive(self) -> None:
        """Raise RuntimeError, with the end of the log, when one has ended by itself."""
        for name, process in self._processes.items():
            if process.poll() is not None:
                raise RuntimeError(f"{name} ended with {process.returncode}\n{self.said}")

    @property
    def said(self) -> str:
        """Return the end of what they have logged."""
        return self._log.read_bytes()[self._begin :].decode()[-3000:]

    def wait_until_serving(self) -> None:
        """Wait until the hub says that it runs: start-up is not measured."""
        until(lambda: _SERVING.search(self.said), self.assert_alive)

    def stop(self) -> None:
        """End them as an operator would."""
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def running(plot: Plot, stages: Stages) -> Iterator[Running]:
    """Run the hub's stages while the block runs."""
    processes = Running(plot, stages)
    try:
        yield processes
    finally:
        processes.stop()


def command(plot: Plot, *words: str) -> subprocess.CompletedProcess[str]:
    """Run one command of the hub on a run's city and return what it said."""
    return subprocess.run(
        [*HUB, *words],
        cwd=ROOT,
        env={**os.environ, **plot.environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def wait_until_delivered(plot: Plot, records: int, processes: Running, *, besides: Sequence[str] = ()) -> float:
    """Wait until every record is dispatched and every receiver, `besides` some, is at the end; return the moment.

    Receivers are looked at only once all is dispatched: whoever waits must not take the cores from what is measured.
    Raises RuntimeError, with the end of the hub's log, when a process ends or nothing moves for two minutes.
    """
    hub = open_city(plot.folder, plot.environment)
    keys = [receiver.key for receiver in hub.city.receivers() if receiver.key not in besides]
    seen, since = (0, 0), time.monotonic()
    try:
        while True:
            found, dispatched = None, sum(hub.log.positions().values())
            if dispatched >= records:
                found = backlog(hub.ledger, keys)
                if not found.behind and not found.waiting:
                    return time.time()
            processes.assert_alive()
            mark = (dispatched, found.cursors if found else 0)
            if mark != seen:
                seen, since = mark, time.monotonic()
            elif time.monotonic() - since > _PATIENCE:
                raise RuntimeError(f"nothing moves: {dispatched} dispatched, {found}\n{processes.said}")
            time.sleep(_GLANCE if dispatched < records - _NEARLY else _LOOK)
    finally:
        hub.close()


def measured(plot: Plot, warm: int, end: float, deliveries: str, meter: Meter) -> Figures:
    """Return the figures of what came after the first `warm` events, to the moment `end`.

    `deliveries` counts the deliveries of events recorded at or after `:at` milliseconds. Start-up is left out: the
    clock starts with the first poll that follows the warm events, or with the first of all where that leaves too few.
    """
    polls = plot.query(
        "SELECT recorded_at, count(*) FROM event WHERE recorded_at >= :at GROUP BY recorded_at ORDER BY recorded_at",
        at=int(meter.samples[0].at * 1000),
    )
    begin, events = start_of(polls, warm)
    done = plot.query(deliveries, at=begin)[0][0]
    seconds = end - begin / 1000
    cpu, rss = meter.between(begin / 1000, end), meter.peak()
    return {
        "deliveries/s": done / seconds,
        "events/s": events / seconds,
        "seconds": seconds,
        "events": events,
        "deliveries": done,
        **{f"CPU µs a delivery, {name}": used / done * 1e6 for name, used in cpu.items()},
        **{f"CPU s, {name}": used for name, used in cpu.items()},
        **{f"peak MB, {name}": size for name, size in rss.items()},
    }


def start_of(polls: Sequence[Sequence[int]], warm: int) -> tuple[int, int]:
    """Return when the first poll after the warm events was, and how many events came from it on.

    `polls` are `(milliseconds, events)` in order. Where less than half would be left, all is counted.
    """
    total, passed = sum(count for _, count in polls), 0
    for at, count in polls:
        if passed >= warm and 2 * (total - passed) >= total:
            return at, total - passed
        passed += count
    return polls[0][0], total


DELIVERIES = "SELECT count(*) FROM ending JOIN event USING (pos) WHERE recorded_at >= :at"


def fan_out(
    ground: Ground, kind: str, stages: Stages, stream: Stream, warm: int, broken: Break | None = None
) -> Figures:
    """Let the hub take in and deliver a stream that stands in Kafka; return its figures. Raises CheckFailed."""
    with ground.plot(kind) as plot:
        write_city(plot.folder, stream.ruleset, plot.prefix)
        asyncio.run(fill_hub(plot.folder, plot.environment, stream.records))
        with running(plot, stages) as processes, Meter({**processes.pids, **ground.roots()}) as meter:
            end = wait_until_delivered(plot, len(stream.records), processes)
        check(stream, plot.folder / "out", broken)
        return measured(plot, warm, end, DELIVERIES, meter)


def check(stream: Stream, folder: Path, broken: Break | None, *, protecting: bool = True) -> None:
    """Hold the sinks' files to the count, after spoiling one delivery if so asked."""
    if broken:
        tamper([folder / f"{system_name(system)}.jsonl" for system in range(len(stream.owed))], broken)
    verify(stream, folder, protecting=protecting)
