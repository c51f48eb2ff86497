"""What needs a person is told; what was planned or mends itself is not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hub.ledger import pauses, quarantine
from hub.stages.morning import morning
from tests.integration.semantics.world import ADDRESS, World

RULES = """subscribes:
  - {id: asks, on: resident.moved, when: data.kana == "モリグチ", unknown: ask, send: [name], because: 試験}"""


@pytest.fixture
def world(tmp_path, ledger_url) -> Iterator[World]:
    made = World(tmp_path / "city", ledger_url, {"suido": RULES})
    yield made
    made.close()


def test_nothing_needs_a_person_in_a_quiet_city(world):
    pauses.pause(world.ledger, "suido", reason="入替作業", by="tester")
    world.deliver()
    assert morning(world.ledger) == []


def test_a_question_a_contradiction_and_refused_input_do(world):
    world.report(world.moved(ADDRESS))
    world.report(*(world.event("resident.died", system=s, name=s, died_on="2026-11-19") for s in ("a", "b")))
    quarantine.add(world.ledger, [quarantine.Entry("intake", "juki", "sabun", "x.csv:2", "wareki", "no date", b"x")])
    world.deliver()
    told = {each["kind"]: each for each in morning(world.ledger)}
    assert {kind: each["count"] for kind, each in told.items()} == {"held": 1, "review": 1, "quarantine": 1}
    assert told["held"]["why"] == "ask"
    assert told["held"]["do"] == "hub deliveries list --system suido --status held"
    assert told["quarantine"]["name"] == "sabun"


@pytest.mark.parametrize("amended", ["a", "b"])
def test_a_contradiction_needs_nobody_once_one_of_the_two_was_put_right(world, amended):
    first, second = (world.event("resident.died", system=s, name=s, died_on="2026-11-19") for s in ("a", "b"))
    world.report(first, second)
    (item,) = morning(world.ledger)
    assert (item["kind"], item["system"], item["do"]) == ("review", "b", f"hub events show b/{second['id']}")
    target = {"a": first, "b": second}[amended]
    world.report(world.event("event.cancelled", system=amended, event_id=target["id"], reason="誤り"))
    assert morning(world.ledger) == []


def reviews(world):
    return {each["do"].split()[-1][0] for each in morning(world.ledger) if each["kind"] == "review"}


def test_a_contradiction_lasts_while_what_stands_differs(world):
    days = {"a": "2026-11-19", "b": "2026-11-20", "c": "2026-11-21"}
    events = {s: world.event("resident.died", system=s, name="甲", died_on=day) for s, day in days.items()}
    world.report(*events.values())
    assert reviews(world) == {"b", "c"}

    def right(system, **changes):
        data = {**events[system]["data"], **changes}
        correction = world.event(
            "event.corrected", system=system, event_id=events[system]["id"], data=data, reason="誤り"
        )
        world.report(correction)

    right("a", name="乙")
    assert reviews(world) == {"b", "c"}, "another field was put right"
    right("a", name="甲", died_on=days["b"])
    assert reviews(world) == {"c"}, "a says now what b says"
    world.report(world.event("event.cancelled", system="a", event_id=events["a"]["id"], reason="誤り"))
    assert reviews(world), "b and c contradict each other"
    right("c", died_on=days["b"])
    assert reviews(world) == set()
