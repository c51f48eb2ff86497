"""What a person is told of the resident whom a mended entry names."""

import json

import pytest

from hub.ledger import quarantine
from hub.ledger.quarantine import Entry
from hub.stages.resubmit import Resubmitter
from tests.integration.semantics.world import World

RULES = "subscribes: [{id: told, on: [resident.died], send: [died_on], because: 死亡の届出}]"
DEATH = {"name": "京阪 花子", "died_on": "2026-11-20"}


async def _whom(world, subject="2"):
    (no,) = quarantine.add(world.ledger, [Entry("publish", "juki", "", "-:1", "json", "no JSON", b"{")])
    doing = Resubmitter("moriguchi", world.folder, world.ledger, None, "hub.events", None)
    given = json.dumps(world.event("resident.died", subject, id_="new", **DEATH)).encode()
    (item,) = (await doing.resubmit(no, given, dry_run=True)).items
    return item["known"], item["known_name"]


@pytest.fixture
def world(tmp_path, ledger_url):
    made = World(tmp_path / "city", ledger_url, {"kokuho": RULES})
    yield made
    made.ledger.close()


async def test_a_number_nobody_has_reported_of_is_told_from_one_that_is_known(world):
    assert await _whom(world) == (False, None)
    world.report(world.event("benefit.granted", "2", benefit="x"))
    assert await _whom(world) == (True, None)
    world.report(world.event("resident.died", "2", **{**DEATH, "name": "淀川 一郎"}))
    assert await _whom(world) == (True, "淀川 一郎")


async def test_the_name_of_a_report_that_was_taken_back_is_not_said(world):
    world.report(
        world.event("resident.died", "2", id_="right", **{**DEATH, "name": "淀川 一郎"}),
        world.event("resident.died", "2", id_="wrong", **DEATH),
    )
    assert await _whom(world) == (True, "京阪 花子")
    world.report(world.event("event.cancelled", "2", event_id="wrong", reason="人違い"))
    assert await _whom(world) == (True, "淀川 一郎")
