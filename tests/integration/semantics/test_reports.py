"""Several systems report one occurrence: what stands is what those say together who have not taken it back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from hub.ledger.views import EventFilter
from hub.stages.timeline import Timeline
from tests.integration.semantics.world import ADDRESS, OTHER, World

DEATHS = """subscribes:
  - {id: deaths, on: resident.died, send: [died_on, household_no], because: 試験}"""
MOVES = """subscribes:
  - {id: moves, on: resident.moved, send: [new_address], because: 試験}"""
ALIVE = """subscribes:
  - {id: moves, on: resident.moved, when: facts.resident.alive, send: [new_address], because: 試験}"""
AUTHORITY = "authority: {resident.died: [koseki, juki]}\n"


@pytest.fixture
def world(tmp_path, ledger_url) -> Iterator[World]:
    made = World(tmp_path / "city", ledger_url, {"zei": DEATHS, "suido": MOVES, "kokuho": ALIVE}, AUTHORITY)
    yield made
    made.close()


def died(world: World, system: str, died_on: str = "2026-11-19", **more: Any) -> dict[str, Any]:
    return world.event("resident.died", system=system, name="守口 花子", died_on=died_on, **more)


def cancel(world: World, event: dict[str, Any]) -> None:
    system = event["source"].removeprefix("/systems/")
    world.report(world.event("event.cancelled", system=system, event_id=event["id"]))


def correct(world: World, event: dict[str, Any], **right: Any) -> None:
    system = event["source"].removeprefix("/systems/")
    world.report(world.event("event.corrected", system=system, event_id=event["id"], data={**event["data"], **right}))


def told(world: World, system: str = "zei") -> list[tuple[str, Any]]:
    world.deliver()
    return [(each["action"], each["data"]) for each in world.told(system)]


def test_a_cancelled_repeat_or_echo_changes_nothing(world):
    first, repeat, echo = died(world, "koseki"), died(world, "juki"), died(world, "zei")
    world.report(first, repeat, echo)
    cancel(world, repeat)
    cancel(world, echo)
    assert told(world) == [("new", {"died_on": "2026-11-19"})]


def untold(world: World, event: dict[str, Any], system: str = "zei") -> tuple[str, str]:
    """Return why a system was told nothing of an event: a word, and words."""
    (said,) = (each for each in world.inquiry.event(event["id"], lang="en")["not_told"] if each["system"] == system)
    return said["reason"], said["why"]


def test_who_was_told_already_is_shown_with_the_report_that_told_them(world):
    first, repeat = died(world, "koseki"), died(world, "juki")
    world.report(first, repeat)
    assert [each["system"] for each in world.inquiry.event(first["id"])["deliveries"]] == ["zei"]
    assert untold(world, repeat) == ("told", f"already told by koseki/{first['id']}")
    assert world.inquiry.explain(repeat["id"])["told"] == []


def test_nobody_is_shown_as_told_of_a_report_that_lost_was_cancelled_before_or_only_to_be_learned(world):
    first, loser = died(world, "koseki"), died(world, "juki", "2026-11-18")
    world.report(first, loser)
    assert untold(world, loser) == ("loses", f"koseki/{first['id']} contradicts it and stands")
    late = world.event("resident.moved", name="甲", new_address=ADDRESS)
    cancel(world, late)
    world.report(late)
    assert untold(world, late, "suido")[0] == "cancelled"
    known = {**world.event("resident.moved", "3", name="乙", new_address=ADDRESS), "hubfactsonly": True}
    world.report(known)
    assert untold(world, known, "suido")[0] == "facts-only"


def test_what_another_system_says_too_stands_when_the_first_takes_it_back(world):
    first, repeat = died(world, "koseki"), died(world, "juki")
    world.report(first, repeat)
    cancel(world, first)
    assert told(world) == [("new", {"died_on": "2026-11-19"})]
    cancel(world, repeat)
    assert [action for action, _ in told(world)] == ["new", "cancel"]


def test_an_echo_does_not_keep_alive_what_it_was_told(world):
    first = died(world, "koseki")
    world.report(first, died(world, "zei"))
    cancel(world, first)
    assert [action for action, _ in told(world)] == ["new", "cancel"]


def test_a_cancelled_enrichment_takes_its_fields_back(world):
    first, better = died(world, "koseki"), died(world, "juki", household_no="7")
    world.report(first, better)
    cancel(world, better)
    assert told(world) == [
        ("new", {"died_on": "2026-11-19"}),
        ("correct", {"died_on": "2026-11-19", "household_no": "7"}),
        ("correct", {"died_on": "2026-11-19"}),
    ]


def test_a_cancelled_winner_gives_way_to_the_first(world):
    first, winner = died(world, "juki"), died(world, "koseki", "2026-11-18")
    world.report(first, winner)
    cancel(world, winner)
    assert [data["died_on"] for _, data in told(world)] == ["2026-11-19", "2026-11-18", "2026-11-19"]


def test_the_loser_of_a_conflict_is_heard_when_the_winner_takes_it_back(world):
    winner, loser = died(world, "koseki"), died(world, "juki", "2026-11-18")
    world.report(winner, loser)
    cancel(world, winner)
    assert told(world) == [("new", {"died_on": "2026-11-19"}), ("correct", {"died_on": "2026-11-18"})]
    cancel(world, loser)
    last = {"died_on": "2026-11-18", "restored": {}}
    assert told(world)[2:] == [("cancel", last)]


@pytest.mark.parametrize("system", ["koseki", "x"])
def test_a_corrected_winner_or_loser_is_weighed_again(world, system):
    """Corrected by the higher authority it is heard; by the lower it contradicts still, and is listed."""
    first, other = died(world, "juki"), died(world, system, "2026-11-18")
    world.report(first, other)
    correct(world, other, died_on="2026-11-17")
    heard = ["2026-11-19", "2026-11-18", "2026-11-17"] if system == "koseki" else ["2026-11-19"]
    assert [data["died_on"] for _, data in told(world)] == heard
    assert world.status("e3") == "conflict"


def test_a_corrected_loser_that_agrees_may_enrich(world):
    first, loser = died(world, "koseki"), died(world, "juki", "2026-11-18")
    world.report(first, loser)
    correct(world, loser, died_on="2026-11-19", household_no="7")
    assert told(world)[1:] == [("correct", {"died_on": "2026-11-19", "household_no": "7"})]
    assert world.status("e3") == "accepted"


def test_a_corrected_echo_is_heard_like_any_contradiction(world):
    first, echo = died(world, "x"), died(world, "koseki")
    world.report(first, echo)
    correct(world, echo, died_on="2026-11-18")
    assert [data["died_on"] for _, data in told(world)] == ["2026-11-19", "2026-11-18"]


def test_the_highest_authority_that_is_heard_decides_a_third_report(world):
    world.report(died(world, "x"), died(world, "koseki", "2026-11-18"), died(world, "juki", "2026-11-17"))
    assert [data["died_on"] for _, data in told(world)] == ["2026-11-19", "2026-11-18"]


def test_facts_follow_what_stands(world):
    back = world.moved(OTHER)
    first, repeat = died(world, "koseki"), died(world, "juki")
    world.report(back, first, repeat)
    cancel(world, first)
    world.report(world.moved(ADDRESS))
    assert told(world, "kokuho") == []
    cancel(world, repeat)
    world.report(world.moved(ADDRESS))
    assert told(world, "kokuho") == [("new", {"new_address": ADDRESS})]


def test_the_one_before_is_current_again_when_the_newest_is_cancelled(world):
    older = world.moved(OTHER, effective_on="2026-11-10")
    newer = world.moved(ADDRESS)
    world.report(older, newer)
    cancel(world, newer)
    world.report(world.moved(OTHER, system="koseki", effective_on="2026-11-10"))
    assert world.status("e4") == "duplicate"
    assert [action for action, _ in told(world, "suido")] == ["new", "new", "cancel"]


def test_a_number_older_than_a_cancelled_one_is_not_late(world):
    newer = world.moved(ADDRESS, sequence=7)
    world.report(world.moved(OTHER, sequence=5), newer)
    cancel(world, newer)
    world.report(world.moved(ADDRESS, sequence=6))
    assert [action for action, _ in told(world, "suido")] == ["new", "new", "cancel", "new"]


def test_a_late_event_of_another_type_is_the_current_one_of_its_own(world):
    world.report(world.moved(ADDRESS, sequence=5), died(world, "juki", sequence=4))
    world.report(died(world, "koseki"))
    assert world.status("e3") == "duplicate"


def test_lists_say_what_was_taken_back_and_by_what(world):
    world.report(died(world, "juki", id_="d1"), died(world, "juki", id_="d2", subject="2"))
    world.report(world.event("event.cancelled", "1", id_="c1", event_id="d1", reason="誤り"))
    names = ("amended", "corrected_by", "amends", "corrects")
    expected = {
        "d1": ("cancels", "juki/c1", None, None),
        "d2": (None, None, None, None),
        "c1": (None, None, "cancels", "juki/d1"),
    }
    listed = world.inquiry.events(EventFilter())["items"]
    assert {each["id"]: tuple(each[name] for name in names) for each in listed} == expected
    timeline = Timeline(world.ledger, world.book, world.city).of("1")["events"]
    told = {each["id"].partition("/")[2]: tuple(each[name] for name in names) for each in timeline}
    assert told == {name: expected[name] for name in ("d1", "c1")}
