"""A small city: events in by the dispatcher, deliveries out to jsonl files, a real ledger between."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from hub.adapters import registry
from hub.adapters.contract import Expressions, Site
from hub.errors import HubError
from hub.ledger import schema
from hub.ledger.desk import Desk
from hub.ledger.engine import Ledger
from hub.ledger.log import EventLog
from hub.ledger.progress import backlog
from hub.ledger.protected import Register
from hub.routing.rules import RuleSet
from hub.settings.load import load_city
from hub.stages.delivery import Delivery
from hub.stages.dispatch import Dispatcher
from hub.stages.drain import drain
from hub.stages.inquiry import DeliveryFilter, Inquiry
from hub.stages.log import LogReader
from hub.stages.planning import Policy
from hub.stages.receiver_port import ReceiverPort
from hub.stages.refusals import Refused
from hub.stages.rulebook import RuleBook
from hub.stages.shutters import Shutters
from tests.integration.engine import town

ZONE = ZoneInfo("Asia/Tokyo")
PARTITIONS = 2  # all is reported in the first but where a test says so
ADDRESS = {"text": "大阪府守口市京阪本通二丁目5番5号"}
OTHER = {"text": "大阪府守口市大宮通一丁目1番1号"}


@dataclass
class Record:
    partition: int
    offset: int
    key: bytes
    value: bytes


class World:
    def __init__(self, folder: Path, ledger_url: str, systems: dict[str, str], hub: str = "") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "hub.yaml").write_text("city: moriguchi\n" + hub)
        (folder / "systems").mkdir(exist_ok=True)
        self.folder = folder
        self._write(systems)
        self.city = load_city(folder, environ={"HUB_LEDGER": ledger_url})
        self.ledger = Ledger(self.city.ledger_url)
        schema.ready(self.ledger)
        self.log, self.desk = EventLog(self.ledger), Desk(self.ledger)
        self.book = RuleBook(self.ledger, self.desk)
        self.reader = LogReader(self.log, self.book.__getitem__)
        self.refused: list[Refused] = []
        self._dispatch()
        self.inquiry = Inquiry(self.ledger, self.book)
        self._offset = 0
        self._ids = 0

    def _write(self, systems: dict[str, str]) -> None:
        for name, rules in systems.items():
            text = f"system: {name}\nowner: 課\n{rules}\nreceives: {{adapter: jsonl, path: out/{name}.jsonl}}\n"
            (self.folder / "systems" / f"{name}.yaml").write_text(text)

    def _dispatch(self) -> None:
        self.rules = self.book.activate(RuleSet.of(self.city))
        generation = self.log.open_generation("hub.events", "one", PARTITIONS)
        self.dispatcher = self.dispatcher_of(0, self.log, generation)

    def dispatcher_of(self, partition: int, log: EventLog, generation: int = 1) -> Dispatcher:
        """Return another dispatcher, which has one partition."""
        policy = Policy(self.city.city, ZONE, self.city.authority)
        made = Dispatcher(log, self.rules, generation, book=self.book, policy=policy, quarantine=self._refuse)
        made.assign([partition])
        return made

    def change(self, systems: dict[str, str | None]) -> None:
        """Go on with other rules; None takes a system away."""
        self._write({name: rules for name, rules in systems.items() if rules is not None})
        for name in (name for name, rules in systems.items() if rules is None):
            (self.folder / "systems" / f"{name}.yaml").unlink()
        self.reload()
        self._dispatch()

    def _refuse(self, _connection: Any, refused: list[Refused]) -> None:
        self.refused += refused

    def event(
        self, type_: str, subject: str = "1", *, system: str = "juki", id_: str | None = None, **more: Any
    ) -> dict:
        sequence = more.pop("sequence", None)
        self._ids += 1
        event = {
            "specversion": "1.0",
            "id": id_ or f"e{self._ids}",
            "source": f"/systems/{system}",
            "type": f"jp.lg.moriguchi.{type_}.v1",
            "subject": subject,
            "time": "2026-11-20T10:00:00+09:00",
            "data": {"effective_on": "2026-11-20", **more},
        }
        return event if sequence is None else {**event, "sequence": sequence}

    def report(self, *events: dict) -> None:
        """Dispatch events as one poll."""
        records = [Record(0, self._offset + n, e["subject"].encode(), orjson.dumps(e)) for n, e in enumerate(events)]
        self._offset += len(records)
        for chunk in self.dispatcher.handle(records):
            self.reader.append(chunk)

    def moved(self, address: dict, subject: str = "1", **more: Any) -> dict:
        return self.event("resident.moved", subject, name="守口 太郎", old_address=OTHER, new_address=address, **more)

    def deliver(self, *, closing: bool = False, until: Callable[[], bool] = lambda: True) -> None:
        """Deliver until nothing is left that time would mend, and then until a condition holds."""
        asyncio.run(self._deliver(closing, until))

    async def _deliver(self, closing: bool, until: Callable[[], bool]) -> None:
        shutters = Shutters.of(self.city, self.ledger, closing=closing)
        ports = [
            ReceiverPort(
                self.rules.numbers[self.rules.ruleset.receivers.index(receiver.key)],
                receiver,
                self._opener(receiver),
                registry.find(receiver.adapter).features,
                ZONE,
                Register(self.ledger, listed=bool(self.city.protection and self.city.protection.list_)),
                shutters,
                shutters.halt,
            )
            for receiver in self.city.receivers()
        ]
        self.reader = LogReader(self.log, self.book.__getitem__)
        stage = Delivery(self.desk, self.reader, ports, self.book.__getitem__, shutters.refresh)
        stop = asyncio.Event()
        running = asyncio.create_task(stage.run(stop))
        keys = [receiver.key for receiver in self.city.receivers()]

        async def ends() -> dict[int, int]:
            return await asyncio.to_thread(self.log.positions)

        async def drained() -> bool:
            found = await drain(
                ends=ends,
                look=lambda: (shutters.refresh(), backlog(self.ledger, keys, shutters))[1],
                busy=lambda: stage.busy,
                wait=3.0,
            )
            return found.clear or not stage.busy

        try:
            for _ in range(20):  # what is under way on a machine that is busy otherwise comes to an end
                if await drained():
                    break
            await town.until(until)
        finally:
            stop.set()
            await running

    def _opener(self, receiver: Any) -> Any:
        site = Site(self.folder, ZONE, receiver.system, receiver.name)
        return lambda: registry.open_sink(
            receiver.adapter, receiver.options, site, Expressions(lambda text, _place="": lambda *_: text)
        )

    def told(self, system: str) -> list[dict]:
        path = self.folder / "out" / f"{system}.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def statuses(self, system: str) -> list[tuple[str, str, str | None]]:
        """Return `(event id, status, reason)` of a system's deliveries, the oldest first."""
        items = self.inquiry.deliveries(DeliveryFilter(systems=(system,)))["items"]
        return [(each["event_id"], each["status"], each["reason"]) for each in reversed(items)]

    def status(self, event_id: str) -> str:
        return self.inquiry.event(event_id)["status"]

    def codes(self) -> list[str]:
        return [each.error.code for each in self.refused if isinstance(each.error, HubError)]

    def reload(self) -> None:
        """Read the settings again."""
        self.city = load_city(self.folder, environ={"HUB_LEDGER": self.ledger.url})

    def close(self) -> None:
        self.ledger.close()
