"""Applies deliveries to one table, and their keys to `hub_inbox`, in one transaction.

A key that stands in `hub_inbox` has been applied: it is answered as delivered and changes nothing. A batch is applied
at once; when the database refuses a row, the batch is halved down to that row, so that only its delivery is rejected.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection
from sqlalchemy.exc import IntegrityError

from hub.adapters import database_call
from hub.adapters.contract import Batch, Delivery, Outcome
from hub.adapters.database_engine import (
    ERRORS,
    Fault,
    describe,
    is_there_already,
    open_engine,
    savepoint,
    shown,
    sort,
)
from hub.adapters.database_inbox import INBOX, INSERTS, claim
from hub.adapters.turns import Turns
from hub.errors import HubError, Malformed, ReceiverStopped, Rejected, Transient

Compiled = Callable[[Delivery, Batch], Any]


@dataclass(frozen=True, slots=True)
class Target:
    """What a sink writes: a row of a table, or the arguments (`columns`) of a procedure, which is then the `table`.

    `on_cancel` is `restore`, `delete`, `call`, the columns to set, or None (cancels are refused).
    """

    table: str
    mode: str
    key: Mapping[str, Compiled]
    columns: Mapping[str, Compiled]
    on_cancel: str | Mapping[str, Compiled] | None


@dataclass(frozen=True, slots=True)
class _Change:
    """One delivery's change.

    `put` writes key and columns, `set` changes columns of a row, `delete` removes it, `call` hands columns to a
    procedure.
    """

    delivery: str
    act: str
    key: dict[str, Any]
    columns: dict[str, Any]


class DatabaseSink:
    """One table of one database."""

    def __init__(self, url: URL, target: Target) -> None:
        self._url = url
        self._target = target
        self._engine = open_engine(url, read_only=False)
        self._turns = Turns()
        self._conflict: bool | None = None  # whether the database itself finds a row by the key; None: not looked yet
        schema, _, name = target.table.rpartition(".")
        self._schema, self._name = schema or None, name
        names = {*target.key, *target.columns}
        if isinstance(target.on_cancel, Mapping):
            names.update(target.on_cancel)
        self._table = sa.table(name, *(sa.column(column) for column in sorted(names)), schema=self._schema)

    async def deliver(self, batch: Batch) -> list[Outcome]:
        """Apply the batch. Raises `Transient` when the database is away, `ReceiverStopped` for a wrong setting."""
        return await self._turns.run(self._deliver, batch)

    async def confirm(self, batch: Batch) -> list[Outcome | None]:
        """Answer that it need not be known: sending again is harmless."""
        return [None] * len(batch.deliveries)

    async def close(self) -> None:
        """Close the connection."""
        await self._turns.close(self._engine.dispose)

    def _deliver(self, batch: Batch) -> list[Outcome]:
        refused: dict[str, HubError] = {}
        changes = []
        for delivery in batch.deliveries:
            try:
                changes.append(self._change(delivery, batch))
            except Rejected as error:
                refused[delivery.key] = error
            except Malformed as error:
                refused[delivery.key] = Rejected(error.message, place=error.place, mend=error.mend, code=error.code)
        if changes:
            try:
                refused.update(self._transaction(changes))
            except Transient:
                self._conflict = None
                raise
            except ERRORS as error:
                self._conflict = None  # looked up in the transaction that has just been undone
                raise self._fault(error) from error
        return [Outcome(delivery.key, refused.get(delivery.key)) for delivery in batch.deliveries]

    def _transaction(self, changes: list[_Change]) -> dict[str, HubError]:
        """Apply the changes and return those the database refused."""
        refused: dict[str, HubError] = {}
        with self._engine.begin() as connection:
            self._look(connection)
            self._apply_sound(connection, changes, refused)
        return refused

    def _apply_sound(self, connection: Connection, changes: list[_Change], refused: dict[str, HubError]) -> None:
        """Apply the changes, halving them where the database refuses one, down to that one."""
        try:
            with savepoint(connection):
                self._apply(connection, changes)
        except ERRORS as error:
            if sort(error) is not Fault.ROW:
                raise
            if len(changes) == 1:
                message = f"{self._target.table} refused it: {describe(error)}"
                refused[changes[0].delivery] = Rejected(message, code="database")
                return
            middle = len(changes) // 2
            self._apply_sound(connection, changes[:middle], refused)
            self._apply_sound(connection, changes[middle:], refused)

    def _apply(self, connection: Connection, changes: list[_Change]) -> None:
        fresh = claim(connection, [change.delivery for change in changes])
        by_row = self._target.mode == "upsert"
        for group in _groups([change for change in changes if change.delivery in fresh], by_row=by_row):
            self._execute(connection, group)

    def _execute(self, connection: Connection, group: list[_Change]) -> None:
        """Apply changes of one kind that name the same columns."""
        first = group[0]
        if first.act == "call":
            call = database_call.statement(connection.dialect.name, self._target.table, list(first.columns))
            for one in group:
                connection.execute(call, database_call.arguments(one.columns))
        elif first.act == "delete":
            connection.execute(sa.delete(self._table).where(self._is_row(first)), [_keys(one) for one in group])
        elif first.act == "set":
            self._update(connection, group)
        elif self._target.mode == "insert":
            connection.execute(sa.insert(self._table), [{**one.key, **one.columns} for one in group])
        elif self._conflict:
            connection.execute(self._upsert(connection, first), [{**one.key, **one.columns} for one in group])
        else:
            for one in group:
                if not self._update(connection, [one]):
                    self._insert(connection, one)

    def _insert(self, connection: Connection, one: _Change) -> None:
        """Insert a row that was not there; somebody else may have done so in the meantime."""
        try:
            with savepoint(connection):
                connection.execute(sa.insert(self._table), [{**one.key, **one.columns}])
        except IntegrityError:
            if not self._update(connection, [one]):
                raise

    def _upsert(self, connection: Connection, first: _Change) -> Any:
        insert = INSERTS[connection.dialect.name](self._table)
        if not first.columns:
            return insert.on_conflict_do_nothing(index_elements=list(first.key))
        replaced = {name: insert.excluded[name] for name in first.columns}
        return insert.on_conflict_do_update(index_elements=list(first.key), set_=replaced)

    def _update(self, connection: Connection, group: list[_Change]) -> bool:
        """Set the columns of rows that are there; for one change, say whether there was one."""
        first = group[0]
        if not first.columns:
            found = sa.select(sa.literal(1)).select_from(self._table).where(self._is_row(first))
            return connection.execute(found, _keys(first)).first() is not None
        names: dict[str, Any] = {name: sa.bindparam(f"new_{index}") for index, name in enumerate(first.columns)}
        statement = sa.update(self._table).where(self._is_row(first)).values(names)
        values = [
            {**_keys(one), **{f"new_{index}": value for index, value in enumerate(one.columns.values())}}
            for one in group
        ]
        return connection.execute(statement, values).rowcount != 0

    def _is_row(self, change: _Change) -> Any:
        return sa.and_(*(self._table.c[name] == sa.bindparam(f"key_{index}") for index, name in enumerate(change.key)))

    def _change(self, delivery: Delivery, batch: Batch) -> _Change:
        """Evaluate the expressions. Raises `Rejected` or `Malformed` for a delivery that cannot be applied."""
        target = self._target
        key = self._values(target.key, delivery, batch)
        missing = [name for name in target.key if name not in key]
        if missing:
            raise Rejected(f"the key column {missing[0]} has no value", code="key-missing")
        columns = self._values(target.columns, delivery, batch)
        if target.mode == "call":
            columns = {name: columns.get(name) for name in target.columns}
            if delivery.action != "cancel" or target.on_cancel == "call":
                return _Change(delivery.key, "call", {}, columns)
        if delivery.action != "cancel":
            return _Change(delivery.key, "put", key, columns)
        if target.on_cancel is None:
            raise Rejected(
                "a cancel came, and the sink does not say what to do with one", mend="set `on_cancel`", code="on-cancel"
            )
        if target.on_cancel == "delete":
            return _Change(delivery.key, "delete", key, {})
        if isinstance(target.on_cancel, Mapping):
            return _Change(delivery.key, "set", key, self._values(target.on_cancel, delivery, batch))
        restored = self._values(target.columns, _restored(delivery), batch)
        return _Change(delivery.key, "put", key, dict.fromkeys(columns) | restored)

    def _values(self, expressions: Mapping[str, Compiled], delivery: Delivery, batch: Batch) -> dict[str, Any]:
        """Return column → value; a column whose expression names something absent is left out."""
        text = self._url.get_backend_name() == "postgresql"
        values = ((name, compiled(delivery, batch)) for name, compiled in expressions.items())
        return {name: _bind(value, text=text) for name, value in values if value is not None}

    def _look(self, connection: Connection) -> None:
        """Once: make `hub_inbox`, check the table's columns, see whether a unique key matches ours."""
        if self._conflict is not None:
            return
        try:
            INBOX.create(connection, checkfirst=True)
        except ERRORS as error:
            if is_there_already(error):
                raise Transient(f"another process has just made {INBOX.name}", code="raced") from error
            raise
        if self._target.mode == "call":
            self._conflict = False
            return
        inspector = sa.inspect(connection)
        try:
            there = {column["name"] for column in inspector.get_columns(self._name, self._schema)}
        except sa.exc.NoSuchTableError:
            raise self._setting(f"`table`: there is no table {self._target.table}") from None
        unknown = sorted({column.name for column in self._table.c} - there)
        if unknown:
            raise self._setting(f"`key`, `columns` or `on_cancel`: {self._target.table} has no column {unknown[0]}")
        if connection.dialect.name in ("mysql", "mariadb"):
            self._transactional(connection)
        unique = [inspector.get_pk_constraint(self._name, self._schema)["constrained_columns"]]
        unique += [found["column_names"] for found in inspector.get_unique_constraints(self._name, self._schema)]
        matches = any(set(columns) == set(self._target.key) for columns in unique)
        self._conflict = matches and connection.dialect.name in INSERTS

    def _transactional(self, connection: Connection) -> None:
        """Refuse a table that keeps what a transaction has taken back: a repeat would take effect twice."""
        query = sa.text(
            "SELECT e.transactions FROM information_schema.tables t JOIN information_schema.engines e"
            " ON e.engine = t.engine WHERE t.table_schema = COALESCE(:schema, DATABASE()) AND t.table_name = :name"
        )
        for name in (self._name, INBOX.name):
            schema = self._schema if name == self._name else None
            found = connection.execute(query, {"schema": schema, "name": name}).scalar()
            if found is not None and found != "YES":
                raise self._setting(f"`table`: {name} has no transactions; ALTER TABLE … ENGINE=InnoDB")

    def _fault(self, error: Exception) -> HubError:
        if sort(error) is Fault.SETTING:
            return self._setting(f"`table`, `key` or `columns` does not fit {self._target.table}: {describe(error)}")
        return Transient(f"cannot write {shown(self._url)}: {describe(error)}", code="unreachable")

    def _setting(self, message: str) -> ReceiverStopped:
        self._conflict = None
        return ReceiverStopped(
            f"{shown(self._url)}: {message}",
            mend="mend the setting or the table; the receiver then goes on by itself",
            code="setting",
        )


def _groups(changes: list[_Change], *, by_row: bool) -> Iterator[list[_Change]]:
    """Yield changes that can be sent together, of one kind and with the same columns.

    The order of all changes is kept, or, `by_row`, only that of the changes of each row, which makes larger groups.
    """
    if not by_row:
        yield from (list(group) for _, group in groupby(changes, key=_shape))
        return
    groups: dict[tuple[Any, ...], list[_Change]] = {}
    waves: dict[tuple[Any, ...], int] = {}
    for change in changes:
        row = tuple(change.key.values())
        waves[row] = wave = waves.get(row, -1) + 1
        groups.setdefault((wave, _shape(change)), []).append(change)
    for wave_and_shape in sorted(groups, key=itemgetter(0)):
        yield groups[wave_and_shape]


def _shape(change: _Change) -> tuple[str, ...]:
    return change.act, *change.columns


def _keys(change: _Change) -> dict[str, Any]:
    return {f"key_{index}": value for index, value in enumerate(change.key.values())}


def _restored(delivery: Delivery) -> Delivery:
    """Return the delivery with what holds now in place of what was wrong. Raises `Rejected` when it is not told."""
    restored = delivery.data.get("restored", delivery.event.get("restored"))
    if not isinstance(restored, dict):
        raise Rejected("the cancel does not tell what to restore", code="restored-missing")
    return Delivery(
        delivery.key,
        delivery.no,
        delivery.event_id,
        delivery.type,
        delivery.subject,
        delivery.time,
        orjson.dumps({**delivery.event, "data": restored}),
        delivery.action,
    )


def _bind(value: Any, *, text: bool) -> Any:
    """Return a value the driver takes; as text where the server then finds the column's own type."""
    if isinstance(value, (dict, list)) or (text and isinstance(value, (bool, int, float))):
        return orjson.dumps(value).decode()
    return value
