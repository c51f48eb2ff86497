"""Corrections reach whoever was told; late, repeated and contradicting reports are told from new ones."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from hub.ledger.tables import event
from hub.stages.morning import morning
from hub.stages.refusals import entries
from tests.integration.semantics.world import ADDRESS, OTHER, World

MOVES = """subscribes:
  - {id: moves, on: resident.moved, send: [name, new_address], because: 試験}"""
SELECTIVE = """subscribes:
  - {id: moves, on: resident.moved, when: data.new_address.text.contains("京阪本通"), send: [name], because: 試験}"""
DEATHS = """subscribes:
  - {id: deaths, on: resident.died, send: [name, died_on, household_no], because: 試験}"""
INSURED = """subscribes:
  - {id: insured, on: resident.moved, when: facts.insurance.kokuho.active, send: [name], because: 試験}"""
AUTHORITY = "authority: {resident.died: [koseki, juki]}\n"


@pytest.fixture
def world(tmp_path, ledger_url) -> Iterator[World]:
    made = World(
        tmp_path / "city",
        ledger_url,
        {"suido": MOVES, "kokuho": INSURED, "keihan": SELECTIVE, "zei": DEATHS, "juki": DEATHS},
        AUTHORITY,
    )
    yield made
    made.close()


def actions(world: World, system: str) -> list[str]:
    return [told["action"] for told in world.told(system)]


def test_a_cancel_tells_what_was_wrong_and_what_holds_now(world):
    first, second = world.moved(OTHER), world.moved(ADDRESS)
    world.report(first, second)
    world.report(world.event("event.cancelled", event_id=second["id"]))
    world.deliver()
    told = world.told("suido")
    assert [each["action"] for each in told] == ["new", "new", "cancel"]
    assert told[2]["data"] == {
        "name": "守口 太郎",
        "new_address": ADDRESS,
        "restored": {"name": "守口 太郎", "new_address": OTHER},
    }
    assert told[2]["corrects"] == f"juki/{second['id']}"


def test_a_cancel_by_sequence_and_in_the_same_poll(world):
    cancel = world.event("event.cancelled", sequence=4)
    cancel["data"] |= {"subject": "1", "sequence": 3}
    world.report(world.moved(ADDRESS, sequence=3), cancel)
    world.deliver()
    assert actions(world, "suido") == ["new", "cancel"]


def test_a_cancel_undoes_facts(world):
    enrolled = world.event("insurance.enrolled", system="kokuho", scheme="kokuho")
    world.report(enrolled, world.moved(ADDRESS))
    world.report(world.event("event.cancelled", system="kokuho", event_id=enrolled["id"]))
    world.report(world.moved(OTHER))
    world.deliver()
    assert [told["id"] for told in world.told("kokuho")] == ["e2"]


def test_a_correction_reaches_the_told_and_those_it_concerns_now(world):
    world.report(world.moved(OTHER))
    right = {"effective_on": "2026-11-20", "name": "守口 太郎", "old_address": OTHER, "new_address": ADDRESS}
    world.report(world.event("event.corrected", event_id="e1", data=right))
    world.deliver()
    assert [(t["action"], t["data"]["new_address"]) for t in world.told("suido")] == [
        ("new", OTHER),
        ("correct", ADDRESS),
    ]
    assert [(t["action"], t["data"]) for t in world.told("keihan")] == [("new", {"name": "守口 太郎"})]


def test_a_correction_of_another_resident_is_quarantined(world):
    world.report(world.moved(ADDRESS, "1"))
    world.report(world.event("event.cancelled", "2", event_id="e1"))
    assert world.codes() == ["subject-other"]


def test_a_cancel_that_comes_first_cancels_on_arrival(world):
    world.report(world.event("event.cancelled", event_id="later"))
    world.report(world.moved(ADDRESS, id_="later"))
    world.deliver()
    assert world.told("suido") == []


def test_a_second_cancel_changes_nothing(world):
    world.report(world.moved(ADDRESS), world.event("event.cancelled", event_id="e1"))
    world.report(world.event("event.cancelled", event_id="e1"))
    world.deliver()
    assert actions(world, "suido") == ["new", "cancel"]


def test_another_systems_equal_report_is_a_duplicate_or_an_echo(world):
    death = {"name": "守口 花子", "died_on": "2026-11-19", "household_no": "7"}
    world.report(world.event("resident.died", system="koseki", **death))
    world.report(
        world.event("resident.died", system="juki", **death), world.event("resident.died", system="x", **death)
    )
    world.deliver()
    assert len(world.told("zei")) == 1
    assert [world.status(f"e{n}") for n in (1, 2, 3)] == ["accepted", "echo", "duplicate"]


def test_a_missing_field_enriches(world):
    world.report(world.event("resident.died", system="koseki", name="守口 花子", died_on="2026-11-19"))
    world.report(world.event("resident.died", system="juki", name="守口 花子", died_on="2026-11-19", household_no="7"))
    world.deliver()
    assert [(t["action"], t["data"].get("household_no")) for t in world.told("zei")] == [
        ("new", None),
        ("correct", "7"),
    ]


@pytest.mark.parametrize(
    ("first", "second", "status", "told"),
    [
        ("juki", "koseki", "conflict", ["2026-11-19", "2026-11-18"]),
        ("koseki", "juki", "conflict", ["2026-11-19"]),
        ("a", "b", "awaiting-review", ["2026-11-19"]),
    ],
)
def test_the_higher_authority_wins_and_equal_ranks_wait(world, first, second, status, told):
    world.report(world.event("resident.died", system=first, name="守口 花子", died_on="2026-11-19"))
    world.report(world.event("resident.died", system=second, name="守口 花子", died_on="2026-11-18"))
    world.deliver()
    assert world.status("e2") == status
    assert [each["data"]["died_on"] for each in world.told("zei")] == told


def test_there_and_back_again_is_three_moves(world):
    world.report(world.moved(ADDRESS), world.moved(OTHER), world.moved(ADDRESS))
    world.deliver()
    assert [t["data"]["new_address"] for t in world.told("suido")] == [ADDRESS, OTHER, ADDRESS]


def test_a_report_that_repeats_a_cancelled_event_is_new(world):
    world.report(world.moved(ADDRESS), world.event("event.cancelled", event_id="e1"))
    world.report(world.moved(ADDRESS, system="koseki"))
    world.deliver()
    assert actions(world, "suido") == ["new", "cancel", "new"]


def test_a_late_event_restates_what_holds_now(world):
    world.report(world.moved(ADDRESS, sequence=5))
    world.report({**world.moved(OTHER, sequence=4), "id": "old"})
    world.deliver()
    told = world.told("suido")
    assert [(t["action"], t["data"]["new_address"]) for t in told] == [("new", ADDRESS), ("correct", ADDRESS)]


def test_what_takes_back_a_report_that_does_not_come_is_told_in_the_morning(world):
    cancel = world.event("event.cancelled", event_id="later")
    world.report(cancel, world.event("event.cancelled", "2", event_id="other", system="koseki"))

    def found() -> list[tuple]:
        return [tuple(each[key] for key in ("system", "count", "why", "do")) for each in morning(world.ledger)]

    assert found() == []
    with world.ledger.write() as connection:
        connection.execute(sa.update(event).values(recorded_at=event.c.recorded_at - 2 * 86_400_000))
    name = f"juki/{cancel['id']}"
    assert found()[0] == ("juki", 1, name, f"hub events show {name}")
    assert [each[0] for each in found()] == ["juki", "koseki"]
    world.report(world.moved(ADDRESS, id_="later"))
    assert [each[0] for each in found()] == ["koseki"]
    with world.ledger.write() as connection:
        connection.execute(sa.update(event).values(recorded_at=event.c.recorded_at - 20 * 86_400_000))
    assert found() == []


def test_what_is_refused_again_is_one_entry_whatever_its_time(world):
    wrong = world.event("event.corrected", event_id="none", data=world.moved(ADDRESS)["data"])
    world.report(wrong)
    world.report({**wrong, "time": "2026-11-21T10:00:00+09:00"})
    first, second = world.refused
    with world.ledger.read() as connection:
        (one, other) = entries(connection, [first, second], "hub.events")
    assert one.digest == other.digest


def test_an_old_effective_date_alone_is_not_late(world):
    world.report(world.moved(ADDRESS), world.moved(OTHER, effective_on="2001-01-01"))
    world.deliver()
    assert actions(world, "suido") == ["new", "new"]


def test_related_events_name_one_another(world):
    world.report(world.moved(ADDRESS), world.event("event.cancelled", event_id="e1"))
    world.report(*(world.event("resident.died", system=s, name="守口 花子", died_on="2026-11-19") for s in ("a", "b")))
    shown = {n: world.inquiry.event(f"e{n}") for n in (1, 2, 3, 4)}
    assert shown[1]["corrected_by"] == "juki/e2"
    assert shown[2]["corrects"] == "juki/e1"
    assert shown[4]["duplicate_of"] == "a/e3"
    assert shown[3]["corrected_by"] is None


def test_an_event_says_what_was_done_to_it_and_what_stands(world):
    right = {"effective_on": "2026-11-20", "name": "守口 次郎", "old_address": OTHER, "new_address": ADDRESS}
    world.report(world.moved(ADDRESS), world.event("event.corrected", event_id="e1", data=right))
    world.report(world.moved(ADDRESS, "2"))
    corrected, correction, other = (world.inquiry.event(f"e{n}") for n in (1, 2, 3))
    assert (corrected["amended"], corrected["corrected_by"], corrected["stands"]) == ("corrects", "juki/e2", right)
    assert corrected["event"]["data"]["name"] == "守口 太郎"
    assert (correction["amends"], correction["amended"], correction["stands"]) == ("corrects", None, None)
    assert (other["amends"], other["amended"], other["stands"]) == (None, None, None)
    world.report(world.event("event.cancelled", event_id="e1"))
    cancelled = world.inquiry.event("e1")
    assert (cancelled["amended"], cancelled["corrected_by"], cancelled["stands"]) == ("cancels", "juki/e4", None)


def test_an_event_that_others_added_to_or_contradict_says_what_stands(world):
    world.report(
        world.event("resident.died", system="koseki", name="守口 花子", died_on="2026-11-19"),
        world.event("resident.died", system="juki", name="守口 花子", died_on="2026-11-19", address=ADDRESS),
        world.event("resident.died", "2", system="juki", name="守口 太郎", died_on="2026-11-19"),
        world.event("resident.died", "2", system="koseki", name="守口 太郎", died_on="2026-11-18"),
    )
    first, second, third, fourth = (world.inquiry.event(f"e{n}") for n in (1, 2, 3, 4))
    assert (first["amended"], second["amends"]) == ("enriches", "enriches")
    assert first["stands"]["address"] == ADDRESS
    assert (third["amended"], fourth["amends"]) == ("contradicts", "contradicts")
    assert third["stands"]["died_on"] == "2026-11-18"  # the family register has the last word


def test_a_correction_that_comes_before_its_target_waits_for_a_person(world):
    right = {"effective_on": "2026-11-20", "name": "守口 太郎", "old_address": OTHER, "new_address": ADDRESS}
    world.report(world.event("event.corrected", event_id="later", data=right))
    world.report(world.moved(ADDRESS, id_="later"))
    world.deliver()
    assert world.codes() == ["target-unknown"]
    assert actions(world, "suido") == ["new"]


def test_facts_only_tells_nobody_whatever_it_contradicts(world):
    world.report(world.event("resident.died", system="juki", name="守口 花子", died_on="2026-11-19"))
    better = world.event("resident.died", system="koseki", name="守口 花子", died_on="2026-11-18")
    world.report({**better, "hubfactsonly": True})
    world.deliver()
    assert actions(world, "zei") == ["new"]
