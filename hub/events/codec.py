"""Events as Kafka records: CloudEvents structured mode, keyed by resident.

Source: CloudEvents Kafka protocol binding 1.0.2. The key is the UTF-8 subject, so that all that concerns one resident
stays in one partition, in order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hub.errors import Malformed
from hub.events.catalogue import CATALOGUE, Catalogue
from hub.events.catalogue.registry import short_type
from hub.events.envelope import Event, encode
from hub.events.text import parse

if TYPE_CHECKING:
    from collections.abc import Iterable

CONTENT_TYPE = b"application/cloudevents+json; charset=UTF-8"
HEADERS: tuple[tuple[str, bytes], ...] = (("content-type", CONTENT_TYPE),)
_MEDIA_TYPE = b"application/cloudevents+json"
_REQUIRED = ("id", "source", "type", "subject", "time")
_CORE = frozenset({*_REQUIRED, "specversion", "data"})

Record = tuple[bytes, bytes, tuple[tuple[str, bytes], ...]]


def encode_record(event: Event, city: str) -> Record:
    """Return the event as (key, value, headers)."""
    return event.subject.encode(), encode(event, city), HEADERS


def decode_record(
    key: bytes | None, value: bytes | None, headers: Iterable[tuple[str, bytes]], *, catalogue: Catalogue = CATALOGUE
) -> Event:
    """Return the event of a record of `hub.events`, its data raised to the current version where that is known.

    Data is not checked again, and a type or version this hub does not know yet is passed on: records were checked at
    intake, perhaps by a newer hub. Raises Malformed: `json`, `content-type`, `attribute`, `data`, or `key` when the
    record is not keyed by its subject.
    """
    _check_content_type(headers)
    if value is None:
        raise Malformed("the record has no value", code="json")
    obj = parse(value)
    if not isinstance(obj, dict):
        raise Malformed("the record is not a CloudEvent", code="attribute")
    for name in _REQUIRED:
        if not isinstance(obj.get(name), str):
            raise Malformed(f"the record's {name} is missing or not text", code="attribute")
    if key != obj["subject"].encode():
        raise Malformed("the record's key is not its subject", code="key", mend="key records by UTF-8 subject")
    name, version, data = _current(obj, catalogue)
    extensions = {key: value for key, value in obj.items() if key not in _CORE and value is not None}
    return Event(obj["id"], obj["source"], name, version, obj["subject"], obj["time"], data, extensions)


def _check_content_type(headers: Iterable[tuple[str, bytes]]) -> None:
    for name, value in headers:
        if name.lower() == "content-type" and value.split(b";")[0].strip().lower() != _MEDIA_TYPE:
            mend = f"use {CONTENT_TYPE.decode()}"
            raise Malformed("the record is not in CloudEvents structured mode", code="content-type", mend=mend)


def _current(obj: dict[str, Any], catalogue: Catalogue) -> tuple[str, int, dict[str, Any]]:
    data = obj.get("data")
    if not isinstance(data, dict):
        raise Malformed("the record's data is not an object", code="data")
    name, version = short_type(obj["type"])
    known = catalogue.types.get(name)
    if known is None or version >= known.version:
        return name, version, data
    return name, known.version, catalogue.upcasts.raised(name, version, data, known.version)
