"""Values of columns: as rows carry them, and as positions keep them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson

from hub.adapters.contract import Row
from hub.errors import Malformed


def row_of(values: Mapping[str, Any], place: str) -> Row:
    """Return a row of a table; one with a value that is no text is an error row."""
    try:
        shown = {name: column_value(name, value) for name, value in values.items()}
    except Malformed as error:
        error.place = place
        kept = {name: plain(value) if kind_of(value) else type(value).__name__ for name, value in values.items()}
        return Row({}, place, orjson.dumps(kept), error)
    return Row(shown, place, orjson.dumps(shown))


def column_value(name: str, value: Any) -> Any:
    """Return a column's value as a row carries it: dates as `YYYY-MM-DD`, decimals as text. Raises `Malformed`."""
    if value is None or isinstance(value, (str, int, float, dict, list)):
        return value
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, UUID):
        return str(value)
    raise Malformed(f"the column {name} holds {type(value).__name__}, which is no text", code="db-type")


def kind_of(value: Any) -> str:
    """Return the name of a value's kind, empty for one that no cursor can have."""
    kinds = {datetime: "datetime", date: "date", Decimal: "decimal", int: "int", float: "float", str: "text"}
    return kinds.get(type(value), "")


def plain(value: Any) -> Any:
    """Return a value as JSON has it."""
    if value is None or isinstance(value, (int, str, float)):
        return value
    return value.isoformat() if isinstance(value, (datetime, date)) else str(value)


def revive(value: Any, kind: str) -> Any:
    """Return a value of a kind from JSON."""
    readers: dict[str, Callable[[str], Any]] = {
        "datetime": datetime.fromisoformat,
        "date": date.fromisoformat,
        "decimal": Decimal,
    }
    return readers[kind](value) if kind in readers else value


def written(text: str, like: Any) -> Any:
    """Return a text as a value of the same kind as another; raises ValueError, ArithmeticError."""
    return type(like)(text) if isinstance(like, (int, float, str)) else revive(text, kind_of(like))
