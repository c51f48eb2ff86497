"""Functions that look something up: a city's tables, and who is who in which system."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hub.routing.functions.dates import iso
from hub.settings.models import TableRow

Resolver = Callable[[str, str], str | None]


class Unknown(Exception):  # noqa: N818 - an answer, not an error
    """The number is not known: the expression's answer is unknown."""


def lookup_in(tables: Mapping[str, tuple[TableRow, ...]], today: Callable[[], str]) -> Callable[..., Any]:
    """Return `lookup(table, code, date?)` over the tables.

    A line holds from `from` to `until`, both included; empty means open. The first line that holds is taken.
    """
    lines = {name: _by_code(rows) for name, rows in tables.items()}

    def lookup(table: str, code: Any, date: str = "") -> str:
        if table not in lines:
            raise ValueError(f"there is no table {table}")
        rows = lines[table].get(str(code))
        if rows is None:
            raise ValueError(f"the table {table} has no code {code!r}")
        if len(rows) == 1 and not rows[0].from_ and not rows[0].until:
            return rows[0].value
        day = iso(date or today()).isoformat()
        for row in rows:
            if (not row.from_ or row.from_ <= day) and (not row.until or day <= row.until):
                return row.value
        raise ValueError(f"the table {table} has no line for the code {code!r} on {day}")

    return lookup


def _by_code(rows: tuple[TableRow, ...]) -> dict[str, list[TableRow]]:
    by_code: dict[str, list[TableRow]] = {}
    for row in rows:
        by_code.setdefault(row.code, []).append(row)
    return by_code


def resident_in(resolve: Resolver | None) -> Callable[..., str]:
    """Return `resident(system, local_id)`: the resident's number."""

    def resident(system: str, local_id: Any) -> str:
        return _resolved(resolve, system, str(local_id), f"{system} knows nobody as {local_id}")

    return resident


def local_id_in(resolve: Resolver | None) -> Callable[..., str]:
    """Return `local_id(system, resident)`: the system's own number for a resident."""

    def local_id(system: str, resident: Any) -> str:
        return _resolved(resolve, system, str(resident), f"the number {system} has for {resident} is not known")

    return local_id


def _resolved(resolve: Resolver | None, system: str, number: str, unknown: str) -> str:
    if resolve is None:
        raise ValueError("no numbers of other systems are kept here")
    found = resolve(system, number)
    if found is None:
        raise Unknown(unknown)
    return found
