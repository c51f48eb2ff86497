"""A city with every kind of source and receiver, and an account of who must have been told what, kept apart from it."""

from __future__ import annotations

import csv
import sqlite3
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import sqlalchemy

from tests.acceptance.crash.service import Service

Told = list[tuple[str, str, str]]  # in order: the delivery's key, the resident, the event's id ("cancel": taken back)
EVERYBODY = ("rows", "files", "lines", "web", "post")
SOON = "retry: {delays: [1s], then: every 1s}"
RULE = "{id: moved, on: resident.moved, send: [name, new_address], because: 試験}"
SOURCES = {
    "juki": """publishes:
  - event: resident.moved
    from: {adapter: csv, path: in/juki/*.csv, encoding: utf-8}
    id: row.id
    subject: row.resident
    map: {name: row.name, old_address: address(row.old), new_address: address(row.new), effective_on: row.day}
receives: {}
""",
    "mado": """publishes:
  - event: resident.moved
    from: {adapter: database, url: 'sqlite:///mado.db', table: report, cursor: seq}
    id: row.id
    subject: row.resident
    map: {name: row.name, old_address: address(row.old), new_address: address(row.new), effective_on: row.day}
receives: {}
""",
    "kokuho": """publishes:
  - event: insurance.enrolled
    from: {adapter: csv, path: in/kokuho/*.csv, encoding: utf-8}
    id: row.id
    subject: row.resident
    map: {scheme: '"kokuho"', effective_on: row.day}
receives: {}
""",
}


@dataclass
class CrashCity:
    """The city's folder and its ledger; `service` is what `web` and `post` call. `owed` is who must be told what."""

    folder: Path
    ledger: str
    service: Service
    owed: dict[str, dict[str, list[str]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(list)))
    insured: set[str] = field(default_factory=set)
    _number: int = 0

    def write(self, prefix: str) -> None:
        """Write the city's files and make the tables of its systems."""
        for name in ("systems", "in/juki", "in/kokuho"):
            (self.folder / name).mkdir(parents=True)
        (self.folder / "hub.yaml").write_text(f"city: example\nkafka: {{prefix: {prefix}}}\n")
        receivers = {
            "rows": f"adapter: database, url: '{self.table}', table: told, mode: insert, key: {{resident: subject}}, "
            "columns: {key: delivery.key, event: event.id}, on_cancel: {cancelled: delivery.key}",
            "files": "adapter: csv, path: out/files/, encoding: utf-8, max_rows: 5",
            "lines": "adapter: jsonl, path: out/lines.jsonl, max_rows: 7",
            "insured": "adapter: jsonl, path: out/insured.jsonl",
            "web": f"adapter: http, url: '{self.service.url}/keys/web'",
            "post": f"adapter: http, url: '{self.service.url}/post', idempotent: false",
        }
        for name, text in SOURCES.items():
            (self.folder / f"systems/{name}.yaml").write_text(f"system: {name}\n{text}")
        for name, text in receivers.items():
            rule = RULE if name != "insured" else RULE.replace("send:", "when: facts.insurance.kokuho.active, send:")
            (self.folder / f"systems/{name}.yaml").write_text(
                f"system: {name}\nsubscribes: [{rule}]\nreceives: {{{text}, {SOON}}}\n"
            )
        _make(f"sqlite:///{self.folder}/mado.db", "report", "id, resident, name, old, new, day")
        _make(self._url, "told", "resident, key, event, cancelled")

    @property
    def table(self) -> str:
        """Where the receiver `rows` keeps its table, as the city's files name it."""
        return "sqlite:///rows.db" if self.ledger.startswith("sqlite") else self.ledger

    @property
    def _url(self) -> str:
        return self.table.replace("///", f"///{self.folder}/") if self.table.startswith("sqlite") else self.table

    # --- what is reported ------------------------------------------------------------------------------------------

    def report(self, *, residents: int = 3, each: int = 2) -> list[str]:
        """Let new residents move, some by a file and some at the desk; return the ids of the file's reports."""
        fresh = self._reports(residents, each, sorted(self.insured))
        with (self.folder / f"in/juki/.{self._number}").open("w", encoding="utf-8", newline="") as stream:
            csv.writer(stream).writerows([["id", "resident", "name", "old", "new", "day"], *fresh])
        (self.folder / f"in/juki/.{self._number}").rename(self.folder / f"in/juki/{self._number:06}.csv")
        with sqlite3.connect(self.folder / "mado.db") as mado:
            columns = "id, resident, name, old, new, day"
            mado.executemany(f"INSERT INTO report({columns}) VALUES (?,?,?,?,?,?)", self._reports(residents, each))
        mado.close()
        return [row[0] for row in fresh]

    def stream(self) -> str:
        """Return reports as CloudEvents, one a line, that are not in the city's files."""
        lines = []
        for id_, resident, name, old, new, day in self._reports(3, 2):
            data = {"name": name, "old_address": {"text": old}, "new_address": {"text": new}, "effective_on": day}
            event = {"specversion": "1.0", "id": id_, "type": "resident.moved", "subject": resident, "data": data}
            lines.append(orjson.dumps(event).decode())
        return "\n".join(lines)

    def enrol(self) -> set[str]:
        """Lay down a file of insured residents, of whom nobody is to be told, and return them."""
        self._number += 1
        residents = [f"{9_000_000 + self._number * 10 + n}" for n in range(3)]
        rows = [[f"k{resident}", resident, "2026-04-01"] for resident in residents]
        with (self.folder / f"in/kokuho/{self._number:06}.csv").open("w", encoding="utf-8", newline="") as stream:
            csv.writer(stream).writerows([["id", "resident", "day"], *rows])
        return set(residents)

    def resident_of(self, id_: str) -> str:
        """Return whom a report is about."""
        return next(resident for resident, ids in self.owed["rows"].items() if id_ in ids)

    def cancelled(self, resident: str) -> None:
        """Note that the one report of a resident is taken back."""
        for receiver in EVERYBODY:
            self.owed[receiver][resident].append("cancel")

    def _reports(self, residents: int, each: int, known: Sequence[str] = ()) -> list[list[str]]:
        self._number += 1
        numbers = [f"{1_000_000 + self._number * 100 + n}" for n in range(residents)]
        moving = [numbers[n % residents] for n in range(residents * each)] + [*known]
        rows = []
        for at, resident in enumerate(moving):
            id_ = f"m{self._number}-{at}"
            rows.append([id_, resident, f"守口 {resident}", f"大日町{at}", f"京阪本通{at}", "2026-11-16"])
            for receiver in (*EVERYBODY, "insured") if resident in self.insured else EVERYBODY:
                self.owed[receiver][resident].append(id_)
        return rows

    # --- what was told ---------------------------------------------------------------------------------------------

    def told(self) -> dict[str, Told]:
        """Return what each system has, counted in the systems themselves."""
        return {
            "rows": self._rows(),
            "files": self._files(),
            "lines": self._lines("lines"),
            "insured": self._lines("insured"),
            "web": [_of(event) for _, event in self.service.taken.get("/keys/web", [])],
            "post": [_of(event) for _, event in self.service.taken.get("/post", [])],
        }

    def _rows(self) -> Told:
        engine = sqlalchemy.create_engine(self._url, poolclass=sqlalchemy.NullPool)
        with engine.connect() as connection:
            rows = connection.exec_driver_sql("SELECT key, resident, event, cancelled FROM told ORDER BY seq").all()
        engine.dispose()
        told = [(row.key, row.resident, row.event) for row in rows]
        return told + [(row.cancelled, row.resident, "cancel") for row in rows if row.cancelled]

    def _files(self) -> Told:
        found = []
        for file in sorted((self.folder / "out/files").glob("[!.]*.csv")):
            with file.open(encoding="utf-8", newline="") as stream:
                found += [
                    (row["delivery_key"], row["subject"], row["event_id"] if row["action"] == "new" else row["action"])
                    for row in csv.DictReader(stream)
                ]
        return found

    def _lines(self, name: str) -> Told:
        file = self.folder / f"out/{name}.jsonl"
        return [_of(orjson.loads(line)) for line in file.read_bytes().splitlines()] if file.exists() else []

    def count(self) -> None:
        """Hold what was told to what is owed: each once, each resident's in order, and nothing else."""
        for receiver, told in self.told().items():
            keys = [key for key, _, _ in told]
            twice = sorted({key for key in keys if keys.count(key) > 1})
            assert not twice, f"{receiver} was told twice of {twice}"
            found: dict[str, list[str]] = defaultdict(list)
            for _, resident, event in told:
                found[resident].append(event)
            assert found == self.owed[receiver], receiver

    def tidy(self) -> None:
        """See that no file is left half done, as one may be where a process loses its lease while it writes it."""
        assert not list((self.folder / "out/files").glob(".*.part"))


def _of(event: dict[str, Any]) -> tuple[str, str, str]:
    return event["deliverykey"], event["subject"], event["id"] if event["action"] == "new" else event["action"]


def _make(url: str, table: str, columns: str) -> None:
    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
    serial = "INTEGER PRIMARY KEY" if url.startswith("sqlite") else "BIGSERIAL PRIMARY KEY"
    described = ", ".join(f"{column} TEXT" for column in columns.split(", "))
    with engine.begin() as connection:
        connection.exec_driver_sql(f"CREATE TABLE {table} (seq {serial}, {described})")
    engine.dispose()
