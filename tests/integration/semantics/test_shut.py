"""A receiver that is shut on purpose keeps everything in the log and says why."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import orjson
import pytest

from hub.ledger import pauses
from hub.stages.inquiry import DeliveryFilter
from tests.integration.semantics.world import ADDRESS, World

RULE = "subscribes:\n  - {id: moves, on: resident.moved, send: [name], because: 試験}"


def cursor_of(*numbers):
    return base64.urlsafe_b64encode(orjson.dumps(numbers)).decode()


@pytest.fixture
def world(tmp_path, ledger_url) -> Iterator[World]:
    made = World(tmp_path / "city", ledger_url, {"suido": RULE, "zei": RULE})
    yield made
    made.close()


def test_a_paused_system_gets_nothing_others_do_and_nothing_is_lost(world):
    pauses.pause(world.ledger, "suido", reason="入替作業", by="tester")
    world.report(world.moved(ADDRESS))
    world.deliver()
    assert (len(world.told("suido")), len(world.told("zei"))) == (0, 1)
    assert world.statuses("suido") == [("e1", "held", "paused")]
    held = world.inquiry.deliveries(DeliveryFilter(statuses=("held",)))["items"]
    assert [(each["system"], each["reason"]) for each in held] == [("suido", "paused")]
    pauses.resume(world.ledger, "suido")
    world.deliver()
    assert world.statuses("suido") == [("e1", "delivered", None)]


def test_a_page_of_what_is_held_goes_on_in_the_table_where_it_began(tmp_path, ledger_url):
    asks = RULE.replace("send:", 'when: data.kana == "x", unknown: ask, send:')
    world = World(tmp_path / "city", ledger_url, {"suido": asks})
    world.report(world.moved(ADDRESS))
    world.deliver()
    pauses.pause(world.ledger, "suido", reason="入替作業", by="tester")
    world.deliver()
    wanted = DeliveryFilter(statuses=("held",))
    for cursor in (None, cursor_of(0, 2**62)):  # the receiver was open when the first page was read, or is shut
        found = world.inquiry.deliveries(wanted, cursor=cursor)
        assert [each["event_id"] for each in found["items"]] == ["e1"]
    world.close()


def test_maintenance_and_windows_hold_and_close_windows_hands_over(tmp_path, ledger_url):
    world = World(tmp_path / "city", ledger_url, {"suido": RULE, "zei": RULE})
    path = world.folder / "systems" / "suido.yaml"
    path.write_text(path.read_text().replace("suido.jsonl}", 'suido.jsonl, window: {opens: "00:00", closes: "00:01"}}'))
    always = "maintenance: [{from: 2000-01-01, until: 2999-01-01}]"
    path = world.folder / "systems" / "zei.yaml"
    path.write_text(path.read_text().replace("zei.jsonl}", f"zei.jsonl, {always}}}"))
    world.reload()
    world.report(world.moved(ADDRESS))
    world.deliver()
    assert world.statuses("suido") == [("e1", "held", "window")]
    assert world.statuses("zei") == [("e1", "held", "maintenance")]
    world.deliver(closing=True)
    assert world.statuses("suido") == [("e1", "delivered", None)]
    assert world.statuses("zei") == [("e1", "held", "maintenance")]
    world.close()


def test_a_dead_letter_stops_a_receiver_that_says_so(tmp_path, ledger_url, refusing_server):
    world = World(tmp_path / "city", ledger_url, {"suido": RULE, "zei": RULE})
    path = world.folder / "systems" / "suido.yaml"
    receives = f"{{adapter: http, url: '{refusing_server.url}', on_dead: stop}}"
    path.write_text(path.read_text().replace("{adapter: jsonl, path: out/suido.jsonl}", receives))
    world.reload()
    world.report(*(world.moved(ADDRESS, str(n)) for n in range(3)))
    world.deliver()
    statuses = world.statuses("suido")
    assert [status for _, status, _ in statuses] == ["dead", "held", "held"]
    assert len(world.told("zei")) == 3
    refusing_server.status = 200
    pauses.resume(world.ledger, "suido.main")
    world.deliver()
    assert [status for _, status, _ in world.statuses("suido")] == ["dead", "delivered", "delivered"]
    world.close()
