from __future__ import annotations

import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hub.adapters import file_source, registry
from hub.adapters.contract import Row, SourceBatch
from hub.errors import Transient
from tests.conformance.helpers import site


def source(folder: Path, **options: Any) -> Any:
    return registry.open_source("csv", {"path": "in/*.csv", **options}, site(folder))


def drop(folder: Path, name: str, content: bytes) -> Path:
    path = folder / "in" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    return path


def read(opened: Any, after: Any = None) -> list[Row]:
    """Read and acknowledge everything."""
    rows: list[Row] = []
    for batch in opened.read(after):
        rows += batch.rows
        opened.acknowledge(batch)
    return rows


def shape(rows: list[Row]) -> list[Any]:
    return [row.error.code if row.error else list(row.values.values()) for row in rows]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"a,b\n1,2\n", [["1", "2"]]),
        (b"\xef\xbb\xbfa,b\r\n1,2\r\n\r\n", [["1", "2"]]),
        (b"a,b\n1,2", [["1", "2"]]),
        (b'a,b\n"x\r\ny","q""q"\n', [["x\r\ny", 'q"q']]),
        (b"a,b\n1,2\r\n\x1a", [["1", "2"]]),
        (b"a,b\n1,2\x1a", [["1", "2"]]),
        (b"a,b\n1,2\n\x1a\x1a", [["1", "2"]]),
        (b'a,b\n1,"\x1a"\n3,\x1a4\n', [["1", "\x1a"], ["3", "\x1a4"]]),
        (b"\x1a", ["csv-empty"]),
        (b"a,b\n", []),
        (b"", ["csv-empty"]),
        (b"a,a\n1,2\n", ["csv-header"]),
        (b"a,b\n1\n2,3\n4,5,6\n", ["csv-columns", ["2", "3"], "csv-columns"]),
        (b"a,b\n1,\xff\n2,3\n", ["csv-encoding", ["2", "3"]]),
        (b'a,b\n1,"\xff\nx"\n2,3\n', ["csv-encoding", ["2", "3"]]),
        (b'a,b\n1,"open\n2,3\n4,5\n', ["csv-quote", ["2", "3"], ["4", "5"]]),
        (b'a,b\n1,"x"y\n2,3\n', ["csv-quote", ["2", "3"]]),
        (b'a,b\n1,"open\n2,"also\n3,4\n', ["csv-quote", "csv-quote", ["3", "4"]]),
        (b"a,b\n" + b"x" * 100_000 + b",1\n2,3\n", ["csv-too-long", ["2", "3"]]),
        (b"a,b\n" + b"x" * 300_000 + b",1\n2,3\n", ["csv-too-long", ["2", "3"]]),
        (b"a,b\n" + b"x" * 2_500_000 + b",1\n2,3\n", ["csv-too-long"] * 3 + [["2", "3"]]),
        (b"a,b\r1,2\r3,4\r", ["csv-line-end"]),
        (b"a,b\r" + b"1,2\r" * 50_000, ["csv-line-end"]),
        (b"a,b\r\n1,2\r3,4\r\n5,6\r\n", ["csv-line-end", ["5", "6"]]),
        ("a,b\n1,2\n".encode("utf-16"), ["csv-encoding"]),
        (b"\xfe\xff" + "a,b\n1,2\n".encode("utf-16-be"), ["csv-encoding"]),
        (b'a,b\n1,"open\n' + b"2,3\n" * 20_000, ["csv-quote"] + [["2", "3"]] * 20_000),
    ],
    ids=[
        "plain", "mark", "no last break", "quoted breaks", "DOS end", "DOS end in the last line", "two DOS ends",
        "no DOS end", "DOS end only", "header only", "empty", "header twice", "columns", "bytes",
        "bytes in a quoted break", "open quote", "quote in mid-cell", "two open quotes", "long line",
        "longer line", "line of megabytes", "CR", "CR, long file", "CR in one line", "UTF-16", "UTF-16 big endian",
        "open quote, long file",
    ],
)  # fmt: skip
def test_what_a_file_may_hold(tmp_path: Path, content: bytes, expected: list[Any]) -> None:
    drop(tmp_path, "a.csv", content)
    assert shape(read(source(tmp_path))) == expected
    assert [path.name for path in (tmp_path / "in" / "done").iterdir()] == ["a.csv"]


def test_no_byte_of_a_line_that_is_too_long_is_lost_and_it_says_the_mend(tmp_path: Path) -> None:
    line = b"x" * 2_500_000 + b",1\n"
    drop(tmp_path, "a.csv", b"a,b\n" + line + b"2\n")
    rows = read(source(tmp_path))
    assert b"".join(row.raw for row in rows[:-1]) == line
    assert [row.place for row in rows] == ["in/a.csv:2"] * 3 + ["in/a.csv:3"]
    assert all(row.error and row.error.mend for row in rows)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a,b\r1,2\r", "a line break is a carriage return alone (CR) (line 1)"),
        ("a,b\n".encode("utf-16"), "the file is UTF-16, which is not read"),
    ],
)
def test_a_file_that_is_no_csv_says_what_it_is_in_the_hubs_words(tmp_path: Path, content: bytes, said: str) -> None:
    drop(tmp_path, "a.csv", content)
    (row,) = read(source(tmp_path))
    assert row.error is not None
    assert (row.error.message, bool(row.error.mend), row.raw) == (said, True, content)


NEEDS = ({"番号": "systems/juki.yaml:4:3", "氏名": "systems/juki.yaml:5:3"}, {"番号": "systems/juki.yaml:4:3"})


@pytest.mark.parametrize(
    ("header", "mend"),
    [
        ("番,氏名", "correct the header or the mapping; columns found: 2"),
        ("番号;氏名", 'set `delimiter: ";"` at the source: the header is one column with that sign'),
        ("番号\t氏名", 'set `delimiter: "\\t"` at the source: the header is one column with that sign'),
    ],
)
def test_a_file_no_row_of_which_could_be_mapped_is_one_error(tmp_path: Path, header: str, mend: str) -> None:
    content = "\n".join([header, *["1,守口"] * 30_000]).encode()
    drop(tmp_path, "a.csv", content)
    place = replace(site(tmp_path), needs=NEEDS)
    (row,) = read(registry.open_source("csv", {"path": "in/*.csv"}, place))
    assert row.error is not None
    assert (row.error.code, row.error.mend, row.place, row.raw) == ("csv-header", mend, "in/a.csv", content)
    assert "systems/juki.yaml:4:3" in row.error.message


@pytest.mark.parametrize(
    "line",
    [
        "9999,守口 花子,2026-11-05,大日町1-1",
        "9999,守口 花子,2026-11-05,守口 花子",
        "9999;守口 花子;2026-11-05",
        "守口 花子",
    ],
)
def test_the_first_person_of_a_file_without_a_header_is_not_named(tmp_path: Path, line: str) -> None:
    drop(tmp_path, "a.csv", f"{line}\n{line}\n".encode())
    place = replace(site(tmp_path), needs=NEEDS)
    (row,) = read(registry.open_source("csv", {"path": "in/*.csv"}, place))
    assert row.error is not None
    assert row.error.code == "csv-header"
    assert not [part for part in ("9999", "守口", "2026", "大日") if part in f"{row.error} {row.error.mend}"]


def test_columns_of_one_name_are_named_by_their_places(tmp_path: Path) -> None:
    drop(tmp_path, "a.csv", "番号,氏名,,氏名\n1,2,3,4\n".encode())
    (row,) = read(source(tmp_path))
    assert row.error is not None
    assert row.error.message == "columns 2, 4 of the header have the same name"


def test_a_column_only_some_cases_read_refuses_no_file(tmp_path: Path) -> None:
    drop(tmp_path, "a.csv", "番号\n1\n".encode())
    place = replace(site(tmp_path), needs=NEEDS)
    assert shape(read(registry.open_source("csv", {"path": "in/*.csv"}, place))) == [["1"]]


def test_rows_keep_their_bytes_and_lines(tmp_path: Path) -> None:
    drop(tmp_path, "a.csv", '番号,氏名\r\n1,"髙\n橋"\r\n2,x,y\r\n3,〜\r\n'.encode("cp932"))
    rows = read(source(tmp_path, encoding="cp932"))
    assert [row.place for row in rows] == ["in/a.csv:2", "in/a.csv:4", "in/a.csv:5"]
    assert [row.raw for row in rows] == ['1,"髙\n橋"\r\n'.encode("cp932"), b"2,x,y\r\n", "3,〜\r\n".encode("cp932")]
    assert rows[0].values == {"番号": "1", "氏名": "髙\n橋"}
    assert str(rows[1].error).startswith("in/a.csv:4: 3 columns where the header has 2 (write as many")


def test_ibm_extension_bytes_are_kept_though_decoding_unifies_them(tmp_path: Path) -> None:
    drop(tmp_path, "a.csv", b"a\r\n\xfb\xfc\r\n")
    (row,) = read(source(tmp_path, encoding="cp932"))
    assert (row.values, row.raw) == ({"a": "髙"}, b"\xfb\xfc\r\n")


@pytest.mark.parametrize(
    ("encoding", "content"),
    [
        ("utf-8", "番号,氏名\n1,守口\n".encode("cp932")),
        ("cp932", "\ufeff番号,氏名\n1,守口\n".encode()),
    ],
)
def test_a_file_in_another_encoding_is_one_error_and_over(tmp_path: Path, encoding: str, content: bytes) -> None:
    drop(tmp_path, "a.csv", content)
    (row,) = read(source(tmp_path, encoding=encoding))
    assert row.error is not None
    assert (row.error.code, row.place, row.raw) == ("csv-encoding", "in/a.csv", content)
    assert read(source(tmp_path, encoding=encoding)) == []


@pytest.mark.parametrize("name", ["b.csv.tmp", "b.csv.part", "b.csv.filepart", "b.csv~", ".b.csv"])
def test_unfinished_and_hidden_files_are_left_alone(tmp_path: Path, name: str) -> None:
    drop(tmp_path, name, b"a\n1\n")
    assert read(source(tmp_path, path="in/*")) == []
    assert (tmp_path / "in" / name).exists()


def test_files_come_in_name_order_also_below_patterned_folders(tmp_path: Path) -> None:
    for name in ("in/2/b.csv", "in/1/c.csv", "in/1/a.csv", "in/1/done/z.csv"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"a\n{name}\n")
    rows = read(source(tmp_path, path="in/*/*.csv"))
    assert [row.values["a"] for row in rows] == ["in/1/a.csv", "in/1/c.csv", "in/2/b.csv"]


def test_a_missing_folder_is_made(tmp_path: Path) -> None:
    assert read(source(tmp_path, path="in/juki/*.csv")) == []
    assert (tmp_path / "in" / "juki").is_dir()


def test_moving_never_overwrites(tmp_path: Path) -> None:
    for content in (b"a\n1\n", b"a\n2\n", b"a\n3\n"):
        drop(tmp_path, "IDO.csv", content)
        read(source(tmp_path))
    done = {path.name: path.read_bytes() for path in (tmp_path / "in" / "done").iterdir()}
    assert done == {"IDO.csv": b"a\n1\n", "IDO.2.csv": b"a\n2\n", "IDO.3.csv": b"a\n3\n"}


def test_the_same_file_dropped_again_is_read_again(tmp_path: Path) -> None:
    opened = source(tmp_path)
    drop(tmp_path, "a.csv", b"a\n1\n")
    (batch,) = opened.read(None)
    opened.acknowledge(batch)
    drop(tmp_path, "a.csv", b"a\n1\n")
    assert shape(read(opened, batch.position)) == [["1"]]


def test_delete_removes_the_file(tmp_path: Path) -> None:
    path = drop(tmp_path, "a.csv", b"a\n1\n")
    assert shape(read(source(tmp_path, after="delete"))) == [["1"]]
    assert not path.exists()
    assert not (tmp_path / "in" / "done").exists()


def test_a_kept_file_is_read_again_only_with_new_content(tmp_path: Path) -> None:
    opened = source(tmp_path, after="keep")
    path = drop(tmp_path, "a.csv", b"a\n1\n")
    drop(tmp_path, "b.csv", b"a\n8\n")
    first = list(opened.read(None))
    position = first[-1].position
    assert list(opened.read(position)) == []
    path.touch()
    assert list(opened.read(position)) == []
    drop(tmp_path, "a.csv", b"a\n2\n")
    (second,) = opened.read(position)
    assert shape(second.rows) == [["2"]]
    assert second.batch_id != first[0].batch_id
    assert list(source(tmp_path, after="keep").read(second.position)) == []


def test_gone_files_are_forgotten(tmp_path: Path) -> None:
    opened = source(tmp_path, after="keep")
    path = drop(tmp_path, "a.csv", b"a\n1\n")
    (batch,) = opened.read(None)
    path.unlink()
    drop(tmp_path, "b.csv", b"a\n2\n")
    (batch,) = opened.read(batch.position)
    assert set(batch.position["kept"]) == {"in/b.csv"}


def test_a_file_that_grows_while_read_stays_and_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_source, "ROWS", 2)
    path = drop(tmp_path, "a.csv", b"a\n1\n2\n3\n")
    opened = source(tmp_path)
    batches: list[SourceBatch] = []
    for batch in opened.read(None):
        batches.append(batch)
        if len(batches) == 1:
            with path.open("ab") as stream:
                stream.write(b"4\n")
        opened.acknowledge(batch)
    assert not any(batch.last for batch in batches)
    assert path.exists()
    assert shape(read(opened, batches[-1].position)) == [["1"], ["2"], ["3"], ["4"]]


def test_content_that_came_after_reading_is_not_moved_away(tmp_path: Path) -> None:
    path = drop(tmp_path, "a.csv", b"a\n1\n")
    opened = source(tmp_path)
    (batch,) = opened.read(None)
    drop(tmp_path, "a.csv", b"a\n22\n")
    opened.acknowledge(batch)
    assert path.read_bytes() == b"a\n22\n"


def test_one_unreadable_file_stops_no_other_and_is_named(tmp_path: Path) -> None:
    (tmp_path / "in" / "b.csv").mkdir(parents=True)
    (tmp_path / "in" / "b.csv").rmdir()
    (tmp_path / "in" / "b.csv").symlink_to("b.csv")  # a loop: it is listed, and cannot be opened
    drop(tmp_path, "a.csv", b"a\n1\n")
    drop(tmp_path, "c.csv", b"a\n3\n")
    rows: list[Row] = []
    with pytest.raises(Transient, match=r"in/b\.csv: Too many levels"):
        rows.extend(row for batch in source(tmp_path).read(None) for row in batch.rows)
    batches = source(tmp_path).read(None)
    assert [shape(next(batches).rows), shape(next(batches).rows)] == [[["1"]], [["3"]]]


def test_a_large_file_takes_constant_memory(tmp_path: Path) -> None:
    drop(tmp_path, "a.csv", b"a,b\n" + b"1234567890,abcdefghij\n" * 60_000)  # 1.3 MB, 12 MB as rows
    opened = source(tmp_path)
    tracemalloc.start()
    try:
        count = sum(len(batch.rows) for batch in opened.read(None))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert count == 60_000
    assert peak < 4_000_000
