"""Start-up: how long the commands take that people and scripts call often; beside them, Python doing nothing."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from functools import partial

from bench.harness import Contestant, Figures, Lacking, Limit, measure, options
from bench.hubs import HUB, ROOT
from bench.services import ground
from bench.town import rules, write_city

COMMANDS = {"hub --help": ("--help",), "hub --version": ("--version",), "hub status": ("status",)}


def timed(words: tuple[str, ...], environment: dict[str, str], times: int, _warming: bool) -> Figures:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    taken = []
    for _ in range(times):
        begin = time.perf_counter()
        done = subprocess.run(
            words,
            cwd=ROOT,
            env={**os.environ, **environment},
            capture_output=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        taken.append(time.perf_counter() - begin)
        if done.returncode:
            raise Lacking(f"{' '.join(words[-1:])} ended with {done.returncode}: {done.stderr.decode()[-500:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / times
    return {
        "seconds": sorted(taken)[times // 2],
        "slowest s": max(taken),
        "CPU s": cpu,
        "peak MB": after.ru_maxrss / 1e3,
    }


def main() -> int:
    asked = options("start-up")
    times = 3 if asked.quick else 10
    with ground() as own, own.plot("sqlite") as plot:
        write_city(plot.folder, rules(), plot.prefix)
        contestants = [
            Contestant("python", partial(timed, (sys.executable, "-c", "pass"), {}, times)),
            *(
                Contestant(name, partial(timed, (*HUB, *words), plot.environment, times))
                for name, words in COMMANDS.items()
            ),
        ]
        goals = [Limit(f"{name}, s", name, "seconds", most=0.4) for name in ("hub --help", "hub status")]
        return measure("start-up", contestants, asked, {"times": times}, goals)


if __name__ == "__main__":
    sys.exit(main())
