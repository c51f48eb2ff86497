"""Existing state into facts: nobody is told, broken rows are kept, a crash goes on from there, and it can be undone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from hub.adapters import file_source
from hub.app import Hub
from hub.errors import Unavailable, UsageError
from hub.ledger import batches, jobs, quarantine
from hub.ledger.jobs import PUBLISHER, Order
from hub.ledger.views import EventFilter
from hub.stages.loading import NOTHING, Loader, midnight, preview
from hub.stages.records import Origin
from tests.integration.jobs.test_amending import Topic, publish
from tests.integration.jobs.town import Town
from tests.integration.semantics.world import ADDRESS, ZONE

INSURED = """subscribes:
  - {id: moves, on: resident.moved, when: facts.insurance.kokuho.active, send: [name], because: 試験}"""
SOURCE = """system: kokuho
owner: 課
sources: {daicho: {adapter: csv, path: in/*.csv}}
publishes:
  - from: daicho
    event: insurance.enrolled
    subject: row.宛名番号
    map: {scheme: '"kokuho"', effective_on: row.資格取得日}
receives: {}
"""


@pytest.fixture
def town(tmp_path, ledger_url) -> Iterator[Town]:
    made = Town(tmp_path / "city", ledger_url, {"hoken": INSURED})
    (made.folder / "systems" / "kokuho.yaml").write_text(SOURCE)
    rows = [f"{n},2020-04-01" for n in range(1, 2501)] + ["x,yesterday"]
    (made.folder / "in").mkdir()
    (made.folder / "in" / "daicho.csv").write_text("\n".join(["宛名番号,資格取得日", *rows]) + "\n")
    made.renew()
    made.dispatch_by_todays_rules()
    yield made
    made.close()


def begin(town: Town) -> int:
    payload = {"system": "kokuho", "source": "daicho", "as_of": midnight("2026-04-01", ZONE), **NOTHING}
    order = Order(PUBLISHER, "load", 0, 0, json.dumps(payload).encode())
    return jobs.create(town.ledger, "load", {}, [order], by="甲")


def load(town: Town, topic: Any) -> Loader:
    async def mine() -> bool:
        return True

    hub = Hub(town.city)
    loader = Loader(town.ledger, topic, "hub.events", "moriguchi", hub.loading, mine)
    try:
        asyncio.run(loader.load_open())
    finally:
        hub.close()
    return loader


class Short(Topic):
    """Kafka that goes away after its first batch."""

    async def publish(self, topic: str, records: Sequence[tuple[bytes, bytes]], headers: object) -> None:
        if self.published:
            raise Unavailable("Kafka is away", code="broker")
        await super().publish(topic, records, headers)


def test_a_load_is_learned_resumed_and_undone(town, monkeypatch):
    monkeypatch.setattr(file_source, "ROWS", 1000)
    number = begin(town)
    with pytest.raises(Unavailable):
        load(town, Short(town))
    assert jobs.get(town.ledger, number).status == "running"
    topic = Topic(town)
    load(town, topic)
    job = jobs.get(town.ledger, number)
    assert job.status == "done"
    assert job.totals["counts"] == {"rows": 2501, "events": 2500, "ignored": 0, "quarantined": 1}
    assert batches.show(town.ledger, f"load-{number}").rows == 2501
    assert len(quarantine.listing(town.ledger)[0]) == 1
    assert {each["time"] for each in topic.published} == {"2026-04-01T00:00:00+09:00"}
    assert (town.folder / "in" / "daicho.csv").exists()
    town.report(town.moved(ADDRESS, "7"), town.moved(ADDRESS, "9999"))
    town.deliver()
    assert [each["subject"] for each in town.desks["hoken"].taken] == ["7"]
    plan = town.foreman.cancel(EventFilter(batch=f"load-{number}"))
    assert dict(plan.counts) == {"cancel": 2500}
    town.do(plan)
    publish(town)
    town.report(town.moved(ADDRESS, "8"))
    town.deliver()
    assert [each["subject"] for each in town.desks["hoken"].taken] == ["7"]


def test_a_preview_counts_and_publishes_nothing(town):
    hub = Hub(town.city)
    source, mappers = hub.loading("kokuho", "daicho")
    counts = preview(source, mappers, Origin("kokuho", "daicho", "moriguchi"), midnight("2026-04-01", ZONE))
    assert counts == {"rows": 2501, "events": 2500, "ignored": 0, "quarantined": 1}
    with pytest.raises(UsageError, match="no source"):
        hub.loading("kokuho", "zenken")
    hub.close()


def test_a_source_that_cannot_be_read_holds_up_no_other_job(town):
    number = begin(town)
    (town.folder / "systems" / "kokuho.yaml").write_text("system: kokuho\nowner: 課\nreceives: {}\n")
    town.renew()
    loader = load(town, Topic(town))
    assert "no source" in str(loader.faults[number])
    assert jobs.get(town.ledger, number).status == "running"
