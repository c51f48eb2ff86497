"""The migrations make what the tables say, on both databases, and commands starting at once wait for one another."""

from __future__ import annotations

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from hub.errors import ConfigurationError
from hub.ledger import glance, jobs, schema
from hub.ledger.engine import Ledger
from hub.ledger.jobs import Order
from hub.ledger.revision import HEAD, OLDEST
from hub.ledger.tables import meta, metadata
from tests.integration.jobs.town import Town
from tests.integration.jobs.victim import RULE
from tests.integration.semantics.world import ADDRESS, OTHER


@pytest.fixture
def ledger(database_url):
    opened = Ledger(database_url)
    yield opened
    opened.close()


def test_migrations_make_the_tables(ledger):
    schema.ready(ledger)
    with ledger.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        found = [
            change
            for change in compare_metadata(context, metadata)
            if not (change[0] == "remove_table" and change[1].name == "alembic_version")
        ]
    assert found == []


def test_the_newest_revision_is_the_one_the_hub_knows():
    assert schema.revisions()[0] == HEAD


def test_commands_that_start_at_once_make_one_ledger(database_url):
    def ready(_: int) -> str:
        opened = Ledger(database_url)
        try:
            return schema.ready(opened)
        finally:
            opened.close()

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(ready, range(4)))) == 1


def test_a_database_that_another_program_is_just_making_is_waited_for(tmp_path):
    path = tmp_path / "hub.db"
    maker = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    maker.execute("CREATE TABLE made(x)")
    maker.execute("BEGIN IMMEDIATE")  # SQLite refuses write-ahead logging at once, without waiting
    release = threading.Timer(0.3, maker.execute, ["COMMIT"])
    release.start()
    ledger = Ledger(f"sqlite:///{path}")
    try:
        assert schema.ready(ledger)
    finally:
        release.join()
        ledger.close()
        maker.close()


def stand(ledger, found, oldest):
    """Let a ledger be at another revision, and allow programs from `oldest` on."""
    with ledger.write() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = :found"), {"found": found})
        connection.execute(sa.update(meta).where(meta.c.key == OLDEST).values(value=oldest))


@pytest.mark.parametrize(("found", "mend"), [("9999", "newer hub"), ("0000", "newer hub")])
def test_a_ledger_of_another_revision_is_refused(ledger, found, mend):
    schema.ready(ledger)
    stand(ledger, found, "9999")
    with pytest.raises(ConfigurationError, match=mend):
        schema.ready(ledger)
    with glance.asking(ledger.url) as ask:
        assert ask is None


def test_a_ledger_that_a_newer_hub_has_only_added_to_is_worked_with(ledger):
    made = schema.ready(ledger)
    stand(ledger, "9999", HEAD)
    assert schema.ready(ledger) == made
    assert schema.upgrade(ledger) == ("9999", "9999")
    with glance.asking(ledger.url) as ask:
        assert ask is not None


def test_what_a_newer_hub_asks_for_waits_for_an_owner_that_knows_it(tmp_path, ledger_url):
    town = Town(tmp_path / "city", ledger_url, {"suido": RULE})
    town.report(town.moved(ADDRESS))
    town.deliver()
    number = town.rules.numbers[0]
    job = jobs.create(town.ledger, "recall", {}, [Order(number, "recall", 1)], by="tester")
    town.report(town.moved(OTHER))
    town.deliver(until=lambda: town.statuses("suido")[-1][1] == "delivered")
    assert (town.job(job).open, town.desks["suido"].ids) == (1, ["e1", "e2"])
    town.close()


def test_a_position_is_the_row_itself_on_sqlite(sqlite_url):
    ledger = Ledger(sqlite_url)
    schema.ready(ledger)
    with ledger.read() as connection:
        indexes = connection.execute(
            sa.text("SELECT name FROM sqlite_master WHERE tbl_name = 'event' AND type = 'index'")
        )
        assert sorted(indexes.scalars()) == ["event_by_subject", "event_by_time"]
    ledger.close()
