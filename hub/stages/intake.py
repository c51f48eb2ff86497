"""Intake: reads every source of the city and puts its reports into Kafka.

A source is acknowledged only when all rows of a batch are in Kafka or in quarantine and its new position is stored. A
crash at any point only reads again: ids derive from content, so what is published twice is one event.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from hub.adapters.contract import Seen
from hub.errors import HubError
from hub.ledger.sources import Tally
from hub.stages.reader import Reader
from hub.stages.release import Releaser
from hub.stages.services import Services, SourceRunner, SourceStatus
from hub.stages.strays import LIMIT, Strays

__all__ = ["Counts", "Intake", "Services", "SourceRunner", "SourceStatus"]


@dataclass(frozen=True, slots=True)
class Counts:
    """What a drain read, and the sources (`system.name`) that could not be read to the end, with the reason.

    `held` are the batches for which a source waits until a person decides, by source.
    """

    tally: Tally
    faults: dict[str, HubError]
    held: dict[str, str] = field(default_factory=dict)


class Intake:
    """All sources of a city. One of them failing holds up none of the others."""

    def __init__(
        self, runners: list[SourceRunner], services: Services, beside: Callable[[], Seen] | None = None
    ) -> None:
        """Take the sources to read; with `beside`, which looks for them, files that none reads are told of, too."""
        self._readers = [Reader(runner, services) for runner in runners]
        by_key = {reader.key: reader for reader in self._readers}
        for runner, reader in zip(runners, self._readers, strict=True):
            if runner.extract is not None and runner.extract.after is not None:
                reader.first = by_key.get(f"{runner.system}.{runner.extract.after}")
        self._strays = Strays(services.ledger, services.clock, beside) if beside is not None else None
        self._releaser = Releaser(services, services.held) if services.held is not None else None

    async def run(self, stop: asyncio.Event) -> None:
        """Read every source at its own pace until asked to stop; what is not finished then is read again."""
        try:
            async with asyncio.TaskGroup() as group:
                if self._releaser is not None:
                    group.create_task(self._releaser.run(stop))
                if self._strays is not None:
                    group.create_task(self._strays.run(stop))
                for reader in self._readers:
                    group.create_task(reader.run(stop))
        finally:
            self._close()

    async def drain(self, *, wait: float = 30.0) -> Counts:
        """Publish what was released, read every source until it has nothing new, and say which could not be read.

        Raises `Unavailable` when Kafka or the ledger has been away for `wait` seconds.
        """
        if self._releaser is not None:
            await self._releaser.exhaust(wait)
        before = [reader.status.tally for reader in self._readers]
        try:
            ends = await asyncio.gather(*(reader.exhaust(wait) for reader in self._readers), return_exceptions=True)
            if self._strays is not None and not any(isinstance(end, BaseException) for end in ends):
                await self._strays.look(min(wait, LIMIT))
        finally:
            self._close()
        for end in ends:
            if isinstance(end, BaseException):
                raise end
        tally = Tally()
        for reader, begun in zip(self._readers, before, strict=True):
            tally += reader.status.tally - begun
        faults = {reader.key: fault for reader in self._readers if (fault := reader.status.fault)}
        if self._releaser is not None:
            faults |= self._releaser.faults
        return Counts(tally, faults, {reader.key: held for reader in self._readers if (held := reader.status.held)})

    def status(self) -> list[SourceStatus]:
        """Return the state of every source, in the order given."""
        return [reader.status for reader in self._readers]

    def _close(self) -> None:
        for reader in self._readers:
            reader.close()
