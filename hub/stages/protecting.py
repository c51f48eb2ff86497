"""A protection takes effect before the report of it is acknowledged: every way into Kafka goes through here."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from hub.events.wire import Lazy, decode, type_of
from hub.ledger.engine import Ledger
from hub.ledger.protected import protect_early
from hub.stages.planning import STARTED, protected_by, report_of
from hub.stages.ports import Producer

_MARK = STARTED.encode()


class ProtectingProducer:
    """A producer that notes who is protected from now on before it publishes."""

    def __init__(self, producer: Producer, ledger: Ledger) -> None:
        self._producer = producer
        self._ledger = ledger

    async def publish(
        self, topic: str, records: Sequence[tuple[bytes, bytes]], headers: Sequence[tuple[str, bytes]] = ()
    ) -> None:
        """Publish records; raises BrokerUnavailable and LedgerUnavailable."""
        subjects = protected_in(records)
        if subjects:
            await asyncio.to_thread(protect_early, self._ledger, subjects)
        await self._producer.publish(topic, records, headers)


def protected_in(records: Sequence[tuple[bytes, bytes]]) -> list[tuple[str, str]]:
    """Return whom the records, events as they stand in Kafka, protect from now on."""
    return [subject for _, value in records if _MARK in value for subject in _protected(value)]


def _protected(value: bytes) -> list[tuple[str, str]]:
    wire = decode(value)
    if type_of(wire.type)[0] != STARTED:
        return []
    return [(subject, report_of(wire)) for subject in protected_by(wire.subject, Lazy(wire.data))]
