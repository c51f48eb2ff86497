"""Typed reports: believed when facts agree, else they wait or are told of somebody unknown; linked, told once each."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from hub.app import Hub
from hub.errors import NotFound, UsageError
from hub.ledger import identities, quarantine
from hub.stages import linking
from hub.stages.identity_queue import whole
from tests.integration.identity.city import Living
from tests.integration.kafka.until import until

JUKI = """publishes:
  - event: resident.moved-in
    from: {adapter: csv, path: in/juki/*.csv}
    id: row.id
    subject: row.宛名番号
    map:
      name: row.氏名
      kana: row.カナ
      birth_date: row.生年月日
      new_address: address(row.住所)
      effective_on: row.異動日
"""
SHINSEI = """sources:
  forms:
    adapter: csv
    path: in/shinsei/*.csv
    typed: true
    identify:
      id: row.番号
      verify: {kana: row.カナ, birth_date: wareki(row.生年月日)}
      need: 2
      mismatch: review
      unknown: UNKNOWN
publishes:
  - from: forms
    event: application.submitted
    id: row.受付番号
    map:
      application_no: row.受付番号
      form: '"転居"'
      channel: '"窓口"'
      answers: '{"希望": row.希望}'
      effective_on: row.日
"""
RULES = """subscribes:
  - {id: forms, on: application.submitted, send: [application_no], because: 試験}
receives: {adapter: jsonl, path: out/hoken.jsonl}
"""
DESK = RULES.replace("send:", "unidentified: true, send:").replace("hoken", "desk")
PEOPLE = [
    "id,宛名番号,氏名,カナ,生年月日,住所,異動日",
    "1,1000001,守口 太郎,モリグチ　タロウ,1950-01-02,大日町1-1,2026-04-01",
    "2,1000002,京阪 花子,ケイハン　ハナコ,1981-12-31,金田町2-2,2026-04-01",
]
HEAD = "受付番号,番号,カナ,生年月日,希望,日"


@pytest.fixture
def town(living: Living) -> Living:
    return begun(living, "review")


def begun(living: Living, unknown: str) -> Living:
    living.system("juki", JUKI)
    living.system("shinsei", SHINSEI.replace("UNKNOWN", unknown))
    living.system("hoken", RULES)
    living.system("desk", DESK)
    living.drop("juki", *PEOPLE)
    living.drain()
    return living


def queue(living: Living, status: str = "open") -> list[identities.Item]:
    return living.with_hub(lambda hub: identities.listing(hub.ledger, statuses=(status,))[0])


def link(living: Living, no: int, subject: str, **more: Any) -> None:
    def do(hub: Any) -> None:
        linking.link(hub.ledger, no, subject, by="甲", reason="本人に確認", **more)

    living.with_hub(do)
    living.drain()


def unlink(living: Living, no: int) -> None:
    living.with_hub(lambda hub: linking.unlink(hub.ledger, no, by="乙", reason="取り違え"))
    living.drain()


def told(living: Living, system: str) -> list[tuple[str, str, str]]:
    return [(each["action"], each["subject"], each["data"]["application_no"]) for each in living.told(system)]


def test_a_report_whose_facts_agree_is_of_that_resident(town):
    town.drop("shinsei", HEAD, "A1,1000001,もりぐち ﾀﾛｳ,昭和25年1月2日,x,2026-11-20")
    report = town.drain()
    assert report.read.tally.waiting == 0
    assert told(town, "hoken") == [("new", "1000001", "A1")]


def test_a_mistyped_number_is_another_person_and_waits(town):
    town.drop("shinsei", HEAD, "A1,1000002,モリグチタロウ,S25.1.2,x,2026-11-20")
    assert town.drain().read.tally.waiting == 1
    assert town.told("hoken") == town.told("desk") == []
    item = queue(town)[0]
    assert (item.reason, item.given, item.found) == ("mismatch", "1000002", "1000002")
    assert item.checked == {"kana": "differs", "birth_date": "differs"}
    shown = town.inquire(lambda inquiry: inquiry.event("shinsei/A1"))
    assert (shown["status"], shown["identity"]) == ("awaiting-identity", item.no)
    listed = town.inquire(lambda inquiry: inquiry.events(_waiting()))
    assert [each["id"] for each in listed["items"]] == ["A1"]


def test_one_fact_is_not_two(town):
    town.drop(
        "shinsei", HEAD, "A1,1000001,モリグチ タロウ,S25.1.3,x,2026-11-20", "A2,1000001,モリグチ タロウ,,x,2026-11-20"
    )
    assert town.drain().read.tally.waiting == 2
    assert {tuple(item.checked.values()) for item in queue(town)} == {("agrees", "differs"), ("agrees", "not-given")}


def test_linked_it_is_told_of_the_resident_and_reading_again_tells_nothing_more(town):
    row = "A1,1000002,モリグチタロウ,S25.1.2,x,2026-11-20"
    town.drop("shinsei", HEAD, row)
    town.drain()
    link(town, queue(town)[0].no, "1000001")
    assert told(town, "hoken") == told(town, "desk") == [("new", "1000001", "A1")]
    town.drop("shinsei", HEAD, row)
    town.drain()
    assert len(town.told("hoken")) == 1
    assert queue(town, "linked")[0].seen == 2
    assert quarantined(town) == []


def test_a_link_is_taken_back_from_whoever_was_told_and_made_anew(town):
    town.drop("shinsei", HEAD, "A1,1000002,モリグチタロウ,S25.1.2,x,2026-11-20")
    town.drain()
    no = queue(town)[0].no
    link(town, no, "1000002")
    unlink(town, no)
    assert told(town, "hoken")[1:] == [("cancel", "1000002", "A1")]
    assert [item.no for item in queue(town)] == [no]
    link(town, no, "1000001")
    assert told(town, "hoken")[2:] == [("new", "1000001", "A1")]
    deeds = town.with_hub(lambda hub: whole(hub.ledger, no))["deeds"]
    assert [(each["what"], each["subject"], each["by"], each["told"]) for each in deeds] == [
        ("link", "1000002", "甲", True),
        ("unlink", "1000002", "乙", True),
        ("link", "1000001", "甲", True),
    ]
    shown = town.timeline(lambda timeline: timeline.of("1000001"))
    assert [each["no"] for each in shown["identity"]] == [no]


def test_a_provisional_report_reaches_only_those_who_want_such_and_linked_the_others_once(living):
    town = begun(living, "provisional")
    town.drop("shinsei", HEAD, "A1,9999999,モリグチタロウ,S25.1.2,x,2026-11-20")
    town.drain()
    item = queue(town)[0]
    assert told(town, "desk") == [("new", f"~shinsei:{item.no}", "A1")]
    assert town.told("hoken") == []
    assert town.inquire(lambda inquiry: inquiry.event("shinsei/A1"))["status"] == "awaiting-identity"
    why = {each["system"]: each["reason"] for each in town.inquire(lambda i: i.event("shinsei/A1"))["not_told"]}
    assert why["hoken"] == "unidentified"
    link(town, item.no, "1000001")
    assert told(town, "hoken") == [("new", "1000001", "A1")]
    assert len(town.told("desk")) == 1
    assert town.inquire(lambda inquiry: inquiry.event("shinsei/A1"))["status"] == "accepted"
    assert [(each["subject"], each["status"], each["reason"]) for each in town.deliveries("desk")] == [
        (f"~shinsei:{item.no}", "delivered", None),
        ("1000001", "suppressed", "covered"),
    ]
    unlink(town, item.no)
    assert told(town, "hoken")[1:] == [("cancel", "1000001", "A1")]
    assert len(town.told("desk")) == 1
    link(town, item.no, "1000002")
    assert told(town, "hoken")[2:] == [("new", "1000002", "A1")]
    assert len(town.told("desk")) == 1


def test_what_must_not_wait_goes_to_quarantine_and_names_no_values(lone):
    town = begun(lone, "quarantine")
    town.drop("shinsei", HEAD, "A1,9999999,モリグチタロウ,S25.1.2,x,2026-11-20")
    town.drain()
    assert [(item.code, "モリグチ" in item.message) for item in quarantined(town)] == [("identity-unknown", False)]
    assert queue(town) == []


def test_a_decision_is_of_what_waits_and_of_residents_there_are(lone):
    town = begun(lone, "review")
    town.drop("shinsei", HEAD, "A1,1000002,モリグチタロウ,S25.1.2,x,2026-11-20")
    town.drain()
    no = queue(town)[0].no
    with pytest.raises(NotFound, match="never heard of"):
        link(town, no, "1000009")
    with pytest.raises(UsageError, match="open, not linked"):
        unlink(town, no)
    with pytest.raises(NotFound, match="no entry 99"):
        link(town, 99, "1000001")
    link(town, no, "1000009", newcomer=True)
    assert told(town, "hoken") == [("new", "1000009", "A1")]
    with pytest.raises(UsageError, match="linked, not open"):
        link(town, no, "1000001")


@pytest.mark.parametrize("step", ["done", "undone"])
def test_a_decision_that_was_not_told_is_told_by_the_next_drain(lone, monkeypatch, step):
    town = begun(lone, "review")
    town.drop("shinsei", HEAD, "A1,1000002,モリグチタロウ,S25.1.2,x,2026-11-20")
    town.drain()
    no = queue(town)[0].no

    def crashes(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(identities, step, crashes)  # after Kafka has it and before the ledger says so, or before Kafka
        with pytest.raises(KeyboardInterrupt):
            link(town, no, "1000001")
        assert told(town, "hoken") == []
    town.drain()
    assert told(town, "hoken") == [("new", "1000001", "A1")]
    assert town.with_hub(lambda hub: identities.undone(hub.ledger)) == []


def test_a_decision_is_told_while_the_hub_runs(lone):
    town = begun(lone, "review")
    town.drop("shinsei", HEAD, "A1,1000002,モリグチタロウ,S25.1.2,x,2026-11-20")
    town.drain()
    no = queue(town)[0].no

    async def runs(hub: Hub) -> None:
        stop, ready = asyncio.Event(), asyncio.Event()
        running = asyncio.create_task(
            hub.run(stop, only=("intake", "dispatch", "delivery"), ready=lambda _: ready.set())
        )
        try:
            async with asyncio.timeout(30):
                await ready.wait()
            linking.link(hub.ledger, no, "1000001", by="甲", reason="本人に確認")  # by another process, say
            await until(lambda: town.told("hoken"), 60)
        finally:
            stop.set()
            await running

    town.with_hub(lambda hub: asyncio.run(runs(hub)))
    assert told(town, "hoken") == [("new", "1000001", "A1")]
    assert town.with_hub(lambda hub: identities.undone(hub.ledger)) == []


def quarantined(living: Living) -> list[quarantine.Item]:
    return living.with_hub(lambda hub: quarantine.listing(hub.ledger)[0])


def _waiting() -> Any:
    from hub.ledger.status import event_code
    from hub.ledger.views import EventFilter

    return EventFilter(statuses=(event_code("awaiting-identity"),))
