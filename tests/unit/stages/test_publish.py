"""A published file: good events in order into Kafka, everything else into quarantine with its place."""

import asyncio
import io
import threading
from typing import Any

import orjson
import pytest

from hub.errors import BrokerUnavailable
from hub.events.wire import decode, digest
from hub.ledger import quarantine
from hub.ledger.names import Names
from hub.ledger.tables import dedup, event
from hub.stages import publish as publish_module
from hub.stages.later import LaterProducer
from hub.stages.publish import FACTS_ONLY, publish_stream


class Topic:
    def __init__(self) -> None:
        self.calls: list[int] = []
        self.bodies: list[dict[str, Any]] = []

    async def publish(self, _topic: str, records: Any, _headers: Any = ()) -> None:
        self.calls.append(len(records))
        self.bodies += [orjson.loads(value) for _, value in records]


def died(number: int = 1, **more: Any) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": f"e{number}",
        "source": "/systems/juki",
        "type": "resident.died",
        "subject": "1000001",
        "data": {"name": "守口 太郎", "died_on": "2026-11-20", "effective_on": "2026-11-20"},
        **more,
    }


def lines(*documents: Any) -> io.BytesIO:
    return io.BytesIO(b"\n".join(each if isinstance(each, bytes) else orjson.dumps(each) for each in documents))


async def publish(stream, ledger, topic, **more):
    return await publish_stream(
        stream, city="moriguchi", producer=topic, ledger=ledger, topic="hub.events", name="in.jsonl", **more
    )


async def test_good_lines_go_in_order_and_bad_ones_to_quarantine(ledger):
    topic = Topic()
    stream = lines(died(1), b'{"id":', died(2, type="resident.dide"), died(3), b"", died(4, data={"name": "a\x00b"}))
    result = await publish(stream, ledger, topic)
    assert [body["id"] for body in topic.bodies] == ["e1", "e3"] == result.ids
    items, _ = quarantine.listing(ledger)
    assert [(item.stage, item.code) for item in reversed(items)] == [
        ("publish", "json"),
        ("publish", "type-unknown"),
        ("publish", "text"),
    ]
    assert [item.place.split(" ")[0] for item in reversed(items)] == ["in.jsonl:2", "in.jsonl:3", "in.jsonl:6"]
    assert sorted(result.quarantined) == [1, 2, 3]
    assert quarantine.show(ledger, 1).raw == b'{"id":'


OTHER = {"name": "別", "died_on": "2026-11-20", "effective_on": "2026-11-20"}


def had(ledger, document: dict[str, Any], pos: int = 1) -> None:
    """Let the ledger have an event, as dispatch leaves it."""
    value = orjson.dumps({**document, "type": "jp.lg.moriguchi.resident.died.v1"})
    source = Names(ledger, "source").number(document["source"])
    row = dict.fromkeys(("source", "type", "recorded_at", "status", "ruleset"), 0)
    mark = digest(decode(value), value)
    with ledger.write() as connection:
        connection.execute(
            dedup.insert(), {"id": document["id"], "source": source, "pos": pos, "digest": mark, "seen": 1}
        )
        connection.execute(
            event.insert(), {**row, "pos": pos, "id": document["id"], "subject": "", "plan": b"[]", "body": value}
        )


async def test_repeats_are_counted_and_published(ledger):
    topic = Topic()
    result = await publish(lines(died(1), died(1)), ledger, topic)
    assert (result.accepted, result.repeats, result.reused, len(topic.bodies)) == (2, 1, 0, 2)


async def test_an_id_that_stands_twice_for_other_content_is_published_and_is_no_repeat(ledger):
    topic = Topic()
    turned = died(1, time="2026-11-21T00:00:00Z", data=dict(reversed(died(1)["data"].items())))
    result = await publish(lines(died(1), died(1, data=OTHER), turned, died(1, subject="9")), ledger, topic)
    assert (result.accepted, result.repeats, result.reused, len(topic.bodies)) == (4, 1, 2, 4)
    assert result.quarantined == []


async def test_what_the_hub_had_before_is_a_repeat_and_a_like_id_of_another_system_is_none(ledger):
    had(ledger, died(1))
    stream = lines(died(1), died(2), died(1), died(1, source="/systems/koseki"))
    result = await publish(stream, ledger, Topic())
    assert (result.accepted, result.repeats, result.reused) == (4, 2, 0)


async def test_what_the_hub_had_before_written_otherwise_is_a_repeat(ledger):
    had(ledger, died(1, batchid="B1", data=dict(reversed(died(1)["data"].items()))))
    result = await publish(lines(died(1)), ledger, Topic())
    assert (result.repeats, result.reused) == (1, 0)


async def test_what_the_hub_had_before_with_other_content_is_no_repeat(ledger):
    had(ledger, died(1))
    had(ledger, died(2), 2)
    topic = Topic()
    result = await publish(lines(died(1, data=OTHER), died(2), died(1), died(2, subject="9")), ledger, topic)
    assert (result.accepted, result.repeats, result.reused, len(topic.bodies)) == (4, 2, 2, 4)


async def test_a_long_file_goes_in_chunks(ledger):
    topic = Topic()
    heard: list[int] = []
    result = await publish(lines(*[died(n) for n in range(5001)]), ledger, topic, progress=heard.append)
    assert topic.calls == heard == [5000, 1]
    assert result.accepted == 5001
    assert {body["batchid"] for body in topic.bodies} == {result.batch_id}


async def test_facts_only_is_said_on_every_event(ledger):
    topic = Topic()
    await publish(lines(died(1)), ledger, topic, facts_only=True)
    assert topic.bodies[0][FACTS_ONLY] is True


async def test_as_a_system_fills_the_source_and_refuses_others(ledger):
    topic = Topic()
    nobody = {name: value for name, value in died(1).items() if name != "source"}
    stream = lines(nobody, died(2, source="/systems/koseki"), died(3, **{FACTS_ONLY: True}))
    result = await publish(stream, ledger, topic, system="juki")
    assert [body["source"] for body in topic.bodies] == ["/systems/juki"]
    items, _ = quarantine.listing(ledger)
    assert [(item.system, item.code) for item in items] == [("juki", "attribute"), ("juki", "source-other")]
    assert len(result.quarantined) == 2
    assert "publish without --as juki" in items[1].message


async def test_attributes_the_hub_reads_must_be_readable(ledger):
    topic = Topic()
    result = await publish(lines(died(1, batchid=7), died(2, **{FACTS_ONLY: "yes"})), ledger, topic)
    assert (len(result.quarantined), topic.bodies) == (2, [])


async def test_publishing_again_adds_nothing_to_quarantine(ledger):
    for _ in range(2):
        result = await publish(lines(b"{"), ledger, Topic())
    (item,), _ = quarantine.listing(ledger)
    assert (item.seen, result.quarantined) == (2, [item.no])


async def test_kafka_away_is_told(ledger, monkeypatch):
    async def away(*_):
        raise BrokerUnavailable("gone")

    topic = Topic()
    monkeypatch.setattr(topic, "publish", away)
    with pytest.raises(BrokerUnavailable):
        await publish(lines(died(1)), ledger, topic)


async def until(condition, limit=5.0):
    async with asyncio.timeout(limit):
        while not condition():  # noqa: ASYNC110 - nothing tells when it has come
            await asyncio.sleep(0.005)


@pytest.fixture
def small_chunks(monkeypatch):
    monkeypatch.setattr(publish_module, "_CHUNK", 2)


@pytest.mark.usefixtures("small_chunks")
async def test_a_file_is_read_while_kafka_starts(ledger):
    stream, later, topic = lines(*map(died, range(20))), LaterProducer(), Topic()
    publishing = asyncio.create_task(publish(stream, ledger, later))
    size = len(stream.getvalue())
    await until(lambda: stream.tell() >= size // 4)
    assert topic.bodies == []
    later.begin(topic)
    result = await publishing
    assert [body["id"] for body in topic.bodies] == [f"e{number}" for number in range(20)] == result.ids


@pytest.mark.usefixtures("small_chunks")
async def test_no_more_is_read_than_a_few_chunks_ahead(ledger):
    stream = lines(*map(died, range(40)))
    publishing = asyncio.create_task(publish(stream, ledger, LaterProducer()))
    line = stream.getvalue().index(b"\n") + 1
    await until(lambda: stream.tell() >= 6 * line)
    await asyncio.sleep(0.1)
    assert stream.tell() <= 10 * (line + 1)
    publishing.cancel()
    await asyncio.gather(publishing, return_exceptions=True)


@pytest.mark.usefixtures("small_chunks")
async def test_nobody_reads_a_stream_any_more_when_its_publishing_has_ended(ledger):
    class Away(Topic):
        async def publish(self, _topic: str, records: Any, _headers: Any = ()) -> None:
            if self.calls:
                raise BrokerUnavailable("gone")
            await super().publish(_topic, records)

    before = threading.enumerate()
    stream = lines(*map(died, range(40)))
    with pytest.raises(BrokerUnavailable):
        await publish(stream, ledger, Away())
    stream.close()  # a thread that still read it would fail here or leave its error behind
    left = [each for each in threading.enumerate() if each not in before]
    assert not [each for each in left if each.name.startswith("publish")]
