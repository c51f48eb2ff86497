"""Opens any SQLAlchemy URL for the `database` adapter, and sorts what databases say into what the hub does about it."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import URL, Engine
from sqlalchemy.exc import (
    ArgumentError,
    DataError,
    DBAPIError,
    IntegrityError,
    NoSuchModuleError,
    NoSuchTableError,
    ProgrammingError,
)

from hub.errors import Transient

WAIT = 10  # seconds for a lock or a connection
ERRORS = (DBAPIError, NoSuchTableError, OverflowError)  # what a statement may raise


class Fault(Enum):
    """What a database's error is about: one row, the settings, or the database being away, locked or full."""

    ROW = "row"
    SETTING = "setting"
    AWAY = "away"


_SQLSTATES = {"22": Fault.ROW, "23": Fault.ROW, "P0": Fault.ROW, "42": Fault.SETTING, "3F": Fault.SETTING}
_SQLITE_SETTINGS = ("no such table", "no such column", "has no column", "syntax error", "more than one statement")


def sort(error: Exception) -> Fault:
    """Sort an error by SQLSTATE where the driver tells it, else by its DB-API class (PEP 249)."""
    original = getattr(error, "orig", None)
    state = getattr(original, "sqlstate", None)
    if state:
        return _SQLSTATES.get(state[:2], Fault.AWAY)
    if isinstance(error, (IntegrityError, DataError, OverflowError)):
        return Fault.ROW
    if isinstance(error, (ProgrammingError, NoSuchTableError)):
        return Fault.SETTING
    if any(sign in str(original) for sign in _SQLITE_SETTINGS):
        return Fault.SETTING
    return Fault.AWAY


def describe(error: Exception) -> str:
    """Say what was wrong without the values, which may be personal data."""
    original = getattr(error, "orig", None) or error
    diagnosis = getattr(original, "diag", None)
    if diagnosis is not None and diagnosis.sqlstate:
        names = (diagnosis.constraint_name, diagnosis.column_name, diagnosis.table_name)
        return " ".join([type(original).__name__, diagnosis.sqlstate, *(name for name in names if name)])
    if type(original).__module__ == "sqlite3" or sort(error) is not Fault.ROW:
        return f"{type(original).__name__}: {' '.join(str(original).split())}"
    return type(original).__name__


def check_url(text: str) -> str:
    """Refuse what is no SQLAlchemy URL, or names a driver that is not installed."""
    try:
        sa.make_url(text).get_dialect().import_dbapi()
    except (ArgumentError, NoSuchModuleError, ImportError) as error:
        shown = "it is no SQLAlchemy URL" if isinstance(error, ArgumentError) else str(error)
        raise ValueError(f"this database cannot be opened: {shown}") from None
    return text


def place(text: str, folder: Path) -> URL:
    """Return the URL with a SQLite file's path taken from the city folder."""
    url = sa.make_url(text)
    path = url.database
    if url.get_backend_name() == "sqlite" and path and path != ":memory:" and not path.startswith("file:"):
        return url.set(database=str(folder / path))
    return url


def shown(url: URL) -> str:
    """Return the URL for people, without its password."""
    return url.render_as_string(hide_password=True)


def open_engine(url: URL, *, read_only: bool) -> Engine:
    """Return an engine of one connection, whose transactions are read-only or take the write lock at once."""
    backend = url.get_backend_name()
    if backend == "sqlite":
        return _sqlite(url, read_only=read_only)
    options: dict[str, Any] = {}
    if backend == "postgresql" and url.get_dialect().driver == "psycopg":
        lock = f"-c lock_timeout={WAIT}s -c statement_timeout={6 * WAIT}s"
        options["connect_args"] = {"connect_timeout": WAIT, "options": lock}
    if backend == "postgresql" and read_only:
        options["execution_options"] = {"postgresql_readonly": True}
    return sa.create_engine(url, pool_size=1, max_overflow=0, pool_pre_ping=True, hide_parameters=True, **options)


def _sqlite(url: URL, *, read_only: bool) -> Engine:
    # No pool: a file that was restored from a backup under the same name would never be noticed.
    engine = sa.create_engine(url, connect_args={"timeout": WAIT}, poolclass=sa.NullPool, hide_parameters=True)

    @sa.event.listens_for(engine, "do_connect")
    def look(_dialect: Any, _record: Any, _arguments: Any, _options: Any) -> None:
        if url.database and not Path(url.database).exists():  # SQLite would make an empty one
            raise Transient(f"there is no database file {url.database}", code="unreachable")

    @sa.event.listens_for(engine, "connect")
    def connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # transactions are begun below, so that savepoints hold
        if read_only:
            connection.execute("PRAGMA query_only = ON")

    @sa.event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")

    return engine
