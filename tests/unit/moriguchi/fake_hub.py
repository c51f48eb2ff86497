"""A hub without Kafka and ledger: it maps, plans and delivers in memory, just enough for the demonstration."""

import csv
import io
import json
import sqlite3
import urllib.error
import urllib.request
import zipfile
from contextlib import closing
from datetime import UTC, datetime

import orjson

from hub.errors import Malformed
from hub.events.envelope import event_from
from hub.events.facts import delta, empty, merge
from hub.moriguchi.standins import read_csv, write_csv
from hub.routing.expressions import Environment
from hub.routing.mapping import Ignored, Mapper
from hub.routing.plan import Router, View
from hub.routing.projection import Projection
from hub.routing.rules import RuleSet
from hub.settings.load import load_city


def now():
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def applications(path):
    """Return the rows of an exported ZIP of applications, without what was attached."""
    with zipfile.ZipFile(path) as archive:
        (name,) = (each for each in archive.namelist() if each.endswith(".csv"))
        rows = csv.DictReader(io.StringIO(archive.read(name).decode(), newline=""))
        return [{**row, "添付": []} for row in rows]


class FakeHub:
    def __init__(self, folder):
        self.folder = folder
        self.router = None
        self.known = {}  # subject → facts
        self.answers = {}  # reference → `hub events show`
        self.recorded = {}  # reference → when
        self.held = []
        self.read = set()

    def publish(self, path, *, facts_only=False):
        assert facts_only
        for line in path.read_bytes().splitlines():
            event = event_from(json.loads(line), city="moriguchi", now=now())
            self._learn(event)

    def _open(self):
        city = load_city(self.folder)
        self.router = Router(RuleSet.of(city))
        self.url = city.systems["suido"].receives["main"].options["url"]
        env = Environment(city.tables)
        self.mappers = {
            name: Mapper(system, system.publishes[0], system.sources[system.publishes[0].source], env, "moriguchi")
            for name, system in city.systems.items()
            if system.publishes
        }

    def drain(self, *, wait=30.0):  # noqa: ARG002
        if self.router is None:
            self._open()
        for system, row, place in self._rows():
            try:
                event = self.mappers[system].map(row, as_of_time=now())
            except Malformed as error:
                self.held.append({"place": place, "message": error.message, "at": now()})
                continue
            assert not isinstance(event, Ignored)
            self._dispatch(event)
        return self._deliver()

    def _rows(self):
        for system, kind in (("koseki", "csv"), ("kokuho", "csv"), ("shinsei", "zip")):
            for path in sorted((self.folder / "in" / system).glob(f"*.{kind}")):
                for number, row in enumerate(read_csv(path) if kind == "csv" else applications(path), 2):
                    yield system, row, f"{path.name}:{number}"
                path.rename(path.with_suffix(".read"))
        with closing(sqlite3.connect(self.folder / "var/standins/juki.db")) as connection:
            connection.row_factory = sqlite3.Row
            rows = [dict(row) for row in connection.execute("SELECT * FROM rireki ORDER BY 通番")]
        for row in rows:
            if row["通番"] not in self.read:
                self.read.add(row["通番"])
                yield "juki", row, f"juki:{row['通番']}"

    def _learn(self, event):
        facts = self.known.get(event.subject, empty())
        self.known[event.subject] = merge(facts, delta(event.type, event.data))
        return facts

    def _dispatch(self, event):
        facts = self._learn(event)
        view = View(event.type, event.version, event.subject, {"id": event.id, "source": event.source}, event.data)
        raw = {name: orjson.dumps(value) for name, value in event.data.items()}
        deliveries = []
        for planned in self.router.plan(view, facts, facts):
            rule = self.router.rules.rules[planned.rule]
            receiver = self.router.rules.receivers[planned.receiver]
            deliveries.append(
                {
                    "id": f"{event.system}/{event.id}:{receiver}:0",
                    "event_id": event.id,
                    "type": event.type,
                    "subject": event.subject,
                    "system": rule.system,
                    "status": "planned",
                    "planned_at": now(),
                    "payload": json.loads(Projection(rule).data(raw, planned.values)),
                }
            )
        said = {name: getattr(event, name) for name in ("id", "source", "type", "subject", "time", "data")}
        reference = f"{event.system}/{event.id}"
        assert reference not in self.answers
        not_told = self.router.explain(view, facts, facts).not_told
        status = "accepted" if deliveries else "unmatched"
        self.answers[reference] = {"event": said, "status": status, "deliveries": deliveries, "not_told": not_told}
        self.recorded[reference] = now()

    def _deliver(self):
        clear = True
        for answer in self.answers.values():
            for each in answer["deliveries"]:
                if each["status"] != "delivered":
                    each["status"] = "delivered" if self._apply(each) else "waiting"
                    each["delivered_at"] = now()
                    clear &= each["status"] == "delivered"
        return clear

    def _apply(self, each):
        if each["system"] == "suido":
            event = {"type": each["type"], "subject": each["subject"], "data": each["payload"]}
            headers = {"Idempotency-Key": each["id"]}
            request = urllib.request.Request(self.url, json.dumps(event).encode(), headers)  # noqa: S310
            try:
                urllib.request.urlopen(request, timeout=5).close()  # noqa: S310
            except urllib.error.HTTPError as error:
                error.close()
                return False
        if each["system"] == "kokuho":
            data = {
                name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
                for name, value in each["payload"].items()
            }
            head = {"delivery_key": each["id"], "type": each["type"], "subject": each["subject"], "action": "new"}
            name = each["id"].replace("/", "_").replace(":", "_")
            write_csv(self.folder / "out" / "kokuho" / f"{name}.csv", [{**head, **data}])
        return True

    def events(self, *, since):
        found = [ref for ref in self.answers if self.recorded[ref] >= since]
        return [{**self.answers[ref]["event"], "status": self.answers[ref]["status"]} for ref in reversed(found)]

    def event(self, reference):
        return self.answers[reference]

    def deliveries(self, *, since, system=None):
        return [
            each
            for reference, answer in self.answers.items()
            for each in answer["deliveries"]
            if self.recorded[reference] >= since and system in (None, each["system"])
        ]

    def quarantine(self):
        return self.held
