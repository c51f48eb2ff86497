"""A system's own numbers: learned from a source, a table or a load; what needs one that is not known waits, once."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from hub.adapters.jsonl_append import AppendingSink
from hub.ledger import jobs, quarantine, schema
from hub.ledger.jobs import PUBLISHER, Order
from hub.stages.loading import NOTHING, midnight
from tests.integration.identity.city import Living

JUKI = """publishes:
  - event: resident.moved
    from: {adapter: csv, path: in/juki/*.csv}
    id: row.id
    subject: row.宛名番号
    map: {name: row.氏名, old_address: address(row.旧), new_address: address(row.新), effective_on: row.日}
"""
KAIGO = """ids: {name: 被保険者番号, pattern: "[0-9]{10}", missing: MISSING}
sources:
  daicho: {adapter: csv, path: in/kaigo/*.csv}
publishes:
  - from: daicho
    subject: row.宛名番号
    local_id: row.被保険者番号
    cases: [{ignore: 番号の対照, when: 'row.宛名番号 != ""'}]
subscribes:
  - {id: moved, on: resident.moved, send: [new_address, {no: 'local_id("kaigo")'}], because: 試験}
receives: RECEIVES
"""
LINES = "{adapter: jsonl, path: out/kaigo.jsonl}"
FILES = """
  adapter: csv
  path: out/kaigo/
  encoding: cp932
  columns: {番号: 'local_id("kaigo", subject)', 住所: data.new_address.text}
"""
SUIDO = """subscribes:
  - {id: moved, on: resident.moved, send: [new_address, {no: 'local_id("kaigo")'}], because: 試験}
receives: {adapter: jsonl, path: out/suido.jsonl}
"""
HEAD = "id,宛名番号,氏名,旧,新,日"
NUMBERS = "宛名番号,被保険者番号"


def begun(living: Living, missing: str = "hold", receives: str = LINES) -> Living:
    living.system("juki", JUKI)
    living.system("kaigo", KAIGO.replace("MISSING", missing).replace("RECEIVES", receives))
    living.system("suido", SUIDO)
    return living


def move(living: Living, id_: str, subject: str, address: str = "大日町1-1") -> None:
    living.drop("juki", HEAD, f"{id_},{subject},守口 太郎,金田町1-1,{address},2026-11-20")


def statuses(living: Living, system: str = "kaigo") -> list[tuple[str, str, str | None]]:
    return sorted((each["event_id"], each["status"], each["reason"]) for each in living.deliveries(system))


def test_a_delivery_waits_for_the_number_and_goes_in_order_when_it_is_learned(living):
    town = begun(living)
    town.drop("kaigo", NUMBERS, "1,0000000001")
    town.drain()
    move(town, "a", "1")
    move(town, "b", "2")
    move(town, "c", "2", "大日町2-2")
    report = town.drain()
    assert not report.clear
    assert statuses(town) == [
        ("a", "delivered", None),
        ("b", "held", "id-unknown"),
        ("c", "held", "earlier-waiting"),
    ]
    assert [each["data"]["no"] for each in town.told("kaigo")] == ["0000000001"]
    assert statuses(town, "suido") == [(name, "delivered", None) for name in "abc"]  # it has no numbers of its own
    assert {each["id"]: "no" in each["data"] for each in town.told("suido")} == {"a": True, "b": False, "c": False}
    town.drop("kaigo", NUMBERS, "2,0000000002")
    assert town.drain().clear
    assert [(each["id"], each["data"]["no"]) for each in town.told("kaigo")] == [
        ("a", "0000000001"), ("b", "0000000002"), ("c", "0000000002"),
    ]  # fmt: skip
    shown = {each["event_id"]: each["payload"]["data"]["no"] for each in town.deliveries("kaigo")}
    assert shown == {"a": "0000000001", "b": "0000000002", "c": "0000000002"}


def test_a_receiver_that_writes_the_number_itself_waits_too(lone):
    town = begun(lone, receives=FILES)
    move(town, "a", "1")
    town.drain()
    assert statuses(town) == [("a", "held", "id-unknown")]
    assert town.told("kaigo") == []
    town.drop("kaigo", NUMBERS, "1,0000000001")
    town.drain()
    assert town.told("kaigo") == [{"番号": "0000000001", "住所": "大日町1-1"}]


def test_blank_goes_without_and_reject_is_a_dead_letter(lone):
    town = begun(lone, "blank")
    move(town, "a", "1")
    town.drain()
    assert [each["data"] for each in town.told("kaigo")] == [{"new_address": {"text": "大日町1-1"}}]
    town.system("kaigo", KAIGO.replace("MISSING", "reject").replace("RECEIVES", LINES))
    move(town, "b", "2")
    move(town, "c", "3")
    town.drop("kaigo", NUMBERS, "3,0000000003")
    assert town.drain().died == 1
    assert statuses(town)[1:] == [("b", "dead", "rejected"), ("c", "delivered", None)]
    dead = next(each for each in town.deliveries("kaigo") if each["event_id"] == "b")
    assert dead["error"]["code"] == "id-unknown"


def test_a_table_teaches_numbers_and_a_source_may_ask_by_them(lone):
    town = begun(lone)
    town.system("kaigo", KAIGO.replace("missing: MISSING", "table: tables/kaigo-ids.csv").replace("RECEIVES", LINES))
    town.table("kaigo-ids", "1,0000000001", "2,0000000002")
    byoin = "publishes:\n  - event: resident.died\n    from: {adapter: csv, path: in/byoin/*.csv}\n"
    byoin += (
        '    subject: resident("kaigo", row.番号)\n    map: {name: row.氏名, died_on: row.日, effective_on: row.日}\n'
    )
    town.system("byoin", byoin)
    town.drop("byoin", "番号,氏名,日", "0000000002,京阪 花子,2026-11-20", "0000000009,淀川 一郎,2026-11-20")
    move(town, "a", "1")
    town.drain()
    assert [each["data"]["no"] for each in town.told("kaigo")] == ["0000000001"]
    died = town.timeline(lambda timeline: timeline.of("2"))
    assert [each["type"] for each in died["events"]] == ["resident.died"]
    assert died["numbers"] == {"kaigo": "0000000002"}
    assert [item.code for item in refused(town)] == ["empty"]


def test_a_number_stays_the_first_residents_and_a_new_one_is_told(lone):
    town = begun(lone)
    town.drop("kaigo", NUMBERS, "1,0000000001", "2,0000000001", "3,12")
    town.drop("kaigo", NUMBERS, "1,0000000007")
    town.drain()
    move(town, "a", "1")
    move(town, "b", "2")
    town.drain()
    assert statuses(town) == [("a", "delivered", None), ("b", "held", "id-unknown")]
    assert [each["data"]["no"] for each in town.told("kaigo")] == ["0000000007"]
    assert sorted(item.code for item in refused(town)) == ["local-id", "local-id-taken"]


def test_a_load_teaches_numbers(lone):
    town = begun(lone)
    town.drop("kaigo", NUMBERS, "1,0000000001")
    town.system("kaigo", KAIGO.replace("MISSING", "hold").replace("RECEIVES", LINES).replace("path: in/", "path: old/"))
    (town.folder / "in" / "kaigo").rename(town.folder / "old-kaigo")
    (town.folder / "old").mkdir()
    (town.folder / "old-kaigo").rename(town.folder / "old" / "kaigo")
    zone = town.with_hub(lambda hub: hub.timezone)
    said = {"system": "kaigo", "source": "daicho", "as_of": midnight("2026-04-01", zone), **NOTHING}
    order = Order(PUBLISHER, "load", 0, 0, json.dumps(said).encode())

    def load(hub: Any) -> None:
        schema.ready(hub.ledger)
        asyncio.run(hub.work_off(jobs.create(hub.ledger, "load", {}, [order], by="甲")))

    town.with_hub(load)
    assert town.with_hub(lambda hub: hub.numbers.local_id("kaigo", "1")) == "0000000001"


def test_killed_after_it_was_prepared_a_completed_delivery_is_finished_as_it_was_made(lone, monkeypatch):
    """A line that was planned without its number and got it later is rebuilt with it: nothing twice, nothing other."""
    town = begun(lone)
    move(town, "a", "1")
    town.drain()
    town.drop("kaigo", NUMBERS, "1,0000000001")
    commit = AppendingSink.commit

    async def dies(self: AppendingSink, batch: Any, token: Any) -> Any:
        if batch.receiver == "kaigo.main":
            raise RuntimeError("power loss")
        return await commit(self, batch, token)

    with monkeypatch.context() as patched:
        patched.setattr(AppendingSink, "commit", dies)
        assert not town.drain(wait=1.0).clear
    assert town.told("kaigo") == []
    assert town.drain().clear
    assert [each["data"]["no"] for each in town.told("kaigo")] == ["0000000001"]


def refused(living: Living) -> list[quarantine.Item]:
    return living.with_hub(lambda hub: quarantine.listing(hub.ledger)[0])
