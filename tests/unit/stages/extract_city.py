"""A small city whose register gives differences and full extracts as files, without Kafka: `Topic` stands for it."""

from __future__ import annotations

import copy
import csv
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from hub.app import Hub
from hub.errors import BrokerUnavailable
from hub.ledger import batches, extracts, quarantine, reviews, schema
from hub.settings.load import load_city
from tests.services.blank import blank_url

ZONE = ZoneInfo("Asia/Tokyo")
HEADER = ("宛名番号", "履歴番号", "氏名", "住所", "世帯番号", "異動日")
SABUN = """
  sabun: {adapter: csv, path: in/SABUN_*.csv, identity: '[row.宛名番号, row.履歴番号]'}
"""
ZENKEN = """
  zenken: {adapter: csv, path: in/ZENKEN_*.csv, mode: snapshot, key: row.宛名番号, compare: [氏名, 住所, 世帯番号],
           on_change: publish, on_new: publish, on_missing: review%s}
"""
FROM_SABUN = """
  - from: sabun
    subject: row.宛名番号
    sequence: int(row.履歴番号)
    defaults: {effective_on: row.異動日}
    cases:
      - {event: resident.died, when: row.氏名 == "死亡", map: {name: row.氏名, died_on: row.異動日}}
      - {event: event.cancelled, when: row.氏名 == "取消", cancels: {sequence: int(row.履歴番号) - 1}}
      - {event: resident.moved, map: {name: row.氏名, old_address: address("?"), new_address: address(row.住所)}}
"""
FROM_ZENKEN = """
  - from: zenken
    subject: row.宛名番号
    defaults: {effective_on: batch.date}
    otherwise: ignore
    cases:
      - {event: resident.moved-in, when: change == "new", map: {name: row.氏名, new_address: address(row.住所)}}
      - {event: resident.moved, when: '"住所" in changed',
         map: {name: row.氏名, old_address: address(was.住所), new_address: address(row.住所)}}
      - {event: resident.name-changed, when: '"氏名" in changed', map: {name: row.氏名, old_name: was.氏名}}
"""


class Topic:
    """Takes events as Kafka would; the next `away` calls fail."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.away = 0

    async def publish(self, _topic: str, records: Any, _headers: Any = ()) -> None:
        if self.away:
            self.away -= 1
            raise BrokerUnavailable("gone")
        self.events += [orjson.loads(value) for _, value in records]

    def told(self) -> list[tuple[str, str, str]]:
        """Return type, subject and new address or name of each event once, as dispatch would count them."""
        once: dict[str, dict[str, Any]] = {}
        for event in self.events:
            once.setdefault(event["id"], event)
        return [
            (
                event["type"].split(".", 3)[3].rpartition(".")[0],
                event["subject"],
                event["data"].get("new_address", {}).get("text") or event["data"].get("name", ""),
            )
            for event in once.values()
        ]


class City:
    """The city in a folder, and its clock, which goes on when it is told."""

    def __init__(
        self,
        folder: Path,
        *,
        more: str = "",
        shared: bool = False,
        publishes: bool = True,
        on: str = "",
        cases: str = "",
        url: str = "",
        dated: bool = False,
    ) -> None:
        self.folder = folder
        self.topic = Topic()
        self.now = datetime(2026, 11, 20, 1, 0, tzinfo=ZONE)
        (folder / "in").mkdir(parents=True, exist_ok=True)
        (folder / "systems").mkdir(exist_ok=True)
        (folder / "hub.yaml").write_text("city: example\n", "utf-8")
        options = (", shares_state_with: sabun" if shared else "") + more
        sources = (SABUN if shared else "").rstrip() + (ZENKEN % options).rstrip()
        for setting in filter(None, on.split(" ")):
            name, _, value = setting.partition("=")
            old = {"on_change": "publish", "on_new": "publish", "on_missing": "review"}[name]
            sources = sources.replace(f"{name}: {old}", f"{name}: {value}")
        text = f"system: juki\nowner: 市民課\nsources:{sources}\n"
        if shared or publishes:
            text += "publishes:" + (FROM_SABUN if shared else "").rstrip() + (FROM_ZENKEN + cases if publishes else "")
        if dated:  # differences say of which moment they are, and extracts bring history numbers
            text = text.replace("path: in/SABUN_*.csv", "as_of: row.更新日時, path: in/SABUN_*.csv")
            text = text.replace("  - from: zenken\n", "  - from: zenken\n    sequence: int(row.履歴番号)\n")
        (folder / "systems/juki.yaml").write_text(text + "receives: {}\n", "utf-8")
        environ = {"HUB_LEDGER": url} if url else {}
        self.hub = Hub(load_city(folder, environ=environ))
        self.hub.clock = lambda: self.now.astimezone(UTC)
        self.ledger = self.hub.ledger
        if url:
            schema.ready(self.ledger)
        elif not (folder / "var/ledger.db").exists() or not (folder / "var/ledger.db").stat().st_size:
            self.ledger.close()
            blank_url(folder / "var")

    def close(self) -> None:
        self.hub.close()

    def later(self, **spans: float) -> None:
        self.now += timedelta(**(spans or {"minutes": 10}))

    def write(self, name: str, *rows: tuple[str, ...], header: tuple[str, ...] = HEADER) -> Path:
        path = self.folder / "in" / name
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([header, *rows])
        return path

    async def drain(self) -> Any:
        self.later(minutes=1)
        return await self.hub.intake(SimpleNamespace(producer=self.topic)).drain(wait=5.0)

    async def hub_drain(self) -> None:
        """Drain without letting time pass, again as long as something breaks off."""
        for _ in range(20):
            counts = await self.hub.intake(SimpleNamespace(producer=self.topic)).drain(wait=5.0)
            if not counts.faults:
                return
        raise AssertionError(counts.faults)

    async def take(self, name: str, *rows: tuple[str, ...], **named: Any) -> Any:
        self.write(name, *rows, **named)
        return await self.drain()

    def reviews(self, *statuses: str) -> list[tuple[str, str, str]]:
        items, _ = reviews.listing(self.ledger, statuses=statuses or reviews.OPEN)
        return [(item.status, item.subject, item.summary) for item in reversed(items)]

    def batches(self) -> dict[str, tuple[str, str]]:
        found, _ = batches.listing(self.ledger)
        return {item.id.partition("@")[0]: (item.status, item.reason or item.note or "") for item in found}

    def codes(self) -> list[str]:
        return [item.code for item in quarantine.listing(self.ledger)[0]]

    @property
    def known(self) -> int:
        found = extracts.find(self.ledger, "juki", "zenken")
        return 0 if found is None else extracts.count(self.ledger, found[0])


def reopened(city: City) -> City:
    """Return the city as another process finds it, its files as they are now."""
    again = copy.copy(city)
    again.hub = Hub(load_city(city.folder, environ={}))
    again.hub.clock = lambda: again.now.astimezone(UTC)
    again.ledger = again.hub.ledger
    again.topic = Topic()
    return again


def row(number: str, sequence: int, name: str, address: str, household: str = "77") -> tuple[str, ...]:
    return (number, str(sequence), name, address, household, "2026-11-16")
