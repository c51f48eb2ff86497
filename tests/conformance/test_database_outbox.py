"""An outbox is emptied of what is safe, and of nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
import sqlalchemy as sa

from hub.adapters import registry
from hub.errors import ConfigurationError, Transient
from tests.conformance.helpers import site


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        (tmp_path / "outbox.db").touch()
        return f"sqlite:///{tmp_path}/outbox.db"
    return str(request.getfixturevalue("postgres_url" if request.param == "postgresql" else "mariadb_url"))


def run(url: str, text: str) -> list[Any]:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        result = connection.execute(sa.text(text))
        return [tuple(row) for row in result] if result.returns_rows else []


@pytest.fixture
def table(url: str) -> str:
    run(url, "CREATE TABLE box (system_no VARCHAR(4), no INTEGER, name VARCHAR(20), sent TIMESTAMP NULL)")
    return url


def fill(url: str, *numbers: int, name: str = "守口") -> None:
    for no in numbers:
        run(url, f"INSERT INTO box(system_no, no, name) VALUES ('a', {no}, '{name}')")


def opened(url: str, folder: Path, **outbox: Any) -> Any:
    options = {"url": url, "table": "box", "cursor": "no", "outbox": {"key": ["system_no", "no"], **outbox}}
    return registry.open_source("database", options, site(folder))


def read(source: Any, after: Any = None, *, acknowledge: bool = True) -> tuple[list[int], Any]:
    found, position = [], after
    for batch in source.read(after):
        found += [row.values["no"] for row in batch.rows]
        position = orjson.loads(orjson.dumps(batch.position))
        if acknowledge:
            source.acknowledge(batch)
    return found, position


def test_what_is_safe_is_deleted(table: str, tmp_path: Path) -> None:
    fill(table, 1, 2, 3)
    source = opened(table, tmp_path)
    found, position = read(source)
    assert found == [1, 2, 3]
    assert run(table, "SELECT * FROM box") == []
    fill(table, 2)  # a number below the last: nothing is passed over
    assert read(source, position)[0] == [2]


def test_what_is_safe_is_marked_with_the_time(table: str, tmp_path: Path) -> None:
    fill(table, 1, 2)
    assert read(opened(table, tmp_path, after="mark", mark="sent"))[0] == [1, 2]
    assert run(table, "SELECT count(*) FROM box WHERE sent IS NOT NULL") == [(2,)]
    run(table, "UPDATE box SET sent = NULL WHERE no = 2")  # somebody wants it again
    assert read(opened(table, tmp_path, after="mark", mark="sent"))[0] == [2]


def test_a_mark_may_be_a_word(table: str, tmp_path: Path) -> None:
    fill(table, 1, name="open")
    options = {"after": "mark", "mark": "name", "open": "open", "done": "done"}
    assert read(opened(table, tmp_path, **options))[0] == [1]
    assert run(table, "SELECT name FROM box") == [("done",)]


def test_what_is_not_acknowledged_stays(table: str, tmp_path: Path) -> None:
    fill(table, 1, 2)
    _, position = read(opened(table, tmp_path), acknowledge=False)
    assert run(table, "SELECT count(*) FROM box") == [(2,)]
    assert read(opened(table, tmp_path), position)[0] == []  # it was durable: a new process finishes it
    assert run(table, "SELECT count(*) FROM box") == [(0,)]


def test_a_number_that_was_given_away_again_is_another_row(table: str, tmp_path: Path) -> None:
    fill(table, 1, 2)
    _, position = read(opened(table, tmp_path))
    fill(table, 1, 2, name="another")
    assert read(opened(table, tmp_path), position)[0] == [1, 2]


@pytest.mark.parametrize("outbox", [{}, {"after": "mark", "mark": "sent"}], ids=["delete", "mark"])
def test_a_row_that_changes_before_it_is_finished_is_read_again(
    table: str, tmp_path: Path, outbox: dict[str, Any]
) -> None:
    fill(table, 1, 2)
    source = opened(table, tmp_path, **outbox)
    (batch,) = source.read(None)
    run(table, "UPDATE box SET name = 'changed' WHERE no = 2")
    source.acknowledge(batch)
    assert run(table, "SELECT no, name FROM box WHERE sent IS NULL") == [(2, "changed")]
    assert read(source, batch.position)[0] == [2]
    assert run(table, "SELECT no FROM box WHERE sent IS NULL") == []


def test_many_rows_are_several_passes(table: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.adapters.database_outbox.PAGE", 4)
    monkeypatch.setattr("hub.adapters.database_outbox.LONGEST", 8)
    monkeypatch.setattr("hub.adapters.database_outbox.PART", 3)
    fill(table, *range(20))
    source, position, passes = opened(table, tmp_path), None, []
    while True:
        found, position = read(source, position)
        if not found:
            break
        passes.append(found)
    assert [len(found) for found in passes] == [8, 8, 4]
    assert [no for found in passes for no in found] == list(range(20))
    assert run(table, "SELECT count(*) FROM box") == [(0,)]


def test_rows_that_stand_before_a_pass_cut_by_a_crash_do_not_wait_for_one_behind_it(
    table: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.adapters.database_outbox.PAGE", 2)
    fill(table, 11, 12, 13)
    first = next(iter(opened(table, tmp_path).read(None)))  # the position of the first page was stored, then: a crash
    position = orjson.loads(orjson.dumps(first.position))
    run(table, "DELETE FROM box WHERE no = 13")
    fill(table, 1)  # committed late, or numbers that do not grow
    assert read(opened(table, tmp_path), position)[0] == [1]
    assert run(table, "SELECT * FROM box") == []


def test_a_wrong_column_is_named(table: str, tmp_path: Path) -> None:
    with pytest.raises(Transient) as error:
        read(opened(table, tmp_path, after="mark", mark="nowhere"))
    assert error.value.code == "setting"


@pytest.mark.parametrize("outbox", [{"after": "mark"}, {"mark": "sent"}])
def test_settings_that_do_not_go_together(tmp_path: Path, outbox: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        opened("sqlite:///x.db", tmp_path, **outbox)
