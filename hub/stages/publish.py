"""`hub publish`: the events of a file or stream into Kafka, in their order; what is no event goes to quarantine."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime
from typing import BinaryIO

from hub.errors import Malformed
from hub.events.documents import Document, read_documents
from hub.events.envelope import Event, event_from
from hub.ledger.engine import Ledger
from hub.ledger.quarantine import Entry
from hub.stages.arrivals import Original, Origins, keep
from hub.stages.clock import new_batch_id, timestamp, utc_now
from hub.stages.known import Known, Seen, Stream
from hub.stages.ports import Producer
from hub.stages.records import FACTS_ONLY, Inward, Record, as_sent, fault, publish_sound, record_in, refuse_own, wording

__all__ = ["FACTS_ONLY", "PublishResult", "publish_stream"]

_CHUNK = 5000
_CHUNK_BYTES = 16 * 1024 * 1024
_AHEAD = 3  # chunks read before their turn


@dataclass(slots=True)
class PublishResult:
    """What became of a stream: `accepted` events are in Kafka (repeats too), `quarantined` are entry numbers.

    `repeats` of the accepted were in the file before, or in the ledger when their turn came; `reused` carry an id that
    stood there for other content: dispatch puts them into quarantine.
    """

    batch_id: str
    accepted: int = 0
    repeats: int = 0
    reused: int = 0
    quarantined: list[int] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)  # of the accepted, in order


@dataclass(slots=True)
class _Chunk:
    documents: list[Document] = field(default_factory=list)  # of the records
    events: list[Event] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    known: list[Seen] = field(default_factory=list)  # of each event, before any of them was published
    originals: list[Original] = field(default_factory=list)


async def publish_stream(
    stream: BinaryIO,
    *,
    city: str,
    producer: Producer,
    ledger: Ledger,
    topic: str,
    system: str | None = None,
    name: str = "-",
    facts_only: bool = False,
    clock: Callable[[], datetime] = utc_now,
    progress: Callable[[int], None] | None = None,
    inward: Inward = as_sent,
) -> PublishResult:
    """Publish every CloudEvent of the stream and return when Kafka has them.

    `system` fills an absent source and refuses another; `name` is the file's, for places; `facts_only` marks the events
    as ones nobody is told of. `progress` hears how many documents were handled; `inward` puts data into the city's
    characters. Raises `BrokerUnavailable`, and
    `LedgerUnavailable`, since what came is recorded there; to publish again is harmless.
    """
    moment = clock()
    result = PublishResult(new_batch_id("publish", moment))
    checker = _Checker(
        city, system, name, facts_only=facts_only, now=timestamp(moment), batch_id=result.batch_id, inward=inward
    )
    origins = Origins(system or "", "publish", name, result.batch_id)
    documents, known, so_far = read_documents(stream), Known(ledger), Stream()

    def read() -> _Chunk | None:
        chunk = checker.next_chunk(documents)
        if chunk is not None:
            chunk.known = known.seen(chunk.events, [value for _, value in chunk.records])
        return chunk

    async with aclosing(_ahead(read)) as chunks:
        async for chunk in chunks:
            refused = await publish_sound(producer, topic, chunk.records)
            chunk.entries += [
                checker.entry(chunk.documents[index], fault("produce", e)) for index, e in refused.items()
            ]
            published = [index for index in range(len(chunk.events)) if index not in refused]
            arrivals = origins.arrivals((chunk.events[index] for index in published), quarantined=len(chunk.entries))
            result.quarantined += await asyncio.to_thread(
                keep, ledger, arrivals, chunk.entries, at=_milliseconds(clock()), originals=chunk.originals
            )
            _count(result, chunk, published, so_far)
            if progress is not None:
                progress(len(chunk.records) + len(chunk.entries) - len(refused))
    await asyncio.to_thread(keep, ledger, [origins.end()], at=_milliseconds(clock()))
    return result


async def _ahead(read: Callable[[], _Chunk | None]) -> AsyncGenerator[_Chunk]:
    """Give chunk after chunk; while one is handled, or Kafka is waited for, the next are read, in one thread.

    A thread is not stopped: it is waited for at the end, since nobody may close the stream under it.
    """
    loop = asyncio.get_running_loop()
    thread = ThreadPoolExecutor(1, "publish")
    reading = deque(loop.run_in_executor(thread, read) for _ in range(_AHEAD))
    try:
        while (chunk := await reading.popleft()) is not None:
            reading.append(loop.run_in_executor(thread, read))
            yield chunk
    finally:
        await asyncio.to_thread(thread.shutdown, cancel_futures=True)


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _count(result: PublishResult, chunk: _Chunk, published: list[int], so_far: Stream) -> None:
    for index in published:
        event = chunk.events[index]
        seen = so_far.seen(event, chunk.known[index])
        result.repeats += seen is Seen.REPEAT
        result.reused += seen is Seen.REUSED
        result.ids.append(event.id)
    result.accepted += len(published)


class _Checker:
    """Turns documents into records, or into quarantine entries."""

    def __init__(
        self,
        city: str,
        system: str | None,
        name: str,
        *,
        facts_only: bool,
        now: str,
        batch_id: str,
        inward: Inward,
    ) -> None:
        self._city = city
        self._system = system
        self._name = name
        self._facts_only = facts_only
        self._now = now
        self._batch_id = batch_id
        self._inward = inward

    def next_chunk(self, documents: Iterator[Document]) -> _Chunk | None:
        """Return the next few thousand documents, checked; None at the end."""
        chunk = _Chunk()
        size = 0
        for document in documents:
            size += len(document.raw)
            try:
                event = self._event(document)
                record, mapped = record_in(event, self._city, self._inward)
            except Malformed as error:
                chunk.entries.append(self.entry(document, error))
            except Exception as error:  # noqa: BLE001 - a fault of the hub's own must not hold up the events behind it
                chunk.entries.append(self.entry(document, fault("publish", error)))
            else:
                chunk.documents.append(document)
                chunk.events.append(event)
                chunk.records.append(record)
                if mapped:
                    chunk.originals.append(Original(event.system, event.id, document.raw))
            if len(chunk.records) + len(chunk.entries) >= _CHUNK or size >= _CHUNK_BYTES:
                break
        return chunk if chunk.records or chunk.entries else None

    def _event(self, document: Document) -> Event:
        if document.error is not None:
            raise document.error
        try:
            event = event_from(document.value, city=self._city, system=self._system, now=self._now)
        except Malformed as error:
            if error.code == "source-other":
                error.mend += f", or publish without --as {self._system}"
            raise
        if self._system is not None:
            refuse_own(event)
        if self._facts_only:
            event.extensions[FACTS_ONLY] = True
        event.extensions.setdefault("batchid", self._batch_id)
        return event

    def entry(self, document: Document, error: Malformed) -> Entry:
        """Return the quarantine entry of a document; its place is `file:line`, or `file: item N` of an array."""
        number = document.place.removeprefix("line ")
        place = f"{self._name}:{number}" if number != document.place else f"{self._name}: {document.place}"
        inside = error.place.removeprefix(document.place).lstrip(", ")
        if inside:
            place += f" at {inside}"
        return Entry("publish", self._system or "", "", place, error.code, wording(error), document.raw)
