"""A late event (by `sequence`) is told whole where it is what holds, and else what holds is told in its place."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.semantics.world import ADDRESS, OTHER, World

ALL = """subscribes:
  - id: all
    on: [resident.died, resident.moved, insurance.enrolled, tax.assessed]
    send: [name, died_on, new_address, household_no, scheme, certificate_no, amount, effective_on]
    because: 試験"""


@pytest.fixture
def world(tmp_path, ledger_url) -> Iterator[World]:
    made = World(tmp_path / "city", ledger_url, {"zei": ALL})
    yield made
    made.close()


def late(world: World, earlier: dict, later: dict) -> tuple[str, dict]:
    """Report an event and then one with an older number; return what is told of the late one."""
    world.report({**earlier, "sequence": 9}, {**later, "sequence": 5})
    world.deliver()
    told = world.told("zei")[-1]
    assert told["id"] == later["id"]
    assert "corrects" not in told
    return told["action"], told["data"]


def died(world: World) -> dict:
    return world.event("resident.died", name="守口 太郎", died_on="2026-11-20", effective_on="2026-11-20")


def enrolled(world: World, **more: str) -> dict:
    return world.event("insurance.enrolled", scheme="kokuho", effective_on="2026-04-01", **more)


def test_a_late_death_is_told_with_its_day(world):
    action, data = late(world, world.moved(ADDRESS, household_no="7"), died(world))
    known = {"name": "守口 太郎", "household_no": "7"}
    assert (action, data) == ("new", {**known, "died_on": "2026-11-20", "effective_on": "2026-11-20"})


def test_a_late_move_of_one_who_died_is_where_they_lived(world):
    moved = world.moved(ADDRESS, effective_on="2026-11-01")
    action, data = late(world, died(world), moved)
    assert (action, data) == ("new", {"name": "守口 太郎", "new_address": ADDRESS, "effective_on": "2026-11-01"})


def test_an_older_move_is_told_as_the_newer_one_with_its_day(world):
    action, data = late(
        world, world.moved(ADDRESS, effective_on="2026-11-05"), world.moved(OTHER, effective_on="2026-11-01")
    )
    assert (action, data["new_address"], data["effective_on"]) == ("correct", ADDRESS, "2026-11-05")


def test_a_late_enrolment_in_what_was_left_since_does_not_enrol(world):
    left = world.event("insurance.left", scheme="kokuho", effective_on="2026-05-01")
    assert late(world, left, enrolled(world, certificate_no="9")) == ("correct", {"scheme": "kokuho"})


def test_a_late_enrolment_in_another_scheme_is_new(world):
    earlier = world.event("insurance.enrolled", scheme="kaigo", effective_on="2026-05-01")
    said = {"scheme": "kokuho", "certificate_no": "9", "effective_on": "2026-04-01"}
    assert late(world, earlier, enrolled(world, certificate_no="9")) == ("new", said)


def test_a_late_event_of_which_nothing_is_kept_is_told_whole(world):
    newer = world.event("tax.assessed", tax="inhabitant", year=2026, amount=5, effective_on="2026-06-01")
    older = world.event("tax.assessed", tax="inhabitant", year=2025, amount=4, effective_on="2025-06-01")
    assert late(world, newer, older) == ("new", {"amount": 4, "effective_on": "2025-06-01"})
