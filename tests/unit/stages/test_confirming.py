"""What an AI-OCR is not sure of waits for a person, and is published once, as they have confirmed it."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa

from hub.app import Hub
from hub.errors import BrokerUnavailable, Malformed, UsageError
from hub.ledger import batches, identities, quarantine, reviews
from hub.ledger.tables import protection
from hub.settings.load import load_city
from hub.stages import reviewing
from hub.stages.confirming import Confirmer
from hub.stages.resubmit import Resubmitter
from tests.services.blank import blank_url
from tests.unit.stages.extract_city import Topic

HEAD = "ItemName,Page,GID,RID,Value,conf,x,y,w,h\n"
PLAIN = "subject: row.items.宛名番号"
ASKING = ", identify: {id: row.items.宛名番号, verify: {kana: row.items.カナ}, need: 1, unknown: review}"
SYSTEM = """
system: shinsei
owner: 総合窓口課
sources:
  shomen: {adapter: ai_ocr, service: airead, path: in/*.csv%s}
publishes:
  - from: shomen
    event: form.scanned
    id: row.document
    %s
    map: {form: '"異動届"', document: row.document, fields: row.fields, effective_on: wareki(row.items.届出日)}
receives: {}
"""


class Counter:
    """The city of one counter that scans forms, and what it sends into Kafka."""

    def __init__(self, folder: Path, options: str = "", who: str = PLAIN) -> None:
        self.folder, self.topic, self.scans = folder, Topic(), 0
        (folder / "in").mkdir()
        (folder / "systems").mkdir()
        (folder / "hub.yaml").write_text("city: example\n", "utf-8")
        (folder / "systems/shinsei.yaml").write_text(SYSTEM % (options, who), "utf-8")
        (folder / "var").mkdir()
        self.hub = Hub(load_city(folder, environ={"HUB_LEDGER": blank_url(folder / "var")}))
        self.hub.clock = lambda: datetime(2026, 11, 20, 1, tzinfo=UTC)
        self.ledger = self.hub.ledger

    async def scan(self, *fields: tuple[str, str, int], name: str = "") -> Any:
        """Read a form of one page; return the counts."""
        self.scans += 1
        lines = [f"{item},1,1,1,{value},{sure},0,0,9,9\n" for item, value, sure in fields]
        file = self.folder / "in" / f"{name or f'scan{self.scans}'}.csv"
        file.write_bytes("".join([HEAD, *lines]).encode("cp932"))
        return (await self.hub.intake(SimpleNamespace(producer=self.topic)).drain(wait=5.0)).tally

    def waiting(self) -> list[reviews.Item]:
        return reviews.listing(self.ledger)[0]

    async def confirm(self, no: int, values: dict[str, str] | None = None, document: bytes | None = None) -> Any:
        confirmer = Confirmer("example", self.folder, self.ledger, self.hub._reopen)
        item = confirmer.confirm(no, values or {}, document, who="keiko", why="the paper says so")
        await reviewing.publish_accepted(self.ledger, self.topic, "hub.events")
        return item

    def told(self) -> list[tuple[str, str, dict[str, Any]]]:
        return [
            (each["subject"], each["id"], {field["name"]: field["value"] for field in each["data"]["fields"]})
            for each in self.topic.events
        ]


@pytest.fixture
def make(tmp_path):
    made = []

    def build(*arguments):
        made.append(Counter(tmp_path / "city", *arguments))
        return made[-1]

    (tmp_path / "city").mkdir()
    yield build
    for each in made:
        each.hub.close()


SURE = (("宛名番号", "1000001", 99), ("氏名", "守口 太郎", 99), ("届出日", "令和8年11月16日", 99))
UNSURE = (("宛名番号", "1000001", 99), ("氏名", "守口 大郎", 62), ("届出日", "令和8年11月16日", 99))
RIGHT = {"宛名番号": "1000001", "氏名": "守口 太郎", "届出日": "令和8年11月16日"}


async def test_a_sure_form_goes_on_and_an_unsure_one_waits_with_the_event_it_would_be(make):
    city = make()
    assert (await city.scan(*SURE)).events == 1
    tally = await city.scan(*UNSURE)
    assert (tally.rows, tally.events, tally.quarantined, tally.unsure) == (1, 0, 0, 1)
    assert [each[1] for each in city.told()] == ["scan1-1"]
    (item,) = city.waiting()
    assert (item.kind, item.subject, item.summary, item.events) == ("unsure", "1000001", "unsure: 氏名", 1)
    assert item.batch_id.startswith("scan2.csv@")
    _, found = reviewing.shown(city.ledger, item.no)
    assert (found["row"]["items"]["氏名"], found["row"]["unsure"], found["errors"]) == ("守口 大郎", ["氏名"], [])
    assert found["would_publish"][0]["subject"] == "1000001"
    assert not quarantine.listing(city.ledger)[0]


async def test_what_was_misread_is_put_right_and_published_once_in_its_batch(make):
    city = make()
    await city.scan(*UNSURE)
    (waiting,) = city.waiting()
    item = await city.confirm(waiting.no, {"氏名": "守口 太郎"})
    assert (item.status, item.decided_by, item.note) == ("accepted", "keiko", "the paper says so")
    assert city.told() == [("1000001", "scan1-1", RIGHT)]
    assert city.topic.events[0]["batchid"] == waiting.batch_id
    assert {each["confidence"] for each in city.topic.events[0]["data"]["fields"]} == {100}
    assert reviewing.shown(city.ledger, item.no)[1]["changed"] == ["氏名"]
    with pytest.raises(UsageError, match="not open any more"):
        await city.confirm(item.no, {"氏名": "別人"})
    assert len(city.topic.events) == 1


async def test_a_whole_document_takes_the_place_of_what_was_read(make):
    city = make()
    await city.scan(*UNSURE)
    (item,) = city.waiting()
    row = reviewing.shown(city.ledger, item.no)[1]["row"]
    row["fields"][1]["value"] = "守口 太郎"
    await city.confirm(item.no, document=json.dumps(row).encode())
    assert city.told() == [("1000001", "scan1-1", RIGHT)]


async def test_what_was_read_right_is_accepted_as_it_is(make):
    city = make()
    await city.scan(*UNSURE)
    await city.confirm(city.waiting()[0].no)
    assert city.told() == [("1000001", "scan1-1", {**RIGHT, "氏名": "守口 大郎"})]


async def test_a_form_that_makes_no_event_yet_says_why_and_waits_until_it_does(make):
    city = make()
    await city.scan(*UNSURE[:2], ("届出日", "令和8年13月16日", 40))
    (item,) = city.waiting()
    assert item.events == 0
    _, found = reviewing.shown(city.ledger, item.no)
    assert found["errors"][0]["code"] == "wareki"
    with pytest.raises(Malformed):
        await city.confirm(item.no, {"氏名": "守口 太郎"})
    assert city.waiting()[0].status == "waiting"
    await city.confirm(item.no, {"氏名": "守口 太郎", "届出日": "令和8年11月16日"})
    assert city.told() == [("1000001", "scan1-1", RIGHT)]


async def test_a_field_the_form_does_not_have_is_refused_with_those_it_has(make):
    city = make()
    await city.scan(*UNSURE)
    with pytest.raises(UsageError, match="no field 名前") as refused:
        await city.confirm(city.waiting()[0].no, {"名前": "守口 太郎"})
    assert "宛名番号, 氏名, 届出日" in refused.value.mend
    assert city.waiting()[0].status == "waiting"


@pytest.mark.parametrize("decision", ["accepted", "rejected", ""])
async def test_the_same_scan_read_again_is_not_put_there_again(make, decision):
    city = make()
    await city.scan(*UNSURE, name="scan")
    (item,) = city.waiting()
    if decision == "accepted":
        await city.confirm(item.no)
    elif decision == "rejected":
        reviewing.reject(city.ledger, item.no, who="keiko", why="a trial")
    await city.scan(*UNSURE, name="scan")
    assert [each.no for each in city.waiting()] == ([] if decision else [item.no])
    other = (UNSURE[0], ("氏名", "守口 犬郎", 62), UNSURE[2])
    await city.scan(*other, name="scan")
    assert len(city.waiting()) == (1 if decision else 2)


async def test_it_is_published_by_the_next_process_when_kafka_was_away(make):
    city = make()
    await city.scan(*UNSURE)
    city.topic.away = 1
    with pytest.raises(BrokerUnavailable):
        await city.confirm(city.waiting()[0].no, {"氏名": "守口 太郎"})
    assert await reviewing.publish_accepted(city.ledger, city.topic, "hub.events") == 1
    assert await reviewing.publish_accepted(city.ledger, city.topic, "hub.events") == 0
    assert city.told() == [("1000001", "scan1-1", RIGHT)]


async def test_nobody_is_asked_who_it_is_before_a_person_has_looked_at_it(make):
    city = make(ASKING, "")
    await city.scan(*UNSURE, ("カナ", "モリグチ タロウ", 99))
    (item,) = city.waiting()
    assert reviewing.shown(city.ledger, item.no)[1]["errors"] == [
        {"code": "identity-unknown", "message": "nobody is identified in it"}
    ]
    assert not identities.listing(city.ledger)[0]
    await city.confirm(item.no, {"氏名": "守口 太郎"})
    (asked,), _ = identities.listing(city.ledger)
    assert (asked.reason, city.told(), city.waiting()) == ("unknown", [], [])


async def test_behind_a_guard_it_waits_once_whether_the_batch_is_held_or_not(make):
    city = make(", guard: {rows: [0, 1]}")
    await city.scan(*UNSURE)
    assert [each.summary for each in city.waiting()] == ["unsure: 氏名"]
    assert [each.status for each in batches.listing(city.ledger)[0]] == ["done"]


@pytest.mark.parametrize(("choice", "events", "quarantined"), [("quarantine", 0, 1), ("pass", 1, 0)])
async def test_a_city_may_choose_otherwise(make, choice, events, quarantined):
    city = make(f", unsure: {choice}")
    tally = await city.scan(*UNSURE)
    assert (tally.events, tally.quarantined, tally.unsure) == (events, quarantined, 0)


async def test_what_is_no_document_in_doubt_cannot_be_put_right(make):
    city = make()
    draft = reviews.Draft("snapshot:1", "snapshot", "juki", "zenken", "1", "changed", {})
    with city.ledger.write() as connection:
        reviews.put(connection, [draft], 1)
    with pytest.raises(UsageError, match="no document to put right"):
        await city.confirm(city.waiting()[0].no, {"氏名": "守口 太郎"})


async def test_a_file_mended_in_quarantine_has_documents_in_doubt_too(make):
    city = make()
    await city.scan(*UNSURE, ("本籍", "大阪府", 101))
    (entry,), _ = quarantine.listing(city.ledger)
    raw = quarantine.show(city.ledger, entry.no).raw.replace(b",101,", b",99,")
    resubmitter = Resubmitter("example", city.folder, city.ledger, city.topic, "hub.events", city.hub._reopen)
    done = await resubmitter.resubmit(entry.no, raw)
    assert (done.events, city.told()) == ([], [])
    (item,) = city.waiting()
    assert (item.summary, item.batch_id) == ("unsure: 氏名", done.batch)
    await city.confirm(item.no, {"氏名": "守口 太郎"})
    ((subject, event, fields),) = city.told()
    assert (subject, fields) == ("1000001", {**RIGHT, "本籍": "大阪府"})
    assert re.fullmatch("resubmitted-[0-9a-f]{8}-1", event), "no other resubmitted file has this id"


async def test_of_a_protected_resident_nothing_that_was_read_is_shown(make):
    city = make()
    await city.scan(*UNSURE, ("住所", "大日町1-1", 99))
    protect = {"subject": "1000001", "declarer": "1000001", "kind": "dv", "active": 1}
    with city.ledger.write() as connection:
        connection.execute(sa.insert(protection).values(protect))
    item, found = reviewing.shown(city.ledger, city.waiting()[0].no)
    text = json.dumps([asdict(replace(item, payload=None)), found], ensure_ascii=False)
    assert "大日町" not in text
    assert "守口" not in json.dumps(found["row"], ensure_ascii=False)
    await city.confirm(item.no, {"氏名": "守口 太郎"})  # what is wrong can be put right all the same
    assert city.told()[0][2]["住所"] == "大日町1-1"


async def test_what_was_loaded_tells_nobody_when_it_is_confirmed(make):
    city = make()
    await city.scan(*UNSURE)
    (item,) = city.waiting()
    with city.ledger.write() as connection:
        shown = reviews.show(city.ledger, item.no)
        event = {**json.loads(shown.payload["events"][0]), "hubfactsonly": True}
        reviews.fill(connection, shown, [json.dumps(event)], {})
    await city.confirm(item.no)
    assert city.topic.events[0]["hubfactsonly"] is True
