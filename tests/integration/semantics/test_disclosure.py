"""What a disclosure and an explanation say of a protected resident is what was sent, or rather too much than less."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from hub.ledger.protected import Discretion
from hub.stages import guarded
from hub.stages.inquiry import Inquiry
from hub.stages.timeline import Timeline
from tests.integration.semantics.world import ADDRESS, OTHER, World

RULE = """protected: {{mode: {}}}
subscribes:
  - {{id: moves, on: resident.moved, send: [name, new_address], because: 試験}}"""
FLAGGED = RULE.format("without-location, send_flag: true")


@pytest.fixture
def world(tmp_path, ledger_url, monkeypatch) -> Iterator[World]:
    monkeypatch.setattr(guarded, "SETTLED", 0)
    made = World(tmp_path / "city", ledger_url, {"kaigo": FLAGGED, "seiho": RULE.format("full")})
    yield made
    made.close()


def tell(world: World, *events: dict) -> None:
    world.report(*events)
    world.deliver()


def protect(world: World, **more: Any) -> dict:
    return world.event("resident.protection-started", kind="dv", **more)


def disclosed(world: World, subject: str = "1") -> dict[str, tuple[list[str], list[str], int]]:
    items = Timeline(world.ledger, world.book, world.city).disclosure(subject)["items"]
    return {each["system"]: (each["fields"], each["withheld"], each["deliveries"]) for each in items}


WHOLE = ["name", "new_address"]
CUT = ["do_not_post", "name", "protected"]


def test_what_a_protected_resident_s_deliveries_left_out_is_not_disclosed_as_sent(world):
    tell(world, protect(world))
    tell(world, world.moved(ADDRESS))
    assert disclosed(world) == {"kaigo": (CUT, ["new_address"], 1), "seiho": (WHOLE, [], 1)}
    (_, moved) = Timeline(world.ledger, world.book, world.city).of("1")["events"]
    said = {each["system"]: (each["fields"], each["withheld"]) for each in moved["deliveries"]}
    assert said == {"kaigo": (CUT, ["new_address"]), "seiho": (WHOLE, [])}


def test_what_was_sent_before_or_after_was_sent(world):
    tell(world, world.moved(ADDRESS))
    tell(world, protect(world))
    assert disclosed(world)["kaigo"] == (WHOLE, [], 1)
    tell(world, world.event("resident.protection-ended", kind="dv"))
    tell(world, world.moved(OTHER))
    assert disclosed(world)["kaigo"] == (WHOLE, [], 2)


@pytest.mark.parametrize("amended", ["event.cancelled", "event.corrected"])
def test_what_a_doubtful_report_protected_counts_as_sent(world, amended):
    started = protect(world)
    tell(world, started)
    tell(world, world.moved(ADDRESS))
    more = {"data": started["data"]} if amended == "event.corrected" else {}
    tell(world, world.event(amended, event_id=started["id"], **more))
    assert disclosed(world)["kaigo"] == (WHOLE, [], 1)


def test_those_protected_together(world):
    tell(world, protect(world, together_with=["2"]), world.event("resident.died", subject="3", died_on="2026-11-01"))
    tell(world, world.moved(ADDRESS, "2"), world.moved(ADDRESS, "3"))
    assert disclosed(world, "2")["kaigo"] == (CUT, ["new_address"], 1)
    assert disclosed(world, "3")["kaigo"] == (WHOLE, [], 1)


def test_until_calls_begun_before_have_ended_it_counts_as_sent(world, monkeypatch):
    monkeypatch.setattr(guarded, "SETTLED", 600_000)
    tell(world, protect(world))
    tell(world, world.moved(ADDRESS))
    assert disclosed(world)["kaigo"] == (WHOLE, [], 1)


def test_an_explanation_says_what_is_withheld(world):
    moved = world.moved(ADDRESS)
    tell(world, protect(world), moved)
    told = Inquiry(world.ledger, world.book, Discretion(world.ledger)).explain(moved["id"], lang="en")["told"]
    said = {each["system"]: (sorted(each["fields"]), each["withheld"]) for each in told}
    assert said == {"kaigo": (CUT, ["new_address"]), "seiho": (WHOLE, [])}
