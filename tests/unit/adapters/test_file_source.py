"""When a file is taken, and what announces it: the same on every place, tried on a folder."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hub.adapters import file_source, registry
from hub.adapters.contract import Rereadable
from hub.errors import ConfigurationError, Malformed, Transient, UsageError
from tests.conformance.files import FORMATS, LAYOUTS
from tests.conformance.helpers import site


def source(folder: Path, **options: Any) -> Any:
    return registry.open_source("csv", {"path": "in/*.csv", **options}, site(folder))


def drop(folder: Path, name: str, content: str = "a\n1\n") -> Path:
    path = folder / "in" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(content)
    return path


def read(opened: Any, after: Any = None, *, acknowledge: bool = True) -> list[str]:
    """Return the labels of the files that were read whole."""
    labels = []
    for batch in opened.read(after):
        labels.append(Path(batch.label).name)
        if acknowledge:
            opened.acknowledge(batch)
    return labels


def there(folder: Path) -> list[str]:
    return [str(path.relative_to(folder / "in")) for path in sorted((folder / "in").rglob("*")) if path.is_file()]


# --- triggers --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("trigger", "name"), [("{stem}.end", "a.end"), ("{name}.ok", "a.csv.ok"), ("READY", "READY")])
def test_a_file_waits_for_its_trigger_which_goes_where_it_goes(tmp_path: Path, trigger: str, name: str) -> None:
    opened = source(tmp_path, trigger=trigger)
    drop(tmp_path, "a.csv")
    assert read(opened) == []
    drop(tmp_path, name, "")
    assert read(opened) == ["a.csv"]
    assert there(tmp_path) == sorted([f"done/{name}", "done/a.csv"])


@pytest.mark.parametrize(("after", "left"), [("delete", []), ("keep", ["a.csv", "a.end"])])
def test_what_becomes_of_a_trigger(tmp_path: Path, after: str, left: list[str]) -> None:
    drop(tmp_path, "a.csv")
    drop(tmp_path, "a.end")
    read(source(tmp_path, trigger="{stem}.end", after=after))
    assert there(tmp_path) == left


def test_a_trigger_that_fits_the_pattern_is_no_file(tmp_path: Path) -> None:
    drop(tmp_path, "a.csv")
    drop(tmp_path, "a.csv.ok")
    assert read(source(tmp_path, path="in/*", trigger="{name}.ok")) == ["a.csv"]


def test_a_shared_trigger_stays_until_the_last_file_is_read(tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv", "READY"):
        drop(tmp_path, name)
    opened = source(tmp_path, trigger="READY")
    first, second = opened.read(None)
    opened.acknowledge(first)
    assert "READY" in there(tmp_path)
    opened.acknowledge(second)
    assert there(tmp_path) == ["done/READY", "done/a.csv", "done/b.csv"]


def test_a_file_whose_trigger_was_put_away_before_a_crash_is_finished(tmp_path: Path) -> None:
    path = drop(tmp_path, "a.csv")
    drop(tmp_path, "a.end")
    (batch,) = source(tmp_path, trigger="{stem}.end").read(None)
    (tmp_path / "in" / "a.end").unlink()
    assert read(source(tmp_path, trigger="{stem}.end"), batch.position) == ["a.csv"]
    assert not path.exists()


@pytest.mark.parametrize("trigger", ["done/{stem}", "{file}.end", "{stem"])
def test_what_cannot_be_a_trigger(tmp_path: Path, trigger: str) -> None:
    with pytest.raises(ConfigurationError, match="trigger"):
        source(tmp_path, trigger=trigger)


# --- settling --------------------------------------------------------------------------------------------------------


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(file_source, "time", clock)
    return clock


def test_a_file_settles_over_two_looks(tmp_path: Path, clock: Clock) -> None:
    opened = source(tmp_path, settle="30s")
    drop(tmp_path, "a.csv")
    assert read(opened) == []
    clock.now += 29
    assert read(opened) == []
    drop(tmp_path, "a.csv", "a\n1\n2\n")
    clock.now += 29
    assert read(opened) == []
    clock.now += 30
    assert read(opened) == ["a.csv"]


def test_a_source_says_how_long_it_lets_files_settle(tmp_path: Path, clock: Clock) -> None:
    opened = source(tmp_path, settle="30s", after="keep")
    assert (read(opened), opened.settling) == ([], 0)
    drop(tmp_path, "a.csv")
    read(opened)
    clock.now += 10
    drop(tmp_path, "b.csv")
    assert (read(opened), opened.settling) == ([], 30)
    clock.now += 20
    (batch,) = opened.read(None)
    assert (batch.batch_id.startswith("a.csv"), opened.settling) == (True, 10)
    opened = source(tmp_path, settle="30s", after="keep")
    assert read(opened, batch.position) == []
    assert opened.settling == 30  # for b.csv alone
    clock.now += 30
    (batch,) = opened.read(batch.position)
    opened = source(tmp_path, settle="30s", after="keep")
    assert (read(opened, batch.position), opened.settling) == ([], 0)  # both were read as they stand there


def test_a_file_that_is_being_read_has_settled(tmp_path: Path, clock: Clock) -> None:
    drop(tmp_path, "a.csv")
    opened = source(tmp_path, settle=1)
    read(opened)
    clock.now += 1
    (batch,) = opened.read(None)
    assert read(source(tmp_path, settle=1), batch.position) == ["a.csv"]


@pytest.mark.parametrize("settle", ["soon", -1, "1 week", True, [30]])
def test_what_cannot_be_a_time_to_settle(tmp_path: Path, settle: Any) -> None:
    with pytest.raises(ConfigurationError, match="settle"):
        source(tmp_path, settle=settle)


# --- repeats ---------------------------------------------------------------------------------------------------------


def test_the_same_name_with_new_content_is_new(tmp_path: Path) -> None:
    opened = source(tmp_path, after="keep")
    drop(tmp_path, "IDO.csv", "a\n1\n")
    (first,) = opened.read(None)
    drop(tmp_path, "IDO.csv", "a\n2\n")
    (second,) = opened.read(first.position)
    assert [row.values for row in second.rows] == [{"a": "2"}]
    assert first.batch_id != second.batch_id


def test_the_same_content_twice_has_the_same_batch_id_and_is_read_once_where_it_is_kept(tmp_path: Path) -> None:
    opened = source(tmp_path, after="keep")
    path = drop(tmp_path, "IDO.csv")
    (batch,) = opened.read(None)
    path.unlink()
    drop(tmp_path, "IDO.csv")
    assert read(opened, batch.position) == []
    (again,) = source(tmp_path).read(None)
    assert again.batch_id == batch.batch_id


def test_one_file_is_opened_whatever_its_source_waits_for(tmp_path: Path) -> None:
    path = tmp_path / "quarantine-1"
    path.write_text("a\n1\n")
    options = {"path": "sftp://u@h/in/*.csv", "sftp": {"host_key": "ssh-ed25519 AAAA", "password": "x"}}
    options |= {"trigger": "READY", "settle": "30s"}
    opened = registry.open_file("csv", options, path, site(tmp_path))
    assert read(opened) == ["quarantine-1"]
    assert path.exists()


# --- what was quarantined --------------------------------------------------------------------------------------------


def again(folder: Path, name: str, raw: bytes, head: bytes = b"", **options: Any) -> list[Any]:
    opened = registry.open_source(name, {"path": "in/*", **options}, replace(site(folder), layouts=LAYOUTS))
    assert isinstance(opened, Rereadable)
    return [row.error.code if row.error else row.values for row in opened.again(raw, head)]


def test_a_line_of_csv_is_taken_up_behind_its_header(tmp_path: Path) -> None:
    assert again(tmp_path, "csv", b"1,2\r\n", b"a,b\r\n") == [{"a": "1", "b": "2"}]
    assert again(tmp_path, "csv", b"b,a\n1,2\n", b"a,b\r\n") == [{"a": "2", "b": "1"}]
    with pytest.raises(UsageError, match="header is gone"):
        again(tmp_path, "csv", b"1,2\r\n")


def test_a_line_of_json_is_taken_up_alone(tmp_path: Path) -> None:
    assert again(tmp_path, "jsonl", b'{"a": 1}\n', b'{"a": 0}\n') == [{"a": 1}]
    assert again(tmp_path, "jsonl", b'{"a": 1\n') == ["jsonl-syntax"]


def test_a_record_of_a_layout_is_taken_up_without_header_and_trailer(tmp_path: Path) -> None:
    whole = FORMATS["fixed_width"].write([{"番号": "1", "氏名": "守口"}, {"番号": "2", "氏名": "門真"}])
    first, second = ({"区分": "2", "連番": no, "番号": no, "氏名": name} for no, name in (("1", "守口"), ("2", "門真")))
    options = {"layout": "layouts/ido.yaml"}
    assert again(tmp_path, "fixed_width", whole, **options) == [first, second]
    assert again(tmp_path, "fixed_width", whole.splitlines(keepends=True)[2], **options) == [second]
    assert again(tmp_path, "fixed_width", b"", **options) == []
    with pytest.raises(Malformed, match="the file may be cut short"):
        again(tmp_path, "fixed_width", whole[:-62], **options)


def test_a_row_of_a_workbook_is_taken_up_as_it_was_handed_out(tmp_path: Path) -> None:
    rows = [{"番号": "1", "氏名": "あ"}]
    assert again(tmp_path, "excel", FORMATS["excel"].write(rows)) == rows
    assert again(tmp_path, "excel", '{"番号": "1"}'.encode()) == [{"番号": "1"}]
    assert again(tmp_path, "excel", b'{"a": "#REF!"}') == ["excel-error"]
    assert again(tmp_path, "excel", b'{"a": "1", " 2": "x"}') == ["excel-columns"]
    for raw in (b"[1]", b"x", b'{"a": 1}'):
        with pytest.raises(UsageError, match="neither a workbook nor"):
            again(tmp_path, "excel", raw)


# --- set back by a person --------------------------------------------------------------------------------------------


def test_kept_files_are_read_again_from_a_name_on(tmp_path: Path) -> None:
    opened = source(tmp_path, after="keep")
    for name in ("a.csv", "b.csv", "c.csv"):
        drop(tmp_path, name, f"a\n{name}\n")
    *_, last = list(opened.read(None))
    assert read(opened, last.position) == []
    assert read(opened, opened.rewound(last.position, "b.csv")) == ["b.csv", "c.csv"]
    assert opened.rewound(last.position, "a.csv") is None
    with pytest.raises(UsageError, match="put the file back"):
        source(tmp_path).rewound(last.position, "b.csv")


# --- names that are no text -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("after", ["move", "keep"])
def test_a_file_whose_name_is_not_utf_8_is_named_and_the_others_are_read(tmp_path: Path, after: str) -> None:
    drop(tmp_path, "a.csv")
    drop(tmp_path, "c.csv")
    (tmp_path / "in" / os.fsdecode("届.csv".encode("cp932"))).write_text("a\n1\n")
    (tmp_path / "in" / os.fsdecode("届.txt".encode("cp932"))).write_text("nobody's\n")
    labels: list[str] = []
    with pytest.raises(Transient, match=r"in/\\x93\\xcd\.csv: its name is not UTF-8; rename it") as caught:
        labels.extend(batch.label for batch in source(tmp_path, after=after).read(None))
    assert labels == ["in/a.csv", "in/c.csv"]
    caught.value.message.encode()
    assert "txt" not in caught.value.message
