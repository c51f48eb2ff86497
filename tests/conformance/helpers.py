"""Cases the kit is run with in tests besides the hub's own: real files as they differ."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson

from hub.adapters import registry
from hub.adapters.conformance import PreparedCase, SourceCase
from hub.adapters.conformance.own.common import EXPRESSIONS, in_place_of_folder, path_of, site, with_data
from hub.adapters.conformance.own.database import DatabaseSinkCase, DatabaseSourceCase, database_away
from hub.adapters.conformance.own.files import JsonlCase
from hub.adapters.conformance.own.http import HttpCase, Server
from hub.adapters.conformance.own.kafka import KafkaCase, Publisher
from hub.adapters.contract import Delivery
from hub.kafka.producer import Producer
from hub.kafka.reading import TopicReader
from hub.kafka.topics import create_topic
from tests.services.rest import Rest

__all__ = [
    "EXPRESSIONS", "CsvSinkCase", "CsvSourceCase", "DatabaseSinkCase", "DatabaseSourceCase", "HttpCase", "JsonlCase",
    "KafkaCase", "Publisher", "Server", "database_away", "in_place_of_folder", "path_of", "site", "with_data",
]  # fmt: skip


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
        reader = TopicReader(lambda: "127.0.0.1:1" if self.is_away else self.bootstrap)
        return self.open_on(self.folder, self.topic, reader)

    @staticmethod
    def open_on(folder: Path, topic: str, reader: TopicReader) -> Any:
        return registry.open_source("kafka", {"topic": topic}, replace(site(folder), topics=reader))

    def fill_broken(self) -> list[dict[str, Any]]:
        first = self.fill(1)
        self.publish([b"no json"])
        return first + self.fill(1)

    @contextmanager
    def away(self) -> Iterator[None]:
        self.is_away = True
        yield
        self.is_away = False


class OutboxCase(DatabaseSourceCase):
    traced = False  # a position names every row of its pass, which is bounded by their number

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
