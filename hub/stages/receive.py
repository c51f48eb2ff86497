"""Receiving events over HTTP: all of a batch or nothing of it, checked before any of it is in Kafka."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson

from hub.errors import Malformed, Unavailable
from hub.events.codec import HEADERS
from hub.events.envelope import Event, event_from
from hub.ledger.batches import Arrival
from hub.stages.arrivals import Original, Origins
from hub.stages.clock import new_batch_id, timestamp, utc_now
from hub.stages.known import Seen, Stream
from hub.stages.ports import Producer
from hub.stages.records import Inward, Record, as_sent, fault, record_in, refuse_own, wording


@dataclass(frozen=True, slots=True)
class Refusal:
    """One wrong part of a batch: its index, where in it, and what is wrong. `code` is as in quarantine."""

    index: int
    place: str
    code: str
    message: str


@dataclass(slots=True)
class Receipt:
    """What became of a batch. If anything was refused, nothing of it was published.

    `accepted` and `duplicates` are ids and do not overlap, but for an id that stands twice in the batch. An id that was
    used before for other content is no duplicate: it is accepted, and dispatch puts its event into quarantine.
    """

    accepted: list[str] = field(default_factory=list)
    duplicates: list[str] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Reception:
    """Takes events for one city.

    `known(events, values)` tells of each what the ledger has under its id, `record(arrivals, originals, at)` keeps what
    came as batches; both best effort, as Kafka takes events while the ledger is away. `inward` puts data into the
    city's characters.
    """

    producer: Producer
    topic: str
    city: str
    known: Callable[[Sequence[Event], Sequence[bytes]], Sequence[Seen]]
    clock: Callable[[], datetime] = utc_now
    record: Callable[[Sequence[Arrival], Sequence[Original], int], object] = lambda _arrivals, _originals, _at: None
    inward: Inward = as_sent

    async def receive(self, documents: Sequence[Any], system: str, *, batch: bool) -> Receipt:
        """Publish the events of a system, given as read from JSON; return when Kafka has them.

        Of a `batch` every event without one gets the same new `batchid`. Raises `BrokerUnavailable`; safe to repeat.
        """
        now = self.clock()
        batch_id = new_batch_id("api", now) if batch else None
        checked = await asyncio.to_thread(self._check, documents, system, timestamp(now), batch_id)
        events, records, refused, originals = checked
        if refused:
            return Receipt(refused=refused)
        known = await asyncio.to_thread(self._known, events, [value for _, value in records])
        await self.producer.publish(self.topic, records, HEADERS)
        arrivals = Origins(system, "http", "", batch_id).arrivals(events, whole=True)
        await asyncio.to_thread(self._record, arrivals, originals, int(now.timestamp() * 1000))
        receipt, batch_so_far = Receipt(), Stream()
        for event, before in zip(events, known, strict=True):
            repeat = batch_so_far.seen(event, before) is Seen.REPEAT
            (receipt.duplicates if repeat else receipt.accepted).append(event.id)
        return receipt

    def _check(
        self, documents: Sequence[Any], system: str, now: str, batch_id: str | None
    ) -> tuple[list[Event], list[Record], list[Refusal], list[Original]]:
        events: list[Event] = []
        records: list[Record] = []
        refused: list[Refusal] = []
        originals: list[Original] = []
        for index, document in enumerate(documents):
            try:
                event = event_from(document, city=self.city, system=system, now=now)
                refuse_own(event)
                if batch_id is not None:
                    event.extensions.setdefault("batchid", batch_id)
                record, mapped = record_in(event, self.city, self.inward)
                records.append(record)
                events.append(event)
                if mapped:
                    originals.append(Original(event.system, event.id, orjson.dumps(document)))
            except Malformed as error:
                refused.append(Refusal(index, error.place, error.code, wording(error)))
            except Exception as error:  # noqa: BLE001 - the caller keeps the event and learns which one it is
                refused.append(Refusal(index, "", "fault", fault("http", error).message))
        return events, records, refused, originals

    def _known(self, events: Sequence[Event], values: Sequence[bytes]) -> Sequence[Seen]:
        try:
            return self.known(events, values)
        except Unavailable:
            return [Seen.NEW] * len(events)  # Kafka takes events while the ledger is away

    def _record(self, arrivals: Sequence[Arrival], originals: Sequence[Original], at: int) -> None:
        if arrivals or originals:
            with contextlib.suppress(Unavailable):
                self.record(arrivals, originals, at)
