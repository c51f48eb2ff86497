"""`hub reconcile` shows people of a resident what people may be shown, and nothing else."""

import pytest

from hub.app import Hub
from hub.ledger import sources
from hub.ledger.sources import Tally
from tests.integration.semantics.world import ADDRESS, World

SYSTEM = """subscribes:
  - {{id: moves, on: resident.moved, send: [name, new_address], because: 試験{protected}}}
sources:
  zenken:
    {{adapter: csv, path: in/*.csv, mode: snapshot, key: row.番号, compare: [氏名, 住所],
      reconcile: {{氏名: data.name, 住所: data.new_address.text}}}}"""
FULL = ", protected: {mode: full}"


@pytest.fixture
def world(tmp_path, ledger_url):
    def make(protected="", hub=""):
        made = World(tmp_path / "city", ledger_url, {"suido": SYSTEM.format(protected=protected)}, hub)
        worlds.append(made)
        return made

    worlds = []
    yield make
    for each in worlds:
        each.close()


def told(world):
    world.report(world.moved(ADDRESS))
    world.deliver()
    (world.folder / "in").mkdir(exist_ok=True)
    (world.folder / "in" / "ZENKEN.csv").write_text("番号,氏名,住所\n1,守口 次郎,よそ\n")


def columns(world):
    hub = Hub(world.city)
    try:
        (item,) = hub.reconcile("suido", None, None, limit=10).items
    finally:
        hub.close()
    return sorted(item["columns"])


def test_whom_the_list_does_not_know_is_not_located(world):
    made = world(hub="protection: {list: juki.shien, max_age: 26h}\n")
    with made.ledger.write() as connection:
        sources.advance(connection, "juki", "shien", position={}, tally=Tally(), at=made.ledger.now(connection))
        connection.exec_driver_sql("INSERT INTO protection VALUES ('1', '1', 'dv', 0)")
    told(made)
    assert columns(made) == ["住所", "氏名"]
    with made.ledger.write() as connection:
        connection.exec_driver_sql("DELETE FROM protection")
    assert columns(made) == ["氏名"]


def test_where_a_protected_resident_lives_is_not_shown_though_the_system_is_told_it(world):
    made = world(FULL)
    told(made)
    assert columns(made) == ["住所", "氏名"]
    made.report(made.event("resident.protection-started", kind="dv"))
    assert columns(made) == ["氏名"]
