"""What a `database` sink writes, on SQLite, PostgreSQL and MariaDB alike."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from hub.adapters import registry
from hub.adapters.conformance import batch, deliveries
from hub.adapters.contract import Delivery
from hub.errors import ConfigurationError, ReceiverStopped, Rejected, Transient
from tests.conformance.helpers import EXPRESSIONS, database_away, site, with_data

Run = Callable[[str], list[Any]]
COLUMNS = {"氏名": "data.name", "カナ": "data.kana", "異動日": "data.moved_on", "人数": "data.size"}


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/kokuho.db"
    return str(request.getfixturevalue("postgres_url" if request.param == "postgresql" else "mariadb_url"))


@pytest.fixture
def run(url: str) -> Run:
    def run(text: str) -> list[Any]:
        engine = sa.create_engine(url, poolclass=sa.NullPool)
        with engine.begin() as connection:
            result = connection.execute(sa.text(text))
            return [tuple(row) for row in result] if result.returns_rows else []

    run(
        "CREATE TABLE hihokensha (宛名番号 VARCHAR(10) PRIMARY KEY, 氏名 VARCHAR(40) NOT NULL,"
        " カナ VARCHAR(40), 異動日 DATE, 人数 INTEGER DEFAULT 1, CHECK (人数 < 100))"
    )
    return run


def sink(url: str, folder: Path, **options: Any) -> Any:
    settings = {"url": url, "table": "hihokensha", "key": {"宛名番号": "subject"}, "columns": COLUMNS, **options}
    return registry.open_sink("database", settings, site(folder), EXPRESSIONS)


async def send(opened: Any, *content: Delivery) -> list[Any]:
    outcomes = await opened.deliver(batch(list(content)))
    await opened.close()
    return [outcome.error for outcome in outcomes]


def told(no: int, *, subject: str = "1", action: str = "new", **data: Any) -> Delivery:
    one = with_data(deliveries(1, start=no)[0], data, action=action)
    return Delivery(one.key, one.no, one.event_id, one.type, subject, one.time, one.body, action)


TABLE = "SELECT 宛名番号, 氏名, カナ, CAST(異動日 AS CHAR(10)), 人数 FROM hihokensha ORDER BY 宛名番号"


async def test_an_upsert_leaves_what_is_not_told(url: str, run: Run, tmp_path: Path) -> None:
    first = told(0, name="守口", kana="モリグチ", moved_on="2026-04-01", size=3)
    assert await send(sink(url, tmp_path), first, told(1, subject="2", name="門真")) == [None, None]
    assert await send(sink(url, tmp_path), told(2, name="寝屋川"), told(3, name="大東", size="4")) == [None, None]
    assert run(TABLE) == [("1", "大東", "モリグチ", "2026-04-01", 4), ("2", "門真", None, None, 1)]
    assert run("SELECT count(*) FROM hub_inbox") == [(4,)]


async def test_a_repeat_applies_nothing(url: str, run: Run, tmp_path: Path) -> None:
    await send(sink(url, tmp_path), told(0, name="守口"))
    run("UPDATE hihokensha SET 氏名 = '本人が直した'")
    assert await send(sink(url, tmp_path), told(0, name="守口"), told(1, subject="2", name="門真")) == [None, None]
    assert [row[1] for row in run(TABLE)] == ["本人が直した", "門真"]


async def test_a_table_without_a_unique_key_is_updated_or_inserted(url: str, run: Run, tmp_path: Path) -> None:
    run("CREATE TABLE loose (no INTEGER, name VARCHAR(20))")
    for part in ([told(0, subject="1", name="a"), told(1, subject="2", name="b")], [told(2, subject="1", name="c")]):
        opened = sink(url, tmp_path, table="loose", key={"no": "subject"}, columns={"name": "data.name"})
        assert await send(opened, *part) == [None] * len(part)
    assert run("SELECT no, name FROM loose ORDER BY no") == [(1, "c"), (2, "b")]


async def test_bad_rows_are_refused_alone_and_their_keys_stay_free(url: str, run: Run, tmp_path: Path) -> None:
    content = [told(no, subject=str(no), name=f"n{no}") for no in range(20)]
    content[3] = told(3, subject="3", kana="x")
    content[4] = told(4, subject="4", name="n4", size=100)
    content[19] = told(19, subject="12345678901", name="x" * 41) if not url.startswith("sqlite") else content[3]
    errors = await send(sink(url, tmp_path), *content)
    assert [no for no, error in enumerate(errors) if error] == [3, 4, 19]
    assert all(isinstance(errors[no], Rejected) for no in (3, 4, 19))
    assert len(run(TABLE)) == 17
    assert await send(sink(url, tmp_path), told(3, subject="3", name="mended")) == [None]
    assert ("3", "mended") in [row[:2] for row in run(TABLE)]


async def test_a_refusal_does_not_repeat_the_values(url: str, run: Run, tmp_path: Path) -> None:
    run("CREATE TABLE log (name VARCHAR(20) UNIQUE)")
    options = {"table": "log", "mode": "insert", "key": {}, "columns": {"name": "data.name"}}
    first, second = await send(sink(url, tmp_path, **options), told(0, name="守口太郎"), told(1, name="守口太郎"))
    assert first is None
    assert isinstance(second, Rejected)
    assert "守口太郎" not in str(second)


async def test_without_a_value_for_the_key_it_is_refused(url: str, run: Run, tmp_path: Path) -> None:
    (error,) = await send(sink(url, tmp_path, key={"宛名番号": "data.number"}), told(0, name="守口"))
    assert isinstance(error, Rejected)
    assert "宛名番号" in error.message


async def test_a_cancel_without_on_cancel_is_refused(url: str, run: Run, tmp_path: Path) -> None:
    errors = await send(sink(url, tmp_path), told(0, name="守口"), told(1, name="守口", action="cancel"))
    assert errors[0] is None
    assert isinstance(errors[1], Rejected)
    assert "on_cancel" in errors[1].mend
    assert [row[1] for row in run(TABLE)] == ["守口"]


@pytest.mark.parametrize(
    ("on_cancel", "left"),
    [
        ("delete", []),
        ({"カナ": '"取消"'}, [("1", "誤り", "取消", "2026-04-01", 1)]),
        ("restore", [("1", "正しい", None, None, 1)]),
    ],
)
async def test_what_a_cancel_does(url: str, run: Run, tmp_path: Path, on_cancel: Any, left: list[Any]) -> None:
    wrong = {"name": "誤り", "kana": "アヤマリ", "moved_on": "2026-04-01"}
    cancel = told(1, action="cancel", **wrong, restored={"name": "正しい"})
    assert await send(sink(url, tmp_path, on_cancel=on_cancel), told(0, **wrong), cancel) == [None, None]
    assert run(TABLE) == left
    assert await send(sink(url, tmp_path, on_cancel=on_cancel), cancel) == [None]
    assert run(TABLE) == left


async def test_a_restore_that_tells_nothing_is_refused(url: str, run: Run, tmp_path: Path) -> None:
    (error,) = await send(sink(url, tmp_path, on_cancel="restore"), told(0, name="x", action="cancel"))
    assert isinstance(error, Rejected)
    assert error.code == "restored-missing"


async def test_objects_and_lists_are_written_as_json(url: str, run: Run, tmp_path: Path) -> None:
    await send(sink(url, tmp_path), told(0, name={"姓": "守口", "名": ["太", "郎"]}))
    assert run("SELECT 氏名 FROM hihokensha") == [('{"姓":"守口","名":["太","郎"]}',)]


@pytest.mark.parametrize(
    ("options", "named"),
    [({"table": "nowhere"}, "`table`"), ({"columns": {"住所": "data.name"}}, "has no column 住所")],
)
async def test_a_wrong_setting_stops_the_receiver(
    url: str, run: Run, tmp_path: Path, options: dict[str, Any], named: str
) -> None:
    opened = sink(url, tmp_path, **options)
    with pytest.raises(ReceiverStopped, match=named):
        await opened.deliver(batch([told(0, name="x")]))
    run("CREATE TABLE nowhere AS SELECT * FROM hihokensha")
    run("ALTER TABLE hihokensha ADD COLUMN 住所 VARCHAR(40)")
    run("ALTER TABLE hihokensha RENAME COLUMN 氏名 TO 旧氏名")
    if "columns" not in options:
        assert await send(opened, told(0, name="x")) == [None]
    else:
        await opened.close()


async def test_a_database_that_goes_away_loses_nothing(url: str, run: Run, tmp_path: Path) -> None:
    opened = sink(url, tmp_path)
    with database_away(url), pytest.raises(Transient) as caught:
        await opened.deliver(batch([told(0, name="守口")]))
    assert not caught.value.reached
    assert await send(opened, told(0, name="守口")) == [None]
    assert [row[1] for row in run(TABLE)] == ["守口"]


async def test_a_locked_table_is_waited_for(
    url: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.adapters.database_engine.WAIT", 1)
    opened = sink(url, tmp_path)
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.connect() as other:
        locked = {
            "sqlite": "BEGIN EXCLUSIVE",
            "postgresql": "LOCK TABLE hihokensha IN ACCESS EXCLUSIVE MODE",
            "mysql": "SELECT * FROM hihokensha FOR UPDATE",
        }[sa.make_url(url).get_backend_name()]
        other.exec_driver_sql(locked)
        with pytest.raises(Transient) as caught:
            await opened.deliver(batch([told(0, name="守口")]))
        other.rollback()
    assert not caught.value.reached
    assert await send(opened, told(0, name="守口")) == [None]


PROCEDURES = {
    "postgresql": """CREATE PROCEDURE tell(no VARCHAR, name VARCHAR, act VARCHAR) LANGUAGE plpgsql AS $$ BEGIN
        IF name = '不可' THEN RAISE EXCEPTION 'no such resident %', name; END IF;
        INSERT INTO told VALUES (no, name, act); END $$""",
    "mysql": """CREATE PROCEDURE tell(no VARCHAR(10), name VARCHAR(40), act VARCHAR(10)) BEGIN
        IF name = '不可' THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no such resident'; END IF;
        INSERT INTO told VALUES (no, name, act); END""",
}
CALL = {
    "table": None,
    "key": {},
    "columns": {},
    "mode": "call",
    "procedure": "tell",
    "arguments": {"no": "subject", "name": "data.name", "act": "action"},
}


@pytest.fixture
def procedure(url: str, run: Run) -> None:
    if url.startswith("sqlite"):
        return
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE told (no VARCHAR(10), name VARCHAR(40), act VARCHAR(10))")
        connection.exec_driver_sql(PROCEDURES[sa.make_url(url).get_backend_name()].replace("%", "%%"))


async def test_a_procedure_is_called_once_and_refuses_alone(
    url: str, run: Run, procedure: None, tmp_path: Path
) -> None:
    if url.startswith("sqlite"):
        with pytest.raises(ConfigurationError):
            sink(url, tmp_path, **CALL)
        return
    content = [told(0, name="守口"), told(1, subject="2", name="不可"), told(2, subject="3", kana="x")]
    for _ in range(2):
        errors = await send(sink(url, tmp_path, **CALL), *content)
        assert [isinstance(error, Rejected) for error in errors] == [False, True, False]
    assert "不可" not in str(errors[1])
    assert run("SELECT no, name, act FROM told ORDER BY no") == [("1", "守口", "new"), ("3", None, "new")]
    (error,) = await send(sink(url, tmp_path, **CALL), told(3, name="守口", action="cancel"))
    assert isinstance(error, Rejected)
    cancel = told(4, subject="5", name="守口", action="cancel")
    assert await send(sink(url, tmp_path, **CALL, on_cancel="call"), cancel) == [None]
    assert ("5", "守口", "cancel") in run("SELECT no, name, act FROM told")


async def test_a_procedure_that_is_not_there_stops_the_receiver(url: str, run: Run, tmp_path: Path) -> None:
    if url.startswith("sqlite"):
        return
    opened = sink(url, tmp_path, **CALL)
    with pytest.raises(ReceiverStopped):
        await opened.deliver(batch([told(0, name="x")]))
    await opened.close()


async def test_keys_that_differ_in_case_are_two_keys(url: str, run: Run, tmp_path: Path) -> None:
    small, large = told(0, subject="1", name="守口"), told(1, subject="2", name="門真")
    small.key, large.key = "juki/a:kokuho.main:0", "juki/A:kokuho.main:0"
    assert await send(sink(url, tmp_path), small) == [None]
    assert await send(sink(url, tmp_path), large) == [None]
    assert len(run(TABLE)) == 2


async def test_two_processes_at_once_apply_a_delivery_once(url: str, run: Run, tmp_path: Path) -> None:
    run("CREATE TABLE log (name VARCHAR(20))")
    options = {"table": "log", "mode": "insert", "key": {}, "columns": {"name": "data.name"}}
    content = [told(no, subject=str(no), name=f"n{no}") for no in range(50)]

    async def tell() -> None:
        opened = sink(url, tmp_path, **options)
        for _ in range(20):
            try:
                errors = [outcome.error for outcome in await opened.deliver(batch(content))]
            except Transient:
                continue
            assert errors == [None] * 50
            break
        await opened.close()

    await asyncio.gather(*(tell() for _ in range(4)))
    assert run("SELECT count(*), count(DISTINCT name) FROM log") == [(50, 50)]


async def test_mariadb_tables_without_transactions_are_refused(url: str, run: Run, tmp_path: Path) -> None:
    if not url.startswith("mysql"):
        return
    run("ALTER TABLE hihokensha ENGINE = MyISAM")
    opened = sink(url, tmp_path)
    with pytest.raises(ReceiverStopped, match="InnoDB"):
        await opened.deliver(batch([told(0, name="x")]))
    run("ALTER TABLE hihokensha ENGINE = InnoDB")
    assert await send(opened, told(0, name="x")) == [None]


async def test_what_does_not_fit_is_refused_and_never_cut(url: str, run: Run, tmp_path: Path) -> None:
    if url.startswith("sqlite"):  # which takes any length
        return
    (error,) = await send(sink(url, tmp_path), told(0, name="守" * 41))
    assert isinstance(error, Rejected)
    assert run(TABLE) == []
