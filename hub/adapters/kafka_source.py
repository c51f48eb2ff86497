"""Reads a topic of a system from the offsets it was left at, in the order of each partition.

Offsets are the position, so they are kept in the ledger and not in Kafka's groups. Where the topic no longer holds what
comes next, reading stops: retention was faster, or the topic was made anew.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any, Literal

import orjson
from pydantic import Field

from hub.adapters.contract import AdapterSettings, Row, Site, SourceBatch, Topics
from hub.adapters.kafka_records import row_of
from hub.errors import BrokerUnavailable, Transient, UsageError


class KafkaSourceSettings(AdapterSettings):
    """Settings of a `kafka` source."""

    topic: str = Field(min_length=1, pattern="^[A-Za-z0-9._-]+$", description="The topic to read.")
    format: Literal["json", "cloudevents", "outbox"] = Field(
        default="json",
        description="`json`: the value's fields are the row's columns. `cloudevents`: structured or binary; the row is"
        " the event, `row.data.…` its data. `outbox`: what Debezium's outbox event router emits; columns `id`, `key`,"
        " `type`, `headers`, `payload`.",
    )
    brokers: str | None = Field(
        default=None, description="Bootstrap servers of a Kafka of the system's own; without it the city's."
    )
    begin: Literal["earliest", "latest"] = Field(
        default="earliest", description="Where to begin when the topic was never read."
    )
    gaps: Literal["stop", "continue"] = Field(
        default="stop",
        description="What to do when records were deleted before they were read: `stop` until a person looks, or"
        " `continue` with what is left.",
    )
    tombstones: Literal["quarantine", "skip"] = Field(
        default="quarantine", description="What becomes of records without a value."
    )


class KafkaSource:
    """One topic."""

    def __init__(self, settings: KafkaSourceSettings, site: Site) -> None:
        if site.topics is None:
            raise UsageError("a topic cannot be read here: no Kafka was lent", place=site.key)
        self._settings = settings
        self._topics: Topics = site.topics

    def read(self, after: dict[str, Any] | None) -> Iterator[SourceBatch]:
        """Yield the new records. Raises `Transient` when Kafka is away, or holds no more what comes next."""
        settings = self._settings
        offsets = {int(partition): offset for partition, offset in (after or {}).get("offsets", {}).items()}
        try:
            bounds = self._topics.bounds(settings.topic, settings.brokers)
            if not bounds:
                raise Transient(f"there is no topic {settings.topic}", reached=True, code="topic")
            begun = self._begun(offsets, bounds, first=after is None)
            yield from self._batches(begun, bounds, after or {})
        except BrokerUnavailable as error:
            raise Transient(error.message, code="broker-away") from None

    def acknowledge(self, batch: SourceBatch) -> None:
        """Do nothing: the position says it all."""

    def _batches(
        self, begun: dict[int, int], bounds: dict[int, tuple[int, int]], after: dict[str, Any]
    ) -> Iterator[SourceBatch]:
        unit = f"{self._settings.topic}@{hashlib.sha256(orjson.dumps(sorted(begun.items()))).hexdigest()[:12]}"
        spans = {partition: (begun[partition], end) for partition, (_, end) in bounds.items()}
        offsets, ready = dict(begun), None
        for records, reached in self._topics.read(self._settings.topic, spans, self._settings.brokers):
            offsets |= reached
            if ready is not None:
                yield ready
            ready = SourceBatch(self._rows(records), self._position(offsets), self._settings.topic, unit, last=False)
        if ready is None:
            if after.get("offsets") == self._position(offsets)["offsets"]:
                return
            ready = SourceBatch([], self._position(offsets), self._settings.topic, unit)
        ready.last = True
        yield ready

    def _rows(self, records: list[Any]) -> list[Row]:
        kept = self._settings.tombstones == "quarantine"
        return [row_of(record, self._settings.format) for record in records if kept or record.value is not None]

    def _begun(self, offsets: dict[int, int], bounds: dict[int, tuple[int, int]], *, first: bool) -> dict[int, int]:
        """Return where each partition is read from: those never met before from their beginning."""
        begun = {}
        for partition, (low, high) in bounds.items():
            known = offsets.get(partition)
            if known is None:
                begun[partition] = high if first and self._settings.begin == "latest" else low
            elif low <= known <= high:
                begun[partition] = known
            elif self._settings.gaps == "continue":
                begun[partition] = low
            else:
                raise Transient(
                    f"{self._settings.topic}/{partition} holds {low} to {high}, and the next to be read is {known}:"
                    " records were deleted unread, or the topic was made anew; `gaps: continue` goes on with the rest",
                    reached=True,
                    code="position",
                )
        return begun

    @staticmethod
    def _position(offsets: dict[int, int]) -> dict[str, Any]:
        return {"offsets": {str(partition): offset for partition, offset in sorted(offsets.items())}}
