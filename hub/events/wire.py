"""The fast decoder of the hot path: a Kafka value split into attributes and raw JSON fragments of `data`.

Intake has validated what it published; here nothing is validated twice. Fields of `data` stay bytes until a rule asks
for one (`Lazy`), and travel to receivers as the same bytes.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import orjson

from hub.errors import Malformed

_WIRE_TYPE = re.compile(r"jp\.lg\.[a-z0-9-]+\.(?P<type>.+)\.v(?P<version>[0-9]+)\Z")
SYSTEMS = "/systems/"


class Wire(msgspec.Struct, gc=False):
    """A CloudEvent as it stands in Kafka; `data` maps field names to raw JSON."""

    id: str
    source: str
    type: str
    subject: str
    data: dict[str, msgspec.Raw]
    time: str = ""
    specversion: str = "1.0"
    sequence: int | str | None = None
    batchid: str | None = None
    hubfactsonly: bool = False
    hubreplaces: str | None = None  # the id of an event of the same source, about another resident
    hubidentifies: str | None = None  # the id of an event of the same source, about somebody not identified then


_decoder = msgspec.json.Decoder(Wire)
_plain = msgspec.json.Decoder().decode


def decode(value: bytes) -> Wire:
    """Decode a Kafka value; raises `Malformed` (code `json`) naming what is missing or broken."""
    try:
        return _decoder.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Malformed(f"not an event of the hub: {error}", code="json") from None


class Lazy(Mapping[str, Any]):
    """The fields of `data`, decoded one by one when asked for. Absent and null fields are as in the event."""

    __slots__ = ("_raw", "_values")

    def __init__(self, raw: Mapping[str, msgspec.Raw]) -> None:
        self._raw = raw
        self._values: dict[str, Any] = {}

    def __getitem__(self, key: str) -> Any:
        """Return one field's value; raises KeyError."""
        values = self._values
        if key not in values:
            values[key] = _plain(self._raw[key])
        return values[key]

    def get(self, key: str, default: Any = None) -> Any:
        """Return one field's value, or the default when the event does not have it."""
        values = self._values
        if key in values:
            return values[key]
        raw = self._raw.get(key)
        if raw is None:
            return default
        value = values[key] = _plain(raw)
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._raw)

    def __len__(self) -> int:
        return len(self._raw)

    def __contains__(self, key: object) -> bool:
        """Tell whether the event has the field (it may be null)."""
        return key in self._raw


_types: dict[str, tuple[str, int]] = {}


def type_of(wire: str) -> tuple[str, int]:
    """Return `(short type, version)` of a type as on the wire; raises `Malformed` (code `type-unknown`)."""
    found = _types.get(wire)
    if found is None:
        match = _WIRE_TYPE.match(wire)
        if match is None:
            raise Malformed(f"not a type of the hub: {wire}", code="type-unknown")
        found = _types[wire] = (match["type"], int(match["version"]))
    return found


def system_of(source: str) -> str:
    """Return the system a source names: `juki` of `/systems/juki`; any other source is its own name."""
    return source.removeprefix(SYSTEMS)


def source_of(text: str) -> str:
    """Return a source as the ledger names it: `juki` and `/systems/juki` are one."""
    return SYSTEMS + system_of(text)


def digest(wire: Wire, value: bytes) -> bytes:
    """Return 8 bytes of the content as it stands: equal bytes are equal content; unequal ones are compared by value.

    The hub writes `data` last, so what follows it is the content; of another program's event this may be more.
    """
    written = value[max(0, value.find(b'"data":')) :]
    return hashlib.blake2b(f"{wire.type}\n{wire.subject}\n".encode() + written, digest_size=8).digest()


def kept(value: Any) -> bytes:
    """Return JSON that may be kept by the thousand: orjson leaves some 4 KB of room behind what it returns."""
    return bytes(memoryview(orjson.dumps(value)))


def content(wire: Wire) -> bytes:
    """Return what makes two events of one id the same (type, subject, data), however it is written."""
    data = {name: _plain(raw) for name, raw in wire.data.items()}
    return orjson.dumps([wire.type, wire.subject, data], option=orjson.OPT_SORT_KEYS)


def opening(wire: Wire, key: str) -> bytes:
    """Return the opening of the projected CloudEvent, as far as a delivery key of which `key` is the beginning."""
    parts: dict[str, Any] = {
        "specversion": "1.0",
        "id": wire.id,
        "source": wire.source,
        "type": wire.type,
        "subject": wire.subject,
        "time": wire.time,
    }
    if wire.sequence is not None:
        parts["sequence"] = wire.sequence
    if wire.batchid is not None:
        parts["batchid"] = wire.batchid
    parts["deliverykey"] = key
    return orjson.dumps(parts)[:-2]
