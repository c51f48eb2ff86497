"""Reads CSV records one by one in constant memory, keeping the bytes of each and its line.

A quoted cell may hold line breaks, so one stray quote could swallow all that follows. A record is therefore bounded,
and when its quotes turn out broken only its first line is given up: reading goes on with the next line. A line above
the bound is given up as one, from 1 MiB on in parts of 1 MiB, so that none of its bytes is lost.
"""

from __future__ import annotations

import codecs
import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from hub.adapters.header import refuse_twice
from hub.errors import Malformed

LIMIT = 64 * 1024  # bytes of one record
END = b"\x1a"  # of a file, as DOS wrote it
PART = 1024 * 1024  # bytes of a line above the limit that are given up as one
_QUOTES = "a quote is not closed, or not where it belongs"
_QUOTES_MEND = 'close every quote, and write a quote within a cell twice ("")'
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(slots=True)
class Record:
    """One record: its cells, or why there are none; its bytes, its first line, and the offset and line after it."""

    cells: list[str]
    raw: bytes
    line: int
    end: int
    next_line: int
    error: Malformed | None = None


class _TooLong(Exception):  # noqa: N818 — a signal between the two classes here
    pass


class _Lines:
    """Hands a file's lines to `csv.reader` and keeps those of the record being read."""

    def __init__(self, file: BinaryIO, encoding: str) -> None:
        self._file = file
        self._encoding = encoding
        self.raw: list[bytes] = []
        self.size = 0
        self.undecodable: UnicodeDecodeError | None = None

    def begin(self) -> None:
        """Start a new record."""
        self.raw.clear()
        self.size = 0
        self.undecodable = None

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        if self.size > LIMIT:
            raise StopIteration  # the record ends here for csv.reader: an open quote
        line = self._file.readline(LIMIT + 1)
        if not line:
            raise StopIteration
        self.raw.append(line)
        self.size += len(line)
        if len(line) > LIMIT and not line.endswith(b"\n"):
            raise _TooLong
        line = line.rstrip(END)  # no line but the last ends with it
        try:
            return line.decode(self._encoding)
        except UnicodeDecodeError as error:
            self.undecodable = self.undecodable or error
            return line.decode(self._encoding, "replace")  # only to find where the record ends


def records(file: BinaryIO, encoding: str, delimiter: str, *, offset: int = 0, line: int = 1) -> Iterator[Record]:
    """Yield the records from an offset, which is the begin of the given line. Blank lines are left out.

    Errors of a record stand in it: `csv-quote`, `csv-encoding`, `csv-line-end`, `csv-too-long`.
    """
    inside = _is_inside(file, offset)
    file.seek(offset)
    lines = _Lines(file, encoding)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        if inside:
            part = file.readline(PART)
            if part:
                ends = part.endswith(b"\n")
                rest = Malformed(
                    "the rest of a line that is too long", mend="see the entry before", code="csv-too-long"
                )
                yield Record([], part, line, offset + len(part), line + ends, rest)
                offset, line = offset + len(part), line + ends
            inside = bool(part) and not ends
            continue
        lines.begin()
        cells: list[str] = []
        error: Malformed | None = None
        try:
            cells = next(reader)
        except StopIteration:
            return
        except _TooLong:
            error = _too_long(lines, file)
        except csv.Error:
            error = _broken(lines)
        if error is not None and len(lines.raw) > 1:
            first = lines.raw[0]
            file.seek(offset + len(first))
            record = _record([first], len(first), line, offset)
            record.error = Malformed(_QUOTES, mend=_QUOTES_MEND, code="csv-quote")
        else:
            record = _record(lines.raw, lines.size, line, offset)
            record.cells, record.error = cells, error or _undecodable(lines.undecodable, encoding)
            if lines.size >= PART and not lines.raw[-1].endswith(b"\n"):
                inside, record.next_line = True, line
        if record.cells or record.error:
            yield record
        offset, line = record.end, record.next_line


def _too_long(lines: _Lines, file: BinaryIO) -> Malformed:
    """Return the error of a line above the limit, whose rest is taken in as far as one entry holds it."""
    if _has_lone_return(lines.raw[-1]):
        error = _line_end()
    else:
        mend = "look for a missing line break, or a wrong `encoding`, and have the file written anew"
        error = Malformed(f"a line is longer than {LIMIT} bytes", mend=mend, code="csv-too-long")
    if len(lines.raw) == 1:
        lines.raw[0] += file.readline(PART - lines.size)
        lines.size = len(lines.raw[0])
    return error


def _broken(lines: _Lines) -> Malformed:
    if len(lines.raw) == 1 and _has_lone_return(lines.raw[0]):
        return _line_end()
    return Malformed(_QUOTES, mend=_QUOTES_MEND, code="csv-quote")


def _has_lone_return(line: bytes) -> bool:
    return b"\r" in line.replace(b"\r\n", b"\n").rstrip(b"\r")


def _line_end() -> Malformed:
    return Malformed(
        "a line break is a carriage return alone (CR)",
        mend="have the file written with CRLF or LF at the end of each line",
        code="csv-line-end",
    )


def _is_inside(file: BinaryIO, offset: int) -> bool:
    """Say whether the offset lies within a line: the rest of one that was too long."""
    if offset <= len(codecs.BOM_UTF8):
        return False
    file.seek(offset - 1)
    return file.read(1) != b"\n"


def _record(raw: list[bytes], size: int, line: int, offset: int) -> Record:
    return Record([], raw[0] if len(raw) == 1 else b"".join(raw), line, offset + size, line + len(raw))


def _undecodable(error: UnicodeDecodeError | None, encoding: str) -> Malformed | None:
    if error is None:
        return None
    shown = error.object[error.start : error.end].hex(" ").upper()
    return Malformed(
        f"the bytes {shown} are no {encoding} (byte {error.start + 1} of the line)",
        mend="set the source's `encoding` to the files' own",
        code="csv-encoding",
    )


@dataclass(frozen=True, slots=True)
class Header:
    """A file's first record: the column names, and the offset and line after it."""

    names: list[str]
    end: int
    next_line: int


def header(file: BinaryIO, encoding: str, delimiter: str) -> Header:
    """Read the header.

    Raises `Malformed`: `csv-empty`, `csv-header`, `csv-encoding`, `csv-quote`, `csv-line-end`, `csv-too-long`.
    """
    begin = bare(file, encoding, []).end
    found = next(records(file, encoding, delimiter, offset=begin), None)
    if found is None:
        raise Malformed("the file is empty: not even a header", mend="have it written anew", code="csv-empty")
    if found.error is not None:
        found.error.message += f" (line {found.line})"
        raise found.error
    refuse_twice(found.cells, code="csv-header")
    return Header(found.cells, found.end, found.next_line)


def bare(file: BinaryIO, encoding: str, names: list[str]) -> Header:
    """Return the header of a file that has none: known names, behind a mark of UTF-8. Raises `Malformed`."""
    file.seek(0)
    begin = file.read(len(codecs.BOM_UTF8))
    if begin.startswith(_UTF_16):
        mend = "have it written in UTF-8 or in the source's `encoding`"
        raise Malformed("the file is UTF-16, which is not read", mend=mend, code="csv-encoding")
    has_mark = begin == codecs.BOM_UTF8
    if has_mark and encoding != "utf-8":
        raise Malformed(
            f"the file begins with the mark of UTF-8, but `encoding` is {encoding}",
            mend="set the source's `encoding` to utf-8, or have the file written anew",
            code="csv-encoding",
        )
    return Header(names, len(codecs.BOM_UTF8) if has_mark else 0, 1)


def delimiter_mend(names: Sequence[str], delimiter: str) -> str:
    """Return the mend of a header that is one column, because of another delimiter; empty for any other."""
    if len(names) != 1:
        return ""
    sign = next((sign for sign in (";", "\t", ",", "|") if sign != delimiter and sign in names[0]), None)
    return f"set `delimiter: {json.dumps(sign)}` at the source: the header is one column with that sign" if sign else ""
