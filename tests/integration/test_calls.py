"""Webhooks on a real ledger and a real Kafka: 202 only for what is safe, and once, also after a restart."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from hub.app import Hub
from hub.errors import BrokerUnavailable, Rejected
from hub.ledger import calls, quarantine, schema, sources
from hub.ledger.engine import Ledger
from hub.server.serve import address_of
from hub.settings.load import load_city
from hub.stages.calls import Callee, Calls
from hub.stages.services import Services

KEY = "0123456789abcdef"
SYSTEM = """system: shinsei
owner: 窓口課
publishes:
  - from: {adapter: http, webhook: {secret: env:HOOK}, rows: records}
    id: row.no
    subject: row.宛名番号
    event: resident.died
    map: {name: row.氏名, died_on: row.日, effective_on: row.日}
"""


def body(*numbers: str) -> bytes:
    rows = [{"no": no, "宛名番号": "1000001", "氏名": "守口 太郎", "日": "2026-11-20"} for no in numbers]
    return orjson.dumps({"records": [*rows, {"no": "broken"}]})


def signed(content: bytes, stamp: int | None = None) -> dict[str, str]:
    at = str(stamp or int(time.time()))
    return {
        "X-Timestamp": at,
        "X-Signature": hmac.new(KEY.encode(), f"{at}.".encode() + content, hashlib.sha256).hexdigest(),
    }


@pytest.fixture
def city(request: Any, tmp_path: Path, ledger_url: str, kafka_bootstrap: str, topic_prefix: str) -> Any:
    folder = tmp_path / "city"
    (folder / "systems").mkdir(parents=True)
    (folder / "hub.yaml").write_text(f"city: test\nkafka: {{prefix: {topic_prefix}}}\n")
    (folder / "systems" / "shinsei.yaml").write_text(SYSTEM + getattr(request, "param", ""))
    environ = {"HUB_LEDGER": ledger_url, "HUB_KAFKA": kafka_bootstrap, "HOOK": KEY}
    return load_city(folder, environ=environ)


@contextlib.asynccontextmanager
async def running(city: Any, *only: str) -> Any:
    """Give a client of `hub run`."""
    hub, stop, there = Hub(city), asyncio.Event(), asyncio.get_running_loop().create_future()
    task = asyncio.create_task(hub.run(stop, only=only, address=("127.0.0.1", 0), ready=there.set_result))
    try:
        await asyncio.wait([task, there], return_when=asyncio.FIRST_COMPLETED)
        assert there.done(), task
        async with httpx.AsyncClient(base_url=address_of(there.result()), trust_env=False, timeout=30) as client:
            yield client, hub
    finally:
        stop.set()
        await task
        hub.close()


@pytest.mark.parametrize("city", ["", "text: {encoding: cp932}\n"], ids=["plain", "text"], indirect=True)
async def test_a_call_is_taken_once_also_after_a_restart(city: Any) -> None:
    content = body("1", "2")
    proof = signed(content)
    async with running(city, "intake") as (client, hub):
        answer = await client.post("/v1/hooks/shinsei/main", content=content, headers=proof)
        assert (answer.status_code, answer.json()) == (
            202,
            {"accepted": ["1", "2"], "quarantined": 1, "repeated": False},
        )
        (item,), _ = quarantine.listing(hub.ledger)
        assert (item.system, item.source, item.place) == ("shinsei", "main", item.place)
        assert item.place.startswith("call:3")
        assert (await client.post("/v1/hooks/shinsei/main", content=body("3"), headers=proof)).status_code == 401
    async with running(city, "intake", "dispatch") as (client, hub):
        answer = await client.post("/v1/hooks/shinsei/main", content=content, headers=proof)
        assert (answer.status_code, answer.json()["repeated"]) == (202, True)
        old = signed(content, int(time.time()) - 301)
        assert (await client.post("/v1/hooks/shinsei/main", content=content, headers=old)).status_code == 401
        assert sources.load(hub.ledger, "shinsei", "main").tally.events == 2
        bad = b"<html>"
        assert (await client.post("/v1/hooks/shinsei/main", content=bad, headers=signed(bad))).status_code == 400


class Away:
    """A Kafka that is away until it is not."""

    def __init__(self) -> None:
        self.is_away = True
        self.published: list[bytes] = []

    async def publish(self, _topic: str, records: Any, _headers: Any = ()) -> None:
        if self.is_away:
            raise BrokerUnavailable("Kafka does not answer")
        self.published += [value for _, value in records]


@pytest.fixture
def taking(city: Any) -> Any:
    hub, ledger, producer = Hub(city), Ledger(city.ledger_url), Away()
    schema.ready(ledger)
    (runner,) = hub._runners(city.systems["shinsei"])
    clock = [datetime.now(UTC)]
    services = Services(producer, ledger, "t", "test", clock=lambda: clock[0])
    yield Calls(services, {("shinsei", "main"): Callee(runner.source, runner.mappers)}), producer, ledger, clock
    hub.close()
    ledger.close()


async def test_what_is_not_in_kafka_was_not_taken(taking: Any) -> None:
    hooks, producer, _, _ = taking
    content = body("1")
    proof = {name.lower(): value for name, value in signed(content).items()}
    with pytest.raises(BrokerUnavailable):
        await hooks.receive("shinsei", "main", proof, content)
    producer.is_away = False
    assert (await hooks.receive("shinsei", "main", proof, content)).accepted == ["1"]
    assert (await hooks.receive("shinsei", "main", proof, content)).repeated
    assert len(producer.published) == 1


async def test_a_call_is_forgotten_when_it_could_not_be_taken_any_more(taking: Any) -> None:
    hooks, producer, ledger, clock = taking
    producer.is_away = False
    content = body("1")
    proof = {name.lower(): value for name, value in signed(content, int(clock[0].timestamp()) + 299).items()}
    await hooks.receive("shinsei", "main", proof, content)
    id_ = hooks._callees["shinsei", "main"].source.verify(proof, content, clock[0].timestamp())
    clock[0] += timedelta(seconds=598)  # the last moment at which it would be taken
    assert (await hooks.receive("shinsei", "main", proof, content)).repeated
    clock[0] += timedelta(seconds=3)
    with pytest.raises(Rejected):
        await hooks.receive("shinsei", "main", proof, content)
    later = body("2")
    proof = {name.lower(): value for name, value in signed(later, int(clock[0].timestamp())).items()}
    await hooks.receive("shinsei", "main", proof, later)
    assert calls.taken(ledger, "shinsei.main", id_) is None
