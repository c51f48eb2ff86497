"""The state of all is the same whether SQLAlchemy asks or the database's driver alone."""

from __future__ import annotations

import pytest

from hub.errors import LedgerUnavailable
from hub.ledger import glance
from hub.stages.overview import overview
from tests.integration.semantics.world import World

RULE = "subscribes:\n  - {id: moved, on: resident.moved, send: [name], because: x}\n"


def test_an_empty_ledger_is_none_to_ask(database_url):
    with glance.asking(database_url) as ask:
        assert ask is None


def test_an_older_ledger_is_none_to_ask(ledger, ledger_url):
    with ledger.write() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0000'")
    with glance.asking(ledger_url) as ask:
        assert ask is None


def test_both_ways_of_asking_find_the_same(tmp_path, ledger_url):
    world = World(tmp_path / "city", ledger_url, {"suido": RULE})
    event = world.moved({"text": "守口市京阪本通2丁目5番5号"})
    world.report(event, event)
    with world.ledger.write() as connection:
        shut = '{"shut": {"reason": "paused", "until": 1764000000000}, "breaker": {"since": 1000, "error": "x"}}'
        connection.exec_driver_sql(f"UPDATE receiver SET state = '{shut}'")
    with glance.asking(ledger_url) as ask:
        assert ask is not None
        found = overview(ask)
    assert found == world.inquiry.status()
    world.close()
    assert (found["events"], found["records"]) == (1, 2)
    (receiver,) = found["receivers"]
    assert receiver["behind"] == 2
    assert receiver["held"]["until"] == "2025-11-24T16:00:00.000Z"
    assert receiver["breaker"]["since"] == "1970-01-01T00:00:01.000Z"


def test_a_database_that_is_away_is_named():
    with pytest.raises(LedgerUnavailable), glance.asking("postgresql+psycopg://nobody@127.0.0.1:1/hub"):
        pass


@pytest.mark.parametrize(("ahead", "expected"), [(5_000, 1), (-5_000, 0)])
def test_who_delivers_now_is_told_by_the_databases_clock(tmp_path, ledger_url, monkeypatch, ahead, expected):
    world = World(tmp_path / "city", ledger_url, {"suido": RULE})
    with world.ledger.write() as connection:
        until = world.ledger.now(connection) + ahead
        connection.exec_driver_sql(f"UPDATE receiver SET owner = 'a', until = {until}")
    monkeypatch.setattr("time.time", lambda: 0.0)
    with glance.asking(ledger_url) as ask:
        assert ask is not None
        assert overview(ask)["delivering"] == expected
    world.close()
