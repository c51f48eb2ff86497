"""No private-use character passes intake, whichever way an event comes; what only looks like one does."""

from __future__ import annotations

import io
import json

import pytest

from hub.adapters.text import taking
from hub.errors import Malformed
from hub.events.envelope import Event
from hub.ledger import kept_bytes, quarantine
from hub.settings.load import load_city
from hub.stages.arrivals import keep
from hub.stages.known import Known
from hub.stages.publish import publish_stream
from hub.stages.receive import Reception
from hub.stages.records import record_of, refuse_own
from hub.stages.resubmit import Resubmitter


def event(name: str, subject: str = "1") -> Event:
    data = {"name": name, "effective_on": "2026-11-20"}
    return Event("a", "/systems/juki", "resident.died", 1, subject, "2026-11-20T09:00:00+09:00", data)


@pytest.mark.parametrize("sign", ["\ue000", "\ue757", "\uf8ff", "\U000f0000", "\U000ffffd", "\U00100000", "\U0010fffd"])
def test_a_private_use_character_is_refused(sign):
    with pytest.raises(Malformed, match=f"U\\+{ord(sign):04X}") as caught:
        record_of(event(f"守{sign}口"), "moriguchi")
    assert caught.value.code == "gaiji"


@pytest.mark.parametrize("sign", ["\ud7fb", "豈", "\ufa19", "𠮷", "葛\U000e0100", "～", "￠", "\ufffd", "\U000e01ef"])
def test_what_is_beside_it_passes(sign):
    assert record_of(event(sign), "moriguchi")[0] == b"1"


def test_no_system_may_say_a_subject_that_the_hub_makes():
    with pytest.raises(Malformed, match="the hub's own"):
        refuse_own(event("守口", "~juki:1"))


# --- a system that sends events itself, in its own characters ------------------------------------------------------


class Topic:
    def __init__(self):
        self.names = []

    async def publish(self, _topic, records, _headers=()):
        self.names += [json.loads(value)["data"]["name"] for _, value in records]


@pytest.fixture
def city(tmp_path):
    for folder in ("systems", "tables"):
        (tmp_path / folder).mkdir()
    (tmp_path / "hub.yaml").write_text("city: example\n")
    text = "system: juki\ntext: {encoding: cp932, gaiji: tables/juki-gaiji.csv}\nreceives: {}\n"
    (tmp_path / "systems/juki.yaml").write_text(text)
    (tmp_path / "systems/koseki.yaml").write_text("system: koseki\nreceives: {}\n")
    (tmp_path / "tables/juki-gaiji.csv").write_text("code,value\nF040,U+9AD9\n")
    return load_city(tmp_path, environ={})


def document(name, id_="a"):
    data = {"name": name, "died_on": "2026-11-20", "effective_on": "2026-11-20"}
    return {"specversion": "1.0", "id": id_, "type": "resident.died", "subject": "1", "data": data}


async def publish(city, ledger, topic, *documents, system="juki"):
    stream = io.BytesIO("".join(json.dumps(each) + "\n" for each in documents).encode())
    own = {"city": "example", "producer": topic, "ledger": ledger, "topic": "t"}
    return await publish_stream(stream, system=system, inward=taking(city), **own)


async def test_what_a_system_publishes_in_its_own_characters_comes_in_the_citys(city, ledger):
    topic = Topic()
    result = await publish(city, ledger, topic, document("\ue000橋"), document("守口", "b"))
    assert (result.accepted, topic.names) == (2, ["髙橋", "守口"])
    assert json.loads(kept_bytes.of(ledger, "juki", "a"))["data"]["name"] == "\ue000橋"
    assert kept_bytes.of(ledger, "juki", "b") is None


async def test_what_no_table_of_its_own_names_is_quarantined_and_taken_up_again(city, ledger, tmp_path):
    topic = Topic()
    result = await publish(city, ledger, topic, document("\ue001橋"))
    (entry,), _ = quarantine.listing(ledger)
    assert (result.accepted, entry.code, "F041" in entry.message) == (0, "gaiji", True)
    other = await publish(city, ledger, topic, document("\ue000橋"), system="koseki")
    assert (other.accepted, topic.names) == (0, []), "another system's table says nothing of it"
    (tmp_path / "tables/juki-gaiji.csv").write_text("code,value\nF041,U+9AD9\n")
    mended = taking(load_city(tmp_path, environ={}))
    await Resubmitter("example", tmp_path, ledger, topic, "t", None, mended).resubmit(entry.no)
    assert topic.names == ["髙橋"]


async def test_what_a_system_sends_over_http_in_its_own_characters_comes_in_the_citys(city, ledger):
    topic = Topic()

    def record(arrivals, originals, at):
        keep(ledger, arrivals, at=at, originals=originals)

    reception = Reception(topic, "t", "example", Known(ledger).seen, record=record, inward=taking(city))
    receipt = await reception.receive([document("\ue000橋")], "juki", batch=False)
    assert (receipt.accepted, topic.names) == (["a"], ["髙橋"])
    assert "\\ue000" in json.dumps(json.loads(kept_bytes.of(ledger, "juki", "a")))
    refused = await reception.receive([document("\ue000橋", "c")], "koseki", batch=False)
    assert [each.code for each in refused.refused] == ["gaiji"]
