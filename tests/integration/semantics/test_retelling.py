"""What is told again is projected anew: by the rule it was told by, from the values and facts that stand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import orjson
import pytest

from hub.errors import Fenced
from hub.events.envelope import identity
from hub.ledger.log import EventLog
from hub.stages.dispatch import Dispatcher
from hub.stages.planning import Planner
from tests.integration.semantics.world import ADDRESS, OTHER, Record, World

RULE = "subscribes:\n  - {{id: {}, on: resident.moved, {}because: 試験}}"
SEND = (
    "send: [new_address, {kana: facts.resident.kana}, {no: 'pad(data.household_no, 4)'}, "
    "{to: after.resident.address.text}], "
)
COMPUTED = RULE.format("computed", SEND)
SELECTIVE = RULE.format("some", f'when: data.household_no == "7", {SEND}')
PLAIN = RULE.format("plain", "send: [new_address], ")
HOUSEHOLD = RULE.format("household", "send: [{was: facts.household.size}, {is: after.household.members}], ")


@pytest.fixture
def world(tmp_path, ledger_url) -> Iterator[World]:
    systems = {"a": COMPUTED, "b": SELECTIVE, "c": PLAIN, "d": HOUSEHOLD}
    made = World(tmp_path / "city", ledger_url, systems)
    yield made
    made.close()


def named(world: World, kana: str) -> dict:
    return world.event("resident.name-changed", old_name="甲", name="乙", kana=kana, effective_on="2026-11-01")


@pytest.mark.parametrize("system", ["a", "b"])
def test_computed_fields_are_computed_anew_in_a_correction(world, system):
    moved = world.moved(ADDRESS, household_no="7")
    world.report(named(world, "オツ"), moved)
    right = {**moved["data"], "new_address": OTHER, "household_no": "8"}
    world.report(world.event("event.corrected", event_id=moved["id"], data=right))
    world.deliver()
    assert [(each["action"], each["data"]) for each in world.told(system)] == [
        ("new", {"new_address": ADDRESS, "kana": "オツ", "no": "0007", "to": ADDRESS["text"]}),
        ("correct", {"new_address": OTHER, "kana": "オツ", "no": "0008", "to": OTHER["text"]}),
    ]


def test_computed_fields_are_computed_anew_of_what_is_restored(world):
    moved = world.moved(ADDRESS, household_no="7")
    world.report(world.moved(OTHER, household_no="6"), named(world, "オツ"), moved)
    world.report(world.event("event.cancelled", event_id=moved["id"]))
    world.deliver()
    told = world.told("a")[-1]["data"]
    assert told["restored"] == {"new_address": OTHER, "kana": "オツ", "no": "0006", "to": OTHER["text"]}
    assert (told["no"], told["to"]) == ("0007", ADDRESS["text"])


def test_a_cancelled_correction_tells_the_values_it_brought(world):
    moved = world.moved(ADDRESS, household_no="7")
    right = {**moved["data"], "household_no": "8"}
    world.report(moved, world.event("event.corrected", event_id=moved["id"], data=right))
    world.report(world.event("event.cancelled", event_id=moved["id"]))
    world.deliver()
    assert [each["data"]["no"] for each in world.told("b")] == ["0007", "0008", "0008"]


def test_computed_fields_are_computed_anew_when_another_system_adds_to_it(world):
    world.report(world.moved(ADDRESS), world.moved(ADDRESS, system="koseki", household_no="7"))
    world.deliver()
    assert [each["data"].get("no") for each in world.told("a")] == [None, "0007"]
    assert [(each["action"], each["data"]["no"]) for each in world.told("b")] == [("new", "0007")]
    assert len(world.told("c")) == 1


@pytest.mark.parametrize("rules", [RULE.format("renamed", "send: [name], "), "publishes: []"])
def test_who_was_told_by_a_rule_that_is_gone_hears_of_a_correction(world, rules):
    moved = world.moved(ADDRESS)
    world.report(moved)
    world.deliver()
    world.change({"c": rules})
    right = {**moved["data"], "new_address": OTHER}
    world.report(world.event("event.corrected", event_id=moved["id"], data=right))
    world.report(world.event("event.cancelled", event_id=moved["id"]))
    world.deliver()
    told = [each["data"] for each in world.told("c") if each["action"] != "new"]
    if "renamed" in rules:
        assert told == [{"name": "守口 太郎"}, {"name": "守口 太郎", "restored": {}}]
    else:
        assert told == [{"new_address": OTHER}, {"new_address": OTHER, "restored": {}}]


def test_a_receiver_that_is_gone_is_listed_as_suppressed(world):
    moved = world.moved(ADDRESS)
    world.report(moved)
    world.change({"c": None})
    world.report(world.event("event.cancelled", event_id=moved["id"]))
    world.deliver()
    assert world.statuses("c")[-1] == ("e2", "suppressed", "disabled")


def test_what_is_restored_is_not_of_the_future(world):
    moved = world.moved(ADDRESS)
    world.report(
        world.moved(OTHER, effective_on="2026-11-01"),
        world.moved({"text": "新居"}, effective_on="2999-04-01"),
        moved,
    )
    world.report(world.event("event.cancelled", event_id=moved["id"]))
    world.deliver()
    assert world.told("c")[-1]["data"]["restored"] == {"new_address": OTHER}


def test_a_late_event_does_not_restate_the_future(world):
    world.report(world.moved(ADDRESS, sequence=5), world.moved({"text": "新居"}, effective_on="2999-04-01", sequence=6))
    world.report(world.moved(OTHER, sequence=4))
    world.deliver()
    assert world.told("c")[-1]["data"] == {"new_address": ADDRESS}


@pytest.mark.parametrize("first", ["target", "cancel"])
def test_a_target_by_identity_in_a_source_of_several_types(world, first):
    id_ = identity("juki", ["1", 3, "resident.moved"])
    moved = world.moved(ADDRESS, id_=id_)
    cancel = world.event("event.cancelled", source="juki", identity=["1", 3])
    world.report(*((moved, cancel) if first == "target" else (cancel, moved)))
    world.deliver()
    assert [each["action"] for each in world.told("c")] == (["new", "cancel"] if first == "target" else [])
    world.report(world.event("event.cancelled", system="koseki", event_id="other"))  # what is left waits for its own
    assert len(world.log.tombstones()) == 1


def test_the_household_after_is_the_one_moved_to(world):
    world.report(world.moved(ADDRESS, "2", household_no="8"), world.moved(ADDRESS, "1", household_no="7"))
    world.report(world.moved(OTHER, "1", household_no="8"))
    world.deliver()
    assert world.told("d")[-1]["data"] == {"was": 1, "is": ["1", "2"]}


def test_a_move_of_long_ago_leaves_the_household_of_today(world):
    world.report(world.moved(ADDRESS, household_no="8"))
    world.report(world.moved(OTHER, household_no="7", effective_on="2001-01-01"))
    assert [subject for _, subject, _ in world.log.households(["8"])] == ["1"]
    cancelled = world.moved(OTHER, household_no="9")
    world.report(cancelled, world.event("event.cancelled", event_id=cancelled["id"]))
    assert [subject for _, subject, _ in world.log.households(["8"])] == ["1"]


def test_a_cancelled_change_of_the_head_gives_the_household_its_head_back(world):
    live = {"household_no": "7", "relationship": "世帯主"}
    world.report(world.moved(ADDRESS, "1", **live), world.moved(ADDRESS, "2", household_no="7"))
    changed = world.event("household.changed", "2", kind="head", to_household="7", old_head="1", new_head="2")
    world.report(changed)
    assert world.log.households(["7"]) == [("7", "1", 0), ("7", "2", 1)]
    world.report(world.event("event.cancelled", "2", event_id=changed["id"]))
    assert world.log.households(["7"]) == [("7", "1", 1), ("7", "2", 0)]


def test_whom_a_wrong_change_brought_into_a_household_is_where_they_were(world):
    world.report(world.moved(ADDRESS, "1", household_no="7"), world.moved(ADDRESS, "2", household_no="8"))
    changed = world.event("household.changed", "1", kind="merge", to_household="9", new_head="2", old_head="3")
    world.report(changed)
    assert world.log.households(["9"]) == [("9", "1", 0), ("9", "2", 1), ("9", "3", 0)]
    right = {**changed["data"], "new_head": "1"}
    del right["old_head"]
    world.report(world.event("event.corrected", "1", event_id=changed["id"], data=right))
    assert world.log.households(["7", "8", "9"]) == [("8", "2", 0), ("9", "1", 1)]


def test_who_will_move_lives_where_they_live_until_that_day(world, monkeypatch):
    world.report(world.moved(ADDRESS, "1", household_no="7"))
    world.report(world.moved(OTHER, "1", household_no="8", effective_on="2999-04-01"))
    assert world.log.households(["7", "8"]) == [("7", "1", 0)]
    world.report(world.moved(OTHER, "1", household_no="6"))
    assert world.log.households(["6", "7", "8"]) == [("6", "1", 0)], "what is to come does not outdo what is"
    monkeypatch.setattr(Planner, "_today", "2999-04-02")
    world.report(world.moved(ADDRESS, "2", household_no="8", effective_on="2999-04-02"))
    assert world.log.households(["6", "7", "8"]) == [("8", "1", 0), ("8", "2", 0)]


LATER = {"effective_on": "2999-04-01"}


class Interrupted(EventLog):
    """A log before whose next commit something else happens."""

    meanwhile: Callable[[], object] | None = None

    def commit(self, *given: Any) -> None:
        """Let it happen, then commit."""
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            meanwhile()
        super().commit(*given)


def _poll(dispatcher: Dispatcher, partition: int, offset: int, *events: dict) -> None:
    dispatcher.handle(
        [Record(partition, offset + n, e["subject"].encode(), orjson.dumps(e)) for n, e in enumerate(events)]
    )


def test_a_dispatcher_moves_nobody_of_another_whose_day_has_come(world, monkeypatch):
    """What it read of them before may be old by the time it is written."""
    second = world.dispatcher_of(1, world.log)
    world.report(world.moved(ADDRESS, "1", household_no="7"), world.moved(OTHER, "1", household_no="8", **LATER))
    _poll(second, 1, 0, world.moved(ADDRESS, "2", household_no="5"))
    _poll(second, 1, 1, world.moved(OTHER, "2", household_no="6", **LATER))
    monkeypatch.setattr(Planner, "_today", "2999-04-02")
    log = Interrupted(world.ledger)
    heir = world.dispatcher_of(1, log)
    now = {"effective_on": "2999-04-02"}
    log.meanwhile = lambda: world.report(world.moved(ADDRESS, "1", household_no="4", **now))
    _poll(heir, 1, 2, world.moved(ADDRESS, "3", household_no="5", **now))
    assert world.log.households(["4", "5", "6", "7", "8"]) == [("4", "1", 0), ("5", "3", 0), ("6", "2", 0)]


def test_who_has_lost_a_partition_moves_nobody_of_it(world, monkeypatch):
    late = world.dispatcher_of(0, world.log)
    late.assign([0, 1])
    heir = world.dispatcher_of(1, world.log)
    _poll(heir, 1, 0, world.moved(ADDRESS, "2", household_no="5"), world.moved(OTHER, "2", household_no="6", **LATER))
    late.assign([0, 1])
    monkeypatch.setattr(Planner, "_today", "2999-04-02")
    _poll(heir, 1, 2, world.moved(ADDRESS, "2", household_no="9", effective_on="2999-04-02"))
    with pytest.raises(Fenced):
        _poll(late, 0, 0, world.moved(ADDRESS, "1", household_no="4", effective_on="2999-04-02"))
    assert world.log.households(["4", "5", "6", "9"]) == [("9", "2", 0)]
