"""No location of a protected resident reaches a receiver without permission; nothing is lost; dates are kept."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from hub.ledger.protected import protect_early
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
    protect_early(world.ledger, ["1"])  # as intake does, before the event is in order
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
    assert world.statuses("dated") == [("e1", "cancelled", None), ("e2", "delivered", None)]


def test_a_cancel_of_what_is_scheduled_is_heard_by_nobody(world):
    world.report(world.moved(ADDRESS, effective_on="2999-04-01"))
    world.deliver()
    world.report(world.event("event.cancelled", event_id="e1"))
    world.deliver()
    assert world.told("dated") == []
    assert [status for _, status, _ in world.statuses("dated")] == ["cancelled", "cancelled"]
