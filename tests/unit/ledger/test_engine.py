"""The ledger's connections to SQLite, and what it asks of them at once."""

from pathlib import Path

import pytest
import sqlalchemy as sa

from hub.ledger.engine import Ledger
from hub.ledger.log import select_in


@pytest.fixture
def ledger(tmp_path: Path):
    made = Ledger(f"sqlite:///{tmp_path}/ledger.db")
    with made.write() as connection:
        connection.exec_driver_sql("CREATE TABLE said(pos INTEGER PRIMARY KEY, name TEXT)")
        connection.exec_driver_sql("INSERT INTO said VALUES (1, '1'), (2, '守口'), (3, 'it''s \"so\"'), (4, NULL)")
        connection.exec_driver_sql("INSERT INTO said VALUES (5, ?)", ("1\0",))
    yield made
    made.close()


def raw(connection):
    return connection.connection.driver_connection


def test_who_writes_keeps_one_connection_and_its_pages(ledger):
    writers, kept = set(), set()
    for _ in range(3):
        with ledger.write() as writing, ledger.read() as reading:
            writers.add(id(raw(writing)))
            assert raw(reading) is not raw(writing)
            kept.add(tuple(raw(each).execute("PRAGMA cache_size").fetchone()[0] for each in (writing, reading)))
    assert len(writers) == 1
    (pages,) = kept
    assert pages[0] < 4 * pages[1] < 0, "in KB, as negative numbers"


def test_a_database_in_memory_is_one():
    made = Ledger("sqlite://")
    with made.write() as connection:
        connection.exec_driver_sql("CREATE TABLE said(pos INTEGER)")
    with made.read() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM said")).scalar() == 0
    made.close()


@pytest.mark.parametrize(
    ("query", "values", "found"),
    [
        ("SELECT pos FROM said WHERE pos", [3, 1, 9], [1, 3]),
        ("SELECT pos FROM said WHERE name", ["1", "守口", 'it\'s "so"', "none"], [1, 2, 3]),
        ("SELECT pos FROM said WHERE pos", [], []),
        ("SELECT pos FROM said WHERE pos", list(range(2, 5_000)), [2, 3, 4, 5]),
        ("SELECT pos FROM said WHERE name", [f"n{at}" for at in range(5_000)] + ["1"], [1]),
    ],
)
def test_as_many_as_one_likes_are_looked_up_in_one_statement(ledger, query, values, found):
    with ledger.read() as connection:
        asked: list[str] = []
        raw(connection).set_trace_callback(asked.append)
        assert sorted(row[0] for row in select_in(connection, True, query, values)) == found
        raw(connection).set_trace_callback(None)
    assert len(asked) == (1 if values else 0)


def test_a_text_with_a_nul_is_not_taken_for_its_beginning(ledger):
    with ledger.read() as connection:
        for names, found in ((["1\0"], [5]), (["1"], [1]), (["1\0", "1", "1", "守口"], [1, 2, 5])):
            rows = select_in(connection, True, "SELECT pos FROM said WHERE name", names)
            assert sorted(row[0] for row in rows) == found
