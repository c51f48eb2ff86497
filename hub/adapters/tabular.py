"""Deliveries as a table: a header, and a row of texts for each. What `csv` and `excel` sinks write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from hub.adapters.contract import Batch, Delivery
from hub.adapters.file_sink import Column
from hub.errors import Malformed

FIXED = ("delivery_key", "event_id", "type", "subject", "time", "action")

Refused = dict[str, list[str]]  # delivery key → code and message


def table(
    batch: Batch, wanted: Sequence[Delivery], refused: Refused, *, columns: Mapping[str, Column], fields: Sequence[str]
) -> tuple[list[str], dict[str, list[str]]]:
    """Return the header and, by delivery key, the row of every delivery; what cannot be computed goes into `refused`.

    Without `columns` these are the fixed ones and the fields of `send` (`fields`), then others the data holds.
    """
    if not columns:
        shown = list(dict.fromkeys([*fields, *(name for one in wanted for name in one.data)]))
        shown = [name for name in shown if name != "restored" or name in fields]
        names = [*FIXED, *(f"data.{name}" if name in FIXED else name for name in shown)]
        return names, {one.key: [*_fixed(one), *(cell(one.data.get(name)) for name in shown)] for one in wanted}
    rows = {}
    for one in wanted:
        try:
            rows[one.key] = [cell(column(one, batch)) for column in columns.values()]
        except Malformed as error:
            refused[one.key] = [error.code, str(error)]
    return list(columns), rows


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
