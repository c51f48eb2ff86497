"""The envelope: CloudEvents 1.0 in structured JSON, checked once at intake.

Source of the rules: CloudEvents 1.0.2 (attributes, type system, JSON format), RFC 3339 (time), RFC 8785 (identity).
Nothing is normalised: what an event carries stays as it was received.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any

import orjson
import rfc8785

from hub.errors import Malformed
from hub.events.catalogue import CATALOGUE, Catalogue, EventType
from hub.events.catalogue.faults import json_name
from hub.events.catalogue.registry import check, short_type, wire_type
from hub.events.text import parse, plain_json
from hub.events.wire import kept

__all__ = ["Event", "encode", "event_from", "identity", "parse", "short_type", "wire_type"]

LONGEST = {"id": 500, "source": 200, "subject": 200}
LONGEST_EXTENSION = 1000
LARGEST_SEQUENCE = 2**53 - 1
_CORE = frozenset({"specversion", "id", "source", "type", "subject", "time", "data"})
_SYSTEMS = "/systems/"
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})")
_NAME = re.compile(r"[a-z0-9]+")
_JSON_TYPE = re.compile(r"[a-zA-Z0-9.+-]+/([a-zA-Z0-9.-]+\+)?json\s*(;.*)?", re.IGNORECASE)
_REFUSED = re.compile("[\x00-\x1f\x7f-\x9f\ufdd0-\ufdef\ufffe\uffff]")
_NO_REFERENCE = re.compile(r'[\s<>"{}|\\^`]|%(?![0-9A-Fa-f]{2})')  # RFC 3986; letters of any script pass
_PERSONAL = frozenset(
    {"name", "kana", "address", "birthdate", "sex", "head", "partner", "informant", "guardian", "answers"}
)


_KINDS: dict[str, type] = {
    "batchid": str,
    "datacontenttype": str,
    "dataschema": str,
    "hubfactsonly": bool,
    "hubreplaces": str,
    "hubidentifies": str,
}


@dataclass(slots=True)
class Event:
    """One event as the hub carries it.

    `source` is as on the wire (`/systems/juki`), `type` short (`resident.moved`), `time` RFC 3339 text, `data` as
    received, `extensions` the other CloudEvents attributes (`sequence`, `batchid`, `datacontenttype` …).
    """

    id: str
    source: str
    type: str
    version: int
    subject: str
    time: str
    data: dict[str, Any]
    extensions: dict[str, Any] = field(default_factory=dict)

    @property
    def system(self) -> str:
        """Return `juki` for `/systems/juki`; any other source is its own name."""
        return self.source.removeprefix(_SYSTEMS)


def event_from(obj: Any, *, city: str, system: str | None = None, now: str, catalogue: Catalogue = CATALOGUE) -> Event:
    """Check a CloudEvent read from JSON and return it as an Event in its type's current version.

    Takes short and wire types; null attributes count as absent; an absent `time` becomes `now`. `system` fills an
    absent `source` and refuses another. Raises Malformed with one of the codes `attribute`, `source-other`,
    `type-unknown`, `version-unknown`, `data`, `text` (U+0000, lone surrogates, numbers JSON cannot carry),
    `too-large` (above 256 KiB).
    """
    if not isinstance(obj, dict):
        raise Malformed(f"an event is a JSON object, not {json_name(obj)}", code="attribute")
    plain_json(obj)
    extensions = {name: value for name, value in obj.items() if name not in _CORE and value is not None}
    for name, value in extensions.items():
        _check_extension(name, value)
    if obj.get("specversion") != "1.0":
        raise _attribute('specversion must be "1.0"', 'add "specversion": "1.0"')
    type_, version = _type_of(obj, city, catalogue)
    data = obj.get("data")
    if not isinstance(data, dict):
        raise Malformed(
            "data is missing" if data is None else f"data must be an object, not {json_name(data)}",
            code="data",
            mend=f"give the fields of {type_.name}: " + ", ".join(type_.fields),
        )
    if version != type_.version:
        data = catalogue.upcasts.raised(type_.name, version, data, type_.version)
    check(type_, data)
    return Event(
        id=_text(obj, "id"),
        source=_source(obj, system),
        type=type_.name,
        version=type_.version,
        subject=_subject(obj),
        time=_time(obj, now),
        data=data,
        extensions=extensions,
    )


def encode(event: Event, city: str) -> bytes:
    """Return the event as the Kafka value: compact structured JSON, attributes first, `data` last."""
    return kept(
        {
            "specversion": "1.0",
            "id": event.id,
            "source": event.source,
            "type": wire_type(city, event.type, event.version),
            "subject": event.subject,
            "time": event.time,
            **event.extensions,
            "data": event.data,
        }
    )


def identity(system: str, values: Any) -> str:
    """Return the id of a report: the first 32 hex digits of SHA-256 over RFC 8785 JSON of `[system, values]`.

    `values` is the list of identity values, or the whole row (header → text). Raises Malformed (`identity`) for
    what RFC 8785 cannot carry (integers above 2^53, NaN, lone surrogates).
    """
    return sha256(_canonical([system, values])).hexdigest()[:32]


def _canonical(pair: list[Any]) -> bytes:
    """Return RFC 8785 JSON; a row of texts goes the fast way, which writes the same bytes.

    The two differ only in numbers, and in the order of headers beyond U+FFFF.
    """
    row = pair[1]
    try:
        if type(row) is dict and set(map(type, row.values())) == {str} and max("".join(row), default="") <= "\uffff":
            return orjson.dumps(pair, option=orjson.OPT_SORT_KEYS)
        return rfc8785.dumps(pair)
    except (rfc8785.CanonicalizationError, TypeError) as fault:
        raise Malformed(f"no id can be made from these values: {fault}", code="identity") from fault


def _attribute(message: str, mend: str = "") -> Malformed:
    return Malformed(message, code="attribute", mend=mend)


def _type_of(obj: dict[str, Any], city: str, catalogue: Catalogue) -> tuple[EventType, int]:
    text = obj.get("type")
    if not isinstance(text, str) or not text:
        raise _attribute("type is missing" if text is None else "type must be text", "say the event type")
    known = catalogue.names(city).get(text)
    if known is None:
        raise catalogue.refuse(text, city)
    return known


def _text(obj: dict[str, Any], name: str) -> str:
    value = obj.get(name)
    if not isinstance(value, str) or not value:
        wrong = (
            "is missing" if value is None else "is empty" if value == "" else f"must be text, not {json_name(value)}"
        )
        mend = "write it in quotes" if isinstance(value, int) else f"every event has {name}"
        raise _attribute(f"{name} {wrong}", mend)
    if len(value) > LONGEST[name]:
        raise _attribute(f"{name} has {len(value)} characters", f"at most {LONGEST[name]}")
    _no_controls(name, value)
    return value


def _subject(obj: dict[str, Any]) -> str:
    """Return the resident's number: one with spaces around it would be another, unknown resident."""
    subject = _text(obj, "subject")
    if subject != subject.strip():
        raise _attribute("subject has spaces at its ends", "write the number alone, in a mapping row.….trim()")
    return subject


def _no_controls(name: str, value: str) -> None:
    if not (value.isascii() and value.isprintable()) and _REFUSED.search(value):
        raise _attribute(f"{name} holds control characters", "take them out")


def _source(obj: dict[str, Any], system: str | None) -> str:
    if system is None:
        text = _text(obj, "source")
        if _NO_REFERENCE.search(text):
            raise _attribute("source is no URI reference", "write it like /systems/juki, other signs as %XX")
        return text
    own = _SYSTEMS + system
    if obj.get("source") in (None, own):
        return own
    raise Malformed(
        f"source is not {own}", code="source-other", mend=f"leave source out: {system} reports its own events only"
    )


def _time(obj: dict[str, Any], now: str) -> str:
    value = obj.get("time")
    if value is None:
        return now
    if isinstance(value, str) and _TIME.fullmatch(value):
        try:
            datetime.fromisoformat(value.upper())
        except ValueError:
            pass
        else:
            return value
    raise _attribute("time is not an RFC 3339 time", "write it like 2026-11-20T09:30:00+09:00, or leave it out")


def _check_extension(name: str, value: Any) -> None:
    _check_name(name)
    if isinstance(value, str):
        if len(value) > LONGEST_EXTENSION:
            raise _attribute(f"{name} has {len(value)} characters", f"at most {LONGEST_EXTENSION}")
        _no_controls(name, value)
    elif not isinstance(value, int):
        raise _attribute(f"{name} must be text, a whole number, true or false, not {json_name(value)}")
    elif abs(value) > (LARGEST_SEQUENCE if name == "sequence" else 2**31 - 1):
        raise _attribute(f"{name} is too large a number for an attribute", "write it as text")
    if name in _KINDS and type(value) is not _KINDS[name]:
        raise _attribute(f"{name} must be {json_name(_KINDS[name]())}, not {json_name(value)}")
    if name == "datacontenttype" and not _JSON_TYPE.fullmatch(value):
        raise _attribute("datacontenttype must be application/json", "leave it out: data is always JSON")


def _check_name(name: str) -> None:
    if name == "data_base64":
        raise _attribute("data_base64 is not taken", "give data as a JSON object")
    if name in _PERSONAL:
        raise _attribute(f"{name} is personal data, and attributes travel in logs", f"put {name} into data")
    if not _NAME.fullmatch(name):
        mend = f"did you mean {name.lower()}?" if name.lower() in _CORE else f"put {name[:60]} into data"
        raise _attribute(f"{name[:60]} is no attribute name: lowercase letters and digits only", mend)
