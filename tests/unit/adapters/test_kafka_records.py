from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest

from hub.adapters.kafka_records import row_of


@dataclass
class Record:
    value: bytes | None
    headers: list[tuple[str, bytes]] = field(default_factory=list)
    key: bytes | None = None
    topic: str = "t"
    partition: int = 3
    offset: int = 7


def test_json_is_the_row() -> None:
    row = row_of(Record(b'{"no":1}'), "json")
    assert (row.values, row.place, row.raw, row.error) == ({"no": 1}, "t/3@7", b'{"no":1}', None)


EVENT = {"specversion": "1.0", "id": "e1", "source": "/s", "type": "t", "subject": "1", "data": {"name": "守口"}}


@pytest.mark.parametrize(
    ("value", "headers"),
    [
        (orjson.dumps(EVENT), [("content-type", b"application/cloudevents+json; charset=UTF-8")]),
        (orjson.dumps(EVENT), []),
        (
            b'{"name":"\xe5\xae\x88\xe5\x8f\xa3"}',
            [(f"ce_{name}", str(EVENT[name]).encode()) for name in ("specversion", "id", "source", "type", "subject")],
        ),
    ],
)
def test_a_cloudevent_in_either_mode_is_the_same_row(value: bytes, headers: Any) -> None:
    row = row_of(Record(value, headers), "cloudevents")
    assert row.values == EVENT
    assert orjson.loads(row.raw) == EVENT  # what a person resubmits


PAYLOAD = {"no": 1, "name": "守口"}
TEXT = orjson.dumps(PAYLOAD)


@pytest.mark.parametrize(
    ("value", "id_"),
    [
        (TEXT, b"u1"),  # expand.json.payload, or StringConverter
        (orjson.dumps(TEXT.decode()), b"u1"),  # JsonConverter, the column a text
        (orjson.dumps({"schema": {"type": "struct"}, "payload": PAYLOAD}), b'"u1"'),
        (orjson.dumps({"schema": {"type": "string"}, "payload": TEXT.decode()}), b'{"schema":{},"payload":"u1"}'),
    ],
)
def test_what_the_outbox_router_emits(value: bytes, id_: bytes) -> None:
    row = row_of(Record(value, [("id", id_), ("eventType", b"Moved")], key=b'"1000001"'), "outbox")
    assert row.error is None
    assert row.values == {
        "id": "u1",
        "key": "1000001",
        "type": "Moved",
        "headers": {"id": "u1", "eventType": "Moved"},
        "payload": PAYLOAD,
    }


@pytest.mark.parametrize(
    ("record", "form", "code"),
    [
        (Record(b"<xml>"), "json", "json"),
        (Record(b"[1]"), "json", "json-object"),
        (Record(None), "json", "json-object"),
        (Record(b"{}"), "cloudevents", "content-type"),
        (Record(b"1"), "outbox", "json-object"),
        (Record(b"{}", [("id", b"\xff")]), "outbox", "text"),
    ],
)
def test_what_cannot_be_read_is_an_error_row_with_its_bytes(record: Record, form: str, code: str) -> None:
    row = row_of(record, form)
    assert row.error is not None
    assert (row.values, row.error.code, row.error.place) == ({}, code, "t/3@7")
    assert row.raw == (record.value or b"null")
