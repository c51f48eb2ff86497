"""Opening the ledger: one class for SQLite and PostgreSQL, transactions, clocks, and faults in the hub's words.

Every method is synchronous: stages call the ledger in worker threads.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event as sa_event
from sqlalchemy.engine import URL, Connection, Dialect, Engine, make_url
from sqlalchemy.pool import ConnectionPoolEntry

from hub.errors import ConfigurationError, Problem
from hub.ledger.faults import is_of_content, unavailable

LOCKED = 30.0  # seconds a lock is waited for, where nothing else is said
_SQLITE_PRAGMAS = (
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    "PRAGMA temp_store=MEMORY",
)
# KB of pages that a connection keeps. What another connection writes empties a cache: in a process that works it is the
# writing one's that lasts, and those of the reading ones are several.
_WRITING, _READING = 24_576, 2_048
# Pages after which SQLite's log is written back. A page that is written again before that is written back once: this
# counts in a large database, where a resident's rows lie on as many pages as there are residents. In a small one the
# longer log only costs.
_WRITE_BACK = ((100_000, 32_000), (0, 8_000))  # pages of the database at least, pages of the log


# A server that vanished without a word is missed after some 20 seconds.
_ALIVE = {"keepalives_idle": 10, "keepalives_interval": 3, "keepalives_count": 3, "tcp_user_timeout": 20_000}
_FRESH = 1.0  # seconds after its last use that a connection is taken to live
_COMPRESSION = "lz4"  # of what is large, such as what a batch brought: a fifth of the time of PostgreSQL's own
_ABANDONED = 60_000  # milliseconds until PostgreSQL ends a transaction whose process stands still


class Ledger:
    """The ledger's database.

    `read()` gives a SQLAlchemy connection for questions, `write()` one in a transaction; a fault of the database (away,
    locked, disk full) comes out as `LedgerUnavailable`. On SQLite, writers of one process queue here rather than in the
    database.
    """

    def __init__(self, url: str, *, lock_timeout: float = LOCKED) -> None:
        self.url = url
        self._write_lock = threading.Lock()
        self.engine = _engine(url, lock_timeout)
        self.sqlite = self.engine.dialect.name == "sqlite"
        apart = self.sqlite and _is_file(self.engine.url)
        self._writing = _engine(url, lock_timeout, _WRITING) if apart else self.engine
        self._faults = _faults(sqlite=self.sqlite)

    @contextlib.contextmanager
    def read(self) -> Iterator[Connection]:
        """Give a connection for reading; nobody writes through it.

        On PostgreSQL every question sees what is committed when it is put, and goes to the server and back once.
        """
        if self.sqlite:
            with self._translated(), self.engine.connect() as connection:
                yield connection
            return
        with self.alone() as connection:
            yield connection

    @contextlib.contextmanager
    def alone(self) -> Iterator[Connection]:
        """Give a connection to PostgreSQL on which every statement is a transaction of its own."""
        with self._translated(), self.engine.connect() as connection:
            raw: Any = connection.connection.driver_connection
            raw.autocommit = True
            try:
                yield connection
            finally:
                if raw.closed:
                    connection.invalidate()
                else:
                    raw.autocommit = False

    @contextlib.contextmanager
    def write(self) -> Iterator[Connection]:
        """Give a connection in a write transaction; commits at the end, rolls back on any error."""
        if not self.sqlite:
            with self._translated(), self.engine.begin() as connection:
                yield connection
            return
        with self._write_lock, self._translated(), self._writing.connect() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.exec_driver_sql("COMMIT")
            except BaseException:
                _roll_back(connection)
                raise

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except self._faults as error:
            if is_of_content(error):
                raise
            raise unavailable(error) from error
        except sa.exc.DBAPIError as error:
            if error.connection_invalidated:
                raise unavailable(error) from error
            raise

    @property
    def clock(self) -> str:
        """Return the SQL expression of the database's clock in milliseconds since 1970."""
        if self.sqlite:
            return "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)"
        return "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint)"

    def now(self, connection: Connection) -> int:
        """Return the database's time in milliseconds."""
        return int(connection.exec_driver_sql(f"SELECT {self.clock}").scalar_one())

    def close(self) -> None:
        """Let go of every connection."""
        self.engine.dispose()
        self._writing.dispose()


def _is_file(url: URL) -> bool:
    """Say whether a database of SQLite is a file: one in memory is its connection's own."""
    return url.database not in {None, "", ":memory:"}


def _engine(url: str, lock_timeout: float, cache: int = _READING) -> Engine:
    try:
        parsed = make_url(url)
    except sa.exc.ArgumentError as error:
        raise ConfigurationError(
            [Problem("HUB_LEDGER", f"not a database address: {error}", "for example postgresql://user@host/hub")]
        ) from None
    if parsed.get_backend_name() == "postgresql":
        if parsed.drivername == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
        engine = sa.create_engine(
            parsed,
            pool_size=10,
            max_overflow=10,
            pool_use_lifo=True,  # few connections, whose statements are prepared, rather than all of them in turn
            hide_parameters=True,  # residents' data, which an error would quote
            connect_args={"connect_timeout": 5, **_ALIVE},
        )
        sa_event.listen(engine, "connect", partial(_prepare_postgres, lock_timeout))
        sa_event.listen(engine, "checkin", _note_use)
        sa_event.listen(engine, "checkout", partial(_look_alive, engine.dialect))
        return engine
    if parsed.get_backend_name() != "sqlite":
        raise ConfigurationError(
            [
                Problem(
                    "HUB_LEDGER", f"the ledger cannot live in {parsed.get_backend_name()}", "use SQLite or PostgreSQL"
                )
            ]
        )
    pooled: dict[str, Any] = {}
    if parsed.database and _is_file(parsed):
        pooled = {"pool_use_lifo": True}  # few are used, and their caches warm
        path = Path(parsed.database)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with contextlib.suppress(OSError):  # SQLite says what is wrong
            path.touch(mode=0o600)  # residents' data; SQLite gives its other files the same rights
    engine = sa.create_engine(
        parsed, hide_parameters=True, connect_args={"timeout": lock_timeout, "check_same_thread": False}, **pooled
    )
    sa_event.listen(engine, "connect", partial(_prepare_sqlite, lock_timeout, cache))
    return engine


def _roll_back(connection: Connection) -> None:
    """End a transaction of SQLite, which ends it by itself when the disk is full or fails."""
    raw: Any = connection.connection.driver_connection
    if raw.in_transaction:
        connection.exec_driver_sql("ROLLBACK")


def _note_use(_connection: Any, record: ConnectionPoolEntry) -> None:
    record.info["used"] = time.monotonic()


def _look_alive(dialect: Dialect, connection: Any, record: ConnectionPoolEntry, _proxy: Any) -> None:
    """Ask a connection that was idle for a while whether it lives; the pool makes new ones if not."""
    used = record.info.get("used")
    if used is None or (time.monotonic() - used <= _FRESH and not connection.closed):
        return
    try:
        dialect.do_ping(connection)
    except dialect.loaded_dbapi.Error as error:
        raise sa.exc.InvalidatePoolError from error


def _prepare_postgres(lock_timeout: float, connection: Any, _record: Any) -> None:
    from psycopg import DataError, ProgrammingError  # noqa: PLC0415 - a city on SQLite does without it
    from psycopg.types.string import BytesBinaryDumper  # noqa: PLC0415 - the same

    connection.adapters.register_dumper(bytes, BytesBinaryDumper)  # COPY would take DB-API's, which is in Python
    with connection.cursor() as cursor:
        try:
            cursor.execute(f"SET default_toast_compression = {_COMPRESSION}")
        except (DataError, ProgrammingError):  # PostgreSQL before 14, or built without it
            connection.rollback()
        cursor.execute(f"SET lock_timeout = {int(lock_timeout * 1000)}")
        cursor.execute(f"SET idle_in_transaction_session_timeout = {_ABANDONED}")
        cursor.execute("SET jit = off")  # it compiles for 50 ms what then takes one
    connection.commit()


def _prepare_sqlite(lock_timeout: float, cache: int, connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # transactions begin where the ledger says so
    _write_ahead(connection, lock_timeout)
    for pragma in (*_SQLITE_PRAGMAS, f"PRAGMA cache_size=-{cache}"):
        connection.execute(pragma)
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA wal_autocheckpoint={next(log for least, log in _WRITE_BACK if pages >= least)}")


def _write_ahead(connection: Any, lock_timeout: float) -> None:
    """Turn write-ahead logging on.

    SQLite answers "locked" at once, its own time-out notwithstanding, to two connections that make the same new
    database so (each holds it shared and wants it alone): the loser asks again, and finds it done.
    """
    until = time.monotonic() + lock_timeout
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(0.01)
        else:
            return


def _faults(*, sqlite: bool) -> tuple[type[Exception], ...]:
    """Return what a database raises when it is away, locked or full.

    The hot path speaks to the drivers directly, so their own faults are met beside SQLAlchemy's.
    """
    drivers: tuple[type[Exception], ...] = (sqlite3.OperationalError,)
    if not sqlite:
        import psycopg  # noqa: PLC0415 - a city on SQLite does without it

        drivers = (psycopg.OperationalError, psycopg.InterfaceError)
    return (sa.exc.OperationalError, sa.exc.InterfaceError, sa.exc.TimeoutError, *drivers)


def storable(text: str) -> str:
    """Return a text that every database takes: PostgreSQL refuses U+0000, and none takes a lone surrogate."""
    return text.replace("\x00", "\\u0000").encode("utf-8", "backslashreplace").decode()
