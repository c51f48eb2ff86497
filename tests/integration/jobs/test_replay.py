"""Replay: the same key for what never succeeded, a new one for what did; in order, superseded when overtaken."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from hub.adapters.contract import Outcome
from hub.errors import Malformed, NotFound, OutcomeUnknown, Rejected, Transient, UsageError
from hub.ledger import pauses
from hub.stages.inquiry import DeliveryFilter
from hub.stages.morning import morning
from tests.integration.jobs.town import Town
from tests.integration.semantics.world import ADDRESS, OTHER

RULE = """subscribes:
  - {id: moves, on: resident.moved, send: [name, new_address], because: 試験}
  - {id: deaths, on: resident.died, send: [name, died_on], because: 試験}"""


@pytest.fixture
def town(tmp_path, ledger_url) -> Iterator[Town]:
    made = Town(tmp_path / "city", ledger_url, {"suido": RULE, "zei": RULE})
    yield made
    made.close()


def test_a_dead_letter_is_tried_again_under_its_key_and_its_error_stays(town):
    town.desks["suido"].error = Rejected("漢字が違う", code="kanji")
    town.report(town.moved(ADDRESS))
    town.deliver()
    town.desks["suido"].error = None
    number = town.do(town.replay(systems=("suido",), statuses=("dead",)))
    assert town.job(number).status == "running"
    town.deliver()
    assert town.desks["suido"].keys == ["juki/e1:suido.main:0"]
    assert town.desks["zei"].keys == ["juki/e1:zei.main:0"]
    shown = town.inquiry.delivery("juki/e1:suido.main:0")
    assert (shown["status"], shown["attempts"]) == ("delivered", 2)
    assert [each["code"] for each in shown["log"]] == ["kanji"]
    job = town.job(number)
    assert (job.status, job.results, job.delivered) == ("done", {"queued": 1}, {"delivered": 1})


def test_a_retry_that_fails_again_is_dead_again_with_both_errors(town):
    town.desks["suido"].error = Rejected("一", code="first")
    town.report(town.moved(ADDRESS))
    town.deliver()
    town.desks["suido"].error = Rejected("二", code="second")
    town.do(town.replay(statuses=("dead",)))
    town.deliver()
    shown = town.inquiry.delivery("juki/e1:suido.main:0")
    assert shown["status"] == "dead"
    assert [each["code"] for each in shown["log"]] == ["first", "second"]


def test_what_succeeded_gets_a_new_key_and_nobody_else_hears_of_it(town):
    town.report(town.moved(ADDRESS))
    town.deliver()
    number = town.do(town.replay("juki/e1:suido.main:0"))
    town.deliver()
    assert town.desks["suido"].keys == ["juki/e1:suido.main:0", f"juki/e1:suido.main:{number}"]
    assert len(town.desks["zei"].taken) == 1
    items = town.inquiry.event("e1")["deliveries"]
    assert [each["id"] for each in items if each["system"] == "suido"] == [
        "juki/e1:suido.main:0",
        f"juki/e1:suido.main:{number}",
    ]
    assert town.inquiry.delivery(f"juki/e1:suido.main:{number}")["status"] == "delivered"


def test_what_was_overtaken_is_superseded_in_preview_and_result(town):
    suido = town.desks["suido"]
    suido.error, suido.refused = Rejected("不可", code="no"), {"1", "2"}
    town.report(town.moved(OTHER, "1"), town.moved(OTHER, "2"))
    town.deliver()
    suido.error = None
    town.report(town.moved(ADDRESS, "1"))
    town.deliver()
    plan = town.replay(systems=("suido",), statuses=("dead",))
    assert dict(plan.counts) == {"superseded": 1, "retry": 1}
    number = town.do(plan)
    town.deliver()
    assert suido.ids == ["e3", "e2"]
    assert town.job(number).results == {"queued": 1, "superseded": 1}
    assert town.inquiry.delivery("juki/e1:suido.main:0")["status"] == "superseded"
    town.do(town.replay("juki/e1:suido.main:0", even_if_stale=True))
    town.deliver()
    assert suido.ids == ["e3", "e2", "e1"]


def test_a_delivered_cancel_overtakes_what_it_cancels(town):
    suido = town.desks["suido"]
    suido.error = Rejected("不可", code="no")
    town.report(town.moved(OTHER))
    town.deliver()
    suido.error = None
    town.report(town.event("event.cancelled", event_id="e1"))
    town.deliver()
    town.do(town.replay(systems=("suido",), statuses=("dead",)))
    town.deliver()
    assert [each["action"] for each in suido.taken] == ["cancel"]


def test_a_retry_goes_before_what_waits_for_the_same_resident(town):
    suido = town.desks["suido"]
    suido.error = Rejected("不可", code="no")
    town.report(town.moved(OTHER))
    town.deliver()
    suido.error = Transient("混雑", reached=True, retry_after=3600)
    town.report(town.moved(ADDRESS))
    town.deliver()
    suido.error = None
    town.do(town.replay(systems=("suido",)))
    town.deliver()
    assert suido.ids == ["e1", "e2"]


def test_an_edit_is_checked_sent_and_kept_beside_the_original(town):
    town.desks["suido"].error = Rejected("漢字が違う", code="kanji")
    town.report(town.moved(ADDRESS))
    town.deliver()
    town.desks["suido"].error = None
    with pytest.raises(Malformed, match="died_on is not sent"):
        town.replay("juki/e1:suido.main:0", edit={"died_on": "2026-11-01"})
    with pytest.raises(Malformed):
        town.replay("juki/e1:suido.main:0", edit={"new_address": "番地"})
    plan = town.replay("juki/e1:suido.main:0", edit={"name": "守口 次郎"})
    assert plan.items[0]["changes"] == {"name": ["守口 太郎", "守口 次郎"]}
    town.do(plan, by="甲", reason="外字")
    town.deliver()
    assert town.desks["suido"].taken[0]["data"] == {"name": "守口 次郎", "new_address": ADDRESS}
    assert town.inquiry.delivery("juki/e1:suido.main:0")["payload"]["data"]["name"] == "守口 次郎"
    assert town.inquiry.event("e1")["event"]["data"]["name"] == "守口 太郎"


def test_a_whole_payload_as_it_is_shown_keeps_what_is_not_shown(tmp_path, ledger_url):
    rule = "subscribes: [{id: moves, on: resident.moved, send: [name, new_address], because: 試験, protected: %s}]"
    town = Town(tmp_path / "city", ledger_url, {"suido": rule % "{mode: full, send_flag: true}"})
    suido = town.desks["suido"]
    town.report(town.moved(OTHER), town.event("resident.protection-started", kind="DV"), town.moved(ADDRESS, id_="e9"))
    town.deliver()
    town.report(town.event("event.cancelled", event_id="e9"), town.moved(ADDRESS, id_="e8"))
    suido.error = Rejected("漢字が違う", code="kanji")
    town.deliver()
    suido.error = None
    for item in reversed(town.inquiry.deliveries(DeliveryFilter(statuses=("dead",)))["items"]):
        shown = item["payload"]
        assert ADDRESS["text"] not in str(shown)
        assert item["withheld"] == ["new_address"]
        shown["data"]["name"] = "守口 次郎"
        plan = town.replay(item["id"], edit=shown)
        assert plan.items[0]["changes"] == {"name": ["守口 太郎", "守口 次郎"]}
        town.do(plan)
        town.deliver()
        flags = {"protected": True, "do_not_post": True}
        right = {"name": "守口 次郎", "new_address": ADDRESS, **flags}
        assert {name: suido.taken[-1]["data"][name] for name in right} == right
    assert suido.taken[-2]["data"]["restored"] == {**right, "name": "守口 太郎", "new_address": OTHER}
    plan = town.replay("juki/e8:suido.main:0", edit={"new_address": OTHER}, even_if_stale=True)
    assert (plan.items[0]["withheld"], "changes" in plan.items[0]) == (["new_address"], False)
    town.close()


def test_an_edited_payload_is_cut_for_a_protected_resident(town):
    town.report(town.moved(ADDRESS))
    town.deliver()
    town.report(town.event("resident.protection-started", kind="支援措置"))
    town.do(town.replay("juki/e1:suido.main:0", edit={"new_address": OTHER, "name": "守口 次郎"}))
    town.deliver()
    assert town.desks["suido"].taken[1]["data"] == {"name": "守口 次郎"}


def test_todays_rules_project_anew(town):
    town.report(town.moved(ADDRESS))
    town.deliver()
    path = town.folder / "systems" / "suido.yaml"
    path.write_text(path.read_text().replace("send: [name, new_address]", "send: [{who: data.name}]"))
    town.renew()
    town.do(town.replay("juki/e1:suido.main:0"))
    town.do(town.replay("juki/e1:suido.main:0", now=True))
    town.deliver()
    assert [each["data"] for each in town.desks["suido"].taken[1:]] == [
        {"name": "守口 太郎", "new_address": ADDRESS},
        {"who": "守口 太郎"},
    ]


def test_outward_receivers_are_left_out_unless_asked_for(town):
    town.report(town.moved(ADDRESS))
    town.deliver()
    path = town.folder / "systems" / "suido.yaml"
    path.write_text(path.read_text().replace("suido.jsonl}", "suido.jsonl, effects: outward}"))
    town.renew()
    plan = town.replay(resident="1")
    assert (dict(plan.counts), dict(plan.left_out)) == ({"resend": 1}, {"outward": 1})
    assert town.replay(resident="1", include_outward=True).counts == {"resend": 2}


def test_which_must_be_said_and_be_there(town):
    with pytest.raises(UsageError):
        town.replay()
    with pytest.raises(NotFound):
        town.replay("juki/e9:suido.main:0")


def test_a_person_decides_on_what_is_unknown(tmp_path, ledger_url):
    town = Town(tmp_path / "city", ledger_url, {"suido": RULE}, idempotent=False)
    town.desks["suido"].error = OutcomeUnknown("時間切れ", code="timeout")
    town.report(town.moved(ADDRESS, "1"), town.moved(ADDRESS, "2"), town.moved(ADDRESS, "3"))
    town.deliver()
    assert {status for _, status, _ in town.statuses("suido")} == {"unknown"}
    town.desks["suido"].error = None
    assert town.replay(systems=("suido",)).orders == []
    town.do(town.foreman.decide("confirm", ["juki/e1:suido.main:0"]), by="甲", reason="電話で確認")
    town.do(town.foreman.decide("drop", ["juki/e2:suido.main:0"]))
    town.do(town.replay("juki/e3:suido.main:0"))
    town.deliver()
    assert town.desks["suido"].ids == ["e3"]
    assert [status for _, status, _ in town.statuses("suido")] == ["delivered", "cancelled", "delivered"]
    assert town.inquiry.delivery("juki/e1:suido.main:0")["log"][-1]["message"] == "甲: 電話で確認"
    town.close()


def test_a_decision_that_would_change_nothing_is_refused_and_says_what_would(tmp_path, ledger_url):
    asks = RULE.replace("send: [name, new_address]", "when: facts.resident.kana == 'x', unknown: ask, send: [name]")
    town = Town(tmp_path / "city", ledger_url, {"suido": RULE, "zei": asks}, idempotent=False)
    town.desks["suido"].error = OutcomeUnknown("時間切れ", code="timeout")
    town.report(town.moved(ADDRESS))
    town.deliver()
    unknown, held = "juki/e1:suido.main:0", "juki/e1:zei.main:0"
    for what, key, instead in (
        ("release", unknown, f"hub deliveries confirm {unknown}"),
        ("confirm", held, f"hub deliveries show {held}"),
    ):
        with pytest.raises(UsageError, match=f"`{what}` would change nothing") as refused:
            town.foreman.decide(what, [key])
        assert refused.value.code == "undecidable"
        assert instead in refused.value.mend
    town.desks["suido"].error = None
    town.do(town.foreman.decide("confirm", [unknown]))
    town.do(town.foreman.decide("release", [held]))
    town.deliver()
    for what in ("release", "drop", "confirm"):
        with pytest.raises(UsageError, match=f"is delivered: `{what}` would change nothing"):
            town.foreman.decide(what, [unknown])
    town.close()


def test_what_a_person_lets_go_again_is_asked_for_first(tmp_path, ledger_url):
    town = Town(tmp_path / "city", ledger_url, {"suido": RULE}, idempotent=False)
    desk = town.desks["suido"]
    desk.features = replace(desk.features, confirms=True)
    desk.error = OutcomeUnknown("時間切れ", code="timeout")
    town.report(town.moved(ADDRESS, "1"), town.moved(ADDRESS, "2"), town.moved(ADDRESS, "3"))
    town.deliver()
    desk.error = None
    came = "juki/e1:suido.main:0"
    desk.truth = {came: Outcome(came), "juki/e2:suido.main:0": Outcome("", Transient("未着"))}
    town.do(town.replay(came, "juki/e2:suido.main:0", "juki/e3:suido.main:0"))
    town.deliver()
    assert desk.ids == ["e2", "e3"]
    assert {status for _, status, _ in town.statuses("suido")} == {"delivered"}
    town.close()


@pytest.mark.parametrize("fault", [Transient("不通"), KeyError("no such method")], ids=["away", "nameless"])
def test_a_question_that_fails_holds_up_nobody_and_loses_nothing(tmp_path, ledger_url, fault):
    class Answers(dict):
        asked = 0

        def get(self, key):
            self.asked += 1
            if self.asked == 1:
                raise fault
            return super().get(key)

    town = Town(tmp_path / "city", ledger_url, {"suido": RULE}, idempotent=False)
    desk = town.desks["suido"]
    desk.features = replace(desk.features, confirms=True)
    desk.error = OutcomeUnknown("時間切れ", code="timeout")
    town.report(town.moved(ADDRESS, "1"))
    town.deliver()
    desk.error = None
    came = "juki/e1:suido.main:0"
    desk.truth = Answers({came: Outcome(came)})
    town.do(town.replay(came))
    town.report(town.moved(ADDRESS, "2"), town.moved(ADDRESS, "3"))
    town.deliver(until=lambda: sorted(desk.ids) == ["e2", "e3"])
    first, *others = [status for _, status, _ in town.statuses("suido")]
    assert first in {"waiting", "delivered"}  # asked again after its delay, and never sent
    assert others == ["delivered", "delivered"]
    town.close()


def test_decisions_are_carried_out_while_the_receiver_is_shut(tmp_path, ledger_url):
    town = Town(tmp_path / "city", ledger_url, {"suido": RULE}, idempotent=False)
    town.desks["suido"].error = OutcomeUnknown("時間切れ", code="timeout")
    town.report(town.moved(ADDRESS, "1"), town.moved(ADDRESS, "2"))
    town.deliver()
    town.desks["suido"].error = None
    pauses.pause(town.ledger, "suido", reason="入替作業", by="tester")
    number = town.do(town.foreman.decide("drop", ["juki/e1:suido.main:0"]))
    town.report(town.moved(ADDRESS, "3"))
    town.deliver(until=lambda: town.job(number).status == "done")
    assert [status for _, status, _ in town.statuses("suido")] == ["cancelled", "unknown", "held"]
    pauses.resume(town.ledger, "suido")
    town.deliver()
    assert town.desks["suido"].ids == ["e3"]
    assert town.inquiry.status()["receivers"][0]["held"] is None
    town.close()


def test_what_a_shut_receiver_has_not_read_yet_can_be_dropped(town):
    pauses.pause(town.ledger, "suido", reason="入替作業", by="tester")
    town.report(town.moved(ADDRESS, "1"), town.moved(ADDRESS, "2"), town.moved(ADDRESS, "1"))
    number = town.do(town.foreman.decide("drop", ["juki/e1:suido.main:0"]))
    town.deliver(until=lambda: town.job(number).status == "done")
    assert [status for _, status, _ in town.statuses("suido")] == ["cancelled", "held", "held"]
    again = town.do(town.foreman.decide("drop", ["juki/e1:suido.main:0"]))
    town.deliver(until=lambda: town.job(again).results == {"cancelled": 1})  # by another owner, and nothing more
    pauses.resume(town.ledger, "suido")
    town.deliver()
    assert town.desks["suido"].ids == ["e2", "e3"]
    assert [status for _, status, _ in town.statuses("suido")] == ["cancelled", "delivered", "delivered"]


def test_dead_is_what_nobody_has_sent_again_or_dropped(town):
    def dead() -> tuple[int, int]:
        (shown,) = (each["dead"] for each in town.inquiry.status()["receivers"] if each["system"] == "suido")
        return shown, sum(each["count"] for each in morning(town.ledger) if each["kind"] == "dead")

    suido = town.desks["suido"]
    suido.error = Rejected("不可", code="no")
    town.report(town.moved(ADDRESS, "1"), town.moved(ADDRESS, "2"), town.moved(ADDRESS, "3"))
    town.deliver()
    assert dead() == (3, 3)
    town.do(town.foreman.decide("drop", ["juki/e1:suido.main:0"]))
    suido.error = None
    town.do(town.replay("juki/e2:suido.main:0"))
    town.deliver()
    assert dead() == (1, 1)
    pauses.pause(town.ledger, "suido", reason="入替作業", by="tester")
    town.do(town.replay("juki/e3:suido.main:0"))
    town.deliver(until=lambda: town.statuses("suido")[2][1] != "dead")
    assert dead() == (0, 0)


def test_a_held_delivery_is_released(tmp_path, ledger_url):
    asks = RULE.replace("send: [name, new_address]", "when: facts.resident.kana == 'x', unknown: ask, send: [name]")
    town = Town(tmp_path / "city", ledger_url, {"suido": asks})
    town.report(town.moved(ADDRESS))
    town.deliver()
    assert town.statuses("suido") == [("e1", "held", "ask")]
    town.do(town.foreman.decide("release", ["juki/e1:suido.main:0"]))
    town.deliver()
    assert town.desks["suido"].ids == ["e1"]
    town.close()


def test_ten_thousand_dead_letters(town):
    town.desks["suido"].error = Rejected("停止中", code="closed")
    for start in range(0, 10_000, 1000):
        town.report(*(town.moved(ADDRESS, str(n)) for n in range(start, start + 1000)))
    town.deliver()
    town.desks["suido"].error = None
    plan = town.replay(systems=("suido",), statuses=("dead",))
    number = town.do(plan)
    assert town.job(number).open == 10_000
    town.deliver()
    job = town.job(number)
    assert plan.counts == {"retry": 10_000}
    assert (job.status, job.delivered) == ("done", {"delivered": 10_000})
    assert len(town.desks["suido"].taken) == len(set(town.desks["suido"].keys)) == 10_000
