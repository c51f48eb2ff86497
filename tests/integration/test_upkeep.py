"""What the ledger does so that PostgreSQL finds rows quickly: arrays in text form, and tables analysed as they grow."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from hub.ledger import commands, jobs, upkeep
from hub.ledger.bulk import Insertion, arrays, unnested
from hub.ledger.desk import Desk
from hub.ledger.engine import Ledger
from hub.ledger.jobs import Order

NASTY = ["", "a,b", '"', "\\", '\\"', "{}", "NULL", "null", " x ", "改\n行\t", "𠮷", None]
_STANDING = Insertion("standing(subject, kind, pos, sequence)", ("text", "text", "bigint", "text"))


@pytest.fixture
def on_postgres(postgres_ledger_url: str) -> Iterator[Ledger]:
    made = Ledger(postgres_ledger_url)
    with made.write() as connection:  # the server's own analysis would be first now and then
        connection.exec_driver_sql("ALTER TABLE standing SET (autovacuum_enabled = off)")
    yield made
    made.close()


def _raw(connection: Any) -> Any:
    return connection.connection.driver_connection


def test_every_text_number_and_byte_comes_back_from_an_array(on_postgres: Ledger) -> None:
    rows = [(text, number, bytes([number % 256, 0, 92, 34]) if text else None) for number, text in enumerate(NASTY)]
    rows += [("last", -(2**63), b""), ("most", 2**63 - 1, bytes(range(256)))]
    with on_postgres.read() as connection:
        query = f"SELECT * FROM {unnested(['text', 'bigint', 'bytea'])}"
        found = _raw(connection).execute(query, arrays(rows)).fetchall()
    assert [(text, number, None if raw is None else bytes(raw)) for text, number, raw in found] == rows


def test_an_insertion_of_more_rows_than_a_statement_takes_writes_all(ledger: Ledger) -> None:
    rows = [(str(number), "type:x", number, None) for number in range(12_001)]
    with ledger.write() as connection:
        _STANDING.run(_raw(connection), rows, sqlite=ledger.sqlite)
    with ledger.read() as connection:
        found = connection.exec_driver_sql("SELECT subject, kind, pos, sequence FROM standing ORDER BY pos")
        assert [tuple(row) for row in found] == rows


def test_a_table_that_has_grown_is_analysed_once(on_postgres: Ledger) -> None:
    _grow(on_postgres, 0, 20_000)
    assert _until_analysed(on_postgres) == ["standing"]
    assert _believed(on_postgres) == 20_000
    assert upkeep.analyse_grown(on_postgres) == []


def test_rows_that_are_not_committed_do_not_hide_that_a_table_grew(on_postgres: Ledger) -> None:
    """An analysis in the middle of a long insert sees none of its rows."""
    with on_postgres.write() as connection:
        _insert(connection, 0, 20_000)
        with on_postgres.write() as other:
            other.exec_driver_sql("ANALYZE standing")
        assert _believed(on_postgres) == 0
    assert _until_analysed(on_postgres) == ["standing"]
    assert _believed(on_postgres) == 20_000


def test_a_table_that_is_small_or_has_hardly_changed_is_left_alone(on_postgres: Ledger) -> None:
    _grow(on_postgres, 0, upkeep.LEAST // 2)
    assert upkeep.analyse_grown(on_postgres) == []
    _grow(on_postgres, upkeep.LEAST // 2, 40_000)
    assert _until_analysed(on_postgres) == ["standing"]
    _grow(on_postgres, 40_000, 45_000)
    assert upkeep.analyse_grown(on_postgres) == []


def test_what_there_is_to_do_is_found_past_all_that_was_done(on_postgres: Ledger) -> None:
    """Of a job for every resident most commands are done soon: PostgreSQL must not go through them again and again."""
    number = Desk(on_postgres).register(["kokuho.default"])["kokuho.default"]
    orders = [Order(number, "resend", pos) for pos in range(30_000)]
    jobs.create(on_postgres, "seed", {}, orders, by="koji")
    with on_postgres.write() as connection:
        connection.exec_driver_sql("UPDATE command SET done_at = 1, result = 'queued' WHERE no <= 20000")
        connection.exec_driver_sql("ANALYZE command")
    asked: list[tuple[str, Any]] = []

    def note(*said: Any) -> None:
        asked.append((said[2], said[3]))

    sa.event.listen(on_postgres.engine, "before_cursor_execute", note)
    try:
        assert commands.called(on_postgres) == {number}
        assert [each.no for each in commands.next_of(on_postgres, number, 3, ["resend"])] == [20_001, 20_002, 20_003]
    finally:
        sa.event.remove(on_postgres.engine, "before_cursor_execute", note)
    for statement, values in asked:
        if "command" in statement:
            with on_postgres.read() as connection:
                plan = connection.exec_driver_sql(f"EXPLAIN {statement}", values).scalars().all()
            assert [line for line in plan if "on command" in line] == [line for line in plan if "command_open" in line]


def test_sqlite_needs_none_of_it(sqlite_ledger_url: str) -> None:
    made = Ledger(sqlite_ledger_url)
    assert upkeep.analyse_grown(made) == []


def _insert(connection: Any, first: int, end: int) -> None:
    _STANDING.run(_raw(connection), [(str(n), "type:x", n, None) for n in range(first, end)], sqlite=False)


def _grow(ledger: Ledger, first: int, end: int) -> None:
    with ledger.write() as connection:
        _insert(connection, first, end)
    with ledger.read() as connection:  # a session reports what it changed once it is idle; this one at once
        connection.exec_driver_sql("SELECT pg_stat_force_next_flush()")


def _until_analysed(ledger: Ledger) -> list[str]:
    """Look until the server has heard of the changes: a session reports them within a second."""
    for _ in range(100):
        if found := upkeep.analyse_grown(ledger):
            return found
        with ledger.read() as connection:
            connection.exec_driver_sql("SELECT pg_stat_force_next_flush()")
        time.sleep(0.05)
    return []


def _believed(ledger: Ledger) -> int:
    with ledger.read() as connection:
        query = "SELECT greatest(reltuples, 0)::bigint FROM pg_class WHERE oid = 'standing'::regclass"
        return int(connection.exec_driver_sql(query).scalar_one())
