"""The table `hub_inbox`: which deliveries a database has, in the same transaction as what they changed."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mssql, mysql, postgresql, sqlite
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from hub.errors import Transient

INSERTS: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}

_KEY = (  # two keys that differ in case are two keys, whatever the database thinks of letters
    sa.String(200)
    .with_variant(mysql.VARCHAR(200, charset="utf8mb4", collation="utf8mb4_bin"), "mysql", "mariadb")
    .with_variant(mssql.NVARCHAR(200, collation="Latin1_General_BIN2"), "mssql")
)
INBOX = sa.Table(
    "hub_inbox",
    sa.MetaData(),
    sa.Column("delivery_key", _KEY, primary_key=True),
    sa.Column("applied_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.current_timestamp()),
)


def claim(connection: Connection, keys: list[str]) -> Collection[str]:
    """Put keys into `hub_inbox` and return those that were not there."""
    values = [{"delivery_key": key} for key in keys]
    if connection.dialect.name in INSERTS:
        insert = INSERTS[connection.dialect.name](INBOX).on_conflict_do_nothing().returning(INBOX.c.delivery_key)
        return set(connection.execute(insert, values).scalars())
    # Two processes at once meet in the primary key: the later one is told so, and finds the key when it tries again.
    known = set(connection.execute(sa.select(INBOX.c.delivery_key).where(INBOX.c.delivery_key.in_(keys))).scalars())
    fresh = [value for value in values if value["delivery_key"] not in known]
    if fresh:
        try:
            connection.execute(sa.insert(INBOX), fresh)
        except IntegrityError as error:
            raise Transient("another process is writing the same deliveries", code="raced") from error
    return {value["delivery_key"] for value in fresh}
