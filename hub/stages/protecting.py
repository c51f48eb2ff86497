"""A protection takes effect before the report of it is acknowledged: every way into Kafka goes through here."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hub.events.wire import Lazy, Wire, decode, type_of
from hub.ledger.engine import Ledger
from hub.ledger.protected import declared_by, protect_early
from hub.stages.history import AMENDMENTS
from hub.stages.planning import STARTED, protected_by, report_of
from hub.stages.ports import Producer

Marks = list[tuple[str, str]]
_MARKS = (STARTED.encode(), b"event.c")  # event.corrected, event.cancelled


class ProtectingProducer:
    """A producer that notes who is protected from now on before it publishes."""

    def __init__(self, producer: Producer, ledger: Ledger) -> None:
        self._producer = producer
        self._ledger = ledger

    async def publish(
        self, topic: str, records: Sequence[tuple[bytes, bytes]], headers: Sequence[tuple[str, bytes]] = ()
    ) -> None:
        """Publish records; raises BrokerUnavailable and LedgerUnavailable."""
        heard = list(_heard(records))
        if heard:
            await asyncio.to_thread(self._protect, heard)
        await self._producer.publish(topic, records, headers)

    def _protect(self, heard: Sequence[Wire]) -> None:
        protect_early(self._ledger, [*_started(heard), *_amended(heard, self._ledger)])


def marks_in(records: Sequence[tuple[bytes, bytes]]) -> Marks:
    """Return `(subject, report)` of whom the records, events as they stand in Kafka, protect from now on."""
    return list(_started(_heard(records)))


def _heard(records: Sequence[tuple[bytes, bytes]]) -> Iterable[Wire]:
    """Yield the events that may protect somebody."""
    for _, value in records:
        if any(mark in value for mark in _MARKS):
            wire = decode(value)
            if type_of(wire.type)[0] in {STARTED, *AMENDMENTS}:
                yield wire


def _started(heard: Iterable[Wire]) -> Iterable[tuple[str, str]]:
    for wire in heard:
        if type_of(wire.type)[0] == STARTED:
            for subject in protected_by(wire.subject, Lazy(wire.data)):
                yield subject, report_of(wire)


def _amended(heard: Iterable[Wire], ledger: Ledger) -> Iterable[tuple[str, str]]:
    """Yield whom a correction may protect again, or for the first time: only dispatch finds out what it is about."""
    amendments = [wire for wire in heard if type_of(wire.type)[0] in AMENDMENTS]
    declared = declared_by(ledger, {wire.subject for wire in amendments}) if amendments else {}
    for wire in amendments:
        right = Lazy(wire.data).get("data") or {}
        together = protected_by(wire.subject, right) if _is_protection(right) else []
        for subject in {*declared.get(wire.subject, ()), *together}:
            yield subject, report_of(wire)


def _is_protection(right: Mapping[str, Any]) -> bool:
    return bool(right.get("together_with")) and "kind" in right
