"""Reads fixed-width files: first whether the file is whole, then its records.

What header and trailer say (counts, totals, sequence) is checked before a single row is let out: a file cut short says
nothing it can be trusted with. A broken record is alone.
"""

from __future__ import annotations

import codecs
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import BinaryIO

from hub.adapters.characters import comes_back
from hub.adapters.contract import Row
from hub.adapters.file_source import Spot
from hub.adapters.fixed_fields import Fields
from hub.adapters.header import Needs, refuse_lacking
from hub.errors import Malformed, UsageError
from hub.settings.layouts import Layout, LayoutField

LIMIT = 64 * 1024  # bytes of a line
ENDS = b"\r\n\x1a"  # what may stand behind the last record where records have no line breaks


@dataclass(slots=True)
class _Record:
    """The bytes of a record, without its line break in `body`; `is_part` of a line that is too long."""

    body: bytes
    raw: bytes
    start: int
    line: int
    is_part: bool = False

    @property
    def after(self) -> Spot:
        return Spot(self.start + len(self.raw), self.line + (not self.is_part or self.raw.endswith(b"\n")))


@dataclass(frozen=True, slots=True)
class _Extent:
    """Where the records between header and trailer begin and end."""

    begin: Spot
    end: int


class FixedFormat:
    """Reads the records of a layout."""

    def __init__(self, layout: Layout, needs: Needs = ()) -> None:
        self._layout = layout
        self._needs = needs
        self._header = Fields(layout, layout.header)
        self._record = Fields(layout, layout.record)
        self._trailer = Fields(layout, layout.trailer)
        self._order = next((field for field in layout.record if field.sequence), None)
        summed = {field.total for field in (*layout.header, *layout.trailer) if field.total}
        self._summed = [field for field in layout.record if field.name in summed]

    def number(self, stream: BinaryIO) -> tuple[int, int] | None:
        """Return the file's number, from the field with `sequence: file`."""
        for part, fields in (("header", self._header), ("trailer", self._trailer)):
            for field in fields.fields:
                if field.sequence == "file":
                    record = self._first(stream) if part == "header" else self._last(stream)
                    fields.read(record.body)
                    return fields.number(record.body, field), 10**field.width - 1
        return None

    def rows(self, stream: BinaryIO, label: str, start: Spot) -> Iterator[tuple[Row, Spot]]:
        """Yield each record as a row; raises `Malformed` for a file that is not what its layout says."""
        extent = self._check(stream)
        shared = self._of_header(stream)
        names = self._layout.columns
        mend = f"correct the layout or the mapping; columns: {', '.join(names)}"
        refuse_lacking(names, self._needs, code="layout-column", what="the layout", mend=mend)
        begin = start if start.offset > extent.begin.offset else extent.begin
        for record in self._records(stream, begin, extent.end):
            yield self._row(record, label, shared), record.after

    def again(self, raw: bytes, head: bytes, label: str) -> Iterator[tuple[Row, Spot]]:
        """Yield the row of one record, or the rows of a whole file."""
        stream = io.BytesIO(raw)
        record, more = islice(chain(self._records(stream, Spot(), len(raw)), (None, None)), 2)
        if more is not None:
            yield from self.rows(stream, label, Spot())
        elif record is not None:
            if self._layout.shared and not head:
                mend = "put its header record, the row and a trailer into a file: hub quarantine fix NO FILE"
                raise UsageError("the file with the row's header is gone", mend=mend)
            yield self._row(record, label, self._of_header(io.BytesIO(head))), record.after

    def _of_header(self, stream: BinaryIO) -> dict[str, str]:
        """Return what each row has of the header: the fields that nothing decides."""
        if not self._layout.shared:
            return {}
        values = self._header.read(self._first(stream).body)
        return {name: values[name] for name in self._layout.shared}

    def _row(self, record: _Record, label: str, shared: dict[str, str]) -> Row:
        place = f"{label}:{record.line}"
        try:
            if record.is_part:
                raise Malformed(f"a line is longer than {LIMIT} bytes", code="layout-length")  # noqa: TRY301
            values = {**self._record.read(record.body), **shared}
            return Row(values, place, record.raw, keep=not comes_back(record.raw, self._record.encoding))
        except Malformed as error:
            error.place = place
            return Row({}, place, record.raw, error)

    # --- the file as a whole -----------------------------------------------------------------------------------

    def _check(self, stream: BinaryIO) -> _Extent:
        """Return where the records are; raises `Malformed` when header, trailer and records contradict each other."""
        begin, end = Spot(self._mark(stream)), _size(stream)
        said: list[tuple[Fields, bytes]] = []
        if self._header.fields:
            first = self._first(stream)
            self._read(self._header, first.body, "header")
            said.append((self._header, first.body))
            begin = first.after
        if self._trailer.fields:
            last = self._last(stream)
            if last.start < begin.offset:
                raise Malformed("the file has no trailer: it is cut short", code="layout-trailer")
            self._read(self._trailer, last.body, "trailer")
            said.append((self._trailer, last.body))
            end = last.start
        counted = [field for fields, _ in said for field in fields.fields if field.count or field.total]
        if counted or self._order is not None:
            self._compare(said, *self._counts(stream, begin, end))
        return _Extent(begin, end)

    def _read(self, fields: Fields, body: bytes, part: str) -> None:
        try:
            fields.read(body)
        except Malformed as error:
            cut = ": the file may be cut short" if part == "trailer" else ""
            raise Malformed(f"{part}: {error.message}{cut}", code=f"layout-{part}") from None

    def _counts(self, stream: BinaryIO, begin: Spot, end: int) -> tuple[int, dict[str, int] | None]:
        """Return the number of records and the totals (None where a broken record leaves them unknown)."""
        count, totals, whole = 0, dict.fromkeys((field.name for field in self._summed), 0), True
        for record in self._records(stream, begin, end):
            count += 1
            try:
                if record.is_part:
                    raise Malformed("a part of a line")  # noqa: TRY301
                for field in self._summed:
                    totals[field.name] += self._record.number(record.body, field)
                order = count if self._order is None else self._record.number(record.body, self._order)
            except Malformed:
                whole = False
                continue
            if order != count:
                message = f"line {record.line} has the number {order} where {count} belongs: records are missing"
                raise Malformed(message, code="layout-sequence")
        return count, totals if whole else None

    def _compare(self, said: list[tuple[Fields, bytes]], count: int, totals: dict[str, int] | None) -> None:
        for fields, body in said:
            for field in fields.fields:
                if field.count is None and (field.total is None or totals is None):
                    continue
                found = self._found(field, count, totals or {})
                if (wanted := fields.number(body, field)) != found:
                    message = f"`{field.name}` says {wanted}, and there are {found}: the file is not whole"
                    raise Malformed(message, code="layout-count" if field.count else "layout-total")

    def _found(self, field: LayoutField, count: int, totals: dict[str, int]) -> int:
        if field.total is not None:
            return totals[field.total]
        extra = bool(self._header.fields) + bool(self._trailer.fields) if field.count == "lines" else 0
        return count + extra

    # --- records -----------------------------------------------------------------------------------------------

    def _mark(self, stream: BinaryIO) -> int:
        """Return the length of a byte order mark."""
        stream.seek(0)
        has_mark = self._record.encoding == "utf-8" and stream.read(len(codecs.BOM_UTF8)) == codecs.BOM_UTF8
        return len(codecs.BOM_UTF8) if has_mark else 0

    def _first(self, stream: BinaryIO) -> _Record:
        begin = Spot(self._mark(stream))
        if self._layout.newline == "none":
            stream.seek(begin.offset)
            body = stream.read(self._header.width)
            return _Record(body, body, begin.offset, 1)
        found = next(self._lines(stream, begin, _size(stream)), None)
        if found is None:
            raise Malformed("the file is empty: not even a header", code="layout-empty")
        return found

    def _last(self, stream: BinaryIO) -> _Record:
        """Return the last record that is not blank."""
        end = _size(stream)
        stream.seek(max(0, end - LIMIT))
        tail = stream.read(LIMIT).rstrip(ENDS)
        end -= min(end, LIMIT) - len(tail)
        by_length = self._layout.newline == "none"
        begin = max(0, len(tail) - self._trailer.width) if by_length else tail.rfind(b"\n") + 1
        return _Record(tail[begin:], tail[begin:], end - len(tail) + begin, 0)

    def _records(self, stream: BinaryIO, begin: Spot, end: int) -> Iterator[_Record]:
        if self._layout.newline != "none":
            yield from self._lines(stream, begin, end)
            return
        offset, line = begin
        while offset < end:
            stream.seek(offset)
            raw = stream.read(min(self._record.width, end - offset))
            if raw.strip(ENDS) or len(raw) == self._record.width:
                yield _Record(raw, raw, offset, line)
            offset, line = offset + len(raw), line + 1

    def _lines(self, stream: BinaryIO, begin: Spot, end: int) -> Iterator[_Record]:
        """Yield the lines but blank ones; of a line that is too long all parts, also from within it."""
        offset, line = begin
        stream.seek(max(0, offset - 1))
        inside = offset > len(codecs.BOM_UTF8) and stream.read(1) != b"\n"
        while offset < end:
            stream.seek(offset)
            raw = stream.readline(min(LIMIT, end - offset))
            is_whole = raw.endswith(b"\n") or offset + len(raw) >= end
            record = _Record(raw.removesuffix(b"\n"), raw, offset, line, inside or not is_whole)
            if self._layout.newline == "crlf":
                record.body = record.body.removesuffix(b"\r")
            inside = not raw.endswith(b"\n")
            if record.is_part or record.body.strip(ENDS):
                yield record
            offset, line = record.after


def _size(stream: BinaryIO) -> int:
    return stream.seek(0, os.SEEK_END)
