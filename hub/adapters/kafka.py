"""Kafka: a topic of a system is read; a system that speaks Kafka gets its deliveries in a topic of its own.

The key is the resident, so that order holds per resident. A record that was sent and never acknowledged is `unknown`: a
topic cannot be asked what it holds of a resident, so a person decides. Consumers tell a repeat by the extension
`deliverykey`.
"""

from __future__ import annotations

import asyncio
from itertools import groupby
from operator import attrgetter
from typing import Any, ClassVar

from hub.adapters.contract import (
    AdapterSettings,
    Batch,
    Delivery,
    Features,
    Outcome,
    Publisher,
    Site,
    Transport,
)
from hub.adapters.kafka_source import KafkaSource, KafkaSourceSettings
from hub.errors import BrokerUnavailable, HubError, Transient

HEADERS = (("content-type", b"application/cloudevents+json; charset=UTF-8"),)


class KafkaSettings(AdapterSettings):
    """Settings of a `kafka` sink: none, the topic follows from the system's name."""


class KafkaSink:
    """Publishes to `<prefix>.out.<system>`: one resident's deliveries one after another, residents side by side."""

    def __init__(self, site: Site, publisher: Publisher) -> None:
        self._topic = f"{site.prefix}.out.{site.system}"
        self._publisher = publisher

    async def deliver(self, batch: Batch) -> list[Outcome]:
        """Publish every delivery; once one fails, that resident's later ones wait behind it."""
        by_subject = sorted(batch.deliveries, key=attrgetter("subject"))  # stable: order within a resident stays
        lanes = [list(lane) for _, lane in groupby(by_subject, key=attrgetter("subject"))]
        results = await asyncio.gather(*(self._lane(lane) for lane in lanes))
        outcomes = {outcome.key: outcome for result in results for outcome in result}
        return [outcomes[delivery.key] for delivery in batch.deliveries]

    async def confirm(self, batch: Batch) -> list[Outcome | None]:
        """Answer that it cannot be known: nobody reads a topic backwards."""
        return [None] * len(batch.deliveries)

    async def close(self) -> None:
        """Do nothing: the producer belongs to whoever lent it."""

    async def _lane(self, lane: list[Delivery]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        error: HubError | None = None
        for delivery in lane:
            if error is None:
                error = await self._publish(delivery)
                outcomes.append(Outcome(delivery.key, error))
            else:
                outcomes.append(Outcome(delivery.key, Transient("an earlier one of this resident is not through yet")))
        return outcomes

    async def _publish(self, delivery: Delivery) -> HubError | None:
        try:
            await self._publisher.publish(self._topic, delivery.subject.encode(), delivery.body, HEADERS)
        except BrokerUnavailable as error:
            return Transient(f"{self._topic}: {error.message}", code="broker-away")
        except HubError as error:
            return error
        return None


class Kafka(Transport):
    """Kafka topics: records in, as JSON, CloudEvents or from Debezium's outbox router; one record a delivery out.

    Out: the topic is `<prefix>.out.<system>`, the key the resident, the value the projected CloudEvent, with the header
    `content-type: application/cloudevents+json; charset=UTF-8`.
    """

    name: ClassVar[str] = "kafka"
    title: ClassVar[dict[str, str]] = {"ja": "Kafka トピック", "en": "Kafka topic"}
    features: ClassVar[Features] = Features(source=True, sink=True, batch=500)
    SourceSettings: ClassVar[type[AdapterSettings]] = KafkaSourceSettings
    SinkSettings: ClassVar[type[AdapterSettings]] = KafkaSettings

    @classmethod
    def source(cls, settings: KafkaSourceSettings, site: Site) -> KafkaSource:
        """Open the source; no connection is made yet."""
        return KafkaSource(settings, site)

    @classmethod
    def sink(cls, settings: KafkaSettings, site: Site, port: Publisher | Any = None) -> KafkaSink:  # noqa: ARG003
        """Open the sink; `port` publishes."""
        return KafkaSink(site, port)
