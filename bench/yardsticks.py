"""The references as contestants: started as processes of their own, ended when every delivery is done."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from bench.check import Break
from bench.harness import Figures
from bench.hubs import check, measured
from bench.meter import Meter
from bench.references.common import DELIVERIES, tables
from bench.services import Ground, Plot, fill_topic
from bench.town import Stream, system_name

ROOT = Path(__file__).parents[1]
LIMIT = 1800.0  # seconds a reference may take


def fan_out(
    ground: Ground,
    kind: str,
    module: str,
    roles: Sequence[str],
    stream: Stream,
    warm: int,
    broken: Break | None = None,
) -> Figures:
    """Let a reference take in and deliver a stream that stands in Kafka, a process for each of `roles`."""
    with ground.plot(kind) as plot:
        plot.run(*tables(kind))
        outs = [f"{plot.prefix}.out.{system_name(system)}" for system in range(len(stream.owed))]
        asyncio.run(fill_topic(plot, f"{plot.prefix}.events", stream.records, outs))
        with (plot.folder / "reference.log").open("wb") as log:
            processes = {f"{module} {role}": _start(plot, module, role, stream, log) for role in roles}
            try:
                pids = {name: process.pid for name, process in processes.items()}
                with Meter({**pids, **ground.roots()}) as meter:
                    end = _wait(plot, list(processes.values())[-1])
            finally:
                for process in processes.values():
                    process.kill()
                    process.wait()
        check(stream, plot.folder / "out", broken, protecting=False)
        return measured(plot, warm, end, DELIVERIES, meter)


def _start(plot: Plot, module: str, roles: str, stream: Stream, log: IO[bytes]) -> subprocess.Popen[bytes]:
    asked = {
        "bootstrap": plot.bootstrap,
        "url": plot.url,
        "prefix": plot.prefix,
        "out": str(plot.folder / "out"),
        "deliveries": str(stream.deliveries),
        "roles": roles,
    }
    words = [word for name, value in asked.items() for word in (f"--{name}", value)]
    return subprocess.Popen(
        [sys.executable, "-m", f"bench.references.{module}", *words],
        cwd=ROOT,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
    )


def _wait(plot: Plot, process: subprocess.Popen[bytes]) -> float:
    try:
        code = process.wait(LIMIT)
    except subprocess.TimeoutExpired:
        code = None
    if code != 0:
        said = (plot.folder / "reference.log").read_text()[-3000:]
        raise RuntimeError(f"the reference ended with {code}\n{said}")
    return time.time()
