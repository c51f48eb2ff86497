"""Excel workbooks (`.xlsx`): the rows of one sheet under a header; one new workbook a batch.

A workbook is a ZIP of XML. What is read is bounded before it is unpacked, and read as a stream. A written one is the
same bytes for the same batch.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO, ClassVar

import orjson
from pydantic import Field, field_validator

from hub.adapters.contract import (
    AdapterSettings,
    Batch,
    Delivery,
    Expression,
    Expressions,
    Features,
    Row,
    Site,
    Transport,
)
from hub.adapters.excel_workbook import LARGEST_ROW, Cells, cells, lacks, workbook
from hub.adapters.file_settings import FileSinkSettings, FileSourceSettings, file_sink, file_source
from hub.adapters.file_sink import Column, Content, FileSink
from hub.adapters.file_source import FileSource, Spot
from hub.adapters.header import Needs, lacking, refuse_lacking, refuse_twice
from hub.adapters.tabular import table
from hub.errors import Malformed, ReceiverStopped, UsageError

ERRORS = frozenset({"#NULL!", "#DIV/0!", "#VALUE!", "#REF!", "#NAME?", "#NUM!", "#N/A"})
TOP = 50  # rows in which the columns' names are looked for, when they are not where they should be
NAMELESS = " "  # before the number of a column without a name, which no name can begin with


class ExcelSourceSettings(FileSourceSettings):
    """Settings of an `excel` source."""

    sheet: str | None = Field(default=None, description="The sheet's name; without it the first one.")
    header_row: int = Field(default=1, ge=1, le=LARGEST_ROW, description="The row with the columns' names.")


class ExcelSinkSettings(FileSinkSettings):
    """Settings of an `excel` sink."""

    sheet: str = Field(default="hub", description="The sheet's name.", min_length=1, max_length=31)
    columns: dict[str, Expression] | None = Field(
        default=None, description="Columns and the expression of each, in order; without it those of `csv`."
    )

    @field_validator("sheet")
    @classmethod
    def _sheet(cls, name: str) -> str:
        if {*name} & {*"\\/?*[]:"} or name.startswith("'") or name.endswith("'"):
            raise ValueError("a sheet's name has none of \\ / ? * [ ] : and no ' at its ends")
        return name


class ExcelFormat:
    """Reads the rows of a sheet below its header. A spot's offset is the number of the row that was read last."""

    def __init__(self, sheet: str | None, header_row: int, needs: Needs = ()) -> None:
        self._sheet = sheet
        self._header_row = header_row
        self._needs = needs

    def number(self, stream: BinaryIO) -> None:
        """Answer that workbooks carry no number."""

    def again(self, raw: bytes, head: bytes, label: str) -> Iterator[tuple[Row, Spot]]:  # noqa: ARG002
        """Yield the row of one JSON object of texts by column, as it was handed out, or the rows of a workbook."""
        if raw.startswith(b"PK"):
            yield from self.rows(io.BytesIO(raw), label, Spot())
            return
        try:
            values = orjson.loads(raw)
        except orjson.JSONDecodeError:
            values = None
        if not isinstance(values, dict) or not all(isinstance(text, str) for text in values.values()):
            mend = "give a workbook, or a JSON object of texts by column: hub quarantine fix NO FILE"
            raise UsageError("the row is neither a workbook nor a JSON object of texts", mend=mend)
        yield _checked(values, raw, label), Spot()

    def rows(self, stream: BinaryIO, label: str, start: Spot) -> Iterator[tuple[Row, Spot]]:
        """Yield each row that is not blank; raises `Malformed` for a workbook that cannot be read to its end."""
        # all of it once: a workbook that breaks in the middle is given up as a whole
        top = [found for found in cells(stream, self._sheet) if found.number <= TOP]
        header: list[str] = []
        for found in cells(stream, self._sheet):
            if found.number == self._header_row:
                header = _header(found)
                refuse_lacking(header, self._needs, code="excel-header", mend=self._mend(top))
            elif found.number > max(self._header_row, start.offset) and any(found.texts):
                if not header:
                    break
                yield _row(found, header, f"{label}:{found.number}"), Spot(found.number, found.number + 1)
        if not header:
            mend = self._mend(top)
            raise Malformed(f"row {self._header_row} holds no columns' names", code="excel-header", mend=mend)

    def _mend(self, top: Sequence[Cells]) -> str:
        """Return in which row the names stand that the mapping reads, if they stand in one near the top."""
        for found in top:
            if self._needs and not lacking([text.strip() for text in found.texts], self._needs):
                return f"the names stand in row {found.number}: set `header_row: {found.number}` at the source"
        return ""


def _header(found: Cells) -> list[str]:
    names = [text.strip() for text in found.texts]
    while names and not names[-1]:
        names.pop()
    refuse_twice([name or number for number, name in enumerate(names)], code="excel-header")
    return names


def _row(found: Cells, header: list[str], place: str) -> Row:
    named = [*header, *(f"{NAMELESS}{no}" for no in range(len(header) + 1, len(found.texts) + 1))]
    named = [name or f"{NAMELESS}{no}" for no, name in enumerate(named, 1)]
    texts = [*found.texts, *[""] * (len(header) - len(found.texts))]
    values = {name: text for name, text in zip(named, texts, strict=True) if text or not name.startswith(NAMELESS)}
    return _checked(values, orjson.dumps(values), place)


def _checked(values: dict[str, str], raw: bytes, place: str) -> Row:
    """Return a row, or its error: an error in a cell, a value in a column without a name."""
    wrong = next((name for name, text in values.items() if text in ERRORS), None)
    nameless = next((name for name in values if name.startswith(NAMELESS)), None)
    if wrong is not None:
        error = Malformed(f"`{wrong}` holds the error {values[wrong]}", place=place, code="excel-error")
    elif nameless is not None:
        message = f"a value stands in column {nameless.strip()}, which has no name"
        error = Malformed(message, place=place, code="excel-columns")
    else:
        return Row(values, place, raw)
    return Row({}, place, raw, error)


class ExcelWriting:
    """Writes a workbook with one sheet, every cell a text."""

    suffix = ".xlsx"

    def __init__(self, sheet: str, columns: Mapping[str, Column], fields: tuple[str, ...]) -> None:
        self._sheet = sheet
        self._columns = columns
        self._fields = fields

    def content(self, batch: Batch, wanted: Sequence[Delivery]) -> Content:
        """Return the workbook; deliveries with what a cell cannot hold are refused."""
        content = Content(b"")
        names, rows = table(batch, wanted, content, columns=self._columns, fields=self._fields)
        if any(map(lacks, names)):
            mend = "choose other names in `columns`"
            raise ReceiverStopped("a column's name cannot stand in a cell", mend=mend, code="excel-cell")
        for key, row in list(rows.items()):
            found = next((f"`{name}` {why}" for name, text in zip(names, row, strict=True) if (why := lacks(text))), "")
            if found:
                content.refused[key] = ["excel-cell", found]
                del rows[key]
        content.data = workbook(self._sheet, [names, *rows.values()], batch.date)
        return content


class Excel(Transport):
    """Excel workbooks (`.xlsx`): reads the rows of a sheet, writes one workbook a batch.

    Read: every value as text, as it is stored: dates `YYYY-MM-DD`, numbers without needless zeros, `true`, `false`;
    formulas as the value they had last. Error rows: `excel-error` (a cell holds an error such as #REF!),
    `excel-columns`; a workbook as a whole: `excel-header` (no names, a name twice, or not one row could become an event
    for want of a column), `excel-unreadable`, `excel-too-large`. Bounds: 512 MiB unpacked, 64 MiB of texts, 1,048,576
    rows.

    Written: every cell a text, so that leading zeros stay and nothing is taken for a formula. A text above 32,767
    characters or with control characters is rejected alone (`excel-cell`).
    """

    name: ClassVar[str] = "excel"
    title: ClassVar[dict[str, str]] = {"ja": "Excel ブック", "en": "Excel workbooks"}
    features: ClassVar[Features] = Features(source=True, sink=True, prepared=True, batch=5000)
    SourceSettings: ClassVar[type[AdapterSettings]] = ExcelSourceSettings
    SinkSettings: ClassVar[type[AdapterSettings]] = ExcelSinkSettings

    @classmethod
    def source(cls, settings: ExcelSourceSettings, site: Site) -> FileSource:
        """Open the source; no file is touched yet."""
        return file_source(settings, site, ExcelFormat(settings.sheet, settings.header_row, site.needs))

    @classmethod
    def sink(cls, settings: ExcelSinkSettings, site: Site, port: Expressions | Any = None) -> FileSink:
        """Open the sink; `port` compiles the expressions of `columns`. No file is touched yet."""
        columns = {name: port.compile(text) for name, text in (settings.columns or {}).items()}
        return file_sink(settings, site, ExcelWriting(settings.sheet, columns, site.fields), port)
