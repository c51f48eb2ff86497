"""What the references share: their arguments, tables, routing and lines. None of it is the hub's."""

from __future__ import annotations

import argparse
import gc
import sqlite3
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import psycopg
import uvloop

from bench.town import Routes, Rule, rules, system_name

TABLES = (
    """CREATE TABLE event (no bigint PRIMARY KEY, id text NOT NULL, subject text NOT NULL, type text NOT NULL,
    recorded_at bigint NOT NULL, body {bytes} NOT NULL)""",
    """CREATE TABLE delivery (event bigint NOT NULL, system integer NOT NULL, status smallint NOT NULL, at bigint,
    PRIMARY KEY (event, system))""",
)
DELIVERIES = "SELECT count(*) FROM delivery JOIN event ON no = event WHERE status = 1 AND recorded_at >= :at"


@dataclass(frozen=True, slots=True)
class Task:
    """What a reference is asked to do. `deliveries` is how many there will be: then it ends."""

    bootstrap: str
    url: str
    prefix: str
    out: Path
    deliveries: int
    roles: tuple[str, ...]

    @property
    def events(self) -> str:
        """Return the topic of events."""
        return f"{self.prefix}.events"

    def topic(self, system: int) -> str:
        """Return the topic of a system."""
        return f"{self.prefix}.out.{system_name(system)}"

    def file(self, system: int) -> Path:
        """Return the file of a system."""
        return self.out / f"{system_name(system)}.jsonl"


def task() -> Task:
    """Read a reference's command line."""
    parser = argparse.ArgumentParser()
    for name in ("bootstrap", "url", "prefix", "out", "deliveries", "roles"):
        parser.add_argument(f"--{name}", required=True)
    read = parser.parse_args()
    return Task(
        read.bootstrap, read.url, read.prefix, Path(read.out), int(read.deliveries), tuple(read.roles.split(","))
    )


def start(main: Callable[[Task], Coroutine[Any, Any, None]]) -> None:
    """Run a reference with all that makes Python faster."""
    asked = task()
    asked.out.mkdir(exist_ok=True)
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 50)
    uvloop.run(main(asked))


def tables(kind: str) -> list[str]:
    """Return the statements that make the references' tables."""
    return [statement.format(bytes="blob" if kind == "sqlite" else "bytea") for statement in TABLES]


def connect(url: str) -> Any:
    """Return a driver's own connection, with the settings the hub's ledger has."""
    if url.startswith("sqlite"):
        connection = sqlite3.connect(url.removeprefix("sqlite:///"), check_same_thread=False, timeout=30)
        connection.isolation_level = None
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "cache_size=-65536", "wal_autocheckpoint=8000"):
            connection.execute(f"PRAGMA {pragma}")
        return connection
    return psycopg.connect(url.replace("+psycopg", ""))


class Router:
    """Tells which systems an event goes to and what each is sent; remembers in memory what was seen."""

    def __init__(self) -> None:
        self._rules: list[Rule] = rules()
        self._routes = Routes(self._rules)
        self._seen: set[str] = set()
        self.systems = 1 + max(rule.system for rule in self._rules)

    def told(self, event: dict[str, Any]) -> list[tuple[int, bytes]] | None:
        """Return `(system, line)` for an event, None for one that was there before."""
        if event["id"] in self._seen:
            return None
        self._seen.add(event["id"])
        kind, data = event["type"].split(".", 3)[3].removesuffix(".v1"), event["data"]
        found = self._routes.told(kind, event["subject"], data)
        return [(system, orjson.dumps({**event, "data": self._sent(rule, data)})) for system, rule in found]

    def _sent(self, rule: int, data: dict[str, Any]) -> dict[str, Any]:
        return {name: data[name] for name in self._rules[rule].send if name in data}
