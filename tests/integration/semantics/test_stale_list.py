"""A list of protected residents that is too old shuts every receiver; a resident it does not name is held alone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import pytest

from hub.ledger import sources
from hub.ledger.desk import now_ms
from hub.ledger.sources import Tally
from hub.ledger.tables import pending
from hub.stages.morning import morning
from tests.integration.semantics.world import ADDRESS, World

RULE = "subscribes:\n  - {id: moves, on: resident.moved, send: [name], because: 試験}"
HUB = "protection: {list: juki.shien, max_age: 26h}\n"
HOUR = 3_600_000


@pytest.fixture
def world(tmp_path, ledger_url) -> Iterator[World]:
    made = World(tmp_path / "city", ledger_url, {"suido": RULE}, HUB)
    made.report(
        made.event("resident.protection-started", "1", kind="支援措置"),
        made.moved(ADDRESS, "1"),
        made.moved(ADDRESS, "2"),
    )
    yield made
    made.close()


def read(world: World, ago: int) -> None:
    """Let the list have been read so many milliseconds ago."""
    with world.ledger.write() as connection:
        sources.advance(connection, "juki", "shien", position={}, tally=Tally(), at=now_ms() - ago)


@pytest.mark.parametrize("ago", [None, 27 * HOUR])
def test_a_list_that_is_too_old_shuts_the_receiver(world, ago):
    if ago is not None:
        read(world, ago)
    world.deliver()
    assert world.told("suido") == []
    assert world.statuses("suido") == [("e2", "held", "protection-unknown"), ("e3", "held", "protection-unknown")]
    with world.ledger.read() as connection:
        assert connection.execute(pending.select()).all() == []  # they stay in the log, however many there are
    shown = world.inquiry.status()["receivers"][0]["held"]
    assert shown["reason"] == "protection-unknown"
    assert "juki.shien" in shown["note"]
    (row,) = morning(world.ledger)
    assert (row["kind"], row["system"], row["name"], row["why"]) == ("protection", "juki", "shien", shown["note"])
    assert (row["since"] is None) == (ago is None)


def test_a_list_that_is_too_old_is_told_once_for_all_receivers(tmp_path, ledger_url):
    world = World(tmp_path / "city", ledger_url, {"suido": RULE, "zei": RULE}, HUB)
    world.report(world.moved(ADDRESS, "1"))
    read(world, 27 * HOUR)
    world.deliver()
    (row,) = morning(world.ledger)
    assert row["count"] == 2
    assert abs(datetime.fromisoformat(row["since"]).timestamp() * 1000 - now_ms() + 27 * HOUR) < 60_000
    assert row["why"].endswith("has not been read for more than 26 hours")
    world.close()


def test_a_list_that_is_read_again_opens_it_and_only_the_unknown_wait(world):
    read(world, 27 * HOUR)
    world.deliver()
    read(world, 0)
    world.deliver()
    assert [each["subject"] for each in world.told("suido")] == ["1"]
    assert world.statuses("suido") == [("e2", "delivered", None), ("e3", "held", "protection-unknown")]
