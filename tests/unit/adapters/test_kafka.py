from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hub.adapters import registry
from hub.adapters.conformance import batch, deliveries
from hub.adapters.contract import Delivery
from hub.app import _Publisher
from hub.errors import BrokerUnavailable, HubError, OutcomeUnknown, Transient
from hub.kafka.producer import Producer, Unanswered
from tests.conformance.helpers import Publisher, site


async def test_the_record_as_it_is_published(tmp_path: Path) -> None:
    publisher = Publisher()
    sink: Any = registry.open_sink("kafka", {}, replace(site(tmp_path), prefix="osaka"), publisher)
    (delivery,) = deliveries(1)
    await sink.deliver(batch([delivery]))
    headers = [("content-type", b"application/cloudevents+json; charset=UTF-8")]
    assert publisher.records == [("osaka.out.kokuho", b"1000", delivery.body, headers)]


def about(subject: str, delivery: Delivery) -> Delivery:
    return Delivery(
        delivery.key, delivery.no, delivery.event_id, delivery.type, subject, delivery.time, delivery.body
    )  # fmt: skip


async def test_order_of_a_resident_holds_though_others_are_slow(tmp_path: Path) -> None:
    class Slow(Publisher):
        async def publish(self, topic: str, key: bytes, value: bytes, headers: Any) -> None:
            for _ in range(3 if key == b"1" and not self.records else 0):
                await asyncio.sleep(0)
            await super().publish(topic, key, value, headers)

    publisher = Slow()
    sink: Any = registry.open_sink("kafka", {}, site(tmp_path), publisher)
    content = [about(subject, one) for subject, one in zip("1212", deliveries(4), strict=True)]
    await sink.deliver(batch(content))
    keys = [(key, value) for _, key, value, _ in publisher.records]
    assert [value for key, value in keys if key == b"1"] == [content[0].body, content[2].body]
    assert [value for key, value in keys if key == b"2"] == [content[1].body, content[3].body]


@pytest.mark.parametrize(("fault", "becomes"), [(Unanswered, OutcomeUnknown), (BrokerUnavailable, Transient)])
async def test_a_record_that_may_have_been_taken_is_unknown_and_only_one_that_was_not_goes_again(
    tmp_path: Path, fault: type[BrokerUnavailable], becomes: type[HubError]
) -> None:
    class Away(Producer):
        async def publish(self, *_: Any) -> Any:
            raise fault("no")

    sink: Any = registry.open_sink("kafka", {}, site(tmp_path), _Publisher(Away("127.0.0.1:1")))
    (outcome,) = await sink.deliver(batch(deliveries(1)))
    assert type(outcome.error) is becomes


async def test_what_follows_a_failure_waits_behind_it(tmp_path: Path) -> None:
    class Unsure(Publisher):
        async def publish(self, topic: str, key: bytes, value: bytes, headers: Any) -> None:
            if key == b"1":
                raise OutcomeUnknown("no answer")
            await super().publish(topic, key, value, headers)

    publisher = Unsure()
    sink: Any = registry.open_sink("kafka", {}, site(tmp_path), publisher)
    content = [about(subject, one) for subject, one in zip("1122", deliveries(4), strict=True)]
    outcomes = await sink.deliver(batch(content))
    assert [type(outcome.error) for outcome in outcomes] == [OutcomeUnknown, Transient, type(None), type(None)]
    assert [key for _, key, _, _ in publisher.records] == [b"2", b"2"]
