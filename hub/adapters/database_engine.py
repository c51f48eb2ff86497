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


_SQLSTATES = {
    "22": Fault.ROW,
    "23": Fault.ROW,
    "P0": Fault.ROW,
    "45": Fault.ROW,  # SIGNAL of a procedure or trigger
    "42": Fault.SETTING,
    "3F": Fault.SETTING,
    "2D": Fault.SETTING,  # a procedure that ends the transaction it is called in
}
# What drivers tell by number only. MariaDB and MySQL: a value that does not fit or is missing, SIGNAL; no such column,
# procedure or savepoint, no right to do it. SQL Server: what procedures throw by themselves begins at 50000. Oracle:
# 20000 to 20999 are an application's own.
_MARIADB = {
    **dict.fromkeys((1265, 1364, 1366, 1644), Fault.ROW),
    **dict.fromkeys((1054, 1142, 1305, 1370), Fault.SETTING),
}
_SQLITE_SETTINGS = ("no such table", "no such column", "has no column", "syntax error", "more than one statement")


def sort(error: Exception) -> Fault:
    """Sort an error by SQLSTATE where the driver tells it, else by its DB-API class (PEP 249)."""
    original = getattr(error, "orig", None)
    numbered = _numbered(original)
    if numbered is not None:
        return numbered
    state = getattr(original, "sqlstate", None)
    if state and not state.startswith("HY"):  # HY000 of MariaDB: no state of its own
        return _SQLSTATES.get(state[:2], Fault.AWAY)
    if isinstance(error, (IntegrityError, DataError, OverflowError)):
        return Fault.ROW
    if isinstance(error, (ProgrammingError, NoSuchTableError)):
        return Fault.SETTING
    if any(sign in str(original) for sign in _SQLITE_SETTINGS):
        return Fault.SETTING
    return Fault.AWAY


def _numbered(original: Any) -> Fault | None:
    """Sort by the number that drivers without SQLSTATE give."""
    maker = type(original).__module__.partition(".")[0]
    first = original.args[0] if getattr(original, "args", ()) else None
    if maker == "pymysql" and isinstance(first, int):
        return _MARIADB.get(first)
    if maker == "pymssql" and isinstance(first, int) and first >= 50_000:
        return Fault.ROW
    if maker == "oracledb" and 20_000 <= getattr(first, "code", 0) < 21_000:
        return Fault.ROW
    return None


def is_there_already(error: Exception) -> bool:
    """Say whether a table could not be made because somebody else has just made it."""
    original = getattr(error, "orig", None)
    state = getattr(original, "sqlstate", None)
    return state in {"42P07", "42S01"} or any(sign in str(original) for sign in ("already exists", "ORA-00955", "2714"))


def describe(error: Exception) -> str:
    """Say what was wrong without the values, which may be personal data."""
    original = getattr(error, "orig", None) or error
    diagnosis = getattr(original, "diag", None)
    if diagnosis is not None and diagnosis.sqlstate:
        names = (diagnosis.constraint_name, diagnosis.column_name, diagnosis.table_name)
        return " ".join([type(original).__name__, diagnosis.sqlstate, *(name for name in names if name)])
    if type(original).__module__.startswith("pymysql") and sort(error) is Fault.ROW and original.args:
        return f"{type(original).__name__} {original.args[0]}"
    if type(original).__module__ == "sqlite3" or sort(error) is not Fault.ROW:
        return f"{type(original).__name__}: {' '.join(str(original).split())}"
    return type(original).__name__


def unreadable(url: URL, error: Exception) -> Transient:
    """Return why a source cannot be read: the setting that is wrong, or the database that is away."""
    if sort(error) is Fault.SETTING:
        message = f"`table`, `query` or `cursor` is wrong for {shown(url)}: {describe(error)}"
        return Transient(message, code="setting")
    return Transient(f"cannot read {shown(url)}: {describe(error)}", code="unreachable")


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
    if backend in ("mysql", "mariadb") and url.get_dialect().driver == "pymysql":
        # without strictness a value that does not fit is cut, and nobody told
        strict = "SET SESSION sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES'), innodb_lock_wait_timeout = "
        limits = {"connect_timeout": WAIT, "read_timeout": 6 * WAIT, "write_timeout": 6 * WAIT}
        options["connect_args"] = {**limits, "charset": "utf8mb4", "init_command": f"{strict}{WAIT}"}
    if backend == "mssql" and url.get_dialect().driver == "pymssql":
        options["connect_args"] = {"login_timeout": WAIT, "timeout": 6 * WAIT}
    if backend == "oracle" and url.get_dialect().driver == "oracledb":
        options["connect_args"] = {"tcp_connect_timeout": WAIT}
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
