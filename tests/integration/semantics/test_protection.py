"""No location of a protected resident reaches a receiver without permission; nothing is lost; dates are kept."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest

from hub.ledger import kept_bytes
from hub.ledger.protected import Register, protect_early
from tests.integration.semantics.world import ADDRESS, OTHER, World

SEND = "send: [name, new_address, household_no, {where: data.new_address.text}], because: 試験"
RULE = "subscribes:\n  - {id: moves, on: [resident.moved, resident.died], " + SEND
SYSTEMS = {
    "plain": RULE + "}",
    "flagged": RULE + ", protected: {mode: without-location, send_flag: true}}",
    "full": RULE + ", protected: {mode: full}}",
    "flag": RULE + ", protected: {mode: flag-only}}",
    "none": RULE + ", protected: {mode: none}}",
    "dated": RULE + ", deliver: on-effective-date}",
}


@pytest.fixture
def world(tmp_path, ledger_url) -> Iterator[World]:
    made = World(tmp_path / "city", ledger_url, SYSTEMS)
    yield made
    made.close()


def test_each_mode_gets_what_it_may(world):
    world.report(
        world.event("resident.protection-started", "1", kind="支援措置"), world.moved(ADDRESS, household_no="7")
    )
    world.deliver()
    told = {name: [each["data"] for each in world.told(name)] for name in SYSTEMS}
    whole = {"name": "守口 太郎", "new_address": ADDRESS, "household_no": "7", "where": ADDRESS["text"]}
    assert told["plain"] == [{"name": "守口 太郎"}]
    assert told["flagged"] == [{"name": "守口 太郎", "protected": True, "do_not_post": True}]
    assert told["full"] == [whole]
    assert told["flag"] == [{"protected": True, "do_not_post": True}]
    assert told["none"] == []
    assert world.statuses("none") == [("e2", "suppressed", "protected")]


def test_those_protected_together_and_nobody_else(world):
    world.report(world.event("resident.protection-started", "1", kind="支援措置", together_with=["2"]))
    world.report(world.moved(ADDRESS, "2"), world.moved(ADDRESS, "3"))
    world.deliver()
    assert ["new_address" in each["data"] for each in world.told("plain")] == [False, True]


def test_an_end_lifts_it_and_time_does_not(world):
    world.report(world.event("resident.protection-started", kind="支援措置", until="2001-01-01"))
    world.report(world.moved(ADDRESS))
    world.deliver()
    world.report(world.event("resident.protection-ended", kind="支援措置"), world.moved(OTHER))
    world.deliver()
    assert ["new_address" in each["data"] for each in world.told("plain")] == [False, True]


def test_a_flag_that_comes_after_the_plan_still_cuts(world):
    world.report(world.moved(ADDRESS))
    protect_early(world.ledger, [("1", "/systems/juki/x")])  # as intake does, before the event is in order
    world.deliver()
    assert [each["data"] for each in world.told("plain")] == [{"name": "守口 太郎"}]


def test_a_correction_and_a_cancel_are_cut_too(world):
    world.report(world.moved(ADDRESS))
    world.deliver()
    world.report(world.event("resident.protection-started", kind="支援措置"))
    world.report(world.event("event.cancelled", event_id="e1"))
    world.deliver()
    assert world.told("plain")[1]["data"] == {"name": "守口 太郎", "restored": {}}
    assert ADDRESS["text"] not in json.dumps(world.told("flag")[1], ensure_ascii=False)


def test_a_cancel_restores_the_flag_of_whom_only_a_flag_is_told(world):
    world.report(world.moved(ADDRESS))
    world.deliver()
    world.report(world.event("resident.protection-started", kind="支援措置"))
    world.report(world.event("event.cancelled", event_id="e1"))
    world.deliver()
    flags = {"protected": True, "do_not_post": True}
    assert world.told("flag")[1]["data"] == {**flags, "restored": flags}
    assert world.told("flagged")[1]["data"] == {"name": "守口 太郎", **flags, "restored": flags}


def test_a_future_date_waits_and_a_later_report_overtakes_it(world):
    world.report(world.moved(ADDRESS, effective_on="2999-04-01"))
    world.deliver()
    assert world.told("dated") == []
    assert world.statuses("dated") == [("e1", "scheduled", None)]
    world.report(world.moved(OTHER))
    world.deliver()
    assert [each["id"] for each in world.told("dated")] == ["e2"]
    assert world.statuses("dated") == [("e1", "superseded", None), ("e2", "delivered", None)]


def test_a_death_cancels_what_is_scheduled(world):
    world.report(world.moved(ADDRESS, effective_on="2999-04-01"))
    world.deliver()
    world.report(world.event("resident.died", name="守口 太郎", died_on="2026-11-19"))
    world.deliver()
    assert world.statuses("dated") == [("e1", "cancelled", "died"), ("e2", "delivered", None)]


def test_a_cancel_of_what_is_scheduled_is_heard_by_nobody(world):
    world.report(world.moved(ADDRESS, effective_on="2999-04-01"))
    world.deliver()
    world.report(world.event("event.cancelled", event_id="e1"))
    world.deliver()
    assert world.told("dated") == []
    assert [status for _, status, _ in world.statuses("dated")] == ["cancelled", "cancelled"]


def protected(world: World) -> list[str]:
    return sorted(Register(world.ledger)(["1", "2"]))


def start(world: World, subject: str = "1", kind: str = "dv", **more: Any) -> dict:
    return world.event("resident.protection-started", subject, kind=kind, **more)


def end(world: World, subject: str = "1", kind: str = "dv", **more: Any) -> dict:
    return world.event("resident.protection-ended", subject, kind=kind, **more)


def test_a_childs_own_protection_outlives_the_parents_cancelled_one(world):
    world.report(start(world, "2"), start(world, "1", together_with=["2"]))
    world.report(world.event("event.cancelled", "1", event_id="e2"))
    assert protected(world) == ["2"]


def test_an_end_ends_its_own_kind_for_all_protected_together(world):
    world.report(start(world, kind="dv", together_with=["2"]), start(world, kind="stalking"))
    world.report(end(world, kind="dv"))
    assert protected(world) == ["1"]


def test_a_late_or_future_end_and_an_old_ones_correction_lift_nothing(world):
    world.report(start(world, sequence=5), end(world, sequence=4))
    assert protected(world) == ["1"]
    world.report(start(world, "2"), end(world, "2", effective_on="2999-01-01"))
    assert protected(world) == ["1", "2"]


def test_correcting_an_old_end_does_not_end_again(world):
    world.report(start(world), end(world), start(world))
    right = {"effective_on": "2026-11-20", "kind": "dv"}
    world.report(world.event("event.corrected", event_id="e2", data=right))
    assert protected(world) == ["1"]


def test_what_intake_heard_holds_until_dispatch_has_that_report(world):
    first, last = start(world), end(world)
    again = start(world)
    mark = ("1", f"/systems/juki/{again['id']}")
    world.report(first)
    protect_early(world.ledger, [mark])
    world.report(last)
    assert protected(world) == ["1"]
    world.report(again, end(world))
    assert protected(world) == []
    protect_early(world.ledger, [mark])  # the old file is read again
    world.report(again)
    assert protected(world) == []


def test_what_is_shown_is_cut_too(world):
    world.report(world.moved(ADDRESS))
    world.deliver()
    world.report(start(world))
    shown = world.inquiry.event("e1")["deliveries"]
    assert ADDRESS["text"] not in json.dumps(shown, ensure_ascii=False)
    withheld = {each["system"]: each["withheld"] for each in shown}
    assert withheld["full"] == ["new_address", "where"]  # also where the rule says full
    assert withheld["flag"] == ["name", "new_address", "where"]
    assert [each["data"]["new_address"] for each in world.told("full")] == [ADDRESS]
    world.report(end(world))
    (full,) = (each for each in world.inquiry.event("e1")["deliveries"] if each["system"] == "full")
    assert (full["payload"]["data"]["new_address"], "withheld" in full) == (ADDRESS, False)


def test_where_a_protected_resident_lives_now_is_not_shown_either(world):
    right = {"effective_on": "2026-11-20", "name": "守口 次郎", "old_address": OTHER, "new_address": OTHER}
    world.report(world.event("resident.protection-started", kind="支援措置"), world.moved(ADDRESS))
    world.report(world.event("event.corrected", event_id="e2", data=right))
    shown = world.inquiry.event("e2")
    assert shown["stands"] == {"effective_on": "2026-11-20", "name": "守口 次郎"}
    assert set(shown["withheld"]) == {"old_address", "new_address"}
    assert world.inquiry.event("e2", by="juki")["stands"] is None


def test_the_bytes_of_a_protected_residents_event_are_not_shown_whatever_it_says(world):
    world.report(world.event("resident.died", name="守口 花子", died_on="2026-11-19"))
    with world.ledger.write() as connection:
        kept_bytes.keep(connection, "juki", "main", [("e1", ADDRESS["text"].encode())], 0)
    assert base64.b64decode(world.inquiry.event("e1")["source_bytes"]).decode() == ADDRESS["text"]
    world.report(world.event("resident.protection-started", kind="支援措置"))
    assert "source_bytes" not in world.inquiry.event("e1")
    assert "source_bytes" in world.inquiry.event("e1", by="juki")


def test_a_system_is_not_told_what_others_said_of_its_own_report(world):
    world.report(
        world.event("resident.died", system="koseki", name="守口 花子", died_on="2026-11-19"),
        world.event("resident.died", system="juki", name="守口 花子", died_on="2026-11-19", address=ADDRESS),
    )
    assert world.inquiry.event("e1")["stands"]["address"] == ADDRESS
    assert ADDRESS["text"] not in json.dumps(world.inquiry.event("e1", by="koseki"), ensure_ascii=False)


def test_a_cancel_also_ends_the_correction_that_took_a_scheduled_ones_place(world):
    world.report(world.moved(ADDRESS, effective_on="2999-04-01"))
    right = {"effective_on": "2999-04-01", "name": "守口 太郎", "old_address": OTHER, "new_address": OTHER}
    world.report(world.event("event.corrected", event_id="e1", data=right))
    world.deliver()
    assert [status for _, status, _ in world.statuses("dated")] == ["superseded", "scheduled"]
    world.report(world.event("event.cancelled", event_id="e1"))
    world.deliver()
    assert [status for _, status, _ in world.statuses("dated")][:2] == ["superseded", "cancelled"]
