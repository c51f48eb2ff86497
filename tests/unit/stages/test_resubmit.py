"""What a person takes up again from the quarantine: never another report in its place, never closed unheard."""

from __future__ import annotations

import json

import pytest

from hub.adapters.contract import Row
from hub.errors import Unavailable, UsageError
from hub.events.codec import HEADERS
from hub.events.envelope import event_from
from hub.ledger import quarantine
from hub.ledger.names import Names
from hub.ledger.quarantine import Entry
from hub.ledger.tables import dedup
from hub.stages.records import record_of
from hub.stages.resubmit import Decision, Resubmitter

DATA = {"name": "守口", "died_on": "2026-11-20", "effective_on": "2026-11-20"}


def document(id_="a", **changes):
    head = {"specversion": "1.0", "id": id_, "source": "/systems/juki", "type": "resident.died", "subject": "1"}
    return {**head, "time": "2026-11-20T00:00:00Z", "batchid": "file-1", "data": {**DATA, **changes}}


def value(given=None):
    """Return an event as it stands in Kafka."""
    return record_of(event_from(given or document(), city="moriguchi", now="2026-11-20T00:00:00Z"), "moriguchi")[1]


class Topic:
    """Takes records; what dispatch would do meanwhile is done before it answers."""

    def __init__(self, meanwhile=lambda: None):
        self.values = []
        self._meanwhile = meanwhile

    async def publish(self, _topic, records, headers=()):
        assert headers == HEADERS
        self.values += [value for _, value in records]
        self._meanwhile()


def refused(raw, stage="dispatch", code="target-unknown"):
    return Entry(stage, "juki", "", "hub.events/0@1", code, "the event that this corrects is not known", raw)


def resubmitter(ledger, tmp_path, topic):
    return Resubmitter("moriguchi", tmp_path, ledger, topic, "hub.events", None)


async def test_what_dispatch_refuses_again_before_it_is_closed_stays_open(ledger, tmp_path):
    entry = refused(value())
    quarantine.add(ledger, [entry])
    topic = Topic(lambda: quarantine.add(ledger, [entry]))
    done = await resubmitter(ledger, tmp_path, topic).resubmit(1)
    assert topic.values == [entry.raw]
    assert (done.again, quarantine.show(ledger, 1).status) == (True, "open")


@pytest.mark.parametrize("same", [True, False])
async def test_what_dispatch_refuses_again_later_is_open_again(ledger, tmp_path, same):
    entry = refused(value())
    quarantine.add(ledger, [entry])
    given = None if same else json.dumps(document(), indent=1).encode()  # another writing of the same event
    assert not (await resubmitter(ledger, tmp_path, Topic()).resubmit(1, given)).again
    assert quarantine.show(ledger, 1).status == "resubmitted"
    quarantine.add(ledger, [entry])
    assert quarantine.show(ledger, 1).status == "open"


async def test_what_was_mended_stays_closed_when_the_old_one_is_seen_again(ledger, tmp_path):
    entry = refused(value())
    quarantine.add(ledger, [entry])
    topic = Topic()
    await resubmitter(ledger, tmp_path, topic).resubmit(1, json.dumps(document(name="淀川")).encode())
    assert topic.values == [value(document(name="淀川"))]
    quarantine.add(ledger, [entry])
    assert quarantine.show(ledger, 1).status == "resubmitted"


async def test_a_trial_changes_nothing_and_says_what_it_would_become(ledger, tmp_path):
    quarantine.add(ledger, [refused(b"{", stage="publish", code="json")])
    topic = Topic()
    given = json.dumps(document("b")).encode()
    done = await resubmitter(ledger, tmp_path, topic).resubmit(1, given, dry_run=True)
    whom = {"name": "守口", "known": False, "known_name": None}
    assert done.items == [{"event": "juki/b", "type": "resident.died", "subject": "1", **whom}]
    assert done.changes == {"raw": ["{", given.decode()]}
    assert (done.stage, topic.values, quarantine.show(ledger, 1).status) == ("publish", [], "open")


async def test_what_a_mended_event_changes_is_told_value_by_value(ledger, tmp_path):
    quarantine.add(ledger, [refused(value(), code="id-reused")])
    given = {**json.loads(value()), "id": "b", "subject": "2"}
    del given["data"]["died_on"]
    given["data"]["died_on"] = "2026-11-21"
    text = json.dumps(given, ensure_ascii=False, indent=1).encode()
    done = await resubmitter(ledger, tmp_path, Topic()).resubmit(1, text, dry_run=True)
    assert done.changes == {"id": ["a", "b"], "subject": ["1", "2"], "data.died_on": ["2026-11-20", "2026-11-21"]}
    assert (await resubmitter(ledger, tmp_path, Topic()).resubmit(1, text)).changes == done.changes


class Lines:
    """A source of lines `number,day`; its mapper makes a death of each."""

    def again(self, raw, head):
        assert head == b""
        number, day = raw.decode("cp932").strip().split(",")
        return [Row({"番号": number, "日": day}, "a.csv:2", raw)]

    def map(self, row, *, as_of_time):
        changed = {**document("b", died_on=row["日"]), "subject": row["番号"]}
        return event_from(changed, city="moriguchi", now=as_of_time)


async def test_what_a_mended_row_changes_is_told_column_by_column(ledger, tmp_path):
    quarantine.add(ledger, [Entry("intake", "juki", "sabun", "a.csv:2", "wareki", "no date", b"1000009,13\r\n")])
    lines = Lines()
    doing = Resubmitter("moriguchi", tmp_path, ledger, Topic(), "hub.events", lambda *_: (lines, [lines]))
    done = await doing.resubmit(1, b"1000099,2026-11-20", dry_run=True)
    assert done.changes == {"番号": ["1000009", "1000099"], "日": ["13", "2026-11-20"]}
    assert done.items[0]["subject"] == "1000099"
    assert (await doing.resubmit(1, b"1000009,2026-11-20", dry_run=True)).changes == {"日": ["13", "2026-11-20"]}


async def test_who_decided_is_kept(ledger, tmp_path):
    quarantine.add(ledger, [refused(b"{", stage="publish", code="json")])
    decision = Decision("甲", "書き誤り", "cp932")
    given = json.dumps(document("b"), ensure_ascii=True).encode()
    await resubmitter(ledger, tmp_path, Topic()).resubmit(1, given, decision)
    note = json.loads(quarantine.show(ledger, 1).note)
    assert (note["by"], note["reason"], note["replacement"]) == ("甲", "書き誤り", given.decode())


async def test_what_was_closed_by_mistake_is_taken_up_as_if_it_never_was(ledger, tmp_path):
    quarantine.add(ledger, [refused(b"{", stage="publish", code="json")])
    quarantine.discard(ledger, 1, who="甲", why="済み")
    quarantine.reopen(ledger, 1, who="乙", why="番号の誤り")
    topic = Topic()
    await resubmitter(ledger, tmp_path, topic).resubmit(1, json.dumps(document("b")).encode(), Decision("丙"))
    item = quarantine.show(ledger, 1)
    assert (topic.values, item.status, item.kept["by"]) == ([value(document("b"))], "resubmitted", "丙")
    assert [each["what"] for each in item.before] == ["discard", "reopen"]


async def test_another_report_that_is_known_is_not_put_in_its_place(ledger, tmp_path):
    quarantine.add(ledger, [refused(b"{", stage="publish", code="json")])
    number = Names(ledger, "source").number("/systems/juki")
    with ledger.write() as connection:
        connection.execute(dedup.insert().values(id="known", source=number, pos=1, digest=b"12345678", seen=1))
    topic = Topic()
    with pytest.raises(UsageError, match="reported before: juki/known"):
        await resubmitter(ledger, tmp_path, topic).resubmit(1, json.dumps(document("known")).encode())
    assert (topic.values, quarantine.show(ledger, 1).status) == ([], "open")


async def test_while_kafka_is_away_it_stays_open(ledger, tmp_path):
    quarantine.add(ledger, [refused(value())])

    def away():
        raise Unavailable("away")

    with pytest.raises(Unavailable):
        await resubmitter(ledger, tmp_path, Topic(away)).resubmit(1)
    assert quarantine.show(ledger, 1).status == "open"
