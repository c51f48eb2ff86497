"""What the `database` adapter says to databases that no test can start: its statements, and how it reads errors."""

from __future__ import annotations

from typing import Any

import oracledb
import pymssql
import pymysql
import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import mssql, mysql, oracle, postgresql
from sqlalchemy.schema import CreateTable

from hub.adapters import database_call
from hub.adapters.database_engine import Fault, check_url, describe, is_there_already, sort
from hub.adapters.database_inbox import INBOX
from hub.adapters.database_outbox import _after

DIALECTS: dict[str, Any] = {
    "mssql": mssql.dialect(),
    "oracle": oracle.dialect(),
    "mysql": mysql.dialect(),
    "postgresql": postgresql.dialect(),
}


def compiled(statement: Any, dialect: str) -> str:
    return " ".join(str(statement.compile(dialect=DIALECTS[dialect])).split())


@pytest.mark.parametrize(
    ("dialect", "text"),
    [
        ("mssql", "EXEC dbo.tell @no = :argument_0, @name = :argument_1"),
        ("oracle", "BEGIN dbo.tell(no => :argument_0, name => :argument_1); END;"),
        ("mysql", "CALL dbo.tell(%s, %s)"),
        ("postgresql", "CALL dbo.tell(no => %(argument_0)s, name => %(argument_1)s)"),
    ],
)
def test_a_procedure_is_called_as_each_database_wants_it(dialect: str, text: str) -> None:
    assert compiled(database_call.statement(dialect, "dbo.tell", ["no", "name"]), dialect) == text
    assert database_call.arguments({"no": 1, "name": None}) == {"argument_0": 1, "argument_1": None}


@pytest.mark.parametrize(
    ("dialect", "column"),
    [
        ("mssql", "delivery_key NVARCHAR(200) COLLATE Latin1_General_BIN2 NOT NULL"),
        ("oracle", "delivery_key VARCHAR2(200 CHAR) NOT NULL"),
        ("mysql", "delivery_key VARCHAR(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL"),
        ("postgresql", "delivery_key VARCHAR(200) NOT NULL"),
    ],
)
def test_keys_are_compared_by_bytes(dialect: str, column: str) -> None:
    assert column in compiled(CreateTable(INBOX), dialect)


@pytest.mark.parametrize(("dialect", "part"), [("mssql", "TOP"), ("oracle", "FETCH FIRST"), ("mysql", "LIMIT")])
def test_a_page_is_asked_for_in_order(dialect: str, part: str) -> None:
    table = sa.table("box", sa.column("a"), sa.column("b"))
    query = sa.select(sa.text("*")).select_from(table).order_by(table.c.a, table.c.b).limit(5)
    text = compiled(query, dialect)
    assert "ORDER BY box.a, box.b" in text
    assert part in text
    assert "box.a =" in compiled(_after([table.c.a, table.c.b], [1, 2]), dialect)


def wrapped(original: Exception) -> sa.exc.DBAPIError:
    made = sa.exc.DBAPIError.instance("", {}, original, type(original).__mro__[-3])
    assert isinstance(made, sa.exc.DBAPIError)
    return made


@pytest.mark.parametrize(
    ("original", "fault"),
    [
        (pymysql.err.OperationalError(1644, "守口太郎"), Fault.ROW),
        (pymysql.err.OperationalError(1364, "no default"), Fault.ROW),
        (pymysql.err.OperationalError(1054, "no column"), Fault.SETTING),
        (pymysql.err.OperationalError(1213, "deadlock"), Fault.AWAY),
        (pymysql.err.OperationalError(2013, "lost connection"), Fault.AWAY),
        (pymssql.OperationalError(50001, b"thrown"), Fault.ROW),
        (pymssql.OperationalError(20009, b"no connection"), Fault.AWAY),
        (oracledb.DatabaseError(type("E", (), {"code": 20001})()), Fault.ROW),
        (oracledb.OperationalError(type("E", (), {"code": 12541})()), Fault.AWAY),
    ],
)
def test_what_a_driver_says_is_a_row_a_setting_or_the_database_away(original: Exception, fault: Fault) -> None:
    error = wrapped(original)
    assert sort(error) is fault
    assert "守口" not in describe(error)


def test_a_table_that_somebody_else_has_just_made_is_known() -> None:
    assert is_there_already(wrapped(pymysql.err.OperationalError(1050, "Table 'hub_inbox' already exists")))
    assert not is_there_already(wrapped(pymysql.err.OperationalError(1142, "CREATE command denied")))


@pytest.mark.parametrize("url", ["mysql+pymysql://h/d", "mssql+pymssql://h/d", "oracle+oracledb://h/?service_name=d"])
def test_the_extras_bring_their_drivers(url: str) -> None:
    assert check_url(url) == url
