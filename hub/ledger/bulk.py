"""Many rows in one statement of PostgreSQL: an array a column, in its text form.

The driver's own arrays, and its statement a row, take several times as long for the thousands of rows of a settlement.
Source of the form: PostgreSQL's manual, "Array Input and Output Syntax" and "bytea Hex Format".
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

Value = int | str | bytes | None
AT_ONCE = 5_000  # rows of a statement: they stand in memory several times


def array(values: Collection[Value]) -> str:
    """Return an array's text form; give it to a mark `%t` that is cast to the array's type."""
    types = set(map(type, values))
    if types == {int}:
        return f"{{{str(list(values))[1:-1]}}}"
    if types == {str}:
        quoted = '","'.join(values)  # type: ignore[arg-type]
        if "\\" not in quoted and quoted.count('"') == 2 * (len(values) - 1):
            return f'{{"{quoted}"}}'
    return "{" + ",".join([str(each) if type(each) is int else _quoted(each) for each in values]) + "}"


def _quoted(value: Value) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return f'"\\\\x{value.hex()}"' if isinstance(value, bytes) else str(value)


def arrays(rows: Sequence[Sequence[Value]]) -> list[str]:
    """Return the columns of rows, each as an array's text form."""
    return [array(column) for column in zip(*rows, strict=True)]


def unnested(types: Iterable[str]) -> str:
    """Return what stands for a table of columns of these types in a statement: `SELECT * FROM …`."""
    return "unnest(" + ", ".join(f"%t::{each}[]" for each in types) + ")"


@dataclass(frozen=True, slots=True)
class Insertion:
    """An INSERT of many rows `into` a `table(columns)`; `types` are PostgreSQL's, `after` what follows the values."""

    into: str
    types: Sequence[str]
    after: str = ""

    @property
    def names(self) -> list[str]:
        """Return the columns' names."""
        return self.into.partition("(")[2].rstrip(")").split(", ")

    def run(self, raw: Any, rows: Sequence[Sequence[Value]], *, sqlite: bool) -> None:
        """Insert rows over the driver's own connection or cursor."""
        if not rows:
            return
        if sqlite:
            marks = ",".join("?" * len(self.types))
            raw.executemany(f"INSERT INTO {self.into} VALUES ({marks}) {self.after}", rows)
            return
        statement = f"INSERT INTO {self.into} SELECT * FROM {unnested(self.types)} {self.after}"
        for start in range(0, len(rows), AT_ONCE):
            raw.execute(statement, arrays(rows[start : start + AT_ONCE]))
