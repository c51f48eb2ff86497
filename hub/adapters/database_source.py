"""Reads rows of a table or query in the order of a growing column, a page and a short transaction at a time.

The position is the value up to which every row has been handed over: where a page ends among rows of one value it stays
below that value, so that none is ever skipped. With `overlap`, rows that were committed late are looked for again below
the position; what was handed over already is known by its digest and left out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import URL

from hub.adapters.contract import Row, SourceBatch
from hub.adapters.database_engine import ERRORS, open_engine, unreadable
from hub.adapters.database_values import kind_of, plain, revive, row_of, written
from hub.errors import Transient, UsageError

PAGE = 1000  # rows


@dataclass(slots=True)
class _Position:
    """How far it was read: `value` of the cursor column, and the digests of rows above the window's lower end."""

    value: Any = None
    seen: dict[str, Any] = field(default_factory=dict)  # digest → the row's cursor value

    @classmethod
    def read(cls, position: Mapping[str, Any] | None) -> _Position:
        if not position:
            return cls()
        kind = position.get("kind", "")
        return cls(
            revive(position["cursor"], kind),
            {digest: revive(value, kind) for digest, value in position.get("seen", {}).items()},
        )

    def dump(self) -> dict[str, Any]:
        position = {"cursor": plain(self.value), "kind": kind_of(self.value)}
        seen = {digest: plain(value) for digest, value in self.seen.items()}
        return {**position, "seen": seen} if seen else position


class DatabaseSource:
    """The rows of one table or query."""

    keeps_rows = True

    def __init__(self, url: URL, *, table: str | None, query: str | None, cursor: str, overlap: float) -> None:
        self._url = url
        self._label = table or "query"
        self._from = from_clause(table, query)
        self._cursor = cursor
        self._overlap = overlap
        self._engine = open_engine(url, read_only=True)

    def read(self, after: dict[str, Any] | None) -> Iterator[SourceBatch]:
        """Yield the new rows. Raises `Transient` naming the database when it is away, or the setting that is wrong."""
        position = _Position.read(after)
        unit = f"{self._label}@{plain(position.value) if after else 'start'}"
        ready: SourceBatch | None = None
        try:
            self._look_back(position.value)
            for rows in self._pages(position):
                if ready is not None:
                    yield ready
                ready = SourceBatch(rows, position.dump(), self._label, unit, last=False)
        except ERRORS as error:
            raise unreadable(self._url, error) from error
        finally:
            self._engine.dispose()
        if ready is not None:
            ready.last = True
            yield ready

    def acknowledge(self, batch: SourceBatch) -> None:
        """Do nothing: the position says it all."""

    def rewound(self, position: dict[str, Any] | None, to: str) -> dict[str, Any]:
        """Return the position after a value of the cursor column, written as that column's kind."""
        present = _Position.read(position)
        if present.value is None:
            raise UsageError("it was never read, so there is nothing to set back")
        try:
            value = written(to, present.value)
            back = value < present.value
        except (ValueError, ArithmeticError, TypeError):
            message = f"not a value of the column {self._cursor}: {to}"
            raise UsageError(message, mend=f"write one like {plain(present.value)}") from None
        if not back:
            raise UsageError(f"it stands at {plain(present.value)}, and {to} is not before that")
        return _Position(value).dump()

    def _pages(self, position: _Position) -> Iterator[list[Row]]:
        """Yield pages of rows not handed over before, having moved the position to stand after them."""
        low = self._window_start(position.value)
        while True:
            page = self._select(low, PAGE)
            if not page:
                return
            if len(page) < PAGE:
                whole = page
            else:
                border = page[-1][self._cursor]
                whole = [row for row in page if row[self._cursor] != border]
                if not whole:
                    yield from self._ties(border, position)
                    low = border
                    continue
            low = whole[-1][self._cursor]
            rows = self._fresh(whole, position)
            position.value = low if position.value is None else max(position.value, low)
            self._forget(position)
            if rows:
                yield rows
            if len(page) < PAGE:
                return

    def _ties(self, value: Any, position: _Position) -> Iterator[list[Row]]:
        """Yield more rows of one value than a page holds, the position moving past them with the last only."""
        column: sa.ColumnClause[Any] = sa.column(self._cursor)
        query = sa.select(sa.text("*")).select_from(self._from).where(column == value)
        ready: list[Row] | None = None
        with self._engine.connect().execution_options(yield_per=PAGE) as connection:
            for part in connection.execute(query).mappings().partitions():
                if ready:
                    yield ready
                ready = self._fresh([dict(row) for row in part], position)
        position.value = value if position.value is None else max(position.value, value)
        self._forget(position)
        if ready:
            yield ready

    def _look_back(self, value: Any) -> None:
        """Raise `Transient` when the table ends before the position: rows that come again below it would be missed."""
        if value is None:
            return
        column: sa.ColumnClause[Any] = sa.column(self._cursor)
        with self._engine.connect() as connection:
            newest = connection.execute(sa.select(sa.func.max(column)).select_from(self._from)).scalar()
        if newest is not None and type(newest) is type(value) and newest < value:
            raise Transient(
                f"{self._label} ends at {self._cursor}={plain(newest)}, but was read up to {plain(value)} before:"
                " was the database restored? see from where its rows are others, then:"
                " hub source rewind SYSTEM.SOURCE --to VALUE",
                code="set-back",
            )

    def _select(self, low: Any, limit: int) -> list[dict[str, Any]]:
        column: sa.ColumnClause[Any] = sa.column(self._cursor)
        query = sa.select(sa.text("*")).select_from(self._from).order_by(column).limit(limit)
        query = query.where(column.is_not(None) if low is None else column > low)
        with self._engine.connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def _fresh(self, found: list[dict[str, Any]], position: _Position) -> list[Row]:
        rows = [self._row(values) for values in found]
        if not self._overlap:
            return rows
        fresh = []
        for row, values in zip(rows, found, strict=True):
            digest = hashlib.sha256(row.raw).hexdigest()[:24]
            if digest not in position.seen:
                position.seen[digest] = values[self._cursor]
                fresh.append(row)
        return fresh

    def _forget(self, position: _Position) -> None:
        if position.seen:
            low = self._window_start(position.value)
            position.seen = {digest: value for digest, value in position.seen.items() if low is None or value > low}

    def _window_start(self, value: Any) -> Any:
        """Return the value above which rows are read: `overlap` below the position, in its own kind and form."""
        if value is None or not self._overlap:
            return value
        if isinstance(value, datetime):
            return value - timedelta(seconds=self._overlap)
        if isinstance(value, date):
            return value - timedelta(days=-(-self._overlap // 86400))
        if isinstance(value, str):
            return _text_before(value, self._overlap)
        return value - (Decimal(str(self._overlap)) if isinstance(value, Decimal) else int(self._overlap))

    def _row(self, values: dict[str, Any]) -> Row:
        return row_of(values, f"{self._label}:{self._cursor}={plain(values[self._cursor])}")


def from_clause(table: str | None, query: str | None) -> Any:
    """Return what is selected from: a table, or a city's own query."""
    if table is not None:
        schema, _, name = table.rpartition(".")
        return sa.table(name, schema=schema or None)
    text = (query or "").strip().rstrip(";").replace(":", r"\:")  # no bind parameters of ours in a city's query
    return sa.text(text).columns().subquery("q")


def _text_before(text: str, seconds: float) -> str:
    """Return a time text `seconds` earlier, in the same form but for its fraction and zone, so that it sorts below."""
    try:
        moment = datetime.fromisoformat(text).replace(tzinfo=None) - timedelta(seconds=seconds)
    except ValueError:
        raise Transient("`overlap` needs a cursor column of numbers or times", code="setting") from None
    return moment.date().isoformat() if len(text) == len("YYYY-MM-DD") else moment.isoformat(text[10], "seconds")
