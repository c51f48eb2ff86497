"""CloudEvents content modes, against the HTTP binding's rules and the CloudEvents SDK."""

import orjson
import pytest
from cloudevents.core.bindings.http import to_binary, to_structured
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from hub.errors import Malformed
from hub.server.cloudevents import documents
from hub.server.problems import Problem

EVENT = {"specversion": "1.0", "id": "e1", "type": "resident.moved", "subject": "1", "data": {"reason": "転居"}}


def read(content_type, body, **headers):
    raw = [(b"content-type", content_type.encode())] if content_type else []
    raw += [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return documents(raw, body)


@pytest.mark.parametrize(
    "content_type",
    ["application/cloudevents+json", "application/cloudevents+json; charset=UTF-8", "application/json"],
)
def test_structured(content_type):
    assert read(content_type, orjson.dumps(EVENT)) == ([EVENT], False)


@pytest.mark.parametrize("content_type", ["application/cloudevents-batch+json", "application/json"])
def test_batch(content_type):
    assert read(content_type, orjson.dumps([EVENT, EVENT])) == ([EVENT, EVENT], True)


def test_binary_decodes_percent_and_quotes():
    found = read(
        "application/json",
        b'{"reason":"x"}',
        ce_specversion="1.0",
        ce_id="Euro%20%E2%82%AC%20%F0%9F%98%80",
        ce_type='"resident\\"moved"',
        ce_subject="1",
        ce_sequence="12",
        ce_batchid="007",
    )
    assert found == (
        [
            {
                "specversion": "1.0",
                "id": "Euro € 😀",
                "type": 'resident"moved',
                "subject": "1",
                "sequence": 12,
                "batchid": "007",
                "data": {"reason": "x"},
            }
        ],
        False,
    )


def test_the_sdks_messages_are_understood():
    attributes = {"id": "守口 1%", "source": "/systems/juki", "type": "resident.moved", "subject": "1"}
    event = CloudEvent({**attributes, "specversion": "1.0"}, {"reason": "転居"})
    for message in (to_binary(event, JSONFormat()), to_structured(event, JSONFormat())):
        raw = [(name.lower().encode(), value.encode()) for name, value in message.headers.items()]
        body = message.body if isinstance(message.body, bytes) else message.body.encode()
        (found,), batch = documents([(b"content-type", b"application/json"), *raw], body)
        assert attributes.items() <= found.items()
        assert (found["data"], batch) == ({"reason": "転居"}, False)


@pytest.mark.parametrize(
    "content_type", ["", "text/plain", "application/cloudevents+xml", "application/json; charset=sjis"]
)
def test_other_content_is_415(content_type):
    with pytest.raises(Problem) as caught:
        read(content_type, b"{}")
    assert caught.value.status == 415


def test_what_is_not_json_or_no_batch_or_no_utf8_is_malformed():
    with pytest.raises(Malformed):
        read("application/cloudevents+json", b"{")
    with pytest.raises(Malformed):
        read("application/cloudevents-batch+json", b"{}")
    with pytest.raises(Malformed):
        read("application/json", b"{}", ce_specversion="1.0", ce_id="%ff")


def test_json_without_headers_that_is_no_event_says_both_ways_to_send_one():
    with pytest.raises(Malformed, match=r"ce-\* headers are missing, or the body is no CloudEvent") as caught:
        read("application/json", b'{"reason":"x"}')
    assert "application/cloudevents+json" in caught.value.mend
