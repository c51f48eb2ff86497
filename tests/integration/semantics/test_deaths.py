"""What is scheduled for a resident ends with their death, and only with one that stands."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hub.ledger import deaths
from tests.integration.semantics.world import ADDRESS, World

DATED = """subscribes:
  - {id: moves, on: resident.moved, send: [new_address], deliver: on-effective-date, because: 試験}"""


@pytest.fixture
def world(tmp_path, ledger_url) -> Iterator[World]:
    made = World(tmp_path / "city", ledger_url, {"dated": DATED})
    yield made
    made.close()


def later(world: World) -> dict:
    return world.moved(ADDRESS, effective_on="2999-04-01")


def died(world: World, system: str = "koseki", **more: str) -> dict:
    return world.event("resident.died", system=system, name="守口 太郎", died_on="2026-11-19", **more)


def cancel(world: World, event_id: str, system: str = "koseki") -> dict:
    return world.event("event.cancelled", system=system, event_id=event_id)


def states(world: World) -> list[tuple[str, str, str | None]]:
    world.deliver()
    return world.statuses("dated")


def test_a_death_in_the_same_poll_cancels_what_was_scheduled_before_it(world):
    world.report(later(world), died(world))
    assert states(world) == [("e1", "cancelled", "died")]
    world.report(later(world))
    assert states(world) == [("e1", "cancelled", "died"), ("e3", "scheduled", None)]


def test_a_rule_may_want_it_delivered_all_the_same(tmp_path, ledger_url):
    rule = DATED.replace("because:", "after_death: deliver, because:")
    world = World(tmp_path / "city", ledger_url, {"dated": DATED, "heirs": rule})
    world.report(later(world), died(world))
    assert states(world) == [("e1", "cancelled", "died")]
    assert world.statuses("heirs") == [("e1", "scheduled", None)]
    world.close()


def test_a_cancelled_death_gives_back_what_it_took(world):
    world.report(later(world), died(world))
    assert states(world) == [("e1", "cancelled", "died")]
    world.report(cancel(world, "e2"))
    assert states(world) == [("e1", "scheduled", None)]
    world.report(died(world))
    assert states(world) == [("e1", "cancelled", "died")]


def test_what_was_cancelled_itself_stays_so(world):
    world.report(later(world), died(world))
    world.deliver()
    world.report(cancel(world, "e1", "juki"))
    world.report(cancel(world, "e2"))
    assert ("e1", "cancelled", "died") in states(world)


def test_a_death_that_another_office_reports_too_stands(world):
    world.report(later(world), died(world), died(world, "juki"))
    world.deliver()
    world.report(cancel(world, "e2"))
    assert states(world) == [("e1", "cancelled", "died")]


def test_a_death_taken_back_before_it_came_counts_for_nothing(world):
    world.report(later(world), cancel(world, "gone"), died(world, id_="gone"))
    assert states(world) == [("e1", "scheduled", None)]


def test_what_was_given_back_is_not_given_back_again(world):
    moved = later(world)
    world.report(moved, died(world))
    world.deliver()
    assert len(deaths.buried(world.ledger, 1, [moved["subject"]])) == 1
    world.report(cancel(world, "e2"))
    world.deliver()
    assert deaths.buried(world.ledger, 1, [moved["subject"]]) == []
