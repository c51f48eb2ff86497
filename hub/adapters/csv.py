"""CSV files: what a pattern finds is read, and complete files are written into a folder.

Reading is strict (RFC 4180, with the system's own encoding and delimiter): a record that is broken becomes an error row
with its bytes and place, the rest of the file goes on. See `file_source` and `file_sink` for how each keeps its
promises.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, BinaryIO, ClassVar

from pydantic import AfterValidator, Field

from hub.adapters.characters import comes_back
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
from hub.adapters.csv_records import Header, Record, bare, delimiter_mend, header, records
from hub.adapters.file_settings import FileSinkSettings, FileSourceSettings, file_sink, file_source
from hub.adapters.file_sink import Column, Content, FileSink
from hub.adapters.file_source import FileSource, Spot
from hub.adapters.header import Needs, refuse_lacking
from hub.adapters.tabular import stranger, table
from hub.errors import Malformed, ReceiverStopped, UsageError
from hub.settings.encoding import Encoding


def _once(names: tuple[str, ...]) -> tuple[str, ...]:
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"the column `{twice}` stands twice")
    return names


_COLUMNS = "write as many as the header has; a delimiter within a cell needs quotes around the cell"
Delimiter = Annotated[str, Field(min_length=1, max_length=1, pattern='[^"\r\n]')]


class CsvSourceSettings(FileSourceSettings):
    """Settings of a `csv` source."""

    encoding: Encoding = Field(
        default="utf-8-sig", description="The files' encoding, for example `cp932`. A UTF-8 byte order mark is skipped."
    )
    delimiter: Delimiter = Field(default=",", description="The one character between columns.")
    columns: Annotated[tuple[str, ...], Field(min_length=1), AfterValidator(_once)] | None = Field(
        default=None, description="The columns' names, in order, where the files have no header line."
    )


class CsvSinkSettings(FileSinkSettings):
    """Settings of a `csv` sink."""

    encoding: Encoding = Field(
        default="utf-8",
        description="The files' encoding, for example `cp932`. A delivery with a character it lacks is rejected alone.",
    )
    delimiter: Delimiter = Field(default=",", description="The one character between columns.")
    columns: dict[str, Expression] | None = Field(
        default=None,
        description="Columns and the expression of each, in order. Without it: `delivery_key`, `event_id`, `type`,"
        " `subject`, `time`, `action`, and the fields of `send` of all rules to this receiver, with `protected` and"
        " `do_not_post` where one of them sends these.",
    )


class CsvFormat:
    """Reads the records behind a header, or of columns that are known without one."""

    def __init__(self, encoding: str, delimiter: str, columns: Sequence[str] | None = None, needs: Needs = ()) -> None:
        self._columns = columns
        self._needs = needs
        self._encoding = "utf-8" if encoding == "utf-8-sig" else encoding
        self._delimiter = delimiter

    def number(self, stream: BinaryIO) -> None:
        """Answer that CSV files carry no number."""

    def rows(self, stream: BinaryIO, label: str, start: Spot) -> Iterator[tuple[Row, Spot]]:
        """Yield each record as a row; raises `Malformed` for a file without a usable header."""
        head = self._head(stream)
        mend = delimiter_mend(head.names, self._delimiter)
        refuse_lacking(head.names, self._needs, code="csv-header", mend=mend)
        offset, line = start
        if offset < head.end:
            offset, line = head.end, head.next_line
        for record in records(stream, self._encoding, self._delimiter, offset=offset, line=line):
            row = _row(record, head, f"{label}:{record.line}")
            row.keep = row.error is None and not comes_back(row.raw, self._encoding)
            yield row, Spot(record.end, record.next_line)

    def _head(self, stream: BinaryIO) -> Header:
        if self._columns is None:
            return header(stream, self._encoding, self._delimiter)
        return bare(stream, self._encoding, list(self._columns))

    def again(self, raw: bytes, head: bytes, label: str) -> Iterator[tuple[Row, Spot]]:
        """Yield the rows of a whole file, which has several lines, or of one line behind the file's header."""
        if self._columns is not None:
            return self.rows(io.BytesIO(raw), label, Spot())
        is_line = len(raw.strip().splitlines()) <= 1
        if is_line and not head:
            mend = "put the header line and the row into a file: hub quarantine fix NO FILE"
            raise UsageError("the file with the row's header is gone", mend=mend)
        whole = head.rstrip(b"\r\n") + b"\n" + raw if is_line else raw
        return self.rows(io.BytesIO(whole), label, Spot())


def _row(record: Record, head: Header, place: str) -> Row:
    error = record.error
    if error is None:
        if len(record.cells) == len(head.names):
            return Row(dict(zip(head.names, record.cells, strict=True)), place, record.raw)
        error = Malformed(
            f"{len(record.cells)} columns where the header has {len(head.names)}", code="csv-columns", mend=_COLUMNS
        )
    error.place = place
    return Row({}, place, record.raw, error)


class CsvWriting:
    """Writes a header and a record for every delivery, RFC 4180 with CRLF."""

    suffix = ".csv"

    def __init__(self, encoding: str, delimiter: str, columns: Mapping[str, Column], fields: tuple[str, ...]) -> None:
        self._encoding = encoding
        self._delimiter = delimiter
        self._columns = columns
        self._fields = fields

    def content(self, batch: Batch, wanted: Sequence[Delivery]) -> Content:
        """Return the file; deliveries with a character the encoding lacks are refused."""
        content = Content(b"")
        names, rows = table(batch, wanted, content, columns=self._columns, fields=self._fields)
        try:
            content.data = self._text([names, *rows.values()]).encode(self._encoding)
        except UnicodeEncodeError:
            self._refuse(names, rows, content)
        return content

    def _refuse(self, names: list[str], rows: dict[str, list[str]], content: Content) -> None:
        """Refuse the rows that the encoding lacks a character of, and make the file of the others."""
        for key, row in list(rows.items()):
            lacking = [(name, stranger(text, self._encoding)) for name, text in zip(names, row, strict=True)]
            named = next((f"{sign} in `{name}` is not in {self._encoding}" for name, sign in lacking if sign), None)
            if named is not None:
                content.refused[key] = ["unencodable", named]
                del rows[key]
        try:
            content.data = self._text([names, *rows.values()]).encode(self._encoding)
        except UnicodeEncodeError as error:
            raise ReceiverStopped(
                f"a column name is not in {self._encoding}: {error.object[error.start]}",
                mend="choose another `encoding` or other names in `columns`",
                code="unencodable",
            ) from None

    def _text(self, rows: Iterable[list[str]]) -> str:
        stream = io.StringIO(newline="")
        csv.writer(stream, delimiter=self._delimiter, lineterminator="\r\n").writerows(rows)
        return stream.getvalue()


class Csv(Transport):
    """CSV files: reads what a pattern finds, writes one complete file a batch, named so that they sort by time.

    Error rows of a file have the codes `csv-columns`, `csv-quote`, `csv-encoding`, `csv-line-end` (CR alone) and
    `csv-too-long` (a line or record above 64 KiB); `csv-empty`, `csv-header` (a column twice, or not one row could
    become an event for want of a column), `csv-encoding` and `csv-line-end` may also stand for a whole file. A DOS end
    of file (0x1A) is no part of it.

    A written file is `<UTC time>_<system>.<receiver>_<batch>.csv`, RFC 4180 with CRLF. Objects and lists are compact
    JSON, booleans `true` and `false`, absent values empty. A hidden `.<system>.<receiver>.hub` beside the files holds
    the lock of the one writer and the names of the last files.
    """

    name: ClassVar[str] = "csv"
    title: ClassVar[dict[str, str]] = {"ja": "CSV ファイル", "en": "CSV files"}
    features: ClassVar[Features] = Features(source=True, sink=True, prepared=True, batch=5000)
    SourceSettings: ClassVar[type[AdapterSettings]] = CsvSourceSettings
    SinkSettings: ClassVar[type[AdapterSettings]] = CsvSinkSettings

    @classmethod
    def source(cls, settings: CsvSourceSettings, site: Site) -> FileSource:
        """Open the source; no file is touched yet."""
        return file_source(
            settings, site, CsvFormat(settings.encoding, settings.delimiter, settings.columns, site.needs)
        )

    @classmethod
    def sink(cls, settings: CsvSinkSettings, site: Site, port: Expressions | Any = None) -> FileSink:
        """Open the sink; `port` compiles the expressions of `columns`. No file is touched yet."""
        columns = {name: port.compile(text) for name, text in (settings.columns or {}).items()}
        writing = CsvWriting(settings.encoding, settings.delimiter, columns, site.fields)
        return file_sink(settings, site, writing, port)
