from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import orjson
import pytest

from hub.adapters import database_source, registry
from hub.errors import Transient, UsageError
from tests.conformance.helpers import site


@pytest.fixture
def table(tmp_path: Path) -> Any:
    connection = sqlite3.connect(tmp_path / "juki.db", isolation_level=None)
    connection.execute("CREATE TABLE ido (no, name)")
    yield connection
    connection.close()


def source(folder: Path, **options: Any) -> Any:
    return registry.open_source(
        "database", {"url": "sqlite:///juki.db", "table": "ido", "cursor": "no", **options}, site(folder)
    )


def positions(folder: Path, **options: Any) -> list[tuple[list[Any], Any]]:
    """Return, for a reading from the start, each batch's names and its position after JSON."""
    return [
        ([row.values["name"] for row in batch.rows], orjson.loads(orjson.dumps(batch.position)))
        for batch in source(folder, **options).read(None)
    ]


@pytest.mark.parametrize("page", [1, 2, 3, 4, 7, 100])
def test_equal_values_at_a_page_border_are_never_skipped(
    tmp_path: Path, table: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    monkeypatch.setattr(database_source, "PAGE", page)
    values = [1, 1, 2, 3, 3, 3, 3, 4, 5, 5]
    table.executemany("INSERT INTO ido VALUES (?, ?)", [(no, f"n{index}") for index, no in enumerate(values)])
    names = [f"n{index}" for index in range(len(values))]
    batches = positions(tmp_path)
    assert sorted(name for found, _ in batches for name in found) == names
    done: set[str] = set()
    for found, position in batches:
        done.update(found)
        rest = {row.values["name"] for batch in source(tmp_path).read(position) for row in batch.rows}
        assert done | rest == set(names)
    assert list(source(tmp_path).read(batches[-1][1])) == []


def test_late_commits_are_found_within_the_overlap_and_come_once(tmp_path: Path, table: sqlite3.Connection) -> None:
    table.executemany("INSERT INTO ido VALUES (?, ?)", [(1, "a"), (2, "b"), (5, "c")])
    opened = source(tmp_path, overlap=3)
    (first,) = opened.read(None)
    table.executemany("INSERT INTO ido VALUES (?, ?)", [(2, "too late"), (3, "late"), (5, "equal"), (6, "new")])
    (second,) = opened.read(orjson.loads(orjson.dumps(first.position)))
    assert [row.values["name"] for row in second.rows] == ["late", "equal", "new"]
    assert list(opened.read(second.position)) == []


@pytest.mark.parametrize(
    ("first", "late", "too_late"),
    [
        ("2026-04-01 12:00:00", "2026-04-01 11:59:01", "2026-04-01 11:58:59"),
        ("2026-04-01T12:00:00.500+09:00", "2026-04-01T11:59:30.000+09:00", "2026-04-01T11:58:59.000+09:00"),
        ("2026-04-01", "2026-04-01", "2026-03-31"),
    ],
)
def test_overlap_of_times_is_in_seconds(
    tmp_path: Path, table: sqlite3.Connection, first: str, late: str, too_late: str
) -> None:
    table.execute("INSERT INTO ido VALUES (?, 'a')", (first,))
    opened = source(tmp_path, overlap=60)
    (batch,) = opened.read(None)
    table.executemany("INSERT INTO ido VALUES (?, ?)", [(late, "late"), (too_late, "too late")])
    names = [row.values["name"] for found in opened.read(batch.position) for row in found.rows]
    assert names == ["late"]


def test_a_query_with_colons_and_an_end_is_read(tmp_path: Path, table: sqlite3.Connection) -> None:
    table.executemany("INSERT INTO ido VALUES (?, ?)", [(1, "a"), (2, ":x"), (3, "c")])
    query = "SELECT no, name, '12:30' AS at FROM ido WHERE name <> ':x' ;\n"
    (batch,) = source(tmp_path, table=None, query=query).read(None)
    assert [row.values for row in batch.rows] == [
        {"no": 1, "name": "a", "at": "12:30"},
        {"no": 3, "name": "c", "at": "12:30"},
    ]


def test_the_source_cannot_write(tmp_path: Path, table: sqlite3.Connection) -> None:
    opened = source(tmp_path)
    with opened._engine.connect() as connection, pytest.raises(Exception, match="readonly"):
        connection.exec_driver_sql("DELETE FROM ido")


@pytest.mark.parametrize("options", [{"table": "nowhere"}, {"cursor": "nothing"}, {"table": None, "query": "SELEC 1"}])
def test_a_wrong_setting_is_named(tmp_path: Path, table: sqlite3.Connection, options: dict[str, Any]) -> None:
    table.execute("INSERT INTO ido VALUES (1, 'a')")
    with pytest.raises(Transient, match="`table`, `query` or `cursor` is wrong"):
        list(source(tmp_path, **options).read(None))


def test_a_locked_database_is_transient(
    tmp_path: Path, table: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.adapters.database_engine.WAIT", 0.01)
    table.execute("BEGIN EXCLUSIVE")
    with pytest.raises(Transient, match="locked"):
        list(source(tmp_path).read(None))
    table.execute("ROLLBACK")


def test_a_missing_file_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(Transient, match="no database file"):
        list(source(tmp_path).read(None))
    assert not (tmp_path / "juki.db").exists()


def test_a_table_that_ends_before_what_was_read_stands_still_until_a_person_sets_it_back(
    tmp_path: Path, table: sqlite3.Connection
) -> None:
    table.executemany("INSERT INTO ido VALUES (?, ?)", [(no, f"n{no}") for no in range(1, 11)])
    opened = source(tmp_path)
    (batch,) = opened.read(None)
    table.execute("DELETE FROM ido WHERE no > 5")  # restored
    table.execute("INSERT INTO ido VALUES (6, 'other')")
    with pytest.raises(Transient, match="ends at no=6, but was read up to 10") as raised:
        list(opened.read(batch.position))
    assert raised.value.code == "set-back"
    (again,) = opened.read(opened.rewound(batch.position, "5"))
    assert [row.values["name"] for row in again.rows] == ["other"]
    for wrong in ("10", "x"):
        with pytest.raises(UsageError):
            opened.rewound(batch.position, wrong)
    with pytest.raises(UsageError, match="never read"):
        opened.rewound(None, "5")


def test_an_emptied_table_says_nothing_of_a_restore(tmp_path: Path, table: sqlite3.Connection) -> None:
    table.execute("INSERT INTO ido VALUES (7, 'a')")
    opened = source(tmp_path)
    (batch,) = opened.read(None)
    table.execute("DELETE FROM ido")  # as an outbox is
    assert list(opened.read(batch.position)) == []
