"""tables/*.csv: codes and their values, each true from one date until another."""

from __future__ import annotations

import csv
import re
from io import StringIO
from typing import TYPE_CHECKING, Protocol

from hub.settings.models import TableRow
from hub.settings.reader import Reader, meant

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Lines(Protocol):
    """What `csv.reader` gives."""

    line_num: int

    def __iter__(self) -> Iterator[list[str]]:
        """Yield the cells of each line."""
        ...


UTF_16 = (b"\xff\xfe", b"\xfe\xff")  # its byte order marks, which cp932 would read as text
COLUMNS = ("code", "value", "from", "until")
DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)


def read_table(reader: Reader, path: Path) -> tuple[TableRow, ...]:
    """Return the rows of one table in their order; problems go to the reader.

    UTF-8, with or without a byte order mark, or cp932. `from` and `until` may be left out, or empty (open).
    """
    name = path.relative_to(reader.folder).as_posix()
    text = decode(reader, path, name)
    if text is None:
        return ()
    lines = csv.reader(StringIO(text, newline=""), strict=True)
    try:
        header = [column.strip() for column in next(lines, [])]
        if not check_header(reader, name, header):
            return ()
        return unique(reader, rows(reader, name, header, lines))
    except csv.Error as error:
        reader.note(f"{name}:{lines.line_num}:1", f"this is not CSV: {error}", "check the quotation marks", code="csv")
        return ()


def decode(reader: Reader, path: Path, name: str) -> str | None:
    """Return the file's text, or None with the problem noted."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        reader.note(name, f"the file cannot be read: {error.strerror}", code="unreadable")
        return None
    for encoding in ("utf-8-sig", "cp932") if not raw.startswith(UTF_16) else ():
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    reader.note(f"{name}:1:1", "the file is neither UTF-8 nor cp932", "save it as UTF-8", code="encoding")
    return None


def check_header(reader: Reader, name: str, header: list[str]) -> bool:
    """Say whether the first line names the columns of a table."""
    place, before = f"{name}:1:1", len(reader.problems)
    for column in header:
        if column not in COLUMNS:
            reader.note(place, f"a table has no column `{column}`", meant(column, COLUMNS), code="column-unknown")
    if not {"code", "value"} <= set(header) or len(set(header)) < len(header):
        mend = "let the first line be code,value,from,until"
        reader.note(place, "a table needs the columns code and value, each once", mend, code="column-missing")
    return len(reader.problems) == before


def rows(reader: Reader, name: str, header: list[str], lines: Lines) -> list[TableRow]:
    """Return the rows that can be read; blank lines are passed over."""
    found = []
    for cells in lines:
        place = f"{name}:{lines.line_num}:1"
        if not any(cells):
            continue
        if len(cells) != len(header):
            message = f"this line has {len(cells)} columns, the header {len(header)}"
            reader.note(place, message, "put a value that holds a comma in double quotes", code="columns")
            continue
        row = dict(zip(header, cells, strict=True))
        for column in ("from", "until"):
            if row.get(column) and not DATE.fullmatch(row[column]):
                reader.note(place, f"`{column}` cannot be `{row[column]}`", "write YYYY-MM-DD, or leave it empty")
        found.append(TableRow.model_validate({**row, "place": place}))
    return found


def unique(reader: Reader, found: list[TableRow]) -> tuple[TableRow, ...]:
    """Note codes that have two values from the same day on."""
    first: dict[tuple[str, str], TableRow] = {}
    for row in found:
        same = first.setdefault((row.code, row.from_), row)
        if same is not row:
            mend = f"the first is at {same.place}; give them different `from` dates"
            reader.note(row.place, f"the code `{row.code}` stands twice", mend, code="code-twice")
    return tuple(found)
