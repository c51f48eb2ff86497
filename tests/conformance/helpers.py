"""Cases the kit is run with: real files, real databases, a real HTTP server, a publisher in memory."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from zoneinfo import ZoneInfo

import orjson
import sqlalchemy as sa

from hub.adapters import registry
from hub.adapters.conformance import PreparedCase, SinkCase, SourceCase
from hub.adapters.contract import Batch, Delivery, Expressions, Site
from hub.errors import BrokerUnavailable
from hub.kafka.producer import Producer
from hub.kafka.reading import TopicReader
from hub.kafka.topics import create_topic
from tests.services.rest import Rest


def site(folder: Path, *, name: str = "main") -> Site:
    return Site(folder, ZoneInfo("Asia/Tokyo"), "kokuho", name)


def path_of(text: str) -> Callable[[Delivery, Batch], Any]:
    """Compile `key`, `subject`, `data.name`, `batch.no` or a quoted text: enough of an expression for transports."""
    root, _, rest = text.partition(".")

    def value(delivery: Delivery, batch: Batch) -> Any:
        if text.startswith('"'):
            return text.strip('"')
        if root == "data":
            return delivery.data.get(rest)
        return getattr(batch if root == "batch" else delivery, rest or root)

    return value


EXPRESSIONS = Expressions(path_of)


@contextmanager
def in_place_of_folder(folder: Path) -> Iterator[None]:
    """Put a file where the folder is, as when a share is not mounted: root is kept out too."""
    aside = folder.with_name(folder.name + "-aside")
    folder.parent.mkdir(parents=True, exist_ok=True)
    was_there = folder.exists()
    if was_there:
        folder.rename(aside)
    folder.write_text("")
    try:
        yield
    finally:
        folder.unlink()
        if was_there:
            aside.rename(folder)


class CsvSourceCase(SourceCase):
    adapter = registry.find("csv")

    def __init__(self, folder: Path, *, after: str = "move") -> None:
        self.folder, self.after = folder, after
        self.units = 0

    def fill(self, count: int) -> list[dict[str, Any]]:
        rows = [{"番号": f"{self.units}-{no}", "氏名": f'守口 "{no}", 番'} for no in range(count)]
        self.put([list(row.values()) for row in rows])
        return rows

    def put(self, records: list[list[str]]) -> None:
        stream = io.StringIO(newline="")
        csv.writer(stream).writerows([["番号", "氏名"], *records])
        self.units += 1
        path = self.folder / "in" / f"SABUN_{self.units:03d}.csv"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(stream.getvalue().encode("cp932"))

    def open(self) -> Any:
        options = {"path": "in/SABUN_*.csv", "encoding": "cp932", "after": self.after}
        return registry.open_source("csv", options, site(self.folder))

    def fill_broken(self) -> list[dict[str, Any]]:
        self.put([["1", "あ"], ["2", "い", "う"], ["3", "え"]])
        return [{"番号": "1", "氏名": "あ"}, {"番号": "3", "氏名": "え"}]

    def away(self) -> Any:
        return in_place_of_folder(self.folder / "in")


class HttpSourceCase(SourceCase):
    adapter = registry.find("http")

    def __init__(self, folder: Path, rest: Rest) -> None:
        self.folder, self.rest = folder, rest

    def fill(self, count: int) -> list[dict[str, Any]]:
        first = len(self.rest.rows)
        rows = [{"changed": f"{no:08d}", "name": f"守口 {no}"} for no in range(first, first + count)]
        self.rest.rows += rows
        return rows

    def open(self) -> Any:
        options = {
            "url": f"{self.rest.url}/rows",
            "rows": "result",
            "pages": {"by": "next", "path": "_links.next.href"},
            "since": {"column": "changed", "parameter": "since"},
        }
        return registry.open_source("http", options, site(self.folder))

    def fill_broken(self) -> list[dict[str, Any]]:
        rows = self.fill(3)
        self.rest.rows[1] = "no row"
        return [rows[0], rows[2]]

    @contextmanager
    def away(self) -> Iterator[None]:
        self.rest.stop()
        yield
        self.rest.start()


class KafkaSourceCase(SourceCase):
    adapter = registry.find("kafka")

    def __init__(self, folder: Path, bootstrap: str, topic: str) -> None:
        self.folder, self.bootstrap, self.topic = folder, bootstrap, topic
        self.no = 0
        self.is_away = False
        asyncio.run(create_topic(bootstrap, topic, partitions=1))

    def fill(self, count: int) -> list[dict[str, Any]]:
        first, self.no = self.no, self.no + count
        rows = [{"no": no, "name": f"守口 {no}"} for no in range(first, first + count)]
        self.publish([orjson.dumps(row) for row in rows])
        return rows

    def publish(self, values: list[bytes]) -> None:
        async def publish() -> None:
            producer = Producer(self.bootstrap)
            try:
                await producer.publish(self.topic, [(b"k", value) for value in values])
            finally:
                await producer.stop()

        asyncio.run(publish())

    def open(self) -> Any:
        where = site(self.folder)
        reader = TopicReader(lambda: "127.0.0.1:1" if self.is_away else self.bootstrap)
        return registry.open_source("kafka", {"topic": self.topic}, replace(where, topics=reader))

    def fill_broken(self) -> list[dict[str, Any]]:
        first = self.fill(1)
        self.publish([b"no json"])
        return first + self.fill(1)

    @contextmanager
    def away(self) -> Iterator[None]:
        self.is_away = True
        yield
        self.is_away = False


class DatabaseSourceCase(SourceCase):
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


class OutboxCase(DatabaseSourceCase):
    def __init__(self, url: str, folder: Path, *, mark: bool) -> None:
        super().__init__(url, folder)
        self.mark = mark
        self.execute("ALTER TABLE ido ADD sent VARCHAR(40)")

    def fill(self, count: int) -> list[dict[str, Any]]:
        return [{**row, "sent": None} for row in super().fill(count)]

    def open(self) -> Any:
        outbox = {"after": "mark", "mark": "sent", "done": "x"} if self.mark else {"after": "delete"}
        options = {"url": self.url, "table": "ido", "cursor": "no", "outbox": outbox}
        return registry.open_source("database", options, site(self.folder))


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


def with_data(delivery: Delivery, data: dict[str, Any], *, action: str = "new") -> Delivery:
    body = orjson.dumps({**delivery.event, "data": data, "action": action})
    return Delivery(
        delivery.key, delivery.no, delivery.event_id, delivery.type, delivery.subject, delivery.time, body, action
    )


class JsonlCase(PreparedCase):
    adapter = registry.find("jsonl")

    def __init__(self, folder: Path) -> None:
        self.city = folder
        self.folder = folder / "out"
        self.folder.mkdir()

    def open(self) -> Any:
        return registry.open_sink("jsonl", {"path": "out/events.jsonl"}, site(self.city))

    def seen(self) -> list[str]:
        path = self.folder / "events.jsonl"
        text = path.read_bytes() if path.exists() else b""
        return [json.loads(line)["deliverykey"] for line in text.splitlines()]

    def away(self) -> Any:
        return in_place_of_folder(self.folder)

    def refused(self, delivery: Delivery) -> None:  # noqa: ARG002
        return None

    def meddle(self, token: dict[str, Any]) -> None:  # noqa: ARG002
        with (self.folder / "events.jsonl").open("ab") as stream:
            stream.write(b'{"deliverykey": "somebody else\'s"}\n')


class CsvSinkCase(PreparedCase):
    adapter = registry.find("csv")

    def __init__(self, folder: Path, options: dict[str, Any] | None = None) -> None:
        self.city = folder
        self.folder = folder / "out" / "kokuho"
        self.folder.mkdir(parents=True)
        self.options = options or {}

    def open(self) -> Any:
        options = {"path": "out/kokuho/", "encoding": "cp932", **self.options}
        return registry.open_sink("csv", options, site(self.city), EXPRESSIONS)

    def seen(self) -> list[str]:
        rows: list[str] = []
        for path in sorted(self.folder.glob("[!.]*.csv")):
            with path.open(encoding="cp932", newline="") as stream:
                rows += [row[0] for row in csv.reader(stream, strict=True)][1:]
        return rows

    def away(self) -> Any:
        return in_place_of_folder(self.folder)

    def refused(self, delivery: Delivery) -> Delivery:
        return with_data(delivery, {"name": "𠮷野"})

    def meddle(self, token: dict[str, Any]) -> None:
        (self.folder / token["file"]).write_bytes(b"somebody else's\r\n")


class Publisher:
    """Kafka in memory."""

    def __init__(self) -> None:
        self.records: list[tuple[str, bytes, bytes, list[tuple[str, bytes]]]] = []
        self.is_away = False

    async def publish(self, topic: str, key: bytes, value: bytes, headers: Any) -> None:
        if self.is_away:
            raise BrokerUnavailable("no broker")
        self.records.append((topic, key, value, list(headers)))


class KafkaCase(SinkCase):
    adapter = registry.find("kafka")

    def __init__(self, folder: Path) -> None:
        self.folder, self.publisher = folder, Publisher()

    def open(self) -> Any:
        return registry.open_sink("kafka", {}, site(self.folder), self.publisher)

    def seen(self) -> list[str]:
        return [json.loads(value)["deliverykey"] for _, _, value, _ in self.publisher.records]

    @contextmanager
    def away(self) -> Iterator[None]:
        self.publisher.is_away = True
        yield
        self.publisher.is_away = False

    def refused(self, delivery: Delivery) -> None:  # noqa: ARG002
        return None


class Server:
    """A departmental system behind HTTP, on loopback. It honours `Idempotency-Key` unless told not to."""

    def __init__(self, *, honours_key: bool = True) -> None:
        self.applied: list[str] = []
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []
        self.answer: Callable[[str], tuple[int, dict[str, str], bytes] | None] = lambda _key: (204, {}, b"")
        self.honours_key = honours_key
        self.port = 0
        self.start()

    def start(self) -> None:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _any(self) -> None:
                with suppress(ConnectionError):  # the hub no longer waits for the answer
                    outer.handle(self)

            do_POST = do_PUT = do_DELETE = _any  # noqa: N815

            def do_GET(self) -> None:
                there = unquote(self.path.removeprefix("/applied/")) in outer.applied
                self.send_response(200 if there else 404)
                self.send_header("Content-Length", "0")
                self.send_header("Connection", "close")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.thread.start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def handle(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        key = handler.headers["Idempotency-Key"]
        self.requests.append((handler.command, handler.path, dict(handler.headers), body))
        answer = self.answer(key)
        if answer is None:  # applied, but the answer is lost
            self.apply(key)
            handler.close_connection = True
            handler.connection.close()
            return
        status, headers, content = answer
        if status < 300:
            self.apply(key)
        handler.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content)), "Connection": "close"}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(content)
        handler.close_connection = True

    def apply(self, key: str) -> None:
        if not (self.honours_key and key in self.applied):
            self.applied.append(key)


class HttpCase(SinkCase):
    adapter = registry.find("http")

    def __init__(self, folder: Path, server: Server, **options: Any) -> None:
        self.folder, self.server, self.options = folder, server, options

    def open(self) -> Any:
        url = f"http://127.0.0.1:{self.server.port}/v1/residents/{{subject}}"
        return registry.open_sink("http", {"url": url, **self.options}, site(self.folder), EXPRESSIONS)

    def seen(self) -> list[str]:
        return list(self.server.applied)

    @contextmanager
    def away(self) -> Iterator[None]:
        self.server.stop()
        yield
        self.server.start()

    def refused(self, delivery: Delivery) -> Delivery:
        key = delivery.key
        self.server.answer = lambda asked: (422, {}, b"no such resident") if asked == key else (200, {}, b"")
        return delivery
