import json
from datetime import datetime

import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_kafka, to_structured
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from hub.errors import Malformed
from hub.events.codec import CONTENT_TYPE, decode_record, encode_record
from hub.events.envelope import event_from
from hub.events.wire import decode

GOLDEN = (
    '{"specversion":"1.0","id":"0001","source":"/systems/juki","type":"jp.lg.moriguchi.resident.moved.v1",'
    '"subject":"1000001","time":"2026-11-20T09:30:00+09:00","sequence":12,"data":{"effective_on":"2026-11-19",'
    '"name":"守口 太郎","old_address":{"text":"守口市京阪本通2丁目5番5号","postal_code":"570-8666"},'
    '"new_address":{"text":"守口市大日町1丁目1番1号","postal_code":"5700003","municipality_code":"272094"}}}'
)


@pytest.fixture
def event(moved):
    return event_from(moved, city="moriguchi", now="2026-11-20T00:00:00Z")


def test_golden_bytes(event):
    assert encode_record(event, "moriguchi") == (
        b"1000001",
        GOLDEN.encode(),
        (("content-type", b"application/cloudevents+json; charset=UTF-8"),),
    )


def test_a_record_reads_back(event):
    assert decode_record(*encode_record(event, "moriguchi")) == event


def test_the_key_is_utf_8(event):
    event.subject = "住登外-1"
    key, value, headers = encode_record(event, "moriguchi")
    assert key == "住登外-1".encode()
    assert decode_record(key, value, headers) == event


def test_the_fast_decoder_reads_the_same(event):
    wire = decode(encode_record(event, "moriguchi")[1])
    assert (wire.id, wire.source, wire.subject, wire.time) == (event.id, event.source, event.subject, event.time)
    assert list(wire.data) == list(event.data)


def test_the_sdk_reads_what_the_hub_writes(event):
    event.extensions["batchid"] = "b1"
    key, value, headers = encode_record(event, "moriguchi")
    seen = from_kafka(KafkaMessage(dict(headers), key, value), JSONFormat())
    assert seen.get_id() == event.id
    assert seen.get_source() == event.source
    assert seen.get_type() == "jp.lg.moriguchi.resident.moved.v1"
    assert seen.get_subject() == event.subject
    assert seen.get_time().isoformat() == event.time
    assert {name: seen.get_extension(name) for name in event.extensions} == event.extensions
    assert seen.get_data() == event.data


def test_the_hub_reads_what_the_sdk_writes(event):
    attributes = {
        "id": event.id,
        "source": event.source,
        "type": "jp.lg.moriguchi.resident.moved.v1",
        "subject": event.subject,
        "time": datetime.fromisoformat(event.time),
        **event.extensions,
    }
    message = to_structured(CloudEvent(attributes, event.data), JSONFormat(), lambda each: each.get_subject().encode())
    assert decode_record(message.key, message.value, message.headers.items()) == event
    again = event_from(json.loads(message.value), city="moriguchi", now="")
    assert again == event


@pytest.mark.parametrize(
    "header", [CONTENT_TYPE, b"application/cloudevents+json", b"Application/CloudEvents+JSON;charset=utf-8"]
)
def test_content_types_taken(event, header):
    key, value, _ = encode_record(event, "moriguchi")
    assert decode_record(key, value, [("content-type", header), ("traceparent", b"\xff")]) == event


@pytest.mark.parametrize("header", [b"application/json", b"application/cloudevents-batch+json", b"\xff"])
def test_content_types_refused(event, header):
    key, value, _ = encode_record(event, "moriguchi")
    with pytest.raises(Malformed) as caught:
        decode_record(key, value, [("Content-Type", header)])
    assert caught.value.code == "content-type"


@pytest.mark.parametrize("key", [None, b"", b"1000002"])
def test_a_record_keyed_otherwise_is_refused(event, key):
    _, value, headers = encode_record(event, "moriguchi")
    with pytest.raises(Malformed) as caught:
        decode_record(key, value, headers)
    assert caught.value.code == "key"


@pytest.mark.parametrize(
    ("value", "code"),
    [(None, "json"), (b"", "json"), (b"{", "json"), (b"\xff", "json"), (b"[]", "attribute"), (b"{}", "attribute")],
)
def test_what_is_no_event_is_refused(value, code):
    with pytest.raises(Malformed) as caught:
        decode_record(b"", value, ())
    assert caught.value.code == code


def test_types_and_fields_of_a_newer_hub_are_passed_on(event):
    event.type, event.version = "resident.newer", 3
    assert decode_record(*encode_record(event, "moriguchi")) == event
    event.type, event.version, event.data = "resident.moved", 2, {"new": 1}
    assert decode_record(*encode_record(event, "moriguchi")) == event
