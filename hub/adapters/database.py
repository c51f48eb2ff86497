"""Databases: any SQLAlchemy URL, read in the order of a growing column, written with the delivery key beside the row.

See `database_source` and `database_sink` for how each keeps its promises.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, model_validator

from hub.adapters import database_engine
from hub.adapters.contract import AdapterSettings, Duration, Expression, Expressions, Features, Site, Transport
from hub.adapters.database_outbox import Outbox, OutboxSource
from hub.adapters.database_sink import DatabaseSink, Target
from hub.adapters.database_source import DatabaseSource

Url = Annotated[str, AfterValidator(database_engine.check_url)]
Columns = dict[str, Expression]
_NAME = r"^[A-Za-z_][A-Za-z0-9_$#]*(\.[A-Za-z_][A-Za-z0-9_$#]*){0,2}$"  # it goes into the statement as it is


def _parameters(names: Columns) -> Columns:
    for name in names:
        if not name.isascii() or not name.isidentifier():
            raise ValueError(f"`{name}` is no name of a parameter: letters, digits and _")
    return names


class OutboxSettings(AdapterSettings):
    """How rows of an outbox are told from those that were fetched."""

    after: Literal["delete", "mark"] = Field(default="delete", description="What becomes of a row that is safe.")
    key: list[str] = Field(default=[], description="The columns that find a row; without it `cursor` does.")
    mark: str | None = Field(default=None, description="`mark`: the column that is set.")
    open: str | int | None = Field(default=None, description="`mark`: what it holds before; without it NULL.")
    done: str | int | None = Field(default=None, description="`mark`: what it is set to; without it the time.")

    @model_validator(mode="after")
    def _a_mark_has_its_column(self) -> OutboxSettings:
        if (self.after == "mark") != (self.mark is not None):
            raise ValueError("`after: mark` and the column, `mark: …`, go together")
        return self


class DatabaseSourceSettings(AdapterSettings):
    """Settings of a `database` source."""

    url: Url = Field(
        repr=False, description="A SQLAlchemy URL; better a secret. A SQLite file's path is from the city folder."
    )
    table: str | None = Field(default=None, description="The table or view, `schema.table` where needed.")
    query: str | None = Field(default=None, description="Or a SELECT, without ORDER BY, that yields the cursor column.")
    cursor: str = Field(
        description="A growing column (a number or a time): rows above the last value are new. Rows where it is NULL"
        " are not read."
    )
    overlap: Duration = Field(
        default=0,
        ge=0,
        description="How far below the last value rows are looked for again, because they may be committed late: a"
        " duration such as `10m` for times, steps for numbers. What was read already is left out.",
    )

    outbox: OutboxSettings | None = Field(
        default=None,
        description="The `table` is an outbox: rows are marked or deleted when they are safe, and `cursor` says only"
        " their order.",
    )

    @model_validator(mode="after")
    def _an_outbox_is_a_table(self) -> DatabaseSourceSettings:
        if self.outbox is not None and (self.table is None or self.overlap):
            raise ValueError("an `outbox` is a `table`, and needs no `overlap`")
        return self

    @model_validator(mode="after")
    def _one_origin(self) -> DatabaseSourceSettings:
        if (self.table is None) == (self.query is None):
            raise ValueError("give either `table` or `query`")
        return self


class DatabaseSinkSettings(AdapterSettings):
    """Settings of a `database` sink."""

    url: Url = Field(
        repr=False, description="A SQLAlchemy URL; better a secret. A SQLite file's path is from the city folder."
    )
    table: str | None = Field(
        default=None, min_length=1, description="The table, `schema.table` where needed. It must exist."
    )
    key: Columns = Field(default={}, description="The columns that find a row, and the expression of each.")
    columns: Columns = Field(
        default={},
        description="The columns to write, and the expression of each; one that names an absent value stays as it is.",
    )
    mode: Literal["upsert", "insert", "call"] = Field(
        default="upsert",
        description="`upsert` changes the row of that key or makes it; `insert` always makes one; `call` calls a"
        " stored procedure, which must not end the transaction.",
    )
    procedure: Annotated[str, Field(pattern=_NAME)] | None = Field(
        default=None, description="`call`: the procedure, `schema.procedure` where needed."
    )
    arguments: Annotated[Columns, AfterValidator(_parameters)] = Field(
        default={},
        description="`call`: its parameters by name, and the expression of each; an absent value is NULL. MariaDB and"
        " MySQL take them in the order written.",
    )
    on_cancel: Literal["restore", "delete", "call"] | Columns | None = Field(
        default=None,
        description="What a cancel does: `restore` writes what holds now (columns the wrong report had set and nothing"
        " is known of become NULL), `delete` removes the row, columns with expressions are set, `call` calls the"
        " procedure (which learns of it by `delivery.action`). Without it a cancel is rejected.",
    )

    @model_validator(mode="after")
    def _table_or_procedure(self) -> DatabaseSinkSettings:
        calls = self.mode == "call"
        if calls and (self.procedure is None or self.table or self.key or self.columns):
            raise ValueError("`mode: call` needs `procedure` and `arguments`, and nothing of a table")
        if not calls and (self.table is None or self.procedure or self.arguments):
            raise ValueError("`table` is needed; `procedure` and `arguments` are of `mode: call`")
        if calls != (self.on_cancel == "call") and self.on_cancel is not None:
            raise ValueError("`on_cancel: call` goes with `mode: call`, and no other does")
        if calls and self.url.startswith("sqlite"):
            raise ValueError("SQLite has no stored procedures")
        return self

    @model_validator(mode="after")
    def _key_where_needed(self) -> DatabaseSinkSettings:
        if self.mode == "call":
            return self
        if not self.key and (self.mode == "upsert" or self.on_cancel not in (None, "restore")):
            raise ValueError("`key` is needed to find the row")
        if not self.key and not self.columns:
            raise ValueError("`columns` says what to write")
        return self


class Database(Transport):
    """Any database SQLAlchemy reaches: rows in by a growing column, rows out by upsert or insert.

    In: dates as `YYYY-MM-DD`, decimals as text; a row with a binary value is an error row. Out: the delivery key goes
    into `hub_inbox (delivery_key, applied_at)` of the same database in the same transaction (made where absent), so a
    repeat changes nothing. SQLite and PostgreSQL use their own upsert where a unique key matches `key`; otherwise a row
    is updated, or inserted if there was none. Drivers: SQLite and PostgreSQL are there, `city-hub[mariadb]`,
    `[sqlserver]` and `[oracle]` bring `mysql+pymysql://`, `mssql+pymssql://` and `oracle+oracledb://`.
    """

    name: ClassVar[str] = "database"
    title: ClassVar[dict[str, str]] = {"ja": "データベース", "en": "Database"}
    features: ClassVar[Features] = Features(source=True, sink=True, idempotent=True, batch=500)
    SourceSettings: ClassVar[type[AdapterSettings]] = DatabaseSourceSettings
    SinkSettings: ClassVar[type[AdapterSettings]] = DatabaseSinkSettings

    @classmethod
    def source(cls, settings: DatabaseSourceSettings, site: Site) -> DatabaseSource | OutboxSource:
        """Open the source; no connection is made yet."""
        if settings.outbox is not None:
            told = settings.outbox
            key = tuple(told.key) or (settings.cursor,)
            outbox = Outbox(settings.table or "", settings.cursor, key, told.mark, told.open, told.done)
            return OutboxSource(database_engine.place(settings.url, site.folder), outbox)
        return DatabaseSource(
            database_engine.place(settings.url, site.folder),
            table=settings.table,
            query=settings.query,
            cursor=settings.cursor,
            overlap=settings.overlap,
        )

    @classmethod
    def sink(cls, settings: DatabaseSinkSettings, site: Site, port: Expressions | Any = None) -> DatabaseSink:
        """Open the sink; `port` compiles the expressions. No connection is made yet."""

        def compiled(columns: Columns) -> dict[str, Any]:
            return {name: port.compile(text) for name, text in columns.items()}

        on_cancel = settings.on_cancel
        target = Target(
            table=settings.procedure or settings.table or "",
            mode=settings.mode,
            key=compiled(settings.key),
            columns=compiled(settings.arguments if settings.mode == "call" else settings.columns),
            on_cancel=compiled(on_cancel) if isinstance(on_cancel, dict) else on_cancel,
        )
        return DatabaseSink(database_engine.place(settings.url, site.folder), target)
