"""Deliveries as a table: a header, and a row of texts for each. What `csv` and `excel` sinks write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from hub.adapters.contract import Batch, Delivery
from hub.adapters.file_sink import Column, Content
from hub.errors import Malformed

FIXED = ("delivery_key", "event_id", "type", "subject", "time", "action")


def table(
    batch: Batch, wanted: Sequence[Delivery], content: Content, *, columns: Mapping[str, Column], fields: Sequence[str]
) -> tuple[list[str], dict[str, list[str]]]:
    """Return the header, the same for every batch, and by delivery key the row of every delivery.

    Without `columns` these are the fixed ones and `fields`, those of `send`. What cannot be computed is refused in
    `content`; what has no column, because `send` was another when it was planned, is noted there.
    """
    if not columns:
        names = [*FIXED, *(f"data.{name}" if name in FIXED else name for name in fields)]
        for one in wanted:
            if more := [name for name in others(one.data, fields) if name != "restored"]:
                content.notes[one.key] = f"no column for {', '.join(more)}: no rule sends it to this receiver now"
        return names, {one.key: [*_fixed(one), *(cell(at(one.data, name)) for name in fields)] for one in wanted}
    rows = {}
    for one in wanted:
        try:
            rows[one.key] = [cell(column(one, batch)) for column in columns.values()]
        except Malformed as error:
            content.refused[one.key] = [error.code, str(error)]
    return list(columns), rows


def at(data: Mapping[str, Any], name: str) -> Any:
    """Return what stands at a field's name; one with dots, as in `new_address.town`, is within another."""
    first, dot, rest = name.partition(".")
    if name in data or not dot:
        return data.get(name)
    inside = data.get(first)
    return at(inside, rest) if isinstance(inside, dict) else None


def others(data: Mapping[str, Any], fields: Sequence[str]) -> list[str]:
    """Return the names of values that are in none of the fields, not even in part."""
    told = {*fields, *(name.partition(".")[0] for name in fields)}
    return [name for name, value in data.items() if value is not None and name not in told]


def _fixed(delivery: Delivery) -> list[str]:
    return [delivery.key, delivery.event_id, delivery.type, delivery.subject, delivery.time, delivery.action]


def cell(value: Any) -> str:
    """Return a text as it is, an absent value empty, anything else as compact JSON (`true`, `12`, `{"a":1}`)."""
    if isinstance(value, str):
        return value
    return "" if value is None else orjson.dumps(value).decode()


def stranger(text: str, encoding: str) -> str:
    """Return the first character the encoding lacks, with its code point, or nothing."""
    try:
        text.encode(encoding)
    except UnicodeEncodeError as error:
        sign = error.object[error.start]
        return f"U+{ord(sign):04X}" if "\ud800" <= sign <= "\udfff" else f"{sign} (U+{ord(sign):04X})"
    return ""
