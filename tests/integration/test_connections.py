"""Connections to PostgreSQL: which of them are used again, and what a server that went away leaves behind."""

import pytest

from hub.errors import LedgerUnavailable
from hub.ledger import engine
from hub.ledger.engine import Ledger


@pytest.fixture
def ledger(postgres_url):
    ledger = Ledger(postgres_url)
    yield ledger
    ledger.close()


@pytest.fixture
def other(postgres_url):
    other = Ledger(postgres_url)
    yield other
    other.close()


def number(ledger):
    with ledger.read() as connection:
        return connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()


def half_written(ledger):
    with ledger.write() as connection:
        connection.connection.driver_connection.execute("CREATE TABLE half (no int)")
        raise ZeroDivisionError


def stands(ledger):
    with ledger.read() as connection:
        return connection.exec_driver_sql("SELECT to_regclass('half')").scalar_one() is not None


def end(other, pid):
    with other.write() as connection:
        connection.exec_driver_sql(f"SELECT pg_terminate_backend({pid}, 5000)")


def test_a_connection_that_broke_is_not_used_again_however_soon(ledger, other):
    first = number(ledger)
    end(other, first)
    with pytest.raises(LedgerUnavailable):
        number(ledger)
    assert number(ledger) != first


def test_a_connection_that_was_idle_is_asked_before_it_is_used(ledger, other, monkeypatch):
    monkeypatch.setattr(engine, "_FRESH", -1.0)
    first = number(ledger)
    end(other, first)
    assert number(ledger) != first  # nobody noticed


def test_a_connection_is_used_again_and_begins_transactions_again(ledger):
    first = number(ledger)
    with pytest.raises(ZeroDivisionError):
        half_written(ledger)
    assert not stands(ledger)
    assert number(ledger) == first


def test_an_error_in_a_statement_of_its_own_leaves_a_connection_that_begins_transactions(ledger):
    with pytest.raises(Exception, match="no_such_table"), ledger.alone() as connection:
        connection.connection.driver_connection.execute("SELECT * FROM no_such_table")
    with pytest.raises(ZeroDivisionError):
        half_written(ledger)
    assert not stands(ledger)


@pytest.mark.parametrize("compression", ["lz4", "unheard-of"])
def test_a_connection_is_set_up_whatever_compression_the_server_has(postgres_url, monkeypatch, compression):
    monkeypatch.setattr(engine, "_COMPRESSION", f"'{compression}'")
    made = Ledger(postgres_url, lock_timeout=7)
    with made.read() as connection:
        shown = [connection.exec_driver_sql(f"SHOW {name}").scalar_one() for name in ("jit", "lock_timeout")]
    made.close()
    assert shown == ["off", "7s"]
