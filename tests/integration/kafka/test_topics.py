import asyncio

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from hub.errors import BrokerUnavailable, ConfigurationError
from hub.kafka import asking, topics
from hub.kafka.bus import Producer


async def test_topics_are_made_once_and_belong_to_one_ledger(kafka_bootstrap, topic_prefix):
    made = await topics.ensure_topics(kafka_bootstrap, topic_prefix, "moriguchi", "one")
    assert made.name == f"{topic_prefix}.events"
    assert made.partitions == topics.PARTITIONS
    assert await topics.ensure_topics(kafka_bootstrap, topic_prefix, "moriguchi", "one") == made
    for city, ledger in (("moriguchi", "two"), ("elsewhere", "one")):
        with pytest.raises(ConfigurationError, match="belongs to the city moriguchi and the ledger one"):
            await topics.ensure_topics(kafka_bootstrap, topic_prefix, city, ledger)
    assert (await topics.topic_info(kafka_bootstrap, f"{topic_prefix}.dead")).partitions == 1


async def test_a_system_told_over_kafka_has_its_topic_also_one_that_comes_later(kafka_bootstrap, topic_prefix):
    first = await topics.ensure_topics(kafka_bootstrap, topic_prefix, "city", "one")
    assert await topics.topic_info(kafka_bootstrap, f"{topic_prefix}.out.shuno") is None
    for _ in range(2):
        assert await topics.ensure_topics(kafka_bootstrap, topic_prefix, "city", "one", told=["shuno"]) == first
    made = await topics.topic_info(kafka_bootstrap, f"{topic_prefix}.out.shuno")
    assert made.partitions == topics.PARTITIONS


async def test_of_two_that_claim_a_topic_at_once_one_is_refused(kafka_bootstrap, topic_prefix):
    claims = await asyncio.gather(
        *(topics.ensure_topics(kafka_bootstrap, topic_prefix, "city", ledger) for ledger in "ab"),
        return_exceptions=True,
    )
    assert sum(isinstance(claim, ConfigurationError) for claim in claims) == 1
    assert sum(isinstance(claim, topics.TopicInfo) for claim in claims) == 1


async def test_a_recreated_topic_has_another_uuid_and_no_owner(kafka_bootstrap, topic_prefix):
    before = await topics.ensure_topics(kafka_bootstrap, topic_prefix, "city", "one")
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    await admin.start()
    await admin.delete_topics([before.name])
    for _ in range(100):
        if not await topics.topic_info(kafka_bootstrap, before.name):
            break
        await asyncio.sleep(0.05)
    await admin.close()
    after = await topics.ensure_topics(kafka_bootstrap, topic_prefix, "city", "two")
    assert after.uuid != before.uuid
    assert len(after.uuid) == 36


async def test_the_events_topic_keeps_a_fortnight_and_flushes_each_message(kafka_bootstrap, topic_prefix):
    made = await topics.ensure_topics(kafka_bootstrap, topic_prefix, "city", "one")
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    await admin.start()
    answers = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, made.name)])
    await admin.close()
    settings = {entry[0]: entry[1] for entry in answers[0].resources[0][4]}
    assert settings["retention.ms"] == str(14 * 24 * 3600 * 1000)
    assert settings["cleanup.policy"] == "delete"
    assert settings["flush.messages"] == "1"
    assert int(settings["max.message.bytes"]) > 3 * 256 * 1024


async def test_offsets_say_where_the_log_begins_and_ends(kafka_bootstrap, topic_prefix):
    made = await topics.ensure_topics(kafka_bootstrap, topic_prefix, "city", "one")
    producer = Producer(kafka_bootstrap)
    places = await producer.publish(made.name, [(b"%d" % number, b"x") for number in range(100)])
    await producer.stop()
    ends = await topics.end_offsets(kafka_bootstrap, made.name)
    assert sum(ends.values()) == 100
    assert asking.end_offsets(kafka_bootstrap, made.name) == ends
    assert asking.end_offsets(kafka_bootstrap, "nothing.of.that.name") == {}
    assert await topics.topic_info(kafka_bootstrap, "nothing.of.that.name") is None
    assert all(offset < ends[partition] for partition, offset in places)
    assert await topics.begin_offsets(kafka_bootstrap, made.name) == dict.fromkeys(range(6), 0)
    assert await topics.tail_positions(kafka_bootstrap, topic_prefix, made.name) == {}


async def test_nobody_at_the_address_is_said_within_the_limit():
    assert not await topics.reachable("127.0.0.1:1", 1.0)
    with pytest.raises(BrokerUnavailable, match=r"127\.0\.0\.1:1"):
        await topics.end_offsets("127.0.0.1:1", "hub.events", limit=2.0)
    with pytest.raises(BrokerUnavailable, match=r"127\.0\.0\.1:1"):
        asking.end_offsets("127.0.0.1:1", "hub.events")


async def test_a_broker_is_reachable(kafka_bootstrap):
    assert await topics.reachable(kafka_bootstrap)
