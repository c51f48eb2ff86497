from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hub.adapters import file_source, registry
from hub.adapters.conformance import batch, deliveries
from hub.adapters.contract import Delivery, Row
from hub.errors import ConfigurationError, ReceiverStopped, Rejected, Transient, UsageError
from hub.settings.load import load_city
from tests.conformance.helpers import site, with_data
from tests.unit.adapters.expressions import REAL

PLAIN = """
record:
  - {name: 番号, width: 4}
  - {name: 氏名, width: 10, pad: "　"}
"""
WHOLE = """
header:
  - {name: 区分, width: 1, constant: "1"}
  - {name: ファイル番号, width: 3, sequence: file}
  - {name: 作成日, width: 8, type: date, value: batch.date}
record:
  - {name: 区分, width: 1, constant: "2"}
  - {name: 連番, width: 3, sequence: record}
  - {name: 額, width: 8, type: number, decimals: 2, signed: true, value: data.amount}
trailer:
  - {name: 区分, width: 1, constant: "9"}
  - {name: 件数, width: 3, count: records}
  - {name: 合計, width: 8, total: 額, signed: true}
length: 12
"""
HEADED = """
header: [{name: 作成日, width: 8, type: date}, {name: 番号, width: 4}, {name: 区分, width: 1, constant: "1"}]
record: [{name: 番号, width: 4}]
"""
FILE = b"100120260401\r\n200100012345\r\n2002-0000500\r\n900200011845\r\n"


def place(folder: Path, layout: str, fields: tuple[str, ...] = ()) -> Any:
    (folder / "layouts").mkdir(exist_ok=True)
    (folder / "layouts" / "l.yaml").write_text(layout)
    (folder / "hub.yaml").touch()
    return replace(site(folder), layouts=load_city(folder, environ={}).layouts, fields=fields)


def source(folder: Path, layout: str, **options: Any) -> Any:
    options = {"path": "in/*", "layout": "layouts/l.yaml", **options}
    return registry.open_source("fixed_width", options, place(folder, layout))


def drop(folder: Path, content: bytes, name: str = "IDO.DAT") -> Path:
    path = folder / "in" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    return path


def read(opened: Any) -> list[Row]:
    return [row for found in opened.read(None) for row in found.rows]


def shape(rows: list[Row]) -> list[Any]:
    return [row.error.code if row.error else list(row.values.values()) for row in rows]


def test_a_layout_without_what_the_mapping_reads_refuses_the_file_as_one(tmp_path: Path) -> None:
    content = b"".join(f"{number:<4}守口　　　\r\n".encode("cp932") for number in range(9))
    drop(tmp_path, content)
    there = place(tmp_path, PLAIN)
    options = {"path": "in/*", "layout": "layouts/l.yaml", "after": "keep"}
    needs = ({"番号": "systems/juki.yaml:4:3", "異動日": "systems/juki.yaml:5:3"},)
    (row,) = read(registry.open_source("fixed_width", options, replace(there, needs=needs)))
    assert row.error is not None
    assert (row.error.code, row.place, row.raw) == ("layout-column", "in/IDO.DAT", content)
    assert row.error.message == "the layout has no column `異動日`, which the mapping reads (systems/juki.yaml:5:3)"
    assert row.error.mend == "correct the layout or the mapping; columns: 番号, 氏名"
    needs = (*needs, {"番号": "systems/juki.yaml:4:3"})
    assert len(read(registry.open_source("fixed_width", options, replace(there, needs=needs)))) == 9


@pytest.mark.parametrize(("newline", "end"), [("crlf", b"\r\n"), ("none", b"")])
def test_a_row_has_what_the_header_says_where_no_field_has_that_name(tmp_path: Path, newline: str, end: bytes) -> None:
    drop(tmp_path, b"202604010009" + b"1" + end + b"0001" + end + b"0002" + end)
    opened = source(tmp_path, f"newline: {newline}{HEADED}", after="keep")
    rows = read(opened)
    assert [row.values for row in rows] == [{"番号": no, "作成日": "20260401"} for no in ("0001", "0002")]
    (row,) = opened.again(rows[1].raw, b"2026040100091\r\n")
    assert row.values == rows[1].values
    with pytest.raises(UsageError, match="header is gone"):
        opened.again(rows[1].raw, b"")


def test_a_mapping_may_read_the_header(tmp_path: Path) -> None:
    drop(tmp_path, b"2026040100091\r\n0001\r\n")
    options = {"path": "in/*", "layout": "layouts/l.yaml"}
    needs = ({"作成日": "systems/juki.yaml:4:3"},)
    (row,) = read(registry.open_source("fixed_width", options, replace(place(tmp_path, HEADED), needs=needs)))
    assert row.error is None


@pytest.mark.parametrize("wrong", [b"300120260401", b"1001202604", b"10X120260401"])
def test_a_wrong_header_record_refuses_the_file_as_one(tmp_path: Path, wrong: bytes) -> None:
    content = wrong + FILE[12:]
    drop(tmp_path, content)
    (row,) = read(source(tmp_path, WHOLE))
    assert row.error is not None
    assert (row.error.code, row.raw) == ("layout-header", content)


async def written(
    folder: Path, layout: str, *content: Delivery, no: int = 1, **options: Any
) -> tuple[bytes, list[Any]]:
    options = {"path": "out/", "layout": "layouts/l.yaml", **options}
    fields = ("n", *(name for one in content for name in one.data))
    sink: Any = registry.open_sink("fixed_width", options, place(folder, layout, fields), REAL)
    whole = batch(list(content), no=no)
    try:
        outcomes = await sink.commit(whole, await sink.prepare(whole))
    finally:
        await sink.close()
    files = [path.read_bytes() for path in sorted((folder / "out").glob("[!.]*"))]
    return b"".join(files), outcomes


def about(no: int = 0, type_: str = "resident.moved", **data: Any) -> Delivery:
    one = with_data(deliveries(1, start=no)[0], data)
    return Delivery(one.key, one.no, one.event_id, type_, one.subject, one.time, one.body)


# --- reading ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("extra", "content", "expected"),
    [
        ("", "1   守口　　　\r\n", [["1", "守口"]]),
        ("", "1   守口　　　\r\n12  髙　　　　\r\n\x1a", [["1", "守口"], ["12", "髙"]]),
        ("", "1   守口　　　\n\n2   守口      ", [["1", "守口"], ["2", "守口"]]),
        ("", "1   守口　　 \r\n2   守口　　　\r\n", ["layout-length", ["2", "守口"]]),
        ("", "", []),
        ("newline: lf\n", "1   守口　　　\n", [["1", "守口"]]),
        ("newline: none\n", "1   守口　　　2   守口      ", [["1", "守口"], ["2", "守口"]]),
        ("newline: none\n", "1   守口　　　2   守口\r\n", [["1", "守口"], "layout-length"]),
        ("newline: none\n", "1   守口　　　\r\n", [["1", "守口"]]),
    ],
)
def test_what_records_may_look_like(tmp_path: Path, extra: str, content: str, expected: list[Any]) -> None:
    drop(tmp_path, content.encode("cp932"))
    assert shape(read(source(tmp_path, extra + PLAIN))) == expected


def test_a_character_across_two_fields_is_an_error_of_its_record(tmp_path: Path) -> None:
    drop(tmp_path, b"123" + "守口守口守".encode("cp932") + b" \r\n" + "2   守口      \r\n".encode("cp932"))
    rows = read(source(tmp_path, PLAIN))
    assert shape(rows) == ["layout-encoding", ["2", "守口"]]
    assert rows[0].error is not None
    assert "`番号`" in rows[0].error.message
    assert rows[0].place == rows[0].error.place == "in/IDO.DAT:1"


def test_widths_in_characters(tmp_path: Path) -> None:
    drop(tmp_path, "\ufeff1   𠮷野家　　　　　　　\n".encode())
    layout = "encoding: utf-8\nwidths: characters\nnewline: lf\n" + PLAIN
    assert shape(read(source(tmp_path, layout))) == [["1", "𠮷野家"]]


def test_a_whole_file_with_numbers_and_its_own_checks(tmp_path: Path) -> None:
    drop(tmp_path, FILE)
    assert shape(read(source(tmp_path, WHOLE))) == [["2", "1", "123.45"], ["2", "2", "-5.00"]]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ((b"900200011845", b"900300011845"), "layout-count"),
        ((b"900200011845", b"900200011846"), "layout-total"),
        ((b"900200011845\r\n", b""), "layout-trailer"),
        ((b"9002000", b"9002"), "layout-trailer"),
        ((b"100120260401", b"200120260401"), "layout-header"),
        ((b"\r\n2002", b"\r\n2003"), "layout-sequence"),
        ((FILE, b""), "layout-empty"),
        ((FILE, b"100120260401\r\n"), "layout-trailer"),
    ],
)
def test_a_file_that_contradicts_itself_is_quarantined_whole(
    tmp_path: Path, change: tuple[bytes, bytes], code: str
) -> None:
    content = FILE.replace(*change)
    drop(tmp_path, content)
    rows = read(source(tmp_path, WHOLE))
    assert shape(rows) == [code]
    assert b"".join(row.raw for row in rows) == content


def test_a_large_file_that_is_refused_is_kept_byte_by_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_source, "ROWS", 1)
    monkeypatch.setattr(file_source, "PART", 65_536)
    content = FILE.replace(b"\r\n2002", b"\r\n2001" * 40_000)
    drop(tmp_path, content)
    opened = source(tmp_path, WHOLE, after="keep")
    batches = list(opened.read(None))
    assert len(batches) > 3
    assert b"".join(row.raw for found in batches for row in found.rows) == content
    rest = [row.raw for found in source(tmp_path, WHOLE, after="keep").read(batches[1].position) for row in found.rows]
    assert b"".join(rest) == content[2 * file_source.PART :]


def test_a_broken_record_is_alone_and_leaves_the_totals_unknown(tmp_path: Path) -> None:
    drop(tmp_path, FILE.replace(b"2002-0000500", b"2002-0000x00"))
    assert shape(read(source(tmp_path, WHOLE))) == [["2", "1", "123.45"], "layout-number"]


def test_dates_of_zeros_are_no_dates(tmp_path: Path) -> None:
    layout = 'record: [{name: 日, width: 7, type: date, format: NYYMMDD}, {name: 号, width: 3, align: right, pad: "0"}]'
    drop(tmp_path, b"5080401007\r\n0000000000\r\n       120\r\n")
    assert shape(read(source(tmp_path, layout))) == [["5080401", "7"], ["", ""], ["", "120"]]


# --- files among files ------------------------------------------------------------------------------------------------


def numbered(no: int, amount: int = 1) -> bytes:
    return f"1{no:03d}20260401\r\n2001{amount:08d}\r\n9001{amount:08d}\r\n".encode()


def take(opened: Any, after: Any = None) -> tuple[list[Any], Any]:
    """Read and acknowledge; return the rows' shapes and the position."""
    shapes, position = [], after
    for found in opened.read(after):
        shapes += shape(found.rows)
        position = found.position
        opened.acknowledge(found)
    return shapes, position


def test_a_number_that_has_not_come_is_waited_for(tmp_path: Path) -> None:
    opened = source(tmp_path, WHOLE)
    drop(tmp_path, numbered(7), "a")
    _, position = take(opened)
    drop(tmp_path, numbered(9), "b")
    with pytest.raises(Transient, match="number 9, but number 8 has not come"):
        take(opened, position)
    drop(tmp_path, numbered(8, 8), "a")
    shapes, position = take(opened, position)
    assert shapes == [["2", "1", "0.08"], ["2", "1", "0.01"]]
    assert position["numbers"][-1][0] == 9


def test_a_gap_may_be_accepted(tmp_path: Path) -> None:
    drop(tmp_path, numbered(1), "a")
    drop(tmp_path, numbered(5), "b")
    assert len(take(source(tmp_path, WHOLE, gaps="accept"))[0]) == 2


def test_an_old_number_with_new_content_is_refused_and_with_its_old_one_a_repeat(tmp_path: Path) -> None:
    opened = source(tmp_path, WHOLE)
    for no in (1, 2):
        drop(tmp_path, numbered(no), f"a{no}")
    _, position = take(opened)
    drop(tmp_path, numbered(1, 5), "a")
    shapes, position = take(opened, position)
    assert shapes == ["file-number"]
    drop(tmp_path, numbered(1), "a")
    shapes, position = take(opened, position)
    assert shapes == [["2", "1", "0.01"]]


def broken(no: int) -> bytes:
    return numbered(no).replace(b"9001", b"9007")


def test_the_right_file_is_read_in_the_place_of_one_that_was_refused(tmp_path: Path) -> None:
    opened = source(tmp_path, WHOLE)
    drop(tmp_path, numbered(1), "a1")
    drop(tmp_path, broken(2), "a2")
    shapes, position = take(opened)
    assert shapes[-1] == "layout-count"
    drop(tmp_path, numbered(2, 5), "a2")
    drop(tmp_path, numbered(3, 6), "a3")
    shapes, position = take(source(tmp_path, WHOLE), position)
    assert [each[-1] for each in shapes] == ["0.05", "0.06"]
    drop(tmp_path, numbered(2, 7), "a2")
    shapes, _ = take(opened, position)
    assert shapes == ["file-number"]


def test_the_right_file_after_the_next_number_says_what_to_do(tmp_path: Path) -> None:
    opened = source(tmp_path, WHOLE, after="keep")
    for no, content in ((1, numbered(1)), (2, broken(2)), (3, numbered(3))):
        drop(tmp_path, content, f"a{no}")
    shapes, position = take(opened)
    assert shapes == [["2", "1", "0.01"], "layout-count", ["2", "1", "0.01"]]
    drop(tmp_path, numbered(2, 5), "a2")
    (row,) = [row for found in opened.read(position) for row in found.rows]
    assert row.error is not None
    assert row.error.message.endswith("number 3 was read already; one of that number was refused before")
    assert "`hub quarantine resubmit`" in row.error.mend
    (again,) = opened.again(row.raw, b"")
    assert again.values["額"] == "0.05"


def test_after_the_highest_number_files_begin_again(tmp_path: Path) -> None:
    opened = source(tmp_path, WHOLE)
    position = None
    for no in (998, 999, 1, 2):
        drop(tmp_path, numbered(no), "a")
        shapes, position = take(opened, position)
        assert shapes == [["2", "1", "0.01"]], no


# --- writing ---------------------------------------------------------------------------------------------------------


async def test_what_is_written_is_read(tmp_path: Path) -> None:
    content, outcomes = await written(tmp_path, WHOLE, about(0, amount="123.45"), about(1, amount=-5))
    assert content == FILE
    assert [outcome.error for outcome in outcomes] == [None, None]
    drop(tmp_path, content)
    assert shape(read(source(tmp_path, WHOLE))) == [["2", "1", "123.45"], ["2", "2", "-5.00"]]


async def test_what_is_refused_leaves_counts_and_numbers_true(tmp_path: Path) -> None:
    content, outcomes = await written(
        tmp_path, WHOLE, about(0, amount="123.45"), about(1, amount="1.234"), about(2, amount=-5), about(3, amount=1e9)
    )
    assert content == FILE
    codes = [outcome.error and outcome.error.code for outcome in outcomes]
    assert codes == [None, "layout-number", None, "layout-overflow"]
    assert isinstance(outcomes[1].error, Rejected)
    assert "`額`" in outcomes[1].error.message


async def test_the_file_number_begins_again(tmp_path: Path) -> None:
    content, _ = await written(tmp_path, WHOLE, about(0, amount=1), no=1000)
    assert content.startswith(b"100120260401")


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("{name: n, width: 6}", "守口", "守口  "),
        ("{name: n, width: 6, pad: '　'}", "守口", "守口　"),
        ("{name: n, width: 7, pad: '　'}", "守口", "守口　 "),
        ("{name: n, width: 6, align: right}", "ab", "    ab"),
        ("{name: n, width: 6, pad: '*'}", "ab", "ab****"),
        ("{name: n, width: 6}", None, "      "),
        ("{name: n, width: 6, type: number}", 12, "000012"),
        ("{name: n, width: 6, type: number, pad: ' '}", "12", "    12"),
        ("{name: n, width: 6, type: number, signed: true}", -12, "-00012"),
        ("{name: n, width: 6, type: number, decimals: 1}", "1.5", "000015"),
        ("{name: n, width: 7, type: date, format: NYYMMDD}", "2026-04-01", "5080401"),
        ("{name: n, width: 7, type: date, format: GYYMMDD}", "1989-01-07", "S640107"),
        ("{name: n, width: 8, type: date}", "2026-04-01", "20260401"),
        ("{name: n, width: 8, type: date}", None, "        "),
        ("{name: n, width: 5, value: 'string(data.n) + \"x\"'}", "ab", "abx  "),
        ("{name: n, width: 6, overflow: cut}", "守口市役所", "守口市"),
        ("{name: n, width: 5, overflow: cut}", "守口市役所", "守口 "),
        ("{name: n, width: 4, overflow: cut}", {"a": 1}, '{"a"'),
    ],
)
async def test_how_a_value_fills_its_field(tmp_path: Path, field: str, value: Any, expected: str) -> None:
    data = {} if value is None else {"n": value}
    content, outcomes = await written(tmp_path, f"record: [{field}]", about(0, **{"x": 1, **data}), path="out/")
    if value is None:
        assert outcomes[0].error is None
    assert content.decode("cp932") == expected + "\r\n"


async def test_a_cut_is_noted_and_spares_marks(tmp_path: Path) -> None:
    layout = "encoding: utf-8\nwidths: characters\noverflow: cut\nrecord: [{name: n, width: 2}]"
    content, outcomes = await written(tmp_path, layout, about(0, n="守葛\U000e0100飾"), about(1, n="守口"))
    assert content.decode() == "守 \r\n守口\r\n"
    assert [outcome.detail for outcome in outcomes] == ["cut to its width: n", ""]


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("{name: n, width: 4}", "守口市", "layout-overflow"),
        ("{name: n, width: 4, type: number, overflow: cut}", 12345, "layout-overflow"),
        ("{name: n, width: 7, type: date, overflow: cut}", "2026-04-01", "layout-overflow"),
        ("{name: n, width: 4}", "𠮷", "unencodable"),
        ("{name: n, width: 4}", "a\nb", "layout-sign"),
        ("{name: n, width: 4, type: number}", "x", "layout-number"),
        ("{name: n, width: 4, type: number}", True, "layout-number"),
        ("{name: n, width: 4, type: number}", -1, "layout-number"),
        ("{name: n, width: 4, type: number}", "1e999999", "layout-number"),
        ("{name: n, width: 8, type: date}", "20260401", "expression"),
    ],
)
async def test_what_does_not_fit_is_refused_alone(tmp_path: Path, field: str, value: Any, code: str) -> None:
    good = about(1, n=1) if "number" in field else about(1, x="")
    content, outcomes = await written(tmp_path, f"record: [{field}]", about(0, n=value), good)
    assert isinstance(outcomes[0].error, Rejected)
    assert outcomes[0].error.code == code
    assert outcomes[1].error is None
    assert content.count(b"\r\n") == 1


async def test_a_type_of_event_has_its_own_columns(tmp_path: Path) -> None:
    layout = """
record: [{name: 事由, width: 2, value: '"10"'}, {name: 日, width: 8, type: date, value: data.effective_on}]
columns_by:
  resident.died: {事由: '"40"', 日: data.died_on}
  resident.*: {事由: '"20"'}
"""
    died = about(0, "resident.died", effective_on="2026-04-01", died_on="2026-03-31")
    others = [about(no, type_, effective_on="2026-04-01") for no, type_ in ((1, "resident.born"), (2, "tax.assessed"))]
    content, _ = await written(tmp_path, layout, died, *others)
    assert content == b"4020260331\r\n2020260401\r\n1020260401\r\n"


def test_a_field_that_nothing_decides_is_told(tmp_path: Path) -> None:
    options = {"path": "out/", "layout": "layouts/l.yaml"}
    with pytest.raises(ConfigurationError, match=r"layouts/l\.yaml:3:5: nothing says what `番号` holds"):
        registry.open_sink("fixed_width", options, place(tmp_path, PLAIN, ("氏名",)), REAL)


def test_a_header_that_is_only_read_is_not_written(tmp_path: Path) -> None:
    options = {"path": "out/", "layout": "layouts/l.yaml"}
    with pytest.raises(ConfigurationError, match=r"layouts/l\.yaml:2:10: nothing says what `作成日` holds"):
        registry.open_sink("fixed_width", options, place(tmp_path, HEADED, ("番号",)), REAL)


async def test_a_header_that_does_not_fit_stops_the_receiver(tmp_path: Path) -> None:
    layout = "header: [{name: 件数, width: 1, count: records}]\nrecord: [{name: n, width: 1}]"
    with pytest.raises(ReceiverStopped, match="header: `件数` has room for 1 bytes"):
        await written(tmp_path, layout, *(about(no, n="x") for no in range(10)))


@pytest.mark.parametrize("layout", ["layouts/x.yaml", "l.yaml", "layouts/l.yml"])
def test_a_layout_that_is_not_there_is_told(tmp_path: Path, layout: str) -> None:
    options, where = {"path": "in/*", "layout": layout}, place(tmp_path, PLAIN)
    with pytest.raises(ConfigurationError, match="layout"):
        registry.open_source("fixed_width", options, where)


# --- names -----------------------------------------------------------------------------------------------------------

NAME = '"KAIGO_" + batch.date + "_" + pad(batch.no, 3) + ".DAT"'


async def test_a_file_is_named_by_its_expression(tmp_path: Path) -> None:
    await written(tmp_path, PLAIN, about(0, 番号="1", 氏名="守口"), no=7, name=NAME)
    assert [path.name for path in (tmp_path / "out").glob("[!.]*")] == ["KAIGO_2026-04-01_007.DAT"]


@pytest.mark.parametrize("name", ['""', '"a/b"', '".a"', '"a.tmp"', "batch.no", '"a\\n"', "data.nothing"])
async def test_what_cannot_be_a_name_stops_the_receiver(tmp_path: Path, name: str) -> None:
    with pytest.raises(ReceiverStopped, match="`name`"):
        await written(tmp_path, PLAIN, about(0, 番号="1", 氏名="守口"), name=name)


async def test_a_fixed_name_waits_until_the_file_is_taken(tmp_path: Path) -> None:
    one, two = about(0, 番号="1", 氏名="守口"), about(1, 番号="2", 氏名="守口")
    await written(tmp_path, PLAIN, one, name='"IDO.DAT"')
    with pytest.raises(Transient, match=r"the last IDO\.DAT still lies in out/"):
        await written(tmp_path, PLAIN, two, no=2, name='"IDO.DAT"')
    (tmp_path / "out" / "IDO.DAT").unlink()
    content, _ = await written(tmp_path, PLAIN, two, no=2, name='"IDO.DAT"')
    assert content.startswith(b"2 ")


async def test_a_foreign_file_of_that_name_stops_the_receiver(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "IDO.DAT").write_bytes(b"x")
    with pytest.raises(ReceiverStopped, match="not what the hub writes"):
        await written(tmp_path, PLAIN, about(0, 番号="1", 氏名="守口"), name='"IDO.DAT"')


async def test_a_taken_file_of_a_fixed_name_is_not_written_again(tmp_path: Path) -> None:
    options = {"path": "out/", "layout": "layouts/l.yaml", "name": '"IDO.DAT"'}
    opened: Any = registry.open_sink("fixed_width", options, place(tmp_path, PLAIN, ("番号", "氏名")), REAL)
    for no in (1, 2):
        whole = batch([about(no, 番号=str(no), 氏名="守口")], no=no)
        token = await opened.prepare(whole)
        if no == 1:
            await opened.commit(whole, token)
            (tmp_path / "out" / "IDO.DAT").unlink()
            await opened.recover(whole, token)
            assert not (tmp_path / "out" / "IDO.DAT").exists()
    assert await opened.withdraw(whole, token)
    token = await opened.prepare(whole)
    await opened.recover(whole, token)
    assert not await opened.withdraw(whole, token)
    await opened.close()
    assert (tmp_path / "out" / "IDO.DAT").read_bytes().startswith(b"2 ")
