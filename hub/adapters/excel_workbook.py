"""Workbooks as rows of texts, in and out. openpyxl does the XML; what it may be given is bounded here."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime, time
from itertools import pairwise
from typing import Any, BinaryIO
from zipfile import ZipFile, ZipInfo

from hub.errors import Malformed, UsageError

LARGEST_ROW = 1_048_576
LARGEST_COLUMN = 16_384
CELL = 32_767  # characters of a cell
UNPACKED = 512 * 1024 * 1024  # bytes of all parts
HELD = 64 * 1024 * 1024  # bytes of the parts that are held in memory: shared texts, styles
STREAMED = ("xl/worksheets/", "xl/media/")
PARTS = 10_000
EXACT = 1e15  # whole numbers below it are exact
EPOCH = (1980, 1, 1, 0, 0, 0)  # of every part: a workbook has no other time than its batch's day

_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_MOMENT = re.compile(rb"(<dcterms:(?:created|modified)[^>]*>)[^<]*")


@dataclass(slots=True)
class Cells:
    """One row: its number, and its values as texts."""

    number: int
    texts: list[str]


def cells(stream: BinaryIO, sheet: str | None) -> Iterator[Cells]:
    """Yield the rows of a sheet (None: the first) that are written, as a stream.

    Raises `Malformed`: `excel-unreadable`, `excel-too-large`, and `UsageError` where openpyxl is not installed.
    """
    try:
        import openpyxl  # noqa: PLC0415 — an extra, and slow to import
    except ImportError:
        raise _not_installed() from None
    try:
        stream.seek(0)
        _bounded(stream)
        with closing(openpyxl.load_workbook(stream, read_only=True, data_only=True, keep_links=False)) as book:
            yield from _rows(book, sheet)
    except Malformed:
        raise
    except Exception as error:  # noqa: BLE001 — broken workbooks make openpyxl raise anything
        message = f"the file is no workbook that can be read: {type(error).__name__}: {error}"
        raise Malformed(message[:500], code="excel-unreadable") from None


def _rows(book: Any, sheet: str | None) -> Iterator[Cells]:
    """Yield the rows; openpyxl's own way passes over rows and cells that do not come in order."""
    from openpyxl.worksheet._reader import WorkSheetParser  # noqa: PLC0415

    if sheet is not None and sheet not in book.sheetnames:
        raise Malformed(f"the workbook has no sheet `{sheet}`, but {book.sheetnames}", code="excel-unreadable")
    page = book[sheet or book.sheetnames[0]]
    with page._get_source() as source:  # noqa: SLF001
        parser = WorkSheetParser(
            source,
            page._shared_strings,  # noqa: SLF001
            data_only=True,
            epoch=book.epoch,
            date_formats=book._date_formats,  # noqa: SLF001
            timedelta_formats=book._timedelta_formats,  # noqa: SLF001
        )
        before = 0
        for number, found in parser.parse():
            columns = [0, *(cell["column"] for cell in found), LARGEST_COLUMN + 1]
            if not before < number <= LARGEST_ROW or any(one >= next_ for one, next_ in pairwise(columns)):
                raise Malformed(f"the rows or cells at row {number} are out of order", code="excel-unreadable")
            before = number
            yield _cells(number, found)


def _bounded(stream: BinaryIO) -> None:
    """Refuse what would fill the memory or the day: the sizes are the directory's, which unpacking holds to."""
    with ZipFile(stream) as archive:
        parts = archive.infolist()
        held = sum(part.file_size for part in parts if not part.filename.startswith(STREAMED))
        if len(parts) > PARTS or held > HELD or sum(part.file_size for part in parts) > UNPACKED:
            raise Malformed("the workbook unpacks to more than the hub reads", code="excel-too-large")
    stream.seek(0)


def _cells(number: int, row: Sequence[dict[str, Any]]) -> Cells:
    texts = [""] * (row[-1]["column"] if row else 0)
    for cell in row:
        texts[cell["column"] - 1] = _text(cell["value"])
    while texts and not texts[-1]:
        texts.pop()
    return Cells(number, texts)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < EXACT:
        return str(int(value))
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat()
    return value.isoformat() if isinstance(value, date | time) else str(value)


def _not_installed() -> UsageError:
    return UsageError("openpyxl is not installed", mend="pip install 'city-hub[excel]'", code="not-installed")


def lacks(text: str) -> str:
    """Return why a text cannot stand in a cell, or nothing."""
    if len(text) > CELL:
        return f"has {len(text)} characters, a cell holds {CELL}"
    return "holds control characters" if _ILLEGAL.search(text) else ""


def workbook(sheet: str, rows: Sequence[Sequence[str]], day: str) -> bytes:
    """Return a workbook of texts, the first row its header; `day` (`YYYY-MM-DD`) is when it was made."""
    try:
        from openpyxl import Workbook  # noqa: PLC0415
        from openpyxl.cell import WriteOnlyCell  # noqa: PLC0415
    except ImportError:
        raise UsageError(
            "openpyxl is not installed", mend="pip install 'city-hub[excel]'", code="not-installed"
        ) from None
    book = Workbook(write_only=True)
    page = book.create_sheet(sheet)
    for row in rows:
        made = []
        for text in row:
            cell = WriteOnlyCell(page, text)
            cell.data_type = "s"  # also what looks like a formula
            cell.number_format = "@"
            made.append(cell)
        page.append(made)
    written = io.BytesIO()
    book.save(written)
    return _timeless(written, f"{day}T00:00:00Z".encode())


def _timeless(written: BinaryIO, moment: bytes) -> bytes:
    """Return the workbook without the times of its making, so that the same rows are the same bytes."""
    made = io.BytesIO()
    with ZipFile(written) as source, ZipFile(made, "w", zipfile.ZIP_DEFLATED) as target:
        for part in source.infolist():
            data = source.read(part)
            if part.filename == "docProps/core.xml":
                data = _MOMENT.sub(rb"\g<1>" + moment, data)
            info = ZipInfo(part.filename, EPOCH)
            info.compress_type = zipfile.ZIP_DEFLATED
            target.writestr(info, data)
    return made.getvalue()
