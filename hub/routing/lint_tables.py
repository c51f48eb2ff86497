"""Tables under lint: their lines have a code, a value, and days that are some."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hub.settings.gaiji import own_tables

if TYPE_CHECKING:
    from hub.routing.lint_expressions import Notes
    from hub.settings.models import TableRow

FIRST, LAST = "0000-00-00", "9999-99-99"


def check(notes: Notes) -> None:
    """Note what is wrong with the lines of the city's tables of codes; tables of characters are looked at elsewhere."""
    apart = own_tables(notes.city)
    for name, rows in notes.city.tables.items():
        for row in rows if name not in apart else ():
            _line(notes, row)
        if name not in apart:
            _overlaps(notes, rows)


def _line(notes: Notes, row: TableRow) -> None:
    if row.from_ and row.until and row.from_ > row.until:
        message = f"the line of the code `{row.code}` ends on {row.until}, before it begins on {row.from_}"
        notes.error(row.place, message, "swap `from` and `until`, or mend one", "table-days")
    for column, text in (("code", row.code), ("value", row.value)):
        if not text.strip():
            notes.warning(row.place, f"`{column}` is empty", "write it, or remove the line", "table-empty")


def _overlaps(notes: Notes, rows: tuple[TableRow, ...]) -> None:
    by_code: dict[str, list[TableRow]] = {}
    for row in rows:
        for other in by_code.setdefault(row.code, []):
            if (row.from_ or FIRST) <= (other.until or LAST) and (other.from_ or FIRST) <= (row.until or LAST):
                message = f"the code `{row.code}` has two values on the same days: the line at {other.place} is taken"
                mend = "let the earlier line end (`until`) on the day before the later one begins"
                notes.warning(row.place, message, mend, "table-days")
        by_code[row.code].append(row)
