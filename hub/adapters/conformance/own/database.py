"""The adapter `database` on a database of any URL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from hub.adapters import registry
from hub.adapters.conformance.cases import SinkCase, SourceCase
from hub.adapters.conformance.own.common import EXPRESSIONS, site, with_data
from hub.adapters.contract import Delivery


class DatabaseSourceCase(SourceCase):
    """A table that grows, read by its number."""

    adapter = registry.find("database")

    def __init__(self, url: str, folder: Path, *, overlap: float = 0) -> None:
        self.url, self.folder, self.overlap = url, folder, overlap
        self.no = 0
        self.execute(f"CREATE TABLE ido (no INTEGER, name VARCHAR(100), moved_on DATE, picture {self.binary})")

    @property
    def binary(self) -> str:
        return "BYTEA" if self.url.startswith("postgresql") else "BLOB"

    def execute(self, text: str, values: list[dict[str, Any]] | None = None) -> None:
        engine = sa.create_engine(self.url, poolclass=sa.NullPool)
        with engine.begin() as connection:
            connection.execute(sa.text(text), values)

    def fill(self, count: int) -> list[dict[str, Any]]:
        rows = []
        for _ in range(count):
            self.no += 1
            rows.append({"no": self.no, "name": f"守口 {self.no}", "moved_on": "2026-04-01", "picture": None})
        self.execute("INSERT INTO ido(no, name, moved_on, picture) VALUES (:no, :name, :moved_on, :picture)", rows)
        return rows

    def open(self) -> Any:
        options = {"url": self.url, "table": "ido", "cursor": "no", "overlap": self.overlap}
        return registry.open_source("database", options, site(self.folder))

    def fill_broken(self) -> list[dict[str, Any]]:
        rows = self.fill(3)
        self.execute("UPDATE ido SET picture = :picture WHERE no = 2", [{"picture": b"\x00\xff"}])
        return [rows[0], rows[2]]

    def away(self) -> Any:
        return database_away(self.url)


@contextmanager
def database_away(url: str) -> Iterator[None]:
    """Take a database away: SQLite's file is moved aside, others let nobody in and throw out who is there."""
    parsed = sa.make_url(url)
    if parsed.get_backend_name() == "mysql":
        yield from _mariadb_away(parsed)
        return
    if parsed.get_backend_name() == "sqlite":
        path = Path(str(parsed.database))
        aside = path.rename(path.with_suffix(".aside"))
        yield
        aside.rename(path)
        return
    engine = sa.create_engine(parsed.set(database="postgres"), isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.execute(sa.text(f"ALTER DATABASE {parsed.database} ALLOW_CONNECTIONS false"))
        end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"
        connection.execute(sa.text(end), {"name": parsed.database})
        try:
            yield
        finally:
            connection.execute(sa.text(f"ALTER DATABASE {parsed.database} ALLOW_CONNECTIONS true"))


def _mariadb_away(url: sa.URL) -> Iterator[None]:
    """MariaDB: the account is locked, which is the only one the case uses."""
    root = url.set(username="root", database="mysql")._replace(password=None)
    engine = sa.create_engine(root, poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql(f"ALTER USER {url.username} ACCOUNT LOCK")
        query = "SELECT id FROM information_schema.processlist WHERE user = %s"
        ids = connection.exec_driver_sql(query, (url.username,))
        for (number,) in ids.all():
            connection.exec_driver_sql(f"KILL {number}")
        try:
            yield
        finally:
            connection.exec_driver_sql(f"ALTER USER {url.username} ACCOUNT UNLOCK")


class DatabaseSinkCase(SinkCase):
    """Every delivery applied is one row more of a log, so that what is applied twice is seen twice."""

    adapter = registry.find("database")

    def __init__(self, url: str, folder: Path) -> None:
        self.url, self.folder = url, folder
        numbers = {"postgresql": "SERIAL", "mysql": "INTEGER AUTO_INCREMENT"}
        number = numbers.get(sa.make_url(url).get_backend_name(), "INTEGER")
        create = f"CREATE TABLE log (no {number} PRIMARY KEY, delivery VARCHAR(200), name VARCHAR(20) NOT NULL)"
        self.run(create)

    def run(self, text: str) -> list[Any]:
        engine = sa.create_engine(self.url, poolclass=sa.NullPool)
        with engine.begin() as connection:
            result = connection.execute(sa.text(text))
            return list(result) if result.returns_rows else []

    def open(self) -> Any:
        columns = {"delivery": "key", "name": "data.name"}
        options = {"url": self.url, "table": "log", "mode": "insert", "columns": columns}
        return registry.open_sink("database", options, site(self.folder), EXPRESSIONS)

    def seen(self) -> list[str]:
        return [row[0] for row in self.run("SELECT delivery FROM log ORDER BY no")]

    def away(self) -> Any:
        return database_away(self.url)

    def refused(self, delivery: Delivery) -> Delivery:
        return with_data(delivery, {"birth_date": "2000-01-01"})  # without the name, which must not be NULL


def _sqlite(folder: Path) -> str:
    return f"sqlite:///{folder}/system.db"


def source(folder: Path) -> SourceCase:
    """Return a source in SQLite."""
    return DatabaseSourceCase(_sqlite(folder), folder)


def overlapping(folder: Path) -> SourceCase:
    """Return a source in SQLite that reads with an overlap."""
    return DatabaseSourceCase(_sqlite(folder), folder, overlap=50)


def sink(folder: Path) -> SinkCase:
    """Return a sink in SQLite."""
    return DatabaseSinkCase(_sqlite(folder), folder)


CASES = (source, overlapping, sink)
