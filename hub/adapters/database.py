"""Databases: any SQLAlchemy URL, read in the order of a growing column, written with the delivery key beside the row.

See `database_source` and `database_sink` for how each keeps its promises.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, model_validator

from hub.adapters import database_engine
from hub.adapters.contract import AdapterSettings, Expression, Expressions, Features, Site, Transport
from hub.adapters.database_sink import DatabaseSink, Target
from hub.adapters.database_source import DatabaseSource

Url = Annotated[str, AfterValidator(database_engine.check_url)]
Columns = dict[str, Expression]


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
    overlap: float = Field(
        default=0,
        ge=0,
        description="How far below the last value rows are looked for again, because they may be committed late:"
        " seconds for times, steps for numbers. What was read already is left out.",
    )

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
    table: str = Field(min_length=1, description="The table, `schema.table` where needed. It must exist.")
    key: Columns = Field(default={}, description="The columns that find a row, and the expression of each.")
    columns: Columns = Field(
        default={},
        description="The columns to write, and the expression of each; one that names an absent value stays as it is.",
    )
    mode: Literal["upsert", "insert"] = Field(
        default="upsert", description="`upsert` changes the row of that key or makes it; `insert` always makes one."
    )
    on_cancel: Literal["restore", "delete"] | Columns | None = Field(
        default=None,
        description="What a cancel does: `restore` writes what holds now (columns the wrong report had set and nothing"
        " is known of become NULL), `delete` removes the row, columns with expressions are set. Without it a cancel is"
        " rejected.",
    )

    @model_validator(mode="after")
    def _key_where_needed(self) -> DatabaseSinkSettings:
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
    is updated, or inserted if there was none.
    """

    name: ClassVar[str] = "database"
    title: ClassVar[dict[str, str]] = {"ja": "データベース", "en": "Database"}
    features: ClassVar[Features] = Features(source=True, sink=True, idempotent=True, batch=500)
    SourceSettings: ClassVar[type[AdapterSettings]] = DatabaseSourceSettings
    SinkSettings: ClassVar[type[AdapterSettings]] = DatabaseSinkSettings

    @classmethod
    def source(cls, settings: DatabaseSourceSettings, site: Site) -> DatabaseSource:
        """Open the source; no connection is made yet."""
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
            table=settings.table,
            mode=settings.mode,
            key=compiled(settings.key),
            columns=compiled(settings.columns),
            on_cancel=compiled(on_cancel) if isinstance(on_cancel, dict) else on_cancel,
        )
        return DatabaseSink(database_engine.place(settings.url, site.folder), target)
