"""A steady flow of events into a running hub, and when each delivery reached its file."""

from __future__ import annotations

import asyncio
import math
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from bench.town import number_of
from hub.kafka.producer import Producer

_LOOK = 0.004  # seconds between looks into the files
_ID = b'"id":"'


async def publish_steadily(
    bootstrap: str, topic: str, records: Sequence[tuple[bytes, bytes]], rate: float
) -> list[float]:
    """Publish records as they fall due, `rate` a second, what is due at once together; return when Kafka had each."""
    accepted: list[float] = []
    producer = Producer(bootstrap)
    await producer.start()
    begin = time.time()
    try:
        while len(accepted) < len(records):
            done = len(accepted)
            await asyncio.sleep(max(0.0, begin + done / rate - time.time()))
            due = min(len(records), max(done + 1, int((time.time() - begin) * rate) + 1))
            await producer.publish(topic, records[done:due])
            accepted += [time.time()] * (due - done)
    finally:
        await producer.stop()
    return accepted


class Watch:
    """Looks at growing files every few milliseconds and notes when each event's line was first seen."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._files = {file: _Tail(file) for file in files}
        self.seen: dict[Path, dict[int, float]] = {file: {} for file in files}

    async def run(self, done: asyncio.Event) -> None:
        """Look until told."""
        while not done.is_set():
            for file, tail in self._files.items():
                for line in tail.lines():
                    self.seen[file].setdefault(number_in(line), time.time())
            await asyncio.sleep(_LOOK)


class _Tail:
    def __init__(self, file: Path) -> None:
        self._file = file
        self._descriptor: int | None = None
        self._rest = b""

    def lines(self) -> Iterator[bytes]:
        if self._descriptor is None:
            if not self._file.exists():
                return
            self._descriptor = os.open(self._file, os.O_RDONLY)
        if added := os.read(self._descriptor, 1 << 20):
            *whole, self._rest = (self._rest + added).split(b"\n")
            yield from whole


def number_in(line: bytes) -> int:
    """Return the number of the event a line tells of, without decoding the line."""
    start = line.index(_ID) + len(_ID)
    return number_of(line[start : line.index(b'"', start)].decode())


def waits(accepted: Mapping[int, float], seen: Sequence[Mapping[int, float]]) -> list[float]:
    """Return, sorted, how many milliseconds each delivery came after its event was accepted; never less than 0."""
    return sorted(max(0.0, (at - accepted[number]) * 1000) for file in seen for number, at in file.items())


def percentile(values: Sequence[float], part: float) -> float:
    """Return the value below which `part` of the sorted values lie (nearest rank)."""
    return values[max(0, math.ceil(part * len(values)) - 1)]
