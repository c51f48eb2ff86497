"""Turns records of a topic into rows: JSON, CloudEvents, and what Debezium's outbox event router emits.

Sources: CloudEvents 1.0.2, Kafka protocol binding (structured: `content-type: application/cloudevents+json`; binary:
headers `ce_…`). Debezium, Outbox Event Router: the record's key is the aggregate's id, the header `id` the event's own,
more headers as its `table.fields.additional.placement` says; the value is the payload, expanded or as a text, bare or
in the envelope `{"schema", "payload"}` of Kafka Connect's JSON converter.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import orjson

from hub.adapters.contract import Row
from hub.errors import Malformed

STRUCTURED = "application/cloudevents+json"


class Record(Protocol):
    """A record as a Kafka client gives it."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Any  # pairs of name and bytes


def row_of(record: Record, form: str) -> Row:
    """Return a record as a row; one that cannot be read is an error row with its bytes."""
    place = f"{record.topic}/{record.partition}@{record.offset}"
    raw = record.value if record.value is not None else b"null"
    try:
        values, shown = FORMS[form](record)
        return Row(values, place, shown)
    except Malformed as error:
        error.place = place
        return Row({}, place, raw or b"\0", error)


def _json(record: Record) -> tuple[dict[str, Any], bytes]:
    value = _object(record.value)
    return value, bytes(record.value or b"")


def _cloudevent(record: Record) -> tuple[dict[str, Any], bytes]:
    headers = _headers(record)
    content_type = headers.get("content-type", "")
    if content_type.startswith(STRUCTURED) or "ce_specversion" not in headers:
        event = _object(record.value)
        if "specversion" not in event:
            raise Malformed("the record is no CloudEvent", code="content-type")
        return event, bytes(record.value or b"")
    event = {name.removeprefix("ce_"): value for name, value in headers.items() if name.startswith("ce_")}
    if record.value is not None:
        event["data"] = _parsed(record.value)
    return event, orjson.dumps(event)


def _outbox(record: Record) -> tuple[dict[str, Any], bytes]:
    headers = {name: _plain(value) for name, value in _headers(record).items()}
    payload = _parsed(record.value) if record.value is not None else None
    if isinstance(payload, dict) and payload.keys() == {"schema", "payload"}:
        payload = payload["payload"]
    if isinstance(payload, str):  # a column of text, whose JSON the router has not expanded
        payload = _parsed(payload.encode())
    if not isinstance(payload, dict):
        raise Malformed("the payload is no JSON object", code="json-object")
    values = {
        "id": headers.get("id"),
        "key": _plain(_text(record.key or b"")),
        "type": headers.get("eventType", headers.get("type")),
        "headers": headers,
        "payload": payload,
    }
    return values, orjson.dumps(values)


FORMS = {"json": _json, "cloudevents": _cloudevent, "outbox": _outbox}


def _headers(record: Record) -> dict[str, str]:
    return {name: _text(value) for name, value in record.headers or () if value is not None}


def _plain(text: str) -> str:
    """Return a header of Kafka Connect's JSON converter without its quotes and envelope."""
    if text[:1] in ('"', "{"):
        try:
            value = orjson.loads(text)
        except orjson.JSONDecodeError:
            return text
        if isinstance(value, Mapping) and value.keys() == {"schema", "payload"}:
            value = value["payload"]
        return value if isinstance(value, str) else text
    return text


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise Malformed("a key or header is no UTF-8", code="text") from None


def _parsed(value: bytes) -> Any:
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        raise Malformed("the value is no JSON", code="json") from None


def _object(value: bytes | None) -> dict[str, Any]:
    parsed = _parsed(value) if value is not None else None
    if not isinstance(parsed, dict):
        raise Malformed("the value is no JSON object", code="json-object")
    return parsed
