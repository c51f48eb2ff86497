"""AIRead's CSV: a row a field, `ItemName,Page,GID,RID,Value,conf,x,y,w,h`, `conf` from 0 to 100.

One file is what was read of one scan; the fields of one page, or of one group (`GID`) where asked, are one document.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any, BinaryIO, Literal

from hub.adapters.contract import Row
from hub.adapters.csv import CsvFormat
from hub.adapters.file_source import FileSource, Spot
from hub.adapters.ocr_fields import SureSettings, again, confirmed, document, field
from hub.errors import Malformed

NEEDED = ("ItemName", "Page", "Value", "conf")


class AiReadSource(FileSource):
    """AIRead's files; a document that it is not sure of is a person's to confirm."""

    def confirmed(self, raw: bytes, values: Mapping[str, str]) -> bytes:
        """Return a document that a person has looked at."""
        return confirmed(raw, values, "resubmitted")


class AiReadFormat:
    """Reads documents. A spot counts them."""

    def __init__(self, settings: SureSettings, encoding: str, per: Literal["page", "file", "group"]) -> None:
        self._settings = settings
        self._csv = CsvFormat(encoding, ",")
        self._per = per

    def number(self, stream: BinaryIO) -> None:
        """Answer that these files carry no number."""

    def rows(self, stream: BinaryIO, label: str, start: Spot) -> Iterator[tuple[Row, Spot]]:
        """Yield each document as a row. Raises `Malformed` for a file of which not every line can be read."""
        stream.seek(0)
        found: dict[str, list[dict[str, Any]]] = {}
        stem = PurePosixPath(label).stem
        for row, _ in self._csv.rows(stream, label, Spot()):
            if row.error is not None:  # whose field it is nobody knows: no document of the file is whole
                raise row.error
            found.setdefault(self._name(stem, row.values), []).append(_read(row))
        for number, (name, fields) in enumerate(found.items(), 1):
            if number > start.offset:
                yield document(self._settings, name, fields, f"{label}:{name}"), Spot(number, number + 1)

    def again(self, raw: bytes, head: bytes, label: str) -> Iterator[tuple[Row, Spot]]:  # noqa: ARG002
        """Yield a document that a person has mended, as JSON, or those of a whole file."""
        if raw.lstrip()[:1] == b"{":
            yield again(self._settings, raw, label), Spot(1, 2)
        else:
            told_apart = f"{label}-{hashlib.sha256(raw).hexdigest()[:8]}"  # a document is called after its file
            yield from self.rows(io.BytesIO(raw), told_apart, Spot())

    def _name(self, stem: str, values: dict[str, str]) -> str:
        if self._per == "file":
            return stem
        column = "GID" if self._per == "group" else "Page"
        return f"{stem}-{values.get(column, '')}"


def _read(row: Row) -> dict[str, Any]:
    values = row.values
    if missing := [name for name in NEEDED if name not in values]:
        raise Malformed(f"not AIRead's columns: {', '.join(missing)} is missing", place=row.place, code="airead")
    try:
        confidence = float(values["conf"]) if values["conf"].strip() else None
    except ValueError:
        raise Malformed("`conf` is no number", place=row.place, code="airead") from None
    if confidence is not None and not 0 <= confidence <= 100:
        raise Malformed("`conf` is not from 0 to 100", place=row.place, code="airead")
    return field(values["ItemName"], values["Value"], confidence)
