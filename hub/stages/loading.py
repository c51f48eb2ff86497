"""Existing residents and enrolments into the facts: a source is read to its end, and nobody is told.

The source's own place stays as it is, and its files stay where they are: read again by intake, the same rows are the
same events, so that they count as repeats. All events carry the batch `load-<job>`; `hub cancel --batch` undoes it.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from hub.adapters.contract import Source, SourceBatch
from hub.errors import HubError, Unavailable
from hub.ledger import batches, jobs, quarantine
from hub.ledger.batches import Arrival
from hub.ledger.engine import Ledger
from hub.ledger.jobs import Task
from hub.ledger.sources import Tally
from hub.stages import residue
from hub.stages.identifying import origin_of
from hub.stages.ports import Producer, RowMapper
from hub.stages.records import FACTS_ONLY, Origin, Prepared, fault, prepare, publish_sound

log = logging.getLogger(__name__)
Json = dict[str, Any]
Opened = tuple[Source, Sequence[RowMapper]]


class _FactsOnly:
    """Maps as another does, to events of which nobody is told."""

    def __init__(self, mapper: RowMapper, batch_id: str) -> None:
        self._mapper = mapper
        self._batch_id = batch_id
        self.asks = getattr(mapper, "asks", False)

    def local_id(self, row: Json, *, as_of_time: str) -> Any:
        tell = getattr(self._mapper, "local_id", None)
        return tell(row, as_of_time=as_of_time) if tell is not None else None

    def map(self, row: Json, *, as_of_time: str) -> Any:
        event = self._mapper.map(row, as_of_time=as_of_time)
        extensions = getattr(getattr(event, "event", event), "extensions", None)
        if extensions is not None:
            extensions[FACTS_ONLY] = True
            extensions["batchid"] = self._batch_id
        return event


@dataclass(frozen=True, slots=True)
class Loader:
    """Loads sources: `open(system, source)` gives one with its mappers."""

    ledger: Ledger
    producer: Producer
    topic: str
    city: str
    open: Callable[[str, str], Opened]
    mine: Callable[[], Awaitable[bool]]
    faults: dict[int, HubError] = field(default_factory=dict)  # by job: why it cannot go on

    async def load_open(self) -> None:
        """Go on with every load that is not finished, while no other process does; raises `Unavailable`."""
        for task in await asyncio.to_thread(jobs.to_publish, self.ledger, "load", 100):
            try:
                await self._load(task)
            except Unavailable:
                raise
            except Exception as error:  # noqa: BLE001 - one source that cannot be read holds up no other job
                named = error if isinstance(error, HubError) else fault("load", error)
                self.faults[task.job] = named
                log.warning("job %s cannot go on: %s", task.job, named)

    async def _load(self, task: Task) -> None:
        said = task.payload
        source, mappers = await asyncio.to_thread(self.open, said["system"], said["source"])
        origin = origin_of(said["system"], said["source"], self.city, mappers, self.ledger)
        marked = [_FactsOnly(mapper, f"load-{task.job}") for mapper in mappers]
        tally = Tally(**said["tally"])
        units = await asyncio.to_thread(lambda: iter(source.read(said["position"])))
        while (batch := await asyncio.to_thread(_next, units)) is not None:
            if not await self.mine() or not await asyncio.to_thread(jobs.is_running, self.ledger, task.job):
                return  # paused or cancelled: it is gone on with from here, or not at all
            prepared = await asyncio.to_thread(_prepared, batch, marked, origin, said["as_of"])
            refused = await publish_sound(self.producer, self.topic, prepared.records)
            for index, error in refused.items():
                prepared.entries.append(origin.entry(prepared.origins[index], fault("produce", error)))
            prepared.drop(refused)
            tally += prepared.tally
            await asyncio.to_thread(self._keep, task, batch, prepared, tally, origin)
        await asyncio.to_thread(jobs.published, self.ledger, [(task.no, "loaded")])

    def _keep(self, task: Task, batch: SourceBatch, prepared: Prepared, tally: Tally, origin: Origin) -> None:
        """Store what was refused, what came, and how far the source is read, in one transaction."""
        said, mine = task.payload, prepared.tally
        arrival = Arrival(said["system"], said["source"], f"load-{task.job}", batch.label, mine.rows)
        arrival.events, arrival.quarantined, arrival.whole = Counter(prepared.types), mine.quarantined, batch.last
        with self.ledger.write() as connection:
            at = self.ledger.now(connection)
            if prepared.entries:
                quarantine.record(connection, prepared.entries, at)
            residue.record(connection, origin, prepared, at)
            batches.record(connection, [arrival], at)
            payload = {**said, "position": batch.position, "tally": counts(tally)}
            jobs.advance(connection, task, payload, {"counts": counts(tally)})


def preview(source: Source, mappers: Sequence[RowMapper], origin: Origin, as_of: str) -> Json:
    """Return what a load would come to, as counts; reads the source to its end."""
    tally = Tally()
    origin = replace(origin, park=lambda *_: None)
    for batch in source.read(None):
        tally += _prepared(batch, mappers, origin, as_of).tally
    return counts(tally)


def counts(tally: Tally) -> dict[str, int]:
    """Return a tally as JSON."""
    found = {"rows": tally.rows, "events": tally.events, "ignored": tally.ignored, "quarantined": tally.quarantined}
    more = {"waiting": tally.waiting, "unsure": tally.unsure}
    return {**found, **{name: count for name, count in more.items() if count}}


NOTHING: Json = {"position": None, "tally": {}}  # of a load that has not begun


def midnight(date: str, timezone: dt.tzinfo) -> str:
    """Return the beginning of a day as RFC 3339; raises ValueError."""
    return dt.datetime.combine(dt.date.fromisoformat(date), dt.time(), timezone).isoformat()


def _prepared(batch: SourceBatch, mappers: Sequence[RowMapper], origin: Origin, as_of: str) -> Prepared:
    return prepare(batch, mappers, origin, now=as_of)


def _next(units: Iterator[SourceBatch]) -> SourceBatch | None:
    return next(units, None)
