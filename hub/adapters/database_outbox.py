"""Reads an outbox: rows that a system has put down to be fetched, which are marked or deleted once they are safe.

There is no growing position, so nothing that is committed late can be passed over. The position names the rows handed
over in this pass; whoever begins after a crash marks those first, for what the position names is durable.
Each is named with a digest of its content: a number that the database has given away again is another row.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import URL

from hub.adapters.contract import Row, SourceBatch
from hub.adapters.database_engine import ERRORS, open_engine, unreadable
from hub.adapters.database_values import kind_of, plain, revive, row_of

PAGE = 1000  # rows
LONGEST = 10_000  # rows of one pass: the position names all of them
PART = 500  # rows marked by one statement


@dataclass(frozen=True, slots=True)
class Outbox:
    """Which rows are open, and what becomes of them: deleted (`mark` is None), or the column set to `done`.

    `open` is what the column holds before (None: NULL); `done` None is the database's time.
    """

    table: str
    order: str
    key: tuple[str, ...]
    mark: str | None = None
    open: str | int | None = None
    done: str | int | None = None


class OutboxSource:
    """The open rows of one table, in the order of a column."""

    def __init__(self, url: URL, outbox: Outbox) -> None:
        self._url = url
        self._outbox = outbox
        schema, _, name = outbox.table.rpartition(".")
        names = dict.fromkeys([outbox.order, *outbox.key, *([outbox.mark] if outbox.mark else [])])
        self._table = sa.table(name, *(sa.column(column) for column in names), schema=schema or None)
        self._engine = open_engine(url, read_only=False)
        self._finished: list[Any] = []  # the keys of the pass that was acknowledged whole by this process

    def read(self, after: dict[str, Any] | None) -> Iterator[SourceBatch]:
        """Yield the open rows. Raises `Transient` naming the database when it is away, or the setting that is wrong."""
        handed: list[Any] = (after or {}).get("handed", [])
        last = (after or {}).get("upto")
        try:
            if handed and handed != self._finished:
                self._finish(handed)
                self._finished = handed
            yield from self._pass(handed if last is not None else [], _revived(last) if last is not None else None)
        except ERRORS as error:
            raise unreadable(self._url, error) from error
        finally:
            self._engine.dispose()

    def acknowledge(self, batch: SourceBatch) -> None:
        """Mark or delete the rows of a batch that are still as they were read; one that has changed is read again.

        Raises `Transient`; what the position names is marked later then.
        """
        page, handed = batch.token
        try:
            self._finish(page)
        except ERRORS as error:
            raise unreadable(self._url, error) from error
        finally:
            self._engine.dispose()
        self._finished = handed

    def _pass(self, handed: list[Any], last: Sequence[Any] | None) -> Iterator[SourceBatch]:
        """Yield the pages of a pass, or those after a row of it; when there are none, those of the next pass."""
        ready: SourceBatch | None = None
        unit = ""
        while len(handed) < LONGEST:
            page = self._page(last)
            if not page and last is not None and ready is None:
                handed, last = [], None  # nothing is left of a pass that a crash has cut: rows may stand before it
                continue
            if not page:
                break
            last = self._place(page[-1])
            keys = [self._key(row) for row in page]
            rows = [row_of(row, f"{self._outbox.table}:{_shown(key)}") for row, key in zip(page, keys, strict=True)]
            named = [[_kept(key), _digest(row)] for key, row in zip(keys, rows, strict=True)]
            handed = handed + named
            unit = unit or f"{self._outbox.table}@{hashlib.sha256(orjson.dumps(handed[0])).hexdigest()[:12]}"
            position = {"handed": handed, "upto": _kept(last)}
            if ready is not None:
                yield ready
            ready = SourceBatch(rows, position, self._outbox.table, unit, last=False, token=(named, handed))
            if len(page) < PAGE:
                break
        if ready is not None:
            ready.position = {"handed": handed}  # the next pass begins with whatever is open then
            ready.last = True
            yield ready

    def _page(self, last: Sequence[Any] | None) -> list[Mapping[str, Any]]:
        columns = [self._table.c[name] for name in self._ordered]
        query = sa.select(sa.text("*")).select_from(self._table).where(*self._open()).order_by(*columns).limit(PAGE)
        if last is not None:
            query = query.where(_after(columns, last))
        with self._engine.connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def _are(self, keys: Sequence[Sequence[Any]]) -> Any:
        columns = [self._table.c[name] for name in self._outbox.key]
        if len(columns) == 1:
            return columns[0].in_([key[0] for key in keys])
        return sa.or_(*(sa.and_(*(c == v for c, v in zip(columns, key, strict=True))) for key in keys))

    def _finish(self, handed: Sequence[Any]) -> None:
        """Mark or delete those rows handed over that are still there, and still the same."""
        for start in range(0, len(handed), PART):
            digests = {_revived(key): digest for key, digest in handed[start : start + PART]}
            with self._engine.begin() as connection:
                same = self._same(connection, digests)
                if same:
                    self._mark(connection, self._are(same))

    def _same(self, connection: sa.Connection, digests: Mapping[tuple[Any, ...], str]) -> list[tuple[Any, ...]]:
        """Return the keys of rows that are as they were read, and lock them."""
        query = sa.select(sa.text("*")).select_from(self._table).where(self._are(list(digests)), *self._open())
        rows = [dict(row) for row in connection.execute(query.with_for_update()).mappings()]
        return [key for row in rows if digests.get(key := self._key(row)) == _digest(row_of(row, ""))]

    def _mark(self, connection: sa.Connection, mine: Any) -> None:
        if self._outbox.mark is None:
            connection.execute(sa.delete(self._table).where(mine))
            return
        done = sa.func.current_timestamp() if self._outbox.done is None else self._outbox.done
        connection.execute(sa.update(self._table).where(mine, *self._open()).values({self._outbox.mark: done}))

    def _open(self) -> list[Any]:
        """Return the conditions of an open row."""
        if self._outbox.mark is None:
            return []
        column = self._table.c[self._outbox.mark]
        return [column.is_(None) if self._outbox.open is None else column == self._outbox.open]

    @property
    def _ordered(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys([self._outbox.order, *self._outbox.key]))

    def _place(self, row: Mapping[str, Any]) -> tuple[Any, ...]:
        return tuple(row[name] for name in self._ordered)

    def _key(self, row: Mapping[str, Any]) -> tuple[Any, ...]:
        return tuple(row[name] for name in self._outbox.key)


def _after(columns: Sequence[Any], last: Sequence[Any]) -> Any:
    """Return the condition of standing after a row in the order of several columns."""
    ways = []
    for index, column in enumerate(columns):
        same = [earlier == value for earlier, value in zip(columns[:index], last[:index], strict=True)]
        ways.append(sa.and_(*same, column > last[index]))
    return sa.or_(*ways)


def _digest(row: Row) -> str:
    return hashlib.sha256(row.raw).hexdigest()[:16]


def _kept(values: Sequence[Any]) -> list[list[Any]]:
    return [[plain(value), kind_of(value)] for value in values]


def _revived(kept: Sequence[Sequence[Any]]) -> tuple[Any, ...]:
    return tuple(revive(value, kind) for value, kind in kept)


def _shown(key: Sequence[Any]) -> str:
    return ",".join(str(plain(value)) for value in key)
