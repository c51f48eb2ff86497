"""CPU seconds and memory of groups of processes, over any stretch of a run."""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections.abc import Mapping
from types import TracebackType
from typing import NamedTuple, Self

import psutil

SELF = "bench"  # the group of the process that measures, without its children: what watching costs
EVERY = 0.1  # seconds between samples
_LOOK = 1.0  # seconds between looks for new children: looking goes through every process of the machine


class Sample(NamedTuple):
    """CPU seconds since its start and resident bytes of each group at one moment."""

    at: float
    cpu: dict[str, float]
    rss: dict[str, int]


class Meter:
    """Samples groups of processes in a thread; a group is a process with all its descendants."""

    def __init__(self, roots: Mapping[str, int]) -> None:
        self.samples: list[Sample] = []
        self._groups = {name: [psutil.Process(pid)] for name, pid in roots.items()}
        self._ended = threading.Event()
        self._looked = 0.0
        self._thread = threading.Thread(target=self._run, name="meter", daemon=True)

    def __enter__(self) -> Self:
        self._take()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        self._take()

    def _run(self) -> None:
        while not self._ended.wait(EVERY):
            self._take()

    def _take(self) -> None:
        now = time.time()
        if now - self._looked > _LOOK:
            self._looked = now
            for name, members in self._groups.items():
                self._groups[name] = _family(members[0])
        cpu, rss = {}, {}
        for name, members in self._groups.items():
            used, rss[name] = _sums(members)
            cpu[name] = max(
                used, self.samples[-1].cpu[name] if self.samples else 0.0
            )  # one that has ended says nothing
        cpu[SELF] = time.process_time()
        self.samples.append(Sample(now, cpu, rss))

    def between(self, begin: float, end: float) -> dict[str, float]:
        """Return each group's CPU seconds between two moments."""
        first, last = self._at(begin), self._at(end)
        return {name: max(0.0, last[name] - first[name]) for name in (*self._groups, SELF)}

    def peak(self) -> dict[str, float]:
        """Return the most resident megabytes each group has had."""
        return {name: max(sample.rss[name] for sample in self.samples) / 1e6 for name in self._groups}

    def _at(self, moment: float) -> dict[str, float]:
        return interpolated(self.samples, moment)


def interpolated(samples: list[Sample], moment: float) -> dict[str, float]:
    """Return the CPU seconds at a moment, between the samples around it; beyond them, the nearest one's."""
    index = bisect_left(samples, moment, key=lambda sample: sample.at)
    if index in {0, len(samples)}:
        return samples[min(index, len(samples) - 1)].cpu
    before, after = samples[index - 1], samples[index]
    part = (moment - before.at) / (after.at - before.at)
    return {name: cpu + (after.cpu[name] - cpu) * part for name, cpu in before.cpu.items()}


def _family(root: psutil.Process) -> list[psutil.Process]:
    try:
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return [root]


def _sums(members: list[psutil.Process]) -> tuple[float, int]:
    cpu, rss = 0.0, 0
    for index, process in enumerate(members):
        try:
            times, memory = process.cpu_times(), process.memory_info()
        except psutil.NoSuchProcess:
            continue
        cpu += times.user + times.system
        if index == 0:  # of children that have ended
            cpu += getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)
        rss += memory.rss
    return cpu, rss
