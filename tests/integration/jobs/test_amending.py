"""Taking back and putting right: one event, a batch of 500, with a preview that is the result."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence

import pytest

from hub.errors import Malformed, NotFound, Rejected, Unavailable, UsageError
from hub.ledger import jobs
from hub.ledger.views import EventFilter
from hub.stages import amending
from hub.stages.amending import publish_open
from tests.integration.jobs.town import Town
from tests.integration.semantics.world import ADDRESS, OTHER

RULE = """subscribes:
  - {id: moves, on: resident.moved, send: [name, new_address], because: 試験}"""
NEAR = RULE.replace("send:", "when: data.new_address.text.contains('大宮'), send:")


class Topic:
    """Kafka for a town: hands on what it gets, and can be away after so many records."""

    def __init__(self, town: Town, *, enough: int | None = None) -> None:
        self.town = town
        self.enough = enough
        self.published: list[dict] = []

    async def publish(self, _topic: str, records: Sequence[tuple[bytes, bytes]], _headers: object) -> None:
        events = [json.loads(value) for _, value in records]
        self.town.report(*events[: self.enough])
        self.published += events[: self.enough]
        if self.enough is not None:
            raise Unavailable("Kafka is away", code="broker")


@pytest.fixture
def town(tmp_path, ledger_url) -> Iterator[Town]:
    hub = "approval: {cancel: {above: 600}, correct: {above: 0}}\n"
    made = Town(tmp_path / "city", ledger_url, {"suido": RULE, "zei": NEAR}, hub)
    yield made
    made.close()


def publish(town: Town, topic: Topic | None = None) -> int:
    async def mine() -> bool:
        return jobs.claim(town.ledger, "here")

    return asyncio.run(publish_open(town.ledger, topic or Topic(town), "hub.events", "moriguchi", mine))


def test_one_event_is_taken_back_from_whoever_was_told(town):
    town.report(town.moved(ADDRESS))
    town.deliver()
    plan = town.foreman.cancel(EventFilter(), ["juki/e1"])
    assert plan.items == [{"what": "cancel", "event": "juki/e1", "type": "resident.moved", "told": ["suido.main"]}]
    number = town.do(plan, reason="別人")
    assert publish(town) == 1
    town.deliver()
    assert [each["action"] for each in town.desks["suido"].taken] == ["new", "cancel"]
    assert town.desks["suido"].taken[1]["corrects"] == "juki/e1"
    assert town.desks["zei"].taken == []
    assert (town.job(number).status, town.job(number).results) == ("done", {"published": 1})
    again = town.foreman.cancel(EventFilter(), ["e1"])
    assert (again.orders, dict(again.left_out)) == ([], {"cancelled before": 1})


def test_a_batch_of_five_hundred_survives_a_crash_between_kafka_and_the_ledger(town):
    events = [{**town.moved(OTHER, str(n)), "batchid": "file-1"} for n in range(500)]
    town.report(*events)
    town.report(town.moved(OTHER, "9999"))
    town.deliver()
    plan = town.foreman.cancel(EventFilter(batch="file-1"))
    assert dict(plan.counts) == {"cancel": 500}
    assert dict(plan.receivers) == {"suido.main": 500, "zei.main": 500}
    number = town.do(plan)
    topic = Topic(town, enough=300)
    with pytest.raises(Unavailable):
        publish(town, topic)
    assert town.job(number).open == 500
    topic.enough = None
    publish(town, topic)
    town.deliver()
    for desk in town.desks.values():
        assert sum(each["action"] == "cancel" for each in desk.taken) == 500
        assert len(desk.keys) == len(set(desk.keys)) == 1001
    assert (town.job(number).status, town.job(number).results) == ("done", {"published": 500})
    assert {each["batchid"] for each in topic.published} == {f"job-{number}"}
    assert (len(topic.published), len({each["id"] for each in topic.published})) == (800, 500)


def test_a_correction_reaches_who_was_told_and_whom_it_concerns(town):
    town.report(town.moved(ADDRESS))
    town.deliver()
    right = {**town.foreman.values("e1"), "new_address": OTHER}
    plan = town.foreman.correct("e1", right)
    assert plan.approval
    assert plan.items[0]["told"] == ["suido.main", "zei.main"]
    assert plan.items[0]["changes"] == {"new_address": [ADDRESS, OTHER]}
    plan.approval = False
    town.do(plan)
    publish(town)
    town.deliver()
    assert [(t["action"], t["data"]["new_address"]) for t in town.desks["suido"].taken] == [
        ("new", ADDRESS),
        ("correct", OTHER),
    ]
    assert [each["action"] for each in town.desks["zei"].taken] == ["new"]


def test_a_batch_is_put_right_and_the_rest_is_left_alone(town):
    events = [{**town.moved(ADDRESS, str(n % 300)), "batchid": "file-1"} for n in range(600)]
    town.report(*events, {**town.moved(OTHER, "8"), "batchid": "file-1"}, town.moved(ADDRESS, "9999"))
    town.deliver()
    taken_back = town.foreman.cancel(EventFilter(), ["e2"])
    town.do(taken_back)
    publish(town)
    town.deliver()
    plan = town.foreman.correct_all(EventFilter(batch="file-1"), [], {"new_address": OTHER})
    assert dict(plan.counts) == {"correct": 599}
    assert dict(plan.left_out) == {"cancelled before": 1, "right already": 1}
    assert plan.approval  # more than one person may correct alone
    assert all(each["changes"] == {"new_address": [ADDRESS, OTHER]} for each in plan.items)
    told = dict(plan.receivers)
    plan.approval = False
    before = {name: len(desk.taken) for name, desk in town.desks.items()}
    number = town.do(plan, reason="住所の誤り")
    topic = Topic(town, enough=300)
    with pytest.raises(Unavailable):
        publish(town, topic)
    topic.enough = None
    publish(town, topic)
    town.deliver()
    assert {f"{name}.main": len(desk.taken) - before[name] for name, desk in town.desks.items()} == told
    right = town.desks["suido"].taken[before["suido"] :]
    assert {(each["action"], each["data"]["new_address"]["text"]) for each in right} == {("correct", OTHER["text"])}
    assert (town.job(number).status, town.job(number).results) == ("done", {"published": 599})
    again = town.foreman.correct_all(EventFilter(batch="file-1"), [], {"new_address": OTHER})
    assert (again.orders, again.left_out["right already"]) == ([], 600)
    alone = town.foreman.correct("e1", town.foreman.values("e1"))
    assert (alone.orders, dict(alone.left_out)) == ([], {"right already": 1})


def test_the_preview_is_the_same_however_many_are_read_at_one_time(tmp_path, ledger_url, monkeypatch):
    hub = "authority: {resident.moved: [koseki, juki]}\n"
    town = Town(tmp_path / "city", ledger_url, {"suido": RULE, "zei": NEAR}, hub)
    town.report(town.moved(ADDRESS), {**town.moved(ADDRESS), "source": "/systems/koseki", "id": "k1"})
    town.deliver()
    wanted, right = EventFilter(types=("resident.moved",)), {"new_address": OTHER}
    whole = town.foreman.correct_all(wanted, [], right)
    monkeypatch.setattr(amending, "AT_ONCE", 1)
    by_parts = town.foreman.correct_all(wanted, [], right)
    town.close()
    assert by_parts.items == whole.items
    assert [(each["event"], len(each["told"])) for each in whole.items] == [("juki/e1", 2), ("koseki/k1", 0)]


def test_nothing_of_a_batch_is_put_right_when_one_event_cannot_be(town):
    town.report(town.moved(ADDRESS, "1"), town.moved(ADDRESS, "2"))
    with pytest.raises(Malformed, match="juki/e1") as refused:
        town.foreman.correct_all(EventFilter(types=("resident.moved",)), [], {"died_on": "2026-04-01"})
    assert "died_on" in str(refused.value)
    with pytest.raises(UsageError):
        town.foreman.correct_all(EventFilter(), [], {"new_address": OTHER})


def test_the_wrong_person_is_one_command_and_both_events_name_each_other(town):
    """Cancelled under the one, reported anew under the other, so each system hears what concerns it."""
    town.report(town.moved(OTHER, "1"), town.moved(ADDRESS, "2"))
    town.deliver()
    plan = town.foreman.move("e1", "2", town.foreman.values("e1"))
    assert plan.items == [
        {"what": "cancel", "event": "juki/e1", "type": "resident.moved", "told": ["suido.main", "zei.main"]},
        {
            "what": "report",
            "event": "juki/e1",
            "type": "resident.moved",
            "told": ["suido.main", "zei.main"],
            "changes": {"subject": ["1", "2"]},
            "known": True,
        },
    ]
    assert plan.approval  # of one event, where none may be corrected by one person alone
    plan.approval = False
    town.do(plan, reason="別人")
    topic = Topic(town)
    assert publish(town, topic) == 2
    town.deliver()
    assert [(each["subject"], each["action"]) for each in town.desks["zei"].taken] == [
        ("1", "new"),
        ("1", "cancel"),
        ("2", "new"),
    ]
    right = topic.published[1]
    assert (right["subject"], right["source"], right["data"]) == ("2", "/systems/juki", town.moved(OTHER)["data"])
    wrong, instead = town.inquiry.event("juki/e1"), town.inquiry.event(right["id"])
    assert (wrong["replaced_by"], wrong["replaces"]) == (f"juki/{right['id']}", None)
    assert (instead["replaces"], instead["replaced_by"], instead["corrects"]) == ("juki/e1", None, None)
    again = town.foreman.move("e1", "2", town.foreman.values("e1"))
    assert (again.orders, dict(again.left_out)) == ([], {"cancelled before": 1})


def test_what_was_cancelled_by_mistake_is_reported_anew_once(town):
    town.report(town.moved(OTHER, "1"))
    town.deliver()
    assert dict(town.foreman.again("e1", town.foreman.values("e1")).left_out) == {"not cancelled": 1}
    town.do(town.foreman.cancel(EventFilter(), ["e1"]), reason="別人")
    topic = Topic(town)
    publish(town, topic)
    town.deliver()
    cancelled = topic.published[0]["id"]
    assert dict(town.foreman.again(cancelled, {}).left_out) == {"a correction itself": 1}
    plan = town.foreman.again("e1", town.foreman.values("e1"))
    told = ["suido.main", "zei.main"]
    assert plan.items == [{"what": "again", "event": "juki/e1", "type": "resident.moved", "told": told}]
    assert plan.approval  # of one event, where none may be corrected by one person alone
    plan.approval = False
    town.do(plan, reason="取消しの誤り")
    town.do(plan, reason="取消しの誤り")  # by two people at once
    assert publish(town, topic) == 2
    town.deliver()
    assert [each["action"] for each in town.desks["zei"].taken] == ["new", "cancel", "new"]
    again = town.inquiry.event(topic.published[1]["id"])
    assert (again["seen"], again["event"]["data"], again["replaces"]) == (2, town.moved(OTHER)["data"], None)
    late = town.foreman.again("e1", town.foreman.values("e1"))
    assert (late.orders, dict(late.left_out)) == ([], {"reported again before": 1})
    assert dict(town.foreman.again(again["event"]["id"], {}).left_out) == {"not cancelled": 1}


def test_who_would_be_told_of_a_report_is_judged_by_what_is_known(tmp_path, ledger_url):
    insured = RULE.replace("send:", "when: facts.insurance.kokuho.active, send:")
    town = Town(tmp_path / "city", ledger_url, {"suido": insured})
    town.report(town.event("insurance.enrolled", "2", scheme="kokuho"), {**town.moved(ADDRESS, "1"), "id": "wrong"})
    told = town.foreman.move("wrong", "2", town.foreman.values("wrong")).items[1]["told"]
    town.close()
    assert told == ["suido.main"]


def test_a_cancellation_is_not_overtaken_by_what_the_right_person_is_told(town):
    town.report(town.moved(OTHER, "1"))
    town.deliver()
    town.do(town.foreman.cancel(EventFilter(), ["e1"]))
    town.desks["suido"].error = Rejected("不可", code="no")
    publish(town)
    town.deliver()
    town.desks["suido"].error = None
    town.report({**town.moved(OTHER, "2"), "hubreplaces": "e1"})
    town.deliver()
    town.do(town.replay(systems=("suido",), statuses=("dead",)))
    town.deliver()
    assert [each["action"] for each in town.desks["suido"].taken] == ["new", "new", "cancel"]


def test_the_wrong_person_with_right_values_or_a_number_nobody_knows(town):
    town.report(town.moved(ADDRESS, "1"))
    town.deliver()
    plan = town.foreman.move("e1", "3", {**town.foreman.values("e1"), "new_address": OTHER})
    assert [each["told"] for each in plan.items] == [["suido.main"], ["suido.main", "zei.main"]]
    assert plan.items[1]["known"] is False
    with pytest.raises(UsageError):
        town.foreman.move("e1", "1", town.foreman.values("e1"))
    with pytest.raises(Malformed):
        town.foreman.move("e1", "3", {"name": "守口 太郎"})


def test_wrong_values_and_unknown_events_are_refused(town):
    town.report(town.moved(ADDRESS))
    with pytest.raises(Malformed):
        town.foreman.correct("e1", {"name": "守口 太郎"})
    with pytest.raises(NotFound):
        town.foreman.cancel(EventFilter(), ["e9"])
    with pytest.raises(UsageError):
        town.foreman.cancel(EventFilter())


def test_above_the_limit_nothing_is_published_until_another_person_approves(town):
    town.report(*(town.moved(ADDRESS, str(n)) for n in range(601)))
    plan = town.foreman.cancel(EventFilter(types=("resident.moved",)))
    assert plan.approval
    number = town.do(plan)
    assert publish(town) == 0
    assert town.job(number).status == "approval"


def test_one_process_at_a_time_publishes_for_jobs(town):
    assert jobs.claim(town.ledger, "here")
    assert jobs.claim(town.ledger, "here")
    assert not jobs.claim(town.ledger, "there")
    assert jobs.claim(town.ledger, "here", 0)
    assert jobs.claim(town.ledger, "there")
