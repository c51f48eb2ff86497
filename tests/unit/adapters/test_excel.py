from __future__ import annotations

import io
import re
import zipfile
from dataclasses import replace
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from hub.adapters import excel_workbook, registry
from hub.adapters.conformance import batch, deliveries
from hub.adapters.contract import Row
from hub.errors import ReceiverStopped, Rejected
from tests.conformance.helpers import EXPRESSIONS, site, with_data


def book(*rows: list[Any], sheet: str = "異動", before: tuple[str, ...] = ()) -> bytes:
    made = openpyxl.Workbook(write_only=True)
    for name in before:
        made.create_sheet(name).append(["other"])
    page = made.create_sheet(sheet)
    for row in rows:
        page.append(row)
    stream = io.BytesIO()
    made.save(stream)
    return stream.getvalue()


def changed(content: bytes, part: str, change: Any) -> bytes:
    """Return a workbook with one part changed."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as target:
        for info in source.infolist():
            data = source.read(info)
            target.writestr(info.filename, change(data) if info.filename == part else data)
    return made.getvalue()


SHEET = "xl/worksheets/sheet1.xml"


def read(folder: Path, content: bytes, needs: tuple[dict[str, str], ...] = (), **options: Any) -> list[Row]:
    (folder / "in").mkdir(exist_ok=True)
    (folder / "in" / "a.xlsx").write_bytes(content)
    place = replace(site(folder), needs=needs)
    opened = registry.open_source("excel", {"path": "in/*.xlsx", "after": "keep", **options}, place)
    return [row for found in opened.read(None) for row in found.rows]


def shape(rows: list[Row]) -> list[Any]:
    return [row.error.code if row.error else list(row.values.values()) for row in rows]


NEEDS = ({"番号": "systems/juki.yaml:4:3", "氏名": "systems/juki.yaml:5:3"}, {"番号": "systems/juki.yaml:4:3"})


@pytest.mark.parametrize(
    ("top", "mend"),
    [
        ([["番", "氏名"]], "correct the header or the mapping; columns found: 2"),
        ([["異動者一覧"], [], ["番号", "氏名"]], "the names stand in row 3: set `header_row: 3` at the source"),
        ([[], ["番号 ", "氏名"]], "the names stand in row 2: set `header_row: 2` at the source"),
    ],
)
def test_a_workbook_no_row_of_which_could_be_mapped_is_one_error(tmp_path: Path, top: list[Any], mend: str) -> None:
    content = book(*top, *[[str(number), "守口"] for number in range(9)])
    (row,) = read(tmp_path, content, NEEDS)
    assert row.error is not None
    assert (row.error.code, row.error.mend, row.place, row.raw) == ("excel-header", mend, "in/a.xlsx", content)
    right = read(tmp_path, content, ({"氏名": ""},) if top[0][:1] == ["番"] else NEEDS, header_row=len(top))
    assert [each.values["氏名"] for each in right] == ["守口"] * 9


def test_a_column_only_some_cases_read_refuses_no_workbook(tmp_path: Path) -> None:
    assert shape(read(tmp_path, book(["番号"], ["1"]), NEEDS)) == [["1"]]


def test_every_kind_of_value_is_a_text(tmp_path: Path) -> None:
    values = [
        "0012",
        12,
        12.0,
        0.5,
        1e20,
        True,
        None,
        date(2026, 4, 1),
        datetime.fromisoformat("2026-04-01T09:30:00"),
        time(9, 30),
    ]
    (row,) = read(tmp_path, book([f"c{no}" for no in range(len(values))], values))
    assert list(row.values.values()) == [
        "0012", "12", "12", "0.5", "1e+20", "true", "", "2026-04-01", "2026-04-01T09:30:00", "09:30:00",
    ]  # fmt: skip
    assert row.place == "in/a.xlsx:2"


def test_blank_rows_are_left_out_and_short_ones_filled(tmp_path: Path) -> None:
    rows = read(tmp_path, book(["a", "b", None], ["1"], [], ["2", "3"]))
    assert [(row.values, row.place) for row in rows] == [
        ({"a": "1", "b": ""}, "in/a.xlsx:2"),
        ({"a": "2", "b": "3"}, "in/a.xlsx:4"),
    ]


def test_a_sheet_and_a_header_further_down(tmp_path: Path) -> None:
    content = book(["守口市"], [], ["a"], ["1"], before=("表紙",))
    assert shape(read(tmp_path, content, sheet="異動", header_row=3)) == [["1"]]
    assert shape(read(tmp_path, content, sheet="無い")) == ["excel-unreadable"]


def test_an_error_in_a_cell_is_an_error_of_its_row(tmp_path: Path) -> None:
    content = changed(
        book(["a"], ["x"], ["2"]),
        SHEET,
        lambda xml: re.sub(rb'(<c r="A2") t="[^"]*">.*?</c>', rb'\1 t="e"><v>#REF!</v></c>', xml),
    )
    rows = read(tmp_path, content)
    assert shape(rows) == ["excel-error", ["2"]]
    assert rows[0].raw == b'{"a":"#REF!"}'


@pytest.mark.parametrize(
    ("rows", "codes"),
    [
        ([["a", "a"], ["1", "2"]], ["excel-header"]),
        ([[], ["1"]], ["excel-header"]),
        ([], ["excel-header"]),
        ([["a", None, "b"], ["1", "x", "2"], ["1", None, "2"]], ["excel-columns", ["1", "2"]]),
        ([["a"], ["1", "2"], ["3"]], ["excel-columns", ["3"]]),
    ],
)
def test_headers_and_what_they_do_not_name(tmp_path: Path, rows: list[Any], codes: list[Any]) -> None:
    assert shape(read(tmp_path, book(*rows))) == codes


@pytest.mark.parametrize(
    "change",
    [
        lambda xml: xml.replace(b'<row r="3"', b'<row r="2"'),
        lambda xml: xml.replace(b'<row r="3"', b'<row r="99999999999"'),
        lambda xml: xml.replace(b'r="B2"', b'r="A2"'),
        lambda xml: xml.replace(b"</sheetData>", b""),
        lambda xml: b'<!DOCTYPE x [<!ENTITY a "aaaa">]>' + xml.replace(b"<v>", b"<v>&a;"),
    ],
    ids=["rows twice", "row far away", "cells twice", "broken", "entities"],
)
def test_a_workbook_that_cannot_be_trusted_is_kept_whole(tmp_path: Path, change: Any) -> None:
    content = changed(book(["a", "b"], [1, 2], [3, 4]), SHEET, change)
    rows = read(tmp_path, content)
    assert {row.error.code for row in rows if row.error} == {"excel-unreadable"}
    assert b"".join(row.raw for row in rows) == content


def test_what_unpacks_to_too_much_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = changed(book(["a"]), "xl/styles.xml", lambda xml: xml + b" " * 2_000_000)
    assert shape(read(tmp_path, content)) == []
    monkeypatch.setattr(excel_workbook, "HELD", 1_000_000)
    assert set(shape(read(tmp_path, content))) == {"excel-too-large"}
    monkeypatch.setattr(excel_workbook, "HELD", 10_000_000)
    monkeypatch.setattr(excel_workbook, "UNPACKED", 1_000_000)
    assert set(shape(read(tmp_path, content))) == {"excel-too-large"}


# --- writing ---------------------------------------------------------------------------------------------------------


async def written(folder: Path, *content: Any, **options: Any) -> tuple[bytes, list[Any]]:
    sink: Any = registry.open_sink("excel", {"path": "out/", **options}, site(folder), EXPRESSIONS)
    whole = batch(list(content))
    try:
        outcomes = await sink.commit(whole, await sink.prepare(whole))
    finally:
        await sink.close()
    (path,) = (folder / "out").glob("[!.]*.xlsx")
    return path.read_bytes(), outcomes


async def test_every_cell_is_a_text_also_what_looks_like_a_formula(tmp_path: Path) -> None:
    one = with_data(deliveries(1)[0], {"name": '=HYPERLINK("x")', "household_no": "0012"})
    content, _ = await written(tmp_path, one, columns={"氏名": "data.name", "世帯": "data.household_no"}, sheet="通知")
    page = openpyxl.load_workbook(io.BytesIO(content))["通知"]
    cells = [cell for row in page.iter_rows() for cell in row]
    assert [cell.value for cell in cells] == ["氏名", "世帯", '=HYPERLINK("x")', "0012"]
    assert {cell.data_type for cell in cells} == {"s"}


async def test_the_same_batch_is_the_same_bytes(tmp_path: Path) -> None:
    first, _ = await written(tmp_path / "a", *deliveries(3))
    second, _ = await written(tmp_path / "b", *deliveries(3))
    assert first == second
    assert openpyxl.load_workbook(io.BytesIO(first)).properties.modified == datetime.fromisoformat("2026-04-01")


@pytest.mark.parametrize("name", ["a\x01", "x" * 32_768])
async def test_what_no_cell_holds_is_refused_alone(tmp_path: Path, name: str) -> None:
    one, two = deliveries(2)
    content, outcomes = await written(tmp_path, with_data(one, {"name": name}), two)
    assert isinstance(outcomes[0].error, Rejected)
    assert (outcomes[0].error.code, outcomes[1].error) == ("excel-cell", None)
    assert openpyxl.load_workbook(io.BytesIO(content)).worksheets[0].max_row == 2


async def test_a_column_name_no_cell_holds_stops_the_receiver(tmp_path: Path) -> None:
    with pytest.raises(ReceiverStopped, match="column's name"):
        await written(tmp_path, *deliveries(1), columns={"a\x01": "subject"})
