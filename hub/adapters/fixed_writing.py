"""Writes fixed-width files: header, a record for every delivery, trailer; counts and totals as they come out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

import orjson

from hub.adapters.contract import Batch, Compile, Delivery
from hub.adapters.file_sink import Column, Content
from hub.adapters.fixed_fields import Fields
from hub.errors import Malformed, ReceiverStopped
from hub.settings.layouts import Layout, LayoutField

NEWLINES = {"crlf": b"\r\n", "lf": b"\n", "none": b""}


class FixedWriting:
    """Lays deliveries out; `compile_` makes the expressions of the layout's fields."""

    suffix = ".dat"

    def __init__(self, layout: Layout, compile_: Compile) -> None:
        self._layout = layout
        self._newline = NEWLINES[layout.newline]
        self._header = Fields(layout, layout.header)
        self._record = Fields(layout, layout.record)
        self._trailer = Fields(layout, layout.trailer)
        self._columns = _columns(layout.record, compile_, {})
        self._around = {part: _columns(getattr(layout, part), compile_, {}) for part in ("header", "trailer")}
        self._by_type = {
            kind: _columns(
                layout.record,
                compile_,
                {name: (columns[name], layout.place_of("columns_by", kind, name)) for name in columns},
            )
            for kind, columns in layout.columns_by.items()
        }
        self._summed = {field.total for field in (*layout.header, *layout.trailer) if field.total}

    def content(self, batch: Batch, wanted: Sequence[Delivery]) -> Content:
        """Return the file; deliveries that do not fit their fields are refused, what was cut is noted."""
        content = Content(b"")
        records: list[bytes] = []
        totals = dict.fromkeys(self._summed, 0)
        for delivery in wanted:
            try:
                record, cut = self._lay_out(delivery, batch, len(records) + 1)
            except Malformed as error:
                content.refused[delivery.key] = [error.code, str(error)]
                continue
            records.append(record)
            for field in self._record.fields:
                if field.name in totals:
                    totals[field.name] += self._record.number(record, field)
            if cut:
                content.notes[delivery.key] = f"cut to its width: {', '.join(cut)}"
        header = self._part("header", self._header, batch, len(records), totals)
        trailer = self._part("trailer", self._trailer, batch, len(records), totals)
        content.data = b"".join(record + self._newline for record in [*header, *records, *trailer])
        return content

    def _lay_out(self, delivery: Delivery, batch: Batch, order: int) -> tuple[bytes, list[str]]:
        columns = next(
            (columns for kind, columns in self._by_type.items() if fnmatchcase(delivery.type, kind)), self._columns
        )
        values = [
            order if field.sequence else _value(field, column, delivery, batch)
            for field, column in zip(self._record.fields, columns, strict=True)
        ]
        return self._record.write(values)

    def _part(self, part: str, fields: Fields, batch: Batch, count: int, totals: Mapping[str, int]) -> list[bytes]:
        """Return the header or trailer as the only record of its kind, or none."""
        if not fields.fields:
            return []
        lines = count + bool(self._header.fields) + bool(self._trailer.fields)
        try:
            values = [
                _said(field, batch, {"records": count, "lines": lines}, totals)
                if field.is_number and field.value is None and field.constant is None
                else _value(field, column, batch.deliveries[0], batch)
                for field, column in zip(fields.fields, self._around[part], strict=True)
            ]
            return [fields.write(values)[0]]
        except Malformed as error:
            raise ReceiverStopped(
                f"{self._layout.place}: {part}: {error.message}", mend="mend the layout", code=error.code
            ) from error


def needed(layout: Layout, fields: Sequence[str]) -> list[LayoutField]:
    """Return the fields of the record that nothing decides: neither the layout nor the `fields` of `send`."""
    by_type = {name for columns in layout.columns_by.values() for name in columns}
    return [
        field
        for field in layout.record
        if field.name and _expression(field) == _default(field) and field.name not in {*fields, *by_type}
    ]


def _columns(
    fields: Sequence[LayoutField], compile_: Compile, instead: Mapping[str, tuple[str, str]]
) -> list[Column | None]:
    """Return what each field is written from; None for constants, fillings and what the file itself decides.

    `instead` holds other expressions by field, each with its place.
    """
    columns: list[Column | None] = []
    for field in fields:
        text, place = instead.get(field.name) or (_expression(field), field.place_of("value"))
        columns.append(compile_(_dated(field, text), place) if text is not None else None)
    return columns


def _expression(field: LayoutField) -> str | None:
    if field.constant is not None or field.count or field.total or field.sequence or not field.name:
        return None
    return field.value or _default(field)


def _default(field: LayoutField) -> str:
    return f"data.{field.name}" if field.name.isascii() else f"data[{orjson.dumps(field.name).decode()}]"


def _dated(field: LayoutField, text: str) -> str:
    return f"era({text}, {orjson.dumps(field.format).decode()})" if field.type == "date" else text


def _value(field: LayoutField, column: Column | None, delivery: Delivery, batch: Batch) -> Any:
    if field.constant is not None:
        return field.constant
    return None if column is None else column(delivery, batch)


def _said(field: LayoutField, batch: Batch, counts: Mapping[str, int], totals: Mapping[str, int]) -> int | None:
    """Return what the file says of itself. Its number begins again at 1 after the highest its field holds."""
    if field.count is not None:
        return counts[field.count]
    if field.total is not None:
        return totals[field.total]
    return (batch.no - 1) % (10**field.width - 1) + 1 if field.sequence == "file" else None
