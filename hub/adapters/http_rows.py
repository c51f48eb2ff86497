"""Turns the body of an answer, or of a call, into rows: JSON, JSON Lines or CSV."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any, Literal

import orjson
from pydantic import Field

from hub.adapters.contract import AdapterSettings, Row
from hub.adapters.csv import CsvFormat, Delimiter
from hub.adapters.file_source import Spot
from hub.adapters.jsonl import JsonlFormat
from hub.errors import Malformed
from hub.settings.encoding import Encoding

ABSENT = object()


class RowsSettings(AdapterSettings):
    """How rows stand in a body."""

    format: Literal["json", "jsonl", "csv"] = Field(default="json", description="What a body is.")
    rows: str = Field(
        default="",
        description="JSON: the path to the list of rows in the document, names with dots between: `result`. Without it"
        " the document is the list, or one row.",
    )
    encoding: Encoding = Field(default="utf-8-sig", description="CSV: the encoding, for example `cp932`.")
    delimiter: Delimiter = Field(default=",", description="CSV: the one character between columns.")


def rows_of(content: bytes, settings: RowsSettings, document: Any, label: str) -> Iterator[Row]:
    """Yield the rows of a body; `document` is what `parse` gave for it.

    Raises `Malformed` for a body that holds none: `rows` where JSON has no list at the path, and those of `csv`.
    """
    if settings.format == "json":
        yield from _listed(_list_in(document, settings.rows), label)
        return
    form = JsonlFormat() if settings.format == "jsonl" else CsvFormat(settings.encoding, settings.delimiter)
    for row, _ in form.rows(io.BytesIO(content), label, Spot()):
        yield row


def parse(content: bytes, settings: RowsSettings) -> Any:
    """Return the JSON document of a body, None for other formats. Raises `Malformed` (`json`)."""
    if settings.format != "json":
        return None
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        raise Malformed("the body is no JSON", code="json") from None


def at(document: Any, path: str) -> Any:
    """Return what stands at a path of names with dots between, `ABSENT` when nothing does."""
    for name in path.split(".") if path else ():
        if not isinstance(document, dict) or name not in document:
            return ABSENT
        document = document[name]
    return document


def _list_in(document: Any, path: str) -> list[Any]:
    found = at(document, path)
    if isinstance(found, list):
        return found
    if isinstance(found, dict) and not path:
        return [found]
    raise Malformed(f"there is no list of rows at `{path}`" if path else "it is no list of rows", code="rows")


def _listed(values: list[Any], label: str) -> Iterator[Row]:
    for number, value in enumerate(values, 1):
        place, raw = f"{label}:{number}", orjson.dumps(value)
        if isinstance(value, dict):
            yield Row(value, place, raw)
        else:
            yield Row({}, place, raw, Malformed("a row is a JSON object", place=place, code="json-object"))
